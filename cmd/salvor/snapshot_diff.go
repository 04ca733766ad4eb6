package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/datadir/diff"
)

// diffOptions are the flags of snapshot diff.
type diffOptions struct {
	scratch    scratchFlag
	walA, walB string
	revA, revB int64
	summary    bool
}

func (a *app) snapshotDiffCommand() *cobra.Command {
	var o diffOptions
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "Tell what each of two snapshots or data dirs has that the other has not",
		Long: `Diff lists, by resource, namespace and name, what was created (+), changed (~)
and deleted (-) on the way from A to B, with revisions and, where the stored
object carries them, times. What restoring A instead of B would lose is what
it lists. It exits with 3 when the two differ.

Example:
  salvor snapshot diff /backup/etcd/snap.db /var/lib/etcd

` + exitCodes,
		Args: args(cobra.ExactArgs(2)),
	}
	f := c.Flags()
	f.BoolVar(&o.summary, "summary", false, "only the counts by resource")
	f.Int64Var(&o.revA, "revision-a", 0, "compare A as it was at this revision (default: the newest)")
	f.Int64Var(&o.revB, "revision-b", 0, "compare B as it was at this revision (default: the newest)")
	f.StringVar(&o.walA, "wal-dir-a", "", "folder of A's log, when its data dir does not hold it")
	f.StringVar(&o.walB, "wal-dir-b", "", "folder of B's log, when its data dir does not hold it")
	o.scratch.add(c)
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		return a.diff(c.Context(), list[0], list[1], o)
	}
	return c
}

// comparison is a form in which a comparison is told.
type comparison interface {
	Change(diff.Change) error
	Summary(diff.Summary) error
}

func (a *app) diff(ctx context.Context, pathA, pathB string, o diffOptions) error {
	left, doneA, err := a.side(ctx, pathA, o.walA, o.revA, o.scratch.dir)
	if err != nil {
		return err
	}
	defer doneA()
	right, doneB, err := a.side(ctx, pathB, o.walB, o.revB, o.scratch.dir)
	if err != nil {
		return err
	}
	defer doneB()
	var w comparison = diff.NewText(a.out)
	if a.output == "json" {
		w = diff.NewJSON(a.out)
	}
	visit := w.Change
	if o.summary {
		visit = func(diff.Change) error { return nil }
	}
	sum, err := diff.Compare(ctx, left, right, visit)
	if err != nil {
		return hint(err, "`salvor snapshot check` tells whether a file is whole")
	}
	sum.A.Path, sum.B.Path = pathA, pathB
	if err := w.Summary(sum); err != nil {
		return err
	}
	if !sum.Equal() {
		return errFindings
	}
	return nil
}

func (a *app) side(ctx context.Context, path, wal string, revision int64, scratch string) (diff.Side, func(), error) {
	s, err := newSubject(path, wal)
	if err != nil {
		return diff.Side{}, nil, err
	}
	if revision < 0 {
		return diff.Side{}, nil, usageError{errors.New("a revision is not negative")}
	}
	db, done, err := a.image(ctx, s, scratch)
	return diff.Side{Path: db, Revision: revision}, done, err
}
