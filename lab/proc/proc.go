// Package proc runs the programs that the lab is made with.
package proc

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Cmd is one program to run. Args[0] is its name.
type Cmd struct {
	Args  []string
	Dir   string   // the working directory; "" is the caller's
	Env   []string // added to the caller's environment
	Stdin []byte
}

// Run runs a program and forgets what it says; its last lines are in the error.
func Run(ctx context.Context, args ...string) error {
	_, err := Cmd{Args: args}.Output(ctx)
	return err
}

// Output runs a program and gives its standard output. The last lines of its
// standard error, or else of its output, are in the error.
func (c Cmd) Output(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if c.Stdin != nil {
		cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	if err := cmd.Run(); err != nil {
		words := tail(said.String(), 6)
		if words == "" {
			words = tail(out.String(), 6)
		}
		return out.Bytes(), fmt.Errorf("%s: %w: %s", name(c.Args), err, words)
	}
	return out.Bytes(), nil
}

// name is a command line, cut to what fits into an error.
func name(args []string) string {
	s := strings.Join(args, " ")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], " / ")
}
