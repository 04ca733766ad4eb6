package run

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/plan"
)

// rebuild is the plan of a control plane of three machines and two workers
// whose etcd is rebuilt from m1.
func rebuild(t *testing.T) *Runner {
	t.Helper()
	w := stories.Serving().Alone("m1").Gone("m2", "m3")
	c := &w.Facts.Config
	for i, m := range c.Members {
		c.Members[i].Run = cluster.Supervisor{StaticPod: "/etc/kubernetes/manifests/etcd.yaml"}
		pod := cluster.Component{StaticPod: "/etc/kubernetes/manifests/pod.yaml"}
		c.Kubernetes.Nodes = append(c.Kubernetes.Nodes, cluster.Node{Host: m.Host, API: "https://" + m.Host, APIServer: pod, Scheduler: pod})
	}
	for _, name := range []string{"w1", "w2"} {
		c.Kubernetes.Nodes = append(c.Kubernetes.Nodes, cluster.Node{Host: name})
		c.Hosts = append(c.Hosts, cluster.Host{Name: name})
		w.Facts.Hosts = append(w.Facts.Hosts, cluster.HostFacts{Name: name, Reached: w.Facts.Hosts[0].Reached})
	}
	c.Kubernetes.LoadBalancer = "https://lb"
	p, err := plan.Build(w.Facts, diagnose.Diagnose(w.Facts), plan.Choices{Case: "case-1", Token: "token-1"})
	if err != nil {
		t.Fatal(err)
	}
	return &Runner{plan: p, away: map[string]error{}, gone: map[plan.StepID]error{}}
}

func (r *Runner) get(t *testing.T, id plan.StepID) plan.Step {
	t.Helper()
	s, ok := r.plan.Step(id)
	if !ok {
		t.Fatalf("there is no step %s", id)
	}
	return s
}

var errTest = errors.New("no route to host")

// TestWhereOnlyAKubeletIsRestarted: a dead worker keeps no first run from
// beginning, a dead machine of the control plane does.
func TestWhereOnlyAKubeletIsRestarted(t *testing.T) {
	r := rebuild(t)
	for host, want := range map[string]bool{"w1": true, "w2": true, "hm1": false, "hm3": false} {
		if got := r.onlyKubelet(host); got != want {
			t.Errorf("%s: got %v", host, got)
		}
	}
}

// TestWhatWaitsForAllWaitsForThoseThatAreLeft with hm1, which everything goes
// through, a worker and one API server missing.
func TestWhatWaitsForAllWaitsForThoseThatAreLeft(t *testing.T) {
	r := rebuild(t)
	for _, id := range []plan.StepID{"await-quorum@m1", "canary@m1", "await-nodes@hm1", "await-api@hm2"} {
		if s := r.get(t, id); r.lessened(s).Host != s.Host || r.lessened(s).Spare != s.Spare {
			t.Errorf("%s is changed although nothing is missing", id)
		}
	}
	r.away["hm1"], r.away["w1"] = errTest, errTest
	r.gone["await-api@hm3"] = errTest
	if s := r.lessened(r.get(t, "await-quorum@m1")); s.Host != "hm2" || s.Action != plan.Action(plan.AwaitQuorum{Member: "m2", Voters: 2}) {
		t.Errorf("quorum: %+v", s)
	}
	s := r.lessened(r.get(t, "canary@m1"))
	if c, ok := s.Action.(plan.Canary); !ok || s.Host != "hm2" || c.Through != "m2" || !slices.Equal(c.Members, []string{"m2", "m3"}) {
		t.Errorf("canary: %+v", s)
	}
	s = r.lessened(r.get(t, "await-nodes@hm1"))
	if a, ok := s.Action.(plan.AwaitNodes); !ok || s.Host != "hm2" || a.APIServers != 1 || !slices.Equal(a.URLs, []string{"https://hm2"}) || !slices.Equal(a.Nodes, []string{"hm2", "hm3", "w2"}) || !s.Spare {
		t.Errorf("nodes: %+v", s)
	}
	s = r.lessened(r.get(t, "await-balancer@load-balancer"))
	if a, ok := s.Action.(plan.AwaitBalancer); !ok || s.Host != "hm2" || !slices.Equal(a.APIServers, []string{"https://hm2"}) {
		t.Errorf("load balancer: %+v", s)
	}
	if s := r.lessened(r.get(t, "await-api@hm2")); s.Action != plan.Action(plan.AwaitAPI{Canary: "case-1"}) {
		t.Errorf("the first API server that is left proves no write: %+v", s)
	}
}

// TestWhatTheRunMayDoWithout of a machine that is away, and of one on which a
// step failed.
func TestWhatTheRunMayDoWithout(t *testing.T) {
	all := map[plan.StepID]bool{"stop-member@m1": true, "stop-member@m2": true, "stop-member@m3": true}
	for id, want := range map[plan.StepID][2]string{
		"fence-component@kube-apiserver.hm2":   {"", "failed"},
		"stop-member@m2":                       {"", "failed"},
		"build-member@m2":                      {"", "failed"},
		"put-in-place@m2":                      {"", "failed"},
		"start-member@m2":                      {"", ""},
		"release-component@kube-apiserver.hm2": {"", ""},
		"await-api@hm2":                        {"", ""},
		"restart-kubelet@hm2":                  {"", ""},
		"salvage@m1":                           {"cannot do without", "failed"},
		"release-component@kube-apiserver.hm1": {"", ""},
		"await-nodes@hm1":                      {"", ""},
		"await-balancer@load-balancer":         {"", ""},
	} {
		r := rebuild(t)
		s := r.get(t, id)
		failed := r.dispensable(s, all, errors.New("failed"))
		r.away[s.Host] = errTest
		for i, err := range []error{r.dispensable(s, all, r.hindered(s)), failed} {
			if (err == nil) != (want[i] == "") || (err != nil && !strings.Contains(err.Error(), want[i])) {
				t.Errorf("%s, case %d: got %v, want %q", id, i, err, want[i])
			}
		}
	}
	r := rebuild(t)
	r.gone["start-member@m3"] = errTest
	if err := r.dispensable(r.get(t, "start-member@m2"), all, errTest); err == nil || !strings.Contains(err.Error(), "only 1 of 3") {
		t.Errorf("a quorum is given up: %v", err)
	}
	r = rebuild(t)
	r.away["hm1"] = errTest
	if s := r.get(t, "copy-files@hm2-image"); r.dispensable(s, all, r.hindered(s)) == nil {
		t.Error("a copy from a machine that is away is taken for granted")
	}
}

// TestNobodyIsWaitedForWithoutAnAPI: when no API server comes up, nodes and load
// balancer are not waited for in vain; as long as one may, they are.
func TestNobodyIsWaitedForWithoutAnAPI(t *testing.T) {
	r := rebuild(t)
	for i, id := range []plan.StepID{"await-api@hm1", "await-api@hm2", "await-api@hm3"} {
		for _, wait := range []plan.StepID{"await-nodes@hm1", "await-balancer@load-balancer"} {
			if err := r.hindered(r.lessened(r.get(t, wait))); err != nil {
				t.Errorf("with %d API servers missing: %v", i, err)
			}
		}
		r.gone[id] = errTest
	}
	for _, wait := range []plan.StepID{"await-nodes@hm1", "await-balancer@load-balancer"} {
		if s := r.lessened(r.get(t, wait)); r.hindered(s) == nil || r.dispensable(s, nil, r.hindered(s)) != nil {
			t.Errorf("%s: hindered %v", wait, r.hindered(s))
		}
	}
}

// TestNobodyServesTheOldDataOn: members that were not seen to stop must not be
// a quorum of the old cluster.
func TestNobodyServesTheOldDataOn(t *testing.T) {
	r := rebuild(t)
	r.away["hm3"] = errTest
	r.plan.Config.Members = append(slices.Clone(r.plan.Config.Members), cluster.Member{Name: "m4", Host: "hm4"})
	s := r.get(t, "stop-member@m3")
	if err := r.dispensable(s, nil, r.hindered(s)); err != nil {
		t.Errorf("two of four: %v", err)
	}
	r.plan.Config.Members = append(r.plan.Config.Members, cluster.Member{Name: "m5", Host: "hm5"})
	if err := r.dispensable(s, nil, r.hindered(s)); err == nil || !strings.Contains(err.Error(), "m3, m4, m5") {
		t.Errorf("three of five: %v", err)
	}
}

// TestWhatHasToHoldOn: fences and stops, until the plan itself starts what they
// hold back.
func TestWhatHasToHoldOn(t *testing.T) {
	r := rebuild(t)
	stop, fence := r.get(t, "stop-member@m1"), r.get(t, "fence-component@kube-apiserver.hm1")
	none := map[plan.StepID]bool{}
	for _, s := range []plan.Step{stop, fence} {
		if r.over(s, none, none) {
			t.Errorf("%s is not asked again", s.ID)
		}
	}
	for id, of := range map[plan.StepID]plan.Step{"start-member@m1": stop, "release-component@kube-apiserver.hm1": fence} {
		if !r.over(of, map[plan.StepID]bool{id: true}, none) {
			t.Errorf("%s is asked again although %s began", of.ID, id)
		}
	}
	if r.over(stop, map[plan.StepID]bool{"start-member@m2": true}, none) || r.over(fence, map[plan.StepID]bool{"release-component@kube-apiserver.hm2": true}, none) {
		t.Error("what began elsewhere counts")
	}
	if !r.over(stop, none, map[plan.StepID]bool{"put-in-place@m1": true}) {
		t.Error("a member that runs on its new files is stopped again")
	}
	if !r.over(r.get(t, "salvage@m1"), none, none) {
		t.Error("a salvage is asked again")
	}
	if got := r.readAfter(stop.ID, map[plan.StepID]bool{"salvage@m1": true}); got != "salvage@m1" {
		t.Errorf("read by %q", got)
	}
}

// TestWhatIsWaitedForAgain after something had to be started again: its quorum
// and its readiness, and nobody else's.
func TestWhatIsWaitedForAgain(t *testing.T) {
	r := rebuild(t)
	for start, want := range map[plan.StepID][]plan.StepID{
		"start-member@m2":                      {"await-quorum@m1"},
		"release-component@kube-apiserver.hm2": {"await-api@hm2"},
		"release-component@kube-scheduler.hm2": nil,
	} {
		var got []plan.StepID
		for _, x := range r.plan.Steps {
			if waitsFor(x, r.get(t, start)) {
				got = append(got, x.ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", start, got, want)
		}
	}
	start := r.get(t, "start-member@m2")
	stop := plan.Step{ID: "stop-member@m2-again", Host: "hm2", Action: plan.StopMember{Member: "m2"}}
	r.plan.Steps = append(slices.Clone(r.plan.Steps), stop)
	if begun := map[plan.StepID]bool{"stop-member@m2": true}; r.endedLater(start, begun) {
		t.Error("the stop before the start counts")
	}
	if begun := map[plan.StepID]bool{stop.ID: true}; !r.endedLater(start, begun) {
		t.Error("what the plan stops later is started again")
	}
}
