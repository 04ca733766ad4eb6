package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// effectiveDB gives the file that an etcd which is started on a db and a log would
// take for its db: the one at the path, or the one beside it that a leader has sent
// and that was not put in its place any more (server/storage/backend.go,
// RecoverSnapshotBackend; its name is from server/etcdserver/api/snap/db.go). A db
// that is in use is always the one at the path.
func effectiveDB(ctx context.Context, path, walDir string) string {
	if sent, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.snap.db")); err != nil || len(sent) == 0 || walDir == "" {
		return path
	}
	l, err := readWAL(ctx, walDir, false)
	if err != nil || l.snapshot() == 0 {
		return path
	}
	received := filepath.Join(filepath.Dir(path), fmt.Sprintf("%016x.snap.db", l.snapshot()))
	if _, err := os.Stat(received); err != nil {
		return path
	}
	p, err := openPages(path)
	if errors.Is(err, fs.ErrNotExist) {
		return received
	}
	if err != nil {
		return path
	}
	defer p.close()
	if db, err := dbFacts(ctx, p); err != nil || p.inUse || db.ConsistentIndex >= l.snapshot() {
		return path
	}
	return received
}
