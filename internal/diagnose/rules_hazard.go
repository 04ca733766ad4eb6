package diagnose

import (
	"fmt"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// hazardous is a candidate's data with what would hurt of it.
type hazardous struct {
	subject string
	host    string
	hazards cluster.Hazards
	db      cluster.Known[cluster.DB]
}

// toRestore are the data that a recovery would put back: the chosen snapshot
// or survivor, when nothing serves.
func (v view) toRestore() []hazardous { return v.restore }

func (v view) findRestore() []hazardous {
	if v.alive {
		return nil
	}
	for _, c := range v.candidates() {
		if !c.Chosen || c.Kind == FromQuorum || c.Kind == FromDisks {
			continue
		}
		if h := v.hazardsOf(c); h.OK {
			return []hazardous{{c.ID, c.Host, h.Value, v.dbOf(c)}}
		}
	}
	return nil
}

// hazardsOf finds what was read of a candidate's objects.
func (v view) hazardsOf(c Candidate) cluster.Known[cluster.Hazards] {
	if c.Kind == FromSnapshot {
		h, _ := v.facts.Host(c.Host)
		for _, s := range h.Snapshots {
			if s.Path == c.Path {
				return s.Hazards
			}
		}
	}
	if c.Kind == FromSurvivor {
		for _, m := range v.members {
			if m.cfg.Name == c.DB {
				return m.facts.Hazards
			}
		}
	}
	return cluster.Known[cluster.Hazards]{}
}

// hazardTexts are the hazards of any candidate, in words; unknown says why its
// objects could not be read.
func (v view) hazardTexts(c Candidate) (texts []say.Text, unknown *say.Text) {
	if c.Integrity == Unusable || c.Kind == FromQuorum || c.Kind == FromDisks {
		return nil, nil // nothing is put back from it
	}
	h := v.hazardsOf(c)
	if !h.OK {
		why := say.New("candidate.hazards-unread", h.Why)
		switch {
		case c.Kind == FromVault:
			why = say.New("candidate.hazards-fetch")
		case h.Why == "":
			why = say.New("candidate.hazards-unasked")
		}
		return nil, &why
	}
	one := []hazardous{{c.ID, c.Host, h.Value, v.dbOf(c)}}
	for _, r := range hazardRules() {
		for _, s := range r.hazard(v, one) {
			texts = append(texts, say.New("finding."+string(r.code), append([]any{s.subject}, s.args...)...))
		}
	}
	return texts, nil
}

// dbOf is the db of a candidate, as far as it was read.
func (v view) dbOf(c Candidate) cluster.Known[cluster.DB] {
	if c.Kind == FromSnapshot {
		h, _ := v.facts.Host(c.Host)
		for _, s := range h.Snapshots {
			if s.Path == c.Path {
				return s.DB
			}
		}
	}
	for _, m := range v.members {
		if c.Kind == FromSurvivor && m.cfg.Name == c.DB {
			return m.facts.Disk.Value.DB
		}
	}
	return cluster.Known[cluster.DB]{}
}

// hazardNames tells a list of objects.
func hazardNames(of func(cluster.Hazards) cluster.Names) finder {
	return func(_ view, in []hazardous) []sighting {
		var out []sighting
		for _, h := range in {
			if n := of(h.hazards); n.Count > 0 {
				out = append(out, sighting{h.subject, []any{n.Count, some(n.First)}, n.First})
			}
		}
		return out
	}
}

// listed is a list that is complete as Names are.
func listed(list []string) cluster.Names { return cluster.Names{Count: int64(len(list)), First: list} }

// some shows the first few of a list.
func some(list []string) string {
	if len(list) > 5 {
		return strings.Join(list[:5], ", ") + ", …"
	}
	return strings.Join(list, ", ")
}

// hazardEncryption tells values whose key is certainly not in the encryption
// configuration at hand, or does not open them.
func hazardEncryption(_ view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		for _, e := range h.hazards.Encrypted {
			if e.Configured.OK && !e.Configured.Value || e.Opened.OK && !e.Opened.Value {
				why := "no such key is configured"
				if e.Opened.OK && !e.Opened.Value {
					why = "the configured key of that name does not open them: " + e.Opened.Why
				}
				out = append(out, sighting{h.subject, []any{e.Values, e.Provider + "/" + e.Key, why}, []string{fmt.Sprintf("%s: encrypted with %s/%s: %s", e.Example, e.Provider, e.Key, why)}})
				break
			}
		}
	}
	return out
}

// hazardAuthority compares the authority that the data names with the one on
// the machines.
func hazardAuthority(v view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		a := h.hazards.Authority
		if !a.OK {
			continue
		}
		for _, k := range v.kubes() {
			for _, f := range k.facts.Identity {
				if f.Name == "ca" && f.Digest.OK && f.Digest.Value != a.Value && len(out) == 0 {
					out = append(out, sighting{h.subject, []any{f.Path, k.host}, []string{fmt.Sprintf("the data names authority %s, %s on %s is %s", short(a.Value), f.Path, k.host, short(f.Digest.Value))}})
				}
			}
		}
	}
	return out
}

func hazardTokens(_ view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		if t := h.hazards.TokensSigned; t.OK && !t.Value {
			out = append(out, sighting{h.subject, []any{t.Why}, []string{"a stored service account token does not verify: " + t.Why}})
		}
	}
	return out
}

func hazardWebhooks(_ view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		s := sighting{subject: h.subject}
		var list []string
		for _, w := range h.hazards.Webhooks {
			list = append(list, webhookName(w))
			s.evidence = append(s.evidence, webhookEvidence(w))
		}
		if len(list) > 0 {
			s.args = []any{len(list), some(list)}
			out = append(out, s)
		}
	}
	return out
}

// webhookName is a webhook as a list tells it.
func webhookName(w cluster.Webhook) string {
	maybe := ""
	if w.Conditions {
		maybe = "; " + mayNotMatch
	}
	return fmt.Sprintf("%s (%s → %s%s)", w.Object, strings.Join(w.Hits, "+"), w.Service, maybe)
}

// mayNotMatch marks webhooks whose conditions are expressions, which Salvor does
// not evaluate.
const mayNotMatch = "may not match (matchConditions)"

// rateHooks is certain only where some webhook has no conditions.
func rateHooks(_ view, s sighting) (Confidence, []string) {
	for _, e := range s.evidence {
		if !strings.HasSuffix(e, mayNotMatch) {
			return Certain, nil
		}
	}
	return Likely, []string{mayNotMatch + ": their expressions, not evaluated here, may let everything pass"}
}

// webhookEvidence says what a webhook stands in the way of, and how much.
func webhookEvidence(w cluster.Webhook) string {
	line := fmt.Sprintf("%s: webhook %s fails closed, asks service %s for %s", w.Object, w.Name, w.Service, strings.Join(w.Hits, ", "))
	if w.Namespaces.Count > 0 {
		line += fmt.Sprintf("; it takes in %d namespaces (%s) with %d stored pods", w.Namespaces.Count, some(w.Namespaces.First), w.Pods)
	}
	if w.Own {
		line += "; its own backend's namespace is among them, so the backend cannot start either"
	}
	if !w.Backend {
		line += "; no endpoint of its service is ready"
	}
	if w.Conditions {
		line += "; " + mayNotMatch
	}
	return line
}

// hazardLeases tells addresses of API servers that no configured host has.
func hazardLeases(v view, in []hazardous) []sighting {
	here := v.apiAddresses()
	var out []sighting
	for _, h := range in {
		var stale []string
		for _, a := range h.hazards.MasterLeases {
			if !here[a] {
				stale = append(stale, a)
			}
		}
		if len(stale) > 0 && len(here) > 0 {
			out = append(out, sighting{h.subject, []any{len(stale), some(stale)}, stale})
		}
	}
	return out
}

// apiAddresses are the addresses of the API servers as far as they are known.
func (v view) apiAddresses() map[string]bool {
	out := map[string]bool{}
	for _, h := range v.facts.Hosts {
		for _, a := range h.Node.APIServers {
			if a.Direct {
				out[urlHost(a.URL)] = true
			}
		}
	}
	for _, n := range v.facts.Config.Kubernetes.Nodes {
		if n.API != "" {
			out[urlHost(n.API)] = true
		}
	}
	return out
}

// hazardNodes compares the nodes in the data with those of the configuration.
func hazardNodes(v view, in []hazardous) []sighting {
	inventory := map[string]bool{}
	for _, n := range v.facts.Config.Kubernetes.Nodes {
		inventory[n.NodeName()] = true
	}
	var out []sighting
	for _, h := range in {
		if len(inventory) == 0 {
			continue
		}
		data := map[string]bool{}
		var extra, lacking []string
		for _, n := range h.hazards.Nodes {
			data[n] = true
			if !inventory[n] {
				extra = append(extra, n)
			}
		}
		for _, n := range v.facts.Config.Kubernetes.Nodes {
			if !data[n.NodeName()] {
				lacking = append(lacking, n.NodeName())
			}
		}
		if len(extra)+len(lacking) > 0 {
			out = append(out, sighting{h.subject, []any{len(extra), some(extra), len(lacking), some(lacking)}, append(append([]string{}, extra...), lacking...)})
		}
	}
	return out
}

func hazardJobs(_ view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		j, c := h.hazards.Jobs, h.hazards.CronJobs
		if j.Count+c.Count > 0 {
			out = append(out, sighting{h.subject, []any{j.Count, c.Count, some(append(append([]string{}, j.First...), c.First...))}, append(append([]string{}, j.First...), c.First...)})
		}
	}
	return out
}
