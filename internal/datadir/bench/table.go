package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/measure"
)

// sheet is one bench.
type sheet struct {
	ctx  context.Context
	dir  string
	peak int64 // of Salvor's own tasks
	all  []measured
}

// measured is one line of the table.
type measured struct {
	what         string
	cold         bool
	against, own float64 // seconds or, of the replay, revisions a second
	times        float64
}

func bench(ctx context.Context, dir string, revisions int, rows []string, repeat int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s := &sheet{ctx: ctx, dir: dir}
	old, live := filepath.Join(dir, "old.db"), filepath.Join(dir, "live.db")
	if err := generate(old, subject{revisions: revisions, keys: revisions / 8, valueSize: 2200, seed: 1}); err != nil {
		return err
	}
	if err := generate(live, subject{revisions: revisions, keys: revisions * 9 / 10, valueSize: 2200, seed: 2}); err != nil {
		return err
	}
	load := measure.Load()
	fmt.Printf("Load at the start: %s\n", load)
	fmt.Println("| what | page cache | against | Salvor | times | CPU, against | Salvor | anonymous memory, against | Salvor |\n|---|---|---|---|---|---|---|---|---|")
	for range repeat {
		if err := s.round(old, live, rows); err != nil {
			return err
		}
	}
	if repeat > 1 {
		s.medians()
	}
	fmt.Printf("\nHighest anonymous memory of Salvor's tasks: %d MiB\n", s.peak>>20)
	return nil
}

// round measures all rows once.
func (s *sheet) round(old, live string, rows []string) error {
	for _, x := range []struct {
		name string
		do   func() error
	}{
		{"restore", func() error { return s.restore(old, live) }},
		{"three", func() error { return s.three(old) }},
		{"check", func() error { return s.check(old) }},
		{"replay", s.replay},
	} {
		if slices.Contains(rows, x.name) {
			if err := x.do(); err != nil {
				return err
			}
		}
	}
	return nil
}

// medians prints what several rounds came to; the ratio is that of each round.
func (s *sheet) medians() {
	fmt.Println("\n| what | page cache | against, median (least to most) | Salvor | times |\n|---|---|---|---|---|")
	for i, m := range s.all {
		same := func(n measured) bool { return n.what == m.what && n.cold == m.cold }
		if slices.IndexFunc(s.all, same) < i {
			continue
		}
		var against, own, times []float64
		for _, n := range s.all {
			if same(n) {
				against, own, times = append(against, n.against), append(own, n.own), append(times, n.times)
			}
		}
		fmt.Printf("| %s | %s | %s | %s | %s |\n", m.what, cache(m.cold), spread(against), spread(own), spread(times))
	}
}

func spread(x []float64) string {
	slices.Sort(x)
	return fmt.Sprintf("%.1f (%.1f to %.1f)", x[len(x)/2], x[0], x[len(x)-1])
}

func cache(cold bool) string {
	if cold {
		return "cold"
	}
	return "warm"
}

// one measures one task, cold or warm.
func (s *sheet) one(isCold bool, task string, args ...string) (result, error) {
	var err error
	if isCold {
		err = measure.Cold()
	} else {
		err = warm(args[0])
	}
	if err != nil {
		return result{}, err
	}
	r, err := run(s.ctx, task, args...)
	fmt.Fprintf(os.Stderr, "%s cold=%v: %.2f s, CPU %.2f s, %d MiB anonymous, %s\n", task, isCold, r.Seconds, r.cpu, r.anonymous>>20, r.Note)
	return r, err
}

func (s *sheet) line(what string, isCold bool, against, own result) {
	fmt.Printf("| %s | %s | %.1f s | %.1f s | %.1f | %.1f s | %.1f s | %d MiB | %d MiB |\n", what, cache(isCold),
		against.Seconds, own.Seconds, against.Seconds/own.Seconds, against.cpu, own.cpu, against.anonymous>>20, own.anonymous>>20)
	s.peak = max(s.peak, own.anonymous)
	s.all = append(s.all, measured{what, isCold, against.Seconds, own.Seconds, against.Seconds / own.Seconds})
}

// serving restores with a task and starts an etcd on the result.
func (s *sheet) serving(isCold bool, task, source string) (result, error) {
	out := filepath.Join(s.dir, "out")
	if err := os.RemoveAll(out); err != nil {
		return result{}, err
	}
	defer os.RemoveAll(out)
	r, err := s.one(isCold, task, source, out)
	if err != nil {
		return r, err
	}
	up, err := run(s.ctx, "serve", out)
	fmt.Fprintf(os.Stderr, "  serve: %.2f s, %s\n", up.Seconds, up.Note)
	r.Seconds += up.Seconds
	r.cpu += up.cpu
	return r, err
}

func (s *sheet) restore(old, live string) error {
	for _, x := range []struct{ what, source string }{{"restore until serving, 12 % live", old}, {"restore until serving, 90 % live", live}} {
		for _, isCold := range []bool{true, false} {
			against, err := s.serving(isCold, "etcdutl-restore", x.source)
			if err != nil {
				return err
			}
			own, err := s.serving(isCold, "restore", x.source)
			if err != nil {
				return err
			}
			s.line(x.what, isCold, against, own)
		}
	}
	return nil
}

func (s *sheet) three(old string) error {
	out := filepath.Join(s.dir, "out")
	defer os.RemoveAll(out)
	for _, isCold := range []bool{true, false} {
		var results [2]result
		for i, task := range []string{"etcdutl-restore-three", "restore-three"} {
			if err := os.RemoveAll(out); err != nil {
				return err
			}
			var err error
			if results[i], err = s.one(isCold, task, old, out); err != nil {
				return err
			}
		}
		s.line("restore three members, 12 % live", isCold, results[0], results[1])
	}
	return nil
}

func (s *sheet) check(old string) error {
	for _, x := range []struct{ what, against, own string }{
		{"check L0-L2 against `etcdutl snapshot status`", "etcdutl-status", "check-L2"},
		{"check L0-L3 against cat", "cat", "check-L3"},
	} {
		for _, isCold := range []bool{true, false} {
			against, err := s.one(isCold, x.against, old)
			if err != nil {
				return err
			}
			own, err := s.one(isCold, x.own, old)
			if err != nil {
				return err
			}
			s.line(x.what, isCold, against, own)
		}
	}
	return nil
}

// replay compares revisions a second.
func (s *sheet) replay() error {
	dir, out := filepath.Join(s.dir, "log"), filepath.Join(s.dir, "out")
	if err := generateLog(dir); err != nil {
		return err
	}
	for _, left := range []string{out, out + ".json", out + ".live"} {
		if err := os.RemoveAll(left); err != nil {
			return err
		}
		defer os.RemoveAll(left)
	}
	own, err := s.one(false, "replay", filepath.Join(dir, "member", "snap", "db"), out)
	if err != nil {
		return err
	}
	live, err := run(s.ctx, "replay-live", out+".live")
	if err != nil {
		return err
	}
	rate, err := strconv.ParseFloat(strings.TrimSpace(live.Note), 64)
	if err != nil {
		return err
	}
	mine := replayed / own.Seconds
	fmt.Printf("| replay, revisions/s, against one Txn at a time | warm | %.0f | %.0f | %.1f | %.1f s | %.1f s | %d MiB | %d MiB |\n",
		rate, mine, mine/rate, live.cpu, own.cpu, live.anonymous>>20, own.anonymous>>20)
	s.peak = max(s.peak, own.anonymous)
	s.all = append(s.all, measured{"replay, revisions/s, against one Txn at a time", false, rate, mine, mine / rate})
	return nil
}
