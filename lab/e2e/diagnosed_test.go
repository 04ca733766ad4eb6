package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/lab/state"
	"github.com/salvor-project/salvor/test/captured"
)

// fault is one thing that is made wrong on real machines, and the answer that
// it must get.
type fault struct {
	name   string
	breaks []string // words for `lab break`; none where do does it all
	// do does what the lab has no fault for, after it; undo takes it back.
	do, undo func(*bench)
	want     diagnose.Code // the class, and the root cause unless cause names it
	cause    diagnose.Code
	subject  string // of the root cause
	// also are other classes that have to be found, whatever causes them.
	also     []diagnose.Code
	says     string // what its evidence has to say
	scenario diagnose.Scenario
	// allowed and forbidden are actions that have to be in the answer.
	allowed, forbidden string
	// beside are classes that may be found without a cause of their own.
	beside []diagnose.Code
	// lingers is what logs go on saying of it for some time after it is healed.
	lingers []diagnose.Code
	limit   time.Duration // until the answer is right
}

// answer is what `salvor diagnose -o json` says, as far as tests want it.
type answer struct {
	Scenario diagnose.Scenario `json:"scenario"`
	Level    diagnose.Level    `json:"level"`
	Cause    *diagnose.Cause   `json:"cause"`
	Findings []struct {
		Code     diagnose.Code     `json:"code"`
		Severity diagnose.Severity `json:"severity"`
		Subject  string            `json:"subject"`
		Evidence []string          `json:"evidence"`
		CausedBy []diagnose.Code   `json:"causedBy"`
	} `json:"findings"`
	Unknown   []struct{ En string }     `json:"unknown"`
	Allowed   []struct{ Action string } `json:"allowed"`
	Forbidden []struct{ Action string } `json:"forbidden"`
}

// String tells the findings and what they rest on.
func (a answer) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s, cause %+v, unknown %v\n", a.Scenario, a.Level, a.Cause, a.Unknown)
	for _, f := range a.Findings {
		fmt.Fprintf(&out, "  %s %s of %s, caused by %v: %.400s\n", f.Severity, f.Code, f.Subject, f.CausedBy, strings.Join(f.Evidence, "; "))
	}
	return out.String()
}

// asks runs diagnose once.
func (b *bench) asks() (answer, time.Duration) {
	b.Helper()
	begin := time.Now()
	out, said, _ := b.try("salvor", "diagnose", "-o", "json")
	var a answer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		b.Fatalf("diagnose: %v\n%s%s", err, out, said)
	}
	return a, time.Since(begin)
}

// right tells what is wrong with an answer.
func (f fault) right(a answer) error {
	cause := f.cause
	if cause == "" {
		cause = f.want
	}
	found := false
	for _, x := range a.Findings {
		found = found || x.Code == f.want && len(x.Evidence) > 0 && strings.Contains(strings.Join(x.Evidence, "\n"), f.says)
		own := x.Code == f.want || x.Code == cause || slices.Contains(f.beside, x.Code)
		if x.Severity == diagnose.Critical && len(x.CausedBy) == 0 && !own {
			return fmt.Errorf("%s of %s stands beside the root cause", x.Code, x.Subject)
		}
	}
	named := func(all []struct{ Action string }, action string) bool {
		return slices.Contains(all, struct{ Action string }{action})
	}
	shows := func(c diagnose.Code) bool {
		for _, x := range a.Findings {
			if x.Code == c && len(x.Evidence) > 0 {
				return true
			}
		}
		return false
	}
	for _, c := range f.also {
		if !shows(c) {
			return fmt.Errorf("%s is not found beside it", c)
		}
	}
	switch {
	case !found:
		return fmt.Errorf("%s is not found, or does not say %q", f.want, f.says)
	case a.Cause == nil || a.Cause.Code != cause || f.subject != "" && a.Cause.Subject != f.subject:
		return fmt.Errorf("the root cause is %+v, not %s of %s", a.Cause, cause, f.subject)
	case f.scenario != "" && a.Scenario != f.scenario:
		return fmt.Errorf("the scenario is %s, not %s", a.Scenario, f.scenario)
	case a.Level.Data != diagnose.D0 || named(a.Allowed, diagnose.ActRestore) || !named(a.Forbidden, diagnose.ActRestore):
		return fmt.Errorf("%s, allowed %v, forbidden %v: the data is intact, a restore must be forbidden", a.Level, a.Allowed, a.Forbidden)
	case f.allowed != "" && !named(a.Allowed, f.allowed):
		return fmt.Errorf("%s is not allowed: %v", f.allowed, a.Allowed)
	case f.forbidden != "" && !named(a.Forbidden, f.forbidden):
		return fmt.Errorf("%s is not forbidden: %v", f.forbidden, a.Forbidden)
	}
	return nil
}

// waits asks until the answer is right, and fails with the last one.
func (b *bench) waits(limit time.Duration, right func(answer) error) (asked int, last time.Duration) {
	b.Helper()
	var a answer
	for end := time.Now().Add(limit); ; time.Sleep(time.Second) { // each look costs the machines as much as they have
		asked++
		a, last = b.asks()
		err := right(a)
		if err == nil {
			return asked, last
		}
		if time.Now().After(end) {
			b.Fatalf("not in %s: %v\n%s", limit, err, a)
		}
	}
}

// healthy wants nothing wrong but for what logs remember, and for what a box
// does to all machines that share its disk.
func healthy(lingers []diagnose.Code) func(answer) error {
	whole := len(lingers) == 0
	lingers = append([]diagnose.Code{diagnose.DiskSlow, diagnose.CPUStarved, diagnose.LeaderUnstable, diagnose.LeaseLost}, lingers...)
	return func(a answer) error {
		for _, f := range a.Findings {
			if f.Severity != diagnose.Info && len(f.CausedBy) == 0 && !slices.Contains(lingers, f.Code) {
				return fmt.Errorf("%s of %s", f.Code, f.Subject)
			}
		}
		if a.Scenario != diagnose.Healthy && whole || len(a.Unknown) > 0 {
			return fmt.Errorf("%s, unknown %v", a.Scenario, a.Unknown)
		}
		return nil
	}
}

// TestDiagnosed makes one fault after the other on one lab, and wants each named
// as the root cause, its consequences silent, no restore allowed, and nothing
// found once it is healed.
func TestDiagnosed(t *testing.T) {
	b := standing(t)
	if b.layout == "kubeadm" {
		b.all(append(staticPodFaults(b), machineFaults(b)...))
		return
	}
	b.all(externalFaults(b))
}

// TestDiagnosedMore: the same with faults that are rarer, or mild.
func TestDiagnosedMore(t *testing.T) {
	b := standing(t)
	b.all(moreFaults(b))
}

// all makes faults one after the other.
func (b *bench) all(faults []fault) {
	b.Helper()
	b.init()
	b.waits(4*time.Minute, healthy(nil))
	b.capture(fault{})
	t := b.T
	for _, f := range faults {
		if !t.Run(f.name, func(t *testing.T) {
			sub := *b
			sub.T = t
			sub.diagnoses(f)
		}) && b.broken() {
			t.Fatal("the lab is not healed: what follows would say nothing")
		}
	}
}

// diagnoses makes one fault, asks, heals it, and asks again.
func (b *bench) diagnoses(f fault) {
	b.Helper()
	b.Cleanup(func() {
		if b.Failed() { // what follows needs a whole lab
			_, _, _ = b.try("lab", "heal")
			for end := time.Now().Add(4 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
				if a, _ := b.asks(); healthy(f.lingers)(a) == nil {
					break
				}
			}
		}
	})
	begin := time.Now()
	if len(f.breaks) > 0 {
		b.breaks(f.breaks[0], f.breaks[1:]...)
	}
	if f.do != nil {
		f.do(b)
	}
	made := time.Since(begin)
	limit := f.limit
	if limit == 0 {
		limit = 40 * time.Second
	}
	begin = time.Now()
	asked, last := b.waits(limit, f.right)
	named := time.Since(begin)
	b.capture(f)
	begin = time.Now()
	if f.undo != nil {
		f.undo(b)
	}
	b.run("lab", "heal")
	b.waits(4*time.Minute, healthy(f.lingers))
	b.Logf("made in %.1f s, named after %.1f s (look %d, which took %.1f s), well again after %.1f s",
		made.Seconds(), named.Seconds(), asked, last.Seconds(), time.Since(begin).Seconds())
}

// broken tells whether faults are left that were not healed.
func (b *bench) broken() bool {
	out, _, err := b.try("lab", "status")
	return err != nil || strings.Contains(out, "broken:")
}

// capture makes a fixture of what is there now, with SALVOR_CAPTURE: from the
// facts that the command line keeps as evidence.
func (b *bench) capture(f fault) {
	b.Helper()
	code, cause := f.want, f.cause
	if os.Getenv("SALVOR_CAPTURE") == "" {
		return
	}
	if cause == "" {
		cause = code
	}
	var kept struct{ Dir string }
	if err := json.Unmarshal([]byte(b.run("salvor", "evidence", "-o", "json")), &kept); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(kept.Dir, "facts.json"))
	if err != nil {
		b.Fatal(err)
	}
	var facts struct{ cluster.Facts }
	if err := json.Unmarshal(text, &facts); err != nil {
		b.Fatal(err)
	}
	if d := diagnose.Diagnose(facts.Facts); code != "" && (d.Cause == nil || d.Cause.Code != cause) {
		b.Logf("no fixture: a moment later the root cause was %+v", d.Cause)
		return
	}
	captured.Keep(b.T, captured.Fixture{Code: code, Cause: cause, Also: f.also, Facts: facts.Facts}, captured.Where{Variant: b.layout, Redact: observe.Redact,
		Names: map[string]string{b.dir: "/home/operator", state.Dir(): "/var/lib/salvor-lab"}})
}

// webhook makes a webhook that nobody answers and that no pod can do without.
func webhook(b *bench) {
	b.workload()
	const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
	body := map[string]any{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": map[string]any{"name": "lab"},
		"webhooks": []any{map[string]any{"name": "policy.lab.invalid", "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": []string{"v1"}, "timeoutSeconds": 2,
			"clientConfig": map[string]any{"service": map[string]any{"namespace": "policy", "name": "policy-webhook", "path": "/"}},
			"rules":        []any{map[string]any{"apiGroups": []string{""}, "apiVersions": []string{"v1"}, "operations": []string{"CREATE"}, "resources": []string{"pods"}}}}}}
	if err := b.api(http.MethodPost, path, body, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { noWebhook(b) })
	time.Sleep(2 * time.Second) // API servers take it up
	if err := b.api(http.MethodPatch, deployment+"/web", json.RawMessage(`{"spec":{"replicas":4}}`), nil); err != nil {
		b.Fatal(err)
	}
}

func noWebhook(b *bench) {
	_ = b.api(http.MethodDelete, "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/lab", nil, nil)
}
