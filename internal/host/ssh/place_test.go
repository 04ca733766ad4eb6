package ssh

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
)

// names gives what lies in a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestPlacement(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	state := filepath.Join(t.TempDir(), "new", "state")
	o := to(s, state)
	var told []Placement
	o.Placed = func(_ string, p Placement) { told = append(told, p) }
	m := machine(t, o)
	if err := start(t, m); err != nil {
		t.Fatal(err)
	}
	p := m.Stats().Placement
	t.Logf("first: %d of %d bytes by %s, %s; connect %s", p.Sent, p.Size, p.Codec, p.Took, m.Stats().Connect)
	sha, size, err := o.Binary.digest()
	if err != nil || p.SHA256 != sha || p.Size != size || p.Path != filepath.Join(state, "bin", "salvor-"+sha[:12]) {
		t.Errorf("%+v, %v", p, err)
	}
	if p.Sent == 0 || p.Sent > p.Size*6/10 || p.Replaced || p.Resumed != 0 || len(told) != 1 || m.Stats().Sent < p.Sent {
		t.Errorf("%+v, told %v, %+v", p, told, m.Stats())
	}
	for _, path := range []string{state, filepath.Dir(p.Path), p.Path} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}

	// The second time nothing travels, not even when the folder can only be read.
	second := machine(t, o)
	if err := start(t, second); err != nil {
		t.Fatal(err)
	}
	st := second.Stats()
	t.Logf("second: %d bytes of SSH, %s", st.Sent+st.Received, st.Placement.Took)
	if st.Placement.Sent != 0 || st.Sent > 20_000 || len(told) != 1 {
		t.Errorf("%+v", st)
	}

	// What is not what it should be is set aside and replaced.
	if err := os.WriteFile(p.Path, []byte("#!/bin/sh\necho "+sha+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	third := machine(t, o)
	if err := start(t, third); err != nil {
		t.Fatal(err)
	}
	if got := third.Stats().Placement; !got.Replaced || got.Sent == 0 {
		t.Errorf("%+v", got)
	}
	if n := names(t, filepath.Dir(p.Path)); !strings.Contains(n, ".bad.") {
		t.Errorf("the other binary is not kept: %s", n)
	}

	if err := os.WriteFile(filepath.Dir(p.Path)+"/mine", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := third.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := names(t, filepath.Dir(p.Path)); n != "mine" {
		t.Errorf("after Remove: %s", n)
	}
	if err := start(t, third); err != nil { // placed again
		t.Error(err)
	}
}

func TestPlacementResumes(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	sha, size, err := o.Binary.digest()
	if err != nil {
		t.Fatal(err)
	}
	direct, known := o.Address, o.KnownHosts
	cut, cutKnown := cutter(t, s, 3<<20)
	o.Address, o.KnownHosts = cut, []string{cutKnown}
	wants(t, "a placement that is cut", start(t, machine(t, o)), ErrPlace)

	part := filepath.Join(o.folder(), "salvor-"+sha[:12]+".part")
	var st fs.FileInfo
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) { // the far side learns of it a moment later
		if st, err = os.Stat(part); err == nil {
			break
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("no part is left: %v; %s", err, names(t, o.folder()))
		}
	}
	o.Address, o.KnownHosts = direct, known
	m := machine(t, o)
	if err := start(t, m); err != nil {
		t.Fatal(err)
	}
	p := m.Stats().Placement
	t.Logf("resumed at %d of %d: %d bytes travelled", p.Resumed, size, p.Sent)
	if p.Resumed != st.Size() || p.Resumed < 1<<20 || p.Sent > size-p.Resumed {
		t.Errorf("%+v, the part held %d", p, st.Size())
	}
	if n := names(t, o.folder()); n != "salvor-"+sha[:12] {
		t.Errorf("the folder holds %s", n)
	}
}

func TestPlacementIgnoresASpoiledPart(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	whole, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole[:1<<20])
	flipped[777] ^= 1
	for name, part := range map[string][]byte{"flipped": flipped, "longer": append(bytes.Clone(whole), 1), "whole": whole} {
		o := to(s, t.TempDir())
		sha, _, err := o.Binary.digest()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Mkdir(o.folder(), 0o700), os.WriteFile(o.folder()+"/salvor-"+sha[:12]+".part", part, 0o600)); err != nil {
			t.Fatal(err)
		}
		m := machine(t, o)
		if err := start(t, m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p := m.Stats().Placement; (p.Resumed != 0) != (name == "whole") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestPlacementRefusesAFolderThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	for name, mode := range map[string]fs.FileMode{"open": 0o777, "sticky is enough above": 0o777 | fs.ModeSticky} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := errors.Join(os.MkdirAll(dir+"/state", 0o700), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
		err := start(t, machine(t, to(s, dir+"/state")))
		if mode&fs.ModeSticky != 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wants(t, name, err, ErrPlace, "others can write to "+dir)
		if _, err := os.Stat(dir + "/state/bin/salvor"); err == nil {
			t.Error("something was placed")
		}
	}
}

func TestPlacementErrors(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	if err := os.WriteFile(o.StateDir+"/bin", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, "a file in the way", start(t, machine(t, o)), ErrPlace, "mkdir")

	// A program that is not salvor is placed, and then says the wrong thing.
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("#!/bin/sh\necho 1234\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o = to(s, t.TempDir())
	o.Binary = NewBinary(other)
	wants(t, "a program that lies", start(t, machine(t, o)), ErrPlace, `"1234"`)

	tools := t.TempDir()
	for _, name := range []string{"sh", "id", "find", "dirname", "cut", "mkdir", "chmod", "mv", "df", "tail", "wc", "rm", "sha256sum", "cat"} {
		if err := os.Symlink("/usr/bin/"+name, tools+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	for what, machineSays := range map[string]string{"aarch64": "Linux aarch64", "FreeBSD": "FreeBSD amd64"} {
		fake(t, tools+"/uname", `case $1 in -s) echo `+strings.Fields(machineSays)[0]+`;; *) echo `+strings.Fields(machineSays)[1]+`;; esac`)
		odd := sshtest.Start(t, "SetEnv PATH="+tools)
		o = to(odd, t.TempDir()+"/s")
		wants(t, what, start(t, machine(t, o)), ErrMachine, what)
		if _, err := os.Stat(o.StateDir); err == nil {
			t.Errorf("%s: something was made there", what)
		}
	}
	// Neither gzip nor zstd; and a disk that is full.
	fake(t, tools+"/uname", `exec /usr/bin/uname "$@"`)
	bare := sshtest.Start(t, "SetEnv PATH="+tools)
	m := machine(t, to(bare, t.TempDir()))
	if err := start(t, m); err != nil || m.Stats().Placement.Codec != codecPlain {
		t.Errorf("without gzip: %v, %+v", err, m.Stats().Placement)
	}
	if err := os.Remove(tools + "/df"); err != nil {
		t.Fatal(err)
	}
	fake(t, tools+"/df", `echo; echo /dev/x 100000 99000 1000 99% /var`)
	wants(t, "a full disk", start(t, machine(t, to(bare, t.TempDir()))), ErrPlace, "1000 KiB are free", "stateDir")
}

// fake makes a program of a shell script.
func fake(t *testing.T, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}
