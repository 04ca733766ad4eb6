package observe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/hazard"
)

// Land checks a snapshot that has just come to this machine, which the
// configuration calls host, for all that a recovery asks of it, and keeps what it
// found beside the file: as long as that is not touched, no later look reads it
// again. There is no other limit to its time than ctx. What is wrong with the
// snapshot is the error, and for later looks to say.
func Land(ctx context.Context, cfg cluster.Config, host, path string, a datadir.Arrived) error {
	m, _ := machineOf(cfg.On(host), host)
	return m.land(ctx, path, a)
}

func (m machine) land(ctx context.Context, path string, a datadir.Arrived) error {
	in := m.inputs()
	scan := hazard.New(in)
	l, err := datadir.Land(ctx, path, a, func(key, value []byte) { scan.Add(string(key), value) })
	if err != nil {
		return err
	}
	l.Snapshot.Device = deviceOf(path)
	l.Snapshot.Hazards, l.Inputs = cluster.Is(scan.Done()), fingerprint(in)
	return l.Keep()
}

// landed gives what was found of a snapshot when it landed. What was held
// against something that is different now is left out.
func (m machine) landed(path string) (cluster.SnapshotFacts, bool) {
	l, ok := datadir.LandedAt(path)
	if ok && l.Inputs != fingerprint(m.inputs()) {
		l.Snapshot.Hazards = cluster.Known[cluster.Hazards]{}
	}
	return l.Snapshot, ok
}

// fingerprint is a digest of what data is held against.
func fingerprint(in hazard.Inputs) string {
	in.Now = time.Time{}
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", in))
	return hex.EncodeToString(sum[:])
}
