package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/report"
)

func (a *app) applyCommand() *cobra.Command {
	var k consent
	c := &cobra.Command{
		Use:   "apply CASE",
		Short: "Carry out a plan that was made before, if it still holds",
		Long: `Apply looks again first. If what is there is no longer what the plan answers,
it does nothing and exits with 12.

` + exitCodes,
		Args: args(cobra.ExactArgs(1)),
	}
	k.addFlags(c)
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if err := k.check(); err != nil {
			return err
		}
		folder, p, err := a.openPlan(list[0])
		if err != nil {
			return err
		}
		if entries, err := casefile.ReadJournal(folder.Path(casefile.JournalFile)); err != nil || begun(entries) {
			return hint(errors.Join(fmt.Errorf("case %s was begun already", folder.Name()), err), "`salvor resume %s` goes on with it", folder.Dir)
		}
		fleet, err := a.fleet(p.Config)
		if err != nil {
			return err
		}
		defer fleet.Close()
		if err := a.lock(c.Context(), fleet, folder.Name()); err != nil {
			return err
		}
		if err := a.stillHolds(c.Context(), fleet, p); err != nil {
			return err
		}
		if a.output == "text" {
			if err := report.Plan(a.out, p, a.style()); err != nil {
				return err
			}
		}
		accepted, err := a.agree(c.Context(), p, k)
		if err != nil {
			return err
		}
		return a.carryOut(c.Context(), fleet, folder, p, accepted)
	}
	return c
}

func begun(entries []casefile.Entry) bool {
	for _, e := range entries {
		if e.Event == casefile.EventBegan {
			return true
		}
	}
	return false
}

// openCaseFolder opens a case given as a folder, as a file in it, or as a name
// below --cases.
func (a *app) openCaseFolder(arg string) (casefile.Folder, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		return casefile.Open(absolute(arg))
	case err == nil:
		return casefile.Open(filepath.Dir(absolute(arg)))
	}
	if info, err := os.Stat(filepath.Join(a.cases, arg)); err == nil && info.IsDir() {
		return casefile.Open(filepath.Join(a.cases, arg))
	}
	return casefile.Folder{}, hint(fmt.Errorf("case %s: %w, neither as a path nor below %s", arg, fs.ErrNotExist, a.cases), "`salvor cases` lists them, also those that hosts keep a mirror of")
}

func absolute(path string) string {
	if p, err := filepath.Abs(path); err == nil {
		return p
	}
	return path
}

// openPlan opens a case that has a plan, and makes sure that the plan is the
// one that was reviewed.
func (a *app) openPlan(arg string) (casefile.Folder, plan.Plan, error) {
	var p plan.Plan
	folder, err := a.openCaseFolder(arg)
	if err != nil {
		return folder, p, err
	}
	if err := folder.Read(casefile.PlanFile, &p); err != nil {
		return folder, p, hint(err, "this case has no plan: it holds only what was seen")
	}
	if err := p.Intact(); err != nil {
		return folder, p, err
	}
	return folder, p, p.Check()
}
