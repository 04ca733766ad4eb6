package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/salvor-project/salvor/internal/vault/s3"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/internal/vault/targettest"
	"github.com/salvor-project/salvor/test/s3server"
)

func admin(t *testing.T, s *s3server.Server) *minio.Client {
	t.Helper()
	c, err := minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s3server.AccessKey, s3server.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func options(s *s3server.Server, bucket string) s3.Options {
	return s3.Options{Endpoint: s.Endpoint, Plain: true, Bucket: bucket, Prefix: "k8s/vault", PathStyle: true,
		AccessKey: s3server.AccessKey, SecretKey: s3server.SecretKey, PartSize: 5 << 20}
}

func open(t *testing.T, o s3.Options) *s3.Target {
	t.Helper()
	one, err := s3.New("bucket", o, target.Properties{Media: "object", Offsite: true})
	if err != nil {
		t.Fatal(err)
	}
	return one
}

// TestTarget runs the suite on a plain bucket and on a versioned one.
func TestTarget(t *testing.T) {
	s := s3server.Start(t)
	n := 0
	for _, versioned := range []bool{false, true} {
		t.Run(fmt.Sprintf("versioned=%v", versioned), func(t *testing.T) {
			targettest.Run(t, func(t *testing.T) (one, again target.Target) {
				n++
				bucket := fmt.Sprintf("bucket-%d", n)
				if err := admin(t, s).MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
					t.Fatal(err)
				}
				if versioned {
					if err := admin(t, s).EnableVersioning(t.Context(), bucket); err != nil {
						t.Fatal(err)
					}
				}
				return open(t, options(s, bucket)), open(t, options(s, bucket))
			})
		})
	}
}

// TestOldestVersionCounts: what others do in a versioned bucket hides nothing.
func TestOldestVersionCounts(t *testing.T) {
	s := s3server.Start(t)
	c := admin(t, s)
	if err := c.MakeBucket(t.Context(), "b", minio.MakeBucketOptions{}); err == nil {
		t.Fatal("a bucket of one letter")
	}
	if err := c.MakeBucket(t.Context(), "vault", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.EnableVersioning(t.Context(), "vault"); err != nil {
		t.Fatal(err)
	}
	one := open(t, options(s, "vault"))
	for _, key := range []string{"a/over", "a/gone"} {
		if err := one.Put(t.Context(), key, strings.NewReader("true"), target.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.PutObject(t.Context(), "vault", "k8s/vault/a/over", strings.NewReader("false!"), 6, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveObject(t.Context(), "vault", "k8s/vault/a/gone", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, who := range []*s3.Target{one, open(t, options(s, "vault"))} {
		for _, key := range []string{"a/over", "a/gone"} {
			b, err := target.ReadAll(t.Context(), who, key, 100)
			if err != nil || string(b) != "true" {
				t.Errorf("%s: %q, %v", key, b, err)
			}
		}
		if all, err := who.List(t.Context(), ""); err != nil || len(all) != 2 {
			t.Errorf("list: %+v, %v", all, err)
		}
	}
	for _, key := range []string{"a/over", "a/gone"} {
		if err := one.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s: %v", key, err)
		}
	}
	if all, err := one.List(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("after delete: %+v, %v", all, err)
	}
}

// TestLock: a locked object stays, small or in parts, and the lock can be
// lengthened.
func TestLock(t *testing.T) {
	s := s3server.Start(t)
	c := admin(t, s)
	if err := c.MakeBucket(t.Context(), "locked", minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	if err := c.MakeBucket(t.Context(), "plain", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	o := options(s, "locked")
	o.Lock = "compliance"
	one := open(t, o)
	if err := one.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	for key, size := range map[string]int{"a/small": 10, "a/large": 11 << 20} {
		if err := one.Put(t.Context(), key, bytes.NewReader(targettest.Bytes(1, size)), target.PutOptions{RetainUntil: until}); err != nil {
			t.Fatal(err)
		}
		err := one.Delete(t.Context(), key)
		if !errors.Is(err, target.ErrLocked) || !strings.Contains(err.Error(), until.UTC().Format(time.RFC3339)) {
			t.Errorf("delete %s: %v", key, err)
		}
		if got, err := one.Stat(t.Context(), key); err != nil || got.Size != int64(size) {
			t.Errorf("stat %s: %+v, %v", key, got, err)
		}
	}
	later := until.Add(time.Hour)
	if err := one.Retain(t.Context(), "a/small", later); err != nil {
		t.Fatal(err)
	}
	if err := one.Retain(t.Context(), "a/small", until); err != nil { // shorter: nothing happens
		t.Fatal(err)
	}
	if err := one.Delete(t.Context(), "a/small"); err == nil || !strings.Contains(err.Error(), later.UTC().Format(time.RFC3339)) {
		t.Errorf("after lengthening: %v", err)
	}
	o.Bucket = "plain"
	if err := open(t, o).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "object lock") {
		t.Errorf("a bucket without object lock: %v", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	s := s3server.Start(t)
	if err := admin(t, s).MakeBucket(t.Context(), "vault", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	for name, c := range map[string]struct {
		change func(*s3.Options)
		is     error
		says   string
	}{
		"no key":       {func(o *s3.Options) { o.AccessKey, o.SecretKey = "", "" }, target.ErrDenied, "set AWS_ACCESS_KEY_ID"},
		"wrong secret": {func(o *s3.Options) { o.SecretKey = "wrong" }, target.ErrDenied, "replace it"},
		"unknown key":  {func(o *s3.Options) { o.AccessKey = "nobody" }, target.ErrDenied, "replace it"},
		"no bucket":    {func(o *s3.Options) { o.Bucket = "missing" }, nil, "make the bucket missing"},
		"down":         {func(o *s3.Options) { o.Endpoint = "127.0.0.1:1" }, nil, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(s, "vault")
			c.change(&o)
			one := open(t, o)
			_, listErr := one.List(t.Context(), "")
			_, getErr := one.Get(t.Context(), "a/f", 0, -1)
			putErr := one.Put(t.Context(), "a/f", strings.NewReader("x"), target.PutOptions{})
			for op, err := range map[string]error{"list": listErr, "get": getErr, "put": putErr} {
				if err == nil || (c.is != nil && !errors.Is(err, c.is)) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v", op, err)
				}
			}
		})
	}
}

// TestServerDiesInPut: the upload goes on where it stopped.
func TestServerDiesInPut(t *testing.T) {
	s := s3server.Start(t)
	if err := admin(t, s).MakeBucket(t.Context(), "vault", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	one := open(t, options(s, "vault"))
	b := targettest.Bytes(1, 40<<20)
	err := one.Put(t.Context(), "a/f", io.MultiReader(bytes.NewReader(b[:36<<20]), stop{s}, bytes.NewReader(b[36<<20:])), target.PutOptions{})
	if err == nil {
		t.Fatal("put went on without a server")
	}
	s.Run(t)
	size, err := target.Partial(t.Context(), one, "a/f")
	if err != nil || size < 5<<20 {
		t.Fatalf("partial: %d, %v", size, err)
	}
	if err := one.Put(t.Context(), "a/f", bytes.NewReader(b[size:]), target.PutOptions{Offset: size}); err != nil {
		t.Fatal(err)
	}
	got, err := target.ReadAll(t.Context(), one, "a/f", 50<<20)
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// stop is an empty reader that kills the server on the way.
type stop struct{ s *s3server.Server }

func (s stop) Read([]byte) (int, error) { s.s.Stop(); return 0, io.EOF }
