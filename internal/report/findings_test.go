package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/test/captured"
)

// TestWorstFirst: on the screen of a real machine whose kubelet is down, what is
// critical comes before what is only to be known, and a class below critical
// takes one line however many machines it was found on.
func TestWorstFirst(t *testing.T) {
	all, err := captured.Read("../diagnose/testdata/captured")
	if err != nil {
		t.Fatal(err)
	}
	f := all["kubelet-down.kubeadm"].Facts
	d := diagnose.Diagnose(f)
	var out, verbose bytes.Buffer
	if err := Diagnosis(&out, d, f, Options{Width: 400}); err != nil {
		t.Fatal(err)
	}
	_, found, _ := strings.Cut(out.String(), "FINDINGS\n")
	if !strings.HasPrefix(strings.TrimSpace(found), "✗ critical") {
		t.Errorf("critical is not first:\n%s", found)
	}
	if n := strings.Count(found, "clock is not synchronized"); n != 1 || !strings.Contains(found, "the same of cp-2, cp-3, worker-1") {
		t.Errorf("the clock is told %d times:\n%s", n, found)
	}
	if err := Diagnosis(&verbose, d, f, Options{Width: 400, Verbose: true}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(verbose.String(), "clock is not synchronized"); n != 4 {
		t.Errorf("with --verbose the clock is told of %d of 4 machines", n)
	}
}
