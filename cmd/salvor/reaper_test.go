package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/run"
)

// orders say when a salvor process of a test dies or waits.
type orders struct {
	// Marks is a file of places where a coordinator has died, one a line. The
	// coordinator kills itself at the first place that is not in it.
	Marks string
	// Early asks for that many deaths at any time, before the first step of a
	// resume begins or after the last one has ended.
	Early int
	// WaitAt names the beginning of a step: the coordinator makes Waiting when
	// it gets there, and goes on when that file is gone.
	WaitAt, Waiting string
	// HostMarks is a file of actions during which a host side has died, one a
	// line. A host side kills itself during each action that is not in it.
	HostMarks string
	// Away names machines that do not answer: a host side there ends at once.
	Away []string
	// TurnTTL is how long an agent keeps its turn when it stands still.
	TurnTTL time.Duration
}

// gone tells whether a host side is one of a machine that is away.
func (o orders) gone(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return slices.ContainsFunc(o.Away, func(name string) bool { return strings.Contains(arg, "/hosts/"+name+"/") })
	})
}

// marks reads a file of marks.
func marks(path string) []string {
	b, _ := os.ReadFile(path)
	return strings.Fields(string(b))
}

func marked(path, mark string) bool {
	for _, m := range marks(path) {
		if m == mark {
			return true
		}
	}
	return false
}

// die writes a mark and ends this process as a power cut would: nothing is
// flushed, closed or said.
func die(path, mark string, first ...int) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(mark + "\n")
	}
	if err != nil {
		panic(err)
	}
	for _, pid := range first {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// reaper ends a coordinator at every boundary once, and once in the middle of
// every action.
type reaper struct {
	orders
	// mu is held by who looks whether it is his turn to die, and by a step
	// from its end to its last line: once that is written no later run comes
	// by there again.
	mu    sync.Mutex
	armed map[plan.StepID]bool
}

func newReaper(o orders) *reaper {
	r := &reaper{orders: o, armed: map[plan.StepID]bool{}}
	for n := range o.Early {
		mark := fmt.Sprintf("early:%d", n)
		if !marked(o.Marks, mark) {
			time.AfterFunc(time.Duration(10+rand.IntN(60))*time.Millisecond, func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.reap(mark)
			})
			break
		}
	}
	return r
}

// reap dies unless it has died of this before. Every second time the host
// sides that this process has started die with it.
func (r *reaper) reap(mark string) {
	if marked(r.Marks, mark) {
		return
	}
	var first []int
	if len(marks(r.Marks))%2 == 1 {
		first = children()
	}
	die(r.Marks, mark, first...)
}

func mark(p string, id plan.StepID) string { return p + ":" + string(id) }

// inside is the mark of a death while an action was running.
const inside = "inside"

func (r *reaper) at(p run.Point, id plan.StepID) {
	if p != run.AfterDone {
		r.mu.Lock()
	}
	r.reap(mark(string(p), id))
	switch {
	case p == run.BeforeDone:
		delete(r.armed, id) // it was too fast for us
		return              // and keeps the lock
	case p == run.AfterStarted && !marked(r.Marks, mark(inside, id)):
		r.armed[id] = true
		time.AfterFunc(soonWithin(id), func() { r.strike(id) })
	}
	r.mu.Unlock()
}

// strike dies if the action still runs.
func (r *reaper) strike(id plan.StepID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.armed[id] {
		r.reap(mark(inside, id))
	}
}

// soonWithin draws a time that most actions of a kind take longer than.
func soonWithin(id plan.StepID) time.Duration {
	kind, _, _ := strings.Cut(string(id), "@")
	return soonInKind(plan.Kind(kind))
}

func soonInKind(kind plan.Kind) time.Duration {
	longest := 3 * time.Millisecond
	switch kind {
	case plan.KindStopMember, plan.KindStartMember, plan.KindDefragment, plan.KindPromoteLearner:
		longest = 200 * time.Millisecond
	case plan.KindSalvage, plan.KindBuildMember, plan.KindCopyFiles, plan.KindSaveSnapshot, plan.KindAwaitQuorum:
		longest = 30 * time.Millisecond
	}
	return time.Duration(rand.Int64N(int64(longest)))
}

// children gives this process's children.
func children() []int {
	var out []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			out = append(out, pid)
		}
	}
	return out
}

// gate stops a run at a step until a test lets it go on.
type gate struct {
	orders
	once sync.Once
}

func (g *gate) at(_ run.Point, id plan.StepID) {
	if !strings.HasPrefix(string(id), g.WaitAt) {
		return
	}
	g.once.Do(func() {
		if err := os.WriteFile(g.Waiting, nil, 0o600); err != nil {
			panic(err)
		}
		for exists(g.Waiting) {
			time.Sleep(2 * time.Millisecond)
		}
	})
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// hostSide is `salvor host …` that dies within every action once: while it
// works, or when it has worked and not answered.
func (o orders) hostSide(ctx context.Context, a *app, args []string) error {
	if args[1] != "serve" {
		return o.transfer(ctx, a, args)
	}
	c := a.hostSide()
	honest := c.Methods
	c.Methods = func(dir string) host.Methods {
		all := honest(dir)
		do := all["do"]
		all["do"] = func(ctx context.Context, params json.RawMessage, progress func(host.Progress)) (any, error) {
			mark, kind := remoteMark(params)
			if marked(o.HostMarks, mark) {
				return do(ctx, params, progress)
			}
			time.AfterFunc(soonInKind(kind), func() { die(o.HostMarks, mark) })
			v, err := do(ctx, params, progress)
			die(o.HostMarks, mark)
			return v, err
		}
		return all
	}
	return c.Main(ctx, args)
}

// transfer is one end of a transfer.
func (o orders) transfer(ctx context.Context, a *app, args []string) error {
	mark := transferMark(args[1], args[len(args)-1])
	if marked(o.HostMarks, mark) {
		return a.hostSide().Main(ctx, args)
	}
	time.AfterFunc(soonInKind(plan.KindCopyFiles), func() { die(o.HostMarks, mark) })
	err := a.hostSide().Main(ctx, args)
	die(o.HostMarks, mark)
	return err
}

func transferMark(end, path string) string { return end + ":" + path }

// remoteMark reads which action a host is asked to carry out.
func remoteMark(params json.RawMessage) (string, plan.Kind) {
	var p struct {
		Host string
		Kind plan.Kind
		Do   json.RawMessage
	}
	if err := json.Unmarshal(params, &p); err != nil {
		panic(err)
	}
	return actionMark(p.Host, p.Kind, p.Do), p.Kind
}

// actionMark names an action by its host, kind and data.
func actionMark(host string, kind plan.Kind, do []byte) string {
	sum := sha256.Sum256(do)
	return host + ":" + string(kind) + ":" + hex.EncodeToString(sum[:4])
}
