// Package media is a vault's target on removable media: tapes with LTFS, USB
// disks. Its mount point is mostly empty. A medium is known by the marker file
// that Label writes on it, so that an unmounted mount point, which is a folder
// on the machine's own disk, is never mistaken for one. What has to be copied
// is not kept in a list: it is what the other targets hold and the medium that
// was put in does not.
package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/vault/dir"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// MarkerFile lies at the root of every medium.
const MarkerFile = "salvor-medium.json"

// Medium is what the marker says.
type Medium struct {
	Label  string    `json:"label"` // what is written on the tape's case
	Target string    `json:"target"`
	Made   time.Time `json:"made"`
}

// Target holds backups on whichever medium is mounted at its mount point.
type Target struct {
	files *dir.Target
	mount string
}

var _ target.Target = (*Target)(nil)

// New names the target at a mount point, an absolute path.
func New(name, mount string, props target.Properties) (*Target, error) {
	props.Absent, props.Offline = true, true
	files, err := dir.New(name, mount, props)
	if err != nil {
		return nil, err
	}
	return &Target{files: files, mount: mount}, nil
}

// Label makes the medium at the mount point one of this target. A medium that
// has a label keeps it: that is an error.
func (t *Target) Label(label string, now time.Time) error {
	if _, err := t.Medium(); !errors.Is(err, target.ErrAbsent) {
		return errors.Join(fmt.Errorf("label the medium at %s: it has a label", t.mount), err)
	}
	b, err := json.Marshal(Medium{Label: label, Target: t.Name(), Made: now.UTC()})
	if err != nil {
		return fmt.Errorf("label medium: %w", err)
	}
	return durable.WriteFile(filepath.Join(t.mount, MarkerFile), append(b, '\n'), 0o644)
}

// Medium says which medium is in; ErrAbsent if none is.
func (t *Target) Medium() (Medium, error) {
	var m Medium
	b, err := os.ReadFile(filepath.Join(t.mount, MarkerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, &target.Error{Target: t.Name(), Op: "read", Key: MarkerFile, Err: target.ErrAbsent,
			Hint: "mount a medium at " + t.mount + "; a new one is labelled first"}
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err == nil && m.Target != t.Name() {
		err = fmt.Errorf("%w: medium %q belongs to target %s", target.ErrAbsent, m.Label, m.Target)
	}
	if err != nil {
		return m, fmt.Errorf("read medium at %s: %w", t.mount, err)
	}
	return m, nil
}

// Name is the target's name.
func (t *Target) Name() string { return t.files.Name() }

// Properties are the target's labels: always Absent and Offline.
func (t *Target) Properties() target.Properties { return t.files.Properties() }

// Put writes an object; ErrAbsent without a medium. See target.Target.
func (t *Target) Put(ctx context.Context, key string, r io.Reader, o target.PutOptions) error {
	if _, err := t.Medium(); err != nil {
		return err
	}
	return t.files.Put(ctx, key, r, o)
}

// Get reads a range; ErrAbsent without a medium. See target.Target.
func (t *Target) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if _, err := t.Medium(); err != nil {
		return nil, err
	}
	return t.files.Get(ctx, key, offset, length)
}

// Stat looks at one object; ErrAbsent without a medium. See target.Target.
func (t *Target) Stat(ctx context.Context, key string) (target.Object, error) {
	if _, err := t.Medium(); err != nil {
		return target.Object{}, err
	}
	return t.files.Stat(ctx, key)
}

// List gives the objects; ErrAbsent without a medium. See target.Target.
func (t *Target) List(ctx context.Context, prefix string) ([]target.Object, error) {
	if _, err := t.Medium(); err != nil {
		return nil, err
	}
	found, err := t.files.List(ctx, prefix)
	kept := found[:0]
	for _, o := range found {
		if o.Key != MarkerFile {
			kept = append(kept, o)
		}
	}
	return kept, err
}

// Delete removes an object; ErrAbsent without a medium. See target.Target.
func (t *Target) Delete(ctx context.Context, key string) error {
	if _, err := t.Medium(); err != nil {
		return err
	}
	return t.files.Delete(ctx, key)
}

// MediumLabel is the label of the medium that is in; empty if none is.
func (t *Target) MediumLabel() string {
	m, err := t.Medium()
	if err != nil {
		return ""
	}
	return m.Label
}
