package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// ranges is how many are downloaded at once, rangeSize how long each is.
const (
	ranges    = 4
	rangeSize = 4 << 20
)

// download fetches the newest sealed snapshot of a configuration's first target
// into a file, in parallel ranges, and does nothing else with it.
func download(ctx context.Context, configPath, to string) error {
	cfg, err := config.Load(configPath)
	if err != nil {
		return err
	}
	v, err := backup.Open(cfg.Vault, backup.Options{})
	if err != nil {
		return err
	}
	t := v.Targets[0]
	all, err := t.List(ctx, "backups/")
	if err != nil {
		return err
	}
	var newest target.Object
	for _, o := range all {
		if strings.Contains(o.Key, "/"+backup.SnapshotPart) && o.Key > newest.Key {
			newest = o
		}
	}
	if newest.Key == "" {
		return errors.New("the target holds no snapshot")
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	errs := make([]error, ranges)
	var wait sync.WaitGroup
	for i := range ranges {
		wait.Go(func() { errs[i] = copyRanges(ctx, t, newest, f, int64(i)) })
	}
	wait.Wait()
	return errors.Join(append(errs, f.Close(), v.Close())...)
}

// copyRanges copies every fourth range.
func copyRanges(ctx context.Context, t target.Target, o target.Object, f *os.File, first int64) error {
	b := make([]byte, rangeSize)
	for at := first * rangeSize; at < o.Size; at += ranges * rangeSize {
		part := b[:min(rangeSize, o.Size-at)]
		r, err := t.Get(ctx, o.Key, at, int64(len(part)))
		if err != nil {
			return err
		}
		_, err = io.ReadFull(r, part)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("download %s: %w", o.Key, err)
		}
		if _, err := f.WriteAt(part, at); err != nil {
			return err
		}
	}
	return nil
}
