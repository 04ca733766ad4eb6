package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/plan"
)

// kubeadm puts a whole control plane of static pods, and a worker, on a world.
func kubeadm(w *stories.World) *stories.World {
	k := &w.Facts.Config.Kubernetes
	k.LoadBalancer = "https://10.0.0.100:6443"
	for i := range w.Facts.Config.Members {
		m := &w.Facts.Config.Members[i]
		m.Run = cluster.Supervisor{StaticPod: "/etc/kubernetes/manifests/etcd.yaml"}
		pod := func(r cluster.Role) cluster.Component {
			return cluster.Component{StaticPod: "/etc/kubernetes/manifests/" + string(r) + ".yaml"}
		}
		k.Nodes = append(k.Nodes, cluster.Node{Host: m.Host, Kubeconfig: "/etc/kubernetes/admin.conf", API: fmt.Sprintf("https://10.0.0.%d:6443", i+1),
			APIServer: pod(cluster.RoleAPIServer), ControllerManager: pod(cluster.RoleControllerManager), Scheduler: pod(cluster.RoleScheduler)})
	}
	k.Nodes = append(k.Nodes, cluster.Node{Host: "worker"})
	w.Facts.Config.Hosts = append(w.Facts.Config.Hosts, cluster.Host{Name: "worker", Via: cluster.ViaSSH, Address: "w"})
	w.Facts.Hosts = append(w.Facts.Hosts, cluster.HostFacts{Name: "worker", Reached: w.Facts.Hosts[0].Reached})
	return w
}

func kubePlan(t *testing.T, w *stories.World) plan.Plan {
	t.Helper()
	p, err := plan.Build(w.Facts, diagnose.Diagnose(w.Facts), choices())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// comesAfter tells whether a step needs another, directly or not.
func comesAfter(p plan.Plan, later, earlier plan.StepID) bool {
	s, ok := p.Step(later)
	if !ok {
		return false
	}
	return slices.ContainsFunc(s.Needs, func(n plan.StepID) bool { return n == earlier || comesAfter(p, n, earlier) })
}

// TestOrderOfAWholeControlPlane: failures.md, safe restore order.
func TestOrderOfAWholeControlPlane(t *testing.T) {
	p := kubePlan(t, kubeadm(stories.Serving().Alone("m1").Gone("m2", "m3")))
	ids := func(prefix string) []plan.StepID {
		var out []plan.StepID
		for _, s := range p.Steps {
			if strings.HasPrefix(string(s.ID), prefix) {
				out = append(out, s.ID)
			}
		}
		if len(out) == 0 {
			t.Fatalf("no step %s", prefix)
		}
		return out
	}
	order := func(earlier, later string) {
		t.Helper()
		for _, e := range ids(earlier) {
			for _, l := range ids(later) {
				if !comesAfter(p, l, e) {
					t.Errorf("%s does not wait for %s", l, e)
				}
			}
		}
	}
	order("fence-component@kube-apiserver", "stop-member")
	order("stop-member", "salvage")
	order("build-member", "set-aside")
	order("put-in-place", "start-member")
	order("start-member", "canary")
	order("canary", "release-component")
	order("fence-component", "release-component")
	order("await-api@hm1", "release-component@kube-apiserver.hm2")
	order("await-api@hm1", "release-component@kube-controller-manager")
	order("await-api@hm1", "release-component@kube-scheduler")
	order("release-component", "restart-kubelet@worker")
	order("restart-kubelet", "await-nodes")
	order("release-component", "await-balancer")
	if n := len(ids("fence-component")); n != 9 {
		t.Errorf("%d components are held back, want 9", n)
	}
	if n := len(ids("restart-kubelet")); n != 4 {
		t.Errorf("%d kubelets are started anew, want each once", n)
	}
	if a, _ := p.Step("await-api@hm1"); a.Action != (plan.AwaitAPI{Canary: "case-1"}) {
		t.Errorf("the first API server does not prove a write: %+v", a.Action)
	}
	if len(p.Expect.APIServers) != 3 || len(p.Expect.Nodes) != 4 {
		t.Errorf("expected are %v and %v", p.Expect.APIServers, p.Expect.Nodes)
	}
}

// TestALivingQuorumKeepsItsAPI: only the API server of the machine whose member
// is replaced is held back.
func TestALivingQuorumKeepsItsAPI(t *testing.T) {
	p := kubePlan(t, kubeadm(stories.Serving().Gone("m2")))
	for _, s := range p.Steps {
		if _, ok := s.Action.(plan.FenceComponent); ok && s.Host != "hm2" {
			t.Errorf("%s holds back what serves", s.ID)
		}
	}
	if !comesAfter(p, "start-member@m2", "fence-component@kube-apiserver.hm2") {
		t.Error("the kubelet of hm2 would wait for an API server that hangs")
	}
	if !comesAfter(p, "release-component@kube-apiserver.hm2", "promote-learner@m2") {
		t.Error("the API server returns before its member")
	}
}

// TestAMachineThatIsDeadIsLeftOut: nothing is planned on it.
func TestAMachineThatIsDeadIsLeftOut(t *testing.T) {
	w := kubeadm(stories.Serving().Alone("m1").Gone("m2").Unreached("m3").GivenUp("m3"))
	p := kubePlan(t, w)
	for _, s := range p.Steps {
		if s.Host == "hm3" {
			t.Errorf("%s is planned on a dead machine", s.ID)
		}
	}
	if len(p.Expect.APIServers) != 2 || slices.Contains(p.Expect.Nodes, "hm3") {
		t.Errorf("expected are %v and %v", p.Expect.APIServers, p.Expect.Nodes)
	}
	var warned []string
	for _, w := range p.Warnings {
		warned = append(warned, w.Key)
	}
	for _, want := range []string{"warning.left-out", "warning.even"} {
		if !slices.Contains(warned, want) {
			t.Errorf("no %s among %v", want, warned)
		}
	}
}

// TestUnsafePlansOfAControlPlaneAreRefused breaks a good plan in every way that
// Check knows.
func TestUnsafePlansOfAControlPlaneAreRefused(t *testing.T) {
	good := kubePlan(t, kubeadm(stories.Serving().Alone("m1").Gone("m2", "m3")))
	for name, breakIt := range map[string]func(*plan.Plan){
		"an API server runs on": func(p *plan.Plan) {
			p.Steps = slices.DeleteFunc(p.Steps, func(s plan.Step) bool { return s.ID == "fence-component@kube-apiserver.hm2" })
			for i := range p.Steps {
				p.Steps[i].Needs = slices.DeleteFunc(p.Steps[i].Needs, func(n plan.StepID) bool { return n == "fence-component@kube-apiserver.hm2" })
			}
		},
		"a member is stopped first":      func(p *plan.Plan) { needs(p, "stop-member@m1", "fence-component@kube-apiserver.hm1") },
		"released before etcd is proven": func(p *plan.Plan) { needs(p, "release-component@kube-apiserver.hm1", "start-member@m3") },
		"never released": func(p *plan.Plan) {
			p.Steps = slices.DeleteFunc(p.Steps, func(s plan.Step) bool { return s.ID == "release-component@kube-scheduler.hm3" })
			for i := range p.Steps {
				p.Steps[i].Needs = slices.DeleteFunc(p.Steps[i].Needs, func(n plan.StepID) bool { return n == "release-component@kube-scheduler.hm3" })
			}
		},
		"controllers before an API": func(p *plan.Plan) { needs(p, "release-component@kube-controller-manager.hm1", "canary@m1") },
	} {
		b, err := json.Marshal(good)
		if err != nil {
			t.Fatal(err)
		}
		var p plan.Plan
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatal(err)
		}
		if err := p.Check(); err != nil {
			t.Fatalf("the plan is refused before it is broken: %v", err)
		}
		breakIt(&p)
		if err := p.Check(); err == nil {
			t.Errorf("%s: the plan passed", name)
		}
	}
}

func needs(p *plan.Plan, id plan.StepID, want ...plan.StepID) {
	for i := range p.Steps {
		if p.Steps[i].ID == id {
			p.Steps[i].Needs = want
		}
	}
}

// TestRollbackHoldsTheAPIBack: the old files return while no API server looks.
func TestRollbackHoldsTheAPIBack(t *testing.T) {
	w := kubeadm(stories.Serving().Alone("m1").Gone("m2", "m3"))
	p := kubePlan(t, w)
	back, err := plan.Rollback(p, w.Facts, map[plan.StepID]plan.Effect{"set-aside@m1": plan.EffectHad}, plan.Choices{Case: "case-2"})
	if err != nil {
		t.Fatal(err)
	}
	if !comesAfter(back, "stop-member@m1", "fence-component@kube-apiserver.hm3") || !comesAfter(back, "release-component@kube-apiserver.hm1", "put-in-place@m1") {
		t.Error("the API is not held back, or not let go")
	}
}

// TestALearnerThatWaitsGetsItsVote: an attempt was interrupted before the last
// step.
func TestALearnerThatWaitsGetsItsVote(t *testing.T) {
	w := stories.Serving()
	w.M("m3").Live.Value.Learner = true
	for _, n := range []string{"m1", "m2", "m3"} {
		list := slices.Clone(w.M(n).Live.Value.Members.Value)
		for i := range list {
			list[i].Learner = list[i].Name == "m3"
		}
		w.M(n).Live.Value.Members.Value = list
	}
	p := kubePlan(t, w)
	var got []string
	for _, s := range p.Steps {
		got = append(got, string(s.ID))
	}
	if want := "promote-learner@m3 await-quorum@m1 canary@m1"; strings.Join(got, " ") != want {
		t.Errorf("steps %v, want %s", got, want)
	}
}

// TestARebuildCorrectsManifests: kubeadm's first member would make a cluster of
// its own on the day its disk is lost.
func TestARebuildCorrectsManifests(t *testing.T) {
	p := kubePlan(t, kubeadm(stories.Serving().Alone("m1").Gone("m2", "m3")))
	for _, m := range p.Config.Members {
		s, _ := p.Step(plan.StepID("start-member@" + m.Name))
		if a, ok := s.Action.(plan.StartMember); !ok || a.InitialCluster != cluster.InitialCluster(p.Config.Members) {
			t.Errorf("%s is started with %+v", m.Name, s.Action)
		}
	}
}

// TestAKubeletThatOnlyHasToBeStartedKeepsNobodyFromStarting: one that fails or
// is masked does.
func TestAKubeletThatOnlyHasToBeStartedKeepsNobodyFromStarting(t *testing.T) {
	for state, want := range map[string]diagnose.Scenario{"inactive loaded": diagnose.Stopped, "failed loaded": diagnose.Blocked, "inactive masked": diagnose.Blocked} {
		w := stories.Control().Dead("m1", "m2", "m3")
		for _, m := range []string{"m1", "m2", "m3"} {
			k := &w.Kube(m).Kubelet.Value
			k.Active, k.Load, _ = strings.Cut(state, " ")
			k.Process, k.Answers = cluster.Is(false), cluster.Is(false)
		}
		if got := diagnose.Diagnose(w.Facts).Scenario; got != want {
			t.Errorf("%s: got %s, want %s", state, got, want)
		}
	}
}

// TestConsequencesDoNotAgeAPlan: an API server without etcd is not ready, then
// hangs, then is down; the plan stays the same.
func TestConsequencesDoNotAgeAPlan(t *testing.T) {
	look := func(health cluster.APIHealth) string {
		w := stories.Control().Alone("m1").Gone("m2", "m3")
		w.API("m1").Ready = cluster.Is(health)
		return diagnose.Diagnose(w.Facts).Fingerprint()
	}
	if a, b := look(cluster.APIHealth{OK: true, Status: 200, Passed: 40}), look(cluster.APIHealth{Status: 500, Failed: []string{"etcd"}}); a != b {
		t.Errorf("the plan is stale as soon as the API server notices: %s, %s", a, b)
	}
}

// TestAMemberThatEtcdRefusesIsReplaced: its files look sound, and differ from
// the peers'.
func TestAMemberThatEtcdRefusesIsReplaced(t *testing.T) {
	w := stories.Control().Dead("m3").Said("m3", "etcd", cluster.SaidCorrupt, 3)
	p := kubePlan(t, w)
	if _, ok := p.Step("promote-learner@m3"); !ok {
		t.Errorf("m3 is not replaced: %+v", p.Steps)
	}
	if s, ok := p.Step("start-member@m3"); !ok || !comesAfter(p, s.ID, "set-aside@m3") {
		t.Error("m3 is started with the files that it was refused with")
	}
}

// TestRollbackWithoutADeadMachine: it died after the run; its member and its
// API server are left out, and the plan says so.
func TestRollbackWithoutADeadMachine(t *testing.T) {
	w := kubeadm(stories.Serving().Alone("m1").Gone("m2", "m3"))
	p := kubePlan(t, w)
	w.Unreached("m3")
	effects := map[plan.StepID]plan.Effect{"stop-member@m1": plan.EffectHad, "set-aside@m1": plan.EffectHad, "set-aside@m2": plan.EffectNothingThere, "set-aside@m3": plan.EffectHad}
	back, err := plan.Rollback(p, w.Facts, effects, plan.Choices{Case: "case-2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range back.Steps {
		if s.Host == "hm3" {
			t.Errorf("%s is planned on a dead machine", s.ID)
		}
	}
	if _, ok := back.Step("put-in-place@m1"); !ok {
		t.Error("m1 does not get its files back")
	}
	if !warns(back, "warning.undo-left-out") || !warns(back, "warning.api-unreached") {
		t.Errorf("the warnings say nothing of it: %v", back.Warnings)
	}
	w.Unreached("m1", "m2")
	if _, err := plan.Rollback(p, w.Facts, effects, plan.Choices{Case: "case-2"}); err == nil {
		t.Error("a rollback of nothing was planned")
	}
}

// TestRollbackLeavesWhatThePlanHasNotTouched: a machine that was dead before.
func TestRollbackLeavesWhatThePlanHasNotTouched(t *testing.T) {
	w := kubeadm(stories.Serving().Alone("m1").Gone("m2").Unreached("m3").GivenUp("m3"))
	p := kubePlan(t, w)
	back, err := plan.Rollback(p, w.Facts, map[plan.StepID]plan.Effect{"set-aside@m1": plan.EffectHad}, plan.Choices{Case: "case-2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range back.Steps {
		if s.Host == "hm3" {
			t.Errorf("%s is planned on a machine that was dead before", s.ID)
		}
	}
}

func warns(p plan.Plan, key string) bool {
	for _, w := range p.Warnings {
		if w.Key == key {
			return true
		}
	}
	return false
}

// TestRollbackStartsWhatCrashed: between two crashes a static pod does not run,
// and nobody but the rollback would bring its manifest back. One whose data was
// gone would make itself an empty cluster.
func TestRollbackStartsWhatCrashed(t *testing.T) {
	w := kubeadm(stories.Serving().Dead("m1", "m2").Gone("m3"))
	w.Damaged("m2", cluster.DamageDB)
	p := kubePlan(t, w)
	back, err := plan.Rollback(p, w.Facts, map[plan.StepID]plan.Effect{
		"stop-member@m1": plan.EffectHad, "set-aside@m1": plan.EffectHad,
		"stop-member@m2": plan.EffectHad, "set-aside@m2": plan.EffectHad,
		"stop-member@m3": plan.EffectHad, "set-aside@m3": plan.EffectNothingThere,
	}, plan.Choices{Case: "case-2"})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[plan.StepID]bool{"start-member@m1": true, "start-member@m2": true, "start-member@m3": false} {
		if s, ok := back.Step(id); ok != want || (ok && !s.Spare) {
			t.Errorf("%s: planned %v, want %v; spare %v", id, ok, want, s.Spare)
		}
	}
	if s, _ := back.Step("start-member@m2"); s.Action.(plan.StartMember).Original != p.Case {
		t.Errorf("m2 does not get its manifest back: %+v", s.Action)
	}
	if !comesAfter(back, "start-member@m2", "start-member@m1") || !comesAfter(back, "start-member@m1", "put-in-place@m1") {
		t.Error("members are not started in turn, after their files are back")
	}
	if s, _ := back.Step("release-component@kube-apiserver.hm3"); !s.Spare || !comesAfter(back, s.ID, "start-member@m2") {
		t.Errorf("an API server is let go too early, or may stay parked: %+v", s)
	}
	if !warns(back, "warning.undo-no-data") {
		t.Errorf("nobody is told that m3 stays stopped: %v", back.Warnings)
	}
	back, err = plan.Rollback(p, w.Facts, map[plan.StepID]plan.Effect{
		"stop-member@m2": plan.EffectHad, "set-aside@m2": plan.EffectEmpty}, plan.Choices{Case: "case-2"})
	if err != nil {
		t.Fatal(err)
	}
	_, starts := back.Step("start-member@m2")
	if _, puts := back.Step("put-in-place@m2"); starts || !puts || !warns(back, "warning.undo-no-data") {
		t.Errorf("an empty folder: started %v, put back %v, %v", starts, puts, back.Warnings)
	}
}

// TestRollbackStartsUnits: one that was down before stays down.
func TestRollbackStartsUnits(t *testing.T) {
	w := stories.Serving().Dead("m1", "m2").Gone("m3")
	w.Damaged("m2", cluster.DamageDB)
	for i := range w.Facts.Config.Members {
		w.Facts.Config.Members[i].Run = cluster.Supervisor{Systemd: "etcd.service"}
	}
	p := kubePlan(t, w)
	back, err := plan.Rollback(p, w.Facts, map[plan.StepID]plan.Effect{
		"stop-member@m1": plan.EffectHad, "set-aside@m1": plan.EffectHad,
		"stop-member@m2": plan.EffectNothingThere, "set-aside@m2": plan.EffectHad,
	}, plan.Choices{Case: "case-2"})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[plan.StepID]bool{"start-member@m1": true, "start-member@m2": false, "start-member@m3": false,
		"stop-member@m1-loose": false, "stop-member@m2-loose": true, "stop-member@m3-loose": true} {
		if s, ok := back.Step(id); ok != want || (ok && !s.Spare) {
			t.Errorf("%s: planned %v, want %v", id, ok, want)
		}
	}
	if !comesAfter(back, "stop-member@m2-loose", "put-in-place@m2") {
		t.Error("a unit is let loose before its files are back")
	}
}

// TestRollbackLetsTheLivingLive: the replacement of one member has not come far.
// What serves beside it is neither stopped nor held back for the way back.
func TestRollbackLetsTheLivingLive(t *testing.T) {
	w := kubeadm(stories.Serving().Gone("m3"))
	p := kubePlan(t, w)
	if _, ok := p.Step("remove-member@m3"); !ok {
		t.Fatalf("no member is replaced: %+v", p.Steps)
	}
	back, err := plan.Rollback(p, w.Facts, map[plan.StepID]plan.Effect{"fence-component@kube-apiserver.hm3": plan.EffectHad, "stop-member@m3": plan.EffectHad},
		plan.Choices{Case: "case-2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range back.Steps {
		if s.Host != "hm3" {
			t.Errorf("%s is done on %s", s.ID, s.Host)
		}
	}
	if _, ok := back.Step("release-component@kube-apiserver.hm3"); !ok {
		t.Error("the API server stays held back")
	}
}
