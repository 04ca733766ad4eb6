package agent_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/salvor-project/salvor/internal/agent"
)

// TestATargetThatTakesNoCopyIsToldOnce fails one target of several, while
// backups are made all the same, with a webhook that is down at first.
func TestATargetThatTakesNoCopyIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{lacking: []string{"nas"}}
		var told []string
		down := true
		c := config(t, s, "a")
		store := &memory{}
		c.State = store
		c.Notify = func(_ context.Context, e agent.Event) error {
			if down {
				return errors.New("nobody listens")
			}
			told = append(told, e.Event+" "+e.Target)
			return nil
		}
		step := func(what string, d time.Duration, want ...string) {
			t.Helper()
			if run(t, d, c); !slices.Equal(told, want) {
				t.Errorf("%s: told %q, want %q", what, told, want)
			}
			told = nil
		}
		step("nobody listens", 90*time.Minute)
		down = false
		step("three backups without it", 3*time.Hour, "target-failure nas")
		if r := store.r.Targets["nas"]; !r.Notified || r.Why != "no answer" || r.Since.IsZero() || store.r.Failures != 0 {
			t.Errorf("remembered %+v", store.r)
		}
		s.lacking = []string{"nas", "tape"}
		step("another one", 2*time.Hour, "target-failure tape")
		s.lacking = []string{"tape"}
		down = true
		step("nobody hears of the recovery", time.Hour)
		down = false
		step("the recovery", 2*time.Hour, "target-recovery nas")
		s.lacking = nil
		step("all are well", 2*time.Hour, "target-recovery tape")
		if len(store.r.Targets) != 0 {
			t.Errorf("remembered %+v", store.r.Targets)
		}
	})
}

// TestARecoveryOfATargetThatAnotherAgentSaw: the backup with the copy was made by
// another agent; what it lacks besides is for that one to tell.
func TestARecoveryOfATargetThatAnotherAgentSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{lacking: []string{"nas"}}
		var told []string
		c := config(t, s, "a")
		c.State = &memory{}
		c.Notify = func(_ context.Context, e agent.Event) error {
			told = append(told, e.Event+" "+e.Target)
			return nil
		}
		run(t, 30*time.Minute, c)
		time.Sleep(40 * time.Minute)
		s.lacking = []string{"tape"}
		_, _ = hand{s, "b"}.Backup(t.Context(), time.Time{}, nil)
		run(t, 20*time.Minute, c)
		if want := []string{"target-failure nas", "target-recovery nas"}; !slices.Equal(told, want) || s.by[len(s.by)-1] != "b" {
			t.Errorf("told %q by %v, want %q", told, s.by, want)
		}
	})
}
