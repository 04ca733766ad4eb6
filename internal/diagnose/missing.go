package diagnose

import (
	"slices"

	"github.com/salvor-project/salvor/internal/cluster"
)

// unjudged lists the classes that could not be judged, by the fact that is
// missing for them. Hosts out of reach are told elsewhere, as a whole.
func (v view) unjudged() []Unjudged {
	codes := map[Need][]Code{}
	var order []Need
	for _, r := range v.table {
		for _, n := range r.needs {
			if codes[n] == nil {
				order = append(order, n)
			}
			codes[n] = append(codes[n], r.code)
		}
	}
	var out []Unjudged
	for _, n := range order {
		for _, m := range v.missing(n) {
			out = append(out, Unjudged{Fact: n, Subject: m.subject, Why: m.why, Codes: codes[n]})
		}
	}
	return append(out, v.skipped(codes)...)
}

// skipped lists what was not asked for by choice.
func (v view) skipped(codes map[Need][]Code) []Unjudged {
	var out []Unjudged
	for _, m := range v.members {
		if why := m.facts.Live.Value.HashSkipped; m.facts.Live.OK && why != "" {
			out = append(out, Unjudged{Fact: NeedHash, Subject: m.cfg.Name, Why: why, Codes: codes[NeedHash], Skipped: true})
		}
	}
	if v.sealedOnly() {
		out = append(out, Unjudged{Fact: NeedHazards, Subject: "vault", Why: "its backups are sealed and were not opened: `salvor vault get` fetches one", Codes: []Code{DefinitionDeleted, NamespaceDeleted}, Skipped: true})
	}
	return out
}

// miss is a fact that could not be read, of a subject.
type miss struct{ subject, why string }

// missing finds the subjects of which a kind of fact was wanted and could not
// be read. A fact without a reason was never asked for.
func (v view) missing(n Need) []miss {
	var out []miss
	for _, m := range v.members {
		if !m.reached {
			continue
		}
		if ok, why := memberFact(m.facts, n); !ok && why != "" {
			out = append(out, miss{m.cfg.Name, why})
		}
	}
	if n == NeedVault {
		if v.vaultSilent() {
			out = append(out, miss{"vault", v.facts.Backups.Why})
		}
		return out
	}
	if n == NeedOutside {
		for _, a := range v.facts.Outside {
			if a.Layer == "" {
				out = append(out, miss{a.URL, a.Why})
			}
		}
		return out
	}
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK {
			continue
		}
		if n == NeedPressure {
			for _, why := range v.pressureMissing(h) {
				out = append(out, miss{h.Name, why})
			}
			continue
		}
		for _, why := range hostFact(h, n) {
			out = append(out, miss{h.Name, why})
		}
	}
	return out
}

func known[T any](k cluster.Known[T]) (bool, string) { return k.OK, k.Why }

// memberFact tells whether a fact of a member is known. What is inside of a
// fact that is unknown itself is not told twice.
func memberFact(m cluster.MemberFacts, n Need) (bool, string) {
	live, disk := m.Live.Value, m.Disk.Value
	switch n {
	case NeedProcess:
		return known(m.Process)
	case NeedDisk:
		return known(m.Disk)
	case NeedLive:
		return m.Live.OK || !m.Process.OK || !m.Process.Value.Running, m.Live.Why // a stopped member has nothing to say
	case NeedSpace:
		if !m.Space.OK {
			return known(m.Space)
		}
		return known(m.WALSpace)
	case NeedMount:
		return known(m.Mount)
	case NeedMetrics:
		return m.Metrics.OK || !m.Live.OK, m.Metrics.Why
	case NeedHazards:
		return known(m.Hazards)
	case NeedHealth:
		return m.Live.OK || len(m.Health) == 0 || slices.ContainsFunc(m.Health, func(h cluster.EtcdHealth) bool { return h.Health.OK }), healthWhy(m)
	case NeedCertificates:
		for _, c := range m.Certificates {
			if !c.OK {
				return known(c)
			}
		}
	}
	if disk.State == cluster.DirData && m.Disk.OK {
		switch n {
		case NeedLog:
			return known(disk.Log)
		case NeedDB:
			return disk.DB.OK || m.Live.OK || len(disk.Damage) > 0, disk.DB.Why
		}
	}
	if m.Live.OK {
		switch n {
		case NeedLinearizable:
			return known(live.Linearizable)
		case NeedMembers:
			return known(live.Members)
		case NeedAlarms:
			return known(live.Alarms)
		case NeedHash:
			return live.CommonHash.OK || live.HashKV.OK, live.HashKV.Why + live.CommonHash.Why
		}
	}
	return true, ""
}

// healthWhy is why the first of a member's health endpoints said nothing.
func healthWhy(m cluster.MemberFacts) string {
	if len(m.Health) == 0 {
		return ""
	}
	return m.Health[0].URL + ": " + m.Health[0].Health.Why
}

// hostFact gives the reasons why a fact of a host is unknown.
func hostFact(h cluster.HostFacts, n Need) []string {
	var out []string
	note := func(ok bool, why string) {
		if !ok && why != "" {
			out = append(out, why)
		}
	}
	node, k := h.Node, h.Node.Kubernetes
	switch n {
	case NeedClock:
		note(known(node.Clock))
	case NeedAddresses:
		note(known(node.Addresses))
	case NeedKernel:
		note(known(node.Kernel))
	case NeedKubernetes:
		note(known(k))
	case NeedFileSystems:
		for _, f := range node.FileSystems {
			note(known(f))
		}
	case NeedLogs:
		for _, l := range node.Logs {
			note(l.Signs.OK, l.Source+": "+l.Signs.Why)
		}
	case NeedSnapshots:
		for _, s := range h.Snapshots {
			note(s.DB.OK, s.Path+": "+s.DB.Why)
		}
	case NeedPlaces:
		for _, p := range node.Places {
			note(p.Files.OK, p.Path+": "+p.Files.Why)
			note(p.Parts.OK || p.Parts.Why == "" || !p.Files.OK, p.Path+": "+p.Parts.Why)
		}
	case NeedPods:
		note(known(node.Pods))
	case NeedRuns:
		note(known(node.Units))
		note(known(node.Containers))
	case NeedNeighbours:
		note(known(node.Neighbours))
		note(known(node.Hardware))
	case NeedObjects:
		note(known(node.Objects))
		for _, why := range objectsFact(node.Objects.Value) {
			note(false, why)
		}
	case NeedHazards:
		for _, s := range h.Snapshots {
			if !s.DB.OK {
				continue
			}
			for _, why := range reasons(s.Hazards.Why, s.Hazards.Value.Namespaces.Why, s.Hazards.Value.Definitions.Why) {
				note(false, s.Path+": "+why)
			}
		}
	}
	if !k.OK || !k.Value.Present {
		return out
	}
	return append(out, kubeFact(h.Node, n)...)
}

// objectsFact gives the reasons why parts of what the API says are unknown.
func objectsFact(o cluster.APIObjects) []string {
	var out []string
	for _, why := range []string{o.Nodes.Why, o.Endpoints.Why, o.LostClaims.Why, o.Terminating.Why, o.Unavailable.Why, o.Closed.Why, o.Hooks.Why, o.Pods.Why, o.Leases.Why, o.Missing.Why, o.Namespaces.Why, o.Definitions.Why, o.System.Why} {
		if why != "" {
			out = append(out, o.URL+": "+why)
		}
	}
	return out
}

// kubeFact gives the reasons why a fact of a host's Kubernetes is unknown.
func kubeFact(node cluster.NodeFacts, n Need) []string {
	var out []string
	note := func(ok bool, why string) {
		if !ok && why != "" {
			out = append(out, why)
		}
	}
	k := node.Kubernetes
	switch n {
	case NeedManifests:
		note(known(k.Value.Manifests))
		note(known(k.Value.Parked))
		note(known(node.Fences))
	case NeedKubelet:
		note(known(k.Value.Kubelet))
		note(known(k.Value.Kubelet.Value.Answers))
	case NeedRuntime:
		note(known(k.Value.Runtime))
		note(known(k.Value.Runtime.Value.Answers))
	case NeedEncryption:
		note(known(k.Value.Encrypt))
	case NeedImages:
		note(known(k.Value.Images))
	case NeedKubeCerts:
		for _, c := range k.Value.Certs {
			note(c.Certificate.OK, c.Path+": "+c.Certificate.Why)
		}
	case NeedIdentity:
		for _, f := range k.Value.Identity {
			note(f.Digest.OK, f.Path+": "+f.Digest.Why)
		}
	case NeedAPIServers:
		for _, a := range node.APIServers {
			if a.Layer == "" {
				note(false, a.URL+": "+a.Why)
			} else if !a.Ready.OK && a.Layer == cluster.LayerHTTP {
				note(false, a.URL+": "+a.Ready.Why)
			}
		}
	}
	return out
}
