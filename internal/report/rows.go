package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/say"
)

// Row is one line of a table.
type Row struct {
	Mark  Mark     `json:"mark,omitempty"`
	Cells []string `json:"cells"`
}

// Table is a table with its headings.
type Table struct {
	Head []string `json:"head"`
	Rows []Row    `json:"rows"`
}

// pruned leaves out the columns in which nothing stands.
func (t Table) pruned() Table {
	out := Table{}
	full := make([]bool, len(t.Head))
	for _, r := range t.Rows {
		for i, c := range r.Cells {
			full[i] = full[i] || c != ""
		}
	}
	keep := func(cells []string) []string {
		var kept []string
		for i, c := range cells {
			if full[i] {
				kept = append(kept, c)
			}
		}
		return kept
	}
	out.Head = keep(t.Head)
	for _, r := range t.Rows {
		out.Rows = append(out.Rows, Row{r.Mark, keep(r.Cells)})
	}
	return out
}

func stateMark(s diagnose.State) Mark {
	switch s {
	case diagnose.StateServing:
		return MarkGood
	case diagnose.StateStopped, diagnose.StateHeld, diagnose.StateStuck, diagnose.StateNoQuorum, diagnose.StateLearner:
		return MarkWarn
	case diagnose.StateDamaged, diagnose.StateLost, diagnose.StateImpostor, diagnose.StateRemoved:
		return MarkBad
	}
	return MarkOpen
}

// members is the table of the configured members. The cluster ID is shown only
// for a member that has another one than the rest.
func (o Options) members(d diagnose.Diagnosis, f cluster.Facts) Table {
	t := Table{Head: o.heads("member", "host", "state", "revision", "position", "cluster")}
	for _, m := range d.Members {
		facts, _ := f.Member(m.Name)
		revision, position, id := standing(facts)
		foreign := ""
		if id.OK && (!d.ClusterID.OK || id.Value != d.ClusterID.Value) {
			foreign = id.Value.String()
		}
		t.Rows = append(t.Rows, Row{stateMark(m.State), []string{m.Name, m.Host, o.word("state", string(m.State)), revision, position, foreign}})
	}
	return t
}

func (o Options) heads(names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, o.say("column."+n))
	}
	return out
}

// unseen stands where nobody could look.
const unseen = "?"

// standing is how far a member has come, alive or at rest. A data dir that is
// gone has no standing; one that could not be read has an unknown one.
func standing(m cluster.MemberFacts) (revision, position string, id cluster.Known[cluster.ID]) {
	if m.Live.OK {
		l := m.Live.Value
		return fmt.Sprint(l.Revision), fmt.Sprintf("%d/%d", l.Term, l.Index), cluster.Is(l.ClusterID)
	}
	if !m.Disk.OK {
		return unseen, unseen, cluster.Unknown[cluster.ID]("%s", m.Disk.Why)
	}
	if m.Disk.Value.State != cluster.DirData {
		return "", "", cluster.Unknown[cluster.ID]("no data dir")
	}
	d := m.Disk.Value
	revision, position = unseen, unseen
	if d.DB.OK {
		n := d.DB.Value.Revision
		if d.Log.OK {
			n += d.Log.Value.RevisionsBeyondDB
		}
		revision = fmt.Sprint(n)
		position = fmt.Sprintf("%d/%d", d.DB.Value.Term, d.DB.Value.ConsistentIndex)
	}
	if d.Log.OK {
		position = fmt.Sprintf("%d/%d", d.Log.Value.LastTerm, d.Log.Value.LastIndex)
	}
	return revision, position, d.ClusterID
}

func candidateMark(c diagnose.Candidate) Mark {
	switch {
	case c.Chosen:
		return MarkGood
	case c.Integrity == diagnose.Unusable:
		return MarkBad
	}
	return MarkNone
}

// candidateCells is what a candidate offers: revision, age, integrity, loss.
func (o Options) candidateCells(c diagnose.Candidate, at time.Time) []string {
	revision, age, loss := "", "", ""
	if c.Revision.OK {
		revision = fmt.Sprint(c.Revision.Value)
	}
	switch {
	case c.Kind == diagnose.FromQuorum:
		age = o.say("screen.age-now")
	case !c.At.IsZero():
		age = o.span(max(0, at.Sub(c.At)))
	}
	if c.Integrity != diagnose.Unusable {
		loss = o.lossShort(c.Loss)
	}
	return []string{revision, age, o.word("integrity", string(c.Integrity)), loss}
}

// candidates is the table of everything that the data could come from.
func (o Options) candidates(d diagnose.Diagnosis) Table {
	t := Table{Head: o.heads("candidate", "revision", "age", "integrity", "loss", "why")}
	for _, c := range d.Candidates {
		cells := append([]string{c.ID}, o.candidateCells(c, d.At)...)
		t.Rows = append(t.Rows, Row{candidateMark(c), append(cells, o.text(c.Why))})
	}
	return t
}

func severityMark(s diagnose.Severity) Mark {
	switch s {
	case diagnose.Critical:
		return MarkBad
	case diagnose.Warning:
		return MarkWarn
	}
	return MarkNone
}

func codes(cs []diagnose.Code) string {
	var out []string
	for _, c := range cs {
		out = append(out, string(c))
	}
	return strings.Join(out, ", ")
}

// unknowns are what could not be observed, each with what would tell.
func (o Options) unknowns(d diagnose.Diagnosis) []string {
	var out []string
	for _, u := range d.Unknown {
		tell := say.New("tell."+u.Key, anys(u.Args)...)
		if say.Has(tell.Key) {
			out = append(out, o.say("screen.tells", o.text(u), o.text(tell)))
			continue
		}
		out = append(out, o.text(u))
	}
	return out
}

func anys(in []string) []any {
	var out []any
	for _, s := range in {
		out = append(out, s)
	}
	return out
}

func (o Options) advice(as []diagnose.Advice) []string {
	var out []string
	for _, a := range as {
		out = append(out, o.text(a.Text))
	}
	return out
}
