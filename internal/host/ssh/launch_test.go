package ssh

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// The launcher's constant text must mean the same to every login shell.
func TestLauncherInEveryShell(t *testing.T) {
	args := []string{"printf", "<%s>", "", "a b", "'", `"`, `\`, "$(touch x)", "`id`", "*", "!!", "-n", "+", ".", "ä\xff", "  two  ", "#", ";", "\t"}
	head, err := words(args)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, a := range args[2:] {
		want += "<" + a + ">"
	}
	for _, shell := range []string{"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh", "busybox"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		c := exec.Command(path, "-c", launcher)
		if shell == "busybox" {
			c = exec.Command(path, "sh", "-c", launcher)
		}
		c.Stdin = bytes.NewReader(head)
		out, err := c.Output()
		_, got, found := strings.Cut(string(out), "\n")
		if err != nil || !found || got != want || !strings.HasPrefix(string(out), begins) {
			t.Errorf("%s: %q, %v; want %q", shell, out, err, want)
		}
	}
}

// What follows the command line belongs to the command, to the byte.
func TestLauncherLeavesTheInput(t *testing.T) {
	head, err := words([]string{"cat"})
	if err != nil {
		t.Fatal(err)
	}
	rest := "+not\na word\n\x00\xff" + strings.Repeat("x", 1<<20)
	c := exec.Command("/bin/sh", "-c", launcher)
	in, err := c.StdinPipe() // not a file, in which the shell could seek back
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = in.Write(append(head, rest...)); in.Close() }()
	out, err := c.Output()
	if _, got, _ := strings.Cut(string(out), "\n"); got != rest || err != nil {
		t.Errorf("%d bytes of %d arrived, %v", len(got), len(rest), err)
	}
}

func TestWordsThatCannotTravel(t *testing.T) {
	for _, args := range [][]string{{}, {"a\nb"}, {"a", "\x00"}} {
		if _, err := words(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

// The scripts are one word for the launcher, and hold together as such.
func TestScriptsAreOneLine(t *testing.T) {
	for _, script := range []string{placeScript, removeScript} {
		if _, err := words([]string{oneLine(script)}); err != nil {
			t.Error(err)
		}
		if out, err := exec.Command("/bin/sh", "-n", "-c", oneLine(script)).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}
