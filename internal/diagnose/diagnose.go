package diagnose

import (
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// Diagnose answers the facts.
func Diagnose(f cluster.Facts) Diagnosis {
	v := newView(f)
	d := Diagnosis{At: f.At, ClusterID: v.lineage, HighestRevision: v.seen()}
	d.Findings = v.findings()
	for _, m := range v.members {
		state := m.state
		if state == StateStopped && !v.startable(m, d.Findings) {
			state = StateHeld
		}
		d.Members = append(d.Members, MemberState{Name: m.cfg.Name, Host: m.cfg.Host, State: state})
	}
	d.Unknown = v.unknown()
	d.Unjudged = v.unjudged()
	d.Candidates = v.candidates()
	if split(d.Findings) {
		doubtAll(d.Candidates)
	}
	for i, c := range d.Candidates {
		d.Candidates[i].Hazards, d.Candidates[i].HazardsUnknown = v.hazardTexts(c)
	}
	if f, ok := root(d.Findings); ok {
		d.Cause = &Cause{Code: f.Code, Subject: f.Subject, Confidence: f.Confidence, Against: f.Against}
	}
	d.Scenario = v.scenario(d.Findings)
	d.Level = v.level(d)
	d.Summary = v.summary(d)
	d.Allowed, d.Forbidden = v.advice(d)
	d.Next = v.next(d, v.rightsMissing())
	return d
}

// unknown lists what could not be observed and matters.
func (v view) unknown() []say.Text {
	var out []say.Text
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK {
			out = append(out, say.New("unknown.host", h.Name, h.Reached.Why))
		}
	}
	for _, h := range v.facts.Hosts {
		if h.Reached.OK && h.ClientProblem != "" {
			out = append(out, say.New("unknown.client"+forWantOf(h.ClientProblem), h.Name, h.ClientProblem))
		}
	}
	if v.vaultSilent() {
		out = append(out, say.New("unknown.vault", v.facts.Backups.Why))
	}
	for _, t := range v.facts.BackupsDown {
		out = append(out, say.New("unknown.target", t))
	}
	for _, h := range v.facts.Hosts {
		for _, p := range h.Node.Places {
			if h.Reached.OK && !v.alive && !p.Files.OK {
				out = append(out, say.New("unknown.place", h.Name, p.Path, p.Files.Why))
			}
		}
	}
	for _, e := range v.strangers {
		out = append(out, say.New("unknown.stranger", e.Name, strings.Join(e.PeerURLs, ",")))
	}
	if v.alive {
		for _, h := range v.hidden() {
			out = append(out, say.New("unknown.hidden", h))
		}
	}
	for _, m := range v.members {
		if !m.reached {
			continue
		}
		if !m.facts.Process.OK {
			out = append(out, say.New("unknown.process"+forWantOf(m.facts.Process.Why), m.cfg.Name, m.facts.Process.Why))
		}
		if !m.facts.Disk.OK && !m.facts.Live.OK {
			out = append(out, say.New("unknown.disk"+forWantOf(m.facts.Disk.Why), m.cfg.Name, m.facts.Disk.Why))
		}
	}
	return out
}
