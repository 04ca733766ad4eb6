package plan_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/plan"
)

func choices() plan.Choices { return plan.Choices{Case: "case-1", Token: "token-1"} }

func build(t *testing.T, name string) (plan.Plan, error) {
	t.Helper()
	f := stories.All()[name].World.Facts
	return plan.Build(f, diagnose.Diagnose(f), choices())
}

// TestEveryStory builds the plan of every story: it is safe, the same each
// time, and survives its own JSON; or it is refused for the right reason.
func TestEveryStory(t *testing.T) {
	refused := map[string]error{
		"healthy": plan.ErrHealthy, "given-up-alive": plan.ErrHealthy, "given-up-spare": plan.ErrRefused, "certs-expired": plan.ErrRefused, "one-barred": plan.ErrRefused, "rewound": plan.ErrRefused, "twin": plan.ErrRefused, "auth": plan.ErrRefused, "not-configured": plan.ErrUnseen, "disk-full": plan.ErrRefused, "partition": plan.ErrRefused,
		"diverged": plan.ErrRefused, "two-unreached": plan.ErrUnseen, "given-up-heard": plan.ErrUnseen, "all-unreached": plan.ErrUnseen, "nothing-left": plan.ErrNoCandidate,
	}
	for name := range stories.All() {
		t.Run(name, func(t *testing.T) {
			p, err := build(t, name)
			if want := refused[name]; want != nil {
				if !errors.Is(err, want) {
					t.Fatalf("got %v, want %v", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := build(t, name)
			if err != nil || again.ID != p.ID {
				t.Fatalf("the same facts gave plan %s, then %s (%v)", p.ID, again.ID, err)
			}
			b, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var back plan.Plan
			if err := json.Unmarshal(b, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p.Steps, back.Steps); diff != "" {
				t.Fatalf("the plan does not survive its JSON:\n%s", diff)
			}
			if err := back.Intact(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSteps pins the order of what is done.
func TestSteps(t *testing.T) {
	want := map[string]string{
		"stopped":     "start-member@m1 start-member@m2 start-member@m3 await-quorum@m1 canary@m1",
		"member-lost": "save-snapshot@m1 stop-member@m3 remove-member@m3 set-aside@m3 add-learner@m3 start-member@m3 promote-learner@m3 await-quorum@m1 canary@m1",
		"majority-lost": "stop-member@m1 stop-member@m2 stop-member@m3 salvage@m1 build-member@m1 copy-files@hm2-image build-member@m2 copy-files@hm3-image build-member@m3 " +
			"set-aside@m1 put-in-place@m1 set-aside@m2 put-in-place@m2 set-aside@m3 put-in-place@m3 start-member@m1 start-member@m2 start-member@m3 await-quorum@m1 canary@m1",
		"all-lost": "check-image@hm1 stop-member@m1 stop-member@m2 stop-member@m3 build-member@m1 copy-files@hm2-image build-member@m2 copy-files@hm3-image build-member@m3 " +
			"set-aside@m1 put-in-place@m1 set-aside@m2 put-in-place@m2 set-aside@m3 put-in-place@m3 start-member@m1 start-member@m2 start-member@m3 await-quorum@m1 canary@m1",
		"no-space": "save-snapshot@m1 compact@m1 defragment@m2 defragment@m3 defragment@m1 disarm-alarm@m1 await-quorum@m1 canary@m1",
		"impostor": "save-snapshot@m1 stop-member@m3 remove-member@m3 set-aside@m3 add-learner@m3 start-member@m3 promote-learner@m3 await-quorum@m1 canary@m1",
	}
	for name, steps := range want {
		p, err := build(t, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, s := range p.Steps {
			got = append(got, string(s.ID))
		}
		if diff := cmp.Diff(strings.Fields(steps), got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// TestUnsafePlansAreRefused breaks a good plan in every way that Check knows.
func TestUnsafePlansAreRefused(t *testing.T) {
	find := func(p plan.Plan, id plan.StepID) *plan.Step {
		for i := range p.Steps {
			if p.Steps[i].ID == id {
				return &p.Steps[i]
			}
		}
		t.Fatalf("no step %s", id)
		return nil
	}
	for name, breakIt := range map[string]func(*plan.Plan){
		"moved before it is built": func(p *plan.Plan) { find(*p, "set-aside@m1").Needs = []plan.StepID{"stop-member@m1"} },
		"does not come before":     func(p *plan.Plan) { find(*p, "salvage@m1").Needs = []plan.StepID{"canary@m1"} },
		"not stopped":              func(p *plan.Plan) { find(*p, "salvage@m1").Needs = nil },
		"unknown host":             func(p *plan.Plan) { find(*p, "canary@m1").Host = "nowhere" },
		"one name twice":           func(p *plan.Plan) { find(*p, "set-aside@m2").ID = "set-aside@m1" },
	} {
		p, err := build(t, "majority-lost")
		if err != nil {
			t.Fatal(err)
		}
		breakIt(&p)
		if err := p.Check(); err == nil {
			t.Errorf("%s: the plan passed", name)
		}
		if err := p.Intact(); err == nil {
			t.Errorf("%s: the plan's ID still fits", name)
		}
	}
	p, err := build(t, "no-space")
	if err != nil {
		t.Fatal(err)
	}
	find(p, "defragment@m3").Needs = []plan.StepID{"compact@m1"}
	if err := p.Check(); err == nil {
		t.Error("two members were defragmented at the same time")
	}
}

// TestRemainsBesideUnreadPlaces: a place of backups that nobody can read takes the
// last resort from nobody who names it.
func TestRemainsBesideUnreadPlaces(t *testing.T) {
	w := stories.Serving().Dead("m1", "m2", "m3")
	for _, m := range []string{"m1", "m2", "m3"} {
		w.Damaged(m, cluster.DamageDB)
		w.Damaged(m, cluster.DamageWALMissing)
		d := &w.M(m).Disk.Value
		d.Log, d.ClusterID, d.MemberID = cluster.Unknown[cluster.Log]("no log"), cluster.Unknown[cluster.ID]("no log"), cluster.Unknown[cluster.ID]("no log")
	}
	w.Facts.Config.Snapshots = []cluster.SnapshotPlace{{Host: "nas", Path: "/b"}}
	d := diagnose.Diagnose(w.Facts)
	c := choices()
	c.Source = "remains:m1"
	if p, err := plan.Build(w.Facts, d, c); err != nil || d.Level.Data != diagnose.DUnknown {
		t.Errorf("%s: %v, %d steps", d.Level, err, len(p.Steps))
	}
}

// TestNoDefragmentationWithoutRoom: it writes a second db, and would take a serving
// member's last room.
func TestNoDefragmentationWithoutRoom(t *testing.T) {
	w := stories.All()["no-space"].World
	w.M("m2").Space = cluster.Is(cluster.Space{Path: "/", TotalBytes: 8 << 30, FreeBytes: 4096})
	if _, err := plan.Build(w.Facts, diagnose.Diagnose(w.Facts), choices()); !errors.Is(err, plan.ErrRefused) {
		t.Fatalf("got %v, want a refusal", err)
	}
}

func TestIntactDataIsNeverRestoredOver(t *testing.T) {
	f := stories.All()["stopped"].World.Snapshot(10).Facts
	c := choices()
	c.Source = "snapshot:hm1:/b/s.db"
	if _, err := plan.Build(f, diagnose.Diagnose(f), c); !errors.Is(err, plan.ErrRefused) {
		t.Fatalf("got %v, want a refusal", err)
	}
}

func TestRollbackPutsBackOnlyWhatWasMoved(t *testing.T) {
	f := stories.All()["majority-lost"].World.Facts
	p, err := plan.Build(f, diagnose.Diagnose(f), choices())
	if err != nil {
		t.Fatal(err)
	}
	back, err := plan.Rollback(p, f, map[plan.StepID]plan.Effect{"stop-member@m1": plan.EffectHad,
		"set-aside@m1": plan.EffectHad, "set-aside@m2": plan.EffectNothingThere}, plan.Choices{Case: "case-2"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range back.Steps {
		got = append(got, string(s.ID))
	}
	want := "stop-member@m1 stop-member@m2 stop-member@m3 set-aside@m2 set-aside@m1 put-in-place@m1 start-member@m1"
	if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
		t.Error(diff)
	}
	f = stories.All()["member-lost"].World.Facts
	if p, err = plan.Build(f, diagnose.Diagnose(f), choices()); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Rollback(p, f, map[plan.StepID]plan.Effect{"remove-member@m3": plan.EffectHad}, plan.Choices{Case: "case-3"}); !errors.Is(err, plan.ErrNoWayBack) {
		t.Errorf("got %v, want ErrNoWayBack", err)
	}
}

// TestSilentMembersOfALivingQuorum: a quorum serves, so at least one of the
// members that do not answer Salvor is well. None may be stopped.
func TestSilentMembersOfALivingQuorum(t *testing.T) {
	w := stories.Serving()
	for _, n := range []string{"m2", "m3"} {
		w.M(n).Live = cluster.Unknown[cluster.LiveMember]("no answer in time")
	}
	if _, err := plan.Build(w.Facts, diagnose.Diagnose(w.Facts), choices()); !errors.Is(err, plan.ErrUnseen) {
		t.Fatalf("got %v, want ErrUnseen", err)
	}
}

// TestCrossedNames: salvor.yaml has two names the wrong way round. The member
// that is removed must be the one whose disk is lost, not its namesake.
func TestCrossedNames(t *testing.T) {
	w := stories.Serving().Gone("m3")
	w.Facts.Config.Members[2].Name, w.Facts.Config.Members[1].Name = "m2", "m3"
	w.M("m3").Name, w.M("m2").Name = "tmp", "m3"
	w.M("tmp").Name = "m2"
	p, err := plan.Build(w.Facts, diagnose.Diagnose(w.Facts), choices())
	if err != nil {
		return // refused, which is as good
	}
	for _, s := range p.Steps {
		if a, ok := s.Action.(plan.RemoveMember); ok && a.ID != cluster.ID('3') {
			t.Fatalf("would remove member %s, the lost one is %s", a.ID, cluster.ID('3'))
		}
	}
}

// TestQuorumIsNeverBroken: m1 is stopped, m2 serves, m3 serves on deleted
// files. m3 may be stopped only after m1 has been started.
func TestQuorumIsNeverBroken(t *testing.T) {
	w := stories.Serving().Dead("m1")
	w.M("m3").Disk = cluster.Is(cluster.DataDir{Path: "/d/m3", State: cluster.DirAbsent})
	p, err := plan.Build(w.Facts, diagnose.Diagnose(w.Facts), choices())
	if err != nil {
		t.Fatal(err)
	}
	if p.Steps[0].ID != "start-member@m1" {
		t.Fatalf("begins with %s, not with the start of m1", p.Steps[0].ID)
	}
	w = stories.Serving().Gone("m1")
	w.M("m3").Disk = cluster.Is(cluster.DataDir{Path: "/d/m3", State: cluster.DirAbsent})
	p, err = plan.Build(w.Facts, diagnose.Diagnose(w.Facts), choices())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, s := range p.Steps {
		if s.Action.Kind() == plan.KindRemoveMember {
			order = append(order, string(s.ID))
		}
	}
	if diff := cmp.Diff([]string{"remove-member@m1", "remove-member@m3"}, order); diff != "" {
		t.Error(diff)
	}
}
