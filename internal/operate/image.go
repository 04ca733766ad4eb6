package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/plan"
)

// salvageDone: the image lies at Out, whole, and is the one that the report
// beside it (Out.json, written by datadir.Salvage) describes. The sources may
// have been set aside since.
func salvageDone(ctx context.Context, a plan.Salvage) (State, any, error) {
	raw, err := os.ReadFile(a.Out + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return No, nil, nil
	}
	if err != nil {
		return Unsure, nil, err
	}
	r, sum, err := readReport(raw, a.Scattered)
	if err != nil {
		return No, nil, nil //nolint:nilerr // a torn report belongs to a salvage that did not end
	}
	s, err := etcd.CheckTrailer(ctx, a.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return No, nil, nil
	case errors.Is(err, etcd.ErrNoTrailer):
		return Unsure, note{a.Out + " exists but is no whole image"}, nil
	case err != nil:
		return Unsure, nil, err
	case s.SHA256 != sum:
		return Unsure, note{a.Out + " is not the image that its report describes"}, nil
	}
	return Yes, r, nil
}

// readReport reads what a salvage left beside its image, with the image's
// digest.
func readReport(raw []byte, scattered bool) (report any, sha256 string, err error) {
	if scattered {
		var r datadir.Scavenged
		err := json.Unmarshal(raw, &r)
		return r, r.SHA256, err
	}
	var r datadir.Report
	err = json.Unmarshal(raw, &r)
	return r, r.SHA256, err
}

func salvage(ctx context.Context, a plan.Salvage, progress func(done, total int64)) (any, error) {
	state, result, err := salvageDone(ctx, a)
	if err != nil || state == Yes {
		return result, err
	}
	if err := os.MkdirAll(filepath.Dir(a.Out), 0o700); err != nil {
		return nil, fmt.Errorf("salvage: %w", err)
	}
	source := datadir.Source{DB: a.DB, WALDir: a.WALDir}
	if a.Scattered {
		return datadir.Scavenge(ctx, source, a.Out, progress)
	}
	return datadir.Salvage(ctx, source, a.Out, progress)
}

// Image is the result of CheckImage; Salvage gives the same fields and more.
type Image struct {
	Image           string          `json:"image"`
	SHA256          string          `json:"sha256"`
	Bytes           int64           `json:"bytes"`
	Revision        int64           `json:"revision"`
	CompactRevision int64           `json:"compactRevision"`
	Keys            int64           `json:"keys"`
	Content         cluster.Content `json:"content"`
	// Landed tells that it was checked when it came to the machine, and not
	// touched since.
	Landed bool `json:"landed,omitempty"`
}

// checkImage only reads; there is nothing that could be half done.
func checkImage(ctx context.Context, a plan.CheckImage) (any, error) {
	s, content, landed, err := inspect(ctx, a.Path)
	if err != nil {
		return nil, fmt.Errorf("check image: %w", err)
	}
	switch {
	case a.SHA256 != "" && s.SHA256 != a.SHA256:
		return nil, fmt.Errorf("check image %s: it has changed since the plan was made (sha256 %s, planned %s): make a new plan", a.Path, s.SHA256, a.SHA256)
	case s.Trailer != cluster.TrailerGood:
		return nil, fmt.Errorf("check image %s: its sha256 trailer is %s: it is not the file that was saved", a.Path, s.Trailer)
	case len(s.Damage) > 0:
		d := s.Damage[0]
		return nil, fmt.Errorf("check image %s: damaged at %d places, first at byte %d: %s", a.Path, len(s.Damage), d.Offset, d.What)
	case !s.DB.OK:
		return nil, fmt.Errorf("check image %s: %s", a.Path, s.DB.Why)
	}
	if !content.OK {
		return nil, fmt.Errorf("check image %s: %s", a.Path, content.Why)
	}
	db := s.DB.Value
	return Image{Image: a.Path, SHA256: s.SHA256, Bytes: s.Size, Revision: db.Revision,
		CompactRevision: db.CompactRevision, Keys: content.Value.Keys, Content: content.Value, Landed: landed}, nil
}

// inspect checks a snapshot, or believes what was found when it landed if it was
// not touched since.
func inspect(ctx context.Context, path string) (s cluster.SnapshotFacts, content cluster.Known[cluster.Content], landed bool, err error) {
	if l, ok := datadir.LandedAt(path); ok {
		return l.Snapshot, cluster.Is(l.Content), true, nil
	}
	s, content, err = datadir.InspectContent(ctx, path)
	return s, content, false, err
}

// snapshotDone: the file is there and whole.
func snapshotDone(ctx context.Context, a plan.SaveSnapshot) (State, any, error) {
	s, err := etcd.CheckTrailer(ctx, a.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return No, nil, nil
	case errors.Is(err, etcd.ErrNoTrailer):
		return Unsure, note{a.Out + " exists but is no whole snapshot: move it away"}, nil
	case err != nil:
		return Unsure, nil, err
	}
	return Yes, s, nil
}

// spare is what a snapshot has to leave free on its disk: room for some WAL
// segments of a member that lies there too.
const spare = 256 << 20

// saveSnapshot asks this member and no other: it is its state that is saved.
func (env Env) saveSnapshot(ctx context.Context, a plan.SaveSnapshot, progress func(done, total int64)) (any, error) {
	state, result, err := snapshotDone(ctx, a)
	if err != nil || state == Yes {
		return result, err
	}
	c, err := env.dial(ctx, a.Member)
	if err != nil {
		return nil, fmt.Errorf("save snapshot: %w", err)
	}
	defer c.Close()
	if err := os.MkdirAll(filepath.Dir(a.Out), 0o700); err != nil {
		return nil, fmt.Errorf("save snapshot: %w", err)
	}
	own, err := c.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("save snapshot: %w", err)
	}
	// The folder may share its disk with a member that serves: filling it would
	// stop that one too.
	if err := durable.Room(filepath.Dir(a.Out), own.DBSize+spare); err != nil {
		return nil, fmt.Errorf("save snapshot of %s: %w", a.Member, err)
	}
	return c.SaveSnapshot(ctx, a.Out, progress)
}
