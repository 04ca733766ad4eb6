// Bench measures restore, check and replay side by side with etcdutl's library
// and a live etcd, on subjects that it makes once, and prints a Markdown table.
//
//	go run ./internal/datadir/bench -dir CACHE [-rows restore,three,check,replay] [-repeat 3]
//
// It needs root, to drop the page cache, and some 20 GB in CACHE.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"
)

func main() {
	cache, _ := os.UserCacheDir()
	dir := flag.String("dir", filepath.Join(cache, "salvor", "bench"), "where the subjects are kept and the work is done")
	rows := flag.String("rows", "restore,three,check,replay", "what to measure")
	revisions := flag.Int("revisions", 800_000, "the size of the subjects; goals are stated for the default")
	repeat := flag.Int("repeat", 1, "how many times to measure everything; more than once, the medians follow")
	task := flag.String("task", "", "used by the program itself: do one task and print how long it took")
	flag.Parse()
	ctx := context.Background()
	var err error
	if *task != "" {
		err = perform(ctx, *task, flag.Args())
	} else {
		err = bench(ctx, *dir, *revisions, strings.Split(*rows, ","), *repeat)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// perform does one task and prints its result.
func perform(ctx context.Context, task string, args []string) error {
	do, ok := tasks()[task]
	if !ok {
		return fmt.Errorf("task %q is not known", task)
	}
	if path := os.Getenv("BENCH_PROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	began := time.Now()
	note, err := do(ctx, args)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result{Seconds: time.Since(began).Seconds(), Note: note})
}
