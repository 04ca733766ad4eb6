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
	Members   []config.FoundMember `json:"members"`
	Questions []string             `json:"questions,omitempty"`
	Warnings  []string             `json:"warnings,omitempty"`
}

func (a *app) initCommand() *cobra.Command {
	var o config.Options
	var path string
	var force bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Find the etcd members of this machine and write salvor.yaml",
		Long: `Init finds running etcd processes and configured systemd units, reads their
flags and files, and writes what a person would have written. What it cannot
know it names. It changes nothing but that file.

Example:
  salvor init --snapshots /backup/etcd

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	c.Flags().StringVar(&path, "to", "salvor.yaml", "the file to write; - prints it")
	c.Flags().StringVar(&o.Name, "name", "", "the cluster's name, for reports (default: this machine's)")
	c.Flags().StringSliceVar(&o.DataDirs, "data-dir", nil, "data dirs of members that do not run and have no unit")
	c.Flags().StringSliceVar(&o.Snapshots, "snapshots", nil, "folders and files that may hold etcd snapshots")
	c.Flags().StringVar(&o.StateDir, "state-dir", "", "where salvor keeps its lock, cases and images (default: /var/lib/salvor)")
	c.Flags().BoolVar(&force, "force", false, "replace an existing file; the old one is kept beside it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		found, err := config.Discover(c.Context(), o)
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
	r := initResult{Path: path, Members: found.Members, Questions: found.Questions, Warnings: found.Warnings}
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
