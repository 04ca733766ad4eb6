package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/run"
	"github.com/salvor-project/salvor/internal/verify"
)

// carryOut runs a plan, verifies what came of it and writes the report. On a
// resume accepted is empty: the journal holds it already.
func (a *app) carryOut(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, p plan.Plan, accepted string) error {
	before, err := casefile.ReadJournal(folder.Path(casefile.JournalFile))
	if err != nil {
		return err
	}
	show := a.newProgress(p, before)
	r := run.Runner{Fleet: fleet, Case: folder, By: whoami(), Accepted: accepted, Watch: show.update, At: a.at}
	if p.Undoes == "" && !a.fresh(folder) {
		r.Recheck = func(ctx context.Context) error { return a.stillHolds(ctx, fleet, p) }
	}
	err = r.Run(ctx, p)
	show.end()
	if err != nil {
		return a.interrupted(ctx, folder, err)
	}
	if p.Undoes != "" {
		return nil
	}
	if err := a.judge(ctx, fleet, folder, p, settle); err != nil {
		return err
	}
	return nil
}

// interrupted tells how to go on after a run that ended early. A run that
// never got its locks has done nothing.
func (a *app) interrupted(ctx context.Context, folder casefile.Folder, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if entries, rerr := casefile.ReadJournal(folder.Path(casefile.JournalFile)); rerr == nil && !accepted(entries) {
		return hint(fmt.Errorf("interrupted (%w)", context.Canceled), "nothing was done yet: begin again with `salvor recover`, or `salvor apply %s`", folder.Dir)
	}
	var stopped *run.Stopped
	switch {
	case errors.As(err, &stopped) && stopped.Undo:
		return hint(fmt.Errorf("interrupted at step %s on %s (%w)", stopped.Step, stopped.Host, context.Canceled), "nothing is lost: `salvor resume %s` goes on", folder.Dir)
	case errors.As(err, &stopped):
		err = fmt.Errorf("interrupted at step %s on %s (%w)", stopped.Step, stopped.Host, context.Canceled)
	default:
		err = fmt.Errorf("interrupted (%w)", context.Canceled)
	}
	return hint(err, "nothing is lost: `salvor resume %s` goes on, `salvor rollback %s` goes back", folder.Dir, folder.Dir)
}

// freshness is how old an observation may be when its plan begins, if the locks
// were held since: a person may think long before he answers, and a cluster
// does not wait.
const freshness = 15 * time.Second

// fresh tells whether a case's facts were gathered by this command, under the
// locks that it holds, a moment ago.
func (a *app) fresh(folder casefile.Folder) bool {
	var f cluster.Facts
	return a.locked && folder.Read(casefile.FactsFile, &f) == nil && time.Since(f.At) < freshness
}

// settle is how long verification waits for a cluster that has just started
// to show itself whole, steady for one that was not touched, and settlePause
// lies between its looks.
const (
	settle      = 15 * time.Second
	steady      = 3 * time.Second
	settlePause = 500 * time.Millisecond
)

// prove verifies until the verdict is passed or the patience is over.
func (a *app) prove(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, p plan.Plan, patience time.Duration) (casefile.Verdict, error) {
	var before, v casefile.Verdict
	entries, err := casefile.ReadJournal(folder.Path(casefile.JournalFile))
	if err != nil {
		return v, err
	}
	_ = folder.Read(casefile.VerdictFile, &before) // stays empty when there is none
	for deadline := time.Now().Add(patience); ; {
		facts := fleet.Observe(ctx, time.Now(), defaultBudget, observe.HashNone) // verify asks for its own
		v = verify.Verify(ctx, verify.Subject{Fleet: fleet, Plan: p, Journal: entries, Facts: facts, Before: before}, time.Now())
		if v.Passed || time.Now().After(deadline) || ctx.Err() != nil {
			return v, ctx.Err()
		}
		time.Sleep(settlePause)
	}
}

// judge verifies, then stores verdict and reports.
func (a *app) judge(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, p plan.Plan, patience time.Duration) error {
	v, err := a.prove(ctx, fleet, folder, p, patience)
	if err != nil {
		return a.interrupted(ctx, folder, err)
	}
	if err := folder.Write(casefile.VerdictFile, v); err != nil {
		return err
	}
	if err := a.writeReports(folder); err != nil {
		return err
	}
	return a.conclude(folder, v)
}

// conclude prints the end of the story.
func (a *app) conclude(folder casefile.Folder, v casefile.Verdict) error {
	c, err := folder.Load()
	if err != nil {
		return err
	}
	doc := report.Report(c, a.style())
	if a.output == "json" {
		err = report.JSON(a.out, "Report", doc)
	} else {
		err = errors.Join(a.say("\n"), report.Verdict(a.out, v, a.style()),
			a.say("\n%s\n  %s\n", doc.Headline, folder.Path("report.md")))
	}
	if err != nil {
		return err
	}
	if !v.Passed && lacksSteps(v) {
		return hint(errVerdict, "see %s; once the cause is mended, `salvor resume %s` does what is missing", folder.Path("report.md"), folder.Dir)
	}
	if !v.Passed && nothingElse(v, "api-ready", "nodes", "endpoints", "load-balancer") {
		return hint(errVerdict, "see %s; etcd itself is proven. Once the cause is mended, `salvor verify %s` looks again", folder.Path("report.md"), folder.Dir)
	}
	if !v.Passed {
		return hint(errVerdict, "see %s; the old data is kept aside: `salvor rollback %s` puts it back", folder.Path("report.md"), folder.Dir)
	}
	return nil
}

// lacksSteps tells a run that went on without steps that it could do without.
func lacksSteps(v casefile.Verdict) bool {
	for _, c := range v.Checks {
		if c.Name == "steps" && c.Result == casefile.Failed {
			return true
		}
	}
	return false
}

// nothingElse tells that no other checks than these have not passed.
func nothingElse(v casefile.Verdict, names ...string) bool {
	for _, c := range v.Checks {
		if c.Result != casefile.Passed && c.Result != casefile.NotApplicable && !slices.Contains(names, c.Name) {
			return false
		}
	}
	return true
}

// writeReports renders the case folder in every form.
func (a *app) writeReports(folder casefile.Folder) error {
	c, err := folder.Load()
	if err != nil {
		return err
	}
	doc := report.Report(c, a.style())
	for name, render := range map[string]func(io.Writer) error{"report.md": doc.Markdown, "report.html": doc.HTML} {
		var b bytes.Buffer
		if err := render(&b); err != nil {
			return err
		}
		if err := folder.WriteBytes(name, b.Bytes()); err != nil {
			return err
		}
	}
	return folder.Write("report.json", doc)
}

// whoami names the operator.
func whoami() string {
	name, machine := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		machine = h
	}
	return name + "@" + machine
}
