package diagnose_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// uncaptured are the classes of which no fixture was captured from a real fault,
// each with what that would take. The rules' tests show them with facts that were
// put together by hand (package stories). A class that is captured leaves the
// list.
func uncaptured() map[diagnose.Code]string {
	const (
		lab      = "needs a machine of its own: the lab's"
		clock    = "needs a machine whose clock can be set wrong: containers have none of their own"
		balancer = "needs a load balancer before several API servers: the lab's"
		runtime  = "needs a kubelet and a container runtime: the lab's"
	)
	return map[diagnose.Code]string{
		diagnose.ClockSkew:            clock,
		diagnose.ClockUnsynced:        clock,
		diagnose.HardwareClock:        clock,
		diagnose.DiskIOError:          "needs a disk that fails",
		diagnose.OutOfMemory:          "needs the kernel's own messages of a machine that runs out of memory",
		diagnose.CPUStarved:           "needs a machine of its own without time: the lab's",
		diagnose.NotEnabled:           "needs a systemd: the lab's",
		diagnose.MemoryStarved:        "needs a machine of its own without memory: the lab's",
		diagnose.AddressOnTwoHosts:    lab,
		diagnose.SandboxReserved:      runtime,
		diagnose.RunsOtherFlags:       runtime,
		diagnose.PhantomPods:          runtime,
		diagnose.HazardPods:           runtime,
		diagnose.ControllersDown:      lab,
		diagnose.BalancerNotFromUs:    balancer,
		diagnose.ComponentCertExpired: "needs a kubelet, a controller manager or a scheduler with a certificate of its own: the lab's",
		diagnose.LeadersDisagree:      "needs API servers over etcds that are not one: the lab's",
		diagnose.HazardCaches:         lab,
		diagnose.RVRegressed:          "needs a kubelet or a controller of an older Kubernetes: those of 1.36 begin anew without a word",
		diagnose.ControllersFight:     "needs a controller with a cache that stays behind for long",
		diagnose.HazardGroups:         "needs data that a Kubernetes before 1.32 has written",
	}
}

// TestUncaptured wants every class captured from a real fault, or a reason why
// not; and no reason for one that was.
func TestUncaptured(t *testing.T) {
	captured := map[diagnose.Code]bool{}
	for _, x := range fixtures(t) {
		for _, c := range append(x.Also, x.Code) {
			captured[c] = true
		}
	}
	reasons := uncaptured()
	for _, c := range diagnose.Codes() {
		why, listed := reasons[c]
		switch {
		case captured[c] && listed:
			t.Errorf("%s was captured: take it out of the list", c)
		case !captured[c] && !listed:
			t.Errorf("no fixture of a real fault shows %s: see testdata/captured/README.md", c)
		case listed && why == "":
			t.Errorf("%s has no reason", c)
		}
		delete(reasons, c)
	}
	for c := range reasons {
		t.Errorf("%s is no class", c)
	}
}
