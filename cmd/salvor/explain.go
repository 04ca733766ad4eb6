package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/say"
)

// explained is the page of one class.
type explained struct {
	Code diagnose.Code `json:"code"`
	Page string        `json:"page"`
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Tell what a class of failure is, what repairs it, and what makes it worse",
		Long:  "Explain shows the page of a code that diagnose has named; without a code it lists all.\n\n" + exitCodes,
		Args:  args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var out []string
			for _, c := range diagnose.Codes() {
				out = append(out, string(c))
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, list []string) error {
			if err := a.formats("text", "json", "md"); err != nil {
				return err
			}
			lang := say.Language(a.lang)
			if len(list) == 0 {
				return a.explainAll(lang)
			}
			page, ok := diagnose.Explain(diagnose.Code(list[0]), lang)
			if !ok {
				return usageError{fmt.Errorf("%s", say.New("page.unknown", list[0]).In(lang))}
			}
			if a.output == "json" {
				return report.JSON(a.out, "Explanation", explained{diagnose.Code(list[0]), page})
			}
			return a.say("%s", page)
		},
	}
}

func (a *app) explainAll(lang say.Language) error {
	switch a.output {
	case "json":
		return report.JSON(a.out, "Explanations", map[string]any{"codes": diagnose.Codes()})
	case "md":
		return a.say("%s", diagnose.Pages(lang))
	}
	for _, c := range diagnose.Codes() {
		if err := a.say("%-42s %s\n", c, say.New("title."+string(c)).In(lang)); err != nil {
			return err
		}
	}
	return nil
}
