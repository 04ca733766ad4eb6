package datadir

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/durable"
)

// Scavenged tells what was found among the pages of a db whose tree is broken,
// and how far it can be believed.
type Scavenged struct {
	// Image is the snapshot file that was made, with SHA256 of the whole file.
	Image  string `json:"image"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	// Revision is the image's newest revision, Content its fingerprint there.
	Revision int64           `json:"revision"`
	Keys     int64           `json:"keys"`
	Content  cluster.Content `json:"content"`
	// Index and Term are the last entry that the db had applied; IndexProven
	// is true when that is certain: from the newest root, whose keys could be
	// read at their end, or from an older one with a whole tree, above which
	// nothing was found.
	Index       uint64 `json:"index"`
	Term        uint64 `json:"term"`
	IndexProven bool   `json:"indexProven"`
	// Applied counts the entries of the log that were applied on top, to
	// LastIndex; LogProblem says why none was, although a log was given.
	Applied    int    `json:"applied"`
	LastIndex  uint64 `json:"lastIndex"`
	LogProblem string `json:"logProblem,omitempty"`
	// CompactRevision is that of the damaged db. The image is compacted at its
	// own newest revision: a history with holes is not passed on.
	CompactRevision int64 `json:"compactRevision"`
	PageSize        int   `json:"pageSize"`
	// Tree says which root was used: "newest", "stale" (an older one that a
	// former transaction left) or "none".
	Tree string `json:"tree"`
	// Leaves counts the leaf pages of keys in the tree, Strays those outside
	// it, Broken the pages that the tree names and that cannot be read.
	Leaves int `json:"leaves"`
	Strays int `json:"strays"`
	Broken int `json:"broken"`
	// Damage lists the broken pages, at most MaxScavengeList.
	Damage []cluster.Damage `json:"damage,omitempty"`
	// Records counts the revisions that were found, StrayRecords those of
	// them that are only in strays, Conflicts those of which two copies differ.
	Records      int64 `json:"records"`
	StrayRecords int64 `json:"strayRecords"`
	Conflicts    int64 `json:"conflicts"`
	// Missing counts the revisions above CompactRevision of which nothing was
	// found, and MissingRanges lists them, at most MaxScavengeList. Below it,
	// what is missing cannot be counted: LostRanges are the revisions between
	// which broken pages lie.
	Missing       int64           `json:"missing"`
	MissingRanges []RevisionRange `json:"missingRanges,omitempty"`
	LostRanges    []RevisionRange `json:"lostRanges,omitempty"`
	// Proven counts the objects of the db, before the log, whose newest
	// revision is certain: it is in the
	// tree, or above CompactRevision, and nothing above it is missing.
	// Probable counts the others; ProbableKeys names some, at most
	// MaxScavengeList. They may have been changed or deleted since.
	Proven       int64    `json:"proven"`
	Probable     int64    `json:"probable"`
	ProbableKeys []string `json:"probableKeys,omitempty"`
	// Unbound counts the objects whose lease is lost: they are no longer bound
	// to it, and do not expire.
	Unbound int64 `json:"unbound"`
	// LostBuckets names what else of the db could not be read: "lease",
	// "members", "auth" and so on. It is missing in the image.
	LostBuckets []string `json:"lostBuckets,omitempty"`
	// Source identifies the files that were read, by size and time.
	Source string `json:"source"`
}

// RevisionRange are revisions from First to Last, both included. Last is 0
// where the end is not known.
type RevisionRange struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// MaxScavengeList bounds the lists of a scavenge's report.
const MaxScavengeList = 1000

// Scavenge is the last resort for a db whose tree is broken: it looks at every
// page of the file for records of the key bucket, in the tree and outside it,
// and makes a clean, compacted snapshot file at out of the newest record of
// every key; then it applies the log, where one is given and goes on from
// there. A page carries no checksum and no transaction, so that what is found
// is graded, in the report: proven, probable, missing. A db that is whole is
// better salvaged: Salvage loses nothing and keeps the history. The source is only
// read. What is at out.part and out.work is overwritten; repeating a finished
// scavenge returns its report, which lies beside as out.json.
func Scavenge(ctx context.Context, s Source, out string, progress func(done, total int64)) (Scavenged, error) {
	return told("scavenge "+s.DB, progress, func(progress func(done, total int64)) (Scavenged, error) {
		return scavenge(ctx, s, out, progress)
	})
}

func scavenge(ctx context.Context, s Source, out string, progress func(done, total int64)) (Scavenged, error) {
	source, err := identify(s)
	if err != nil {
		return Scavenged{}, err
	}
	var before Scavenged
	done, err := madeBefore(ctx, out, &before, func() bool { return before.Source == source }, &before.SHA256)
	if before.Image = out; done || err != nil {
		return before, err
	}
	sc, err := openScavenger(s.DB)
	if err != nil {
		return Scavenged{}, err
	}
	defer sc.p.close()
	sc.m = &meter{total: 3 * sc.p.size, report: progress}
	if err := durable.Room(filepath.Dir(out), 3*sc.p.size+64<<20); err != nil {
		return Scavenged{}, err
	}
	if err := sc.collect(ctx); err != nil {
		return Scavenged{}, err
	}
	bare := out + ".work"
	defer os.Remove(bare)
	if err := sc.write(ctx, bare); err != nil {
		return Scavenged{}, err
	}
	sc.r.Source = source
	return sc.finish(ctx, s, bare, out)
}

// finish applies the log, where it can be, and makes the image.
func (sc *scavenger) finish(ctx context.Context, s Source, bare, out string) (Scavenged, error) {
	r := &sc.r
	r.LastIndex = r.Index
	var rep Report
	quiet := &meter{total: math.MaxInt64, report: func(int64, int64) {}}
	if s.WALDir != "" {
		if err := sc.applyLog(ctx, s.WALDir, bare, out, &rep, quiet); err != nil {
			if ctx.Err() != nil {
				return Scavenged{}, err
			}
			r.LogProblem = err.Error()
		}
	}
	if rep.Applied == 0 {
		if err := os.Rename(bare, out+".part"); err != nil {
			return Scavenged{}, err
		}
	}
	if err := seal(ctx, out+".part", &rep, quiet); err != nil {
		return Scavenged{}, errors.Join(err, os.Remove(out+".part"))
	}
	r.Image, r.SHA256, r.Bytes, r.Revision, r.Keys, r.Content = out, rep.SHA256, rep.Bytes, rep.Revision, rep.Keys, rep.Content
	if rep.Applied > 0 {
		r.Applied, r.LastIndex = rep.Applied, rep.LastIndex
	}
	r.Damage = append(r.Damage, rep.Damage...)
	if again, err := identify(s); err != nil || again != r.Source {
		return Scavenged{}, errors.Join(errors.New("the source changed while it was read"), err, os.Remove(out+".part"))
	}
	sc.m.add(sc.m.total)
	return *r, publish(out, *r)
}

// applyLog makes out.part of what was scavenged and a log.
func (sc *scavenger) applyLog(ctx context.Context, walDir, bare, out string, rep *Report, m *meter) error {
	if !sc.r.IndexProven {
		return errors.New("it is not known which entry the db had applied last, so that the log cannot go on from there")
	}
	p, err := openPages(bare)
	if err != nil {
		return err
	}
	defer p.close()
	t, err := tailOf(ctx, Source{DB: bare, WALDir: walDir}, p)
	if err != nil || t.left() == 0 {
		return err
	}
	part := out + ".part"
	if err := recreate(ctx, bare, p, part, t, rep, m); err != nil {
		*rep = Report{}
		return errors.Join(err, os.Remove(part))
	}
	return nil
}
