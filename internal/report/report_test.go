package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/say"
)

// unfinished finds sentences that were not filled: a key without an entry, a
// verb that is left, an argument that is missing.
var unfinished = regexp.MustCompile(`%!|%\[|%s|\b(finding|scenario|candidate|allow|forbid|action|warning|verify|unknown|outcome|state|risk)\.[a-z]+[ .]*\[|（\?）|\(\?\)`)

// TestEveryStory renders every failure that diagnose knows, with its plan.
func TestEveryStory(t *testing.T) {
	for name, s := range stories.All() {
		for _, lang := range languages() {
			t.Run(name+"."+string(lang), func(t *testing.T) {
				f := s.World.Facts
				d := diagnose.Diagnose(f)
				c := casefile.Case{Name: "a-case", Facts: &f, Diagnosis: &d}
				o := Options{Lang: lang, Verbose: true}
				var out bytes.Buffer
				out.Write(written(t, func(w io.Writer) error { return Diagnosis(w, d, f, o) }))
				if p, err := plan.Build(f, d, plan.Choices{Case: "a-case", Token: "t"}); err == nil {
					c.Plan = &p
					out.Write(written(t, func(w io.Writer) error { return Plan(w, p, o) }))
				}
				out.Write(written(t, Report(c, o).Markdown))
				if m := unfinished.FindString(out.String()); m != "" {
					t.Errorf("an unfinished sentence (%s) in\n%s", m, out.String())
				}
				if !strings.Contains(out.String(), o.text(d.Summary)) && lang == say.Chinese {
					t.Error("the root cause is not told in one piece")
				}
			})
		}
	}
}

// TestHalfCases renders what is left when parts of a case are missing.
func TestHalfCases(t *testing.T) {
	whole := majorityPassed()
	bad := *whole.Verdict
	bad.Passed = false
	bad.Checks = append([]casefile.Check{{Name: "hash-equal", Result: casefile.Failed, Text: say.New("verify.hash-differs", "cp-1 1, cp-2 2")}}, bad.Checks...)
	running := whole.Journal[:5]
	undo := *whole.Plan
	undo.Undoes = "another"
	clean := undo
	clean.Steps = []plan.Step{{ID: "discard@x", Host: "cp-1", Action: plan.Discard{Path: "/x", Case: "another"}}}
	cleaned := []casefile.Entry{{Event: casefile.EventBegan}, {Event: casefile.EventDone, Step: "discard@x"}, {Event: casefile.EventEnded}}
	for name, c := range map[Outcome]casefile.Case{
		OutcomeEmpty:      {Name: "x"},
		OutcomeDiagnosed:  {Name: "x", Diagnosis: whole.Diagnosis},
		OutcomeRefused:    certsExpired(),
		OutcomePlanned:    {Name: "x", Plan: whole.Plan},
		OutcomeUnfinished: {Name: "x", Plan: whole.Plan, Journal: running},
		OutcomeStopped:    failedCase(),
		OutcomeUnverified: {Name: "x", Plan: whole.Plan, Journal: whole.Journal},
		OutcomeNotProven:  {Name: "x", Facts: whole.Facts, Plan: whole.Plan, Journal: whole.Journal, Verdict: &bad},
		OutcomeRecovered:  whole,
		OutcomeRolledBack: {Name: "x", Plan: &undo, Journal: whole.Journal},
		OutcomeCleanedUp:  {Name: "x", Plan: &clean, Journal: cleaned},
		OutcomeHealthy:    {Name: "x", Diagnosis: &diagnose.Diagnosis{Scenario: diagnose.Healthy, Next: "salvor verify"}},
		OutcomeUndecided:  {Name: "x", Diagnosis: &diagnose.Diagnosis{Scenario: diagnose.Unreachable}},
	} {
		for _, lang := range languages() {
			t.Run(string(name)+"."+string(lang), func(t *testing.T) {
				d := Report(c, Options{Lang: lang})
				if d.Outcome != name {
					t.Errorf("the outcome is %s", d.Outcome)
				}
				md := string(written(t, d.Markdown))
				if m := unfinished.FindString(md); m != "" {
					t.Errorf("an unfinished sentence (%s) in\n%s", m, md)
				}
				wellFormed(t, written(t, d.HTML))
				if d.Headline == "" || len(d.Sections) == 0 && name != OutcomeEmpty {
					t.Errorf("nothing is told:\n%s", md)
				}
			})
		}
	}
}

func wellFormed(t *testing.T, page []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(page))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "script", "link", "img", "iframe", "object", "embed", "base", "a", "form", "svg":
			t.Errorf("<%s> in the page", e.Name.Local)
		}
		for _, a := range e.Attr {
			v := strings.ToLower(a.Value)
			if a.Name.Local == "src" || a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") || strings.Contains(v, "http") || strings.Contains(v, "//") {
				t.Errorf("<%s %s=%q> could load or run something", e.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

// TestHostileNames puts markup, control characters and escape sequences where
// names and messages from outside go.
func TestHostileNames(t *testing.T) {
	const evil = "<script>alert(1)</script>`|`*x*\x1b[31m\n# head\u202e\"'&amp;"
	c := majorityPassed()
	c.Name = evil
	c.Facts.Config.Cluster = evil
	c.Diagnosis.Members[1].Name, c.Diagnosis.Members[1].Host = evil, evil
	c.Diagnosis.Findings[0].Evidence = []string{evil}
	c.Diagnosis.Findings[0].Text = say.New("finding.etcd-data-dir-lost", evil, evil, evil)
	c.Diagnosis.Candidates[1].ID = evil
	c.Plan.Source.ID = evil
	c.Plan.Steps[0].Host = evil
	c.Journal[1].By, c.Journal[0].Note = evil, evil
	c.Verdict.Checks[0].Text = say.New("verify.one-leader", evil)
	d := Report(c, Options{})
	page := written(t, d.HTML)
	wellFormed(t, page)
	if bytes.Contains(page, []byte("<script")) || bytes.Contains(page, []byte("url(")) || bytes.Contains(page, []byte("@import")) {
		t.Error("the page lets markup through")
	}
	md := written(t, d.Markdown)
	var screens bytes.Buffer
	for _, write := range []func(io.Writer) error{
		func(w io.Writer) error { return Diagnosis(w, *c.Diagnosis, *c.Facts, Options{Verbose: true}) },
		func(w io.Writer) error { return Plan(w, *c.Plan, Options{}) },
	} {
		screens.Write(written(t, write))
	}
	for name, text := range map[string][]byte{"markdown": md, "html": page, "screens": screens.Bytes()} {
		if bytes.ContainsAny(text, "\x1b\u202e") {
			t.Errorf("%s passes control characters on", name)
		}
		if bytes.Contains(text, []byte("\n# head")) {
			t.Errorf("%s lets a name begin a line", name)
		}
	}
	md = regexp.MustCompile("`[^`\n]*`").ReplaceAll(md, nil) // within code a name stands for itself
	if regexp.MustCompile(`(^|[^\\])<script`).Match(md) {
		t.Errorf("markdown lets markup through:\n%s", md)
	}
}

// TestColourCarriesNothing takes the colours away: what is left is the text
// without colours.
func TestColourCarriesNothing(t *testing.T) {
	c := allLost()
	ansi := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for name, write := range map[string]func(w io.Writer, o Options) error{
		"diagnosis": func(w io.Writer, o Options) error { return Diagnosis(w, *c.Diagnosis, *c.Facts, o) },
		"plan":      func(w io.Writer, o Options) error { return Plan(w, *c.Plan, o) },
	} {
		plain := written(t, func(w io.Writer) error { return write(w, Options{}) })
		colour := written(t, func(w io.Writer) error { return write(w, Options{Colour: true}) })
		if bytes.Equal(plain, colour) {
			t.Errorf("%s: no colours", name)
		}
		if d := cmp.Diff(string(plain), ansi.ReplaceAllString(string(colour), "")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestWidth holds every line to the width, but for words that are longer.
func TestWidth(t *testing.T) {
	c := allLost()
	for _, lang := range languages() {
		for _, width := range []int{60, 80, 120} {
			o := Options{Lang: lang, Width: width, Verbose: true}
			out := written(t, func(w io.Writer) error { return Diagnosis(w, *c.Diagnosis, *c.Facts, o) })
			out = append(out, written(t, func(w io.Writer) error { return Plan(w, *c.Plan, o) })...)
			for line := range strings.SplitSeq(string(out), "\n") {
				if columns(line) > width && !strings.Contains(line, "salvor-") && !strings.Contains(line, "salvor/cases") {
					t.Errorf("%s, width %d: %d columns: %s", lang, width, columns(line), line)
				}
			}
		}
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		doc  any
		want string
	}{
		{struct {
			A int `json:"a"`
		}{1}, "{\n  \"kind\": \"K\",\n  \"a\": 1\n}\n"},
		{struct{}{}, "{\n  \"kind\": \"K\"\n}\n"},
		{map[string]cluster.ID{"id": 0xffffffffffffffff}, "{\n  \"kind\": \"K\",\n  \"id\": \"ffffffffffffffff\"\n}\n"},
	} {
		if got := string(written(t, func(w io.Writer) error { return JSON(w, "K", c.doc) })); got != c.want {
			t.Errorf("%#v is written as %s", c.doc, got)
		}
	}
	for _, doc := range []any{[]int{1}, nil, 7, map[string]string{"kind": "x"}, map[string]any{"f": func() {}}} {
		var b bytes.Buffer
		if err := JSON(&b, "K", doc); err == nil || b.Len() > 0 {
			t.Errorf("%#v is written as %s", doc, b.String())
		}
	}
}

// TestPlanJSON reads a plan's document back, and finds its kind first.
func TestPlanJSON(t *testing.T) {
	p := majorityPassed().Plan
	b := written(t, func(w io.Writer) error { return JSON(w, "Plan", p) })
	if !bytes.HasPrefix(b, []byte("{\n  \"kind\": \"Plan\",\n  \"id\": \"5be1c09a77d2e314\"")) {
		t.Errorf("the document begins with %s", b[:80])
	}
	var back plan.Plan
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*p, back); d != "" {
		t.Error(d)
	}
}

func TestAsks(t *testing.T) {
	lose := func(n int64) diagnose.Loss { return diagnose.Loss{Revisions: cluster.Is(n)} }
	high := []plan.Step{{ID: "a", Action: plan.StopMember{}}, {ID: "b", Action: plan.RemoveMember{}}, {ID: "c", Action: plan.AddLearner{}}, {ID: "d", Action: plan.PromoteLearner{}}}
	for _, c := range []struct {
		p    plan.Plan
		want []string
	}{
		{plan.Plan{Loss: noLoss()}, []string{"ask.once"}},
		{plan.Plan{Loss: noLoss(), Steps: high}, []string{"ask.once", "ask.irreversible"}},
		{plan.Plan{Loss: lose(0)}, []string{"ask.unproven"}},
		{plan.Plan{Loss: lose(7)}, []string{"ask.loss"}},
		{plan.Plan{Loss: diagnose.Loss{}}, []string{"ask.loss-unknown"}},
	} {
		var got []string
		for _, x := range Asks(c.p) {
			got = append(got, x.Key)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%v: %s", c.p.Loss, d)
		}
	}
	if got := Asks(plan.Plan{Loss: noLoss(), Steps: high})[1].Args; got[0] != "2-4" {
		t.Errorf("the steps that cannot be undone are %v", got)
	}
}

func TestTimes(t *testing.T) {
	got := Report(resumed(), Options{}).Times
	if got.ToVerdict == nil || *got.ToVerdict <= *got.ToCanary || got.RTOMet == nil || *got.RTOMet {
		t.Errorf("19 minutes against an objective of 15: %+v", got)
	}
	if got.RPOAtMost != nil || got.RPOMet != nil {
		t.Errorf("a loss that is not proven has an RPO: %v, %v", got.RPOAtMost, got.RPOMet)
	}
	got = Report(failedCase(), Options{}).Times
	if got.ToVerdict != nil || got.ToCanary != nil || got.RTOMet != nil || got.RPOAtMost != nil {
		t.Errorf("a failed run has times of success: %+v", got)
	}
	got = Report(allLost(), Options{}).Times
	if got.RPOAtMost == nil || *got.RPOAtMost != 900 || got.RPOMet == nil || *got.RPOMet {
		t.Errorf("a snapshot of 15 minutes ago: %+v", got)
	}
}

// TestRuns reads a journal in which a connection breaks (a), a step fails
// before it starts (b), and one is found done after it seemed to fail (c).
func TestRuns(t *testing.T) {
	at := func(s int) time.Time { return night(time.Duration(s) * time.Second) }
	e := func(s int, ev casefile.Event, step plan.StepID) casefile.Entry {
		return casefile.Entry{At: at(s), Event: ev, Step: step, Error: map[bool]string{true: "broken"}[ev == casefile.EventFailed]}
	}
	found := e(9, casefile.EventDone, "c")
	found.Found = true
	got := runs([]casefile.Entry{e(0, casefile.EventAccepted, ""), e(1, casefile.EventBegan, ""), e(2, casefile.EventStarted, "a"), e(3, casefile.EventStarted, "a"),
		e(4, casefile.EventDone, "a"), e(5, casefile.EventFailed, "b"), e(6, casefile.EventStarted, "c"), e(7, casefile.EventFailed, "c"), found})
	want := []Run{{Began: at(1), Last: at(9), Attempts: []Attempt{
		{Step: "a", Started: at(2), Result: ResultInterrupted},
		{Step: "a", Started: at(3), Ended: at(4), Result: ResultDone},
		{Step: "b", Ended: at(5), Result: ResultFailed, Error: "broken"},
		{Step: "c", Started: at(6), Ended: at(7), Result: ResultFailed, Error: "broken"},
		{Step: "c", Ended: at(9), Result: ResultFound}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := runs([]casefile.Entry{e(2, casefile.EventDone, "a")}); len(got) != 1 || len(got[0].Attempts) != 1 {
		t.Errorf("a journal without its head: %+v", got)
	}
	if got := runs(nil); got != nil {
		t.Errorf("an empty journal has runs: %+v", got)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 ms", 1500 * time.Microsecond: "2 ms", 1200 * time.Millisecond: "1.2 s", 59600 * time.Millisecond: "1 min",
		72 * time.Second: "1 min 12 s", time.Hour + 5*time.Second: "1 h", 125 * time.Minute: "2 h 5 min", 26 * time.Hour: "1 d 2 h", -3 * time.Second: "-3.0 s"} {
		if got := (Options{}).span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"/a/path/that/is/long x", 8, []string{"/a/path/that/is/long", "x"}},
		{"数据完好。无需恢复", 8, []string{"数据完", "好。无需", "恢复"}},
		{"停止 cp-1，再启动", 9, []string{"停止", "cp-1，再", "启动"}},
		{"a\nb\tc", 10, []string{"a b c"}},
	} {
		if d := cmp.Diff(c.want, wrap(c.text, c.width)); d != "" {
			t.Errorf("%q at %d: %s", c.text, c.width, d)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteErrors(t *testing.T) {
	c := majorityPassed()
	d := Report(c, Options{})
	for name, err := range map[string]error{"diagnosis": Diagnosis(brokenPipe{}, *c.Diagnosis, *c.Facts, Options{}), "plan": Plan(brokenPipe{}, *c.Plan, Options{}),
		"markdown": d.Markdown(brokenPipe{}), "html": d.HTML(brokenPipe{}), "json": JSON(brokenPipe{}, "K", d)} {
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
