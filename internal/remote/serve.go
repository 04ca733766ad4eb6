package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/operate"
	"github.com/salvor-project/salvor/internal/plan"
)

// Methods are the methods that a host answers, for host.Serve.
func Methods(version string) host.Methods {
	return host.Methods{
		methodObserve: method(func(ctx context.Context, q question, _ func(host.Progress)) (any, error) {
			if q.Within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, q.Within)
				defer cancel()
			}
			return observe.Host(ctx, q.Config, q.Host, version), nil
		}),
		methodChanges: method(func(ctx context.Context, p changesParams, _ func(host.Progress)) (any, error) {
			return observe.Changes(ctx, p.Config, p.Host, p.Since), nil
		}),
		methodEvidence: method(func(ctx context.Context, q question, _ func(host.Progress)) (any, error) {
			return observe.Evidence(ctx, q.Config, q.Host), nil
		}),
		methodProbe: method(probe),
		methodDone:  method(done),
		methodDo:    method(do),

		methodSurvey:       method(survey),
		methodJudgeAPI:     method(judgeAPI),
		methodJudgeService: method(judgeService),
		methodMembers:      method(members),
		methodDisks:        method(disks),
		methodBundle:       method(collect),
		methodData:         method(data),
		methodFetched:      method(fetched),
		methodLook:         method(lookBare),
		methodQuiet:        method(quiet),
		methodPut:          method(put),
		methodPutDone:      method(putDone),
		methodLand:         method(land),
	}
}

// method decodes the parameters of a typed function.
func method[P any](f func(context.Context, P, func(host.Progress)) (any, error)) host.Method {
	return func(ctx context.Context, raw json.RawMessage, progress func(host.Progress)) (any, error) {
		var p P
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("decode parameters: %w", err)}
		}
		return f(ctx, p, progress)
	}
}

func (p actionParams) env() (operate.Env, plan.Action, error) {
	a, err := plan.DecodeAction(p.Kind, p.Do)
	if err != nil {
		return operate.Env{}, nil, &host.Failure{Code: host.CodeBadRequest, Err: err}
	}
	h, ok := p.Config.Host(p.Host)
	if !ok {
		return operate.Env{}, nil, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("host %q is not in the configuration", p.Host)}
	}
	return operate.Env{Config: p.Config.On(p.Host), Host: p.Host, CaseDir: filepath.Join(h.State(), "cases", p.Case)}, a, nil
}

func done(ctx context.Context, p actionParams, _ func(host.Progress)) (any, error) {
	env, a, err := p.env()
	if err != nil {
		return nil, err
	}
	state, result, err := operate.Done(ctx, env, a)
	if err != nil {
		return nil, err
	}
	return doneResult{state, result}, nil
}

func do(ctx context.Context, p actionParams, progress func(host.Progress)) (any, error) {
	env, a, err := p.env()
	if err != nil {
		return nil, err
	}
	return operate.Do(ctx, env, a, func(done, total int64, unit string) {
		progress(host.Progress{Done: done, Total: total, Unit: unit})
	})
}

func probe(ctx context.Context, p probeParams, _ func(host.Progress)) (any, error) {
	m, ok := p.Config.Member(p.Member)
	if !ok || len(m.ClientURLs) == 0 {
		return nil, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("member %q has no client URL in the configuration", p.Member)}
	}
	c, err := etcd.Dial(ctx, m.ClientURLs, p.Config.On(m.Host).Client)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var a ProbeAnswer
	if p.HashAt > 0 {
		a.Hash = cluster.From(c.HashKV(ctx, p.HashAt))
	}
	if p.ContentAt > 0 {
		content, err := c.Content(ctx, p.ContentAt)
		a.Content, a.ContentCompacted = cluster.From(content, err), errors.Is(err, etcd.ErrCompacted)
	}
	if p.WatchFrom > 0 {
		state, _, err := c.WatchFrom(ctx, p.WatchFrom)
		a.Compacted = cluster.From(state == etcd.WatchCompacted, err)
	}
	return a, nil
}
