package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/remote"
)

// sight is how a command looks: how long, what the operator gives up, and in
// which vault.
type sight struct {
	budget time.Duration
	gone   []string
	vault  vaultFlags
}

func (s *sight) addFlags(c *cobra.Command) {
	c.Flags().DurationVar(&s.budget, "budget", defaultBudget, "how long a look at all machines may take; more for very large data dirs")
	c.Flags().StringSliceVar(&s.gone, "gone", nil, "machines that, with their disks, will never come back: what lay there counts as lost instead of unknown (you answer for that)")
	c.Flags().StringArrayVar(&s.vault.targets, "target", nil, "look for backups on this target (written as for salvor vault), in the place of those of salvor.yaml; may be repeated")
	c.Flags().StringVar(&s.vault.identity, "identity", "", identityUsage)
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
	if cfg, err = s.where(cfg); err != nil {
		return cfg, err
	}
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
		fmt.Fprintf(a.err, "looking at %s, for %s at most …\n", count(len(f.Hosts()), "machine"), budget)
	})
	defer notice.Stop()
	s := look(ctx, f, budget, a.hashes)
	if cfg, corrected := a.learn(ctx, f, s.facts); corrected {
		f.Config = cfg
		s = look(ctx, f, budget, a.hashes)
	}
	return a.withBackups(ctx, f.Config, s, budget)
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// learn asks machines of which the configuration only assumes something, and
// that answer now, for what is really on them.
func (a *app) learn(ctx context.Context, f *remote.Fleet, seen cluster.Facts) (cfg cluster.Config, corrected bool) {
	cfg = f.Config
	for _, h := range f.Config.Hosts {
		if facts, ok := seen.Host(h.Name); !h.Assumed || !ok || !facts.Reached.OK {
			continue
		}
		machine, err := f.Host(h.Name)
		if err != nil {
			continue
		}
		one, cancel := context.WithTimeout(ctx, surveyBudget)
		found, err := machine.Survey(one, config.Options{Survey: true, StateDir: h.StateDir})
		cancel()
		next, known := config.Correct(cfg, h.Name, found)
		if err == nil && !known {
			err = errors.New("no member with its peer URLs is found there")
		}
		if err != nil {
			fmt.Fprintf(a.err, "%s answers, but what salvor.yaml assumes of it stands: %s\n", h.Name, err)
			continue
		}
		cfg, corrected = next, true
		fmt.Fprintf(a.err, "%s answers: its own files count now, not what salvor.yaml has assumed of it; `salvor init` writes them down\n", h.Name)
	}
	return cfg, corrected
}

// where gives the configuration with the vault of the flags: on a blank machine
// salvor.yaml describes none.
func (s sight) where(cfg cluster.Config) (cluster.Config, error) {
	switch {
	case s.vault.identity != "":
		if cfg.Vault == nil && len(s.vault.targets) == 0 {
			return cfg, usageError{errors.New("--identity: salvor.yaml describes no vault that this key could open: name a --target")}
		}
		s.vault.identity = ownPath(s.vault.identity)
	case len(s.vault.targets) == 0:
		return cfg, nil
	}
	return s.vault.over(cfg)
}
