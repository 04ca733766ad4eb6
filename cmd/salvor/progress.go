package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/run"
	"github.com/salvor-project/salvor/internal/say"
)

// progress shows a run on standard error: on a terminal one line that moves
// for each step that runs, elsewhere one plain line for each event.
type progress struct {
	mu     sync.Mutex
	out    io.Writer
	live   bool
	width  int
	lang   say.Language
	total  int
	ended  int
	active []*active
	drawn  int
	quit   chan struct{}
}

// active is one step that runs now.
type active struct {
	step  plan.Step
	began time.Time
	last  *host.Progress
}

// newProgress begins where the journal of an earlier run ended.
func (a *app) newProgress(p plan.Plan, before []casefile.Entry) *progress {
	s := &progress{out: a.err, lang: say.Language(a.lang), total: len(p.Steps), width: 100}
	done := map[plan.StepID]bool{}
	for _, e := range before {
		if e.Event == casefile.EventDone {
			done[e.Step] = true
		}
	}
	s.ended = len(done)
	if f, ok := a.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.live = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			s.width = w
		}
		s.quit = make(chan struct{})
		go s.tick()
	}
	return s
}

// tick draws the moving lines anew, so that the time of a step that reports
// nothing is seen to pass.
func (s *progress) tick() {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-t.C:
			s.mu.Lock()
			s.erase()
			s.draw()
			s.mu.Unlock()
		}
	}
}

// update takes one event of the run.
func (s *progress) update(u run.Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	switch u.Event {
	case casefile.EventStarted:
		s.note(u)
	case casefile.EventDone:
		s.drop(u.Step.ID)
		s.ended++
		mark := "done "
		if u.Found {
			mark = "found"
		}
		s.line("%s  %s  %s", mark, s.describe(u.Step), took(u.Elapsed))
	case casefile.EventSkipped:
		s.line("skipped %s: %v", s.describe(u.Step), u.Err)
	case casefile.EventFailed:
		s.drop(u.Step.ID)
		if errors.Is(u.Err, context.Canceled) {
			s.line("broken off %s", s.describe(u.Step))
			break
		}
		s.line("FAILED %s: %v", s.describe(u.Step), u.Err)
	}
	s.draw()
}

func (s *progress) note(u run.Update) {
	for _, x := range s.active {
		if x.step.ID == u.Step.ID {
			x.last = u.Progress
			return
		}
	}
	s.active = append(s.active, &active{step: u.Step, began: time.Now(), last: u.Progress})
}

func (s *progress) drop(id plan.StepID) {
	for i, x := range s.active {
		if x.step.ID == id {
			s.active = append(s.active[:i], s.active[i+1:]...)
			return
		}
	}
}

func (s *progress) describe(step plan.Step) string {
	return fmt.Sprintf("%-10s %s", step.Host, step.Action.Text().In(s.lang))
}

func (s *progress) line(format string, args ...any) {
	fmt.Fprintf(s.out, "[%2d/%d] %s\n", s.ended, s.total, fmt.Sprintf(format, args...))
}

// erase takes the moving lines away, draw puts them below what was printed.
func (s *progress) erase() {
	if s.live && s.drawn > 0 {
		fmt.Fprintf(s.out, "\r\x1b[%dA\x1b[J", s.drawn) // \r: a typed ^C has moved the cursor
		s.drawn = 0
	}
}

func (s *progress) draw() {
	if !s.live {
		return
	}
	for _, x := range s.active {
		text := "  ...    " + s.describe(x.step) + "  " + left(x)
		fmt.Fprintln(s.out, cut(text, s.width-1))
		s.drawn++
	}
}

// end leaves nothing moving behind.
func (s *progress) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.active = nil
	if s.live {
		close(s.quit)
	}
}

// left says how far a step is and, where bytes move, how long it will take.
func left(x *active) string {
	p := x.last
	if p == nil || p.Done == 0 {
		return took(time.Since(x.began))
	}
	text := fmt.Sprintf("%d %s", p.Done, p.Unit)
	if p.Unit == "bytes" {
		text = size(p.Done)
	}
	if p.Total > p.Done {
		rest := time.Duration(float64(time.Since(x.began)) * float64(p.Total-p.Done) / float64(p.Done))
		return fmt.Sprintf("%s, %d%%, %s left", text, p.Done*100/p.Total, rest.Round(time.Second))
	}
	return text
}

// size writes bytes in binary units.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func took(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

// cut shortens a line so that it does not wrap.
func cut(s string, width int) string {
	r := []rune(strings.ReplaceAll(s, "\n", " "))
	if width > 0 && len(r) > width {
		return string(r[:width])
	}
	return string(r)
}
