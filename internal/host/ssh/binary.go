package ssh

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Binary is the program that runs on the machines. Hosts share it: it is read
// and compressed once.
type Binary struct {
	path string

	mu     sync.Mutex
	sha    string
	size   int64
	packed map[string][]byte // whole, by codec
}

// ThisBinary is the program that runs now, even if its file has been replaced
// since it started.
func ThisBinary() *Binary { return NewBinary("/proc/self/exe") }

// NewBinary is the program in a file.
func NewBinary(path string) *Binary { return &Binary{path: path} }

// digest gives the SHA-256 in hexadecimal, and the size in bytes.
func (b *Binary) digest() (sha string, size int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sha != "" {
		return b.sha, b.size, nil
	}
	f, err := os.Open(b.path)
	if err != nil {
		return "", 0, fmt.Errorf("read salvor's own binary: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, fmt.Errorf("read salvor's own binary: %w", err)
	}
	b.sha, b.size = hex.EncodeToString(h.Sum(nil)), n
	return b.sha, b.size, nil
}

// prefix gives the SHA-256 of the first n bytes.
func (b *Binary) prefix(n int64) (string, error) {
	f, err := os.Open(b.path)
	if err != nil {
		return "", fmt.Errorf("read salvor's own binary: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(h, f, n); err != nil {
		return "", fmt.Errorf("read salvor's own binary: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// pack gives the bytes from a place on, compressed.
func (b *Binary) pack(codec string, from int64) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.packed[codec]; p != nil && from == 0 {
		return p, nil
	}
	f, err := os.Open(b.path)
	if err != nil {
		return nil, fmt.Errorf("read salvor's own binary: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read salvor's own binary: %w", err)
	}
	var out bytes.Buffer
	if err := compress(&out, f, codec); err != nil {
		return nil, fmt.Errorf("compress salvor's own binary: %w", err)
	}
	if from == 0 {
		if b.packed == nil {
			b.packed = map[string][]byte{}
		}
		b.packed[codec] = out.Bytes()
	}
	return out.Bytes(), nil
}

// The codecs that the far side may be able to read.
const (
	codecZstd  = "zstd"
	codecGzip  = "gzip"
	codecPlain = "cat"
)

func compress(out io.Writer, in io.Reader, codec string) error {
	var w io.WriteCloser
	var err error
	switch codec {
	case codecZstd:
		w, err = zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	case codecGzip:
		w, err = gzip.NewWriterLevel(out, gzip.DefaultCompression)
	case codecPlain:
		_, err = io.Copy(out, in)
		return err
	default:
		err = fmt.Errorf("the codec %q is not known", codec)
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return err
	}
	return w.Close()
}
