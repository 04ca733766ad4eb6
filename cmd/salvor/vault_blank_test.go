package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestVaultOnABlankMachine: who has no salvor.yaml any more is told how to say
// where the vault is, not how to look for members that are gone.
func TestVaultOnABlankMachine(t *testing.T) {
	if _, err := os.Stat("/etc/salvor/salvor.yaml"); err == nil {
		t.Skip("this machine has a salvor.yaml")
	}
	t.Chdir(t.TempDir())
	t.Setenv("SALVOR_CONFIG", "")
	for _, command := range []string{"put-back", "ls", "status"} {
		var out, stderr bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &stderr, version: "test"}
		if code := execute(t.Context(), a, []string{"vault", command}); code != codeError || !strings.Contains(stderr.String(), "--target") || strings.Contains(stderr.String(), "salvor init` finds") {
			t.Errorf("vault %s: %d %s", command, code, stderr.String())
		}
	}
}
