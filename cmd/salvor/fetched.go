package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sort"
	"sync"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

// fetchedFor finds the folders of fetched backups: case, host, path. A host that
// cannot be asked is left out; who lists cases has said so already.
func fetchedFor(ctx context.Context, fleet *remote.Fleet) map[string]map[string]string {
	var mu sync.Mutex
	var wg sync.WaitGroup
	at := map[string]map[string]string{}
	for _, h := range fleet.Hosts() {
		wg.Go(func() {
			all, err := h.Fetched(ctx, fleet.Config)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, f := range all {
				if at[f.Case] == nil {
					at[f.Case] = map[string]string{}
				}
				at[f.Case][h.Name] = f.Path
			}
		})
	}
	wg.Wait()
	return at
}

// withFetched notes fetched backups with their cases, and adds a line for each
// case that nothing else is known of.
func withFetched(lines []caseLine, at map[string]map[string]string) []caseLine {
	for name, paths := range at {
		var hosts []string
		for h := range paths {
			hosts = append(hosts, h)
		}
		sort.Strings(hosts)
		known := false
		for i := range lines {
			if lines[i].Name == name {
				lines[i].Fetched, known = hosts, true
			}
		}
		if !known {
			lines = append(lines, caseLine{Name: name, State: stateFetched, Fetched: hosts})
		}
	}
	sort.SliceStable(lines, func(i, j int) bool { return lines[i].Name < lines[j].Name })
	return lines
}

// idle is a case that has done nothing.
type idle struct {
	casefile.Folder
	cfg      cluster.Config
	scenario diagnose.Scenario
	missing  error // why its folder is not here, if it is not
}

// idleCase opens a case if it has done nothing; ok is false for one that was
// begun. One without a folder here may still have left a backup on a host.
func (a *app) idleCase(arg string) (c idle, ok bool, err error) {
	folder, err := a.openCaseFolder(arg)
	if errors.Is(err, fs.ErrNotExist) {
		cfg, lerr := a.load()
		return idle{Folder: casefile.Folder{Dir: filepath.Join(a.cases, filepath.Base(arg))}, cfg: cfg, missing: err}, lerr == nil, errors.Join(err, lerr)
	}
	if err != nil {
		return idle{}, false, err
	}
	entries, err := casefile.ReadJournal(folder.Path(casefile.JournalFile))
	if err != nil || begun(entries) {
		return idle{}, false, err
	}
	all, err := folder.Load()
	switch {
	case err != nil:
		return idle{}, false, err
	case all.Plan != nil:
		return idle{folder, all.Plan.Config, all.Plan.Scenario, nil}, all.Plan.Undoes == "", nil
	case all.Facts != nil && all.Diagnosis != nil:
		return idle{folder, all.Facts.Config, all.Diagnosis.Scenario, nil}, true, nil
	}
	return idle{}, false, nil
}

// forget removes what was fetched for a case that has done nothing, such as one
// that was declined: there is nothing to be proven before.
func (a *app) forget(ctx context.Context, c idle, k consent) error {
	fleet, err := a.fleet(c.cfg)
	if err != nil {
		return err
	}
	defer fleet.Close()
	away, err := unreached(ctx, fleet)
	if err != nil {
		return err
	}
	at := fetchedFor(ctx, fleet)[c.Name()]
	if len(at) == 0 {
		err := c.missing
		if err == nil {
			err = hint(fmt.Errorf("case %s has done nothing, and nothing was fetched for it: there is nothing to clean up", c.Name()), "`salvor cases` lists all cases")
		}
		for _, name := range slices.Sorted(maps.Keys(away)) {
			fmt.Fprintf(a.err, "host %s is not reached, and may hold something: %v\n", name, away[name])
		}
		return err
	}
	if err := notBegun(ctx, fleet, c.Name(), at); err != nil {
		return err
	}
	made, err := a.followUp(c.Folder, "cleanup", func(name string) (plan.Plan, error) {
		return plan.Forget(c.cfg, c.Name(), c.scenario, at, plan.Choices{Case: name})
	})
	if err != nil {
		return err
	}
	return a.follow(ctx, fleet, c.Folder, made, k)
}

// notBegun asks the mirrors on the hosts: a case that was begun from another
// machine still needs what was fetched for it.
func notBegun(ctx context.Context, fleet *remote.Fleet, name string, at map[string]string) error {
	for _, host := range slices.Sorted(maps.Keys(at)) {
		h, err := fleet.Host(host)
		if err != nil {
			return err
		}
		client, err := h.Client(ctx)
		if err != nil {
			return err
		}
		b, err := client.GetCase(ctx, name, casefile.JournalFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look whether case %s was begun: %w", name, err)
		}
		if entries, err := casefile.ParseJournal(b); err != nil || begun(entries) {
			return hint(errors.Join(fmt.Errorf("case %s was begun from another machine, as the mirror on %s says: nothing is deleted", name, host), err),
				"`salvor resume %s` goes on with it", name)
		}
	}
	return nil
}
