package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/agent"
	"github.com/salvor-project/salvor/internal/cron"
)

// shelf stands for the vault: it notes when backups were made.
type shelf struct {
	mu       sync.Mutex
	made     []time.Time
	by       []string
	takes    time.Duration
	fails    int       // so many times
	unproven int       // whether the last one is not proven
	hangs    chan bool // what a backup waits for, whatever its context says
	lacking  []string  // targets that take no copy
	now      func() time.Time
}

type hand struct {
	*shelf
	who string
}

func (h hand) Newest(context.Context) (time.Time, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var newest time.Time
	for _, m := range h.made[:len(h.made)-min(h.unproven, len(h.made))] {
		if m.After(newest) && !m.After(h.now().Add(time.Minute)) {
			newest = m
		}
	}
	return newest, nil
}

func (h hand) Backup(ctx context.Context, due time.Time, fence func(context.Context) (time.Time, error)) (agent.Made, error) {
	h.mu.Lock()
	if n := len(h.made) - 1; !due.IsZero() && h.unproven > 0 && n >= 0 && !h.made[n].Before(due) {
		h.unproven--
		defer h.mu.Unlock()
		return h.copied("proven"), nil
	}
	h.mu.Unlock()
	created := h.now()
	if h.hangs != nil {
		<-h.hangs
	}
	time.Sleep(h.takes)
	if fence != nil {
		if _, err := fence(ctx); err != nil {
			return agent.Made{}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fails > 0 {
		h.fails--
		return agent.Made{}, errors.New("the bucket is gone")
	}
	h.made, h.by = append(h.made, created), append(h.by, h.who)
	if h.unproven > 0 {
		return h.copied(created.Format("150405")), errors.New("no room to prove it")
	}
	return h.copied(created.Format("150405")), nil
}

// copied is a backup, with the targets that did not take it; the lock is held.
func (h hand) copied(id string) agent.Made {
	m := agent.Made{Backup: id, Lacking: map[string]string{}}
	for _, name := range h.lacking {
		m.Lacking[name] = "no answer"
	}
	return m
}

func (h hand) Lacking(context.Context) (agent.Made, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.copied("newest"), nil
}

// slots gives how many backups there are for each hour.
func (s *shelf) slots() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[int]int{}
	for _, m := range s.made {
		n[int(m.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))/time.Hour)]++
	}
	return n
}

type memory struct{ r agent.Remembered }

func (m *memory) Load() (agent.Remembered, error) { return m.r, nil }
func (m *memory) Save(r agent.Remembered) error   { m.r = r; return nil }

func config(t *testing.T, s *shelf, who string) agent.Config {
	t.Helper()
	hourly, err := cron.Parse("0 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return agent.Config{Cluster: "c", Who: who, Schedule: hourly, Work: hand{s, who}, State: &memory{}, Now: s.now, Log: t.Logf}
}

// run lets agents work for a time.
func run(t *testing.T, d time.Duration, confs ...agent.Config) []*agent.Agent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	var all []*agent.Agent
	for _, c := range confs {
		a, err := agent.New(c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
		wg.Go(func() { _ = a.Run(ctx) }) // ends with ctx
	}
	wg.Wait()
	return all
}

func TestOnePerDueTimeWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{takes: 7 * time.Minute}
		c := config(t, s, "a")
		c.Jitter = 10 * time.Minute
		run(t, 5*time.Hour+30*time.Minute, c)
		if got := fmt.Sprint(s.slots()); got != "map[0:1 1:1 2:1 3:1 4:1 5:1]" {
			t.Errorf("backups by hour: %s", got)
		}
		different := map[time.Duration]bool{}
		for _, m := range s.made {
			late := m.Sub(m.Truncate(time.Hour))
			different[late] = true
			if late > 10*time.Minute {
				t.Errorf("%s is too late", m)
			}
		}
		if len(different) < 3 {
			t.Errorf("no jitter: %v", s.made)
		}
	})
}

func TestMissedIsMadeUpForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10*time.Hour + 20*time.Minute)
		s := &shelf{made: []time.Time{time.Now().Add(-7 * time.Hour)}}
		run(t, 30*time.Minute, config(t, s, "a"))
		if got := fmt.Sprint(s.slots()); got != "map[3:1 10:1]" {
			t.Errorf("backups by hour: %s", got)
		}
	})
}

func TestFailureIsToldOnceTriedAgainAndTheRecoveryTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{fails: 5}
		var told []string
		c := config(t, s, "a")
		c.Notify = func(_ context.Context, e agent.Event) error {
			told = append(told, fmt.Sprintf("%s after %d at %s", e.Event, e.Failures, e.At.Format("15:04")))
			return nil
		}
		a := run(t, 50*time.Minute, c)[0]
		want := []string{"failure after 1 at 00:00", "recovery after 5 at 00:31"} // 1+2+4+8+16 minutes
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if err := a.Healthy(time.Now()); err != nil {
			t.Errorf("not healthy after the recovery: %v", err)
		}

		s.fails = 1 << 30
		store := &memory{}
		c.State, told = store, nil
		time.Sleep(time.Hour)
		a = run(t, 3*time.Hour, c)[0]
		if len(told) != 1 || a.Healthy(time.Now()) == nil || !store.r.Notified {
			t.Errorf("told %q, healthy %v, remembered %+v", told, a.Healthy(time.Now()), store.r)
		}
		if s.fails < 1<<30-10 {
			t.Errorf("tried %d times in 3 hours", 1<<30-s.fails)
		}
		run(t, 2*time.Hour, c) // restarted: it has told already
		if len(told) != 1 {
			t.Errorf("told %q", told)
		}
		c.Notify = func(context.Context, agent.Event) error { return errors.New("nobody listens") }
		s.fails, c.State = 2, &memory{}
		run(t, time.Hour, c) // a webhook that is down stops nothing
		if s.fails != 0 {
			t.Error("a webhook that is down stopped the agent")
		}
	})
}

// lease is a turn as etcd gives it.
type lease struct {
	mu   sync.Mutex
	held string
	down bool
}

func (l *lease) take(who string) func(context.Context) (agent.Turn, error) {
	return func(context.Context) (agent.Turn, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case l.down:
			return nil, errors.New("no quorum")
		case l.held != "":
			return nil, fmt.Errorf("%w: %s", agent.ErrTaken, l.held)
		}
		l.held = who
		return held{l, who}, nil
	}
}

type held struct {
	l   *lease
	who string
}

func (h held) Fence(context.Context) (time.Time, error) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if h.l.held != h.who {
		return time.Time{}, errors.New("the turn was lost")
	}
	return time.Now().Add(time.Minute), nil
}

func (h held) End(context.Context) error {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if h.l.held == h.who {
		h.l.held = ""
	}
	return nil
}

func TestSeveralAgentsMakeOneBackup(t *testing.T) {
	for name, down := range map[string]bool{"with a lease": false, "without a quorum": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := &shelf{takes: time.Minute}, &lease{down: down}
				var confs []agent.Config
				for rank, who := range []string{"a", "b", "c"} {
					c := config(t, s, who)
					c.Take, c.Rank = l.take(who), rank
					confs = append(confs, c)
				}
				run(t, 6*time.Hour-time.Minute, confs...)
				if got := fmt.Sprint(s.slots()); got != "map[0:1 1:1 2:1 3:1 4:1 5:1]" {
					t.Errorf("backups by hour: %s by %v", got, s.by)
				}
			})
		})
	}
}

// TestAPausedAgentGivesUp takes the turn away in the middle of a backup.
func TestAPausedAgentGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := &shelf{takes: 10 * time.Minute}, &lease{}
		c := config(t, s, "a")
		c.Take = l.take("a")
		go func() { time.Sleep(5 * time.Minute); l.mu.Lock(); defer l.mu.Unlock(); l.held = "b" }()
		a := run(t, 12*time.Minute, c)[0]
		if len(s.made) != 0 || !strings.Contains(a.Seen().LastError, "turn was lost") {
			t.Errorf("made %v, %+v", s.made, a.Seen())
		}
	})
}

func TestAClockThatIsSetBackLeavesNoHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back time.Duration
		s := &shelf{}
		s.now = func() time.Time { return time.Now().Add(-back) }
		c := config(t, s, "a")
		time.Sleep(10 * time.Hour)
		run(t, 30*time.Minute, c)
		back = 3 * time.Hour
		before := len(s.made)
		run(t, 2*time.Hour, c)
		if made := len(s.made) - before; made < 2 || made > 3 {
			t.Errorf("%d backups in two hours after the clock was set back: %v", made, s.made)
		}
	})
}

func TestHealthMetricsAndWebhook(t *testing.T) {
	s := &shelf{fails: 1}
	c := config(t, s, "a")
	var mu sync.Mutex
	var got []agent.Event
	refuse := 1
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if refuse > 0 {
			refuse--
			http.Error(w, "later", http.StatusBadGateway)
			return
		}
		var e agent.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		got = append(got, e)
	}))
	defer hook.Close()
	file := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(file, []byte(hook.URL+"/secret-path\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Notify = agent.Webhook(file)
	a, err := agent.New(c)
	if err != nil {
		t.Fatal(err)
	}
	h := a.Handler(func() string { return "salvor_vault_ok 1\n" })
	ask := func(path string) (int, string) {
		r := httptest.NewRecorder()
		h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
		b, _ := io.ReadAll(r.Body)
		return r.Code, string(b)
	}
	if err := a.Once(t.Context()); err == nil {
		t.Fatal("the failure is no error")
	}
	if code, text := ask("/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "the bucket is gone") {
		t.Errorf("%d %s", code, text)
	}
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, text := ask("/healthz"); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if _, text := ask("/metrics"); !strings.Contains(text, "\nsalvor_agent_healthy 1\n") || !strings.HasSuffix(text, "salvor_vault_ok 1\n") {
		t.Errorf("metrics:\n%s", text)
	}
	if len(got) != 2 || got[0].Event != "failure" || got[1].Event != "recovery" || got[1].Backup == "" {
		t.Errorf("told %+v", got)
	}
	hook.Close()
	if err := agent.Webhook(file)(t.Context(), agent.Event{}); err == nil || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("got %v, want an error without the URL", err)
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	f, err := agent.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agent.OpenFolder(dir); err == nil {
		t.Error("two agents have the folder")
	}
	want := agent.Remembered{LastSuccess: time.Unix(7, 0).UTC(), Failures: 3, Notified: true,
		Targets: map[string]agent.Trouble{"nas": {Since: time.Unix(5, 0).UTC(), Why: "down", Notified: true}}}
	if err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = agent.OpenFolder(dir); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := f.Load(); err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.json"), []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Load(); err != nil || !cmp.Equal(got, agent.Remembered{}) {
		t.Errorf("a broken memory: got %+v, %v", got, err)
	}
}

// TestWhatIsNotProvenIsNotDone makes a backup whose proof does not come about:
// that is a failure, tried again soon, and what is tried again is the proof.
func TestWhatIsNotProvenIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{unproven: 1}
		var told []string
		c := config(t, s, "a")
		c.Notify = func(_ context.Context, e agent.Event) error {
			told = append(told, e.Event+" "+e.At.Format("15:04"))
			return nil
		}
		run(t, 50*time.Minute, c)
		if want := []string{"failure 00:00", "recovery 00:01"}; !slices.Equal(told, want) || len(s.made) != 1 {
			t.Errorf("told %q, made %v", told, s.made)
		}
	})
}

// TestTheSuccessOfAnotherIsARecovery has an agent that cannot, and one that can.
func TestTheSuccessOfAnotherIsARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, well := &shelf{fails: 1 << 30, now: time.Now}, &shelf{now: time.Now}
		var told []string
		c := config(t, broken, "a")
		c.Work = torn{hand{well, "b"}, hand{broken, "a"}}
		c.Notify = func(_ context.Context, e agent.Event) error {
			told = append(told, e.Event)
			return nil
		}
		go func() {
			time.Sleep(20 * time.Minute)
			_, _ = hand{well, "b"}.Backup(t.Context(), time.Time{}, nil)
		}()
		a := run(t, 50*time.Minute, c)[0]
		if want := []string{"failure", "recovery"}; !slices.Equal(told, want) || a.Healthy(time.Now()) != nil || a.Seen().Failures != 0 {
			t.Errorf("told %q, %v", told, a.Healthy(time.Now()))
		}
	})
}

// torn looks into one vault and fails to write to it.
type torn struct{ sees, does hand }

func (w torn) Newest(ctx context.Context) (time.Time, error)   { return w.sees.Newest(ctx) }
func (w torn) Lacking(ctx context.Context) (agent.Made, error) { return w.sees.Lacking(ctx) }
func (w torn) Backup(ctx context.Context, due time.Time, fence func(context.Context) (time.Time, error)) (agent.Made, error) {
	return w.does.Backup(ctx, due, fence)
}

// TestWhatHangsFreesTheTurn has a backup that no context ends, and another
// agent that waits for the turn.
func TestWhatHangsFreesTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := &shelf{hangs: make(chan bool)}, &lease{}
		var told []string
		c := config(t, s, "a")
		c.Take, c.Limit = l.take("a"), 2*time.Hour
		c.Notify = func(_ context.Context, e agent.Event) error {
			told = append(told, e.Text)
			return nil
		}
		time.AfterFunc(5*time.Hour, func() { close(s.hangs) })
		run(t, 4*time.Hour, c)
		if len(told) != 1 || !strings.Contains(told[0], "not done within 2h0m0s") || l.held != "" {
			t.Errorf("told %q, turn held by %q", told, l.held)
		}
		synctest.Wait()
		time.Sleep(2 * time.Hour) // it has ended
		// One that keeps its turn and makes nothing is told, by who waits.
		l.held, told = "b", nil
		c.State = &memory{}
		run(t, 4*time.Hour, c)
		if len(told) != 1 || !strings.Contains(told[0], "another agent is at it") {
			t.Errorf("told %q", told)
		}
	})
}
