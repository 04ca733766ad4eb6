// Command lab puts up, breaks, heals and takes down a laboratory of real
// machines on one Linux box; see README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage: go run ./lab COMMAND

  up --layout kubeadm|external [--control-planes 3] [--workers 1] [--etcd VERSION] [--disk GIB] [--reuse]
                              put the lab up; what is there is taken down first, unless it is
                              the same, whole and unbroken, and --reuse was said
  build [--layout …] [--etcd VERSION]
                              only build what up needs
  down                        take everything down again, also after a crash
  status                      machines, load balancer, nodes, faults
  ssh HOST [COMMAND…]         log in as root, or run a command
  kubectl ARGS…               through the load balancer
  break FAULT [HOST…] [KEY=VALUE…]
                              "break --list" tells the faults
  heal [FAULT] [HOST…]        undo what can be undone
  power on|off|cut HOST…      switch machines
`

// errUsage makes the exit code 2.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil {
		return
	}
	var exit *exec.ExitError
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, strings.TrimPrefix(err.Error(), errUsage.Error()+": "), "\n", usage)
		os.Exit(2)
	case errors.As(err, &exit) && len(os.Args) > 1 && (os.Args[1] == "ssh" || os.Args[1] == "kubectl"):
		os.Exit(exit.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, []string, io.Writer, io.Writer) error{
		"up": up, "build": buildOnly, "down": down, "status": status, "ssh": ssh,
		"kubectl": kubectl, "break": breakIt, "heal": heal, "power": power,
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Fprint(stdout, usage)
		return nil
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("%w: no command %q", errUsage, args[0])
	}
	return command(ctx, args[1:], stdout, stderr)
}
