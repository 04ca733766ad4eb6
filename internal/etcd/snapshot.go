package etcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/salvor-project/salvor/internal/durable"
)

// Snapshot describes a snapshot file that was checked against its trailer.
type Snapshot struct {
	Path string `json:"path"`
	// Bytes is the size of the whole file.
	Bytes int64 `json:"bytes"`
	// SHA256 is the digest of the whole file.
	SHA256 string `json:"sha256"`
	// Version is the db's storage version, when the server said it.
	Version string `json:"version,omitempty"`
}

// ErrNoTrailer says that a file does not end in the digest that etcd appends.
var ErrNoTrailer = errors.New("the file does not end in the right sha256 digest")

// streamStall is how long a snapshot's stream may be silent.
const streamStall = 60 * time.Second

// SaveSnapshot streams the member's db into out, checks it against the digest
// that ends the stream, and only then gives it its name. It works without a
// quorum; what comes is this member's own state. A file that is there already
// is never overwritten. progress counts bytes and may be nil.
func (c *Client) SaveSnapshot(ctx context.Context, out string, progress func(done, total int64)) (Snapshot, error) {
	switch _, err := os.Lstat(out); {
	case err == nil:
		return Snapshot{}, fmt.Errorf("save snapshot: %s exists: choose another name", out)
	case !errors.Is(err, os.ErrNotExist):
		return Snapshot{}, fmt.Errorf("save snapshot: %w", err)
	}
	part, err := os.OpenFile(out+".part", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return Snapshot{}, fmt.Errorf("save snapshot: %w", err)
	}
	defer part.Close()
	version, err := c.stream(ctx, part, progress)
	if err != nil {
		return Snapshot{}, failed("save snapshot "+out, err)
	}
	if err := part.Sync(); err != nil {
		return Snapshot{}, fmt.Errorf("save snapshot: %w", err)
	}
	s, err := CheckTrailer(ctx, part.Name())
	if err != nil {
		return Snapshot{}, fmt.Errorf("save snapshot: what the member sent is not whole (a learner sends no digest): %w", err)
	}
	if err := os.Rename(part.Name(), out); err != nil {
		return Snapshot{}, fmt.Errorf("save snapshot: %w", err)
	}
	s.Path, s.Version = out, version
	return s, durable.SyncDir(filepath.Dir(out))
}

// stream writes what the member sends; it fails when nothing comes for 60 s.
func (c *Client) stream(ctx context.Context, to io.Writer, progress func(done, total int64)) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(streamStall, func() { cancel(fmt.Errorf("nothing came for %s", streamStall)) })
	defer watchdog.Stop()
	in, err := c.maintenance.Snapshot(ctx, &pb.SnapshotRequest{})
	if err != nil {
		return "", err
	}
	version := ""
	for done := int64(0); ; {
		r, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return version, nil
		}
		if err != nil {
			return "", errors.Join(err, context.Cause(ctx))
		}
		watchdog.Stop() // the writer may take its time
		version = r.Version
		n, err := to.Write(r.Blob)
		done += int64(n)
		if err != nil {
			return "", err
		}
		watchdog.Reset(streamStall)
		if progress != nil {
			progress(done, done+int64(r.RemainingBytes))
		}
	}
}

// CheckTrailer reads a snapshot file and holds its content against the sha256
// digest in its last 32 bytes (etcdutl/snapshot/v3_snapshot.go, checkSnapshot:
// a db is a whole number of 512-byte blocks, so that 32 bytes over betray the
// digest). A file that fails is ErrNoTrailer.
func CheckTrailer(ctx context.Context, path string) (Snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return Snapshot{}, fmt.Errorf("check snapshot: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Snapshot{}, fmt.Errorf("check snapshot: %w", err)
	}
	size := info.Size()
	if size <= sha256.Size || size%512 != sha256.Size {
		return Snapshot{}, fmt.Errorf("check snapshot %s: %d bytes: %w", path, size, ErrNoTrailer)
	}
	sum := sha256.New()
	if err := copyHash(ctx, sum, f, size-sha256.Size); err != nil {
		return Snapshot{}, fmt.Errorf("check snapshot %s: %w", path, err)
	}
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(f, want); err != nil {
		return Snapshot{}, fmt.Errorf("check snapshot %s: %w", path, err)
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return Snapshot{}, fmt.Errorf("check snapshot %s: %w", path, ErrNoTrailer)
	}
	sum.Write(want) // Sum above left the state as it was
	return Snapshot{Path: path, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func copyHash(ctx context.Context, to hash.Hash, from io.Reader, n int64) error {
	buf := make([]byte, 1<<20)
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(n, int64(len(buf)))]
		if _, err := io.ReadFull(from, b); err != nil {
			return err
		}
		to.Write(b)
		n -= int64(len(b))
	}
	return nil
}
