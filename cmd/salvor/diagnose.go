package main

import (
	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/report"
)

func (a *app) diagnoseCommand() *cobra.Command {
	var eyes sight
	var verbose bool
	c := &cobra.Command{
		Use:   "diagnose",
		Short: "Tell what broke, how bad it is, and what may and must not be done",
		Long:  "Diagnose observes every member, alive or dead, and changes nothing.\n\n" + exitCodes,
		Args:  args(cobra.NoArgs),
	}
	eyes.addFlags(c)
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show consequences beside their causes, and all evidence")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		cfg, err := eyes.load(a)
		if err != nil {
			return err
		}
		fleet, err := a.fleet(cfg)
		if err != nil {
			return err
		}
		defer fleet.Close()
		s := a.look(c.Context(), fleet)
		if a.output == "json" {
			err = report.JSON(a.out, "Diagnosis", s.diagnosis)
		} else {
			o := a.style()
			o.Verbose = verbose
			err = report.Diagnosis(a.out, s.diagnosis, s.facts, o)
		}
		if err != nil {
			return err
		}
		return verdictOf(s.diagnosis)
	}
	return c
}
