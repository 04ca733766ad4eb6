// Package etcds gives tests the real programs of old and new etcds, as oracles.
// The versions from 3.5 on are built from source, from the Go modules in the
// folders beside this file, which pin their dependencies apart from Salvor's
// own. Etcd 3.4 comes from Debian's package. Programs are kept outside the tree, in
// ${XDG_CACHE_HOME:-~/.cache}/salvor/etcds/VERSION/TOOLCHAIN, and made when a
// test first asks for them.
package etcds

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The versions, oldest first. Etcd 3.5.4 and 3.5.21 are what broken clusters
// were seen to run.
const (
	V3_4    = "3.4.23"
	V3_5_4  = "3.5.4"
	V3_5_21 = "3.5.21"
	V3_5    = "3.5.35"
	V3_6    = "3.6.16"
	V3_7    = "3.7.3"
	debian  = V3_4
)

// All lists the versions, oldest first.
func All() []string { return []string{V3_4, V3_5_4, V3_5_21, V3_5, V3_6, V3_7} }

// requiredEnv set to 1 makes a program that cannot be had a failure instead
// of a skipped test, for machines that must run everything.
const requiredEnv = "SALVOR_ETCDS_REQUIRED"

// Path gives the path of the etcd server of a version, and makes it when it is
// missing. The test is skipped, with the reason, when it cannot be made here.
func Path(t testing.TB, version string) string {
	t.Helper()
	return Program(t, version, "etcd")
}

// Program is Path for "etcd", "etcdctl" or "etcdutl"; etcd 3.4 has no etcdutl.
func Program(t testing.TB, version, name string) string {
	t.Helper()
	path, err := program(version, name)
	switch {
	case err == nil:
		return path
	case os.Getenv(requiredEnv) == "1":
		t.Fatalf("etcd %s: %v", version, err)
	default:
		t.Skipf("etcd %s cannot be had here: %v", version, err)
	}
	return ""
}

func program(version, name string) (string, error) {
	dir, err := folder(version)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // another test process made it meanwhile
	}
	if version == debian {
		return path, unpack(version, name, path)
	}
	return path, build(version, name, path)
}

// folder is where the programs of a version are kept.
func folder(version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	toolchain := runtime.Version()
	if version == debian {
		toolchain = "debian-" + runtime.GOARCH
	}
	return filepath.Join(cache, "salvor", "etcds", version, toolchain), nil
}

// lock waits until this process alone works in a folder.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}

// build compiles a program into a file beside path and renames it.
func build(version, name, path string) error {
	here, err := source()
	if err != nil {
		return err
	}
	pkg := map[string]string{
		"etcd": "go.etcd.io/etcd/server/v3", "etcdctl": "go.etcd.io/etcd/etcdctl/v3", "etcdutl": "go.etcd.io/etcd/etcdutl/v3",
	}[name]
	if pkg == "" {
		return fmt.Errorf("%q is no program of etcd", name)
	}
	part := path + ".part"
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", part, pkg)
	cmd.Dir = filepath.Join(here, "v"+version)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if err := run(cmd); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// source is the folder of this package's files: go test runs in the folder of
// the test, somewhere in the same module.
func source() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		here := filepath.Join(dir, "test", "etcds")
		if _, err := os.Stat(filepath.Join(here, "v"+V3_5, "go.mod")); err == nil {
			return here, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the folder test/etcds is not above the working directory")
		}
	}
	return "", err
}

// unpack takes a program out of Debian's package without installing it.
func unpack(version, name, path string) error {
	pkg := map[string]string{"etcd": "etcd-server", "etcdctl": "etcd-client"}[name]
	if pkg == "" {
		return fmt.Errorf("etcd %s has no %s", version, name)
	}
	work, err := os.MkdirTemp(filepath.Dir(path), "unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	get := exec.Command("apt-get", "download", pkg)
	get.Dir = work
	if err := run(get); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(work, pkg+"_"+version+"-*.deb"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("this machine's package archive has another %s than %s", pkg, version)
	}
	if err := run(exec.Command("dpkg-deb", "-x", found[0], filepath.Join(work, "tree"))); err != nil {
		return err
	}
	return os.Rename(filepath.Join(work, "tree", "usr", "bin", name), path)
}

// run runs a command and puts the end of what it said into its error.
func run(cmd *exec.Cmd) error {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.Join(lines[max(0, len(lines)-3):], " / "))
	}
	return nil
}
