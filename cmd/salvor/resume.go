package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

func (a *app) resumeCommand() *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "resume [CASE]",
		Short: "Go on with a run that was interrupted",
		Long: `Resume asks of every step whether it was done before it does anything. What was
started and has ended since is started again. A machine
that cannot be reached any more is gone on without, as long as a quorum of the
members can be had; resume again when it is back. CASE is
a case folder or its name; without it, the one case that was interrupted. When
the folder is gone with the machine that held it, the mirror is taken that the
hosts keep (salvor.yaml is needed then); --from says which host's.

` + exitCodes,
		Args: args(cobra.MaximumNArgs(1)),
	}
	c.Flags().StringVar(&from, "from", "", "take the case from the mirror on this host")
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		name, err := a.caseToResume(c.Context(), list, from)
		if err != nil {
			return err
		}
		folder, p, err := a.openPlan(name)
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
		if err := a.catchUp(c.Context(), fleet, folder, p); err != nil {
			return err
		}
		return a.carryOut(c.Context(), fleet, folder, p, "")
	}
	return c
}

// caseToResume gives the case that the command line means, fetched from a
// host's mirror where it is not here.
func (a *app) caseToResume(ctx context.Context, list []string, from string) (string, error) {
	name := ""
	if len(list) > 0 {
		name = list[0]
	}
	var err error
	switch _, missing := a.openCaseFolder(name); {
	case name == "" && from != "":
		return "", usageError{errors.New("--from needs the name of a case: `salvor cases` lists them")}
	case name == "":
		name, from, err = a.interruptedCase(ctx)
	case from == "" && errors.Is(missing, fs.ErrNotExist) && filepath.Base(name) == name:
		if _, from, err = a.mirroredCase(ctx, name); err != nil {
			return "", errors.Join(missing, err)
		}
	}
	if err != nil || from == "" {
		return name, err
	}
	fmt.Fprintf(a.err, "case %s: taken from the mirror on %s\n", name, from)
	return name, a.fetchCase(ctx, from, name)
}

// catchUp takes the longest journal of the case that any host keeps: the one at
// hand may be a mirror that missed the last lines, or nearly all.
func (a *app) catchUp(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, p plan.Plan) error {
	path := folder.Path(casefile.JournalFile)
	own, err := casefile.ReadJournal(path)
	if err != nil {
		return err
	}
	longest, best := lastSeq(own), []byte(nil)
	for _, b := range journalsOf(ctx, fleet, folder.Name(), p.Hosts()) {
		entries, err := casefile.ParseJournal(b)
		if err == nil && lastSeq(entries) > longest && entries[0].Plan == p.ID {
			longest, best = lastSeq(entries), b
		}
	}
	if best == nil {
		return nil
	}
	return folder.WriteBytes(casefile.JournalFile, best)
}

// journalsOf gives the journal that each host keeps of a case, asked at the same
// time; nil of one that keeps none or cannot be reached: the run itself says so.
func journalsOf(ctx context.Context, fleet *remote.Fleet, name string, hosts []string) [][]byte {
	out := make([][]byte, len(hosts))
	var wg sync.WaitGroup
	for i, host := range hosts {
		wg.Go(func() {
			h, err := fleet.Host(host)
			if err != nil {
				return
			}
			client, err := h.Client(ctx)
			if err != nil {
				return
			}
			if b, err := client.GetCase(ctx, name, casefile.JournalFile); err == nil {
				out[i] = b
			}
		})
	}
	wg.Wait()
	return out
}

func lastSeq(entries []casefile.Entry) int64 {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].Seq
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
	return a.keepMirror(name, docs)
}

// keepMirror makes a case folder of a mirror's documents. It appears whole or
// not at all, so that an interrupted fetch can be repeated.
func (a *app) keepMirror(name string, docs map[string][]byte) error {
	final := filepath.Join(a.cases, name)
	if _, err := os.Lstat(final); !errors.Is(err, fs.ErrNotExist) {
		return hint(errors.Join(fmt.Errorf("case folder %s: %w", final, fs.ErrExist), err), "that case is here already: `salvor resume %s` without --from", name)
	}
	random, err := randomHex(4)
	if err != nil {
		return err
	}
	folder, err := casefile.Create(a.cases, fetching+name+"-"+random)
	if err != nil {
		return err
	}
	for doc, b := range docs {
		if err := folder.WriteBytes(doc, b); err != nil {
			return err
		}
	}
	if err := os.Rename(folder.Dir, final); err != nil {
		return fmt.Errorf("keep the mirror of case %s: %w", name, err)
	}
	parent, err := os.Open(a.cases)
	if err != nil {
		return fmt.Errorf("keep the mirror of case %s: %w", name, err)
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// fetching begins the name of a case folder that is not whole yet.
const fetching = ".fetching-"

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

// followUp makes the plan of a rollback or a clean-up, under a name of its own.
func (a *app) followUp(of casefile.Folder, kind string, p func(name string) (plan.Plan, error)) (plan.Plan, error) {
	random, err := randomHex(2)
	if err != nil {
		return plan.Plan{}, err
	}
	return p(of.Name() + "-" + kind + "-" + random)
}

// keep opens the case of a plan that was agreed to, beside the one it undoes.
func (a *app) keep(of casefile.Folder, made plan.Plan) (casefile.Folder, error) {
	folder, err := casefile.Create(filepath.Dir(of.Dir), made.Case)
	if err != nil {
		return folder, err
	}
	return folder, folder.Write(casefile.PlanFile, made)
}
