package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A pour is a stream that a machine makes while it is read, such as an etcd
// snapshot: nothing of it is stored there. Frames:
//
//	reader → maker   pour
//	maker → reader   (alive | data | raw)* result
//
// Either may send trouble instead. The end of the stream without a result is
// an error: what was read is not whole then.

// Spring makes one kind of stream: it writes into w and gives what is known
// of it afterwards. It returns soon after ctx ends.
type Spring func(ctx context.Context, params json.RawMessage, w io.Writer) (any, error)

// Springs are the streams that a machine can make, by name.
type Springs map[string]Spring

type pourRequest struct {
	Protocol int             `json:"protocol"`
	Version  string          `json:"version"`
	Compress bool            `json:"compress"`
	Params   json.RawMessage `json:"params"`
}

// pulse is how often a maker that has nothing to send says that it works.
const pulse = 5 * time.Second

// pour is the command "host pour NAME".
func (c Command) pour(ctx context.Context, name string, stdin io.Reader, stdout io.Writer) error {
	w := &pourWriter{w: &frameWriter{w: stdout}}
	err := c.pourAll(ctx, name, newFrameReader(stdin), stdin, w)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		_ = w.w.json(frameTrouble, faultOf(err)) // the other side may be gone
		return fmt.Errorf("pour %s: %w", name, err)
	}
	return nil
}

func (c Command) pourAll(ctx context.Context, name string, r *frameReader, rest io.Reader, w *pourWriter) error {
	var req pourRequest
	if err := r.expect(framePour, &req); err != nil {
		return fmt.Errorf("read what is wanted: %w", err)
	}
	if err := sameVersion(req.Protocol, req.Version, c.Version); err != nil {
		return err
	}
	spring, ok := c.Springs[name]
	if !ok {
		return &Failure{Code: CodeUnknownMethod, Err: fmt.Errorf("this machine cannot make %q", name)}
	}
	if req.Compress {
		z, err := newPacker()
		if err != nil {
			return err
		}
		w.z = z
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // the reader is gone: stop
		_, _ = io.Copy(io.Discard, rest)
		cancel()
	}()
	stop := w.beat(ctx, pulse)
	result, err := spring(ctx, req.Params, w)
	stop()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.json(frameResult, result)
}

// pourWriter makes frames of what a spring writes.
type pourWriter struct {
	mu sync.Mutex
	w  *frameWriter
	z  *packer // nil: not compressed
}

// Write sends p at once.
func (p *pourWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := 0
	for done < len(b) {
		part := b[done:min(len(b), done+chunkSize)]
		kind, payload := frameRaw, part
		if p.z != nil {
			kind, payload = frameData, p.z.pack(part)
		}
		if err := p.w.write(kind, payload); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

// beat tells the reader again and again that work goes on, until stopped.
func (p *pourWriter) beat(ctx context.Context, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				p.mu.Lock()
				err := p.w.alive()
				p.mu.Unlock()
				if err != nil {
					return
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// Poured is a stream that a host makes. It has to be read to io.EOF: only then
// is it whole, and Result known.
type Poured struct {
	ctx    context.Context
	host   string
	what   string
	stream Stream
	stop   func() bool
	r      *frameReader
	z      *unpacker
	idle   time.Duration
	cur    []byte
	err    error
	result json.RawMessage
}

// Pour has the host make a stream, compressed on the way if so asked. The
// caller closes it.
func (c *Client) Pour(ctx context.Context, name string, params any, compress bool) (*Poured, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("pour %s: encode parameters: %w", name, err)
	}
	s, err := c.transport.Start(ctx, "host", "pour", "--", name)
	if err != nil {
		return nil, fmt.Errorf("pour %s from %s: %w", name, c.host, err)
	}
	p := &Poured{ctx: ctx, host: c.host, what: "pour " + name, stream: s, r: newFrameReader(s), idle: c.idle()}
	p.stop = context.AfterFunc(ctx, func() { _ = s.Close() })
	if p.z, err = newUnpacker(); err == nil {
		err = (&frameWriter{w: s}).json(framePour, pourRequest{Protocol, c.opts.Version, compress, raw})
	}
	if err != nil {
		return nil, errors.Join(brokenSession(c.host, p.what, s, err), p.Close())
	}
	return p, nil
}

// Read gives the stream; an error other than io.EOF means that what was read
// is not whole.
func (p *Poured) Read(b []byte) (int, error) {
	for len(p.cur) == 0 && p.err == nil {
		p.cur, p.err = p.next()
	}
	if len(p.cur) > 0 {
		n := copy(b, p.cur)
		p.cur = p.cur[n:]
		return n, nil
	}
	return 0, p.err
}

// next reads one frame; nothing may come for no longer than the idle time.
func (p *Poured) next() ([]byte, error) {
	watch := newWatchdog(p.idle, func() { _ = p.stream.Close() })
	f, err := p.r.next()
	barked := !watch.timer.Stop()
	switch {
	case err != nil && barked:
		return nil, fmt.Errorf("%s: %s: %w: %s", p.host, p.what, ErrIdle, p.idle)
	case err != nil && p.ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %s: %w", p.host, p.what, context.Cause(p.ctx))
	case err != nil:
		return nil, brokenSession(p.host, p.what, p.stream, err)
	}
	switch f.kind {
	case frameAlive:
		return nil, nil
	case frameRaw:
		return f.payload, nil
	case frameData:
		return p.z.unpack(f)
	case frameResult:
		p.result = append(json.RawMessage(nil), f.payload...)
		return nil, io.EOF
	case frameTrouble:
		var trouble fault
		if err := f.decode(&trouble); err != nil {
			return nil, err
		}
		return nil, trouble.on(p.host, p.what)
	}
	return nil, fmt.Errorf("%s: %s: a frame %q came in the place of data", p.host, p.what, f.kind)
}

// Result decodes what the host knows of the stream, after io.EOF.
func (p *Poured) Result(v any) error {
	if p.result == nil {
		return fmt.Errorf("%s: %s: it was not read to its end", p.host, p.what)
	}
	if err := json.Unmarshal(p.result, v); err != nil {
		return fmt.Errorf("%s: %s: decode the result: %w", p.host, p.what, err)
	}
	return nil
}

// Close ends the making, finished or not.
func (p *Poured) Close() error {
	p.stop()
	return p.stream.Close()
}
