package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Command is "salvor host …", the side that runs on the machines: serve, send,
// receive, pour and digest.
type Command struct {
	// Version is this binary's.
	Version string
	// Methods gives the methods of a server beside the built-in ones.
	Methods func(stateDir string) Methods
	// Springs give what "host pour" can make, by name; none when nil.
	Springs Springs
}

// errUsage explains the command line.
var errUsage = errors.New("usage: salvor host serve --state-dir DIR | salvor host send PATH | salvor host receive PATH | salvor host pour NAME | salvor host digest")

// Run runs one command line, which begins with "host", over the given streams.
// It is what Local runs.
func (c Command) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) < 2 || args[0] != "host" {
		return errUsage
	}
	flags := flag.NewFlagSet("host "+args[1], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	stateDir := flags.String("state-dir", "", "the folder of the host's lock and cases")
	if err := flags.Parse(args[2:]); err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	switch {
	case args[1] == "serve" && flags.NArg() == 0 && filepath.IsAbs(*stateDir):
		var methods Methods
		if c.Methods != nil {
			methods = c.Methods(*stateDir)
		}
		return Serve(ctx, stdio{stdin, stdout}, methods, ServeOptions{Version: c.Version, StateDir: *stateDir, Log: stderr})
	case args[1] == "send" && flags.NArg() == 1:
		return send(ctx, flags.Arg(0), stdin, stdout)
	case args[1] == "receive" && flags.NArg() == 1:
		return receive(ctx, filepath.Clean(flags.Arg(0)), stdin, stdout)
	case args[1] == "pour" && flags.NArg() == 1:
		return c.pour(ctx, flags.Arg(0), stdin, stdout)
	case args[1] == "digest" && flags.NArg() == 0:
		return digest(stdout)
	}
	return errUsage
}

// Main is Run for a whole process and its standard streams. From then on a
// write to a broken standard output is an error instead of the process's end:
// when the coordinator is gone, running work is stopped in order.
func (c Command) Main(ctx context.Context, args []string) error {
	signal.Ignore(syscall.SIGPIPE)
	return c.Run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
}

// stdio makes one stream of two.
type stdio struct {
	io.Reader
	io.Writer
}
