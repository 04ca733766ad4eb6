package datadir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/salvor-project/salvor/internal/cluster"
)

// identify gives a digest of a source's paths, sizes and times. It changes when
// anything was written there.
func identify(s Source) (string, error) {
	h := sha256.New()
	note := func(path string) error {
		info, err := os.Stat(path)
		if err == nil {
			fmt.Fprintf(h, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		return err
	}
	if err := note(s.DB); err != nil {
		return "", err
	}
	if s.WALDir != "" {
		names, err := segmentNames(s.WALDir)
		if err != nil {
			return "", fmt.Errorf("read the log: %w", err)
		}
		for _, n := range names {
			if err := note(filepath.Join(s.WALDir, n.name)); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// finished looks for the result of an earlier salvage of the same source.
func finished(ctx context.Context, out, source string) (r Report, ok bool, err error) {
	ok, err = madeBefore(ctx, out, &r, func() bool { return r.Source == source }, &r.SHA256)
	r.Image = out
	return r, ok, err
}

// madeBefore reads the report that lies beside a snapshot file, and makes sure
// that the file is the one that it describes.
func madeBefore(ctx context.Context, out string, report any, same func() bool, sha256 *string) (bool, error) {
	if _, err := os.Stat(out); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	b, err := os.ReadFile(out + ".json")
	if err == nil {
		err = json.Unmarshal(b, report)
	}
	if err != nil || !same() {
		return false, fmt.Errorf("%s exists and was not made from this source: choose another name", out)
	}
	sum, trailer, err := digest(ctx, out)
	if err != nil {
		return false, err
	}
	if sum != *sha256 || trailer != cluster.TrailerGood {
		return false, fmt.Errorf("%s exists but is not what its report says: choose another name", out)
	}
	return true, nil
}

// seal makes a snapshot file of a db: it reads the whole file once, verifies
// every page and record, and adds the sha256 of the pages, as etcd's Snapshot
// does (server/etcdserver/api/v3rpc/maintenance.go). The file is synced and
// described in r.
func seal(ctx context.Context, part string, r *Report, m *meter) error {
	p, err := openPages(part)
	if err != nil {
		return err
	}
	defer p.close()
	facts, err := dbFacts(ctx, p)
	if err != nil {
		return fmt.Errorf("the image that was written does not hold: %w", err)
	}
	f := feed{path: part, body: p.size, hash: true, seal: true, seen: m.addInt}
	var db examined
	var damage []cluster.Damage
	dir := filepath.Dir(part)
	s := newSurvey(p, facts.Revision, dir)
	defer s.close()
	feedErr, err := beside(ctx, p, &f, func(ctx context.Context) (err error) {
		db, damage, err = examine(ctx, p, part, checking{also: s.visitor(false), dir: dir})
		if err == nil {
			err = s.finish(ctx)
		}
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := errors.Join(feedErr, err); err != nil {
		return fmt.Errorf("the image that was written does not hold: %w", err)
	}
	if len(damage) > 0 {
		return fmt.Errorf("the image that was written does not hold: %d damages, first at byte %d (%s): either the disk does not keep what is written to it, or this is a mistake of salvor's; the source is untouched, so try another disk, or another member's db and log", len(damage), damage[0].Offset, damage[0].What)
	}
	s.all = db.walked.all
	if r.Content, err = s.content(ctx, facts.Revision); err != nil {
		return err
	}
	r.SHA256, r.Bytes, r.Revision, r.Keys = f.sum, p.size+trailerSize, facts.Revision, db.keys
	m.add(m.total)
	return addTrailer(part, p.size, f.own)
}

// addTrailer writes a snapshot's digest behind its pages and makes the file
// durable.
func addTrailer(path string, at int64, sum []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(sum, at)
	return errors.Join(err, f.Sync(), f.Close())
}

// publish gives the image its name, after its report.
func publish(out string, r any) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(out+".json", append(b, '\n')); err != nil {
		return err
	}
	if err := os.Rename(out+".part", out); err != nil {
		return err
	}
	return syncPath(filepath.Dir(out))
}

// writeFile puts a small file in place at once, synced.
func writeFile(path string, b []byte) error {
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// syncPath makes a file or a folder durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
