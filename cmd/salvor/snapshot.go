package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/datadir"
)

func (a *app) snapshotCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: "Inspect, check, salvage, restore and compare etcd's files at rest",
		Long: `Snapshot works on a snapshot file, a bare db file or a data dir, while nothing
runs. What it reads it never changes, and it never waits for a running etcd.

` + exitCodes,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.snapshotInspectCommand(), a.snapshotCheckCommand(), a.snapshotSalvageCommand(), a.snapshotRestoreCommand(),
		a.snapshotDiffCommand(), a.snapshotStatusCommand(), a.snapshotListCommand(), a.snapshotGetCommand())
	return c
}

// subject is what a snapshot command was pointed at.
type subject struct {
	path string
	// db is the db or snapshot file; wal is the folder of the log, empty
	// unless path is a data dir.
	db, wal string
	dir     bool
}

// newSubject tells a data dir from a file. walDir may name the log's folder of
// a data dir that keeps it elsewhere.
func newSubject(path, walDir string) (subject, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return subject{}, hint(fmt.Errorf("%s: %w", path, fs.ErrNotExist), "give a snapshot file, a db file or a data dir")
	case err != nil:
		return subject{}, err
	case !info.IsDir():
		if walDir != "" {
			return subject{}, usageError{fmt.Errorf("--wal-dir belongs to a data dir, but %s is a file", path)}
		}
		return subject{path: path, db: path}, nil
	}
	if m, err := os.Stat(filepath.Join(path, "member")); err != nil || !m.IsDir() {
		return subject{}, hint(fmt.Errorf("%s is a folder but no etcd data dir: it has no folder member", path), "a data dir is what etcd's --data-dir names, for example /var/lib/etcd")
	}
	s := subject{path: path, db: filepath.Join(path, "member", "snap", "db"), wal: walDir, dir: true}
	if walDir == "" {
		s.wal = filepath.Join(path, "member", "wal")
	}
	return s, nil
}

// image gives a db file with everything that a subject holds. For a data dir
// whose log goes on behind its db that is a salvaged copy in a folder of its
// own below scratch, which done removes.
func (a *app) image(ctx context.Context, s subject, scratch string) (path string, done func(), err error) {
	done = func() {}
	if !s.dir {
		return s.db, done, nil
	}
	d, err := datadir.Glance(ctx, s.path, s.wal)
	if err != nil {
		return "", done, err
	}
	if d.DB.OK && d.Log.OK && d.Log.Value.ReachIndex <= d.DB.Value.ConsistentIndex {
		return s.db, done, nil
	}
	work, err := os.MkdirTemp(scratch, "salvor-snapshot-")
	if err != nil {
		return "", done, fmt.Errorf("make a folder for a copy: %w", err)
	}
	done = func() { _ = os.RemoveAll(work) }
	r, err := datadir.Salvage(ctx, datadir.Source{DB: s.db, WALDir: s.wal}, filepath.Join(work, "image.db"), nil)
	if err != nil {
		done()
		return "", func() {}, hint(err, "`salvor snapshot inspect %s` tells what is wrong with it", s.path)
	}
	fmt.Fprintf(a.err, "%s: %d entries of the log behind its db are taken in\n", s.path, r.Applied)
	return r.Image, done, nil
}

// logBeside warns of a db that is named by itself although it lies in a data dir
// whose log goes on behind it.
func (a *app) logBeside(ctx context.Context, s subject) {
	abs, err := filepath.Abs(s.path)
	dir, inside := strings.CutSuffix(abs, filepath.Join(string(filepath.Separator), "member", "snap", "db"))
	if err != nil || s.dir || !inside {
		return
	}
	d, err := datadir.Glance(ctx, dir, "")
	if err != nil || !d.DB.OK || !d.Log.OK || d.Log.Value.ReachIndex <= d.DB.Value.ConsistentIndex {
		return
	}
	fmt.Fprintf(a.err, "careful: the log beside %s goes on for %d entries that it lacks, acknowledged writes among them: give %s instead\n",
		s.path, d.Log.Value.ReachIndex-d.DB.Value.ConsistentIndex, dir)
}

// flags that several snapshot commands have.
type scratchFlag struct{ dir string }

func (f *scratchFlag) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "scratch", "", "folder for the copy of a data dir whose log is ahead of its db (default: the temporary folder)")
}

func addWALDir(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "wal-dir", "", "folder of the log, when the data dir does not hold it")
}
