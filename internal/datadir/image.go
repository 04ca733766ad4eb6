package datadir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	bolt "go.etcd.io/bbolt"
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
func finished(ctx context.Context, out, source string) (Report, bool, error) {
	if _, err := os.Stat(out); errors.Is(err, fs.ErrNotExist) {
		return Report{}, false, nil
	} else if err != nil {
		return Report{}, false, err
	}
	var r Report
	b, err := os.ReadFile(out + ".json")
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil || r.Source != source {
		return r, false, fmt.Errorf("%s exists and was not made from this source: choose another name", out)
	}
	sum, trailer, err := digest(ctx, out)
	if err != nil {
		return r, false, err
	}
	if sum != r.SHA256 || trailer != cluster.TrailerGood {
		return r, false, fmt.Errorf("%s exists but is not what its report says: choose another name", out)
	}
	r.Image = out
	return r, true, nil
}

// copyOut copies r to a new file at path.
func copyOut(ctx context.Context, r io.Reader, path string, m *meter) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	from := &reader{ctx: ctx, r: r, seen: func(n int) { m.add(int64(n)) }}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, from, make([]byte, 1<<20))
	return errors.Join(err, f.Close())
}

// writeImage writes a db as a snapshot file: the pages as bbolt's WriteTo gives
// them, then their sha256 (server/etcdserver/api/v3rpc/maintenance.go,
// Snapshot). The file is synced, read again, verified, and described in r.
func writeImage(ctx context.Context, work, part string, r *Report, m *meter) (err error) {
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	if err := writePages(ctx, work, f, m); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	s, err := InspectSnapshot(ctx, part)
	if err != nil {
		return err
	}
	if s.Trailer != cluster.TrailerGood || !s.DB.OK || len(s.Damage) > 0 {
		return fmt.Errorf("the image that was written does not hold (trailer %s, %d damages): the disk is not to be trusted", s.Trailer, len(s.Damage))
	}
	r.SHA256, r.Bytes, r.Revision, r.Keys = s.SHA256, s.Size, s.DB.Value.Revision, s.Keys
	r.Content, err = ContentOf(ctx, part, 0)
	return err
}

func writePages(ctx context.Context, work string, f io.Writer, m *meter) (err error) {
	defer recoverAs(&err)
	db, err := bolt.Open(work, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	h := sha256.New()
	err = db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(&writer{ctx: ctx, w: io.MultiWriter(f, h), seen: func(n int) { m.add(int64(n)) }})
		return err
	})
	if err != nil {
		return err
	}
	_, err = f.Write(h.Sum(nil))
	return err
}

// writer stops with the context's error and counts what passed.
type writer struct {
	ctx  context.Context
	w    io.Writer
	seen func(n int)
}

func (w *writer) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.w.Write(b)
	w.seen(n)
	return n, err
}

// publish gives the image its name, after its report.
func publish(out string, r Report) error {
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
