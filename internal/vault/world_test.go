package vault_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/dir"
	"github.com/salvor-project/salvor/internal/vault/s3"
	"github.com/salvor-project/salvor/internal/vault/seal"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/internal/vault/targettest"
	"github.com/salvor-project/salvor/test/s3server"
)

// world is a vault over real folders, with a clock that tests can set.
type world struct {
	t       testing.TB
	cfg     vault.Config
	id      *age.X25519Identity
	folders map[string]string
	mu      sync.Mutex
	now     time.Time
}

var ours = catalog.Cluster{Name: "prod", ID: "8e9e05c52164694d", KubeSystemUID: "6f2c2b0e-9c1f-4f5c-9d57-0d6d0e3f7b11"}

func newWorld(t testing.TB, targets int) *world {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := vault.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	to, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, id: id, folders: map[string]string{}, now: time.Now()}
	w.cfg = vault.Config{Signer: signer, Trusted: []ed25519.PublicKey{signer.Public().(ed25519.PublicKey)},
		Recipients: []seal.Recipient{to}, Chunk: 64 << 10, Patience: 20 * time.Second, Quiet: 10 * time.Second,
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }}
	for i := range targets {
		w.cfg.Targets = append(w.cfg.Targets, w.folder(fmt.Sprintf("disk%d", i+1)))
	}
	return w
}

func (w *world) folder(name string) target.Target {
	w.t.Helper()
	w.folders[name] = w.t.TempDir()
	d, err := dir.New(name, w.folders[name], target.Properties{Media: "disk"})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// bucket makes a bucket of its own; its objects are files below the server's
// root, which a test can damage.
func (w *world) bucket(s *s3server.Server) target.Target {
	w.t.Helper()
	c, err := minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s3server.AccessKey, s3server.SecretKey, "")})
	if err != nil {
		w.t.Fatal(err)
	}
	o := bucketOptions(s.Endpoint)
	o.Bucket = fmt.Sprintf("vault-%d", time.Now().UnixNano())
	if err := c.MakeBucket(w.t.Context(), o.Bucket, minio.MakeBucketOptions{}); err != nil {
		w.t.Fatal(err)
	}
	w.folders["bucket"] = filepath.Join(s.Root, o.Bucket)
	one, err := s3.New("bucket", o, target.Properties{Media: "object"})
	if err != nil {
		w.t.Fatal(err)
	}
	return one
}

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

func (w *world) vault() *vault.Vault {
	w.t.Helper()
	v, err := vault.New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// half compresses to about half, so that sealing is seen.
func half(seed uint64, n int) []byte {
	b := targettest.Bytes(seed, n)
	for i := range b {
		b[i] &= 0x0f
	}
	return b
}

// snapshotOf is larger than one part of an S3 upload for every fifth seed.
func snapshotOf(seed uint64) []byte {
	if seed%5 == 0 {
		return half(seed, 9_000_000)
	}
	return half(seed, 700_000)
}

func bundleOf(seed uint64) []byte { return half(seed+1000, 20_000) }

func write(ctx context.Context, v *vault.Vault, seed uint64, until ...time.Time) (vault.Result, error) {
	b, err := v.Begin(ctx, ours, append(until, time.Time{})[0])
	if err != nil {
		return vault.Result{}, err
	}
	if _, err := b.Part(ctx, "etcd.snapshot", bytes.NewReader(snapshotOf(seed))); err != nil {
		return vault.Result{}, err
	}
	if _, err := b.Part(ctx, "bundle.tar", bytes.NewReader(bundleOf(seed))); err != nil {
		return vault.Result{}, err
	}
	return b.Commit(ctx, vault.Facts{Revision: int64(seed), Tools: map[string]string{"salvor": "test"},
		Members: []catalog.Member{{Name: "etcd-1", ID: "1"}}})
}

func (w *world) backup(seed uint64) vault.Result {
	w.t.Helper()
	res, err := write(w.t.Context(), w.vault(), seed)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) list() vault.Catalogue {
	w.t.Helper()
	cat, err := w.vault().List(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return cat
}

// read opens an entry whole and holds it against what was put in.
func read(ctx context.Context, v *vault.Vault, e catalog.Entry, ids ...age.Identity) (*vault.Opened, error) {
	o, err := v.Open(e, ids)
	if err != nil {
		return nil, err
	}
	for name, want := range map[string][]byte{
		"etcd.snapshot": snapshotOf(uint64(e.Manifest.Revision)), "bundle.tar": bundleOf(uint64(e.Manifest.Revision))} {
		r, err := o.Part(ctx, name)
		if err != nil {
			return o, err
		}
		got, err := io.ReadAll(r)
		if err := r.Close(); err != nil {
			return o, err
		}
		if err != nil {
			return o, err
		}
		if !bytes.Equal(got, want) {
			return o, fmt.Errorf("%s: %d bytes that are not the %d that were put", name, len(got), len(want))
		}
	}
	return o, nil
}

func (w *world) mustRead(e catalog.Entry) *vault.Opened {
	w.t.Helper()
	o, err := read(w.t.Context(), w.vault(), e, w.id)
	if err != nil {
		w.t.Fatalf("backup %s: %v", e.Manifest.ID, err)
	}
	return o
}

func codes(cat vault.Catalogue) string {
	var all []string
	for _, p := range cat.Problems {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %s %s", p.Code, p.Target, p.Object), " "))
	}
	return strings.Join(all, ", ")
}

func states(e catalog.Entry) string {
	var all []string
	for _, c := range e.Copies {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Target, c.State, c.Medium)))
	}
	return strings.Join(all, ", ")
}

func (w *world) object(tgt, id, name string) string {
	return filepath.Join(w.folders[tgt], "backups", id, name)
}
