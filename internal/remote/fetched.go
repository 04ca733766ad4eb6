package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/plan"
)

const (
	methodFetched = "fetched.list"
	methodLand    = "fetched.land"
)

// Fetched is what was fetched to a host for a case and still lies there: all of
// the cluster's secrets.
type Fetched struct {
	Case  string `json:"case"`
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// Fetched lists the backups that were fetched to the host, in order of their
// cases' names.
func (h *Host) Fetched(ctx context.Context, cfg cluster.Config) ([]Fetched, error) {
	var out []Fetched
	err := h.call(ctx, methodFetched, h.question(cfg), &out, nil)
	return out, err
}

func fetched(_ context.Context, q question, _ func(host.Progress)) (any, error) {
	h, ok := q.Config.Host(q.Host)
	if !ok {
		return nil, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("host %q is not in the configuration", q.Host)}
	}
	dir := filepath.Join(h.State(), plan.FetchedDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list fetched backups: %w", err)
	}
	out := []Fetched{}
	for _, e := range entries {
		if !e.IsDir() || host.ValidName(e.Name()) != nil {
			continue
		}
		f := Fetched{Case: e.Name(), Path: filepath.Join(dir, e.Name())}
		files, err := os.ReadDir(f.Path)
		if err != nil {
			return nil, fmt.Errorf("list fetched backups: %w", err)
		}
		for _, x := range files {
			if info, err := x.Info(); err == nil { // one that vanishes meanwhile counts as nothing
				f.Bytes += info.Size()
			}
		}
		out = append(out, f)
	}
	return out, nil
}

type landParams struct {
	question
	Path    string          `json:"path"`
	Arrived datadir.Arrived `json:"arrived"`
}

// Land has the host check a snapshot that was just put there, and keep what it
// found beside it. The error is for what is wrong with it, too: whoever looks at
// it later says that again.
func (h *Host) Land(ctx context.Context, cfg cluster.Config, path string, s host.Stored) error {
	return h.call(ctx, methodLand, landParams{h.question(cfg), path, datadir.Arrived(s)}, nil, nil)
}

func land(ctx context.Context, p landParams, _ func(host.Progress)) (any, error) {
	h, ok := p.Config.Host(p.Host)
	if in, err := filepath.Rel(filepath.Join(h.State(), plan.FetchedDir), p.Path); !ok || err != nil || !filepath.IsLocal(in) {
		return nil, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("%s is not where backups are fetched to on host %q", p.Path, p.Host)}
	}
	return nil, observe.Land(ctx, p.Config, p.Host, p.Path, p.Arrived)
}
