package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/report"
)

func (a *app) planCommand() *cobra.Command {
	var source string
	var eyes sight
	c := &cobra.Command{
		Use:   "plan",
		Short: "Say what recover would do, step by step, and keep it as a case",
		Long: `Plan is the dry run: what it prints is what ` + "`salvor apply CASE`" + ` carries out,
unchanged. It changes nothing but its own case folder; a backup
of the vault from which it would recover is fetched to a member's machine.

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	eyes.addFlags(c)
	c.Flags().StringVar(&source, "source", "", "recover from this candidate instead of the recommended one (see diagnose)")
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
		name, err := newCase(fleet)
		if err != nil {
			return err
		}
		s, source, err := a.atHand(c.Context(), fleet, name, a.look(c.Context(), fleet), source)
		if err != nil {
			return err
		}
		folder, err := a.openCase(c.Context(), fleet, name, s)
		if err != nil {
			return err
		}
		p, err := makePlan(s, folder.Name(), source)
		if err != nil {
			return hint(err, "`salvor diagnose` explains; what was found is kept in %s", folder.Dir)
		}
		if err := folder.Write(casefile.PlanFile, p); err != nil {
			return err
		}
		if a.output == "json" {
			return report.JSON(a.out, "Plan", p)
		}
		if err := report.Plan(a.out, p, a.style()); err != nil {
			return err
		}
		changed := "Nothing was changed."
		if s.brought != "" {
			changed = fmt.Sprintf("Nothing was changed but that the backup was fetched to %s.", s.brought)
		}
		return a.say("\n%s To carry it out:\n  salvor apply %s\n", changed, folder.Dir)
	}
	return c
}
