package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/run"
	"github.com/salvor-project/salvor/internal/verify"
)

// carryOut runs a plan, verifies what came of it and writes the report. On a
// resume accepted is empty: the journal holds it already.
func (a *app) carryOut(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, p plan.Plan, accepted string) error {
	if accepted != "" {
		if err := note(folder, casefile.Entry{Plan: p.ID, Event: casefile.EventAccepted, By: whoami(), Note: accepted}); err != nil {
			return err
		}
	}
	show := a.newProgress(p)
	r := run.Runner{Fleet: fleet, Case: folder, By: whoami(), Watch: show.update, At: a.at}
	err := r.Run(ctx, p)
	show.end()
	if err != nil {
		return a.interrupted(ctx, folder, err)
	}
	if p.Undoes != "" {
		return nil
	}
	if err := a.judge(ctx, fleet, folder, p); err != nil {
		return err
	}
	return nil
}

// interrupted tells how to go on after a run that ended early. A run that
// never got its locks has done nothing.
func (a *app) interrupted(ctx context.Context, folder casefile.Folder, err error) error {
	if ctx.Err() != nil {
		return hint(fmt.Errorf("%w (%w)", err, context.Canceled), "nothing is lost: `salvor resume %s` goes on, `salvor rollback %s` goes back", folder.Dir, folder.Dir)
	}
	return err
}

// note writes one line into a case's journal before the run opens it.
func note(folder casefile.Folder, e casefile.Entry) error {
	j, _, err := casefile.OpenJournal(folder.Path(casefile.JournalFile))
	if err != nil {
		return err
	}
	defer j.Close()
	e.At = time.Now()
	_, _, err = j.Append(e)
	return err
}

// settle is how long verification waits for a cluster that has just started
// to show itself whole, and between its looks.
const (
	settle      = 15 * time.Second
	settlePause = 500 * time.Millisecond
)

// judge verifies until the verdict is passed or the time to settle is over,
// then stores verdict and reports.
func (a *app) judge(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder, p plan.Plan) error {
	entries, err := casefile.ReadJournal(folder.Path(casefile.JournalFile))
	if err != nil {
		return err
	}
	var v casefile.Verdict
	for deadline := time.Now().Add(settle); ; {
		facts := fleet.Observe(ctx, time.Now(), defaultBudget)
		v = verify.Verify(ctx, verify.Subject{Fleet: fleet, Plan: p, Journal: entries, Facts: facts}, time.Now())
		if v.Passed || time.Now().After(deadline) || ctx.Err() != nil {
			break
		}
		time.Sleep(settlePause)
	}
	if err := ctx.Err(); err != nil {
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
		err = a.say("\n%s\n  %s\n", doc.Headline, folder.Path("report.md"))
	}
	if err != nil {
		return err
	}
	if !v.Passed {
		return hint(errVerdict, "see %s; the old data is kept aside: `salvor rollback %s` puts it back", folder.Path("report.md"), folder.Dir)
	}
	return nil
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
