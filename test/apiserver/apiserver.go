// Package apiserver finds the real kube-apiserver that tests start.
package apiserver

import (
	"os"
	"path/filepath"
	"testing"
)

// Program gives the path of the kube-apiserver that the lab has built, of the
// last version in order of names; without one the test is skipped.
func Program(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(cache, "salvor", "lab", "bin", "kubernetes-*", "*", "kube-apiserver"))
	if err != nil || len(found) == 0 {
		t.Skip("no kube-apiserver: the lab builds it (go run ./lab up)")
	}
	return found[len(found)-1]
}
