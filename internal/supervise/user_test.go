package supervise

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOtherUser starts a member as somebody else, in a folder where that user
// could not have made its data dir.
func TestOtherUser(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	m := member(t, filepath.Join(dir, "etcd"))
	m.Run.Process.Command[0] = copyProgram(t, m.Run.Process.Command[0], dir)
	m.Run.Process.User = "no-such-user"
	if _, err := Start(t.Context(), m, Override{}); err == nil || !strings.Contains(err.Error(), `no user "no-such-user"`) {
		t.Fatalf("unknown user: %v", err)
	}
	if os.Geteuid() != 0 {
		m.Run.Process.User = "root"
		if _, err := Start(t.Context(), m, Override{}); err == nil || !strings.Contains(err.Error(), "only root can") {
			t.Errorf("as root, without being it: %v", err)
		}
		t.Skip("starting a process as another user needs root")
	}
	m.Run.Process.User = "nobody"
	f, err := Start(t.Context(), m, Override{})
	if err != nil {
		t.Fatalf("%v\n%s", err, readLog(t, m))
	}
	uid, gid, ok := User(t.Context(), m)
	if !ok || uid == 0 {
		t.Fatalf("nobody is %d, %v", uid, ok)
	}
	for _, path := range []string{procFile(f.PID), filepath.Join(m.DataDir, "member", "snap", "db")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("%s belongs to %d:%d, want %d:%d", path, st.Uid, st.Gid, uid, gid)
		}
	}
	if err := Stop(t.Context(), m); err != nil {
		t.Error(err)
	}
}

// openFolder is a folder that every user may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "salvor-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // others have to enter it
		t.Fatal(err)
	}
	return dir
}

func copyProgram(t *testing.T, from, dir string) string {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	to := filepath.Join(dir, "member-program")
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755) //nolint:gosec // others have to run it
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return to
}
