package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/observe"
)

// Fleet is all machines of a configuration.
type Fleet struct {
	Config cluster.Config
	hosts  []*Host
	byName map[string]*Host
}

// NewFleet prepares every host with the transport that dial gives for it.
func NewFleet(cfg cluster.Config, version string, dial func(cluster.Host) (host.Transport, error)) (*Fleet, error) {
	f := &Fleet{Config: cfg, byName: map[string]*Host{}}
	for _, h := range cfg.Hosts {
		t, err := dial(h)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
		r := New(h, t, version)
		f.hosts = append(f.hosts, r)
		f.byName[h.Name] = r
	}
	return f, nil
}

// Host finds a host by name.
func (f *Fleet) Host(name string) (*Host, error) {
	if h, ok := f.byName[name]; ok {
		return h, nil
	}
	return nil, fmt.Errorf("host %q is not in the configuration", name)
}

// Hosts gives all hosts in the configuration's order.
func (f *Fleet) Hosts() []*Host { return f.hosts }

// Observe gathers the facts of all hosts, in parallel, within the budget.
func (f *Fleet) Observe(ctx context.Context, now time.Time, budget time.Duration) cluster.Facts {
	var all []observe.Reached
	for _, h := range f.hosts {
		all = append(all, observe.Reached{Host: h.Host, Asker: h})
	}
	return observe.Gather(ctx, f.Config, all, now, budget)
}

// Lock takes the locks of all hosts that can be reached, so that nobody acts
// between a look and what follows from it. A lock that somebody else holds is
// an error; a host that cannot be reached is not: it will be an unknown fact.
func (f *Fleet) Lock(ctx context.Context, owner host.Owner) error {
	errs := make([]error, len(f.hosts))
	var wg sync.WaitGroup
	for i, h := range f.hosts {
		wg.Go(func() {
			if err := h.Lock(ctx, owner); errors.Is(err, host.ErrLocked) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Close ends all connections.
func (f *Fleet) Close() error {
	var err error
	for _, h := range f.hosts {
		err = errors.Join(err, h.Close())
	}
	return err
}
