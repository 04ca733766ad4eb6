package supervise

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestStartStop runs a member twice over.
func TestStartStop(t *testing.T) {
	t.Parallel()
	m := member(t, filepath.Join(t.TempDir(), "etcd"))
	if f, err := Find(t.Context(), m); err != nil || f.Running {
		t.Fatalf("before: %+v, %v", f, err)
	}
	first, err := Start(t.Context(), m, Override{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Start(t.Context(), m, Override{})
	if err != nil || again.PID != first.PID {
		t.Fatalf("started twice: %+v and %+v, %v", first, again, err)
	}
	if d := time.Since(first.Since); d < 0 || d > time.Minute {
		t.Errorf("it has run for %s", d)
	}
	if got := readLog(t, m); !strings.Contains(got, "env 2") || !strings.Contains(got, "ONE=1") {
		t.Errorf("environment: %s", got)
	}
	info, err := os.Stat(m.Run.Process.Log)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("log: %v, %v", info.Mode(), err)
	}
	if sid, err := getsid(first.PID); err != nil || sid != first.PID {
		t.Errorf("session %d of process %d, %v", sid, first.PID, err)
	}
	for range 2 {
		if err := Stop(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := Find(t.Context(), m); err != nil || f.Running {
		t.Errorf("after: %+v, %v", f, err)
	}
}

func getsid(pid int) (int, error) {
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sid), nil
}

// TestStubborn ends a member that does not listen to SIGTERM.
func TestStubborn(t *testing.T) {
	t.Parallel()
	m := member(t, filepath.Join(t.TempDir(), "etcd"), "--stubborn=yes")
	f, err := Start(t.Context(), m, Override{})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := end(t.Context(), f, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if alive(f.PID, f.Since) {
		t.Error("it is alive")
	}
	if d := time.Since(begin); d < 300*time.Millisecond {
		t.Errorf("it ended after %s: it was not stubborn", d)
	}
}

// TestWrapper finds the member within its wrapper, and stops both.
func TestWrapper(t *testing.T) {
	t.Parallel()
	m := member(t, filepath.Join(t.TempDir(), "etcd"))
	m.Run.Process.Command[1] = "wrapper"
	f, err := Start(t.Context(), m, Override{})
	if err != nil {
		t.Fatal(err)
	}
	if f.Command[1] != "member" {
		t.Errorf("the wrapper was taken for the member: %q", f.Command)
	}
	if all, err := findAll(m); err != nil || len(all) != 2 {
		t.Errorf("processes %+v, %v", all, err)
	}
	if err := Stop(t.Context(), m); err != nil {
		t.Error(err)
	}
}

// TestInherit starts a member from a process that has a file open which its
// children would get.
func TestInherit(t *testing.T) {
	m := member(t, filepath.Join(t.TempDir(), "etcd"))
	fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0) // without O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	f, err := Start(t.Context(), m, Override{})
	if err != nil {
		t.Fatal(err)
	}
	links, err := filepath.Glob(procFile(f.PID, "fd", "*"))
	if err != nil {
		t.Fatal(err)
	}
	nulls := 0
	for _, l := range links {
		if to, _ := os.Readlink(l); to == os.DevNull {
			nulls++
		}
	}
	if nulls != 1 { // standard input
		t.Errorf("%s is open %d times in the member", os.DevNull, nulls)
	}
}

// TestStartFails reads the reason from the log, past what an earlier start
// left there.
func TestStartFails(t *testing.T) {
	t.Parallel()
	m := member(t, filepath.Join(t.TempDir(), "etcd"), "--fail", "member count is unequal")
	if err := os.MkdirAll(filepath.Dir(m.Run.Process.Log), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.Run.Process.Log, []byte(`{"level":"panic","msg":"long ago"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), m, Override{})
	if err == nil || !strings.Contains(err.Error(), "exit status 1: discovery failed: member count is unequal") {
		t.Errorf("error: %v", err)
	}
	m.Run.Process.Command[0] = "/nonexistent/etcd"
	if _, err = Start(t.Context(), m, Override{}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no program: %v", err)
	}
}

// TestPrefix holds two members apart whose folders begin alike, finds one
// through a symbolic link, and after its folder was renamed.
func TestPrefix(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := member(t, filepath.Join(dir, "etcd")), member(t, filepath.Join(dir, "etcd-2"))
	f, err := Start(t.Context(), two, Override{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Find(t.Context(), one); err != nil || got.Running {
		t.Errorf("etcd is taken for etcd-2: %+v, %v", got, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "etcd-2"), link); err != nil {
		t.Fatal(err)
	}
	linked := cluster.Member{Name: "linked", DataDir: link}
	if got, err := Find(t.Context(), linked); err != nil || got.PID != f.PID {
		t.Errorf("through a link: %+v, %v", got, err)
	}
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(two.DataDir, moved); err != nil {
		t.Fatal(err)
	}
	for _, m := range []cluster.Member{two, {Name: "moved", DataDir: moved}} {
		if got, err := Find(t.Context(), m); err != nil || got.PID != f.PID {
			t.Errorf("%s after a rename: %+v, %v", m.Name, got, err)
		}
	}
}

// TestReader does not take somebody who reads the db for the member.
func TestReader(t *testing.T) {
	t.Parallel()
	m := member(t, filepath.Join(t.TempDir(), "etcd"))
	snap := filepath.Join(m.DataDir, "member", "snap")
	if err := os.MkdirAll(snap, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(snap, "db"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tail := exec.Command("tail", "-f", filepath.Join(snap, "db"))
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tail.Process.Kill(); _ = tail.Wait() }()
	time.Sleep(100 * time.Millisecond)
	if f, err := Find(t.Context(), m); err != nil || f.Running {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestNanny stops a member that something else starts again.
func TestNanny(t *testing.T) {
	t.Parallel()
	m := member(t, filepath.Join(t.TempDir(), "etcd"))
	nanny := exec.Command(m.Run.Process.Command[0], append([]string{"nanny"}, m.Run.Process.Command...)...)
	if err := nanny.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nanny.Process.Kill(); _ = nanny.Wait() })
	for end := time.Now().Add(10 * time.Second); !Accepts(t.Context(), m); {
		if time.Now().After(end) {
			t.Fatal("the nanny does not start it")
		}
		time.Sleep(20 * time.Millisecond)
	}
	err := Stop(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "does not stay down") || !strings.Contains(err.Error(), " nanny ") {
		t.Errorf("error: %v", err)
	}
}

// TestOverride starts a member with other flags than its own, once.
func TestOverride(t *testing.T) {
	t.Parallel()
	m := member(t, filepath.Join(t.TempDir(), "etcd"), "--initial-cluster=old", "-initial-cluster-state", "new")
	f, err := Start(t.Context(), m, Override{InitialCluster: "a=http://x,b=http://y"})
	if err != nil {
		t.Fatal(err)
	}
	own := m.Run.Process.Command[:len(m.Run.Process.Command)-3]
	want := append(append([]string{}, own...), "--initial-cluster", "a=http://x,b=http://y", "--initial-cluster-state", "existing")
	if diff := cmp.Diff(want, f.Command); diff != "" {
		t.Error(diff)
	}
	if got := readLog(t, m); !strings.Contains(got, "told a=http://x,b=http://y") {
		t.Errorf("log: %s", got)
	}
}

// TestOverrideConfigFile rewrites etcd's configuration file, beside which etcd
// ignores flags.
func TestOverrideConfigFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := filepath.Join(dir, "etcd.yaml")
	if err := os.WriteFile(conf, []byte("name: a\ninitial-cluster: old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := cluster.Member{Name: "a", DataDir: filepath.Join(dir, "data")}
	m.Run.Process = &cluster.Process{Command: []string{"/usr/bin/etcd", "--config-file=etcd.yaml"}, Dir: dir,
		Env: []string{"ETCD_INITIAL_CLUSTER=old", "A=B"}}
	p, file, err := Override{InitialCluster: "a=http://x"}.process(m)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "initial-cluster: a=http://x\ninitial-cluster-state: existing\nname: a\n"; string(b) != want {
		t.Errorf("file %q, want %q", b, want)
	}
	if diff := cmp.Diff([]string{"/usr/bin/etcd", "--config-file=etcd.yaml", "--config-file", file}, p.Command); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"A=B"}, p.Env); diff != "" {
		t.Error(diff)
	}
}
