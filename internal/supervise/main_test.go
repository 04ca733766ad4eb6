package supervise

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/test/ports"
)

// TestMain lets this test binary be the processes that are looked after:
//
//	member --data-dir D [--port P] [--stubborn]
//	wrapper --data-dir D …  runs a member, and outlives it
//	nanny  COMMAND…      starts the command again whenever it ends
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "member":
			fmt.Fprintln(os.Stderr, beMember(os.Args[2:]))
			os.Exit(1)
		case "nanny":
			beNanny(os.Args[2:])
		case "wrapper":
			cmd := exec.Command(os.Args[0], append([]string{"member"}, os.Args[2:]...)...)
			_ = cmd.Run()
			time.Sleep(time.Minute)
		}
	}
	os.Exit(m.Run())
}

// beMember holds a db open for writing and its port open, as etcd does.
func beMember(args []string) error {
	dir, _ := flagValue(args, "data-dir")
	if v, ok := flagValue(args, "fail"); ok {
		fmt.Println(`{"level":"error","msg":"first"}`)
		fmt.Println(`{"level":"fatal","msg":"discovery failed","error":"` + v + `"}`)
		fmt.Println(`{"level":"info","msg":"bye"}`)
		os.Exit(1)
	}
	if v, ok := flagValue(args, "initial-cluster"); ok {
		fmt.Println("told", v)
	}
	snap := filepath.Join(dir, "member", "snap")
	if err := os.MkdirAll(snap, 0o700); err != nil {
		return err
	}
	db, err := os.OpenFile(filepath.Join(snap, "db"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer db.Close()
	if port, ok := flagValue(args, "port"); ok {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			return err
		}
		defer l.Close()
	}
	if _, ok := flagValue(args, "stubborn"); ok {
		signal.Ignore(syscall.SIGTERM)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	fmt.Println("files", len(fds), "env", len(os.Environ()), os.Environ())
	time.Sleep(time.Minute)
	return nil
}

func beNanny(command []string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		_ = exec.Command(command[0], command[1:]...).Run()
	}
}

// member describes a process of this test binary.
func member(t *testing.T, dir string, extra ...string) cluster.Member {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	port := ports.Free(t)
	m := cluster.Member{Name: filepath.Base(dir), DataDir: dir,
		ClientURLs: []string{"http://127.0.0.1:" + strconv.Itoa(port)}}
	m.Run.Process = &cluster.Process{
		Command: append([]string{exe, "member", "--data-dir", dir, "--port", strconv.Itoa(port)}, extra...),
		Env:     []string{"ONE=1"}, Log: filepath.Join(t.TempDir(), "log", "member.log"),
	}
	t.Cleanup(func() {
		if f, err := find(m); err == nil && f.Running {
			_ = syscall.Kill(f.PID, syscall.SIGKILL)
		}
	})
	return m
}

func readLog(t *testing.T, m cluster.Member) string {
	t.Helper()
	b, err := os.ReadFile(m.Run.Process.Log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
