package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Wreck is one way to ruin a running cluster.
type Wreck struct {
	// Name is the demo's --scenario.
	Name string
	// Tune sets the members up before they start; nil for etcd's defaults.
	Tune func(c *Cluster) error
	// Do ruins the cluster while the writer works. It returns with the wreck
	// complete and checked, and the writer running.
	Do func(ctx context.Context, c *Cluster, w *Writer) (Aftermath, error)
}

// Aftermath tells what a wreck did: the truth that a diagnosis is measured by.
type Aftermath struct {
	Scenario string
	// Gone are the members whose data dir was deleted.
	Gone []string
	// Damaged are the places that were overwritten.
	Damaged []Damaged
	// Survivor is the member whose files hold everything acknowledged and are
	// whole, where there is only one.
	Survivor string
	// Snapshot is the file that was saved before, SnapshotRevision its last
	// revision, and Newer the number of acknowledged writes that it lacks.
	Snapshot         string
	SnapshotRevision int64
	Newer            int
	// Acknowledged and Revision are the writer's account at that time.
	Acknowledged int
	Revision     int64
	// Notes say what was done and checked, in English.
	Notes []string
}

// Wrecks are all of them, in the order in which the demo tells them.
func Wrecks() []Wreck {
	return []Wreck{
		{Name: "stopped", Do: stopped},
		{Name: "member-lost", Do: memberLost},
		{Name: "majority-lost", Tune: tuneMajorityLost, Do: majorityLost},
		{Name: "power-cut", Tune: tunePowerCut, Do: powerCut},
		{Name: "all-lost", Do: allLost},
		{Name: "no-space", Do: noSpace},
		{Name: "certs-expired", Do: certsExpired},
		{Name: "impostor", Do: impostor},
	}
}

// FindWreck finds a wreck by name.
func FindWreck(name string) (Wreck, error) {
	var names []string
	for _, w := range Wrecks() {
		if w.Name == name {
			return w, nil
		}
		names = append(names, w.Name)
	}
	return Wreck{}, fmt.Errorf("find scenario: %q is none of %q", name, names)
}

func (a *Aftermath) note(format string, args ...any) {
	a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
}

// account adds the writer's numbers and wraps an error with the scenario.
func (a Aftermath) account(w *Writer, err error) (Aftermath, error) {
	s := w.Stats()
	a.Acknowledged, a.Revision = s.Acked, s.MaxRevision
	if err != nil {
		return a, fmt.Errorf("wreck cluster (%s): %w", a.Scenario, err)
	}
	return a, nil
}

// lose kills a member and deletes its data dir.
func (a *Aftermath) lose(c *Cluster, names ...string) error {
	for _, name := range names {
		if err := c.Kill(name); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := os.RemoveAll(c.DataDir(name)); err != nil {
			return fmt.Errorf("lose data dir of %s: %w", name, err)
		}
		a.Gone = append(a.Gone, name)
	}
	a.note("killed %v and deleted their data dirs", names)
	return nil
}

// stopped: all killed, disks fine.
func stopped(_ context.Context, c *Cluster, w *Writer) (Aftermath, error) {
	a := Aftermath{Scenario: "stopped"}
	err := c.KillAll()
	a.note("killed all members")
	return a.account(w, err)
}

// memberLost: m3's data dir is gone, m1 and m2 serve.
func memberLost(ctx context.Context, c *Cluster, w *Writer) (Aftermath, error) {
	a := Aftermath{Scenario: "member-lost"}
	err := a.lose(c, "m3")
	if err == nil {
		err = w.WaitAcked(ctx, 5) // a quorum is left: the writes go on
	}
	return a.account(w, err)
}

// The survivor's db lags by up to this, so that its log's tail counts.
const survivorBatch = 10 * time.Second

func tuneMajorityLost(c *Cluster) error {
	return c.Tune("m1", Tuning{BatchInterval: survivorBatch, BatchLimit: 1 << 20})
}

// majorityLost: m2's and m3's data dirs are gone, m1 runs without a quorum. m1
// leads before: a leader has in its log whatever it has acknowledged, while a
// follower may lag, and what only the dead knew nobody can bring back.
func majorityLost(ctx context.Context, c *Cluster, w *Writer) (Aftermath, error) {
	a := Aftermath{Scenario: "majority-lost", Survivor: "m1"}
	err := c.MoveLeader(ctx, "m1")
	if err == nil {
		err = w.WaitAcked(ctx, 100)
	}
	if err == nil {
		err = stillLeads(ctx, c, "m1")
	}
	if err == nil {
		err = a.lose(c, "m2", "m3")
	}
	a.note("m1 led until then, runs on without a quorum, and its db is up to %s behind its log", survivorBatch)
	return a.account(w, err)
}

func stillLeads(ctx context.Context, c *Cluster, name string) error {
	now, err := c.Leader(ctx)
	if err == nil && now != name {
		err = fmt.Errorf("%s has become the leader instead of %s: try again", now, name)
	}
	return err
}

// impostor: m3 lost its data dir and was started as a cluster of its own, as
// the first control plane of kubeadm does.
func impostor(ctx context.Context, c *Cluster, w *Writer) (Aftermath, error) {
	a := Aftermath{Scenario: "impostor"}
	err := a.lose(c, "m3")
	if err == nil {
		m, _ := c.member("m3")
		err = c.launch("m3", "--initial-cluster", "m3="+m.peerURL(), "--initial-cluster-state", "new")
	}
	if err == nil {
		err = c.readyThrough(ctx, "m3")
	}
	if err == nil {
		err = checkImpostor(ctx, c, &a)
	}
	return a.account(w, err)
}

func checkImpostor(ctx context.Context, c *Cluster, a *Aftermath) error {
	ids := map[string]uint64{}
	for _, name := range []string{"m1", "m3"} {
		client, err := c.Client(name)
		if err != nil {
			return err
		}
		list, err := client.MemberList(ctx)
		if err := errors.Join(err, client.Close()); err != nil {
			return fmt.Errorf("ask %s for its members: %w", name, err)
		}
		ids[name] = list.Header.ClusterId
		a.note("%s is in cluster %x with %d members", name, list.Header.ClusterId, len(list.Members))
	}
	if ids["m1"] == ids["m3"] {
		return fmt.Errorf("m3 is no impostor: it is in cluster %x like m1", ids["m1"])
	}
	return nil
}

// certsExpired: all server and peer certificates have expired, all members
// were restarted. Peers refuse each other, so nothing serves.
func certsExpired(ctx context.Context, c *Cluster, w *Writer) (Aftermath, error) {
	a := Aftermath{Scenario: "certs-expired"}
	now := time.Now()
	err := c.issueMembers(now.AddDate(-1, 0, -1), now.AddDate(0, 0, -1))
	if err == nil {
		err = c.KillAll()
	}
	if err == nil {
		err = c.Launch()
	}
	if err == nil {
		err = servesNothing(ctx, c)
	}
	a.note("gave all members server and peer certificates that ended yesterday and restarted them")
	return a.account(w, err)
}

// servesNothing waits long enough for an election and then some.
func servesNothing(ctx context.Context, c *Cluster) error {
	ctx, cancel := context.WithTimeout(ctx, 2*election)
	defer cancel()
	return c.each(func(name string) error {
		if c.readyThrough(ctx, name) == nil {
			return fmt.Errorf("%s serves although its certificates have expired", name)
		}
		if pids, err := c.running(name); err != nil || len(pids) == 0 {
			return errors.Join(fmt.Errorf("%s does not run; its log is %s", name, c.LogPath(name)), err)
		}
		return nil
	})
}
