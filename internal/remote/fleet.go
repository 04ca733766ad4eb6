package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
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

// Observe gathers the facts of all hosts, in parallel, within the budget, with
// the hashes that are wanted.
func (f *Fleet) Observe(ctx context.Context, now time.Time, budget time.Duration, hashes observe.Hashes) cluster.Facts {
	var all []observe.Reached
	for _, h := range f.hosts {
		all = append(all, observe.Reached{Host: h.Host, Asker: h})
	}
	end, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	var outside []cluster.APIServer
	var wg sync.WaitGroup
	wg.Go(func() { outside = observe.Outside(end, f.Config) })
	facts := observe.Gather(ctx, f.Config, all, now, budget, hashes)
	wg.Wait()
	facts.Outside = outside
	facts.Outside = append(facts.Outside, observe.OutsideNamed(end, facts)...)
	f.listen(ctx, &facts)
	return facts
}

// listen holds hosts that were given up against the network: one whose etcd or
// API server accepts connections is cut off from Salvor and not gone.
func (f *Fleet) listen(ctx context.Context, facts *cluster.Facts) {
	var wg sync.WaitGroup
	for i := range facts.Hosts {
		h := &facts.Hosts[i]
		if own, _ := f.Config.Host(h.Name); !own.Gone || h.Reached.OK {
			continue
		}
		wg.Go(func() {
			if h.Heard = heard(ctx, addressesOn(f.Config, h.Name)); len(h.Heard) > 0 {
				h.Reached.Why += "; yet it is not gone: " + strings.Join(h.Heard, ", ") + " accepts connections"
			}
		})
	}
	wg.Wait()
}

// addressesOn lists where the etcd members and the API server of a host listen.
func addressesOn(cfg cluster.Config, host string) []string {
	var urls []string
	for _, m := range cfg.Members {
		if m.Host == host {
			urls = append(append(urls, m.ClientURLs...), m.PeerURLs...)
		}
	}
	if n, ok := cfg.Node(host); ok && n.API != "" {
		urls = append(urls, n.API)
	}
	var out []string
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || net.ParseIP(u.Hostname()).IsLoopback() && cfg.Distant(host) {
			continue
		}
		address := u.Host
		if u.Port() == "" {
			address = net.JoinHostPort(u.Hostname(), "443")
		}
		if !slices.Contains(out, address) {
			out = append(out, address)
		}
	}
	return out
}

// heardLimit is how long a connection to a host that was given up may take.
const heardLimit = 2 * time.Second

// heard gives the addresses that accept a connection.
func heard(ctx context.Context, addresses []string) []string {
	accepts := make([]bool, len(addresses))
	var wg sync.WaitGroup
	for i, a := range addresses {
		wg.Go(func() {
			dialer := net.Dialer{Timeout: heardLimit}
			conn, err := dialer.DialContext(ctx, "tcp", a)
			if err == nil {
				accepts[i] = true
				_ = conn.Close()
			}
		})
	}
	wg.Wait()
	var out []string
	for i, a := range addresses {
		if accepts[i] {
			out = append(out, a)
		}
	}
	return out
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
