package failures

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// ownMounts is set in the process that has mounts of its own.
const ownMounts = "SALVOR_TEST_OWN_MOUNTS"

// apartFromMounts runs the test that calls it once more, in a process whose
// mounts nobody else sees, and tells whether this is that process.
func apartFromMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownMounts) != "" {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("needs the right to mount")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), ownMounts+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skipf("needs the right to mount: %v", err)
	case err != nil:
		t.Fatalf("%v: %s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
	t.Logf("%s", out)
	return false
}

// disk makes a file system of so many bytes in a file, mounts it, and notes it
// in the machine's /etc/fstab, as only this process sees it.
func (l *lab) disk(at string, size int64) {
	l.t.Helper()
	image, fstab := l.file("disk.img"), l.file("fstab")
	l.must(os.WriteFile(image, nil, 0o600))
	l.must(os.Truncate(image, size))
	if out, err := exec.Command("mkfs.ext4", "-q", "-m0", "-E", "lazy_itable_init=1,lazy_journal_init=1", image).CombinedOutput(); err != nil {
		l.t.Skipf("no file system can be made: %v %s", err, out)
	}
	l.must(os.MkdirAll(at, 0o700))
	if out, err := exec.Command("mount", "-o", "loop", image, at).CombinedOutput(); err != nil {
		l.t.Skipf("no loop device: %v %s", err, out)
	}
	l.t.Cleanup(func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) })
	l.must(os.RemoveAll(filepath.Join(at, "lost+found")))
	old, err := os.ReadFile("/etc/fstab")
	if err != nil {
		l.t.Skipf("no /etc/fstab: %v", err)
	}
	l.must(os.WriteFile(fstab, append(old, []byte(image+" "+at+" ext4 loop 0 2\n")...), 0o644))
	l.must(syscall.Mount(fstab, "/etc/fstab", "", syscall.MS_BIND, ""))
}

// TestOwnDisk gives a member a disk of its own, which fills, stands still, and
// is not mounted any more.
func TestOwnDisk(t *testing.T) {
	if !apartFromMounts(t) {
		return
	}
	l := newLab(t)
	dir := l.member("m3").DataDir
	l.disk(dir, 4<<30)
	l.up()
	l.await("m3")
	// All but 150 MB of 4 GiB is taken, by what is reserved and not written.
	var free syscall.Statfs_t
	l.must(syscall.Statfs(dir, &free))
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	l.must(err)
	l.must(syscall.Fallocate(int(ballast.Fd()), 0, 0, int64(free.Bavail)*free.Bsize-150<<20))
	l.must(ballast.Close())
	l.shows(diagnose.DiskFilling)
	l.must(os.Remove(ballast.Name()))
	// The disk stands still for seconds, as one does that is overloaded or fails, while
	// what was written right before is to be committed: again and again, until that
	// is one in a hundred commits.
	for n := 0; n < 2 || n < 8 && !found(l.diagnose(), diagnose.DiskSlow); n++ {
		l.await("m3")
		l.stall(dir, 2500*time.Millisecond)
	}
	l.await("m3")
	l.eventually(diagnose.DiskSlow)
	// A defragmentation that its disk holds up.
	asked := make(chan struct{})
	thaw := l.freeze(dir)
	go func() { defer close(asked); _, _ = l.ctl("m3", "defrag", "--command-timeout=12s") }()
	l.under(diagnose.Defragmenting).eventually(diagnose.Defragmenting)
	thaw()
	<-asked
	l.kill("m3")
	l.must(syscall.Unmount(dir, 0))
	l.shows(diagnose.DataDirUnmounted)
}

// The requests to freeze and thaw a file system (linux/fs.h).
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// freeze lets nothing be written to a file system until it is thawed.
func (l *lab) freeze(dir string) (thaw func()) {
	l.t.Helper()
	f, err := os.Open(dir)
	l.must(err)
	l.must(unix.IoctlSetInt(int(f.Fd()), fiFreeze, 0))
	var once sync.Once
	thaw = func() {
		once.Do(func() {
			_ = unix.IoctlSetInt(int(f.Fd()), fiThaw, 0)
			_ = f.Close()
		})
	}
	l.t.Cleanup(thaw)
	return thaw
}

// stall lets nothing be written to a file system for a time.
func (l *lab) stall(dir string, lasts time.Duration) {
	l.t.Helper()
	thaw := l.freeze(dir)
	done := make(chan struct{})
	go func() { defer close(done); _, _ = l.ctl("m1", "put", "stall", "x") }()
	time.Sleep(lasts)
	thaw()
	<-done
}
