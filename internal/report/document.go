package report

import (
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/say"
)

// Document is the report on a case: what a program wants to know in fields,
// and the whole story for people in Sections, in one language. The renderers
// Markdown and HTML only set it; JSON is the document itself.
type Document struct {
	Lang say.Language `json:"lang"`
	// Case and Cluster name the case and the control plane.
	Case    string `json:"case"`
	Cluster string `json:"cluster,omitempty"`
	// Outcome is stable; Title and Headline say it in words.
	Outcome  Outcome `json:"outcome"`
	Title    string  `json:"title"`
	Headline string  `json:"headline"`
	// Level and Scenario are empty while there is no diagnosis.
	Level    diagnose.Level    `json:"level"`
	Scenario diagnose.Scenario `json:"scenario,omitempty"`
	// RootCause is the diagnosis in one sentence.
	RootCause string `json:"rootCause,omitempty"`
	// Plan is the plan's ID, Source the candidate from which the data came.
	Plan   string `json:"plan,omitempty"`
	Source string `json:"source,omitempty"`
	// Loss is what the plan announced; absent while there is no plan.
	Loss     *diagnose.Loss `json:"loss,omitempty"`
	Accepted []Acceptance   `json:"accepted,omitempty"`
	// StepsDone of Steps were carried out.
	StepsDone int   `json:"stepsDone"`
	Steps     int   `json:"steps"`
	Runs      []Run `json:"runs,omitempty"`
	// Passed is absent while there is no verdict.
	Passed   *bool            `json:"passed,omitempty"`
	Checks   []casefile.Check `json:"checks,omitempty"`
	Times    Times            `json:"times"`
	Sections []Section        `json:"sections"`
}

// Acceptance is one agreement of the operator.
type Acceptance struct {
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`
	Note string    `json:"note,omitempty"`
}

// Section is one chapter of the story.
type Section struct {
	// ID is stable: "short", "found", "decided", "did", "lost", "proven",
	// "times", "next".
	ID     string  `json:"id"`
	Title  string  `json:"title"`
	Blocks []Block `json:"blocks"`
}

// Block is a paragraph, a list or a table; exactly one of Text, Items and
// Table is set. A text within backticks is a command or a name as typed.
type Block struct {
	Mark  Mark     `json:"mark,omitempty"`
	Text  string   `json:"text,omitempty"`
	Items []string `json:"items,omitempty"`
	Table *Table   `json:"table,omitempty"`
}

// Report tells the story of a case. Half a case gives half a story, which says
// what is missing; only Options.Lang is used.
func Report(c casefile.Case, o Options) Document {
	t := teller{c: c, o: o, outcome: OutcomeOf(c), runs: runs(c.Journal)}
	lang := o.Lang
	if lang == "" {
		lang = say.English
	}
	d := Document{Lang: lang, Case: c.Name, Outcome: t.outcome, Runs: t.runs, Accepted: accepted(c.Journal), Times: timesOf(c)}
	if c.Facts != nil {
		d.Cluster = c.Facts.Config.Cluster
	}
	if c.Diagnosis != nil {
		d.Level, d.Scenario, d.RootCause = c.Diagnosis.Level, c.Diagnosis.Scenario, o.text(c.Diagnosis.Summary)
	}
	if c.Plan != nil {
		d.fromPlan(*c.Plan, c.Journal)
	}
	if c.Verdict != nil {
		d.Passed, d.Checks = &c.Verdict.Passed, c.Verdict.Checks
	}
	name := c.Name
	if d.Cluster != "" {
		name = d.Cluster
	}
	d.Title, d.Headline = o.say("report.title", name), t.headline()
	t.doc = &d
	for _, chapter := range []func() Section{t.short, t.found, t.decided, t.did, t.lost, t.proven, t.times, t.next} {
		if s := chapter(); len(s.Blocks) > 0 {
			s.Title = o.say("section." + s.ID)
			d.Sections = append(d.Sections, s)
		}
	}
	return d
}

// mark grades the headline: a recovery that lost something is no plain success.
func (d Document) mark() Mark {
	m := d.Outcome.mark()
	if m == MarkGood && d.Outcome.carriedOut() && d.Loss != nil && !d.Loss.NoneKnown() {
		return MarkWarn
	}
	return m
}

func (d *Document) fromPlan(p plan.Plan, journal []casefile.Entry) {
	if d.Cluster == "" {
		d.Cluster = p.Config.Cluster
	}
	d.Plan, d.Source, d.Loss = p.ID, p.Source.ID, &p.Loss
	d.Steps, d.StepsDone = len(p.Steps), len(doneSteps(p, journal))
	if d.Scenario == "" {
		d.Scenario = p.Scenario
	}
}

func accepted(journal []casefile.Entry) []Acceptance {
	var out []Acceptance
	for _, e := range journal {
		if e.Event == casefile.EventAccepted {
			out = append(out, Acceptance{e.At, e.By, e.Note})
		}
	}
	return out
}
