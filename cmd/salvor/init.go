package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/report"
)

// initResult is what init tells with -o json.
type initResult struct {
	Path string `json:"path,omitempty"`
	// Kept is where an older file was moved.
	Kept      string               `json:"kept,omitempty"`
	Layout    string               `json:"layout,omitempty"`
	Members   []config.FoundMember `json:"members"`
	Questions []string             `json:"questions,omitempty"`
	Warnings  []string             `json:"warnings,omitempty"`
}

func (a *app) initCommand() *cobra.Command {
	var o config.Options
	var w wanted
	var path string
	var force bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Find the control plane of these machines, or of this one, and write salvor.yaml",
		Long: `Init finds etcd members (static pods, systemd units, processes), API servers
and kubelets from the files of the machines, whether anything runs or not, and
writes what a person would have written. With --host it looks at machines over
SSH, and at those that they name; without, at this one. A machine that does not
answer is written as its siblings are. What it cannot know it names. It changes
nothing but that file.

Examples:
  salvor init --host root@10.0.0.11 --host root@10.0.0.12 --host root@10.0.0.13
  salvor init --snapshots /backup/etcd

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	c.Flags().StringVar(&path, "to", "salvor.yaml", "the file to write; - prints it")
	c.Flags().StringVar(&o.Name, "name", "", "the cluster's name, for reports (default: this machine's)")
	c.Flags().StringSliceVar(&o.DataDirs, "data-dir", nil, "data dirs of members that do not run and have no unit")
	c.Flags().StringSliceVar(&o.Snapshots, "snapshots", nil, "folders and files that may hold etcd snapshots")
	c.Flags().StringVar(&o.StateDir, "state-dir", "", "where salvor keeps its lock, cases and images (default: /var/lib/salvor)")
	c.Flags().StringArrayVar(&w.hosts, "host", nil, "a machine of the control plane, as [user@]host[:port]; may be given for each, workers too")
	c.Flags().StringArrayVar(&w.identities, "identity", nil, "private key files for --host (default: the agent's keys and ssh's usual files)")
	c.Flags().StringArrayVar(&w.jump, "jump", nil, "machines to go through, in order, as [user@]host[:port]")
	c.Flags().StringVar(&w.knownHosts, "known-hosts", "", "the file of known host keys (default: ssh's usual ones)")
	c.Flags().BoolVar(&w.sudo, "sudo", false, "run everything there with sudo -n, for a user who is not root")
	c.Flags().BoolVar(&force, "force", false, "replace an existing file; the old one is kept beside it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if len(w.hosts) == 0 && w.set() {
			return usageError{errors.New("--identity, --jump, --known-hosts and --sudo belong to --host")}
		}
		var found config.Found
		var err error
		if len(w.hosts) == 0 {
			found, err = config.Discover(c.Context(), o)
		} else {
			found, err = a.survey(c.Context(), w, o)
		}
		if err != nil {
			return err
		}
		return a.writeConfig(found, path, force)
	}
	return c
}

// writeConfig writes what was found and says what is still missing. A file
// with gaps is written all the same: it is the place to fill them in.
func (a *app) writeConfig(found config.Found, path string, force bool) error {
	r := initResult{Path: path, Layout: found.Layout, Members: found.Members, Questions: found.Questions, Warnings: found.Warnings}
	notes := append(append([]string{}, found.Questions...), found.Warnings...)
	if path == "-" {
		b, err := config.Render(found.Config, notes)
		if err != nil {
			return err
		}
		if err := a.say("%s", b); err != nil {
			return err
		}
		return a.gaps(r, "what was printed")
	}
	var err error
	if r.Kept, err = config.Save(path, found.Config, config.SaveOptions{Force: force, Notes: notes}); err != nil {
		return err
	}
	if a.output == "json" {
		if err := report.JSON(a.out, "Init", r); err != nil {
			return err
		}
		return a.gaps(r, path)
	}
	if r.Layout != "" {
		if err := a.say("layout: %s\n", r.Layout); err != nil {
			return err
		}
	}
	for _, m := range r.Members {
		state := "does not run"
		if m.PID != 0 {
			state = fmt.Sprintf("process %d", m.PID)
		}
		if err := a.say("  %-16s found as %s, %s, data dir: %s\n", m.Name, m.Source, state, m.Data); err != nil {
			return err
		}
	}
	if err := a.gaps(r, path); err != nil {
		return err
	}
	return a.say("%s was written. Next: salvor diagnose\n", path)
}

// gaps tells what will surprise and what only the operator knows; gaps are an
// error.
func (a *app) gaps(r initResult, what string) error {
	if a.output == "text" {
		for _, w := range r.Warnings {
			fmt.Fprintf(a.err, "warning: %s\n", w)
		}
		for _, q := range r.Questions {
			fmt.Fprintf(a.err, "to be filled in: %s\n", q)
		}
	}
	if len(r.Questions) == 0 {
		return nil
	}
	return hint(errors.New(what+" has gaps that only you can fill"), "fill them in, then `salvor diagnose`")
}
