package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

func (a *app) resumeCommand() *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "resume CASE",
		Short: "Go on with a run that was interrupted",
		Long: `Resume asks of every step whether it was done before it does anything. CASE is
a case folder or its name. When the folder is gone with the machine that held
it, --from takes the mirror that a host keeps (salvor.yaml is needed then).

` + exitCodes,
		Args: args(cobra.ExactArgs(1)),
	}
	c.Flags().StringVar(&from, "from", "", "take the case from the mirror on this host")
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if from != "" {
			if err := a.fetchCase(c.Context(), from, list[0]); err != nil {
				return err
			}
		}
		folder, p, err := a.openPlan(list[0])
		if err != nil {
			return err
		}
		if entries, err := casefile.ReadJournal(folder.Path(casefile.JournalFile)); err != nil {
			return err
		} else if !accepted(entries) {
			return hint(fmt.Errorf("case %s was never agreed to", folder.Name()), "`salvor apply %s` asks and carries it out", folder.Dir)
		}
		fleet, err := a.fleet(p.Config)
		if err != nil {
			return err
		}
		defer fleet.Close()
		return a.carryOut(c.Context(), fleet, folder, p, "")
	}
	return c
}

func accepted(entries []casefile.Entry) bool {
	for _, e := range entries {
		if e.Event == casefile.EventAccepted {
			return true
		}
	}
	return false
}

// fetchCase copies a case's mirror from a host into the cases folder.
func (a *app) fetchCase(ctx context.Context, from, name string) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	fleet, err := a.fleet(cfg)
	if err != nil {
		return err
	}
	defer fleet.Close()
	h, err := fleet.Host(from)
	if err != nil {
		return usageError{err}
	}
	return a.copyMirror(ctx, h, filepath.Base(name))
}

func (a *app) copyMirror(ctx context.Context, h *remote.Host, name string) error {
	client, err := h.Client(ctx)
	if err != nil {
		return err
	}
	docs := map[string][]byte{}
	for _, doc := range []string{casefile.PlanFile, casefile.JournalFile, casefile.FactsFile, casefile.DiagnosisFile} {
		b, err := client.GetCase(ctx, name, doc)
		if err != nil {
			return hint(err, "`salvor cases` lists the mirrors that each host keeps")
		}
		docs[doc] = b
	}
	folder, err := casefile.Create(a.cases, name)
	if err != nil {
		return hint(err, "that case is here already: `salvor resume %s` without --from", name)
	}
	for _, doc := range []string{casefile.FactsFile, casefile.DiagnosisFile, casefile.JournalFile, casefile.PlanFile} {
		if err := folder.WriteBytes(doc, docs[doc]); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) rollbackCommand() *cobra.Command {
	var k consent
	c := &cobra.Command{
		Use:   "rollback CASE",
		Short: "Put everything back that a case has set aside",
		Long: `Rollback stops the members, sets what the case has built aside (it deletes
nothing either), renames the old folders back, and starts what ran before. A
case that has changed a living cluster cannot be rolled back.

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
		return a.undo(c.Context(), list[0], k, false)
	}
	return c
}

// followUp opens the case of a rollback or a clean-up.
func (a *app) followUp(of casefile.Folder, kind string, p func(name string) (plan.Plan, error)) (casefile.Folder, plan.Plan, error) {
	random, err := randomHex(2)
	if err != nil {
		return casefile.Folder{}, plan.Plan{}, err
	}
	made, err := p(of.Name() + "-" + kind + "-" + random)
	if err != nil {
		return casefile.Folder{}, plan.Plan{}, err
	}
	folder, err := casefile.Create(filepath.Dir(of.Dir), made.Case)
	if err != nil {
		return folder, made, err
	}
	return folder, made, folder.Write(casefile.PlanFile, made)
}
