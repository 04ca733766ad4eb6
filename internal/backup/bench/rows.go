package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/measure"
)

// backup measures a backup to two folders against etcdctl and zstd.
func (o options) backup() error {
	endpoint, stop, err := o.serveEtcd()
	if err != nil {
		return err
	}
	defer stop()
	base := o.path("base.db")
	saved, err := cold(filepath.Join(o.etcd, "etcdctl"), "--endpoints="+endpoint, "--command-timeout=10m", "snapshot", "save", base)
	if err != nil {
		return err
	}
	packed, err := cold("zstd", "-q", "-f", base)
	if err != nil {
		return err
	}
	against := saved.Add(packed)
	print("`etcdctl snapshot save`, then `zstd`", against)
	ours, err := row("`salvor backup` to two folders, sealed, read back", o.salvor, "backup", "-c", o.config("both"))
	if err != nil {
		return err
	}
	part, err := o.sealed("one")
	if err != nil {
		return err
	}
	alone, err := os.Stat(base + ".zst")
	if err != nil {
		return err
	}
	fmt.Printf("\nBackup: %.2f times `etcdctl snapshot save` and `zstd` by the clock, %.2f by CPU (goal: 1.5). Sealed: %d bytes; zstd alone: %d.\n",
		ours.Took.Seconds()/against.Took.Seconds(), ours.CPU.Seconds()/against.CPU.Seconds(), size(part), alone.Size())
	return os.Remove(base + ".zst")
}

// sealed finds the newest sealed snapshot in a folder.
func (o options) sealed(folder string) (string, error) {
	parts, err := filepath.Glob(o.path(folder + "/backups/*/etcd.snapshot.zst.age"))
	if err != nil || len(parts) == 0 {
		return "", errors.Join(errors.New("there is no sealed snapshot: measure the row backup first"), err)
	}
	return parts[len(parts)-1], nil
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (o options) folder() error { return o.fetch("folder") }

// bucket copies the backup to an S3 server and fetches it from there.
func (o options) bucket() error {
	if o.s3 == "" {
		return nil
	}
	stop, err := o.serveS3()
	if err != nil {
		return err
	}
	defer stop()
	for _, what := range []string{"init", "complete"} {
		if err := quiet(o.salvor, "vault", what, "-c", o.config("copy")).Run(); err != nil {
			return fmt.Errorf("copy to the S3 server: vault %s: %w", what, err)
		}
	}
	return o.fetch("bucket")
}

// fetch measures the download and the restore, each alone, and both as one.
func (o options) fetch(from string) error {
	if _, err := o.sealed("one"); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file, dir, snap := o.path("download"), o.path("restored"), o.path("snap.db")
	downloaded, err := row("download of the sealed snapshot from the "+from, self, "-config", o.config(from), "-download", file)
	if err != nil {
		return err
	}
	if err := os.Remove(file); err != nil {
		return err
	}
	got, err := row("`salvor vault get --snapshot`", o.salvor, "vault", "get", "-c", o.config(from), "--any-cluster", "--snapshot", snap)
	if err != nil {
		return err
	}
	var ratios []string
	for _, how := range [][]string{nil, {"--compact"}} {
		name := strings.Join(append([]string{"`snapshot restore"}, how...), " ") + "`"
		restored, err := row(name+" of the file", append([]string{o.salvor, "snapshot", "restore", snap, "--data-dir", dir}, how...)...)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		both, err := row(name+" of the backup while it is fetched", append([]string{o.salvor, "snapshot", "restore", "vault:newest", "-c", o.config(from), "--data-dir", dir}, how...)...)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		ratios = append(ratios, ratio(from, name, both, downloaded, restored, got))
	}
	fmt.Print(strings.Join(ratios, ""))
	return os.Remove(snap)
}

func ratio(from, name string, both, downloaded, restored, got measure.Cost) string {
	slower := max(downloaded.Took, restored.Took).Seconds()
	return fmt.Sprintf("\nFetch from the %s and %s: %.2f times the slower of download and restore (goal: 1.2); one after the other, with `vault get`, %.2f times.\n",
		from, name, both.Took.Seconds()/slower, (got.Took+restored.Took).Seconds()/slower)
}

// prove measures a proof.
func (o options) prove() error {
	_, err := row("`salvor vault prove` (fetch, restore, check with an etcd, bundle)", o.salvor, "vault", "prove", "-c", o.config("folder"))
	return err
}
