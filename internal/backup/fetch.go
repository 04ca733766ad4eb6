package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/seal"
)

// Candidate is a backup that a control plane could be recovered from.
type Candidate struct {
	ID       string          `json:"id"`
	Created  time.Time       `json:"created"`
	Age      time.Duration   `json:"age_ns"`
	Cluster  catalog.Cluster `json:"cluster"`
	Revision int64           `json:"revision"`
	Highest  int64           `json:"highest,omitempty"` // revision that any member had when it was made
	Salvaged bool            `json:"salvaged,omitempty"`
	// Proven is the newest proof that passed with an etcd that served it; nil:
	// never proven, or the last proof failed.
	Proven *catalog.Proof `json:"proven,omitempty"`
	// Failed says that its last proof did not pass.
	Failed bool `json:"failed,omitempty"`
	// Here are targets that can be asked now and hold it whole.
	Here []string `json:"here"`
	// Away are targets and media that hold it and are not there now.
	Away []string `json:"away,omitempty"`
	// Fetch is how many sealed bytes have to come; Bytes is the snapshot's own
	// size; Time is how long fetching takes at the speed that was measured,
	// zero if none was.
	Fetch   int64          `json:"fetch"`
	Bytes   int64          `json:"bytes"`
	SHA256  string         `json:"sha256"` // of the snapshot file
	Time    time.Duration  `json:"time_ns,omitempty"`
	Trust   catalog.Trust  `json:"trust"`
	Missing []catalog.Note `json:"missing,omitempty"`

	entry catalog.Entry
}

// Entry is all that the vault knows of it.
func (c Candidate) Entry() catalog.Entry { return c.entry }

// Foreign is a backup that is refused: of another cluster.
type Foreign struct {
	ID  string
	Err error
}

// Candidates lists the backups of a cluster that can be fetched now, the best
// first: proven before unproven, of each the newest. Of the cluster whose
// identity is not known (zero), all are given. Those of another cluster are
// given apart.
func (v *Vault) Candidates(ctx context.Context, of catalog.Cluster, now time.Time) ([]Candidate, []Foreign, vault.Catalogue, error) {
	cat, err := v.List(ctx)
	if err != nil {
		return nil, nil, cat, err
	}
	var proven, rest []Candidate
	var foreign []Foreign
	for _, e := range cat.Entries {
		if of.KubeSystemUID != "" || of.ID != "" {
			if err := e.Manifest.Cluster.Match(of); err != nil {
				foreign = append(foreign, Foreign{e.Manifest.ID, err})
				continue
			}
		}
		c := candidate(e, v.Objectives.ProofLevel, now)
		switch {
		case len(c.Here) == 0 && len(c.Away) == 0:
		case c.Proven != nil:
			proven = append(proven, c)
		default:
			rest = append(rest, c)
		}
	}
	return append(proven, rest...), foreign, cat, nil
}

func candidate(e catalog.Entry, level int, now time.Time) Candidate {
	m := e.Manifest
	c := Candidate{ID: m.ID, Created: m.Created, Age: max(0, now.Sub(m.Created)), Cluster: m.Cluster, Revision: m.Revision,
		Highest: m.Highest, Salvaged: m.Salvaged, Trust: e.Trust, Missing: m.Missing, Here: []string{}, entry: e}
	if p, ok := e.Proven(level); ok {
		c.Proven = &p
	} else {
		c.Failed = len(e.Proofs) > 0
	}
	if p, ok := m.Part(SnapshotPart); ok {
		c.Fetch, c.Bytes, c.SHA256 = p.Sealed.Size, p.Plain.Size, p.Plain.SHA256
	}
	for _, copy := range e.Copies {
		switch copy.State {
		case catalog.Whole, catalog.Damaged: // what is right of a damaged one helps
			c.Here = append(c.Here, copy.Target)
		case catalog.Away:
			c.Away = append(c.Away, copy.Target)
		}
	}
	return c
}

// Measure fetches the first megabytes of a candidate and sets how long all of
// it would take.
func (v *Vault) Measure(ctx context.Context, c *Candidate) error {
	opened, err := v.Vault.Open(c.entry, nil)
	if err != nil {
		return err
	}
	r, err := opened.Sealed(ctx, SnapshotPart)
	if err != nil {
		return err
	}
	defer r.Close()
	begin := time.Now()
	n, err := io.CopyN(io.Discard, r, min(c.Fetch, 16<<20))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n > 0 {
		c.Time = time.Duration(float64(time.Since(begin)) * float64(c.Fetch) / float64(n))
	}
	return nil
}

// Fetched is a snapshot that was fetched.
type Fetched struct {
	Path    string          `json:"path"`
	Backup  string          `json:"backup"`
	Bytes   int64           `json:"bytes"`
	SHA256  string          `json:"sha256"`
	Targets []vault.Fetched `json:"-"`
	Took    time.Duration   `json:"took_ns"`
}

// Fetch writes a candidate's etcd snapshot to path, which must not exist: in
// parallel ranges from the fastest copies, from another copy where a byte is
// wrong, unsealed and verified as it streams, in one pass over the data. The
// file appears whole, with mode 0600, or not at all.
func (v *Vault) Fetch(ctx context.Context, c Candidate, path string) (Fetched, error) {
	begin := time.Now()
	keys, err := v.Identities()
	if err != nil {
		return Fetched{}, fmt.Errorf("fetch backup %s: %w", c.ID, err)
	}
	opened, err := v.Vault.Open(c.entry, keys)
	if err != nil {
		return Fetched{}, err
	}
	if err := fetchPart(ctx, opened, SnapshotPart, path); err != nil {
		return Fetched{}, fmt.Errorf("fetch backup %s: %w", c.ID, err)
	}
	return Fetched{Path: path, Backup: c.ID, Bytes: c.Bytes, SHA256: c.SHA256, Targets: opened.Fetched(), Took: time.Since(begin)}, nil
}

// Bundle fetches a candidate's bundle. It holds secrets.
func (v *Vault) Bundle(ctx context.Context, c Candidate) (bundle.Bundle, error) {
	keys, err := v.Identities()
	if err != nil {
		return bundle.Bundle{}, fmt.Errorf("fetch bundle of backup %s: %w", c.ID, err)
	}
	opened, err := v.Vault.Open(c.entry, keys)
	if err != nil {
		return bundle.Bundle{}, err
	}
	r, err := opened.Part(ctx, BundlePart)
	if err != nil {
		return bundle.Bundle{}, err
	}
	b, err := bundle.Read(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return bundle.Bundle{}, fmt.Errorf("fetch bundle of backup %s: %w", c.ID, err)
	}
	return b, nil
}

// fetchPart writes a part beside path and gives it its name when every byte is
// right.
func fetchPart(ctx context.Context, o *vault.Opened, part, path string) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w: choose another name", path, fs.ErrExist)
	}
	r, err := o.Part(ctx, part)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	temp := path + ".part"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(&durable.Early{File: f}, struct{ io.Reader }{r}, make([]byte, 1<<20))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(temp)) // our own, half a file
	}
	if err := os.Link(temp, path); err != nil { // unlike a rename it replaces nothing
		if errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Rename(temp, path); err != nil { // a file system without links
			return err
		}
	} else if err := os.Remove(temp); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// damaged tells what is wrong with a backup from what is wrong with the way to
// it.
func damaged(err error) bool {
	return errors.Is(err, vault.ErrChunk) || errors.Is(err, seal.ErrDigest)
}

// outside tells errors of this machine from those of the data.
func outside(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
