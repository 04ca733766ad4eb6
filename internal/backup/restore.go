package backup

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/vault"
)

// Restored is a control plane's data that came out of the vault as data dirs.
type Restored struct {
	datadir.Restored
	Backup  string          `json:"backup"`
	Targets []vault.Fetched `json:"-"`
	Took    time.Duration   `json:"took_ns"`
}

// Restore writes data dirs from a candidate's etcd snapshot while it is
// fetched: fetched in parallel ranges, unsealed, digested and written in one
// pass, from another copy where a byte is wrong. Nothing is at a target before
// all of it was found right. Progress counts plain bytes.
func (v *Vault) Restore(ctx context.Context, c Candidate, o datadir.RestoreOptions, progress func(done, total int64)) (Restored, error) {
	begin := time.Now()
	keys, err := v.Identities()
	if err != nil {
		return Restored{}, fmt.Errorf("fetch backup %s: %w", c.ID, err)
	}
	opened, err := v.Vault.Open(c.entry, keys)
	if err != nil {
		return Restored{}, err
	}
	part, ok := opened.Manifest.Part(SnapshotPart)
	if !ok {
		return Restored{}, fmt.Errorf("restore backup %s: it holds no etcd snapshot", c.ID)
	}
	r, err := datadir.RestoreArrival(ctx, o, datadir.Arrival{
		Name: "backup " + c.ID, Size: part.Plain.Size, SHA256: part.Plain.SHA256,
		Open: func(ctx context.Context) (io.ReadCloser, error) { return opened.Unverified(ctx, SnapshotPart) },
	}, progress)
	return Restored{Restored: r, Backup: c.ID, Targets: opened.Fetched(), Took: time.Since(begin)}, err
}
