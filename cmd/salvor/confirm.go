package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/plan"
)

// consent is what the operator agreed to on the command line.
type consent struct {
	yes        bool
	acceptLoss string
}

func (k *consent) addFlags(c *cobra.Command) {
	c.Flags().BoolVar(&k.yes, "yes", false, "do not ask; accepts only a plan that loses nothing")
	c.Flags().StringVar(&k.acceptLoss, "accept-loss", "", "do not ask; accept a plan that loses up to this many revisions (or `unknown`)")
}

// check refuses flags that make no sense before anything is looked at.
func (k consent) check() error {
	if k.acceptLoss == "" || k.acceptLoss == "unknown" {
		return nil
	}
	if n, err := strconv.ParseInt(k.acceptLoss, 10, 64); err != nil || n < 0 {
		return usageError{fmt.Errorf("--accept-loss %q: give a number of revisions, or the word unknown", k.acceptLoss)}
	}
	return nil
}

// lossWord is what has to be said or typed to accept a loss. A loss of nothing
// that is not proven is an unknown one.
func lossWord(l diagnose.Loss) string {
	if !l.Revisions.OK || l.NoneKnown() && !l.Proven {
		return "unknown"
	}
	return strconv.FormatInt(l.Revisions.Value, 10)
}

// covers tells whether the flags agree to a plan's loss.
func (k consent) covers(l diagnose.Loss) bool {
	switch {
	case l.None():
		return k.yes || k.acceptLoss != ""
	case k.acceptLoss == "unknown":
		return true
	case k.acceptLoss == "" || lossWord(l) == "unknown":
		return false
	}
	n, err := strconv.ParseInt(k.acceptLoss, 10, 64)
	return err == nil && l.Revisions.Value <= n
}

// agree asks, unless the flags have answered; it gives the words with which
// the plan was accepted, for the journal.
func (a *app) agree(ctx context.Context, p plan.Plan, k consent) (string, error) {
	if k.covers(p.Loss) {
		return "accepted by flag: loss " + lossWord(p.Loss), nil
	}
	terminal, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) || k.yes || k.acceptLoss != "" {
		return "", hint(errDeclined, "%s", flagHint(p.Loss))
	}
	want, question := "yes", "Carry out this plan? Type yes: "
	if !p.Loss.None() {
		want = lossWord(p.Loss)
		question = fmt.Sprintf("This plan LOSES %s acknowledged revisions. To accept, type %s: ", want, want)
		if p.Loss.NoneKnown() {
			question = "No loss is known, but that is not proven. To accept, type unknown: "
		}
	}
	fmt.Fprint(a.err, question)
	line, err := a.ask(ctx)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(line) != want {
		return "", errDeclined
	}
	return "accepted at the terminal: loss " + lossWord(p.Loss), nil
}

// ask reads a line; an interrupt ends the wait. Its reader is left behind, as
// nothing else can end a read from a terminal.
func (a *app) ask(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(a.in).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", hint(fmt.Errorf("interrupted at the question: %w", ctx.Err()), "nothing was agreed to, nothing was done")
	case x := <-got:
		if x.err != nil {
			return "", errDeclined
		}
		return x.line, nil
	}
}

func flagHint(l diagnose.Loss) string {
	switch {
	case l.None():
		return "to run it without being asked, add --yes"
	case l.NoneKnown():
		return "no loss is known, but that is not proven: to accept that, add --accept-loss unknown"
	}
	return "it loses " + lossWord(l) + " revisions: to accept that, add --accept-loss " + lossWord(l)
}
