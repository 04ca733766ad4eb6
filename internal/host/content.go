package host

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/salvor-project/salvor/internal/durable"
)

// Content is a file that is made while it is sent: nothing of it is stored here.
type Content struct {
	// Size and SHA256 (hexadecimal) are known beforehand. The receiving side
	// digests what it stores and holds it against them.
	Size   int64
	SHA256 string
	// Open begins the stream; a stream that is an io.WriterTo is asked to write
	// itself. It is not called where the host has the file already.
	Open func(ctx context.Context) (io.ReadCloser, error)

	pulse time.Duration // how often a source that gives nothing is heard
}

// PutContent writes content to a file of the host, mode 0600. It appears whole,
// under its final name, durable, or not at all; a target that exists with the
// same content is success, with other content ErrExists. What an interrupted
// attempt left is written anew: half a stream cannot be skipped. Progress is
// as of Relay.
func (c *Client) PutContent(ctx context.Context, from Content, remotePath string, progress func(Progress)) (Stored, error) {
	from.pulse = min(pulse, c.idle()/4)
	_, near := c.transport.(Local)
	send := func(ctx context.Context, _ []string, stdin io.Reader, stdout, _ io.Writer) error {
		w := &frameWriter{w: stdout}
		err := from.send(ctx, newFrameReader(stdin), w, !near)
		if err != nil {
			_ = w.json(frameTrouble, faultOf(err)) // the other side may be gone
			return fmt.Errorf("send the content of %s: %w", remotePath, err)
		}
		return nil
	}
	t, err := relay(ctx, place{"here", Local{Run: send}, remotePath}, c.place(remotePath), c.idle(), progress)
	if err != nil {
		return Stored{}, err
	}
	sum, _ := t.sum()
	return Stored{File: t.stored.File, SHA256: sum, Sealed: t.stored.Sealed}, nil
}

// Stored is what the receiving side found out of a file while it wrote it.
type Stored struct {
	// File is the state in which it was left; zero when it was there already,
	// and nothing else is known of it then.
	File   durable.FileID `json:"file,omitzero"`
	SHA256 string         `json:"sha256"`
	// Sealed tells that it ends in the SHA-256 of all before, as etcd's
	// snapshots do.
	Sealed bool `json:"sealed"`
}

func (s Content) send(ctx context.Context, r *frameReader, w *frameWriter, compress bool) error {
	var o offer
	if err := r.expect(frameOffer, &o); err != nil {
		return fmt.Errorf("read what the receiver has: %w", err)
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := w.json(frameStart, start{Protocol: bulkProtocol, Files: 1, Bytes: s.Size}); err != nil {
		return err
	}
	whole := held{Size: s.Size, SHA256: s.SHA256}
	h := header{Size: s.Size, Mode: 0o600}
	if o.Complete && len(o.Files) == 1 && o.Files[0] == whole {
		h.From = s.Size
	}
	if err := w.json(frameHeader, h); err != nil {
		return err
	}
	if !o.Complete { // else it is the receiver's to say that this is not the same
		if err := s.pour(ctx, w, compress); err != nil {
			return err
		}
	}
	if err := w.json(frameTrailer, whole); err != nil {
		return err
	}
	return w.write(frameEnd, nil)
}

// pour sends the bytes.
func (s Content) pour(ctx context.Context, w *frameWriter, compress bool) error {
	to := &pourWriter{w: w}
	if compress {
		z, err := newPacker()
		if err != nil {
			return err
		}
		to.z = z
	}
	defer to.beat(ctx, s.pulse)() // a source that is slow, or has to be given up, is not an idle line
	in, err := s.Open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.CopyBuffer(to, in, make([]byte, chunkSize))
	if err == nil && n != s.Size {
		err = fmt.Errorf("%d bytes came instead of %d", n, s.Size)
	}
	return err
}
