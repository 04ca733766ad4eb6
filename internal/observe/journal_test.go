package observe

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheJournalIsReadHoweverOld runs a program in journalctl's place that
// knows old lines of one unit only: they are found, and an empty journal is
// unknown instead of a log without causes.
func TestTheJournalIsReadHoweverOld(t *testing.T) {
	dir := t.TempDir()
	script := `#!/bin/sh
case "$*" in
*--since*|*--dmesg*) exit 0 ;;
*--unit=etcd.service*) echo "2026-01-02T03:00:00+0000 cp-1 etcd[1]: panic: tocommit(587192) is out of range [lastIndex(587189)]" ;;
*_TRANSPORT=kernel*) echo "2026-01-02T03:00:00+0000 cp-1 kernel: Out of memory: Killed process 123 (etcd)" ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if f := journal(context.Background(), "etcd", "m", "etcd.service"); !f.Signs.OK || len(f.Signs.Value) != 1 {
		t.Errorf("an old incident: %+v", f.Signs)
	}
	if f := (machine{}).kernel(context.Background()); !f.OK || len(f.Value) != 1 {
		t.Errorf("the kernel's words of another boot: %+v", f)
	}
	if f := journal(context.Background(), "kubelet", "", "kubelet"); f.Signs.OK || !strings.Contains(f.Signs.Why, "holds nothing") {
		t.Errorf("an empty journal: %+v", f.Signs)
	}
}
