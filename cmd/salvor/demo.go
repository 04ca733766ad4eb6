package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/demo"
	"github.com/salvor-project/salvor/internal/report"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	scenario string
	objects  int
	dir      string
	keep     bool
}

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	var all []string
	for _, w := range demo.Wrecks() {
		all = append(all, w.Name)
	}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Wreck a real etcd on this machine and watch it come back",
		Long: `Demo starts three etcd members (with mutual TLS, on loopback), fills them with
Kubernetes objects, keeps writing, wrecks them, and lets salvor bring them back
with the same code that works on real clusters. Every acknowledged write is
noted in a ledger; what came back is compared with it.

Scenarios: ` + strings.Join(all, ", ") + `, all.

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	c.Flags().StringVar(&o.scenario, "scenario", "majority-lost", "what is wrecked, or all")
	c.Flags().IntVar(&o.objects, "objects", demo.DefaultObjects, "how many objects etcd holds; each has about four revisions")
	c.Flags().StringVar(&o.dir, "dir", "", "an empty folder to work in (default: a new one in the temporary folder)")
	c.Flags().BoolVar(&o.keep, "keep", false, "keep the members' data when all went well")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		return a.runDemo(c.Context(), o, all)
	}
	return c
}

// DemoResult is what the demo prints with -o json.
type DemoResult struct {
	Scenarios []ScenarioResult `json:"scenarios"`
}

// ScenarioResult is one scenario's outcome.
type ScenarioResult struct {
	Name string `json:"name"`
	// Level and Scenario are what was diagnosed.
	Level    string `json:"level"`
	Scenario string `json:"scenario"`
	// Outcome is "passed", or what was not as it should be.
	Outcome string `json:"outcome"`
	// Acknowledged counts the writes that etcd acknowledged before the wreck
	// and after the recovery, Lost those that did not come back.
	Acknowledged int `json:"acknowledged"`
	Lost         int `json:"lost"`
	// Announced is the loss in revisions that the plan announced.
	Announced int64 `json:"announced"`
	// RTOSeconds is from the command to the passed verdict (or the refusal),
	// OutageSeconds the longest pause between two acknowledged writes.
	RTOSeconds    float64 `json:"rtoSeconds"`
	OutageSeconds float64 `json:"outageSeconds"`
	// Watch is what a watch from before the wreck was told.
	Watch string `json:"watch"`
	Case  string `json:"case"`
}

const outcomePassed = "passed"

func (a *app) runDemo(ctx context.Context, o demoOptions, all []string) (err error) {
	names := []string{o.scenario}
	if o.scenario == "all" {
		names = all
	} else if _, err := demo.FindWreck(o.scenario); err != nil {
		return hint(usageError{err}, "`salvor demo --help` lists the scenarios")
	}
	if o.objects < 100 {
		return usageError{fmt.Errorf("--objects %d: give at least 100", o.objects)}
	}
	dir, err := demoDir(o.dir)
	if err != nil {
		return err
	}
	stage, err := a.newStage(ctx, dir, o)
	if err != nil {
		return err
	}
	var result DemoResult
	defer func() { err = errors.Join(err, stage.clear(o.keep || err != nil)) }()
	for _, name := range names {
		r, err := stage.play(ctx, name)
		if err != nil {
			return fmt.Errorf("demo %s: %w", name, err)
		}
		result.Scenarios = append(result.Scenarios, r)
		stage.progressf("%-14s %-6s %-14s %-8s acknowledged %d, lost %d, back in %.1f s, longest pause %.1f s\n",
			r.Name, r.Level, r.Scenario, r.Outcome, r.Acknowledged, r.Lost, r.RTOSeconds, r.OutageSeconds)
	}
	return a.applaud(result)
}

// applaud prints the results and fails unless all passed.
func (a *app) applaud(result DemoResult) error {
	var failed []string
	for _, r := range result.Scenarios {
		if r.Outcome != outcomePassed {
			failed = append(failed, r.Name+": "+r.Outcome)
		}
	}
	if a.output == "json" {
		if err := report.JSON(a.out, "DemoResult", result); err != nil {
			return err
		}
	} else {
		for _, r := range result.Scenarios {
			if err := a.say("\n%s: %s. Diagnosed %s %s. %d writes acknowledged, %d lost. From command to verdict %.1f s.\n  case: %s\n",
				r.Name, r.Outcome, r.Level, r.Scenario, r.Acknowledged, r.Lost, r.RTOSeconds, r.Case); err != nil {
				return err
			}
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w: %s", errVerdict, strings.Join(failed, "; "))
	}
	return nil
}

// demoDir makes the folder in which everything happens.
func demoDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "salvor-demo-")
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", hint(fmt.Errorf("--dir %s is not empty", dir), "name a folder that does not exist yet")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the demo's folder: %w", err)
	}
	return filepath.Abs(dir)
}
