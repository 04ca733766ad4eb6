package datadir

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Level is a rung of the check ladder; each needs those below it.
type Level int

// The rungs.
const (
	// L0 is size and shape: a file that claims to be a db and is as long as
	// it says; in a data dir, a log beside it.
	L0 Level = iota
	// L1 is the digest: the sha256 trailer, and one from a manifest.
	L1
	// L2 is the structure: every reachable page, the freelist, both meta
	// pages; in a data dir, every record of the log.
	L2
	// L3 is the content: every revision in order, every record as etcd writes
	// it, every value as CheckOptions.Decode understands it, leases, users and
	// roles consistent.
	L3
	// L4 starts a real etcd, built in, on a copy, and compares HashKV, the
	// count of keys and the revision with what the file itself says.
	L4
)

func (l Level) String() string { return fmt.Sprintf("L%d", int(l)) }

// ParseLevel reads "L0" to "L4".
func ParseLevel(s string) (Level, error) {
	for l := L0; l <= L4; l++ {
		if strings.EqualFold(s, l.String()) {
			return l, nil
		}
	}
	return 0, fmt.Errorf("read level %q: use one of L0, L1, L2, L3, L4", s)
}

// CheckOptions say how far a check goes.
type CheckOptions struct {
	Level Level
	// SHA256 is the digest in hex that the whole file must have, from a
	// manifest; empty for none.
	SHA256 string
	// SkipHashCheck does not miss a sha256 trailer, as a db lacks that was
	// copied from a data dir; one that is there and wrong still counts.
	SkipHashCheck bool
	// WALDir is the folder of a data dir's log; empty means member/wal in it.
	WALDir string
	// Decode judges a stored value by its key, on L3: the error says what is
	// wrong, encrypted that it could not be looked into. It is called for
	// every revision that is not a deletion, from one goroutine. nil judges
	// nothing.
	Decode func(key, value []byte) (encrypted bool, err error)
	// Scratch is a folder for L4's copy, and for what does not fit in memory
	// of a db with very many keys; empty means the system's temporary folder.
	// Both are removed.
	Scratch string
}

// RungState is how a rung ended.
type RungState string

// The states of a rung.
const (
	RungPassed  RungState = "passed"
	RungFailed  RungState = "failed"
	RungSkipped RungState = "skipped"
)

// Rung is the result of one level.
type Rung struct {
	Level Level `json:"-"`
	// Name is "L0" to "L4", What what it is about.
	Name  string    `json:"level"`
	What  string    `json:"what"`
	State RungState `json:"state"`
	// Note tells figures, or why the rung failed or was skipped.
	Note   string           `json:"note,omitempty"`
	Damage []cluster.Damage `json:"damage,omitempty"`
}

// CheckReport is the result of a check. Passed is true when no rung failed.
type CheckReport struct {
	Path string `json:"path"`
	// DB is the path of the db that was read.
	DB     string `json:"db"`
	Rungs  []Rung `json:"rungs"`
	Passed bool   `json:"passed"`
	// SHA256 and Trailer are those of a snapshot file; empty below L1.
	SHA256  string          `json:"sha256,omitempty"`
	Trailer cluster.Trailer `json:"trailer,omitempty"`
	// Revision, CompactRevision, Keys (live), Records, Encrypted (revisions)
	// and Free (bytes in pages that nothing uses) are known from L2 on.
	Revision        int64 `json:"revision"`
	CompactRevision int64 `json:"compactRevision"`
	Keys            int64 `json:"keys"`
	Records         int64 `json:"records"`
	Encrypted       int64 `json:"encrypted,omitempty"`
	Free            int64 `json:"free"`
	// HashKV is the hash at Revision, known from L4 on.
	HashKV *KVHash `json:"hashKV,omitempty"`
}

// Check climbs the ladder with a snapshot file, a db file or the data dir of a
// stopped member, which it only reads, once, in sequence. Damage makes a rung
// fail and is listed there; a rung that needs a failed one is skipped. The
// error is for what could not be looked at, ErrInUse among it.
func Check(ctx context.Context, path string, o CheckOptions) (CheckReport, error) {
	c := ladder{o: o, report: CheckReport{Path: path, DB: path, Passed: true}}
	if err := c.climb(ctx); err != nil {
		return c.report, fmt.Errorf("check %s: %w", path, err)
	}
	return c.report, nil
}

// ladder is one check.
type ladder struct {
	o      CheckOptions
	report CheckReport
	// dir is true for a data dir, bare for a db that no trailer belongs to.
	dir, bare bool
	log       *walLog
}

func (c *ladder) climb(ctx context.Context) error {
	info, err := os.Stat(c.report.Path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		c.dir, c.bare = true, true
		c.report.DB = filepath.Join(c.report.Path, "member", "snap", "db")
	}
	abs, err := filepath.Abs(c.report.DB)
	if err != nil {
		return err
	}
	c.bare = c.bare || strings.HasSuffix(abs, filepath.Join("member", "snap", "db"))
	p, err := openPages(c.report.DB)
	if err != nil {
		return c.unopened(err)
	}
	defer p.close()
	if p.inUse {
		return ErrInUse
	}
	if err := c.shape(ctx, p); err != nil {
		return err
	}
	return c.walk(ctx, p)
}

// add notes a rung, which fails when it has damage.
func (c *ladder) add(l Level, what, note string, damage []cluster.Damage) *Rung {
	r := Rung{Level: l, Name: l.String(), What: what, State: RungPassed, Note: note, Damage: damage}
	if len(damage) > 0 {
		r.State, c.report.Passed = RungFailed, false
	}
	c.report.Rungs = append(c.report.Rungs, r)
	return &c.report.Rungs[len(c.report.Rungs)-1]
}

// skip notes the rungs that cannot be climbed.
func (c *ladder) skip(from Level, why string) {
	for l := from; l <= c.o.Level; l++ {
		c.add(l, rungNames[l], why, nil).State = RungSkipped
	}
}

var rungNames = [...]string{"size and shape", "digest", "structure of every page", "records and objects", "a real etcd on a copy"}

// unopened judges a file that cannot be read as a db.
func (c *ladder) unopened(err error) error {
	d, ok := asDamage(c.report.DB, err)
	if !ok {
		return err
	}
	c.add(L0, rungNames[L0], err.Error(), []cluster.Damage{d})
	c.skip(L1, "the file cannot be read as a db")
	return nil
}

// shape is L0.
func (c *ladder) shape(ctx context.Context, p *pageFile) error {
	var damage []cluster.Damage
	if c.dir {
		dir := c.o.WALDir
		if dir == "" {
			dir = filepath.Join(c.report.Path, "member", "wal")
		}
		l, err := readWAL(ctx, dir, false)
		switch {
		case errors.Is(err, os.ErrNotExist):
			damage = append(damage, cluster.Damage{Kind: cluster.DamageWALMissing, File: dir, Offset: -1, What: "the folder of the log does not exist"})
		case err != nil:
			return err
		default:
			c.log = l
			for _, d := range l.damage {
				if d.Kind == cluster.DamageWALMissing {
					damage = append(damage, d)
				}
			}
		}
	}
	pages := int64(p.meta.end) * int64(p.meta.pageSize)
	note := fmt.Sprintf("%d bytes, %d pages of %d", p.size, p.meta.end, p.meta.pageSize)
	if over := p.size - pages; over > 0 && !c.bare && over != trailerSize {
		note += fmt.Sprintf("; %d bytes follow the last page", over)
	}
	c.add(L0, rungNames[L0], note, damage)
	return nil
}

// walk reads the whole file once, for L1, L2 and L3 together.
func (c *ladder) walk(ctx context.Context, p *pageFile) error {
	if c.o.Level < L1 || (c.o.Level == L1 && c.bare && c.o.SHA256 == "") {
		c.skip(L1, "a db in a data dir carries no digest")
		return nil
	}
	f := feedOf(c.report.DB, p.size)
	f.hash = !c.bare || c.o.SHA256 != ""
	if c.o.Level == L1 {
		if err := f.run(ctx); err != nil {
			return err
		}
		c.digest(f)
		return nil
	}
	db, factErr := dbFacts(ctx, p)
	var found checked
	feedErr, err := beside(ctx, p, &f, func(ctx context.Context) (err error) {
		found, err = check(ctx, p, db.CompactRevision, checking{extra: c.decoder(), dir: c.o.Scratch})
		return err
	})
	if ctx.Err() != nil || feedErr != nil {
		return errors.Join(ctx.Err(), feedErr)
	}
	c.digest(f)
	var d *defect
	if errors.As(errors.Join(err, factErr), &d) {
		found.defects = append(found.defects, d)
	} else if err != nil || factErr != nil {
		return errors.Join(err, factErr)
	}
	c.report.Revision, c.report.CompactRevision = db.Revision, db.CompactRevision
	c.report.Keys, c.report.Records, c.report.Free = found.keys, found.records, found.pages*int64(p.meta.pageSize)
	c.structure(found, db.ConsistentIndex)
	if c.o.Level < L3 {
		return nil
	}
	if err := c.content(ctx, p, found); err != nil {
		return err
	}
	return c.boot(ctx)
}

// decoder counts what is encrypted.
func (c *ladder) decoder() func(key, value []byte) error {
	if c.o.Decode == nil || c.o.Level < L3 {
		return nil
	}
	return func(key, value []byte) error {
		encrypted, err := c.o.Decode(key, value)
		if encrypted {
			c.report.Encrypted++
		}
		return err
	}
}

// digest is L1.
func (c *ladder) digest(f feed) {
	if !f.hash {
		c.add(L1, rungNames[L1], "a db in a data dir carries no digest", nil).State = RungSkipped
		return
	}
	c.report.SHA256, c.report.Trailer = f.sum, f.trailer
	var damage []cluster.Damage
	bad := func(off int64, what string) {
		damage = append(damage, cluster.Damage{Kind: cluster.DamageDB, File: c.report.DB, Offset: off, What: what})
	}
	given := strings.ToLower(c.o.SHA256)
	if f.trailer == cluster.TrailerMissing && given == "" && c.o.SkipHashCheck {
		c.add(L1, rungNames[L1], "the file has no trailer, and none was asked for", nil).State = RungSkipped
		return
	}
	switch {
	case given != "" && given != f.sum:
		bad(-1, "the file's sha256 is "+f.sum+", not the one that was given: it is another file, or a damaged one")
	case f.trailer == cluster.TrailerWrong:
		bad(f.body, "the sha256 trailer does not match: some byte before it was changed since the snapshot was taken")
	case f.trailer == cluster.TrailerMissing && given == "" && !c.bare:
		bad(f.body, "the sha256 trailer is missing: the file was cut, or is no snapshot but a copied db")
	}
	c.add(L1, rungNames[L1], "trailer "+string(f.trailer), damage)
}

// structure is L2.
func (c *ladder) structure(found checked, applied uint64) {
	damage := c.damages(found.defects)
	note := fmt.Sprintf("%d bytes in use, %d in free pages", found.inUse, c.report.Free)
	if c.log != nil {
		for _, d := range c.log.damage {
			if d.Kind != cluster.DamageWALMissing {
				damage = append(damage, d)
			}
		}
		note += fmt.Sprintf("; %d segments of the log", len(c.log.segments))
		if snap := c.log.snapshot(); snap > applied && len(found.defects) == 0 {
			damage = append(damage, cluster.Damage{Kind: cluster.DamageDB, File: c.report.DB, Offset: -1, What: fmt.Sprintf(
				"the db has applied entry %d, but the log's newest snapshot is of entry %d: it is an older db, and etcd refuses to start from it; `salvor snapshot salvage` replays the log, where that goes back far enough", applied, snap)})
		}
	}
	c.add(L2, rungNames[L2], note, damage)
}

func (c *ladder) damages(list []*defect) []cluster.Damage {
	var damage []cluster.Damage
	known := map[defect]bool{}
	for _, d := range list {
		if !known[*d] {
			known[*d] = true
			damage = append(damage, cluster.Damage{Kind: cluster.DamageDB, File: c.report.DB, Offset: d.offset, What: d.what})
		}
	}
	return damage
}

// content is L3.
func (c *ladder) content(ctx context.Context, p *pageFile, found checked) error {
	list := found.content
	if found.all != nil && len(found.defects) == 0 {
		more, err := consistent(ctx, p, found.all, found.h)
		if err != nil {
			return err
		}
		list = append(list, more...)
	}
	note := fmt.Sprintf("%d revisions, %d live keys", found.records, found.keys)
	if c.o.Decode == nil {
		note += "; values were not decoded"
	} else if c.report.Encrypted > 0 {
		note += fmt.Sprintf("; %d values are encrypted", c.report.Encrypted)
	}
	c.add(L3, rungNames[L3], note, c.damages(list))
	return nil
}

// leaseID reads the key of a lease (server/lease, int64ToBytes).
func leaseID(key []byte) (int64, bool) {
	if len(key) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(key)), true
}
