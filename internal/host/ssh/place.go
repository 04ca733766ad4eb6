package ssh

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// folder is where the binaries lie.
func (o Options) folder() string { return path.Join(o.StateDir, "bin") }

// place makes sure that the binary lies on the machine, whole and unchanged.
func (o Options) place(ctx context.Context, c *conn) (Placement, error) {
	if o.Binary == nil || !path.IsAbs(o.StateDir) {
		return Placement{}, fmt.Errorf("%w: a binary and an absolute state folder are needed", ErrPlace)
	}
	sha, size, err := o.Binary.digest()
	if err != nil {
		return Placement{}, err
	}
	name := "salvor-" + sha[:12]
	p := Placement{Path: path.Join(o.folder(), name), SHA256: sha, Size: size}
	w, err := o.newWorker(ctx, c, placeScript, o.folder(), name, sha, rand.Text()[:8])
	if err != nil {
		return p, err
	}
	err = w.explain(w.place(o, &p))
	if err == nil && p.Codec != "" {
		err = o.verify(ctx, c, p)
	}
	return p, err
}

// verify has the new binary say what it is: that also proves that the machine
// can run it there.
func (o Options) verify(ctx context.Context, c *conn, p Placement) error {
	got, err := c.output(ctx, o, o.privileged(p.Path, "host", "digest"))
	switch {
	case err != nil && (strings.Contains(err.Error(), "ermission denied")):
		return advise(fmt.Errorf("%w: %s cannot be run: %w", ErrPlace, p.Path, err),
			"its file system may be mounted noexec: name a stateDir on another one")
	case err != nil:
		return fmt.Errorf("%w: run %s: %w", ErrPlace, p.Path, err)
	case got != p.SHA256:
		return fmt.Errorf("%w: %s says of itself that it is %.80q, not %s", ErrPlace, p.Path, got, p.SHA256)
	}
	return nil
}

// Remove removes every version of salvor from the machine, but nothing else of
// its state folder. Sessions that run go on; the next one places the binary
// again.
func (t *Transport) Remove(ctx context.Context) error {
	err := t.remove(ctx)
	if full(err) { // the connection was passed over: again, over another one
		err = t.remove(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: remove salvor's binary: %w", t, err)
	}
	return nil
}

func (t *Transport) remove(ctx context.Context) error {
	c, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { <-t.turn }()
	defer t.release(c)
	w, err := t.opts.newWorker(ctx, c, removeScript, t.opts.folder())
	if full(err) {
		t.pass(c)
	}
	if err != nil {
		return err
	}
	_, err = w.expect("removed")
	if err = w.explain(err); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.all {
		u.path = ""
	}
	return nil
}

// worker is a script that runs and is spoken with.
type worker struct {
	ctx   context.Context
	opts  Options
	s     *stream
	r     *bufio.Reader
	limit time.Duration
	guard *time.Timer
	stuck context.CancelCauseFunc
}

func (o Options) newWorker(ctx context.Context, c *conn, script string, args ...string) (*worker, error) {
	ctx, stuck := context.WithCancelCause(ctx)
	command := append([]string{"/bin/sh", "-c", oneLine(script), "salvor"}, args...)
	s, err := c.start(ctx, o, o.privileged(command...), func() {})
	if err != nil {
		stuck(nil)
		return nil, fmt.Errorf("%w: %w", ErrPlace, err)
	}
	w := &worker{ctx: ctx, opts: o, s: s, r: bufio.NewReader(s), limit: orDefault(o.Limits.Step, time.Minute), stuck: stuck}
	w.guard = time.AfterFunc(w.limit, func() { stuck(fmt.Errorf("nothing moved for %s", w.limit)) })
	return w, nil
}

// explain ends the worker and says why it failed, in the machine's own words.
func (w *worker) explain(err error) error {
	w.guard.Stop()
	w.s.endInput()
	if err == nil {
		err = w.s.Close()
		w.stuck(nil)
		return err
	}
	cause := context.Cause(w.ctx)
	if cause == nil && errors.Is(err, io.ErrUnexpectedEOF) {
		select {
		case <-w.s.done:
			if w.s.err != nil {
				err = w.s.err
			}
		case <-time.After(time.Second):
		}
	}
	if cause != nil {
		err = cause
	}
	_ = w.s.Close()
	w.stuck(nil)
	var known *advised
	if errors.As(err, &known) {
		return fmt.Errorf("%w: %w", ErrPlace, err)
	}
	return fmt.Errorf("%w: %w", ErrPlace, w.opts.explain(err, w.s.Stderr()))
}

// expect reads a line that begins with this word, and gives the others.
func (w *worker) expect(word string) ([]string, error) {
	line, err := w.r.ReadSlice('\n')
	w.guard.Reset(w.limit)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(line))
	fields := strings.Fields(text)
	switch {
	case len(fields) > 0 && fields[0] == word:
		return fields[1:], nil
	case len(fields) > 1 && fields[0] == "fail":
		return nil, errors.New(strings.TrimPrefix(text, "fail "))
	}
	return nil, fmt.Errorf("it said %.80q in the place of %q", text, word)
}

func (w *worker) say(word string) error {
	_, err := io.WriteString(w.s, word+"\n")
	return err
}

// place is the coordinator's half of placeScript.
func (w *worker) place(o Options, p *Placement) error {
	if err := w.system(); err != nil {
		return err
	}
	have, err := w.expect("have")
	if err != nil {
		return err
	}
	state := strings.Join(have, " ")
	if state == "good" {
		return nil
	}
	p.Replaced = state == "bad"
	if err := w.say("go"); err != nil {
		return err
	}
	if err := w.room(p.Size); err != nil {
		return err
	}
	if err := w.claim(o.Binary, p); err != nil {
		return err
	}
	packed, err := o.Binary.pack(p.Codec, p.Resumed)
	if err != nil {
		return err
	}
	if err := w.send(packed, p); err != nil {
		return err
	}
	placed, err := w.expect("placed")
	if err == nil && strings.Join(placed, " ") != p.SHA256 {
		err = fmt.Errorf("it placed %q", placed)
	}
	return err
}

// system refuses a machine for which this binary is not made.
func (w *worker) system() error {
	f, err := w.expect("system")
	if err != nil {
		return err
	}
	if len(f) != 2 || f[0] != "Linux" {
		return fmt.Errorf("%w: it runs %.80q, and Salvor recovers Linux machines", ErrMachine, strings.Join(f, " "))
	}
	if arch := goArch(f[1]); arch != runtime.GOARCH {
		return advise(fmt.Errorf("%w: it is %s, and this salvor is made for %s", ErrMachine, f[1], runtime.GOARCH),
			"run a salvor that is made for it, from a machine of its kind")
	}
	return nil
}

// goArch gives Go's name for what uname says of a machine.
func goArch(machine string) string {
	switch machine {
	case "x86_64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	case "i386", "i486", "i586", "i686":
		return "386"
	case "loongarch64":
		return "loong64"
	}
	if strings.HasPrefix(machine, "armv") {
		return "arm"
	}
	return machine // ppc64le, s390x, riscv64 are the same
}

// room refuses a file system that cannot hold the binary: filling up the disk
// of a sick etcd would be the last thing it needs.
func (w *worker) room(size int64) error {
	f, err := w.expect("free")
	if err != nil {
		return err
	}
	free := int64(-1)
	for i := 1; i < len(f); i++ { // … available, capacity in percent, …
		if strings.HasSuffix(f[i], "%") {
			if free, err = strconv.ParseInt(f[i-1], 10, 64); err == nil {
				break
			}
		}
	}
	if free < 0 || err != nil {
		return nil // df says it in another way: the digest tells in the end
	}
	if need := size/1024 + 1024; free < need {
		return advise(fmt.Errorf("%d KiB are needed and %d KiB are free", need, free), "make room, or name a stateDir on another file system")
	}
	return nil
}

// claim learns what is there already, and says whether it can be used.
func (w *worker) claim(b *Binary, p *Placement) error {
	part, err := w.expect("part")
	if err != nil {
		return err
	}
	codec, err := w.expect("codec")
	if err != nil {
		return err
	}
	p.Codec = strings.Join(codec, " ")
	if len(part) == 2 {
		n, err := strconv.ParseInt(part[0], 10, 64)
		if err == nil && n > 0 && n <= p.Size {
			sha, err := b.prefix(n)
			if err != nil {
				return err
			}
			if sha == part[1] {
				p.Resumed = n
				return w.say("keep")
			}
		}
	}
	return w.say("anew")
}

// send sends the compressed bytes, and the end of the input.
func (w *worker) send(packed []byte, p *Placement) error {
	for len(packed) > 0 {
		n, err := w.s.Write(packed[:min(len(packed), 64<<10)])
		p.Sent += int64(n)
		packed = packed[n:]
		w.guard.Reset(w.limit)
		if err != nil {
			// The machine's own words are better.
			if _, why := w.expect("placed"); why != nil && !errors.Is(why, io.ErrUnexpectedEOF) {
				return why
			}
			return io.ErrUnexpectedEOF
		}
	}
	w.s.endInput()
	return nil
}
