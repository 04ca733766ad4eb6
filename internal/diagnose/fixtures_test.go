package diagnose_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

func find(d diagnose.Diagnosis, c diagnose.Code) (diagnose.Finding, bool) {
	for _, f := range d.Findings {
		if f.Code == c {
			return f, true
		}
	}
	return diagnose.Finding{}, false
}

// TestControlIsHealthy: a world in which every fact is known and well has no
// finding, nothing unknown, and nothing to do.
func TestControlIsHealthy(t *testing.T) {
	d := diagnose.Diagnose(stories.Control().Facts)
	if d.Scenario != diagnose.Healthy || len(d.Findings) > 0 || len(d.Unknown) > 0 || len(d.Unjudged) > 0 || d.Next != "" || d.Cause != nil {
		t.Errorf("%s, %v, %v, %v, %q", d.Scenario, d.Findings, d.Unknown, d.Unjudged, d.Next)
	}
}

// TestFixtures: each class shows in its fixture, with evidence, and not in the
// healthy world; without the facts that it needs it is not found, and that is
// said.
func TestFixtures(t *testing.T) {
	covered := map[diagnose.Code]bool{}
	for i, x := range stories.Fixtures() {
		covered[x.Code] = true
		t.Run(fmt.Sprintf("%s/%d", x.Code, i), func(t *testing.T) {
			w := stories.Control()
			x.Break(w)
			d := diagnose.Diagnose(w.Facts)
			f, ok := find(d, x.Code)
			if !ok {
				t.Fatalf("not found: %s %v", d.Scenario, d.Findings)
			}
			if len(f.Evidence) == 0 || f.Confidence == "" {
				t.Errorf("no evidence or confidence: %+v", f)
			}
			if d.Scenario == diagnose.Healthy && f.Severity == diagnose.Critical && f.Confidence != diagnose.Possible {
				t.Errorf("critical, and the cluster counts as healthy")
			}
			w = stories.Control()
			x.Break(w)
			for _, n := range diagnose.NeedsOf(x.Code) {
				for h := range w.Facts.Hosts {
					w.Take(n, h)
				}
			}
			d = diagnose.Diagnose(w.Facts)
			if _, still := find(d, x.Code); still && x.Code != diagnose.HostUnreachable && x.Code != diagnose.HostGivenUp {
				t.Errorf("still found without the facts it needs")
			}
			if !unknown(d, x.Code) {
				t.Errorf("nothing says that it could not be judged: %v, %v", d.Unjudged, d.Unknown)
			}
		})
	}
	for _, c := range diagnose.Codes() {
		if !covered[c] {
			t.Errorf("no fixture shows %s", c)
		}
	}
}

// unknown tells whether a diagnosis says that a class could not be judged.
func unknown(d diagnose.Diagnosis, c diagnose.Code) bool {
	if len(d.Unknown) > 0 {
		return true
	}
	for _, u := range d.Unjudged {
		for _, o := range u.Codes {
			if o == c {
				return true
			}
		}
	}
	return false
}

// well tells a diagnosis that gives exit code 0.
func well(d diagnose.Diagnosis) bool {
	for _, f := range d.Findings {
		if f.Severity != diagnose.Info {
			return false
		}
	}
	return d.Scenario == diagnose.Healthy && len(d.Unknown) == 0
}

func allows(d diagnose.Diagnosis, action string) bool {
	return slices.ContainsFunc(d.Allowed, func(a diagnose.Advice) bool { return a.Action == action })
}

func forbids(d diagnose.Diagnosis, action string) bool {
	return slices.ContainsFunc(d.Forbidden, func(a diagnose.Advice) bool { return a.Action == action })
}

// takeFrom takes one kind of fact from one host or, with -1, from all.
func takeFrom(w *stories.World, n diagnose.Need, host int) bool {
	if host >= 0 {
		return w.Take(n, host)
	}
	did := false
	for h := range w.Facts.Hosts {
		did = w.Take(n, h) || did
	}
	return did
}

// world is one incident: of a fixture, a story or a seed. code is what it shows
// of the first.
type world struct {
	name  string
	code  diagnose.Code
	build func() *stories.World
}

// worlds are all incidents that are known, built by hand and captured, with the
// healthy world.
func worlds(t *testing.T) []world {
	t.Helper()
	out := []world{{"healthy", "", stories.Control}}
	for i, x := range stories.Fixtures() {
		out = append(out, world{fmt.Sprintf("%s/%d", x.Code, i), x.Code, func() *stories.World {
			w := stories.Control()
			x.Break(w)
			return w
		}})
	}
	for name := range stories.All() {
		out = append(out, world{"story " + name, "", func() *stories.World { return stories.All()[name].World }})
	}
	for name, build := range seeds() {
		out = append(out, world{"seed " + name, "", build})
	}
	for name, f := range fixtures(t) {
		out = append(out, world{"captured " + name, f.Code, func() *stories.World { return worldOf(f) }})
	}
	return out
}

// TestTakenFacts takes any one fact away from any one host, and from all of
// them (-1), in every incident:
// nothing sick becomes healthy, nothing forbidden allowed, no data that was
// there is given up, and no finding stands without evidence.
func TestTakenFacts(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	all := make(chan world)
	var done sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		done.Go(func() {
			for x := range all {
				takeEach(t, x)
			}
		})
	}
	for _, x := range worlds(t) {
		all <- x
	}
	close(all)
	done.Wait()
}

func takeEach(t *testing.T, x world) {
	before := diagnose.Diagnose(x.build().Facts)
	for _, f := range before.Findings {
		if len(f.Evidence) == 0 {
			t.Errorf("%s: %s has no evidence", x.name, f.Code)
		}
	}
	w := x.build()
	hosts := len(w.Facts.Hosts)
	for _, n := range stories.Needs() {
		for h := -1; h < hosts; h++ {
			if h == 2 && n != diagnose.NeedHash && n != diagnose.NeedHost && n != diagnose.NeedDisk && n != diagnose.NeedLive {
				continue // as host 1, for a quicker test
			}
			if takeFrom(w, n, h) {
				compareTaken(t, fmt.Sprintf("%s without %s of host %d", x.name, n, h), x, n, h, before, diagnose.Diagnose(w.Facts))
				w = x.build() // what was not there did not change it
			}
		}
	}
}

func compareTaken(t *testing.T, at string, x world, n diagnose.Need, h int, before, after diagnose.Diagnosis) {
	// What only logs tell may go unseen without them, as may what is a
	// mere warning without a fact that many machines lack; but that is said.
	f, named := find(before, x.code)
	minor := named && (f.Confidence != diagnose.Certain || f.Severity == diagnose.Warning &&
		(n == diagnose.NeedClock || n == diagnose.NeedMetrics || n == diagnose.NeedPlaces || n == diagnose.NeedPods || n == diagnose.NeedPressure || n == diagnose.NeedRuns))
	if !well(before) && f.Severity != diagnose.Info && well(after) && !(minor && unknown(after, x.code)) {
		t.Errorf("%s: %s became healthy", at, before.Scenario)
	}
	for _, a := range after.Allowed {
		if forbids(before, a.Action) {
			t.Errorf("%s: %s was forbidden and is allowed now (%s → %s)", at, a.Action, before.Scenario, after.Scenario)
		}
	}
	blind := h < 0 && forbids(after, diagnose.ActRestore)
	if c, ok := after.Chosen(); ok && c.Kind == diagnose.FromSnapshot && before.Level.Data == diagnose.D0 && !blind {
		t.Errorf("%s: a snapshot is chosen although the data was intact", at)
	}
	for _, f := range after.Findings {
		if len(f.Evidence) == 0 {
			t.Errorf("%s: %s has no evidence", at, f.Code)
		}
	}
}

// TestSameBytes: the same facts give the same bytes, also after they were
// written and read.
func TestSameBytes(t *testing.T) {
	for _, x := range worlds(t) {
		w := x.build()
		a, _ := json.Marshal(diagnose.Diagnose(w.Facts))
		stored, err := json.Marshal(w.Facts)
		if err != nil {
			t.Fatal(err)
		}
		var again cluster.Facts
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatal(err)
		}
		if b, _ := json.Marshal(diagnose.Diagnose(again)); string(a) != string(b) {
			t.Errorf("%s: the stored facts give another diagnosis:\n%s\n%s", x.name, a, b)
		}
	}
}

// TestTwoFaults: two faults at the same time yield both causes.
func TestTwoFaults(t *testing.T) {
	// Faults that do not rest on each other, each on a machine of its own.
	roots := map[diagnose.Code]bool{diagnose.ClockSkew: true, diagnose.DiskFull: true, diagnose.KubeletCertExpired: true, diagnose.SAKeyDiffers: true,
		diagnose.EncryptionDiffers: true, diagnose.ManifestDuplicate: true, diagnose.BalancerDown: true, diagnose.BackupStale: true, diagnose.NoSpaceAlarm: true,
		diagnose.Diverged: true, diagnose.AddressOnTwoHosts: true, diagnose.WebhookDeadlock: true, diagnose.VersionHazard: true, diagnose.OutOfMemory: true,
		diagnose.APICannotDecrypt: true, diagnose.PeerURLDrift: true, diagnose.FrontProxyDiffers: true, diagnose.DiskSlow: true,
		diagnose.PhantomPods: true, diagnose.ClaimsLost: true, diagnose.NodesDown: true, diagnose.EndpointsStale: true, diagnose.HookBackendDown: true}
	var all []stories.Fixture
	for _, x := range stories.Fixtures() {
		if roots[x.Code] {
			all = append(all, x)
		}
	}
	for i, x := range all {
		for _, y := range all[i+1:] {
			if x.Code == y.Code {
				continue
			}
			w := stories.Control()
			x.Break(w)
			y.Break(w)
			d := diagnose.Diagnose(w.Facts)
			for _, c := range []diagnose.Code{x.Code, y.Code} {
				if f, ok := find(d, c); !ok {
					t.Errorf("%s and %s: %s is not found", x.Code, y.Code, c)
				} else if len(f.CausedBy) > 0 && !explains(f.CausedBy, x.Code, y.Code) {
					t.Errorf("%s and %s: %s is laid on %v", x.Code, y.Code, c, f.CausedBy)
				}
			}
		}
	}
}

// explains tells whether one of two faults is a known cause of the other.
func explains(causes []diagnose.Code, a, b diagnose.Code) bool {
	for _, c := range causes {
		if c == a || c == b {
			return true
		}
	}
	return false
}
