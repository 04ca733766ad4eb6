package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/report"
)

// scavenged is what snapshot salvage --last-resort prints.
type scavenged struct {
	datadir.Scavenged
	DB  string `json:"db"`
	WAL string `json:"walDir"`
	// Rejected are the data dirs and pairs that did not serve, with the reason.
	Rejected []string `json:"rejected,omitempty"`
}

// scavenge takes the first db, best pairs first, of which anything can be
// collected.
func (a *app) scavenge(ctx context.Context, pairs []pairing, out string, rejected []string) error {
	var errs []error
	for _, p := range pairs {
		r, err := datadir.Scavenge(ctx, p.source, out, a.bytesProgress("scavenge"))
		if err == nil {
			return a.showScavenged(scavenged{r, p.source.DB, p.source.WALDir, rejected})
		}
		if ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (a *app) showScavenged(s scavenged) error {
	if a.output == "json" {
		if err := report.JSON(a.out, "SnapshotScavenge", s); err != nil {
			return err
		}
		return s.verdict()
	}
	var t sheet
	t.row("snapshot", "%s", s.Image)
	t.row("sha256", "%s", s.SHA256)
	t.row("size", "%s", size(s.Bytes))
	t.row("revision", "%d, %d keys; all before it is compacted", s.Revision, s.Keys)
	t.row("from", "%s and %s", s.DB, orNone(s.WAL))
	t.row("tree", "root: %s; %d leaves in it, %d outside, %d pages broken", s.Tree, s.Leaves, s.Strays, s.Broken)
	t.row("records", "%d, of which %d only outside the tree; %d with copies that differ", s.Records, s.StrayRecords, s.Conflicts)
	t.row("proven", "%d objects", s.Proven)
	t.row("probable", "%d objects, which may have been changed or deleted since", s.Probable)
	t.row("missing", "%d revisions above %d, the compacted one; below it they cannot be counted", s.Missing, s.CompactRevision)
	rows(&t, "missing", s.MissingRanges, span)
	rows(&t, "broken", s.LostRanges, func(r datadir.RevisionRange) string { return "pages that held " + span(r) })
	if s.Unbound > 0 {
		t.row("leases", "%d objects lost their lease and will not expire", s.Unbound)
	}
	for _, b := range s.LostBuckets {
		t.row("lost", "what the db held besides keys: %s", b)
	}
	t.row("entries", "%s", s.entries())
	rows(&t, "DAMAGE", s.Damage, func(d cluster.Damage) string {
		return fmt.Sprintf("%s: %s at byte %d: %s", d.Kind, d.File, d.Offset, d.What)
	})
	rows(&t, "probable", s.ProbableKeys, func(k string) string { return k })
	t.row("report", "%s.json", filepath.Clean(s.Image))
	if err := a.say("%s", t.String()); err != nil {
		return err
	}
	return s.verdict()
}

// shownRows is how much of a list is shown; the report has more.
const shownRows = 10

func rows[T any](t *sheet, name string, list []T, text func(T) string) {
	for i, x := range list {
		if i == shownRows {
			t.row("", "and more, in the report")
			return
		}
		t.row(name, "%s", text(x))
	}
}

// verdict is the finding that not everything is proven.
func (s scavenged) verdict() error {
	if s.Missing > 0 || s.Probable > 0 || s.Broken > 0 || len(s.LostBuckets) > 0 || s.LogProblem != "" {
		return errFindings
	}
	return nil
}

func (s scavenged) entries() string {
	switch {
	case s.LogProblem != "":
		return "the log was not applied: " + s.LogProblem
	case !s.IndexProven:
		return "it is not known which was applied last"
	case s.Applied > 0:
		text := fmt.Sprintf("the db had applied %d; %d more from the log, to %d", s.Index, s.Applied, s.LastIndex)
		if s.Missing > 0 || s.Probable > 0 {
			text += "; because of the holes before them, their revisions may differ from those that clients saw"
		}
		return text
	}
	return fmt.Sprintf("the db had applied %d", s.Index)
}

// span names revisions.
func span(r datadir.RevisionRange) string {
	if r.Last == 0 {
		return fmt.Sprintf("revision %d and all that followed", r.First)
	}
	return fmt.Sprintf("revisions %d to %d", r.First, r.Last)
}
