package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestOneSickMachineKeepsNobodyDown: the first API server is that of the machine
// that looks best. All that stands on etcd is spare, and of etcd as much as a
// quorum lasts.
func TestOneSickMachineKeepsNobodyDown(t *testing.T) {
	p := kubePlan(t, kubeadm(stories.Serving().Alone("m2").Gone("m1", "m3")))
	if s, _ := p.Step("await-api@hm2"); s.Action != (plan.AwaitAPI{Canary: "case-1"}) {
		t.Errorf("the first API server is not the survivor's: %+v", s)
	}
	for _, id := range []plan.StepID{"start-member@m1", "start-member@m2", "await-api@hm1", "await-api@hm2", "release-component@kube-apiserver.hm2", "release-component@kube-apiserver.hm3",
		"await-nodes@hm2", "await-balancer@load-balancer",
		"release-component@kube-scheduler.hm2", "restart-kubelet@worker"} {
		if s, ok := p.Step(id); !ok || !s.Spare {
			t.Errorf("the run would end at %s (there: %v)", id, ok)
		}
	}
	for _, id := range []plan.StepID{"fence-component@kube-apiserver.hm1", "stop-member@m1", "build-member@m3", "put-in-place@m3", "await-quorum@m1", "canary@m1"} {
		if s, ok := p.Step(id); !ok || s.Spare {
			t.Errorf("%s may fail (there: %v)", id, ok)
		}
	}
	for _, id := range []plan.StepID{"release-component@kube-controller-manager.hm1", "release-component@kube-scheduler.hm3"} {
		if comesAfter(p, id, "await-api@hm3") || comesAfter(p, id, "await-api@hm1") {
			t.Errorf("%s waits for more than the first API server", id)
		}
	}
}

// TestSpareBelongsToThePlan: it survives JSON, and whoever changes it changes
// the plan.
func TestSpareBelongsToThePlan(t *testing.T) {
	b, err := json.Marshal(kubePlan(t, stories.Serving().Alone("m1").Gone("m2", "m3")))
	if err != nil {
		t.Fatal(err)
	}
	var p plan.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if err := p.Intact(); err != nil {
		t.Fatal(err)
	}
	for i := range p.Steps {
		if p.Steps[i].ID == "put-in-place@m2" {
			p.Steps[i].Spare = true
		}
	}
	if p.Intact() == nil {
		t.Error("a step was made spare, and the plan's ID still fits")
	}
}
