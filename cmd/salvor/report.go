package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/report"
)

func (a *app) reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report CASE",
		Short: "Render a case as text, Markdown, HTML or JSON (-o text|md|html|json)",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, list []string) error {
			if err := a.formats("text", "md", "html", "json"); err != nil {
				return err
			}
			folder, err := a.openCaseFolder(list[0])
			if err != nil {
				return err
			}
			c, err := folder.Load()
			if err != nil {
				return err
			}
			doc := report.Report(c, a.style())
			switch a.output {
			case "json":
				return report.JSON(a.out, "Report", doc)
			case "html":
				return doc.HTML(a.out)
			}
			return doc.Markdown(a.out)
		},
	}
}

// say writes to standard output.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format, args...)
	return err
}
