package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/agent"
	"github.com/salvor-project/salvor/internal/cluster"
)

// TestTwoAgents runs two agents on one cluster, whose first backup is due at
// once: one of them makes it, and both are well.
func TestTwoAgents(t *testing.T) {
	k := newKeeping(t)
	told := k.webhook()
	k.must(codeOK, "vault", "init")
	var agents []*running
	for i := range 2 {
		agents = append(agents, k.agent(i, orders{}, func(b *cluster.Backup) { b.Schedule = "0 * * * *" }))
	}
	for _, a := range agents {
		k.eventually(a.well)
	}
	for _, a := range agents {
		a.stop()
	}
	check(t, os.Rename(k.path("0.yaml"), k.path("salvor.yaml")))
	var list struct{ Backups []backupLine }
	k.document(codeOK, &list, "vault", "ls")
	hours := map[string]bool{}
	for _, b := range list.Backups {
		hours[b.Created.Format("15")] = true
		if b.Proof != "passed" {
			t.Errorf("%s is not proven", b.ID)
		}
	}
	if len(list.Backups) == 0 || len(list.Backups) != len(hours) {
		t.Errorf("%d backups of %d hours", len(list.Backups), len(hours))
	}

	// The vault goes away: told once, and so is its return.
	for _, d := range []string{"disk1", "disk2"} {
		check(t, os.Rename(k.path(d), k.path(d+"-away")))
	}
	k.must(codeError, "agent", "--once").says(t, "no target can be written to")
	k.must(codeError, "agent", "--once")
	for _, d := range []string{"disk1", "disk2"} {
		check(t, os.Rename(k.path(d+"-away"), k.path(d)))
	}
	k.must(codeOK, "agent", "--once")
	// One of the targets goes away: backups are made all the same, and that is
	// told once, and so is its return.
	check(t, os.Rename(k.path("disk2"), k.path("disk2-away")))
	k.must(codeOK, "agent", "--once").says(t, "no copy on target disk2")
	other := func() { k.blankWith([]string{"agent", "--once", "--config", k.path("1.yaml")}).must(t, codeOK) }
	other() // it knows what the first has told
	check(t, os.Rename(k.path("disk2-away"), k.path("disk2")))
	other()
	k.must(codeOK, "agent", "--once")
	if want := []string{"demo failure", "demo recovery", "demo target-failure disk2", "demo target-recovery disk2"}; !slices.Equal(told(), want) {
		t.Errorf("told %q", told())
	}
}

// webhook listens to what agents tell, and gives it in a few words.
func (k *keeping) webhook() func() []string {
	k.t.Helper()
	var mu sync.Mutex
	var told []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var e agent.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			k.t.Error(err)
		}
		told = append(told, strings.TrimSpace(e.Cluster+" "+e.Event+" "+e.Target))
	}))
	k.t.Cleanup(hook.Close)
	check(k.t, os.WriteFile(k.path("hook"), []byte(hook.URL), 0o600))
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
}

// running is an agent, a process of its own.
type running struct {
	*keeping
	cmd     *exec.Cmd
	address string
	log     string
}

// agent starts one, with a configuration and a memory of its own.
func (k *keeping) agent(i int, o orders, change func(*cluster.Backup)) *running {
	k.t.Helper()
	r := &running{keeping: k, address: "http://" + freeAddress(k.t), log: k.path(fmt.Sprint(i, ".log"))}
	k.configure(func(c *cluster.Config) {
		c.Backup.Listen, c.Backup.WebhookFile, c.Backup.StateDir = strings.TrimPrefix(r.address, "http://"), k.path("hook"), k.path(fmt.Sprint("agent", i))
		change(c.Backup)
	})
	file := k.path(fmt.Sprint(i, ".yaml"))
	check(k.t, os.Rename(k.path("salvor.yaml"), file))
	self, err := os.Executable()
	check(k.t, err)
	text, err := json.Marshal(o)
	check(k.t, err)
	r.cmd = exec.Command(self, "agent", "--rank", fmt.Sprint(i), "--config", file)
	r.cmd.Env = append(os.Environ(), ordersEnv+"="+string(text))
	log, err := os.Create(r.log)
	check(k.t, err)
	r.cmd.Stderr = log
	check(k.t, r.cmd.Start())
	check(k.t, log.Close())
	k.t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // it may have ended
		if k.t.Failed() {
			k.t.Logf("agent %d:\n%s", i, r.said())
		}
	})
	return r
}

func (r *running) said() string {
	b, err := os.ReadFile(r.log)
	check(r.t, err)
	return string(b)
}

// well tells why an agent is not, or has seen no backup yet.
func (r *running) well() error {
	if _, err := get(r.address + "/healthz"); err != nil {
		return err
	}
	text, err := get(r.address + "/metrics")
	if err == nil && !strings.Contains(text, "salvor_agent_healthy 1") || strings.Contains(text, "salvor_agent_newest_backup_seconds 0") {
		err = fmt.Errorf("not yet: %s", text)
	}
	return err
}

func (r *running) stop() {
	r.t.Helper()
	check(r.t, r.cmd.Process.Signal(syscall.SIGTERM))
	check(r.t, r.cmd.Wait())
}

// TestAgentThatStoodStill stops the agent that has the turn in the middle of its
// upload, for longer than its turn lasts. Another makes the backup; the first,
// when it goes on, makes none beside it, touches nothing, and sounds no alarm.
func TestAgentThatStoodStill(t *testing.T) {
	k := newKeeping(t)
	told := k.webhook()
	k.must(codeOK, "vault", "init")
	o := orders{TurnTTL: 3 * time.Second}
	yearly := func(b *cluster.Backup) { b.Schedule = "0 0 1 1 *" }
	first := k.agent(0, o, func(b *cluster.Backup) { yearly(b); b.Bandwidth = 40 << 10 })
	var upload string
	k.eventually(func() error {
		found, err := filepath.Glob(k.path("disk1", "backups", "*", "*etcd.snapshot.*"))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("no upload has begun: %w", err)
		}
		upload = filepath.Base(filepath.Dir(found[0]))
		return nil
	})
	check(t, first.cmd.Process.Signal(syscall.SIGSTOP))
	if exists(k.path("disk1", "backups", upload, "manifest.json")) {
		t.Fatal("the upload was done before it was stopped: this proves nothing")
	}
	second := k.agent(1, o, yearly)
	k.eventually(second.well)
	second.stop()
	before := k.tree("disk1")

	check(t, first.cmd.Process.Signal(syscall.SIGCONT))
	k.eventually(func() error {
		if !strings.Contains(first.said(), "another has made the backup meanwhile") {
			return errors.New("it does not give way")
		}
		return first.well()
	})
	first.stop()
	check(t, os.Rename(k.path("0.yaml"), k.path("salvor.yaml")))
	var list struct{ Backups []backupLine }
	k.document(codeOK, &list, "vault", "ls")
	if len(list.Backups) != 1 || list.Backups[0].ID == upload || list.Backups[0].Proof != "passed" {
		t.Errorf("stopped was %s; there are %+v", upload, list.Backups)
	}
	after := k.tree("disk1")
	for name, sum := range before {
		if now, is := after[name]; !strings.Contains(name, upload) && (!is || now != sum) {
			t.Errorf("%s is not what it was", name)
		}
	}
	if len(told()) != 0 {
		t.Errorf("told %q", told())
	}
}

// tree gives the digests of all files below a folder.
func (k *keeping) tree(dir string) map[string]string {
	k.t.Helper()
	all := map[string]string{}
	check(k.t, filepath.WalkDir(k.path(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	}))
	return all
}

// TestAgentProvesWhatWasNeverProven leaves a backup without a proof, as a kill
// between the two would: the agent proves it, and makes no other.
func TestAgentProvesWhatWasNeverProven(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	k.configure(func(c *cluster.Config) { c.Backup.Schedule, c.Backup.StateDir = "0 0 1 1 *", k.path("agent") })
	id := k.backUp(codeOK)
	self, err := os.Executable()
	check(t, err)
	cmd := exec.Command(self, "agent", "--config", k.path("salvor.yaml"))
	cmd.Env = append(os.Environ(), ordersEnv+"={}")
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	k.eventually(func() error {
		if l := k.source(id); l.Proof != "passed" {
			return fmt.Errorf("it is not proven: %+v", l)
		}
		return nil
	})
	check(t, cmd.Process.Signal(syscall.SIGTERM))
	check(t, cmd.Wait())
	var list struct{ Backups []backupLine }
	k.document(codeOK, &list, "vault", "ls")
	if len(list.Backups) != 1 {
		t.Errorf("another one was made: %+v", list)
	}
	if info, err := os.Stat(k.path("agent", "scratch")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the scratch folder: %v, %v", info, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

func get(url string) (string, error) {
	r, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, b)
	}
	return string(b), err
}

// eventually waits for a condition for half a minute.
func (k *keeping) eventually(ok func() error) {
	k.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			k.t.Fatal(err)
		}
	}
}

// TestGuard runs a command only behind a proven backup.
func TestGuard(t *testing.T) {
	k := newKeeping(t)
	mark := k.path("ran")
	dangerous := []string{"--", "sh", "-c", "echo done; touch " + mark + "; exit 7"}
	k.salvorBefore("guard", dangerous...).says(t, "salvor vault init")
	k.must(codeOK, "vault", "init")
	if exists(mark) {
		t.Fatal("the command ran without a backup")
	}
	e := k.salvorBefore("guard", dangerous...)
	if e.code != 7 || !exists(mark) || !strings.Contains(e.out, "done") {
		t.Fatalf("code %d: %s%s", e.code, e.out, e.err)
	}
	check(t, os.Remove(mark))
	k.salvorBefore("guard", append([]string{"--within", "1h"}, dangerous...)...).says(t, "and proven")
	var list struct{ Backups []backupLine }
	k.document(codeOK, &list, "vault", "ls")
	if len(list.Backups) != 1 || list.Backups[0].Proof != "passed" {
		t.Errorf("%+v", list)
	}
	check(t, os.Remove(mark))
	check(t, os.Rename(k.path("key.txt"), k.path("usb.txt")))
	k.salvorBefore("guard", dangerous...).says(t, "could not be proven here", "was NOT run")
	k.must(codeError, "backup", "--prove").says(t, "could not be proven here")
	if k.document(codeOK, &list, "vault", "ls"); exists(mark) || len(list.Backups) != 1 {
		t.Errorf("the command ran behind a backup that is not proven, or one was made for nothing: %+v", list)
	}
	k.salvorBefore("guard", append([]string{"--identity", k.path("usb.txt")}, dangerous...)...)
	if !exists(mark) {
		t.Error("the key was named, and the command did not run")
	}
}

// TestGuardedCommandIsNotKilled sends both signals to salvor while the command
// runs: it can end in its own way, and its exit code is ours.
func TestGuardedCommandIsNotKilled(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	self, err := os.Executable()
	check(t, err)
	cmd := exec.Command(self, "guard", "--config", k.path("salvor.yaml"), "--", "sh", "-c",
		"trap 'touch "+k.path("told")+"' TERM; touch "+k.path("begun")+"; while [ ! -e "+k.path("told")+" ]; do sleep 0.05; done; sleep 0.3; touch "+k.path("whole")+"; exit 7")
	cmd.Env = append(os.Environ(), ordersEnv+"={}")
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	k.eventually(func() error { _, err := os.Stat(k.path("begun")); return err })
	check(t, cmd.Process.Signal(syscall.SIGINT))
	check(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait() // the code tells
	if code := cmd.ProcessState.ExitCode(); code != 7 || !exists(k.path("whole")) {
		t.Errorf("code %d; the command came to its end: %v", code, exists(k.path("whole")))
	}
}

// salvorBefore runs a command line with the common flags before the rest.
func (k *keeping) salvorBefore(command string, rest ...string) ended {
	k.t.Helper()
	return k.blankWith(append([]string{command, "--config", k.path("salvor.yaml")}, rest...))
}
