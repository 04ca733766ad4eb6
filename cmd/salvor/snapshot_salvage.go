package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/report"
)

// pairing is one db with one log of several data dirs, and how far they lead.
type pairing struct {
	source      datadir.Source
	term, index uint64
}

// salvaged is what snapshot salvage prints.
type salvaged struct {
	datadir.Report
	DB  string `json:"db"`
	WAL string `json:"walDir"`
	// Rejected are the data dirs and pairs that did not serve, with the reason.
	Rejected []string `json:"rejected,omitempty"`
}

func (a *app) snapshotSalvageCommand() *cobra.Command {
	var out, wal string
	var lastResort bool
	c := &cobra.Command{
		Use:   "salvage DIR... --to FILE",
		Short: "Make the best clean snapshot from one or several damaged data dirs",
		Long: `Salvage reads the data dirs of members of one cluster, takes the log that leads
furthest by (term, index) and a db that it goes on from, also of another member,
and replays it into a clean snapshot with a valid trailer. Nothing in the data
dirs is changed. The report lies beside the snapshot as FILE.json.

With --last-resort, and only where nothing else serves, the records of the keys
are collected page by page from a db whose tree is broken. Its report says what
is proven, what is only probable and what is missing, and the exit code is 3
unless everything is proven.

Example:
  salvor snapshot salvage /mnt/m1/etcd /mnt/m2/etcd --to /backup/salvaged.db

` + exitCodes,
		Args: args(cobra.MinimumNArgs(1)),
	}
	c.Flags().StringVar(&out, "to", "", "the snapshot file to write (must not exist)")
	c.Flags().BoolVar(&lastResort, "last-resort", false, "where no db holds, collect records from the pages of a broken one; what is only probable is told apart (exit code 3)")
	addWALDir(c, &wal)
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if out == "" {
			return usageError{errors.New("--to is missing: name the snapshot file to write")}
		}
		if wal != "" && len(list) > 1 {
			return usageError{errors.New("--wal-dir fits one data dir only")}
		}
		return a.salvage(c.Context(), list, wal, out, lastResort)
	}
	return c
}

func (a *app) salvage(ctx context.Context, dirs []string, wal, out string, lastResort bool) error {
	pairs, rejected, err := a.pairings(ctx, dirs, wal)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		r, err := datadir.Salvage(ctx, p.source, out, a.bytesProgress("salvage"))
		if err == nil {
			return a.showSalvaged(salvaged{r, p.source.DB, p.source.WALDir, rejected})
		}
		if ctx.Err() != nil {
			return err
		}
		rejected = append(rejected, fmt.Sprintf("%s with %s: %v", p.source.DB, p.source.WALDir, err))
	}
	for _, r := range rejected {
		fmt.Fprintf(a.err, "rejected: %s\n", r)
	}
	if lastResort {
		return a.scavenge(ctx, pairs, out, rejected)
	}
	return hint(errors.New("no db and log of these data dirs belong together and hold"),
		"give the data dirs of all members, also damaged ones, or a snapshot; only when there is nothing else: --last-resort")
}

// pairings lists every db with every log, best first: the furthest end, and
// then a db with its own log.
func (a *app) pairings(ctx context.Context, dirs []string, wal string) ([]pairing, []string, error) {
	var subjects []subject
	var facts []cluster.DataDir
	var rejected []string
	for _, dir := range dirs {
		s, err := newSubject(dir, wal)
		if err != nil {
			return nil, nil, err
		}
		if !s.dir {
			subjects, facts = append(subjects, s), append(facts, cluster.DataDir{})
			continue
		}
		d, err := datadir.Inspect(ctx, s.path, s.wal)
		if err != nil {
			return nil, nil, err
		}
		for _, x := range d.Damage {
			rejected = append(rejected, fmt.Sprintf("%s: %s at byte %d: %s", x.File, x.Kind, x.Offset, x.What))
		}
		subjects, facts = append(subjects, s), append(facts, d)
	}
	var out []pairing
	for i, log := range subjects {
		for j, db := range subjects {
			out = append(out, pair(db, log, facts[j], facts[i], i == j))
		}
	}
	sortPairings(out)
	return out, rejected, nil
}

func pair(db, log subject, dbFacts, logFacts cluster.DataDir, own bool) pairing {
	p := pairing{source: datadir.Source{DB: db.db, WALDir: log.wal}}
	if _, err := os.Stat(log.wal); err != nil {
		p.source.WALDir = "" // a db alone
	}
	if d := dbFacts.DB; d.OK {
		p.term, p.index = d.Value.Term, d.Value.ConsistentIndex
	}
	if l := logFacts.Log; l.OK && log.wal != "" {
		term, index := l.Value.LastTerm, l.Value.LastIndex
		if own {
			term, index = l.Value.ReachTerm, l.Value.ReachIndex
		}
		if term > p.term || (term == p.term && index > p.index) {
			p.term, p.index = term, index
		}
	}
	return p
}

func (a *app) showSalvaged(s salvaged) error {
	if a.output == "json" {
		return report.JSON(a.out, "SnapshotSalvage", s)
	}
	var t sheet
	t.row("snapshot", "%s", s.Image)
	t.row("sha256", "%s", s.SHA256)
	t.row("size", "%s", size(s.Bytes))
	t.row("revision", "%d, %d keys", s.Revision, s.Keys)
	t.row("from", "%s and %s", s.DB, orNone(s.WAL))
	t.row("entries", "the db had applied %d; %d more from the log, to %d of term %d", s.DBIndex, s.Applied, s.LastIndex, s.LastTerm)
	t.row("proven", "up to entry %d, which the log knows as committed", max(s.DBIndex, min(s.Commit, s.LastIndex)))
	if s.AboveCommit > 0 {
		t.row("probable", "%d entries above it, which may have been acknowledged", s.AboveCommit)
	}
	if s.Membership > 0 || s.V2 > 0 {
		t.row("left out", "%d entries about members or versions, %d of the v2 API", s.Membership, s.V2)
	}
	for _, d := range s.Damage {
		t.row("DAMAGE", "%s: %s at byte %d: %s", d.Kind, d.File, d.Offset, d.What)
	}
	for _, r := range s.Rejected {
		t.row("found", "%s", r)
	}
	t.row("report", "%s.json", filepath.Clean(s.Image))
	return a.say("%s", t.String())
}
