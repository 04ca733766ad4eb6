package remote

import (
	"context"

	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/host"
)

const methodSurvey = "survey"

// Survey finds what there is of a control plane on this host; it only reads.
func (h *Host) Survey(ctx context.Context, o config.Options) (config.Found, error) {
	var f config.Found
	err := h.call(ctx, methodSurvey, o, &f, nil)
	return f, err
}

func survey(ctx context.Context, o config.Options, _ func(host.Progress)) (any, error) {
	return config.Discover(ctx, o)
}
