package agent_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/salvor-project/salvor/internal/agent"
)

// board is where agents keep what they have told, as etcd is.
type board struct {
	mu   sync.Mutex
	told agent.Told
	down bool
}

func (b *board) read(context.Context) (agent.Told, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return agent.Told{}, errors.New("no quorum")
	}
	return b.told, nil
}

func (b *board) write(_ context.Context, t agent.Told) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errors.New("no quorum")
	}
	b.told = t
	return nil
}

// masters are three agents of one cluster, which take turns and share a board.
type masters struct {
	s     *shelf
	l     *lease
	b     *board
	confs []agent.Config
	mu    sync.Mutex
	told  []string
}

func newMasters(t *testing.T) *masters {
	t.Helper()
	m := &masters{s: &shelf{takes: time.Minute}, l: &lease{}, b: &board{}}
	for rank, who := range []string{"a", "b", "c"} {
		c := config(t, m.s, who)
		c.Take, c.Rank, c.Jitter, c.ReadTold, c.WriteTold = m.l.take(who), rank, 10*time.Minute, m.b.read, m.b.write
		c.Notify = func(_ context.Context, e agent.Event) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			name := e.Event
			if e.Target != "" {
				name += " " + e.Target
			}
			m.told = append(m.told, name)
			return nil
		}
		m.confs = append(m.confs, c)
	}
	return m
}

func (m *masters) step(t *testing.T, what string, d time.Duration, want ...string) {
	t.Helper()
	if run(t, d, m.confs...); !slices.Equal(m.told, want) {
		t.Errorf("%s: told %q, want %q", what, m.told, want)
	}
	m.told = nil
}

// TestThreeAgentsTellOnce: which of the three makes a backup is left to chance;
// what goes wrong is told once, and so is its end.
func TestThreeAgentsTellOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMasters(t)
		m.s.lacking = []string{"nas"}
		m.step(t, "nas takes no copies", 12*time.Hour, "target-failure nas")
		by := map[string]bool{}
		for _, who := range m.s.by {
			by[who] = true
		}
		if len(by) < 2 {
			t.Fatalf("one agent made all backups, %v: this proves nothing", m.s.by)
		}
		m.s.lacking = nil
		m.step(t, "nas is back", 6*time.Hour, "target-recovery nas")
		m.s.fails = 8
		m.step(t, "backups fail, and work again", 6*time.Hour, "failure", "recovery")
		if m.b.told.Failing || len(m.b.told.Targets) != 0 {
			t.Errorf("left on the board: %+v", m.b.told)
		}
	})
}

// TestWhatIsToldDoesNotNeedEtcd: without a quorum each agent goes by its own
// memory; nothing is told less than once, and with the quorum back the end of what
// was told without it is told, too.
func TestWhatIsToldDoesNotNeedEtcd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMasters(t)
		m.confs = m.confs[:1]
		m.b.down, m.s.lacking, m.s.fails = true, []string{"nas"}, 3
		m.step(t, "no quorum", 3*time.Hour, "failure", "target-failure nas", "recovery")
		m.b.down = false
		m.step(t, "the quorum is back", 3*time.Hour)
		if !m.b.told.Targets["nas"].Notified || m.b.told.Targets["nas"].Alone {
			t.Errorf("on the board: %+v", m.b.told)
		}
		m.s.lacking = nil
		m.step(t, "nas is back", 3*time.Hour, "target-recovery nas")
		m.b.down, m.s.fails = true, 1<<30
		m.step(t, "no quorum, and failures", 3*time.Hour, "failure")
		m.b.down, m.s.fails = false, 0
		m.step(t, "all is well", 3*time.Hour, "recovery")
	})
}
