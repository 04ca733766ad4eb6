package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// source is one file to send.
type source struct {
	name, path string
	size       int64 // when it was listed
}

// send is the command "host send PATH": it sends a file, or every regular file
// that lies directly in a folder, to the receiver behind the streams.
func send(ctx context.Context, path string, stdin io.Reader, stdout io.Writer) error {
	w := &frameWriter{w: stdout}
	err := sendAll(ctx, path, newFrameReader(stdin), w)
	if err != nil {
		// The other side may be gone; then this is for nobody.
		_ = w.json(frameTrouble, faultOf(err))
		return fmt.Errorf("send %s: %w", path, err)
	}
	return nil
}

func sendAll(ctx context.Context, path string, r *frameReader, w *frameWriter) error {
	var o offer // first of all: nobody reads our trouble before it is written
	if err := r.expect(frameOffer, &o); err != nil {
		return fmt.Errorf("read what the receiver has: %w", err)
	}
	files, dir, err := sources(path)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	there := map[string]held{}
	for _, h := range o.Files {
		there[h.Name] = h
	}
	s := start{Protocol: bulkProtocol, Dir: dir, Files: len(files)}
	for _, f := range files {
		s.Bytes += f.size
	}
	if err := w.json(frameStart, s); err != nil {
		return err
	}
	z, err := newPacker()
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := sendFile(ctx, f, there[f.name], w, z); err != nil {
			return err
		}
	}
	return w.write(frameEnd, nil)
}

// check refuses a receiver of another version.
func (o offer) check() error {
	if o.Protocol != bulkProtocol {
		return &Failure{Code: CodeVersion, Hint: "use the same salvor binary on both sides", Err: fmt.Errorf("%w: transfer protocol %d there, %d here", ErrVersion, o.Protocol, bulkProtocol)}
	}
	return nil
}

// sources lists what is to be sent. Symbolic links in a folder, sub-folders
// and special files are left out.
func sources(path string) (files []source, dir bool, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}
	if st.Mode().IsRegular() {
		return []source{{path: path, size: st.Size()}}, false, nil
	}
	if !st.IsDir() {
		return nil, false, errors.New("it is neither a regular file nor a folder")
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, true, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		st, err := e.Info()
		if err != nil {
			return nil, true, err
		}
		files = append(files, source{name: e.Name(), path: filepath.Join(path, e.Name()), size: st.Size()})
	}
	return files, true, nil
}

// sendFile sends one file from where the receiver's own part ends, when that
// part is the beginning of this file, and from byte 0 otherwise.
func sendFile(ctx context.Context, src source, there held, w *frameWriter, z *packer) error {
	f, err := os.Open(src.path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	sum := sha256.New()
	h := header{Name: src.name, Size: st.Size(), Mode: uint32(st.Mode().Perm())}
	if there.Size > 0 && there.Size <= h.Size {
		if err := hashPrefix(ctx, sum, f, there.Size, w.alive); err != nil {
			return err
		}
		h.From = there.Size
		if hexSum(sum) != there.SHA256 {
			h.From = 0
			sum.Reset()
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
		}
	}
	if err := w.json(frameHeader, h); err != nil {
		return err
	}
	if err := sendData(ctx, f, h.Size-h.From, sum, w, z); err != nil {
		return fmt.Errorf("%s: %w", src.path, err)
	}
	return w.json(frameTrailer, held{Name: h.Name, Size: h.Size, SHA256: hexSum(sum)})
}

// sendData sends exactly n bytes of f: what is appended meanwhile is left out,
// and a file that shrinks is an error.
func sendData(ctx context.Context, f io.Reader, n int64, sum hash.Hash, w *frameWriter, z *packer) error {
	buf := make([]byte, min(n, chunkSize))
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(n, int64(len(buf)))]
		if _, err := io.ReadFull(f, part); err != nil {
			if errors.Is(unexpected(err), io.ErrUnexpectedEOF) {
				return errors.New("the file shrank while it was sent")
			}
			return err
		}
		sum.Write(part)
		if err := w.write(frameData, z.pack(part)); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return nil
}

// hashPrefix adds the next n bytes of r to sum, and calls alive every 32 MiB.
func hashPrefix(ctx context.Context, sum hash.Hash, r io.Reader, n int64, alive func() error) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := min(n, 32<<20)
		if _, err := io.CopyN(sum, r, part); err != nil {
			return fmt.Errorf("read the part that is already there: %w", unexpected(err))
		}
		if err := alive(); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
