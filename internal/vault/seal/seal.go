// Package seal compresses and encrypts a backup's parts as they stream by:
// zstd, then age, so that the standard programs age and zstd open them.
package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"github.com/klauspost/compress/zstd"

	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// Recipient is somebody who can open a backup.
type Recipient struct {
	age.Recipient
	Fingerprint string // names the recipient in a manifest without giving it away
}

// ParseRecipient reads an age recipient (age1…) or an SSH public key
// (ssh-ed25519, ssh-rsa).
func ParseRecipient(s string) (Recipient, error) {
	s = strings.TrimSpace(s)
	sum := sha256.Sum256([]byte(s))
	r := Recipient{Fingerprint: hex.EncodeToString(sum[:8])}
	var err error
	if strings.HasPrefix(s, "ssh-") {
		r.Recipient, err = agessh.ParseRecipient(s)
	} else {
		var all []age.Recipient
		if all, err = age.ParseRecipients(strings.NewReader(s)); err == nil {
			r.Recipient = all[0]
		}
	}
	if err != nil {
		return Recipient{}, fmt.Errorf("read recipient: %w", err)
	}
	return r, nil
}

// Passphrase makes a recipient of a passphrase; age allows no other beside it.
// Opening it takes about a second, on purpose.
func Passphrase(text string) (Recipient, error) {
	r, err := age.NewScryptRecipient(text)
	if err != nil {
		return Recipient{}, fmt.Errorf("read passphrase: %w", err)
	}
	return Recipient{Recipient: r, Fingerprint: "passphrase"}, nil
}

// ParseIdentities reads the keys of an age identity file or an SSH private
// key.
func ParseIdentities(b []byte) ([]age.Identity, error) {
	if bytes.Contains(b, []byte("-----BEGIN")) {
		id, err := agessh.ParseIdentity(b)
		if err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		return []age.Identity{id}, nil
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	return ids, nil
}

// PassphraseIdentity opens what Passphrase sealed.
func PassphraseIdentity(text string) (age.Identity, error) {
	id, err := age.NewScryptIdentity(text)
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	return id, nil
}

// Fingerprints names the recipients.
func Fingerprints(rs []Recipient) []string {
	var all []string
	for _, r := range rs {
		all = append(all, r.Fingerprint)
	}
	return all
}

// Writer seals what is written into it.
type Writer struct {
	plain  sum
	sealed *sum
	zstd   *zstd.Encoder
	age    io.WriteCloser // nil: not encrypted
}

// NewWriter seals into dst. Without recipients the data is compressed only:
// the caller has asked for that explicitly. Close ends the sealed stream, not
// dst.
func NewWriter(dst io.Writer, recipients []Recipient) (*Writer, error) {
	w := &Writer{plain: newSum(io.Discard)}
	sealed := newSum(dst)
	w.sealed = &sealed
	var inner io.Writer = w.sealed
	if len(recipients) > 0 {
		var list []age.Recipient
		for _, r := range recipients {
			list = append(list, r.Recipient)
		}
		a, err := age.Encrypt(w.sealed, list...)
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		w.age, inner = a, a
	}
	// Two workers and a window of 4 MiB: bounded memory, and zstd -d opens it
	// without --long.
	z, err := zstd.NewWriter(inner, zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(4<<20), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	w.zstd = z
	return w, nil
}

// Write seals p.
func (w *Writer) Write(p []byte) (int, error) {
	if _, err := w.plain.Write(p); err != nil {
		return 0, err
	}
	return w.zstd.Write(p)
}

// Close ends the stream; digests and sizes are final after it.
func (w *Writer) Close() error {
	err := w.zstd.Close()
	if w.age != nil {
		err = errors.Join(err, w.age.Close())
	}
	return err
}

// Plain is the digest of what went in.
func (w *Writer) Plain() catalog.Digest { return w.plain.digest() }

// Sealed is the digest of what came out.
func (w *Writer) Sealed() catalog.Digest { return w.sealed.digest() }

// Encoding lists what was done, in order.
func (w *Writer) Encoding() []string {
	if w.age == nil {
		return []string{"zstd"}
	}
	return []string{"zstd", "age"}
}

// ErrKey means that none of the identities opens the data.
var ErrKey = errors.New("none of the keys opens this backup")

// NewReader opens a part. Size and digest of the plain data are checked at its
// end: whoever has not read to io.EOF has not got verified data. Close src
// before the reader: the reader's Close waits for goroutines that read from src.
func NewReader(src io.Reader, part catalog.Part, identities []age.Identity) (io.ReadCloser, error) {
	opened, err := Unverified(src, part, identities)
	if err != nil {
		return nil, err
	}
	sum := newSum(io.Discard)
	return &reader{src: opened, part: part, sum: &sum}, nil
}

// Unverified is NewReader for who digests the plain data in any case: he has to
// compare what came with part.Plain himself, and to believe nothing before.
// The stream is an io.WriterTo, too, which copies less than reading does.
func Unverified(src io.Reader, part catalog.Part, identities []age.Identity) (Stream, error) {
	var close closers
	fail := func(err error) (Stream, error) { return nil, errors.Join(err, close.Close()) }
	for i := len(part.Encoding) - 1; i >= 0; i-- {
		switch part.Encoding[i] {
		case "age":
			opened, err := age.Decrypt(src, identities...)
			var none *age.NoIdentityMatchError
			if errors.As(err, &none) || len(identities) == 0 {
				return fail(fmt.Errorf("open %s: %w: take the identity that belongs to a recipient of the manifest", part.Name, ErrKey))
			}
			if err != nil {
				return fail(fmt.Errorf("open %s: %w", part.Name, err))
			}
			a := newAhead(opened)
			src, close = a, append(close, a)
		case "zstd":
			// Its own checksum is passed over: the digest of the plain data says more.
			z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20), zstd.IgnoreChecksum(true))
			if err != nil {
				return fail(fmt.Errorf("open %s: %w", part.Name, err))
			}
			a := newAhead(z)
			src, close = a, append(close, a, z.IOReadCloser())
		default:
			return fail(fmt.Errorf("open %s: encoding %q is unknown, take a newer salvor", part.Name, part.Encoding[i]))
		}
	}
	if len(close) == 0 {
		a := newAhead(src)
		src, close = a, append(close, a)
	}
	return &unverified{src: src, close: close, name: part.Name}, nil
}

// Stream is a part's plain data.
type Stream interface {
	io.ReadCloser
	io.WriterTo
}

// unverified names the part in errors.
type unverified struct {
	src   io.Reader
	close closers
	name  string
}

func (u *unverified) Read(p []byte) (int, error) {
	n, err := u.src.Read(p)
	return n, u.explain(err)
}

func (u *unverified) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, u.src) // an ahead writes itself
	return n, u.explain(err)
}

func (u *unverified) explain(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("read %s: %w", u.name, err)
}

func (u *unverified) Close() error { return u.close.Close() }

// reader digests what is read.
type reader struct {
	src  io.ReadCloser
	part catalog.Part
	sum  *sum
}

// closers are closed in the order in which data passes them.
type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, one := range c {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// ErrDigest means that data opened well and is not what the manifest says.
var ErrDigest = errors.New("data is not what the manifest says")

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	_, _ = r.sum.Write(p[:n]) // into io.Discard
	if r.sum.n > r.part.Plain.Size {
		return 0, fmt.Errorf("read %s: %w: longer than %d bytes", r.part.Name, ErrDigest, r.part.Plain.Size)
	}
	if errors.Is(err, io.EOF) {
		if got := r.sum.digest(); got != r.part.Plain {
			return n, fmt.Errorf("read %s: %w: %d bytes with SHA-256 %s", r.part.Name, ErrDigest, got.Size, got.SHA256)
		}
		return n, io.EOF
	}
	return n, err
}

func (r *reader) Close() error { return r.src.Close() }

// sum counts and digests what passes.
type sum struct {
	dst io.Writer
	h   hash.Hash
	n   int64
}

func newSum(dst io.Writer) sum { return sum{dst: dst, h: sha256.New()} }

func (s *sum) Write(p []byte) (int, error) {
	n, err := s.dst.Write(p)
	s.h.Write(p[:n])
	s.n += int64(n)
	return n, err
}

func (s *sum) digest() catalog.Digest {
	return catalog.Digest{Size: s.n, SHA256: hex.EncodeToString(s.h.Sum(nil))}
}
