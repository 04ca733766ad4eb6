package remote

import (
	"context"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/operate"
)

const methodJudgeService = "judge-service"

type serviceParams struct {
	question
	operate.ServiceWanted
}

// JudgeService asks how the control plane serves its clients, through the host's
// own API server; it changes nothing.
func (h *Host) JudgeService(ctx context.Context, cfg cluster.Config, w operate.ServiceWanted) (operate.Service, error) {
	var s operate.Service
	err := h.call(ctx, methodJudgeService, serviceParams{h.question(cfg), w}, &s, nil)
	return s, err
}

func judgeService(ctx context.Context, p serviceParams, _ func(host.Progress)) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return operate.LookService(ctx, operate.Env{Config: p.Config.On(p.Host), Host: p.Host}, p.ServiceWanted)
}
