package main

import (
	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/report"
)

// kept is the result of evidence.
type kept struct {
	Case string `json:"case"`
	Dir  string `json:"dir"`
	// Pack is the one file with all of it.
	Pack string `json:"pack"`
}

func (a *app) evidenceCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "evidence",
		Short: "Preserve what can be seen now in a case folder, and change nothing",
		Long: "Evidence stores facts, diagnosis, logs, manifests, unit files, certificates, listings with digests and\n" +
			"kernel messages in a case folder, and packs them into one file. Keys, tokens and passwords are cut out\n" +
			"on the machine that they are on. Recover does it first, always.\n\n" + exitCodes,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.formats("text", "json"); err != nil {
				return err
			}
			cfg, err := a.load()
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
			folder, err := a.openCase(c.Context(), fleet, name, look(c.Context(), fleet, defaultBudget, observe.HashSmall))
			if err != nil {
				return err
			}
			if err := a.writeReports(folder); err != nil {
				return err
			}
			if out == "" {
				out = folder.Path(evidencePack)
			}
			if err := packCase(folder, out); err != nil {
				return err
			}
			if a.output == "json" {
				return report.JSON(a.out, "Evidence", kept{folder.Name(), folder.Dir, out})
			}
			return a.say("%s\n%s\n", folder.Dir, out)
		},
	}
	c.Flags().StringVar(&out, "out", "", "write the pack here (default: evidence.tgz in the case folder)")
	return c
}
