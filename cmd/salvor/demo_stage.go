package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/demo"
)

// stage is where scenarios are played: a filled cluster to copy, and this
// program's own recovery.
type stage struct {
	app      *app
	dir      string
	template *demo.Template
	quiet    bool
}

func (a *app) newStage(ctx context.Context, dir string, o demoOptions) (*stage, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	s := &stage{app: a, dir: dir, quiet: o.scenario == "all" || a.output == "json"}
	s.progressf("three etcd members in %s, %d objects, %d revisions …\n", dir, o.objects, 4*o.objects)
	s.template, err = demo.NewTemplate(ctx, filepath.Join(dir, "template"), []string{self, "demo-member"}, o.objects, 4*o.objects)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *stage) progressf(format string, args ...any) { fmt.Fprintf(s.app.err, format, args...) }

// clear takes the clusters' data away and leaves the cases.
func (s *stage) clear(keep bool) error {
	if keep {
		return nil
	}
	var err error
	for _, w := range demo.Wrecks() {
		err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, w.Name)))
	}
	return errors.Join(err, s.template.Remove())
}

// warmUp is how many writes are acknowledged before the wreck, and how many
// more must be after the recovery.
const warmUp = 200

// play plays one scenario from the start of the cluster to the comparison with
// the ledger.
func (s *stage) play(ctx context.Context, name string) (ScenarioResult, error) {
	result := ScenarioResult{Name: name}
	wreck, err := demo.FindWreck(name)
	if err != nil {
		return result, err
	}
	c, err := s.template.Copy(filepath.Join(s.dir, name))
	if err != nil {
		return result, err
	}
	defer func() { _ = errors.Join(c.KillAll(), c.Close()) }()
	if wreck.Tune != nil {
		if err := wreck.Tune(c); err != nil {
			return result, err
		}
	}
	if err := c.Start(ctx); err != nil {
		return result, err
	}
	writer, err := c.StartWriter(ctx)
	if err != nil {
		return result, err
	}
	defer writer.Stop()
	watcher, err := c.StartWatcher(ctx)
	if err != nil {
		return result, err
	}
	defer watcher.Stop()
	if err := writer.WaitAcked(ctx, warmUp); err != nil {
		return result, err
	}
	act := act{stage: s, cluster: c, writer: writer, watcher: watcher, result: &result}
	return result, act.run(ctx, wreck)
}

// act is one scenario while it is played.
type act struct {
	*stage
	cluster *demo.Cluster
	writer  *demo.Writer
	watcher *demo.Watcher
	after   demo.Aftermath
	result  *ScenarioResult
}

func (p *act) run(ctx context.Context, wreck demo.Wreck) error {
	var err error
	if p.after, err = wreck.Do(ctx, p.cluster, p.writer); err != nil {
		return err
	}
	for _, n := range p.after.Notes {
		p.progressf("  %s\n", n)
	}
	p.watcher.Mark()
	p.writer.ResetPause()
	began := time.Now()
	verdict := p.recover(ctx)
	p.result.RTOSeconds = time.Since(began).Seconds()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	want := expectations()[wreck.Name]
	if want.refused {
		if err := p.heal(ctx); err != nil {
			return err
		}
	}
	problems := p.account(ctx, want, verdict)
	p.result.Outcome = outcomePassed
	if len(problems) > 0 {
		p.result.Outcome = problems[0]
		for _, x := range problems[1:] {
			p.result.Outcome += "; " + x
		}
	}
	return nil
}

// recover hands the wreck to the same code that `salvor recover` runs, with
// the salvor.yaml of the cluster read from disk.
func (p *act) recover(ctx context.Context) error {
	path := filepath.Join(p.cluster.Dir(), "salvor.yaml")
	if _, err := config.Save(path, p.cluster.Config(), config.SaveOptions{}); err != nil {
		return err
	}
	op := *p.app
	op.configPath = path
	op.cases = filepath.Join(p.dir, "cases", p.result.Name)
	if p.quiet {
		op.out, op.output = discard{}, "text"
		op.err = discard{}
	}
	cfg, err := op.load()
	if err != nil {
		return err
	}
	fleet, err := op.fleet(cfg)
	if err != nil {
		return err
	}
	defer fleet.Close()
	err = op.recoverWith(ctx, fleet, consent{yes: true}, "")
	if errors.Is(err, errDeclined) {
		// It loses something, and said so. The ledger knows how much was lost:
		// exactly that much is accepted.
		err = op.recoverWith(ctx, fleet, consent{acceptLoss: fmt.Sprint(p.after.Newer)}, "")
	}
	p.remember(op.cases)
	return err
}

// discard takes what nobody wants to read now; it is in the case folder.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// remember notes the newest case and what it says.
func (p *act) remember(cases string) {
	entries, err := os.ReadDir(cases)
	if err != nil || len(entries) == 0 {
		return
	}
	newest := entries[0].Name()
	for _, e := range entries {
		info, err := e.Info()
		if best, berr := os.Stat(filepath.Join(cases, newest)); err == nil && berr == nil && info.ModTime().After(best.ModTime()) {
			newest = e.Name()
		}
	}
	p.result.Case = filepath.Join(cases, newest)
	c, err := casefile.Folder{Dir: p.result.Case}.Load()
	if err != nil || c.Diagnosis == nil {
		return
	}
	p.result.Level, p.result.Scenario = c.Diagnosis.Level.String(), string(c.Diagnosis.Scenario)
	if c.Plan != nil {
		p.result.Announced = c.Plan.Loss.Revisions.Value
		if !c.Plan.Loss.Revisions.OK {
			p.result.Announced = -1
		}
	}
}

// heal repairs what salvor rightly refused to touch, so that the ledger can be
// compared.
func (p *act) heal(ctx context.Context) error {
	if err := p.cluster.RenewCertificates(); err != nil {
		return err
	}
	return p.cluster.Ready(ctx)
}
