package failures

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/test/etcds"
)

// TestDefragmentation looks while a member rewrites its db: it is named for what
// it is, nothing is to be replaced for it, and afterwards nothing is left of it.
func TestDefragmentation(t *testing.T) {
	l := newLab(t).up()
	value := strings.Repeat("x", 1<<20)
	for i := range 40 {
		cmd := exec.Command(etcds.Program(t, etcds.V3_7, "etcdctl"), "--endpoints="+l.member("m1").ClientURLs[0], "put", "big-"+string(rune('a'+i)))
		cmd.Stdin = strings.NewReader(value)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	done := make(chan struct{})
	go func() { // again and again, until it was seen
		for seen := false; !seen; {
			_, _ = l.ctl("m2", "defrag", "--command-timeout=30s")
			select {
			case <-done:
				seen = true
			default:
			}
		}
		done <- struct{}{}
	}()
	facts, ok := cluster.Facts{}, false
	for end := time.Now().Add(60 * time.Second); !ok && time.Now().Before(end); {
		facts = l.facts()
		ok = found(diagnose.Diagnose(facts), diagnose.Defragmenting)
	}
	done <- struct{}{}
	<-done
	if !ok {
		t.Fatal("a member defragments over and over, and nothing is found")
	}
	d := diagnose.Diagnose(facts)
	for _, f := range d.Findings {
		if f.Code == diagnose.Defragmenting && (f.Subject != "m2" || f.Confidence != diagnose.Certain) {
			t.Errorf("%+v", f)
		}
	}
	if d.Next == "salvor recover" {
		t.Errorf("%s: a recovery is proposed for it", d.Scenario)
	}
	l.keep(diagnose.Defragmenting, causeOf(d), facts)
	if d = l.diagnose(); found(d, diagnose.Defragmenting) {
		t.Errorf("it is over: %v", codesOf(d))
	}
}
