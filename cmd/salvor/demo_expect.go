package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/demo"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/plan"
)

// expectation is one row of the demo's table: how a wreck must be diagnosed
// and how it must end.
type expectation struct {
	level    string
	scenario diagnose.Scenario
	kind     diagnose.CandidateKind
	// loses says that the loss is what the ledger says and was announced.
	loses bool
	// refused says that nothing may be touched.
	refused bool
	// serves says that writes must never pause longer than an election.
	serves bool
	watch  demo.Watch
}

func expectations() map[string]expectation {
	return map[string]expectation{
		"stopped":       {level: "T3 D0", scenario: diagnose.Stopped, kind: diagnose.FromDisks, watch: demo.WatchContinued},
		"member-lost":   {level: "T1 D0", scenario: diagnose.MemberLost, kind: diagnose.FromQuorum, serves: true, watch: demo.WatchContinued},
		"majority-lost": {level: "T2 D1", scenario: diagnose.MajorityLost, kind: diagnose.FromSurvivor, watch: demo.WatchCompacted},
		"power-cut":     {level: "T3 D1", scenario: diagnose.DataDamaged, kind: diagnose.FromSurvivor, watch: demo.WatchCompacted},
		"all-lost":      {level: "T3 D2", scenario: diagnose.AllLost, kind: diagnose.FromSnapshot, loses: true, watch: demo.WatchCompacted},
		"no-space":      {level: "T1 D0", scenario: diagnose.NoSpace, kind: diagnose.FromQuorum},
		"certs-expired": {level: "T3 D0", scenario: diagnose.CertsExpired, refused: true, watch: demo.WatchContinued},
		"impostor":      {level: "T1 D0", scenario: diagnose.Impostor, kind: diagnose.FromQuorum, serves: true, watch: demo.WatchContinued},
	}
}

// maxElection is the longest that writes may pause while a quorum lives: the
// demo's election timeout is a second, drawn up to twice that, and one write
// may have to be tried again.
const maxElection = 3 * time.Second

// account compares everything with the table; it gives what is not as it
// should be.
func (p *act) account(ctx context.Context, want expectation, verdict error) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if p.result.Level != want.level || p.result.Scenario != string(want.scenario) {
		add("diagnosed as %s %s instead of %s %s", p.result.Level, p.result.Scenario, want.level, want.scenario)
	}
	switch {
	case want.refused && !errors.Is(verdict, plan.ErrRefused):
		add("not refused: %v", verdict)
	case want.refused:
		wrong = append(wrong, p.untouched()...)
	case verdict != nil:
		add("recover failed: %v", verdict)
	default:
		wrong = append(wrong, p.recovered(want)...)
	}
	wrong = append(wrong, p.compare(ctx, want)...)
	if want.serves && p.result.OutageSeconds > maxElection.Seconds() {
		add("the writer paused for %.1f s, longer than an election", p.result.OutageSeconds)
	}
	return wrong
}

// recovered holds plan and verdict of the case against the table.
func (p *act) recovered(want expectation) []string {
	c, err := casefile.Folder{Dir: p.result.Case}.Load()
	switch {
	case err != nil:
		return []string{err.Error()}
	case c.Plan == nil || c.Verdict == nil:
		return []string{"the case has no plan or no verdict"}
	}
	var wrong []string
	if !c.Verdict.Passed {
		wrong = append(wrong, "the verdict is not passed")
	}
	if c.Plan.Source.Kind != want.kind {
		wrong = append(wrong, fmt.Sprintf("recovered from %s instead of %s", c.Plan.Source.Kind, want.kind))
	}
	if s := p.after.Survivor; s != "" && c.Plan.Source.Member != s && c.Plan.Source.DB != s {
		wrong = append(wrong, fmt.Sprintf("took %s, but %s held everything", c.Plan.Source.ID, s))
	}
	if want.loses && p.result.Announced != int64(p.after.Newer) {
		wrong = append(wrong, fmt.Sprintf("announced a loss of %d, the ledger says %d", p.result.Announced, p.after.Newer))
	}
	return wrong
}

// compare lets the writer write again, stops it, and holds etcd against the
// ledger.
func (p *act) compare(ctx context.Context, want expectation) []string {
	var wrong []string
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := p.writer.WaitAcked(wait, warmUp/4); err != nil {
		wrong = append(wrong, fmt.Sprintf("writes do not go on: %v", err))
	}
	p.result.OutageSeconds = p.writer.Stats().LongestPause.Seconds()
	if err := p.writer.Stop(); err != nil {
		return append(wrong, err.Error())
	}
	watched := p.watcher.Stop()
	p.result.Watch = string(watched.Outcome)
	if want.watch != "" && watched.Outcome != want.watch {
		wrong = append(wrong, fmt.Sprintf("a watch from before was %s instead of %s", watched.Outcome, want.watch))
	}
	client, err := p.cluster.Client()
	if err != nil {
		return append(wrong, err.Error())
	}
	defer client.Close()
	r, err := demo.Compare(wait, client, p.cluster.LedgerPath())
	if err != nil {
		return append(wrong, err.Error())
	}
	p.result.Acknowledged, p.result.Lost = r.Acknowledged, r.Lost
	if lost := map[bool]int{false: 0, true: p.after.Newer}[want.loses]; r.Lost != lost || r.Mismatched > 0 {
		wrong = append(wrong, fmt.Sprintf("lost %d writes instead of %d (%d mismatched)", r.Lost, lost, r.Mismatched))
	}
	return wrong
}

// untouched makes sure that a refusal left no trace: no case on any host, and
// nothing set aside.
func (p *act) untouched() []string {
	var wrong []string
	for _, h := range p.cluster.Config().Hosts {
		if entries, err := os.ReadDir(filepath.Join(h.State(), "cases")); err == nil && len(entries) > 0 {
			wrong = append(wrong, "a case was opened on "+h.Name)
		}
	}
	for _, m := range p.cluster.Config().Members {
		entries, err := os.ReadDir(filepath.Dir(m.DataDir))
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		for _, e := range entries {
			if strings.Contains(e.Name(), ".salvor-") {
				wrong = append(wrong, e.Name()+" was left behind")
			}
		}
	}
	return wrong
}
