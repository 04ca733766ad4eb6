package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Relay copies a file, or all regular files that lie directly in a folder,
// from one host to another, through this process and without storing anything
// here. The target appears whole, under its final name, durable, or not at
// all; what an interrupted attempt left is used by the next one. A target that
// exists with the same content is success, with other content ErrExists.
// Missing parent folders of the target are made, mode 0700; files keep their
// permission bits, not their owner.
//
// It gives the SHA-256 of the content in hexadecimal and its size in bytes;
// for a folder, the SHA-256 of its files' "<digest>  <name>\n" lines in order
// of name, as sha256sum prints them, and the sum of their sizes. Progress,
// unless nil, counts plain bytes; its note is the file's name in the folder.
func Relay(ctx context.Context, from *Client, path string, to *Client, toPath string, progress func(Progress)) (sha string, n int64, err error) {
	t, err := relay(ctx, from.place(path), to.place(toPath), min(from.idle(), to.idle()), progress)
	if err != nil {
		return "", 0, err
	}
	sha, n = t.sum()
	return sha, n, nil
}

// Fetch copies a file or folder of the host to this machine, as Relay does.
func (c *Client) Fetch(ctx context.Context, remotePath, localPath string, progress func(Progress)) error {
	_, err := relay(ctx, c.place(remotePath), here(localPath), c.idle(), progress)
	return err
}

// Put copies a file or folder of this machine to the host, as Relay does.
func (c *Client) Put(ctx context.Context, localPath, remotePath string, progress func(Progress)) error {
	_, err := relay(ctx, here(localPath), c.place(remotePath), c.idle(), progress)
	return err
}

func (c *Client) idle() time.Duration { return orDefault(c.opts.IdleTimeout, time.Minute) }

// place is one end of a transfer.
type place struct {
	host      string
	transport Transport
	path      string
}

func (c *Client) place(path string) place { return place{c.host, c.transport, path} }

// here is a path of the coordinator's own machine.
func here(path string) place { return place{"here", Local{Run: Command{}.Run}, path} }

// end is the session at one place.
type end struct {
	place
	what   string // "send" or "receive"
	stream Stream
	r      *frameReader
	w      *frameWriter
	watch  *watchdog
}

func (p place) start(ctx context.Context, what string, watch *watchdog) (*end, error) {
	s, err := p.transport.Start(ctx, "host", what, "--", p.path)
	if err != nil {
		return nil, fmt.Errorf("%s %s on %s: %w", what, p.path, p.host, err)
	}
	return &end{place: p, what: what, stream: s, r: newFrameReader(s), w: &frameWriter{w: s}, watch: watch}, nil
}

// broken explains why a session could not go on. The transfer is over then.
func (e *end) broken(err error) error {
	e.watch.stop()
	var remote *RemoteError
	if errors.As(err, &remote) {
		return err
	}
	return brokenSession(e.host, e.what+" "+e.path, e.stream, err)
}

// next reads a frame that is neither alive nor trouble; the watchdog is told
// of every one.
func (e *end) next() (frame, error) {
	for {
		f, err := e.r.next()
		if err != nil {
			return f, e.broken(err)
		}
		e.watch.touch()
		switch f.kind {
		case frameAlive:
			continue
		case frameTrouble:
			var trouble fault
			if err := f.decode(&trouble); err != nil {
				return f, e.broken(err)
			}
			return f, trouble.on(e.host, e.what+" "+e.path)
		}
		return f, nil
	}
}

// nextOf reads a frame of one kind and decodes it.
func (e *end) nextOf(kind frameType, v any) (frame, error) {
	f, err := e.next()
	if err == nil && f.kind != kind {
		err = e.broken(fmt.Errorf("a frame %q came in the place of %q", f.kind, kind))
	}
	if err == nil {
		if derr := f.decode(v); derr != nil {
			err = e.broken(derr)
		}
	}
	return f, err
}

// relay runs one transfer.
func relay(ctx context.Context, from, to place, idle time.Duration, progress func(Progress)) (*transfer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newWatchdog(idle, func() {
		cancel(fmt.Errorf("copy %s from %s to %s on %s: %w: %s", from.path, from.host, to.path, to.host, ErrIdle, idle))
	})
	defer watch.stop()
	src, err := from.start(ctx, "send", watch)
	if err != nil {
		return nil, err
	}
	defer src.stream.Close()
	dst, err := to.start(ctx, "receive", watch)
	if err != nil {
		return nil, err
	}
	defer dst.stream.Close()
	// Closing frees reads and writes whatever the other sides do.
	stop := context.AfterFunc(ctx, func() {
		go func() { _ = src.stream.Close() }()
		_ = dst.stream.Close()
	})
	defer stop()

	if progress == nil {
		progress = func(Progress) {}
	}
	t := transfer{src: src, dst: dst, progress: progress, stop: cancel}
	err = t.run()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		if errors.Is(cause, ErrIdle) {
			return nil, cause
		}
		return nil, fmt.Errorf("copy %s from %s to %s on %s: %w", from.path, from.host, to.path, to.host, cause)
	}
	if err != nil {
		return nil, err
	}
	return &t, nil
}

// transfer is a relay that runs.
type transfer struct {
	src, dst *end
	progress func(Progress)
	stop     context.CancelCauseFunc
	total    int64
	done     int64
	dir      bool
	name     string
	sent     []held
	stored   stored
}

// verdict is how the receiving side ended.
type verdict struct {
	stored stored
	err    error
}

func (t *transfer) run() error {
	var o offer
	f, err := t.dst.nextOf(frameOffer, &o)
	if err != nil {
		return err
	}
	if err := t.src.w.write(f.kind, f.payload); err != nil {
		if _, why := t.src.next(); why != nil {
			return why // the sender's own words, if it had any
		}
		return t.src.broken(err)
	}
	verdicts := make(chan verdict, 1)
	go func() {
		var v verdict
		_, v.err = t.dst.nextOf(frameStored, &v.stored)
		if v.err != nil {
			t.stop(v.err) // also when the sender stands still
		}
		verdicts <- v
	}()
	for ended := false; !ended; {
		f, err := t.src.next()
		if err != nil {
			return err
		}
		if ended, err = t.note(f); err != nil {
			return t.src.broken(err)
		}
		if err := t.dst.w.write(f.kind, f.payload); err != nil {
			if v := <-verdicts; v.err != nil {
				return v.err
			}
			return t.dst.broken(err)
		}
		t.src.watch.touch()
	}
	v := <-verdicts
	if v.err != nil {
		return v.err
	}
	t.stored = v.stored
	return t.agree(v.stored)
}

// note follows the frames that pass.
func (t *transfer) note(f frame) (ended bool, err error) {
	switch f.kind {
	case frameStart:
		var s start
		err = f.decode(&s)
		t.total, t.dir = s.Bytes, s.Dir
	case frameHeader:
		var h header
		err = f.decode(&h)
		t.name, t.done = h.Name, t.done+h.From
	case frameData:
		var n int64
		n, err = f.plain()
		t.done += n
	case frameRaw:
		t.done += int64(len(f.payload))
	case frameTrailer:
		var h held
		err = f.decode(&h)
		t.sent = append(t.sent, h)
	case frameEnd:
		return true, nil
	default:
		err = fmt.Errorf("a frame %q cannot come from the sender", f.kind)
	}
	if err == nil {
		t.progress(Progress{Done: t.done, Total: t.total, Unit: "bytes", Note: t.name})
	}
	return false, err
}

// agree compares what was sent with what was stored.
func (t *transfer) agree(s stored) error {
	same := len(s.Files) == len(t.sent)
	for i := 0; same && i < len(t.sent); i++ {
		same = s.Files[i] == t.sent[i]
	}
	if !same {
		return t.dst.broken(fmt.Errorf("it stored %v, but %v was sent", s.Files, t.sent))
	}
	return nil
}

// sum gives the digest and size of everything.
func (t *transfer) sum() (sha string, n int64) {
	if !t.dir && len(t.sent) == 1 {
		return t.sent[0].SHA256, t.sent[0].Size
	}
	h := sha256.New()
	for _, f := range t.sent { // in order of name: see os.ReadDir
		fmt.Fprintf(h, "%s  %s\n", f.SHA256, f.Name)
		n += f.Size
	}
	return hexSum(h), n
}

// watchdog calls a function once when it is not touched for too long.
type watchdog struct {
	mu    sync.Mutex
	timer *time.Timer
	limit time.Duration
}

func newWatchdog(limit time.Duration, bark func()) *watchdog {
	return &watchdog{limit: limit, timer: time.AfterFunc(limit, bark)}
}

func (w *watchdog) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer.Stop() {
		w.timer.Reset(w.limit)
	}
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}
