package datadir

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/salvor-project/salvor/internal/cluster"
)

// InspectSnapshot reads a file that is, or claims to be, an etcd snapshot: a
// db, usually followed by the 32 bytes of its sha256. Every page and record is
// verified. What is no db makes DB unknown with the reason; the error is for
// what cannot be opened or read at all.
func InspectSnapshot(ctx context.Context, path string) (cluster.SnapshotFacts, error) {
	info, err := os.Stat(path)
	if err != nil {
		return cluster.SnapshotFacts{}, fmt.Errorf("inspect snapshot: %w", err)
	}
	s := cluster.SnapshotFacts{Path: path, Size: info.Size(), Modified: info.ModTime(), Trailer: cluster.TrailerMissing}
	if info.Mode().IsRegular() {
		if s.SHA256, s.Trailer, err = digest(ctx, path); err != nil {
			return s, fmt.Errorf("inspect snapshot: %w", err)
		}
	}
	p, err := openPages(path)
	if err != nil {
		s.DB = cluster.Unknown[cluster.DB]("%s", err)
		if d, ok := asDamage(path, err); ok && !isNotDB(err) {
			s.Damage = append(s.Damage, d)
		}
		return s, nil
	}
	defer p.close()
	db, damage, err := examine(ctx, p, path)
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	s.Damage, s.Keys = damage, db.keys
	db.Size = s.Size
	s.DB = cluster.From(db.DB, err)
	if err != nil {
		s.DB = cluster.Unknown[cluster.DB]("%s", err)
	}
	return s, nil
}

func isNotDB(err error) bool {
	_, ok := err.(*notDB)
	return ok
}

// digest computes the sha256 of a whole file and judges its trailer. A trailer
// is expected where etcdutl expects one: at a size that is 32 above a multiple
// of 512 (etcdutl/snapshot/v3_snapshot.go, hasChecksum).
func digest(ctx context.Context, path string) (string, cluster.Trailer, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", "", err
	}
	body := info.Size()
	trailer := cluster.TrailerMissing
	if body%trailerBoundary == trailerSize {
		body -= trailerSize
		trailer = cluster.TrailerWrong
	}
	h := sha256.New()
	if err := hashRange(ctx, h, io.LimitReader(f, body)); err != nil {
		return "", "", err
	}
	rest, err := io.ReadAll(io.LimitReader(f, trailerSize+1))
	if err != nil {
		return "", "", err
	}
	if trailer == cluster.TrailerWrong && bytes.Equal(rest, h.Sum(nil)) {
		trailer = cluster.TrailerGood
	}
	h.Write(rest)
	return hex.EncodeToString(h.Sum(nil)), trailer, nil
}

// hashRange feeds r to h and heeds ctx.
func hashRange(ctx context.Context, h hash.Hash, r io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{h}, &reader{ctx: ctx, r: r}, make([]byte, 1<<20))
	return err
}

// reader stops with the context's error and counts what passed.
type reader struct {
	ctx  context.Context
	r    io.Reader
	seen func(n int)
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(b)
	if n > 0 && r.seen != nil {
		r.seen(n)
	}
	return n, err
}
