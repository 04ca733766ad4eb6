package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/operate"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/run"
)

// undo makes and carries out the plan that rolls a case back or cleans up
// behind it.
func (a *app) undo(ctx context.Context, arg string, k consent, clean bool) error {
	folder, p, err := a.openPlan(arg)
	if err != nil {
		return err
	}
	if p.Undoes != "" {
		return fmt.Errorf("case %s is itself the rollback or clean-up of %s", folder.Name(), p.Undoes)
	}
	fleet, err := a.fleet(p.Config)
	if err != nil {
		return err
	}
	defer fleet.Close()
	kind, build := "rollback", func(name string) (plan.Plan, error) { return a.rollbackPlan(ctx, fleet, folder, p, name) }
	if clean {
		kind, build = "cleanup", func(name string) (plan.Plan, error) { return plan.Cleanup(p, plan.Choices{Case: name}) }
	}
	if clean {
		if err := a.stillProven(ctx, fleet, folder, p); err != nil {
			return err
		}
	}
	made, err := a.followUp(folder, kind, build)
	if err != nil {
		return err
	}
	return a.follow(ctx, fleet, folder, made, k)
}

// follow shows a plan that follows a case, asks for consent and carries it out.
func (a *app) follow(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, made plan.Plan, k consent) error {
	if err := report.Plan(a.err, made, a.style()); err != nil {
		return err
	}
	accepted, err := a.agree(ctx, made, k)
	if err != nil {
		return err
	}
	next, err := a.keep(folder, made)
	if err != nil {
		return err
	}
	if err := a.carryOut(ctx, fleet, next, made, accepted); err != nil {
		return err
	}
	if a.output == "json" {
		return report.JSON(a.out, "Plan", made)
	}
	return a.say("Done. The journal is in %s\n", next.Dir)
}

// stillProven looks again before anything is deleted: a passed verdict may be
// old, and the case may have been rolled back since, as a whole or in part. That
// a node or a load balancer is out of service today has nothing to do with it.
func (a *app) stillProven(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, p plan.Plan) error {
	v, err := a.prove(ctx, fleet, folder, p, steady)
	switch {
	case err != nil:
		return err
	case !v.Passed && !nothingElse(v, "nodes", "endpoints", "load-balancer"):
		return hint(fmt.Errorf("%w any more: nothing is deleted", errVerdict), "`salvor verify %s` says what differs; `salvor diagnose` says what the cluster needs now", folder.Dir)
	}
	return nil
}

func (a *app) rollbackPlan(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, p plan.Plan, name string) (plan.Plan, error) {
	var f cluster.Facts
	if err := folder.Read(casefile.FactsFile, &f); err != nil {
		return plan.Plan{}, err
	}
	entries, err := casefile.ReadJournal(folder.Path(casefile.JournalFile))
	if err != nil {
		return plan.Plan{}, err
	}
	away, err := unreached(ctx, fleet)
	if err != nil {
		return plan.Plan{}, err
	}
	effects, err := effectsOf(ctx, fleet, p, entries, away)
	if err != nil {
		return plan.Plan{}, err
	}
	if err := stillAside(ctx, fleet, p, effects, away); err != nil {
		return plan.Plan{}, err
	}
	f.Hosts = slices.Clone(f.Hosts)
	for i, h := range f.Hosts {
		if why := away[h.Name]; why != nil {
			f.Hosts[i].Reached = cluster.Unknown[cluster.HostInfo]("%v", why)
		}
	}
	made, err := plan.Rollback(p, f, effects, plan.Choices{Case: name})
	if errors.Is(err, plan.ErrNoWayBack) {
		err = hint(err, "the cluster is alive: `salvor resume %s` goes on, and lets go what the case still holds back; `salvor diagnose` says what the cluster needs now", folder.Dir)
	}
	return made, err
}

// unreached are the hosts that cannot be reached now, with the reason. One that
// answers and refuses is an error.
func unreached(ctx context.Context, fleet *remote.Fleet) (map[string]error, error) {
	hosts := fleet.Hosts()
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { _, errs[i] = h.Client(ctx) })
	}
	wg.Wait()
	away := map[string]error{}
	for i, err := range errs {
		switch {
		case err == nil:
		case ctx.Err() != nil || !run.Unreachable(err):
			return nil, err
		default:
			away[hosts[i].Name] = err
		}
	}
	return away, nil
}

// stillAside demands that everything that is to be put back is there, before
// the members are stopped for it: a clean-up may have deleted it. What an
// earlier rollback has put back left its successor beside.
func stillAside(ctx context.Context, fleet *remote.Fleet, p plan.Plan, effects map[plan.StepID]plan.Effect, away map[string]error) error {
	for _, s := range p.Steps {
		a, ok := s.Action.(plan.SetAside)
		if !ok || effects[s.ID] != plan.EffectHad || away[s.Host] != nil {
			continue
		}
		h, err := fleet.Host(s.Host)
		if err != nil {
			return err
		}
		gone := true
		for _, path := range []string{a.To, a.To + ".undone"} {
			state, _, err := h.Done(ctx, p.Config, p.Case, plan.Discard{Path: path, Case: p.Case})
			if err != nil {
				return fmt.Errorf("look for %s: %w", path, err)
			}
			gone = gone && state == operate.Yes
		}
		if gone {
			return hint(fmt.Errorf("case %s %w: %s on %s is not there any more", p.Case, plan.ErrNoWayBack, a.To, s.Host),
				"`salvor cleanup` deletes it; `salvor diagnose` says what the cluster needs now")
		}
	}
	return nil
}

// effectsOf tells which steps of a case have had their effect: what the
// journal shows as done and, where a start has no end, what the host says. On
// a host that is away only a step that could not be undone has to be known.
func effectsOf(ctx context.Context, fleet *remote.Fleet, p plan.Plan, entries []casefile.Entry, away map[string]error) (map[plan.StepID]plan.Effect, error) {
	started, effects := map[plan.StepID]bool{}, map[plan.StepID]plan.Effect{}
	for _, e := range entries {
		switch e.Event {
		case casefile.EventStarted:
			started[e.Step] = true
		case casefile.EventDone:
			effects[e.Step] = effectOf(e.Result)
			if s, ok := p.Step(e.Step); ok && s.Action.Kind() == plan.KindStopMember && e.Found && !started[e.Step] {
				effects[e.Step] = plan.EffectNothingThere
			}
		}
	}
	for _, s := range p.Steps {
		if effects[s.ID] != plan.EffectNone || !started[s.ID] || s.Action.Kind() == plan.KindCopyFiles {
			continue
		}
		if why := away[s.Host]; why != nil {
			if s.Action.Risk() == plan.RiskHigh {
				return nil, fmt.Errorf("ask whether step %s was done: %w", s.ID, why)
			}
			continue
		}
		h, err := fleet.Host(s.Host)
		if err != nil {
			return nil, err
		}
		state, result, err := h.Done(ctx, p.Config, p.Case, s.Action)
		if err != nil {
			return nil, fmt.Errorf("ask whether step %s was done: %w", s.ID, err)
		}
		if state != operate.No {
			effects[s.ID] = effectOf(result)
		}
	}
	return effects, nil
}

// effectOf reads from a step's result whether there was anything to set aside,
// and in it, or to stop.
func effectOf(result json.RawMessage) plan.Effect {
	var s operate.Stopped
	if json.Unmarshal(result, &s) == nil && s.Idle {
		return plan.EffectNothingThere
	}
	var m operate.Moved
	if json.Unmarshal(result, &m) == nil {
		switch {
		case m.NothingThere():
			return plan.EffectNothingThere
		case m.Empty:
			return plan.EffectEmpty
		}
	}
	return plan.EffectHad
}

func (a *app) cleanupCommand() *cobra.Command {
	var k consent
	c := &cobra.Command{
		Use:   "cleanup CASE",
		Short: "Delete what a finished case has set aside, after a passed verdict",
		Long: `Cleanup is the only command that deletes. It refuses a case without a passed
verdict, and after it there is no way back: make a backup first. Of a case that
has done nothing, such as one that was declined, it removes the backup that was
fetched for it.

` + exitCodes,
		Args: args(cobra.ExactArgs(1)),
	}
	k.addFlags(c)
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if err := k.check(); err != nil {
			return err
		}
		if idle, ok, err := a.idleCase(list[0]); ok {
			return a.forget(c.Context(), idle, k)
		} else if err != nil {
			return err
		}
		folder, err := a.openCaseFolder(list[0])
		if err != nil {
			return err
		}
		var v casefile.Verdict
		if err := folder.Read(casefile.VerdictFile, &v); err != nil || !v.Passed {
			return hint(fmt.Errorf("case %s has no passed verdict: nothing is deleted", folder.Name()), "`salvor verify %s` looks again", folder.Dir)
		}
		if err := a.undo(c.Context(), list[0], k, true); err != nil {
			return err
		}
		return a.removeBinaries(c.Context())
	}
	return c
}
