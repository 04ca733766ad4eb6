package etcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// StreamSnapshot writes the member's db into out as it comes, in one pass, and
// checks the digest that ends the stream: an error after the last byte means
// that what was written is not a snapshot. It gives the size and the storage
// version, if the server said it. It works without a quorum; what comes is this
// member's own state. progress counts bytes and may be nil.
func (c *Client) StreamSnapshot(ctx context.Context, out io.Writer, progress func(done, total int64)) (int64, string, error) {
	t := &trailing{out: out, sum: sha256.New()}
	version, err := c.stream(ctx, t, progress)
	if err != nil {
		return t.n, version, failed("stream snapshot", err)
	}
	if !t.good() {
		return t.n, version, fmt.Errorf("stream snapshot: what the member sent is not whole (a learner sends no digest): %d bytes: %w", t.n, ErrNoTrailer)
	}
	return t.n, version, nil
}

// trailing passes bytes on and digests all but the last 32 of them.
type trailing struct {
	out  io.Writer
	sum  hash.Hash
	last []byte
	n    int64
}

func (t *trailing) Write(p []byte) (int, error) {
	n, err := t.out.Write(p)
	t.n += int64(n)
	t.last = append(t.last, p[:n]...)
	if extra := len(t.last) - sha256.Size; extra > 0 {
		t.sum.Write(t.last[:extra])
		t.last = append(t.last[:0], t.last[extra:]...)
	}
	return n, err
}

func (t *trailing) good() bool {
	return t.n > sha256.Size && t.n%512 == sha256.Size && bytes.Equal(t.sum.Sum(nil), t.last)
}

// eachPage is small: a secret may have a megabyte.
const eachPage = 64

// Each calls fn with every live key below a prefix, as this member holds it,
// without asking a quorum. An error of fn ends it and is returned as it is.
func (c *Client) Each(ctx context.Context, prefix string, fn func(key, value []byte) error) error {
	from, end, rev := prefix, clientv3.GetPrefixRangeEnd(prefix), int64(0)
	for {
		r, err := c.c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(eachPage), clientv3.WithRev(rev), clientv3.WithSerializable())
		if err != nil {
			return failed("read keys below "+prefix, err)
		}
		rev = r.Header.Revision // all pages of one revision
		for _, kv := range r.Kvs {
			if err := fn(kv.Key, kv.Value); err != nil {
				return err
			}
		}
		if !r.More || len(r.Kvs) == 0 {
			return nil
		}
		from = string(r.Kvs[len(r.Kvs)-1].Key) + "\x00"
	}
}

// Get gives the value of a key as this member holds it, and whether it is
// there.
func (c *Client) Get(ctx context.Context, key string) ([]byte, bool, error) {
	r, err := c.c.Get(ctx, key, clientv3.WithSerializable())
	if err != nil {
		return nil, false, failed("read key "+key, err)
	}
	if len(r.Kvs) == 0 {
		return nil, false, nil
	}
	return r.Kvs[0].Value, true, nil
}
