package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/layout"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/state"
	"github.com/salvor-project/salvor/lab/tell"
)

func status(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: status takes no arguments", errUsage)
	}
	lab, err := state.Load()
	if err != nil {
		return err
	}
	b, err := build.New(tell.New(stderr))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "layout %s, Kubernetes %s, etcd %s, since %s\n", lab.Layout, lab.Kubernetes, lab.Etcd, lab.Made.Format(time.RFC3339))
	if !lab.Complete {
		fmt.Fprintln(stdout, "up did not come to its end")
	}
	backends, lbErr := layout.Backends()
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "machine\taddress\tpower\tmemory\tload balancer sees")
	for _, m := range lab.Machines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Name, m.Addr, machinePower(ctx, m), orElse(backends[m.Name], "-"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if lbErr != nil {
		fmt.Fprintln(stdout, "load balancer:", lbErr)
	}
	c := &layout.Cluster{Build: b, Lab: lab}
	if out, err := c.Kubectl(ctx, "get", "nodes", "--request-timeout=3s"); err != nil {
		fmt.Fprintln(stdout, "API:", err)
	} else {
		fmt.Fprint(stdout, string(out))
	}
	for _, f := range lab.Faults {
		fmt.Fprintf(stdout, "broken: %s on %s since %s\n", f.Fault, f.Host, f.At.Format(time.TimeOnly))
	}
	return nil
}

// machinePower is "on" or "off", and the memory in use.
func machinePower(ctx context.Context, m machine.Machine) string {
	pid, err := machine.Init(ctx, m)
	switch {
	case err != nil:
		return "unknown\t-"
	case pid == 0:
		return "off\t-"
	}
	used, err := machine.Memory(m)
	if err != nil {
		return "on\t-"
	}
	return fmt.Sprintf("on\t%d MiB", used>>20)
}

func ssh(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: ssh needs a machine", errUsage)
	}
	lab, err := state.Load()
	if err != nil {
		return err
	}
	_, name, has := strings.Cut(args[0], "@")
	if !has {
		name = args[0]
	}
	if _, err := lab.Find(name); err != nil {
		return err
	}
	return attach(ctx, stdout, stderr, append([]string{"ssh", "-F", state.Site().SSHConfig()}, args...))
}

func kubectl(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if _, err := state.Load(); err != nil {
		return err
	}
	b, err := build.New(tell.New(stderr))
	if err != nil {
		return err
	}
	path, err := b.Program(ctx, "kubectl")
	if err != nil {
		return err
	}
	return attach(ctx, stdout, stderr, append([]string{path, "--kubeconfig", state.Kubeconfig()}, args...))
}

// attach runs a program with this one's streams.
func attach(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	return cmd.Run()
}
