package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/operate"
	"github.com/salvor-project/salvor/internal/plan"
)

// Host is one machine of the configuration. Its connection is made on first
// use and made anew after it broke.
type Host struct {
	cluster.Host
	transport host.Transport
	options   host.DialOptions

	mu     sync.Mutex
	client *host.Client
	owner  *host.Owner
}

// New prepares a host; nothing is dialled yet.
func New(h cluster.Host, t host.Transport, version string) *Host {
	return &Host{Host: h, transport: t, options: host.DialOptions{Host: h.Name, Version: version, StateDir: h.State()}}
}

// Distant tells whether the host is reached over a network, which can vanish
// without a word.
func (h *Host) Distant() bool { return h.Via == cluster.ViaSSH }

// Client gives the connection, dialling if there is none or it broke. A lock
// that was held is taken again on a new connection.
func (h *Host) Client(ctx context.Context) (*host.Client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client != nil {
		select {
		case <-h.client.Broken():
			_ = h.client.Close()
			h.client = nil
		default:
			return h.client, nil
		}
	}
	c, err := host.Dial(ctx, h.transport, h.options)
	if err != nil {
		return nil, err
	}
	if h.owner != nil {
		if err := relock(ctx, c, *h.owner); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	h.client = c
	return c, nil
}

// relock takes a lock again on a new connection. The host's side of the broken
// one may hold it until it notices that nobody is there any more.
func relock(ctx context.Context, c *host.Client, owner host.Owner) error {
	for end := time.Now().Add(host.Vanished); ; {
		err := c.Lock(ctx, owner)
		var held *host.LockedError
		if !errors.As(err, &held) || held.Owner.PID != owner.PID || held.Owner.Hostname != owner.Hostname || held.Owner.Case != owner.Case || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Lock takes the host's lock for as long as this Host is open.
func (h *Host) Lock(ctx context.Context, owner host.Owner) error {
	c, err := h.Client(ctx)
	if err != nil {
		return err
	}
	if err := c.Lock(ctx, owner); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owner = &owner
	return nil
}

// Close ends the connection and frees the lock.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owner = nil
	if h.client == nil {
		return nil
	}
	err := h.client.Close()
	h.client = nil
	return err
}

func (h *Host) call(ctx context.Context, method string, params, result any, progress func(host.Progress)) error {
	c, err := h.Client(ctx)
	if err != nil {
		return err
	}
	return c.Call(ctx, method, params, result, progress)
}

func (h *Host) question(cfg cluster.Config) question { return question{Config: cfg, Host: h.Name} }

// Reach connects to the host.
func (h *Host) Reach(ctx context.Context) error {
	_, err := h.Client(ctx)
	return err
}

// Spoke tells whether the host's machine has ever sent anything: one that hangs
// after it has accepted a connection has not. Of a host that is this machine it
// is always true.
func (h *Host) Spoke() bool {
	t, ok := h.transport.(interface{ Spoke() bool })
	return !ok || t.Spoke()
}

// Observe gathers the host's facts.
func (h *Host) Observe(ctx context.Context, cfg cluster.Config) (cluster.HostFacts, error) {
	var f cluster.HostFacts
	if _, err := h.Client(ctx); err != nil { // the way there takes of the time, too
		return f, err
	}
	q := h.question(cfg)
	if end, ok := ctx.Deadline(); ok {
		q.Within = max(time.Until(end), time.Millisecond)
	}
	err := h.call(ctx, methodObserve, q, &f, nil)
	return f, err
}

// Changes counts what each member of the host holds above each revision.
func (h *Host) Changes(ctx context.Context, cfg cluster.Config, since []int64) (map[string][]cluster.Changes, error) {
	var out map[string][]cluster.Changes
	err := h.call(ctx, methodChanges, changesParams{h.question(cfg), since}, &out, nil)
	return out, err
}

// HashAt asks a live member of the host for its hash at a revision.
func (h *Host) HashAt(ctx context.Context, cfg cluster.Config, member string, revision int64) (cluster.HashKV, error) {
	a, err := h.Probe(ctx, cfg, ProbeRequest{Member: member, HashAt: revision})
	if err != nil {
		return cluster.HashKV{}, err
	}
	if !a.Hash.OK {
		return cluster.HashKV{}, errors.New(a.Hash.Why)
	}
	return a.Hash.Value, nil
}

// Evidence collects what is to be preserved of the host.
func (h *Host) Evidence(ctx context.Context, cfg cluster.Config) ([]observe.EvidenceFile, error) {
	var out []observe.EvidenceFile
	err := h.call(ctx, methodEvidence, h.question(cfg), &out, nil)
	return out, err
}

// Probe asks a live member of the host for fingerprints.
func (h *Host) Probe(ctx context.Context, cfg cluster.Config, r ProbeRequest) (ProbeAnswer, error) {
	var a ProbeAnswer
	err := h.call(ctx, methodProbe, probeParams{h.question(cfg), r}, &a, nil)
	return a, err
}

// Done asks whether an action's effect is there already; it changes nothing.
func (h *Host) Done(ctx context.Context, cfg cluster.Config, caseName string, a plan.Action) (operate.State, json.RawMessage, error) {
	p, err := h.action(cfg, caseName, a)
	if err != nil {
		return operate.Unsure, nil, err
	}
	var r doneResult
	if err := h.call(ctx, methodDone, p, &r, nil); err != nil {
		return operate.Unsure, nil, err
	}
	return r.State, r.Result, nil
}

// Do carries an action out. DANGER: it changes the machine; only run may call
// it, after it has journaled the step.
func (h *Host) Do(ctx context.Context, cfg cluster.Config, caseName string, a plan.Action, progress func(host.Progress)) (json.RawMessage, error) {
	p, err := h.action(cfg, caseName, a)
	if err != nil {
		return nil, err
	}
	var r json.RawMessage
	err = h.call(ctx, methodDo, p, &r, progress)
	return r, err
}

func (h *Host) action(cfg cluster.Config, caseName string, a plan.Action) (actionParams, error) {
	b, err := json.Marshal(a)
	if err != nil {
		return actionParams{}, fmt.Errorf("encode action %s: %w", a.Kind(), err)
	}
	return actionParams{h.question(cfg), caseName, a.Kind(), b}, nil
}
