package demo

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// small starts a cluster without objects.
func small(t *testing.T) *Cluster {
	t.Helper()
	c, err := NewCluster(filepath.Join(t.TempDir(), "demo"), selfCommand(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.KillAll(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := c.Start(soon(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBooksOfALivingCluster plants losses behind the writer's back and checks
// that they are found, each once, and that a watch is told of a compaction.
func TestBooksOfALivingCluster(t *testing.T) {
	c := small(t)
	w, err := c.StartWriter(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WaitAcked(soon(t), 150); err != nil {
		t.Fatal(err)
	}
	if err := w.Pause(); err != nil {
		t.Fatal(err)
	}
	client, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	before, err := Compare(soon(t), client, c.LedgerPath())
	if err != nil || before.Lost != 0 || before.Mismatched != 0 || before.Acknowledged != w.Stats().Acked {
		t.Fatalf("nothing was lost: %+v, %v", before, err)
	}
	checkWitness(t, c, w.Stats().MaxRevision)
	want := plantLosses(t, c, client)
	got, err := Compare(soon(t), client, c.LedgerPath())
	if err != nil || got.Lost != want || got.Mismatched != 1 || len(got.Losses) != 3 {
		t.Errorf("planted %d lost writes: %+v, %v", want, got, err)
	}
	w.Resume() // the writer meets the losses itself and writes on top of them
	for deadline := time.Now().Add(5 * time.Second); w.Stats().Lost < want && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	after, err := Compare(soon(t), client, c.LedgerPath())
	if err != nil || after.Lost != want {
		t.Errorf("after the writer went on %d lost writes became %+v, %v", want, after, err)
	}
	checkCompacted(t, c, client)
}

// plantLosses deletes one key, takes one back to its first state and spoils a
// third. It gives the number of acknowledged writes that this loses.
func plantLosses(t *testing.T, c *Cluster, client *clientv3.Client) int {
	t.Helper()
	record, err := ReadLedger(c.LedgerPath())
	if err != nil {
		t.Fatal(err)
	}
	var rich []string // keys with some history
	for key, h := range record.keys {
		if h.ackedAfter(-1) >= 3 {
			rich = append(rich, key)
		}
	}
	if len(rich) < 3 {
		t.Fatalf("only %d keys were updated", len(rich))
	}
	ctx := soon(t)
	if _, err := client.Delete(ctx, rich[0]); err != nil {
		t.Fatal(err)
	}
	first, err := client.Get(ctx, rich[1])
	if err != nil {
		t.Fatal(err)
	}
	old, err := client.Get(ctx, rich[1], clientv3.WithRev(first.Kvs[0].CreateRevision))
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{rich[1]: string(old.Kvs[0].Value), rich[2]: "spoiled"} {
		if _, err := client.Put(ctx, key, value); err != nil {
			t.Fatal(err)
		}
	}
	return record.keys[rich[0]].ackedAfter(-1) + record.keys[rich[1]].ackedAfter(0) + record.keys[rich[2]].ackedAfter(-1)
}

func checkWitness(t *testing.T, c *Cluster, want int64) {
	t.Helper()
	b, err := os.ReadFile(c.WitnessPath())
	if err != nil {
		t.Fatal(err)
	}
	var witness struct {
		Revision int64     `json:"revision"`
		At       time.Time `json:"at"`
	}
	if err := json.Unmarshal(b, &witness); err != nil || witness.Revision != want || witness.At.IsZero() {
		t.Errorf("witness %s (%v), want revision %d", b, err, want)
	}
}

func checkCompacted(t *testing.T, c *Cluster, client *clientv3.Client) {
	t.Helper()
	watch, err := c.StartWatcher(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if a := watch.Account(); a.Outcome != WatchSilent {
		t.Errorf("before anything happened: %+v", a)
	}
	watch.Stop()
	var revision int64
	for range 3 {
		resp, err := client.Put(soon(t), "/registry/x", "y")
		if err != nil {
			t.Fatal(err)
		}
		revision = resp.Header.Revision
	}
	if _, err := client.Compact(soon(t), revision); err != nil {
		t.Fatal(err)
	}
	watch.done = make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	watch.run(ctx) // the same watch, which slept through the compaction
	if a := watch.Account(); a.Outcome != WatchCompacted || a.CompactRevision != revision {
		t.Errorf("after the compaction at %d: %+v", revision, a)
	}
}

func TestMembersEndWithTheDemoAndAreFoundWhoeverStartedThem(t *testing.T) {
	c := small(t)
	m, _ := c.Config().Member("m2")
	if err := c.Kill("m2"); err != nil {
		t.Fatal(err)
	}
	line := m.Run.Process.Command
	cmd := exec.Command(line[0], append(line[1:], "--initial-cluster-state", "existing")...)
	if err := cmd.Start(); err != nil { // as somebody else would
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := c.Ready(soon(t)); err != nil {
		t.Fatal(err)
	}
	if pids, err := c.PIDs("m2"); err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Errorf("m2 runs as %v (%v), want %d", pids, err, cmd.Process.Pid)
	}
	if err := c.Kill("m2"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the killed member says that all is well")
	}
	if err := c.Close(); err != nil { // the demo dies
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		one, _ := c.PIDs("m1")
		three, _ := c.PIDs("m3")
		if len(one)+len(three) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("orphans: %v %v", one, three)
		}
	}
}

// TestKillFreesThePorts kills and starts a member over and over: when Kill
// returns, its ports can be listened on. (A dying process loses its command line
// some time before its ports.)
func TestKillFreesThePorts(t *testing.T) {
	c := small(t)
	m, _ := c.member("m3")
	for range 8 {
		if err := c.Kill("m3"); err != nil {
			t.Fatal(err)
		}
		for _, port := range []int{m.peer, m.client} {
			l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
			if err != nil {
				t.Fatalf("the member is killed, and yet: %v", err)
			}
			_ = l.Close()
		}
		if err := c.Start(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunMemberRefusesWhatItCannotRun(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.json")
	for want, args := range map[string][]string{
		"--config-file is missing": {"--guard", "x"},
		"unexpected argument":      {"--config-file", missing, "extra"},
		"not defined":              {"--config-file", missing, "--quota", "1"},
		"no such file":             {"--config-file", missing},
	} {
		if err := RunMember(soon(t), args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

func TestLayOutRefusesWhatIsInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	c, err := NewCluster(dir, []string{"x"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if again, err := NewCluster(dir, []string{"x"}); err == nil {
		t.Error("two demos in one folder")
		_ = again.Close()
	}
	if again, err := holdGuard(c.path("guard")); err == nil {
		t.Error("the guard has two holders")
		_ = again.release()
	}
	for _, m := range c.Config().Members {
		if m.DataDir != c.DataDir(m.Name) || len(m.Run.Process.Command) != 5 {
			t.Errorf("member %+v", m)
		}
	}
}
