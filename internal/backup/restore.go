package backup

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/vault"
)

// Incoming is a candidate's etcd snapshot that is not fetched before somebody
// reads it.
type Incoming struct {
	Size   int64
	SHA256 string // of the snapshot file
	opened *vault.Opened
}

// Incoming prepares fetching a candidate's etcd snapshot as a stream.
func (v *Vault) Incoming(c Candidate) (Incoming, error) {
	keys, err := v.Identities()
	if err != nil {
		return Incoming{}, fmt.Errorf("fetch backup %s: %w", c.ID, err)
	}
	opened, err := v.Vault.Open(c.entry, keys)
	if err != nil {
		return Incoming{}, err
	}
	part, ok := opened.Manifest.Part(SnapshotPart)
	if !ok {
		return Incoming{}, fmt.Errorf("fetch backup %s: it holds no etcd snapshot", c.ID)
	}
	return Incoming{Size: part.Plain.Size, SHA256: part.Plain.SHA256, opened: opened}, nil
}

// Open fetches in parallel ranges from the fastest copies, from another copy
// where a byte is wrong, and unseals. Who reads it has to hold size and digest
// against Size and SHA256 himself, and to believe nothing before. The stream is
// an io.WriterTo, too.
func (i Incoming) Open(ctx context.Context) (io.ReadCloser, error) {
	return i.opened.Unverified(ctx, SnapshotPart)
}

// Fetched says how much came from each target so far.
func (i Incoming) Fetched() []vault.Fetched { return i.opened.Fetched() }

// Restored is a control plane's data that came out of the vault as data dirs.
type Restored struct {
	datadir.Restored
	Backup  string          `json:"backup"`
	Targets []vault.Fetched `json:"-"`
	Took    time.Duration   `json:"took_ns"`
}

// Restore writes data dirs from a candidate's etcd snapshot while it is
// fetched, unsealed, digested and written in one pass. Nothing is at a target
// before all of it was found right. Progress counts plain bytes.
func (v *Vault) Restore(ctx context.Context, c Candidate, o datadir.RestoreOptions, progress func(done, total int64)) (Restored, error) {
	begin := time.Now()
	in, err := v.Incoming(c)
	if err != nil {
		return Restored{}, err
	}
	r, err := datadir.RestoreArrival(ctx, o, datadir.Arrival{Name: "backup " + c.ID, Size: in.Size, SHA256: in.SHA256, Open: in.Open}, progress)
	return Restored{Restored: r, Backup: c.ID, Targets: in.Fetched(), Took: time.Since(begin)}, err
}
