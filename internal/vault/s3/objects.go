package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/salvor-project/salvor/internal/vault/target"
)

// Get reads a range; see target.Target.
func (t *Target) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	id, err := t.version(ctx, key)
	if err != nil {
		return nil, t.wrap("get", key, err)
	}
	if length == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	opts := minio.GetObjectOptions{VersionID: id}
	if offset > 0 || length > 0 {
		end := int64(0)
		if length > 0 {
			end = offset + length - 1
		}
		if err := opts.SetRange(offset, end); err != nil {
			return nil, t.wrap("get", key, err)
		}
	}
	body, _, _, err := t.core.GetObject(ctx, t.bucket, t.prefix+key, opts)
	if minio.ToErrorResponse(err).Code == minio.InvalidRange {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if err != nil {
		t.forget(key)
		return nil, t.wrap("get", key, err)
	}
	return body, nil
}

// Stat looks at one object; see target.Target.
func (t *Target) Stat(ctx context.Context, key string) (target.Object, error) {
	id, err := t.version(ctx, key)
	if err != nil {
		return target.Object{}, t.wrap("stat", key, err)
	}
	info, err := t.core.StatObject(ctx, t.bucket, t.prefix+key, minio.StatObjectOptions{VersionID: id})
	if err != nil {
		t.forget(key)
		return target.Object{}, t.wrap("stat", key, err)
	}
	return target.Object{Key: key, Size: info.Size, Modified: info.LastModified}, nil
}

// List gives objects and interrupted uploads; see target.Target.
func (t *Target) List(ctx context.Context, prefix string) ([]target.Object, error) {
	whole, err := t.list(ctx, prefix)
	if err != nil {
		return nil, t.wrap("list", prefix, err)
	}
	uploads, err := t.uploads(ctx, prefix)
	if err != nil {
		return nil, t.wrap("list", prefix, err)
	}
	newest := map[string]target.Object{}
	for _, u := range uploads {
		if old, ok := newest[u.key]; !ok || u.at.After(old.Modified) {
			newest[u.key] = target.Object{Key: u.key, Size: u.size, Modified: u.at, Partial: true}
		}
	}
	for _, o := range newest {
		whole = append(whole, o)
	}
	return whole, nil
}

func (t *Target) list(ctx context.Context, prefix string) ([]target.Object, error) {
	versioned, err := t.isVersioned(ctx)
	if err != nil {
		return nil, err
	}
	oldest := map[string]minio.ObjectInfo{}
	for o := range t.core.ListObjectsIter(ctx, t.bucket, minio.ListObjectsOptions{
		Prefix: t.prefix + prefix, Recursive: true, WithVersions: versioned}) {
		if o.Err != nil {
			return nil, o.Err
		}
		key := strings.TrimPrefix(o.Key, t.prefix)
		if o.IsDeleteMarker || target.CheckKey(key) != nil {
			continue
		}
		// Versions come newest first; the last seen of equal times is older.
		if old, ok := oldest[key]; !ok || !o.LastModified.After(old.LastModified) {
			oldest[key] = o
		}
	}
	var found []target.Object
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, o := range oldest {
		found = append(found, target.Object{Key: key, Size: o.Size, Modified: o.LastModified})
		if versioned {
			t.oldest[key] = o.VersionID
		}
	}
	return found, nil
}

// version gives the version to read of an object: the oldest; empty if the
// bucket keeps none.
func (t *Target) version(ctx context.Context, key string) (string, error) {
	if err := target.CheckKey(key); err != nil {
		return "", err
	}
	versioned, err := t.isVersioned(ctx)
	if err != nil || !versioned {
		return "", err
	}
	if id, ok := t.known(key); ok {
		return id, nil
	}
	if _, err := t.list(ctx, key); err != nil {
		return "", err
	}
	id, ok := t.known(key)
	if !ok {
		return "", minio.ErrorResponse{Code: minio.NoSuchKey, Message: "no such key"}
	}
	return id, nil
}

func (t *Target) known(key string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id, ok := t.oldest[key]
	return id, ok
}

func (t *Target) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.oldest, key)
}

// isVersioned asks the bucket once. A server that knows no versions, or a key
// that may not ask, makes a bucket without them.
func (t *Target) isVersioned(ctx context.Context) (bool, error) {
	t.mu.Lock()
	known := t.versioned
	t.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	// A bucket that was ever versioned has versions, also when suspended.
	conf, err := t.core.GetBucketVersioning(ctx, t.bucket)
	has := err == nil && conf.Status != ""
	switch minio.ToErrorResponse(err).Code {
	case "NotImplemented", "MethodNotAllowed", minio.AccessDenied:
		err = nil
	}
	if err != nil {
		if strings.Contains(err.Error(), "VersioningNotConfigured") {
			err = nil
		} else {
			return false, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.versioned = &has
	return has, err
}

// Delete removes all versions of an object and its uploads; see target.Target.
func (t *Target) Delete(ctx context.Context, key string) error {
	if err := target.CheckKey(key); err != nil {
		return t.wrap("delete", key, err)
	}
	if err := t.abort(ctx, key); err != nil {
		return t.wrap("delete", key, err)
	}
	versioned, err := t.isVersioned(ctx)
	if err != nil {
		return t.wrap("delete", key, err)
	}
	if !versioned {
		return t.wrap("delete", key, t.deleteVersion(ctx, key, ""))
	}
	defer t.forget(key)
	var ids []string
	for o := range t.core.ListObjectsIter(ctx, t.bucket, minio.ListObjectsOptions{
		Prefix: t.prefix + key, Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			return t.wrap("delete", key, o.Err)
		}
		if o.Key == t.prefix+key {
			ids = append(ids, o.VersionID)
		}
	}
	for _, id := range ids { // newest first: the vault's own goes last
		if err := t.deleteVersion(ctx, key, id); err != nil {
			return t.wrap("delete", key, err)
		}
	}
	return nil
}

func (t *Target) deleteVersion(ctx context.Context, key, id string) error {
	err := t.core.RemoveObject(ctx, t.bucket, t.prefix+key, minio.RemoveObjectOptions{VersionID: id})
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchKey, "NoSuchVersion":
		return nil
	case "":
		return err
	}
	// Servers answer "access denied" for a lock too: ask which it is.
	if until, lookErr := t.lockedUntil(ctx, key, id); lookErr == nil && until.After(time.Now()) {
		return &target.Error{Target: t.name, Op: "delete", Key: key,
			Err: errors.Join(target.ErrLocked, err), Hint: "its lock ends at " + until.UTC().Format(time.RFC3339)}
	}
	return err
}

// lockedUntil reads an object's lock from its headers: not every server's
// answer to GetObjectRetention is in the form that clients expect. The time is
// zero if there is none.
func (t *Target) lockedUntil(ctx context.Context, key, id string) (time.Time, error) {
	info, err := t.core.StatObject(ctx, t.bucket, t.prefix+key, minio.StatObjectOptions{VersionID: id})
	if err != nil {
		return time.Time{}, err
	}
	text := info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date")
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}

// upload is an interrupted Put.
type upload struct {
	key, id string
	at      time.Time
	parts   []minio.ObjectPart // contiguous, from number 1 on
	size    int64
}

// uploads lists the interrupted Puts below a prefix.
func (t *Target) uploads(ctx context.Context, prefix string) ([]upload, error) {
	var found []upload
	keyMarker, idMarker := "", ""
	for {
		page, err := t.core.ListMultipartUploads(ctx, t.bucket, t.prefix+prefix, keyMarker, idMarker, "", 1000)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			key := strings.TrimPrefix(u.Key, t.prefix)
			if target.CheckKey(key) != nil || !strings.HasPrefix(u.Key, t.prefix+prefix) {
				continue
			}
			one := upload{key: key, id: u.UploadID, at: u.Initiated}
			if err := t.readParts(ctx, &one); err != nil {
				return nil, err
			}
			found = append(found, one)
		}
		if !page.IsTruncated {
			return found, nil
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// readParts fills in the parts that are there without a gap.
func (t *Target) readParts(ctx context.Context, u *upload) error {
	var all []minio.ObjectPart
	for marker := 0; ; {
		page, err := t.core.ListObjectParts(ctx, t.bucket, t.prefix+u.key, u.id, marker, 1000)
		if minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
			return nil // finished or removed meanwhile
		}
		if err != nil {
			return err
		}
		all = append(all, page.ObjectParts...)
		if !page.IsTruncated {
			break
		}
		marker = page.NextPartNumberMarker
	}
	for _, p := range all { // the upload's own time is that of its begin
		if p.LastModified.After(u.at) {
			u.at = p.LastModified
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].PartNumber < all[j].PartNumber })
	for i, p := range all {
		if p.PartNumber != i+1 || p.Size < minPart {
			break
		}
		u.parts = append(u.parts, p)
		u.size += p.Size
	}
	return nil
}

// abort removes what interrupted Puts of a key left.
func (t *Target) abort(ctx context.Context, key string) error {
	all, err := t.uploads(ctx, key)
	if err != nil {
		return err
	}
	for _, u := range all {
		if u.key != key {
			continue
		}
		err := t.core.AbortMultipartUpload(ctx, t.bucket, t.prefix+key, u.id)
		if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
			return err
		}
	}
	return nil
}
