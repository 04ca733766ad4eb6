package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/report"
)

// diagnosing are the flags of diagnose.
type diagnosing struct {
	sight      sight
	verbose    bool
	watch      bool
	hash       bool
	every      time.Duration
	failOn     string
	prometheus string
	from       string
}

func (a *app) diagnoseCommand() *cobra.Command {
	var d diagnosing
	c := &cobra.Command{
		Use:   "diagnose",
		Short: "Tell what broke, how bad it is, and what may and must not be done",
		Long: "Diagnose observes every machine and member, alive or dead, and changes nothing.\n" +
			"`salvor explain CODE` tells more of a class that it names.\n\n" + exitCodes,
		Args: args(cobra.NoArgs),
	}
	d.sight.addFlags(c)
	f := c.Flags()
	f.BoolVarP(&d.verbose, "verbose", "v", false, "show consequences beside their causes, and all evidence")
	f.BoolVarP(&d.watch, "watch", "w", false, "look again and again, until interrupted")
	f.BoolVar(&d.hash, "hash", false, "compare the members' data by hash however large it is (without it only up to 256 MiB); DANGER: each member in turn takes no writes meanwhile, for seconds where it has gigabytes")
	f.DurationVar(&d.every, "every", 5*time.Second, "with --watch: the pause between two looks")
	f.StringVar(&d.failOn, "fail-on", "warning", "exit 3 from this severity on: warning or critical")
	f.StringVar(&d.prometheus, "prometheus", "", "also write the findings as metrics into this file (for node_exporter's textfile collector)")
	f.StringVar(&d.from, "from", "", "diagnose what was observed before: a case folder, an evidence file (.tgz) or a facts.json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := d.check(a); err != nil {
			return err
		}
		if d.from != "" {
			s, err := a.seenBefore(d.from)
			if err != nil {
				return err
			}
			return a.answer(s, d)
		}
		cfg, err := d.sight.load(a)
		if err != nil {
			return err
		}
		fleet, err := a.fleet(cfg)
		if err != nil {
			return err
		}
		defer fleet.Close()
		if d.hash {
			a.hashes = observe.HashAll
		}
		if !d.watch {
			return a.answer(a.look(c.Context(), fleet), d)
		}
		return a.watchOn(c.Context(), d, func() seen { return look(c.Context(), fleet, a.budget, observe.HashNone) })
	}
	return c
}

func (d diagnosing) check(a *app) error {
	if err := a.formats("text", "json", "md"); err != nil {
		return err
	}
	switch {
	case d.failOn != string(diagnose.Warning) && d.failOn != string(diagnose.Critical):
		return usageError{fmt.Errorf("--fail-on %s: use warning or critical", d.failOn)}
	case d.hash && (d.watch || d.from != ""):
		return usageError{fmt.Errorf("--hash stalls writes: it goes with neither --watch nor --from")}
	case d.watch && d.from != "":
		return usageError{fmt.Errorf("--watch looks again, --from looks back: use one of them")}
	case d.watch && a.output != "text":
		return usageError{fmt.Errorf("--watch writes text only")}
	case d.every < time.Second:
		return usageError{fmt.Errorf("--every %s: a second at least", d.every)}
	}
	return nil
}

// answer writes one diagnosis in every form that was asked for and gives the
// error that stands for the exit code.
func (a *app) answer(s seen, d diagnosing) error {
	if d.prometheus != "" {
		if err := durable.WriteFile(d.prometheus, []byte(metricsOf(s.diagnosis)), 0o644); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	var err error
	switch a.output {
	case "json":
		err = report.JSON(a.out, "Diagnosis", s.diagnosis)
	default:
		o := a.style()
		o.Verbose = d.verbose
		if a.output == "md" {
			o.Colour = false
			err = report.DiagnosisMarkdown(a.out, s.diagnosis, s.facts, o)
		} else {
			err = report.Diagnosis(a.out, s.diagnosis, s.facts, o)
		}
	}
	if err != nil {
		return err
	}
	return verdictAt(s.diagnosis, diagnose.Severity(d.failOn))
}

// verdictAt is verdictOf for who only wants to be woken by something critical.
func verdictAt(d diagnose.Diagnosis, least diagnose.Severity) error {
	err := verdictOf(d)
	if least != diagnose.Critical || !errors.Is(err, errFindings) {
		return err
	}
	for _, f := range d.Findings {
		if f.Severity == diagnose.Critical {
			return err
		}
	}
	if len(d.Unknown) > 0 {
		return errUnseen // something critical may be behind it
	}
	return nil
}

// clearScreen puts a terminal's cursor home and empties what follows.
const clearScreen = "\x1b[H\x1b[2J"

// watchOn looks again and again until it is interrupted. A terminal shows the
// last look, a file or a pipe gets one after the other.
func (a *app) watchOn(ctx context.Context, d diagnosing, again func() seen) error {
	between := ""
	if a.onTerminal() {
		between = clearScreen
	}
	for {
		s := again()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := a.say("%s", between); err != nil {
			return err
		}
		if between == "" {
			between = "\n"
		}
		if err := a.answer(s, d); err != nil && !silent(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d.every):
		}
	}
}
