package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

// mirrors lists the cases that hosts keep, a line for each case with all its
// hosts; a host that cannot be asked says so in a line of its own.
func mirrors(ctx context.Context, hosts []*remote.Host) []caseLine {
	var out []caseLine
	kept := map[string][]string{}
	for _, h := range hosts {
		lines, err := mirrorsOn(ctx, h)
		if err != nil {
			out = append(out, caseLine{Name: "?", Where: h.Name, State: err.Error()})
			continue
		}
		for _, l := range lines {
			if kept[l.Name] = append(kept[l.Name], h.Name); len(kept[l.Name]) == 1 {
				out = append(out, l)
				continue
			}
			i := slices.IndexFunc(out, func(o caseLine) bool { return o.Name == l.Name })
			if furthest(l.State) > furthest(out[i].State) {
				out[i].State = l.State // this mirror has more of the journal
			}
		}
	}
	for i, l := range out {
		if on := kept[l.Name]; len(on) > 0 {
			out[i].Where = "mirror on " + strings.Join(on, ", ")
		}
	}
	return out
}

// furthest orders what mirrors of one case say of it.
func furthest(state string) int {
	return slices.Index([]string{stateSeen, statePlanned, stateInterrupted, stateDone}, state)
}

func mirrorsOn(ctx context.Context, h *remote.Host) ([]caseLine, error) {
	client, err := h.Client(ctx)
	if err != nil {
		return nil, err
	}
	all, err := client.ListCases(ctx)
	if err != nil {
		return nil, err
	}
	var out []caseLine
	for _, i := range all {
		l := caseLine{Name: i.Case}
		c := casefile.Case{Name: i.Case}
		if b, err := client.GetCase(ctx, i.Case, casefile.PlanFile); err == nil {
			var p plan.Plan
			if json.Unmarshal(b, &p) == nil {
				c.Plan, l.Scenario = &p, string(p.Scenario)
			}
		}
		if b, err := client.GetCase(ctx, i.Case, casefile.JournalFile); err == nil {
			c.Journal, _ = casefile.ParseJournal(b) // what cannot be read counts as not begun
		}
		l.State = stateOf(c)
		out = append(out, l)
	}
	return out, nil
}

// interruptedCase finds the one case that was cut off, here or else on the
// hosts; from is the host whose mirror has to be taken.
func (a *app) interruptedCase(ctx context.Context) (name, from string, err error) {
	lines, err := localCases(a.cases)
	if err != nil {
		return "", "", err
	}
	if cfg, err := a.load(); err == nil { // another cluster's case is not meant
		lines = slices.DeleteFunc(lines, func(l caseLine) bool { return l.cluster != "" && l.cluster != cfg.Cluster })
	}
	if name, err = only(lines); name != "" || err != nil {
		return name, "", err
	}
	return a.mirroredCase(ctx, "")
}

// mirroredCase finds a case on the hosts: the named one, or the one that was
// cut off.
func (a *app) mirroredCase(ctx context.Context, name string) (found, from string, err error) {
	cfg, err := a.load()
	if err != nil {
		return "", "", err
	}
	fleet, err := a.fleet(cfg)
	if err != nil {
		return "", "", err
	}
	defer fleet.Close()
	lines := mirrors(ctx, fleet.Hosts())
	if name != "" {
		lines = slices.DeleteFunc(lines, func(l caseLine) bool { return l.Name != name })
		for i := range lines {
			lines[i].State = stateInterrupted // it was asked for by name
		}
	}
	if found, err = only(lines); err != nil {
		return "", "", err
	}
	if found == "" {
		return "", "", hint(errors.New("no interrupted case is known, neither here nor on a host"), "`salvor cases` lists all of them; `salvor recover` begins a new one")
	}
	i := slices.IndexFunc(lines, func(l caseLine) bool { return l.Name == found })
	from, _, _ = strings.Cut(strings.TrimPrefix(lines[i].Where, "mirror on "), ",")
	return found, from, nil
}

// only gives the one interrupted case of a list; "" when there is none.
func only(lines []caseLine) (string, error) {
	var names []string
	for _, l := range lines {
		if l.State == stateInterrupted {
			names = append(names, l.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", nil
	case 1:
		return names[0], nil
	}
	return "", hint(usageError{fmt.Errorf("%d cases were interrupted: %s", len(names), strings.Join(names, ", "))}, "say which: `salvor resume %s`", names[len(names)-1])
}
