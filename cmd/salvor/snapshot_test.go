package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/datadir"
)

// atRest is a folder with the files that a killed etcd 3.6.16 left: a snapshot,
// a bare db and a data dir.
type atRest struct {
	t   *testing.T
	dir string
}

func newAtRest(t *testing.T) atRest {
	t.Helper()
	r := atRest{t, t.TempDir()}
	db, log := unzip(t, "3.6.16.db.gz"), unzip(t, "3.6.16.wal.gz")
	sum := sha256.Sum256(db)
	r.write("snap.db", append(bytes.Clone(db), sum[:]...))
	r.write("bare.db", db)
	r.write("etcd/member/snap/db", db)
	r.write("etcd/member/wal/0000000000000000-0000000000000000.wal", log)
	return r
}

func unzip(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "internal", "datadir", "testdata", "hostile", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r atRest) path(name string) string { return filepath.Join(r.dir, name) }

func (r atRest) write(name string, b []byte) {
	r.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(r.path(name)), 0o700), os.WriteFile(r.path(name), b, 0o600)); err != nil {
		r.t.Fatal(err)
	}
}

// state describes every file: digest and time.
func (r atRest) state() string {
	r.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(r.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %x %s\n", path, sha256.Sum256(raw), info.ModTime())
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

// run runs one command line; the arguments that name files here are completed.
func (r atRest) run(args ...string) (code int, out, complaint string) {
	r.t.Helper()
	list := []string{"snapshot"}
	for _, a := range args {
		if _, err := os.Stat(r.path(a)); err == nil {
			a = r.path(a)
		}
		list = append(list, a)
	}
	var o, e bytes.Buffer
	code = execute(r.t.Context(), &app{in: strings.NewReader(""), out: &o, err: &e, version: "test"}, list)
	return code, o.String(), e.String()
}

// TestSnapshotReaders: what each reading command prints, with its exit code,
// and that nothing is changed.
func TestSnapshotReaders(t *testing.T) {
	r := newAtRest(t)
	raw, err := os.ReadFile(r.path("snap.db"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("cut.db", raw[:9000])
	flipped := bytes.Clone(raw)
	flipped[bytes.LastIndex(raw, []byte("compaction"))] ^= 1
	r.write("flipped.db", flipped)
	r.write("readme.txt", []byte("no snapshot at all\n"))
	before := r.state()
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"inspect snap.db", 0, []string{"revision           12, compacted at 4", "cluster 3.6.0, storage 3.6.0", "etcd 3.6, or", "none found"}},
		{"inspect etcd --content", 0, []string{"member ID          2e1259d415f2a040", "up to 1 revisions beyond the db", "/registry/configmaps/default/"}},
		{"inspect cut.db", 3, []string{"db-truncated"}},
		{"inspect readme.txt", 3, []string{"it is a text file"}},
		{"inspect absent", 1, nil},
		{"check snap.db", 0, []string{"L3  passed", "whole, as far as L3 proves"}},
		{"check snap.db --level l1", 0, []string{"whole, as far as L1 proves"}},
		{"check snap.db --sha256 00", 3, []string{"L1  failed"}},
		{"check bare.db", 3, []string{"L1  failed", "trailer missing"}},
		{"check bare.db --skip-hash-check", 0, []string{"L1  skipped"}},
		{"check flipped.db", 3, []string{"L1  failed", "NOT whole"}},
		{"check cut.db", 3, []string{"L0  failed", "L2  skipped"}},
		{"check etcd", 0, []string{"L1  skipped", "L3  passed"}},
		{"check etcd --level L9", 2, nil},
		{"status snap.db", 0, []string{", 12, 9, 25 kB, 3.6.0\n"}},
		{"status snap.db -w fields", 0, []string{"\"Revision\" : 12\n\"Keys\" : 9\n\"Size\" : 24576\n\"Version\" : 3.6.0\n"}},
		{"status snap.db -w table", 0, []string{"│ REVISION │", "│       12 │"}},
		{"status snap.db -w json", 0, []string{`"revision":12,"totalKey":9,"totalSize":24576,"version":"3.6.0"}`}},
		{"status snap.db -w xml", 2, nil},
		{"status cut.db", 1, nil},
		{"ls snap.db configmaps/default/c1", 0, []string{"ConfigMap                /registry/configmaps/default/c1\n"}},
		{"ls etcd", 0, []string{" last\n"}},
		{"ls snap.db --revision 5", 0, []string{"c4\n"}},
		{"get snap.db k", 1, nil},
		{"get snap.db after --raw", 0, []string{"compaction"}},
		{"get snap.db configmaps/default/c2", 0, []string{"kind             ConfigMap v1", `"name":"c2"`}},
		{"diff snap.db bare.db", 0, []string{"9 are the same"}},
		{"diff snap.db etcd", 3, []string{"+ last", "1 keys that A has not"}},
		{"diff snap.db flipped.db", 3, []string{"~ after"}},
		{"diff snap.db etcd --summary", 3, []string{"(other)"}},
	} {
		code, out, complaint := r.run(strings.Fields(c.args)...)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s%s", c.args, code, c.code, out, complaint)
		}
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in\n%s%s", c.args, w, out, complaint)
			}
		}
	}
	if after := r.state(); after != before {
		t.Errorf("a file was changed:\n%s\nbefore:\n%s", after, before)
	}
}

// TestSnapshotJSON: every command speaks JSON with its kind.
func TestSnapshotJSON(t *testing.T) {
	r := newAtRest(t)
	for args, kind := range map[string]string{
		"inspect etcd --content": "SnapshotInspection", "check snap.db": "SnapshotCheck", "ls snap.db": "SnapshotKeys", "ls snap.db none": "SnapshotKeys",
		"get snap.db after": "SnapshotKey", "diff snap.db etcd": "SnapshotDiff", "diff snap.db bare.db": "SnapshotDiff",
	} {
		_, out, complaint := r.run(append(strings.Fields(args), "-o", "json")...)
		var doc struct{ Kind string }
		if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Kind != kind {
			t.Errorf("%s: %v, kind %q, want %q\n%s%s", args, err, doc.Kind, kind, out, complaint)
		}
	}
}

// TestSnapshotHalves: of two members one lost its db and the other its log.
func TestSnapshotHalves(t *testing.T) {
	r := newAtRest(t)
	whole := r.path("etcd/member")
	for _, half := range []string{"snap", "wal"} {
		if err := os.CopyFS(r.path("only-"+half+"/member/"+half), os.DirFS(filepath.Join(whole, half))); err != nil {
			t.Fatal(err)
		}
	}
	for i, dirs := range [][]string{{"only-snap", "only-wal"}, {"only-wal", "only-snap"}} {
		out := filepath.Join(t.TempDir(), fmt.Sprint(i))
		code, text, complaint := r.run("salvage", dirs[0], dirs[1], "--to", out)
		if code != 0 || !strings.Contains(text, "revision           13, 10 keys") {
			t.Errorf("%v: %d %s%s", dirs, code, text, complaint)
		}
	}
	if code, text, complaint := r.run("salvage", "only-wal", "--to", filepath.Join(t.TempDir(), "x")); code != 1 || !strings.Contains(complaint, "rejected: ") {
		t.Errorf("a log alone: %d %s%s", code, text, complaint)
	}
	if code, text, _ := r.run("inspect", "only-wal"); code != codeFindings || !strings.Contains(text, "db-missing") {
		t.Errorf("a log alone: %d %s", code, text)
	}
}

// TestSnapshotWriters: a salvage is restored, and holds what the data dir held.
func TestSnapshotWriters(t *testing.T) {
	r := newAtRest(t)
	before := r.state()
	out := filepath.Join(t.TempDir(), "salvaged.db")
	if code, text, complaint := r.run("salvage", "etcd", "--to", out); code != 0 || !strings.Contains(text, "revision           13, 10 keys") {
		t.Fatalf("%d %s%s", code, text, complaint)
	}
	if code, text, complaint := r.run("diff", "etcd", out); code != 0 {
		t.Errorf("%d %s%s", code, text, complaint)
	}
	all := filepath.Join(t.TempDir(), "all")
	args := []string{"restore", out, "--all-members", all, "--initial-cluster", "a=http://127.0.0.1:1,b=http://127.0.0.1:2", "--initial-cluster-token", "t"}
	if code, text, complaint := r.run(args...); code != 0 || strings.Count(text, "\nmember ") != 2 || !strings.Contains(text, "revision           13, compacted at 4") {
		t.Fatalf("%d %s%s", code, text, complaint)
	}
	for _, m := range []string{"a", "b"} {
		if code, text, complaint := r.run("diff", out, filepath.Join(all, m)); code != 0 {
			t.Errorf("%s: %d %s%s", m, code, text, complaint)
		}
	}
	// A data dir whose log is ahead, into a folder that does not exist yet.
	deep := filepath.Join(t.TempDir(), "not", "there")
	if code, text, complaint := r.run("restore", "etcd", "--all-members", deep, "--initial-cluster", "a=http://127.0.0.1:1", "--new-token"); code != 0 || !strings.Contains(text, "revision           13") {
		t.Errorf("%d %s%s", code, text, complaint)
	}
	for _, bad := range []string{"--bump-revision 5", "--target-version 2.3", "--target-version 3.9", "--all-members x --name y"} {
		if code, text, _ := r.run(append([]string{"restore", out}, strings.Fields(bad)...)...); code != codeUsage {
			t.Errorf("restore %s: %d %s", bad, code, text)
		}
	}
	old := filepath.Join(t.TempDir(), "d")
	if code, _, complaint := r.run("restore", "bare.db", "--data-dir", old); code != 1 {
		t.Errorf("without a trailer: %d %s", code, complaint)
	}
	if code, text, complaint := r.run("restore", "bare.db", "--data-dir", old, "--skip-hash-check", "--target-version", "3.4",
		"--compact", "--bump-revision", "100", "--mark-compacted"); code != 0 || !strings.Contains(text, "revision           112, compacted at 112") {
		t.Errorf("for etcd 3.4: %d %s%s", code, text, complaint)
	}
	if _, text, _ := r.run("inspect", old); !strings.Contains(text, "cluster 3.4.0, storage none") {
		t.Errorf("for etcd 3.4: %s", text)
	}
	if after := r.state(); after != before {
		t.Errorf("a file was changed:\n%s\nbefore:\n%s", after, before)
	}
}

// TestSnapshotRestoreWarns: a db that is taken without its log, and members that
// get the IDs of old ones, are restored as etcdutl does it, and named.
func TestSnapshotRestoreWarns(t *testing.T) {
	r := newAtRest(t)
	s, err := datadir.InspectSnapshot(t.Context(), r.path("snap.db"))
	if err != nil || len(s.DB.Value.Members) != 1 {
		t.Fatalf("%+v %v", s, err)
	}
	m := s.DB.Value.Members[0]
	same := []string{"--name", m.Name, "--initial-cluster", m.Name + "=" + m.PeerURLs[0], "--initial-advertise-peer-urls", m.PeerURLs[0]}
	for _, c := range []struct {
		args  []string
		warns string
	}{
		{append([]string{"snap.db", "--initial-cluster-token", "etcd-cluster"}, same...), "IDs of old ones"},
		{append([]string{"snap.db", "--new-token"}, same...), ""},
		{[]string{"etcd/member/snap/db", "--skip-hash-check", "--new-token"}, "entries that it lacks"},
		{[]string{"bare.db", "--skip-hash-check", "--new-token"}, ""},
	} {
		code, out, complaint := r.run(append([]string{"restore", "--data-dir", filepath.Join(t.TempDir(), "d")}, c.args...)...)
		if code != 0 || strings.Contains(complaint, "careful") != (c.warns != "") || !strings.Contains(complaint, c.warns) {
			t.Errorf("%v: %d %s%s, want %q", c.args, code, out, complaint, c.warns)
		}
	}
}

// TestSnapshotLastResort: a db without metas is refused, and collected page by
// page only where that is asked for.
func TestSnapshotLastResort(t *testing.T) {
	r := newAtRest(t)
	if err := os.CopyFS(r.path("broken"), os.DirFS(r.path("etcd"))); err != nil {
		t.Fatal(err)
	}
	db := r.path("broken/member/snap/db")
	b, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[:8192])
	r.write("broken/member/snap/db", b)
	out := filepath.Join(t.TempDir(), "x")
	if code, _, complaint := r.run("salvage", "broken", "--to", out); code != 1 || !strings.Contains(complaint, "--last-resort") {
		t.Errorf("%d %s", code, complaint)
	}
	code, text, complaint := r.run("salvage", "broken", "--to", out, "--last-resort")
	if code != 0 || !strings.Contains(text, "root: stale") || !strings.Contains(text, "proven             9 objects") {
		t.Errorf("%d %s%s", code, text, complaint)
	}
	clear(b[len(b)/3:])
	r.write("broken/member/snap/db", b)
	code, text, complaint = r.run("salvage", "broken", "--to", out+"2", "--last-resort", "-o", "json")
	var doc struct{ Kind string }
	if code == 0 || code == codeFindings && (json.Unmarshal([]byte(text), &doc) != nil || doc.Kind != "SnapshotScavenge") {
		t.Errorf("%d %s%s", code, text, complaint)
	}
}
