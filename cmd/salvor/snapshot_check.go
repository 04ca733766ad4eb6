package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/report"
)

func (a *app) snapshotCheckCommand() *cobra.Command {
	o := datadir.CheckOptions{Decode: judge}
	var level string
	c := &cobra.Command{
		Use:   "check PATH",
		Short: "Prove, rung by rung, that a snapshot, a db file or a data dir is whole",
		Long: `Check climbs a ladder and reports each rung: L0 size and shape, L1 digest,
L2 the structure of every page and of the log, L3 the content: every record, and
every value as the Kubernetes object that its key promises, L4 a real etcd,
built in, that starts on a copy. It exits with 3 when a rung fails.

Example:
  salvor snapshot check /backup/etcd/snap.db --level L3

` + exitCodes,
		Args: args(cobra.ExactArgs(1)),
	}
	addWALDir(c, &o.WALDir)
	f := c.Flags()
	f.StringVar(&level, "level", "L3", "the highest rung: L0, L1, L2, L3 or L4")
	f.StringVar(&o.SHA256, "sha256", "", "the digest that the whole file must have, from a manifest")
	f.StringVar(&o.Scratch, "scratch", "", "folder for L4's copy (default: the temporary folder)")
	f.BoolVar(&o.SkipHashCheck, "skip-hash-check", false, "accept a file without a sha256 trailer, such as a db copied from a data dir")
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		var err error
		if o.Level, err = datadir.ParseLevel(level); err != nil {
			return usageError{err}
		}
		s, err := newSubject(list[0], o.WALDir)
		if err != nil {
			return err
		}
		r, err := datadir.Check(c.Context(), s.path, o)
		if err != nil {
			return err
		}
		if err := a.showCheck(r); err != nil {
			return err
		}
		if !r.Passed {
			return errFindings
		}
		return nil
	}
	return c
}

// judge reads a stored value as the Kubernetes object that its key promises.
func judge(key, value []byte) (encrypted bool, err error) {
	o, err := kube.Decode(string(key), value)
	return o.Encoding == kube.Encrypted, err
}

func (a *app) showCheck(r datadir.CheckReport) error {
	if a.output == "json" {
		return report.JSON(a.out, "SnapshotCheck", r)
	}
	for _, x := range r.Rungs {
		line := fmt.Sprintf("%s  %-8s %s", x.Name, x.State, x.What)
		if x.Note != "" {
			line += ": " + x.Note
		}
		if err := a.say("%s\n", line); err != nil {
			return err
		}
		for _, d := range x.Damage {
			at := ""
			if d.Offset >= 0 {
				at = fmt.Sprintf(" at byte %d", d.Offset)
			}
			if err := a.say("    %s: %s%s: %s\n", d.Kind, d.File, at, d.What); err != nil {
				return err
			}
		}
	}
	return a.say("%s: %s\n", r.Path, map[bool]string{true: "whole, as far as " + r.Rungs[len(r.Rungs)-1].Name + " proves", false: "NOT whole"}[r.Passed])
}
