package vault_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/dir"
	"github.com/salvor-project/salvor/internal/vault/policy"
	"github.com/salvor-project/salvor/internal/vault/s3"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/test/s3server"
)

// lockedBucket makes a bucket with object lock, and a target in it.
func lockedBucket(t *testing.T, s *s3server.Server) (*minio.Client, *s3.Target) {
	t.Helper()
	c, err := minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s3server.AccessKey, s3server.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MakeBucket(t.Context(), "vault", minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	o := bucketOptions(s.Endpoint)
	o.Lock = "compliance"
	one, err := s3.New("bucket", o, target.Properties{Media: "object", Offsite: true})
	if err != nil {
		t.Fatal(err)
	}
	return c, one
}

// TestLockedBucket: what is locked is kept by the policy, by the bucket where
// the policy does not know, and against whoever deletes by hand.
func TestLockedBucket(t *testing.T) {
	s := s3server.Start(t)
	c, bucket := lockedBucket(t, s)
	w := newWorld(t, 1)
	w.cfg.Targets = append(w.cfg.Targets, bucket)
	v := w.vault()
	until := time.Now().Add(90 * time.Minute)
	b, err := v.Begin(t.Context(), ours, until)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Part(t.Context(), "etcd.snapshot", bytes.NewReader(snapshotOf(1))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Part(t.Context(), "bundle.tar", bytes.NewReader(bundleOf(1))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Commit(t.Context(), vault.Facts{Revision: 1}); err != nil {
		t.Fatal(err)
	}
	e := w.list().Entries[0]
	if got := e.LockedUntil(); !got.Equal(until.UTC()) {
		t.Errorf("locked until %s, want %s", got, until)
	}
	if d := policy.Keep(w.list().Entries, policy.Policy{}, w.now); len(d.Drop) != 0 || d.Keep[0].Code != policy.KeepLocked {
		t.Errorf("got %+v", d)
	}
	later := until.Add(time.Hour)
	if err := v.Retain(t.Context(), e, later); err != nil {
		t.Fatal(err)
	}
	if got := w.list().Entries[0].LockedUntil(); !got.Equal(later.UTC()) {
		t.Errorf("lengthened to %s, want %s", got, later)
	}
	// The seed's line, and an overwrite for good measure: by hand, by name.
	removed := 0
	for o := range c.ListObjectsIter(t.Context(), "vault", minio.ListObjectsOptions{Recursive: true}) {
		if _, err := c.PutObject(t.Context(), "vault", o.Key, strings.NewReader("ransom"), 6, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := c.RemoveObject(t.Context(), "vault", o.Key, minio.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		removed++
	}
	if removed < 5 {
		t.Fatalf("removed %d objects", removed)
	}
	w.cfg.Targets = []target.Target{bucket}
	w.mustRead(w.list().Entries[0])
	fresh, err := s3.New("bucket", func() s3.Options { o := bucketOptions(s.Endpoint); o.Lock = "compliance"; return o }(), target.Properties{})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Targets = []target.Target{fresh}
	cat := w.list()
	w.mustRead(cat.Entries[0])
	// A clock that is far ahead makes the policy drop it; the bucket does not.
	w.pass(1000 * time.Hour)
	w.cfg.Targets = []target.Target{bucket}
	p := cat.Entries[0]
	w.prove(p.Manifest.ID)
	w.pass(time.Hour)
	w.backup(2)
	w.prove(w.list().Entries[0].Manifest.ID)
	_, dropped, err := w.vault().Prune(t.Context(), policy.Policy{ProofLevel: 4}, false)
	if err != nil || len(dropped) != 1 || !errors.Is(dropped[0].Err, target.ErrLocked) {
		t.Fatalf("dropped %+v, %v", dropped, err)
	}
	cat = w.list()
	if len(cat.Entries) != 2 || len(cat.Problems) != 0 {
		t.Errorf("%d entries, %s", len(cat.Entries), codes(cat))
	}
	for _, e := range cat.Entries {
		w.mustRead(e)
	}
}

// TestBucketGoesAwayAndComesBack: a backup is made without it, and finished.
func TestBucketGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	s := s3server.Start(t)
	_, bucket := lockedBucket(t, s)
	w := newWorld(t, 1)
	w.cfg.Targets = append(w.cfg.Targets, bucket)
	s.Stop()
	begin := time.Now()
	res := w.backup(1)
	if len(res.Receipts) != 1 || res.Failed["bucket"] == nil || !strings.Contains(res.Failed["bucket"].Error(), "refused") {
		t.Fatalf("got %+v", res)
	}
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("the bucket that is down cost %s", took)
	}
	s.Run(t)
	if done, err := w.vault().Complete(t.Context(), nil); err != nil || len(done) != 1 || done[0].Err != nil {
		t.Fatalf("got %+v, %v", done, err)
	}
	if got := states(w.list().Entries[0]); got != "disk1 whole, bucket whole" {
		t.Errorf("got %s", got)
	}
	// The disks' night: the bucket alone.
	w.cfg.Targets = w.cfg.Targets[1:]
	w.mustRead(w.list().Entries[0])
	// Keys that have expired.
	o := bucketOptions(s.Endpoint)
	o.SecretKey = "expired"
	wrong, err := s3.New("bucket", o, target.Properties{})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Targets = []target.Target{wrong}
	cat := w.list()
	if len(cat.Entries) != 0 || len(cat.Problems) != 1 || !errors.Is(cat.Problems[0].Err, target.ErrDenied) {
		t.Errorf("got %d entries, %+v", len(cat.Entries), cat.Problems)
	}
	if _, err := write(t.Context(), w.vault(), 2); !errors.Is(err, target.ErrDenied) {
		t.Errorf("backup with expired keys: %v", err)
	}
}

// TestFullAndReadOnlyTarget mounts a small disk of its own: the other target
// has the backup, and after room was made the copy is completed.
func TestFullAndReadOnlyTarget(t *testing.T) {
	w := newWorld(t, 1)
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=400k"); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	defer unix.Unmount(small, unix.MNT_DETACH)
	d, err := dir.New("small", small, target.Properties{Media: "disk"})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Targets = append(w.cfg.Targets, d)
	if failed := w.vault().Try(t.Context()); len(failed) != 0 {
		t.Errorf("tried: %v", failed)
	}
	if left := w.files("try."); len(left) != 0 {
		t.Errorf("left of it: %v", left)
	}
	res := w.backup(1)
	if len(res.Receipts) != 1 || !errors.Is(res.Failed["small"], target.ErrFull) {
		t.Fatalf("got %+v", res)
	}
	w.mustRead(w.list().Entries[0])
	if err := unix.Mount("", small, "", unix.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	if done, err := w.vault().Complete(t.Context(), nil); err != nil || len(done) != 1 || done[0].Err != nil || done[0].Resumed == 0 {
		t.Fatalf("got %+v, %v", done, err)
	}
	if err := unix.Mount("", small, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if failed := w.vault().Try(t.Context()); len(failed) != 1 || !errors.Is(failed["small"], target.ErrReadOnly) {
		t.Errorf("tried: %v", failed)
	}
	w.pass(time.Hour)
	res = w.backup(2)
	if len(res.Receipts) != 1 || !errors.Is(res.Failed["small"], target.ErrReadOnly) {
		t.Fatalf("got %+v", res)
	}
	if got := states(w.list().Entries[1]); got != "disk1 whole, small whole" {
		t.Errorf("the older one: %s", got)
	}
}

// TestTheSeedsLineOnAFolder runs the incident's own clean-up in a target: it
// finds no file by its patterns, and where it is bent until it does, the other
// target has everything.
func TestTheSeedsLineOnAFolder(t *testing.T) {
	w := newWorld(t, 2)
	for seed := range uint64(3) {
		w.backup(seed + 1)
		w.pass(time.Hour)
	}
	before := len(w.files(""))
	for _, line := range []string{
		`find . -name '*.db' -mtime +30 -exec rm -vf {} \;`,
		`ls | awk '{print $1}' | sort -r | tail -n +30 | xargs -r rm`,
	} {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = w.folders["disk1"]
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if after := len(w.files("")); after != before {
		t.Errorf("%d of %d objects are left", after, before)
	}
	cmd := exec.Command("sh", "-c", `find . -type f | sort -r | tail -n +10 | xargs rm`)
	cmd.Dir = w.folders["disk1"]
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cat := w.list()
	if len(cat.Entries) != 3 || len(cat.Problems) == 0 {
		t.Fatalf("%d entries, %s", len(cat.Entries), codes(cat))
	}
	for _, e := range cat.Entries {
		w.mustRead(e)
	}
	if _, err := w.vault().Complete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.cfg.Targets = w.cfg.Targets[:1]
	for _, e := range w.list().Entries {
		w.mustRead(e)
	}
}

func (w *world) prove(id string) {
	w.t.Helper()
	p := proofOf(id)
	p.When = w.cfg.Now()
	if err := w.vault().Attest(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
}

func proofOf(id string) catalog.Proof {
	return catalog.Proof{Backup: id, Who: "test", Level: 4, Passed: true}
}
