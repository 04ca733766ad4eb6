package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/report"
)

// caseLine is one case in the list.
type caseLine struct {
	Name     string `json:"name"`
	Where    string `json:"where"`
	Scenario string `json:"scenario,omitempty"`
	State    string `json:"state"`
	// Fetched are the hosts on which a backup lies that was fetched for it.
	Fetched []string `json:"fetched,omitempty"`

	// cluster is the name of the cluster that the case's plan is for.
	cluster string
}

func (a *app) casesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cases",
		Short: "List the cases that are kept here and mirrored on the hosts",
		Long: `Cases lists every case with its state. Where a backup was fetched for a case to
a machine and still lies there, it says so: ` + "`salvor cleanup CASE`" + ` removes it.

` + exitCodes,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.formats("text", "json"); err != nil {
				return err
			}
			lines, err := localCases(a.cases)
			if err != nil {
				return err
			}
			if cfg, err := a.load(); err == nil {
				fleet, err := a.fleet(cfg)
				if err != nil {
					return err
				}
				defer fleet.Close()
				lines = append(lines, mirrors(c.Context(), fleet.Hosts())...)
				lines = withFetched(lines, fetchedFor(c.Context(), fleet))
			}
			if a.output == "json" {
				return report.JSON(a.out, "Cases", map[string]any{"cases": lines})
			}
			for _, l := range lines {
				where := l.Where
				if len(l.Fetched) > 0 {
					where += ", a fetched backup on " + strings.Join(l.Fetched, ", ")
				}
				if err := a.say("%-48s %-12s %-14s %s\n", l.Name, l.State, l.Scenario, strings.TrimPrefix(where, ", ")); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func localCases(parent string) ([]caseLine, error) {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []caseLine
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fetching) {
			continue // a fetch that was interrupted
		}
		folder, err := casefile.Open(filepath.Join(parent, e.Name()))
		if err != nil {
			continue
		}
		c, err := folder.Load()
		if err != nil {
			out = append(out, caseLine{Name: e.Name(), Where: folder.Dir, State: "unreadable"})
			continue
		}
		l := caseLine{Name: c.Name, Where: folder.Dir, State: stateOf(c)}
		if c.Plan != nil {
			l.Scenario, l.cluster = string(c.Plan.Scenario), c.Plan.Config.Cluster
		} else if c.Diagnosis != nil {
			l.Scenario = string(c.Diagnosis.Scenario)
		}
		out = append(out, l)
	}
	return out, nil
}

// The states of a case.
const (
	stateFetched     = "fetched" // nothing else is known of it
	stateSeen        = "seen"
	statePlanned     = "planned"
	stateInterrupted = "interrupted"
	stateDone        = "done"
	stateUnproven    = "not proven"
	statePassed      = "passed"
)

// stateOf says in a word or two how far a case is.
func stateOf(c casefile.Case) string {
	switch {
	case c.Verdict != nil && c.Verdict.Passed:
		return statePassed
	case c.Verdict != nil:
		return stateUnproven
	case c.Plan == nil:
		return stateSeen
	case !begun(c.Journal):
		return statePlanned
	}
	if last := c.Journal[len(c.Journal)-1]; last.Event == casefile.EventEnded && last.Error == "" {
		return stateDone
	}
	return stateInterrupted
}
