package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/fault"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/state"
	"github.com/salvor-project/salvor/lab/tell"
)

func breakIt(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] == "--list" {
		list(stdout)
		return nil
	}
	f, err := fault.Find(args[0])
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	lab, unlock, err := open()
	if err != nil {
		return err
	}
	defer unlock()
	hosts, choices, err := words(lab, args[1:])
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.Site {
		hosts = []machine.Machine{machine.Balancer()}
	}
	if len(hosts) == 0 {
		return fmt.Errorf("%w: %s needs machines", errUsage, f.Name)
	}
	keys, err := f.Choose(lab, choices)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	t := tell.New(stderr)
	scene := &fault.Scene{Site: state.Site(), Lab: lab, Named: hosts, Keys: keys}
	for _, m := range hosts {
		notes, err := f.Do(ctx, scene, m)
		if notes != nil || err == nil { // also half a fault must be healed
			lab.Faults = append(lab.Faults, state.Applied{Fault: f.Name, Host: m.Name, At: time.Now().UTC(), Notes: notes})
		}
		if err := errors.Join(err, lab.Save()); err != nil {
			return fmt.Errorf("%s on %s: %w", f.Name, m.Name, err)
		}
		t.Say("%s: %s", m.Name, f.Name)
	}
	return nil
}

// list tells the faults.
func list(w io.Writer) {
	for _, f := range fault.All() {
		fmt.Fprintf(w, "%s\n    %s\n", f.Name, f.What)
		for _, k := range f.Keys {
			fmt.Fprintf(w, "    %s=%s  %s\n", k.Name, k.Default, k.What)
		}
		if f.Lost != "" {
			fmt.Fprintf(w, "    heal cannot undo it: %s\n", f.Lost)
		}
	}
}

// open reads the lab to change it.
func open() (*state.Lab, func(), error) {
	if err := build.Privileged(); err != nil {
		return nil, nil, err
	}
	lab, err := state.Load()
	if err != nil {
		return nil, nil, err
	}
	unlock, err := state.Lock()
	if err != nil {
		return nil, nil, err
	}
	return lab, unlock, nil
}

// words splits arguments into machines and choices (KEY=VALUE).
func words(lab *state.Lab, args []string) (hosts []machine.Machine, choices []string, err error) {
	for _, word := range args {
		switch {
		case strings.Contains(word, "="):
			choices = append(choices, word)
		case word == "all":
			hosts = append(hosts, lab.ControlPlanes()...)
		default:
			m, err := lab.Find(word)
			if err != nil {
				return nil, nil, err
			}
			hosts = append(hosts, m)
		}
	}
	return hosts, choices, nil
}

// heal undoes faults, the last first: all of them, or those of a name, or
// those of some machines.
func heal(ctx context.Context, args []string, _, stderr io.Writer) error {
	lab, unlock, err := open()
	if err != nil {
		return err
	}
	defer unlock()
	only := ""
	if len(args) > 0 {
		if f, err := fault.Find(args[0]); err == nil {
			only, args = f.Name, args[1:]
		}
	}
	hosts, _, err := words(lab, args)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	t := tell.New(stderr)
	scene := &fault.Scene{Site: state.Site(), Lab: lab}
	var failed []error
	for i := len(lab.Faults) - 1; i >= 0; i-- {
		a := lab.Faults[i]
		named := slices.ContainsFunc(hosts, func(m machine.Machine) bool { return m.Name == a.Host })
		if only != "" && a.Fault != only || len(hosts) > 0 && !named {
			continue
		}
		said, err := undo(ctx, scene, lab, a)
		if err != nil {
			failed = append(failed, fmt.Errorf("heal %s on %s: %w", a.Fault, a.Host, err))
			continue
		}
		t.Say("%s: %s", a.Host, said)
		lab.Faults = slices.Delete(lab.Faults, i, i+1)
		if err := lab.Save(); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// undo heals one fault and says what came of it.
func undo(ctx context.Context, scene *fault.Scene, lab *state.Lab, a state.Applied) (string, error) {
	f, err := fault.Find(a.Fault)
	if err != nil {
		return "", err
	}
	if f.Heal == nil {
		return a.Fault + " cannot be undone: " + f.Lost, nil
	}
	m := machine.Balancer()
	if !f.Site {
		if m, err = lab.Find(a.Host); err != nil {
			return "", err
		}
	}
	return a.Fault + " healed", f.Heal(ctx, scene, m, a.Notes)
}

// power switches machines on, off (as a shutdown does) or cuts them off.
func power(ctx context.Context, args []string, _, stderr io.Writer) error {
	if len(args) < 2 {
		return fmt.Errorf("%w: power on|off|cut HOST…", errUsage)
	}
	lab, unlock, err := open()
	if err != nil {
		return err
	}
	defer unlock()
	hosts, _, err := words(lab, args[1:])
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	site, t := state.Site(), tell.New(stderr)
	for _, m := range hosts {
		switch args[0] {
		case "on":
			if err := site.Boot(ctx, m); err != nil {
				return err
			}
			if err := machine.Ready(ctx, m, time.Minute); err != nil {
				return err
			}
			lab.Faults = slices.DeleteFunc(lab.Faults, func(a state.Applied) bool { return a.Fault == "power-cut" && a.Host == m.Name })
		case "off":
			err = site.Stop(ctx, m)
		case "cut":
			err = site.Cut(ctx, m)
		default:
			return fmt.Errorf("%w: power on|off|cut HOST…", errUsage)
		}
		if err := errors.Join(err, lab.Save()); err != nil {
			return err
		}
		t.Say("%s: power %s", m.Name, args[0])
	}
	return nil
}
