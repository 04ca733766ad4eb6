package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/remote"
)

// wanted is how init is told to reach machines.
type wanted struct {
	hosts, identities, jump []string
	knownHosts              string
	sudo                    bool
}

func (w wanted) set() bool {
	return len(w.identities)+len(w.jump) > 0 || w.knownHosts != "" || w.sudo
}

// surveyBudget is how long a machine may take to be reached and to tell what is
// on it; salvor itself may have to travel there first.
const surveyBudget = 60 * time.Second

// survey asks all machines that were named, then those that they name, and
// makes one configuration of the answers.
func (a *app) survey(ctx context.Context, w wanted, o config.Options) (config.Found, error) {
	var next []cluster.Host
	for _, address := range w.hosts {
		if _, err := cluster.ParseSSHAddress(address); err != nil {
			return config.Found{}, usageError{err}
		}
		h := cluster.Host{Via: cluster.ViaSSH, Address: address, Jump: w.jump, Sudo: w.sudo, StateDir: o.StateDir}
		for _, f := range w.identities {
			h.Identities = append(h.Identities, ownPath(f))
		}
		h.KnownHosts = ownPath(w.knownHosts)
		next = append(next, h)
	}
	name := o.Name
	o.Name, o.Survey = "", true
	var all []config.Surveyed
	for len(next) > 0 {
		all = append(all, a.surveyAll(ctx, next, o)...)
		next = config.Elsewhere(all)
	}
	if err := ctx.Err(); err != nil {
		return config.Found{}, err
	}
	found, err := config.Merge(all, name)
	if err != nil {
		for _, s := range all {
			if s.Err != nil {
				fmt.Fprintf(a.err, "%s: %s\n", s.Host.Address, s.Err)
			}
		}
		if w.knownHosts != "" {
			fmt.Fprintf(a.err, "where a host key is not known: give `salvor known-hosts accept` the same --known-hosts %s\n", w.knownHosts)
		}
	}
	return found, err
}

// surveyAll asks machines at the same time.
func (a *app) surveyAll(ctx context.Context, hosts []cluster.Host, o config.Options) []config.Surveyed {
	out := make([]config.Surveyed, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		out[i] = config.Surveyed{Host: h}
		h.Name = h.Address // until it tells its own
		t, err := a.transport(h)
		if err != nil {
			out[i].Err = err
			continue
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, surveyBudget)
			defer cancel()
			machine := remote.New(h, t, a.build())
			defer machine.Close()
			out[i].Found, out[i].Err = machine.Survey(ctx, o)
		})
	}
	wg.Wait()
	return out
}

// ownPath makes a path of this machine one that a configuration file can hold.
func ownPath(path string) string {
	if path == "" || filepath.IsAbs(path) || path[0] == '~' {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	return filepath.Join(dir, path)
}
