// Bench measures a backup to two targets against `etcdctl snapshot save` and
// zstd, a fetch with its restore against the slower of the download and the
// restore, from a folder and from an S3 server on this machine, a whole recovery
// from a folder against one from the same snapshot on the machine, and a proof, on
// an etcd that serves a large snapshot. It prints Markdown tables.
//
//	go build -o /tmp/salvor ./cmd/salvor
//	go run ./internal/datadir/bench -dir CACHE -rows none    # makes the subject, CACHE/old.db
//	go run ./internal/backup/bench -subject CACHE/old.db -salvor /tmp/salvor -etcd DIR-WITH-ETCD-AND-ETCDCTL \
//	    -s3 PATH-OF-VERSITYGW -dir WORK [-rows backup,folder,s3,recover,prove] [-rounds 1]
//
// It needs the program zstd, root to drop the page cache, and 25 GB in WORK,
// which has to be new; it stays, and more rows can be measured in it. The rows
// but backup need a backup that was measured there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/measure"
)

type options struct{ subject, salvor, etcd, s3, dir string }

func main() {
	var o options
	flag.StringVar(&o.subject, "subject", "", "a snapshot file")
	flag.StringVar(&o.salvor, "salvor", "", "the salvor program")
	flag.StringVar(&o.etcd, "etcd", "", "the folder of etcd and etcdctl")
	flag.StringVar(&o.s3, "s3", "", "the versitygw program; without it the row s3 is left out")
	flag.StringVar(&o.dir, "dir", "", "where the work is done")
	rows := flag.String("rows", "backup,folder,s3,recover,prove", "what to measure")
	rounds := flag.Int("rounds", 1, "how often each is measured")
	task := flag.String("download", "", "used by the program itself: download the sealed snapshot of salvor.yaml's first target to this file")
	config := flag.String("config", "", "with -download: the salvor.yaml")
	flag.Parse()
	var err error
	if *task != "" {
		err = download(context.Background(), *config, *task)
	} else {
		err = o.run(strings.Split(*rows, ","), *rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o options) run(rows []string, rounds int) error {
	if err := os.Mkdir(o.dir, 0o700); err == nil {
		if err := o.prepare(); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	measures := map[string]func() error{"backup": o.backup, "folder": o.folder, "s3": o.bucket, "recover": o.recover, "prove": o.prove}
	for range rounds {
		for _, row := range rows {
			do, ok := measures[row]
			if !ok {
				return fmt.Errorf("there is no row %q", row)
			}
			fmt.Printf("\nLoad at the start: %s\n\n| what | seconds | CPU | anonymous memory |\n|---|---|---|---|\n", measure.Load())
			if err := do(); err != nil {
				return err
			}
			fmt.Printf("\nLoad at the end: %s\n", measure.Load())
		}
	}
	return nil
}

// row measures one command with a cold page cache.
func row(what string, command ...string) (measure.Cost, error) {
	cost, err := cold(command...)
	if err == nil {
		print(what, cost)
	}
	return cost, err
}

func cold(command ...string) (measure.Cost, error) {
	if err := measure.Cold(); err != nil {
		return measure.Cost{}, err
	}
	return measure.Run(quiet(command...))
}

// quiet is a command whose complaints are seen only.
func quiet(command ...string) *exec.Cmd {
	c := exec.Command(command[0], command[1:]...)
	c.Stderr = os.Stderr
	return c
}

func print(what string, c measure.Cost) {
	fmt.Printf("| %s | %.1f | %.1f | %d MiB |\n", what, c.Took.Seconds(), c.CPU.Seconds(), c.Anonymous>>20)
}

func (o options) path(name string) string { return filepath.Join(o.dir, name) }

// config is the salvor.yaml with some of the targets.
func (o options) config(targets string) string { return o.path(targets + ".yaml") }
