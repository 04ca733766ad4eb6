package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" // S3's own check of a transfer, not a seal
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/salvor-project/salvor/internal/vault/target"
)

// Put writes an object, in parts if it is larger than one; see target.Target.
func (t *Target) Put(ctx context.Context, key string, r io.Reader, o target.PutOptions) error {
	return t.wrap("put", key, t.put(ctx, key, r, o))
}

func (t *Target) put(ctx context.Context, key string, r io.Reader, o target.PutOptions) error {
	if err := target.CheckKey(key); err != nil {
		return err
	}
	_, err := t.Stat(ctx, key)
	switch {
	case err == nil:
		return target.ErrExists
	case !errors.Is(err, target.ErrNotFound):
		return err
	}
	t.forget(key)
	r = target.WithContext(ctx, r)
	if o.Offset > 0 {
		u, err := t.resume(ctx, key, o.Offset)
		if err != nil {
			return err
		}
		return t.finish(ctx, u, r, nil)
	}
	if err := t.abort(ctx, key); err != nil {
		return err
	}
	first, err := readPart(r, t.part)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if errors.Is(err, io.EOF) {
		return t.putSmall(ctx, key, first, o)
	}
	u := upload{key: key}
	if u.id, err = t.core.NewMultipartUpload(ctx, t.bucket, t.prefix+key, t.options(o)); err != nil {
		return err
	}
	return t.finish(ctx, u, r, first)
}

// putSmall writes an object in one request, which the server takes whole or
// not at all.
func (t *Target) putSmall(ctx context.Context, key string, b []byte, o target.PutOptions) error {
	opts := t.options(o)
	opts.SetMatchETagExcept("*")
	md, sha := sums(b)
	_, err := t.core.PutObject(ctx, t.bucket, t.prefix+key, bytes.NewReader(b), int64(len(b)), md, sha, opts)
	return err
}

func (t *Target) options(o target.PutOptions) minio.PutObjectOptions {
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true}
	if t.mode != "" && !o.RetainUntil.IsZero() {
		opts.Mode, opts.RetainUntilDate = t.mode, o.RetainUntil.UTC()
	}
	return opts
}

// resume finds the upload that an interrupted Put left.
func (t *Target) resume(ctx context.Context, key string, offset int64) (upload, error) {
	all, err := t.uploads(ctx, key)
	if err != nil {
		return upload{}, err
	}
	for _, u := range all {
		if u.key == key && u.size == offset {
			return u, nil
		}
	}
	return upload{}, fmt.Errorf("%w: %d bytes of %s", target.ErrOffset, offset, key)
}

// finish sends the rest of r in parts, several at a time, and completes the
// upload. After an error the parts stay, for a Put that goes on.
func (t *Target) finish(ctx context.Context, u upload, r io.Reader, first []byte) error {
	s := sender{t: t, ctx: ctx, u: u, slots: make(chan struct{}, inFlight), done: map[int]minio.CompletePart{}}
	for _, p := range u.parts {
		s.done[p.PartNumber] = minio.CompletePart{PartNumber: p.PartNumber, ETag: p.ETag}
	}
	next := len(u.parts) + 1
	if first != nil {
		s.send(next, first)
		next++
	}
	err := s.sendAll(next, r)
	s.wg.Wait()
	if err = errors.Join(err, s.err); err != nil {
		return err
	}
	parts := make([]minio.CompletePart, 0, len(s.done))
	for n := 1; n <= len(s.done); n++ {
		parts = append(parts, s.done[n])
	}
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	_, err = t.core.CompleteMultipartUpload(ctx, t.bucket, t.prefix+u.key, u.id, parts, opts)
	return err
}

// sender sends the parts of one upload.
type sender struct {
	t     *Target
	ctx   context.Context
	u     upload
	slots chan struct{}
	wg    sync.WaitGroup

	mu   sync.Mutex
	done map[int]minio.CompletePart
	err  error
}

// sendAll cuts r into parts. A reader's error ends it without a short part.
func (s *sender) sendAll(next int, r io.Reader) error {
	for ; ; next++ {
		b, err := readPart(r, s.t.part)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(b) > 0 {
			s.send(next, b)
		}
		if err != nil || s.failed() {
			return nil
		}
	}
}

func (s *sender) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// send starts sending a part; it waits while as many as allowed are on their
// way.
func (s *sender) send(n int, b []byte) {
	s.slots <- struct{}{}
	s.wg.Add(1)
	go func() {
		defer func() { <-s.slots; s.wg.Done() }()
		md, sha := sums(b)
		part, err := s.t.core.PutObjectPart(s.ctx, s.t.bucket, s.t.prefix+s.u.key, s.u.id, n,
			bytes.NewReader(b), int64(len(b)), minio.PutObjectPartOptions{Md5Base64: md, Sha256Hex: sha})
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.err = cmp.Or(s.err, err) // the first says it; the others say the same
			return
		}
		s.done[n] = minio.CompletePart{PartNumber: n, ETag: part.ETag}
	}()
}

// readPart reads size bytes; fewer with io.EOF, and with io.EOF only at the
// reader's own end: io.ReadFull would make a broken source look like one. What
// is small is not given the memory of a whole part.
func readPart(r io.Reader, size int64) ([]byte, error) {
	b := make([]byte, min(size, 128<<10))
	for n := 0; ; {
		m, err := r.Read(b[n:])
		n += m
		if err != nil || int64(n) == size {
			return b[:n], err
		}
		if n == len(b) {
			grown := make([]byte, size)
			copy(grown, b)
			b = grown
		}
	}
}

func sums(b []byte) (md5Base64, sha256Hex string) {
	m, s := md5.Sum(b), sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(m[:]), hex.EncodeToString(s[:])
}
