package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/kube"
)

// tunePowerCut lets m1 flush its db at once and keeps the others' dbs behind
// their logs: no timer, no batch limit and no snapshot flushes them.
func tunePowerCut(c *Cluster) error {
	lazy := Tuning{BatchInterval: time.Hour, BatchLimit: 1 << 30, SnapshotCount: 1 << 30}
	return errors.Join(
		c.Tune("m1", Tuning{BatchInterval: 10 * time.Millisecond}),
		c.Tune("m2", lazy), c.Tune("m3", lazy))
}

// powerCut: m1 goes first, with the largest db revision of all but a log that
// ends early, and is damaged in the middle of its log. m2 and m3 go on and are
// killed with dbs far behind their logs; m2's db is then damaged. m3, the last
// to go and the leader, has the most advanced log: the right source.
func powerCut(ctx context.Context, c *Cluster, w *Writer) (Aftermath, error) {
	a := Aftermath{Scenario: "power-cut", Survivor: "m3"}
	return a.account(w, a.cutPower(ctx, c, w))
}

func (a *Aftermath) cutPower(ctx context.Context, c *Cluster, w *Writer) error {
	if err := c.MoveLeader(ctx, "m3"); err != nil {
		return err
	}
	if err := w.WaitAcked(ctx, 50); err != nil {
		return err
	}
	pause(ctx, 50*time.Millisecond) // m1 flushes
	if err := c.Kill("m1"); err != nil {
		return err
	}
	if err := w.WaitAcked(ctx, 150); err != nil {
		return err
	}
	if err := stillLeads(ctx, c, "m3"); err != nil {
		return err
	}
	for _, name := range []string{"m2", "m3"} { // the leader last
		if err := c.Kill(name); err != nil {
			return err
		}
	}
	if err := a.checkPowerCut(c); err != nil {
		return err
	}
	wal, err := c.damageWAL("m1")
	if err != nil {
		return err
	}
	pages, err := c.damageDB("m2", 6)
	a.Damaged = append([]Damaged{wal}, pages...)
	a.note("m1: damaged the log at byte %d of %s; m2: inverted %d pages of the db", wal.Offset, filepath.Base(wal.File), len(pages))
	return err
}

// checkPowerCut proves that the largest db revision and the most advanced log
// are on different members.
func (a *Aftermath) checkPowerCut(c *Cluster) error {
	at := map[string]AtRest{}
	for _, name := range Names() {
		r, err := c.AtRest(name)
		if err != nil {
			return err
		}
		at[name] = r
		a.note("%s: db at revision %d and index %d, log ends at term %d index %d", name, r.Revision, r.ConsistentIndex, r.LastTerm, r.LastIndex)
	}
	m1, m2, m3 := at["m1"], at["m2"], at["m3"]
	if m1.Revision <= m2.Revision || m1.Revision <= m3.Revision {
		return fmt.Errorf("m1's db ought to be the newest: revisions %d, %d, %d", m1.Revision, m2.Revision, m3.Revision)
	}
	newer := func(x, y AtRest) bool {
		return x.LastTerm > y.LastTerm || (x.LastTerm == y.LastTerm && x.LastIndex > y.LastIndex)
	}
	if !newer(m3, m1) || newer(m2, m3) {
		return fmt.Errorf("m3's log ought to be the most advanced: %+v, %+v, %+v", m1, m2, m3)
	}
	return nil
}

// allLost: a snapshot was saved, writes went on, then all data dirs were lost.
// The writer is paused for the blow itself, so that the ledger, the witness
// file and etcd agree on the last write.
func allLost(ctx context.Context, c *Cluster, w *Writer) (Aftermath, error) {
	a := Aftermath{Scenario: "all-lost"}
	return a.account(w, a.loseAll(ctx, c, w))
}

func (a *Aftermath) loseAll(ctx context.Context, c *Cluster, w *Writer) error {
	var err error
	if a.Snapshot, err = c.SaveSnapshot(ctx, "m1"); err != nil {
		return err
	}
	at, err := dbAtRest(a.Snapshot)
	if err != nil {
		return err
	}
	a.SnapshotRevision = at.Revision
	if err := w.WaitAcked(ctx, 200); err != nil {
		return err
	}
	if err := w.Pause(); err != nil {
		return err
	}
	defer w.Resume()
	if err := c.KillAll(); err != nil {
		return err
	}
	if err := a.lose(c, Names()...); err != nil {
		return err
	}
	record, err := ReadLedger(c.LedgerPath())
	if err != nil {
		return err
	}
	a.Newer = record.AcknowledgedBetween(a.SnapshotRevision, record.MaxRevision)
	a.note("the snapshot %s ends at revision %d; %d acknowledged writes came after it", filepath.Base(a.Snapshot), a.SnapshotRevision, a.Newer)
	return nil
}

// SaveSnapshot saves a snapshot of one member, with the sha256 trailer that
// etcd sends, into the cluster's snapshot folder and gives its path.
func (c *Cluster) SaveSnapshot(ctx context.Context, name string) (string, error) {
	client, err := c.Client(name)
	if err != nil {
		return "", err
	}
	defer client.Close()
	resp, err := client.SnapshotWithVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("save snapshot of %s: %w", name, err)
	}
	defer resp.Snapshot.Close()
	path := filepath.Join(c.SnapshotDir(), "etcd-"+time.Now().UTC().Format("20060102-150405.000")+".db")
	if err := saveFile(path, resp.Snapshot); err != nil {
		return "", fmt.Errorf("save snapshot of %s: %w", name, err)
	}
	return path, nil
}

func saveFile(path string, from io.Reader) error {
	part, err := os.OpenFile(path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(part, from)
	if err := errors.Join(err, part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

// Room that the quota leaves at first, and the size of the values that eat it.
const (
	noSpaceRoom  = 3 << 20
	runawayValue = 256 << 10
)

// noSpace: the members run with a quota just above their size, and something
// writes until the alarm is raised.
func noSpace(ctx context.Context, c *Cluster, w *Writer) (Aftermath, error) {
	a := Aftermath{Scenario: "no-space"}
	return a.account(w, a.useUp(ctx, c))
}

func (a *Aftermath) useUp(ctx context.Context, c *Cluster) error {
	quota, err := c.dbUsed(ctx)
	if err != nil {
		return err
	}
	quota += noSpaceRoom
	if err := c.KillAll(); err != nil {
		return err
	}
	for _, m := range c.members {
		if err := c.Tune(m.name, Tuning{Quota: quota}); err != nil {
			return err
		}
	}
	if err := c.Start(ctx); err != nil {
		return err
	}
	client, err := c.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := writeUntilFull(ctx, client); err != nil {
		return err
	}
	list, err := client.AlarmList(ctx)
	if err != nil {
		return err
	}
	for _, alarm := range list.Alarms {
		if alarm.Alarm == pb.AlarmType_NOSPACE {
			a.note("alarm NOSPACE is raised by member %x; the quota is %d bytes", alarm.MemberID, quota)
			return nil
		}
	}
	return errors.New("etcd refuses writes, but there is no NOSPACE alarm")
}

// dbUsed gives the largest db of all members, in bytes.
func (c *Cluster) dbUsed(ctx context.Context) (int64, error) {
	largest := int64(0)
	for _, m := range c.members {
		client, err := c.Client(m.name)
		if err != nil {
			return 0, err
		}
		s, err := client.Status(ctx, m.clientURL())
		if err := errors.Join(err, client.Close()); err != nil {
			return 0, fmt.Errorf("ask %s for its size: %w", m.name, err)
		}
		largest = max(largest, s.DbSize)
	}
	return largest, nil
}

// writeUntilFull rewrites one large object, as a controller in a loop does.
func writeUntilFull(ctx context.Context, client *clientv3.Client) error {
	value, err := kube.EncodeCustom(map[string]any{
		"apiVersion": "example.com/v1", "kind": "Report", "spec": strings.Repeat("x", runawayValue),
		"metadata": map[string]any{"name": "runaway", "namespace": demoNamespace},
	})
	if err != nil {
		return err
	}
	key := kube.CustomKey("example.com", "reports", demoNamespace, "runaway")
	for range 2000 {
		_, err := client.Put(ctx, key, string(value))
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return errors.New("the quota was not reached")
}
