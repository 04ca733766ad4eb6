package etcds_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/test/etcds"
)

// TestVersions: every server is the version that it was asked for.
func TestVersions(t *testing.T) {
	for _, v := range etcds.All() {
		t.Run(v, func(t *testing.T) {
			out, err := exec.Command(etcds.Path(t, v), "--version").Output()
			if err != nil || !strings.HasPrefix(string(out), "etcd Version: "+v+"\n") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
