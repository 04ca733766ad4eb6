package datadir

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// FuzzDB reads bytes as a snapshot file in every way there is: no reader gives
// up, and where nothing is found damaged they all agree.
func FuzzDB(f *testing.F) {
	for _, b := range seeds(f, ".db") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx := context.Background()
		path := filepath.Join(t.TempDir(), "db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := InspectSnapshot(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if gaveUp(s.DB.Why) {
			t.Fatal(s.DB.Why)
		}
		keys := int64(0)
		eachErr := Each(ctx, path, 0, func(*mvccpb.KeyValue) error { keys++; return nil })
		c, contentErr := ContentOf(ctx, path, 0)
		st, statusErr := StatusOf(ctx, path)
		_, changesErr := ChangesSince(ctx, path, 3)
		if !s.DB.OK || len(s.Damage) > 0 {
			return
		}
		if eachErr != nil || contentErr != nil || statusErr != nil || changesErr != nil {
			t.Fatalf("nothing is damaged, yet: %v, %v, %v, %v", eachErr, contentErr, statusErr, changesErr)
		}
		if keys != s.Keys || c.Keys != s.Keys || st.Revision > s.DB.Value.Revision {
			t.Fatalf("keys %d, %d, %d; status %+v of revision %d", keys, c.Keys, s.Keys, st, s.DB.Value.Revision)
		}
	})
}

// FuzzDataDir reads a db and a log as a member's data dir and salvages them, or
// collects what pages are left: what comes out is whole.
func FuzzDataDir(f *testing.F) {
	logs := seeds(f, ".wal")
	for i, b := range seeds(f, ".db") {
		f.Add(b, logs[i])
	}
	f.Fuzz(func(t *testing.T, db, log []byte) {
		ctx := context.Background()
		dir := t.TempDir()
		wal := filepath.Join(dir, "member", "wal")
		path := filepath.Join(dir, "member", "snap", "db")
		for name, b := range map[string][]byte{path: db, filepath.Join(wal, "0000000000000000-0000000000000000.wal"): log} {
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d, err := Inspect(ctx, dir, "")
		if err != nil || gaveUp(d.DB.Why) {
			t.Fatalf("%v %s", err, d.DB.Why)
		}
		out := filepath.Join(t.TempDir(), "image")
		r, err := Salvage(ctx, Source{DB: path, WALDir: wal}, out, nil)
		if err != nil {
			if _, err := Scavenge(ctx, Source{DB: path, WALDir: wal}, out, nil); err != nil {
				return
			}
		}
		s, err := InspectSnapshot(ctx, out)
		if err != nil || !s.DB.OK || s.Trailer != "good" || len(s.Damage) > 0 || r.LastIndex < r.DBIndex {
			t.Fatalf("%v %+v %+v", err, s, r)
		}
	})
}
