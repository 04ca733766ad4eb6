package diagnose

import (
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestWords: a sentence quotes what a component said, however its log wraps it.
func TestWords(t *testing.T) {
	for line, want := range map[string]string{
		`2026-01-02T03:04:04.281Z stderr F {"level":"warn","ts":"2026-01-02T03:04:04.28Z","caller":"etcdserver/raft.go:390","msg":"leader failed to send out heartbeat on time","to":"e7","heartb…`: "leader failed to send out heartbeat on time",
		`{"level":"fatal","msg":"failed to \"open\" wal","error":"no space left on device"}`:                                                                                                        `failed to "open" wal: no space left on device`,
		`2026-01-02T03:04:04.2Z stderr F E0102 03:04:05.678901       1 run.go:72] "command failed" err="unknown flag: --x"`:                                                                         `"command failed" err="unknown flag: --x"`,
		`panic: freepages: failed to get all reachable pages`:                                                                                                                                       `panic: freepages: failed to get all reachable pages`,
		`{"level":"warn"}`: `{"level":"warn"}`,
		``:                 ``,
	} {
		if got := (said{sign: cluster.Sign{Sample: line}}).words(); got != want {
			t.Errorf("%s\n is quoted as %q, not %q", line, got, want)
		}
	}
}
