package observe

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestUnits reads what a real systemd said of units that ended in every way
// (testdata/units/capture.sh). The memory of t-oom was bounded by a control group
// of version 1, of which systemd learns nothing: a SIGKILL, and no word of why.
func TestUnits(t *testing.T) {
	show, err := os.ReadFile("testdata/units/show.txt")
	if err != nil {
		t.Fatal(err)
	}
	var here []asked
	for _, n := range []string{"exit1", "panic", "killed", "runs", "rested", "oom", "done", "absent"} {
		here = append(here, asked{"t-" + n + ".service", "etcd", n})
	}
	at := func(second int) time.Time { return time.Date(2026, 11, 22, 0, 19, second, 0, time.UTC) }
	run := func(name, state string, restarts int, end cluster.Known[cluster.RunEnd]) cluster.Run {
		return cluster.Run{Component: "etcd", Member: name, Source: "systemd:t-" + name + ".service", State: state, Restarts: restarts, Last: end}
	}
	none := cluster.Known[cluster.RunEnd]{}
	want := []cluster.Run{
		run("exit1", "activating/auto-restart", 0, cluster.Is(cluster.RunEnd{Exit: 1, Reason: "exit-code", Started: at(10), Ended: at(12), Seconds: 1.53})),
		run("panic", "failed/failed", 0, cluster.Is(cluster.RunEnd{Exit: 2, Reason: "exit-code", Started: at(11), Ended: at(11), Seconds: 0.03})),
		run("killed", "failed/failed", 0, cluster.Is(cluster.RunEnd{Exit: 137, Signal: 9, Reason: "signal", Started: at(11), Ended: at(11), Seconds: 0.51})),
		run("runs", "active/running", 0, none),
		run("rested", "active/running", 1, none),
		run("oom", "failed/failed", 0, cluster.Is(cluster.RunEnd{Exit: 137, Signal: 9, Reason: "signal", Started: at(11), Ended: at(11), Seconds: 0.15})),
		run("done", "inactive/dead", 0, none),
	}
	if d := cmp.Diff(want, parseUnits(here, string(show))); d != "" {
		t.Error(d)
	}
}

// TestUnitsHere: the units of members and components that the configuration
// names, and of a machine with Kubernetes its kubelet's and runtime's.
func TestUnitsHere(t *testing.T) {
	cfg := cluster.Config{
		Hosts:      []cluster.Host{{Name: "h1", Via: cluster.ViaLocal}},
		Members:    []cluster.Member{{Name: "m1", Host: "h1", Run: cluster.Supervisor{Systemd: "etcd1"}}, {Name: "m2", Host: "h2", Run: cluster.Supervisor{Systemd: "etcd"}}},
		Kubernetes: cluster.ControlPlane{Nodes: []cluster.Node{{Host: "h1", Kubelet: "k3s.service", CRI: "/run/crio/crio.sock", Scheduler: cluster.Component{Systemd: "kube-scheduler.service"}}}},
	}
	want := []asked{{"etcd1.service", "etcd", "m1"}, {"kube-scheduler.service", "kube-scheduler", ""}, {"k3s.service", "kubelet", ""}, {"crio.service", "crio", ""},
		{"haproxy.service", "haproxy", ""}, {"keepalived.service", "keepalived", ""}}
	if d := cmp.Diff(want, machine{cfg: cfg, host: "h1"}.unitsHere(), cmp.AllowUnexported(asked{})); d != "" {
		t.Error(d)
	}
}
