package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/layout"
	"github.com/salvor-project/salvor/lab/layout/external"
	"github.com/salvor-project/salvor/lab/layout/kubeadm"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/state"
	"github.com/salvor-project/salvor/lab/tell"
)

// parsePlan reads the flags of up and build.
func parsePlan(args []string, versions []string) (layout.Plan, error) {
	var plan layout.Plan
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&plan.Layout, "layout", "kubeadm", "")
	flags.IntVar(&plan.ControlPlanes, "control-planes", 3, "")
	flags.IntVar(&plan.Workers, "workers", 1, "")
	flags.StringVar(&plan.Etcd, "etcd", "", "")
	flags.IntVar(&plan.DiskGiB, "disk", 10, "")
	flags.BoolVar(&plan.Reuse, "reuse", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return plan, fmt.Errorf("%w: up: %w", errUsage, errors.Join(err, extra(flags.Args())))
	}
	switch plan.Layout {
	case "kubeadm":
		plan.Etcd = strings.TrimPrefix(orElse(plan.Etcd, build.Etcd), "v")
	case "external":
		plan.Etcd = strings.TrimPrefix(orElse(plan.Etcd, build.EtcdOld), "v")
	default:
		return plan, fmt.Errorf("%w: no layout %q: take kubeadm or external", errUsage, plan.Layout)
	}
	if plan.ControlPlanes < 1 || plan.ControlPlanes > 9 || plan.Workers < 0 || plan.Workers > 20 || plan.DiskGiB < 2 {
		return plan, fmt.Errorf("%w: take 1 to 9 control planes, 0 to 20 workers, and disks of 2 GiB or more", errUsage)
	}
	if !slices.Contains(versions, plan.Etcd) {
		return plan, fmt.Errorf("%w: no etcd %s: take one of %s", errUsage, plan.Etcd, strings.Join(versions, ", "))
	}
	return plan, nil
}

func extra(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("what is %q?", args[0])
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func up(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	t := tell.New(stderr)
	b, err := build.New(t)
	if err != nil {
		return err
	}
	plan, err := parsePlan(args, b.EtcdVersions())
	if err != nil {
		return err
	}
	if err := build.Privileged(); err != nil {
		return err
	}
	if err := b.Packages(ctx); err != nil {
		return err
	}
	unlock, err := state.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if plan.Reuse && layout.Stands(ctx, plan) {
		t.Say("a lab like that is up")
		return greet(stdout)
	}
	if err := takeDown(ctx, t); err != nil {
		return err
	}
	c, err := layout.New(b, t, plan)
	if err != nil {
		return err
	}
	make := kubeadm.Up
	if plan.Layout == "external" {
		make = external.Up
	}
	if err := make(ctx, c); err != nil {
		return fmt.Errorf("%w\nwhat stands is left for you to look at; \"go run ./lab down\" takes it down", err)
	}
	if err := c.Finish(); err != nil {
		return err
	}
	t.Say("the lab is up: %s, Kubernetes %s, etcd %s", plan.Layout, build.Kubernetes, plan.Etcd)
	return greet(stdout)
}

// greet tells how the lab is reached.
func greet(w io.Writer) error {
	_, err := fmt.Fprintf(w, "export KUBECONFIG=%s\nssh -F %s cp-1\n", state.Kubeconfig(), state.Site().SSHConfig())
	return err
}

func buildOnly(ctx context.Context, args []string, _, stderr io.Writer) error {
	t := tell.New(stderr)
	b, err := build.New(t)
	if err != nil {
		return err
	}
	plan, err := parsePlan(args, b.EtcdVersions())
	if err != nil {
		return err
	}
	if err := build.Privileged(); err != nil {
		return err
	}
	if err := b.Packages(ctx); err != nil {
		return err
	}
	image := plan.Etcd
	if plan.Layout == "external" {
		image = ""
	}
	for _, name := range []string{"etcd", "etcdctl", "etcdutl"} {
		if _, err := b.EtcdProgram(ctx, plan.Etcd, name); err != nil {
			return err
		}
	}
	if _, err := b.Root(ctx); err != nil {
		return err
	}
	if _, err := b.Store(ctx, image); err != nil {
		return err
	}
	if _, err := b.Program(ctx, "kubectl"); err != nil {
		return err
	}
	t.Say("everything is built")
	return nil
}

func down(ctx context.Context, args []string, _, stderr io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: down takes no arguments", errUsage)
	}
	if err := build.Privileged(); err != nil {
		return err
	}
	unlock, err := state.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	t := tell.New(stderr)
	if err := takeDown(ctx, t); err != nil {
		return err
	}
	t.Say("nothing of a lab is left; the cache of what was built stays")
	return nil
}

// takeDown removes whatever there is of a lab.
func takeDown(ctx context.Context, t *tell.Teller) error {
	if _, err := os.Stat(state.Dir()); err == nil {
		defer t.Step("take the old lab down")()
	}
	if err := layout.StopBalancer(); err != nil {
		return err
	}
	if err := machine.Clean(ctx, state.Dir()); err != nil {
		return fmt.Errorf("take the lab down: %w", err)
	}
	if err := os.RemoveAll(state.Dir()); err != nil {
		return fmt.Errorf("remove the lab's folder: %w", err)
	}
	return nil
}
