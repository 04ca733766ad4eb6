package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// tmpfs mounts an empty file system of so many bytes on dir, which is made.
func tmpfs(t *testing.T, dir string, bytes int) {
	t.Helper()
	skipUnlessRoot(t)
	must(t, os.MkdirAll(dir, 0o700))
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+strconv.Itoa(bytes)))
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
}

func enlarge(t *testing.T, dir string, bytes int) {
	t.Helper()
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "mode=0700,size="+strconv.Itoa(bytes)))
}

// readOnly makes a folder a file system of its own that cannot be written;
// the function given back makes it writable again.
func readOnly(t *testing.T, dir string) (writable func()) {
	t.Helper()
	skipUnlessRoot(t)
	must(t, syscall.Mount(dir, dir, "", syscall.MS_BIND, ""))
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	must(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""))
	return func() { must(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND, "")) }
}

// resumes demands that a case that was stopped goes on to its proven end.
func (l *lab) resumes() {
	l.t.Helper()
	l.salvor("resume", l.lastCase()).want(l.t, 0, "Recovered, and proven by verification")
	l.holdsAll()
}

// holdsAll demands the last write of the template from every member.
func (l *lab) holdsAll() {
	l.t.Helper()
	for _, n := range l.nodes {
		if !n.gone && !l.has(n.name, "before", keys-1) {
			l.t.Errorf("%s lacks the last write", n.name)
		}
	}
}

// TestFullDisk: the disk of one member is full, or becomes full while its new
// data dir is built.
func TestFullDisk(t *testing.T) {
	skipUnlessRoot(t)
	l := labOf(t, 3)
	l.lose("m2", "m3")
	home := filepath.Dir(l.node("m2").dataDir)
	tmpfs(t, home, 1<<20)
	l.write()
	before := l.kept()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 3, "the file system of "+home+" is full", "Free space")
	unchanged(t, before, l.kept())
	enlarge(t, home, 1<<30)
	fill := func(*os.Process) { enlarge(t, home, 2<<20) } // as if something else had written
	l.whenDone("salvage@m1", fill, "recover", "--accept-loss", "unknown").want(t, 20, "build-member@m2 on h-m2", "bytes free and", "are needed", "salvor resume")
	l.sameBytes(before)
	enlarge(t, home, 1<<30)
	l.resumes()
}

// TestFullStateDir: there is no room for the case's mirror.
func TestFullStateDir(t *testing.T) {
	skipUnlessRoot(t)
	l := labOf(t, 3)
	l.lose("m2", "m3")
	l.write()
	tmpfs(t, l.node("m1").stateDir, 16<<10)
	before := l.kept()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 1, "no space left on device", "h-m1")
	unchanged(t, before, l.kept())
	enlarge(t, l.node("m1").stateDir, 1<<30)
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
}

// TestReadOnlyFolder: the disk of a lost data dir cannot be written.
func TestReadOnlyFolder(t *testing.T) {
	skipUnlessRoot(t)
	l := labOf(t, 3)
	l.lose("m2", "m3")
	l.node("m2").stateDir = filepath.Join(l.dir, "state-m2")
	l.node("m2").log = filepath.Join(l.dir, "m2.log")
	l.write()
	before := l.kept()
	home := filepath.Dir(l.node("m2").dataDir)
	writable := readOnly(t, home)
	l.salvor("recover", "--accept-loss", "unknown").want(t, 3, "the file system of "+home+" is read-only")
	unchanged(t, before, l.kept())
	writable()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
}

// TestMountedDataDir: data dirs are mount points and cannot be renamed; what is
// in them is swapped.
func TestMountedDataDir(t *testing.T) {
	skipUnlessRoot(t)
	l := labOf(t, 3)
	gone := l.lose("m1", "m2", "m3")
	for _, name := range []string{"m1", "m2"} {
		tmpfs(t, l.node(name).dataDir, 1<<30)
	}
	copyAll(t, gone["m1"]+"/member", l.node("m1").dataDir+"/member")
	l.write()
	was := tree(t, l.node("m1").dataDir+"/member")
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
	if !l.has("m2", "before", keys-1) {
		t.Error("m2 lacks the last write")
	}
	l.kill(l.names()...)
	aside := filepath.Join(l.node("m1").dataDir, "member.salvor-"+filepath.Base(l.lastCase()))
	same(t, was, l.node("m1").dataDir+"/member", aside)
	l.salvor("rollback", l.lastCase(), "--accept-loss", "unknown").want(t, 0)
	same(t, was, l.node("m1").dataDir+"/member", l.node("m1").dataDir+"/member")
}

// same demands that a tree is found elsewhere, byte for byte.
func same(t *testing.T, was map[string]string, from, to string) {
	t.Helper()
	now := tree(t, to)
	moved := map[string]string{}
	for path, sum := range was {
		moved[to+path[len(from):]] = sum
	}
	unchanged(t, moved, now)
}

// TestMountedWALDir: a WAL dir that is a mount point cannot be swapped, and
// that is said before anything is done.
func TestMountedWALDir(t *testing.T) {
	skipUnlessRoot(t)
	l := separateWAL(t)
	wal := l.node("m3").walDir
	tmpfs(t, wal, 1<<20)
	l.write()
	before := l.kept()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 3, wal, "mount point", "mount it one level higher")
	unchanged(t, before, l.kept())
}
