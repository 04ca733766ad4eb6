package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/remote"
)

// sight is how a command looks: how long, and what the operator gives up.
type sight struct {
	budget time.Duration
	gone   []string
}

func (s *sight) addFlags(c *cobra.Command) {
	c.Flags().DurationVar(&s.budget, "budget", defaultBudget, "how long a look at all machines may take; more for very large data dirs")
	c.Flags().StringSliceVar(&s.gone, "gone", nil, "machines that, with their disks, will never come back: what lay there counts as lost instead of unknown (you answer for that)")
}

// load reads the configuration with what the flags say of it.
func (s sight) load(a *app) (cluster.Config, error) {
	cfg, err := a.load()
	if err != nil {
		return cfg, err
	}
	if s.budget <= 0 {
		return cfg, usageError{fmt.Errorf("--budget %s: give a time such as 30s", s.budget)}
	}
	a.budget = s.budget
	for _, name := range s.gone {
		if _, ok := cfg.Host(name); !ok {
			var known []string
			for _, h := range cfg.Hosts {
				known = append(known, h.Name)
			}
			return cfg, usageError{fmt.Errorf("--gone %s: no host is named so (there are: %s)", name, strings.Join(known, ", "))}
		}
		for i := range cfg.Hosts {
			cfg.Hosts[i].Gone = cfg.Hosts[i].Gone || cfg.Hosts[i].Name == name
		}
	}
	return cfg, nil
}

// silence is how long a look may take before the operator is told what is
// waited for.
const silence = 1500 * time.Millisecond

// look observes and diagnoses within the budget of the command line; a look
// that takes long says so.
func (a *app) look(ctx context.Context, f *remote.Fleet) seen {
	budget := a.budget
	if budget <= 0 {
		budget = defaultBudget
	}
	notice := time.AfterFunc(silence, func() {
		fmt.Fprintf(a.err, "looking at %d machines, for %s at most …\n", len(f.Hosts()), budget)
	})
	defer notice.Stop()
	return a.withBackups(ctx, f.Config, look(ctx, f, budget, a.hashes), budget)
}
