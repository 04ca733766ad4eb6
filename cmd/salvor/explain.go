package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/cluster"
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
			if text, ok := explainID(list[0], lang); ok {
				return usageError{errors.New(text)}
			}
			code := diagnose.Code(strings.ToLower(strings.Trim(list[0], "`[] ")))
			page, ok := diagnose.Explain(code, lang)
			if !ok {
				err := usageError{fmt.Errorf("%s", say.New("page.unknown", list[0]).In(lang))}
				if near := nearest(string(code)); len(near) > 0 {
					return hint(err, "%s", say.New("page.near", strings.Join(near, ", ")).In(lang))
				}
				return err
			}
			if a.output == "json" {
				return report.JSON(a.out, "Explanation", explained{code, page})
			}
			return a.say("%s", page)
		},
	}
}

// nearest are the codes that look most like a word that is none, at most three:
// those that share most pairs of letters with it (the coefficient of Dice).
func nearest(word string) []string {
	pairs := func(s string) map[string]bool {
		out := map[string]bool{}
		for i := range max(len(s)-1, 0) {
			out[s[i:i+2]] = true
		}
		return out
	}
	like := map[string]float64{}
	var out []string
	asked := pairs(word)
	for _, c := range diagnose.Codes() {
		own, shared := pairs(string(c)), 0
		for p := range asked {
			if own[p] {
				shared++
			}
		}
		if like[string(c)] = 2 * float64(shared) / float64(len(own)+len(asked)); like[string(c)] >= 0.6 {
			out = append(out, string(c))
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(like[b], like[a]) })
	return out[:min(len(out), 3)]
}

// explainID tells what is wrong with a member's ID that somebody took from JSON.
func explainID(text string, lang say.Language) (string, bool) {
	id, ok, rounded := cluster.ReadDecimalID(text)
	switch {
	case !ok:
		return "", false
	case rounded != nil:
		return say.New("page.id-rounded", text).In(lang), true
	}
	return say.New("page.id-decimal", text, id).In(lang), true
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
