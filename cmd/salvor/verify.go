package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/verify"
)

func (a *app) verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify [CASE]",
		Short: "Hold a cluster against what it should be, or a case against what its plan expects",
		Long: `Verify observes anew. With a case it stores the verdict there and renews its
reports; without one it holds the living cluster against salvor.yaml: one
leader, all members, equal hashes, no alarm. It changes nothing on any host.

` + exitCodes,
		Args: args(cobra.MaximumNArgs(1)),
	}
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if len(list) == 0 {
			return a.verifyLiving(c.Context())
		}
		folder, p, err := a.openPlan(list[0])
		if err != nil {
			return err
		}
		fleet, err := a.fleet(p.Config)
		if err != nil {
			return err
		}
		defer fleet.Close()
		return a.judge(c.Context(), fleet, folder, p, steady)
	}
	return c
}

// verifyLiving holds the cluster against the configuration alone.
func (a *app) verifyLiving(ctx context.Context) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	fleet, err := a.fleet(cfg)
	if err != nil {
		return err
	}
	defer fleet.Close()
	s := look(ctx, fleet, defaultBudget, observe.HashNone) // verify asks for its own hashes
	expect := plan.Expect{ClusterID: s.diagnosis.ClusterID.Value, MinRevision: s.diagnosis.HighestRevision.Value}
	for _, m := range cfg.Members {
		expect.Members = append(expect.Members, m.Name)
	}
	v := verify.Verify(ctx, verify.Subject{Fleet: fleet, Plan: plan.Plan{Config: cfg, Expect: expect}, Facts: s.facts}, time.Now())
	if a.output == "json" {
		err = report.JSON(a.out, "Verdict", v)
	} else {
		err = report.Verdict(a.out, v, a.style())
	}
	if err == nil && !v.Passed {
		err = hint(errVerdict, "`salvor diagnose` says what is wrong")
	}
	return err
}
