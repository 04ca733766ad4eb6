package datadir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/durable"
)

// landedFormat changes with what a snapshot is checked for: what an older salvor
// has noted counts for nothing then.
const landedFormat = 2

// Landed is what was found out of a snapshot file when it came to this machine.
// It lies beside the file, in PATH.landed.json, and counts for as long as the
// file is in the state in which it was checked: then nobody has to read all of it
// again. Only a snapshot that is right in everything has one.
type Landed struct {
	Format int            `json:"format"`
	Path   string         `json:"path"`
	File   durable.FileID `json:"file"`
	// Snapshot is what InspectSnapshot would give, Content what is live in it.
	Snapshot cluster.SnapshotFacts `json:"snapshot"`
	Content  cluster.Content       `json:"content"`
	// Inputs is a digest of what Snapshot.Hazards was held against.
	Inputs string `json:"inputs,omitempty"`
}

// Arrived is what who stored a file has found out of it while he wrote it.
type Arrived struct {
	// File is the state in which he left it.
	File   durable.FileID `json:"file,omitzero"`
	SHA256 string         `json:"sha256"`
	// Sealed tells that it ends in the SHA-256 of all before.
	Sealed bool `json:"sealed"`
}

// Land checks a snapshot file that has just come: what InspectSnapshot does, the
// fingerprint of what is live, and each for every live key in the order of keys;
// both are valid during the call only. What was digested while it was written is
// not digested again, if the file is still in that state. The error says what is
// wrong with the snapshot, or that it changed meanwhile.
func Land(ctx context.Context, path string, a Arrived, each func(key, value []byte)) (Landed, error) {
	l, err := land(ctx, path, a, each)
	if err != nil {
		return Landed{}, fmt.Errorf("check what has landed: %w", err)
	}
	return l, nil
}

func land(ctx context.Context, path string, a Arrived, each func(key, value []byte)) (Landed, error) {
	l := Landed{Format: landedFormat, Path: filepath.Clean(path)}
	var err error
	if l.File, err = settled(ctx, path); err != nil {
		return l, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return l, err
	}
	s := &l.Snapshot
	*s = cluster.SnapshotFacts{Path: path, Size: info.Size(), Modified: info.ModTime(), SHA256: a.SHA256, Trailer: cluster.TrailerGood}
	if a.File != l.File || !a.Sealed {
		if s.SHA256, s.Trailer, err = digest(ctx, path); err != nil {
			return l, err
		}
	}
	if s.Trailer != cluster.TrailerGood {
		return l, errTrailer(path, s.Trailer)
	}
	if err := l.read(ctx, each); err != nil {
		return l, err
	}
	if now, err := durable.Identify(path); err != nil || now != l.File {
		return l, errors.Join(fmt.Errorf("%s changed while it was read", path), err)
	}
	return l, nil
}

// settled gives the state of a file, after a moment in which a change would not
// show in it.
func settled(ctx context.Context, path string) (durable.FileID, error) {
	for {
		id, err := durable.Identify(path)
		if err != nil || id.Settled(time.Now().UnixNano()) {
			return id, err
		}
		select {
		case <-ctx.Done():
			return id, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// read walks through the file once, and through what is live in it.
func (l *Landed) read(ctx context.Context, each func(key, value []byte)) error {
	p, err := openPages(l.Path)
	if err != nil {
		return err
	}
	defer p.close()
	if p.inUse {
		return ErrInUse
	}
	p.ahead.on = true // what has just been written need not be warmed
	live := newSurvey(p, 0, "")
	defer live.close()
	db, damage, err := examine(ctx, p, l.Path, checking{also: live.visitor(false)})
	if err != nil {
		return err
	}
	if len(damage) > 0 {
		return fmt.Errorf("damaged at %d places, first at byte %d: %s", len(damage), damage[0].Offset, damage[0].What)
	}
	live.all = db.walked.all
	if err := live.finish(ctx); err != nil {
		return err
	}
	if l.Content, err = live.contentTo(ctx, db.Revision, each); err != nil {
		return err
	}
	db.Size = l.Snapshot.Size
	l.Snapshot.DB, l.Snapshot.Keys = cluster.Is(db.DB), db.keys
	return nil
}

func landedNote(path string) string { return path + ".landed.json" }

// Keep writes down what was found, whole or not at all.
func (l Landed) Keep() error {
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(landedNote(l.Path), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("the snapshot is sound, but no note of it could be left beside it, so every look reads all of it: %w", err)
	}
	return nil
}

// LandedAt gives what was found of a file when it landed; ok is false when
// nothing was, or when the file is not in that state any more: then it has to be
// checked anew.
func LandedAt(path string) (l Landed, ok bool) {
	b, err := os.ReadFile(landedNote(path))
	if err != nil || json.Unmarshal(b, &l) != nil {
		return Landed{}, false
	}
	id, err := durable.Identify(path)
	if err != nil || l.Format != landedFormat || l.Path != filepath.Clean(path) || id != l.File || l.Snapshot.SHA256 == "" {
		return Landed{}, false
	}
	return l, true
}
