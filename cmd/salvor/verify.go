package main

import (
	"github.com/spf13/cobra"
)

func (a *app) verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify CASE",
		Short: "Hold a recovered cluster against what its plan expects, again",
		Long: `Verify observes anew, stores the verdict in the case and renews its reports.
It changes nothing on any host.

` + exitCodes,
		Args: args(cobra.ExactArgs(1)),
	}
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
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
		return a.judge(c.Context(), fleet, folder, p)
	}
	return c
}
