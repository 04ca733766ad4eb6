package vault_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/targettest"
)

// likeObjects makes n bytes that compress about as well as stored Kubernetes
// objects do, to a third or a quarter: names and labels that repeat, UIDs and hashes that do not.
func likeObjects(n int) []byte {
	var b bytes.Buffer
	noise := targettest.Bytes(3, 1<<20)
	for i := 0; b.Len() < n; i++ {
		at := i * 61 % (len(noise) - 64)
		fmt.Fprintf(&b, "/registry/pods/ns-%d/app-%d\x00k8s\x00\x0a\x09v1\x12\x03Pod{app.kubernetes.io/name: app-%d, pod-template-hash: ", i%97, i, i%391)
		b.Write(noise[at : at+48])
		b.WriteString(", image: registry.example/team/service:v1.2.3, terminationMessagePath: /dev/termination-log, restartPolicy: Always}")
	}
	return b.Bytes()[:n]
}

const benchSize = 256 << 20

func benchVault(b *testing.B) (*vault.Vault, *world) {
	w := newWorld(b, 2)
	w.cfg.Chunk, w.cfg.Patience = 0, 0
	return w.vault(), w
}

// BenchmarkBackup seals to two folders, reads both back and commits.
func BenchmarkBackup(b *testing.B) {
	data := likeObjects(benchSize)
	v, _ := benchVault(b)
	b.SetBytes(benchSize)
	for b.Loop() {
		one, err := v.Begin(b.Context(), ours, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		p, err := one.Part(b.Context(), "etcd.snapshot", bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := one.Commit(b.Context(), vault.Facts{Revision: 1}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(p.Sealed.Size)/float64(p.Plain.Size), "sealed/plain")
	}
}

// BenchmarkFetch fetches, verifies and unseals from two folders.
func BenchmarkFetch(b *testing.B) {
	v, w := benchVault(b)
	one, err := v.Begin(b.Context(), ours, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := one.Part(b.Context(), "etcd.snapshot", bytes.NewReader(likeObjects(benchSize))); err != nil {
		b.Fatal(err)
	}
	if _, err := one.Commit(b.Context(), vault.Facts{Revision: 1}); err != nil {
		b.Fatal(err)
	}
	cat, err := v.List(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	b.SetBytes(benchSize)
	for b.Loop() {
		o, err := v.Open(cat.Entries[0], []age.Identity{w.id})
		if err != nil {
			b.Fatal(err)
		}
		r, err := o.Part(b.Context(), "etcd.snapshot")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
