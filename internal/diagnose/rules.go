package diagnose

import (
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// rule is one class of failure: what shows it, what explains it away, and what
// its page says.
type rule struct {
	code     Code
	severity Severity
	// needs are the facts without which nothing can be said.
	needs []Need
	// causes are the codes under which this one falls silent. They stand
	// earlier in the table.
	causes []Code
	// find returns a sighting for each subject that shows the failure.
	find func(view) []sighting
	// rate says how sure a sighting is and what speaks against it; without it
	// every sighting is certain.
	rate func(view, sighting) (Confidence, []string)
	// passing is true for what may come and go from minute to minute: it is no
	// part of a plan's basis.
	passing bool
	// messages are the texts by which operators meet it, versions where it
	// applies, references where it is described.
	messages   []string
	versions   string
	references []string
}

// sighting is one subject of a finding with what proves it.
type sighting struct {
	subject  string
	args     []any
	evidence []string
}

// rules is the table of all classes, causes first.
func rules() []rule {
	var all []rule
	for _, family := range [][]rule{machineRules(), certificateRules(), authorityRules(), nodeRules(), diskRules(), identityRules(),
		etcdRules(), startRules(), quorumRules(), apiRules(), apiPathRules(), latencyRules(), backupRules(), hazardRules()} {
		all = append(all, family...)
	}
	return all
}

// Need names a kind of fact.
type Need string

// The kinds of facts that rules need.
const (
	NeedHost         Need = "host"
	NeedClock        Need = "clock"
	NeedProcess      Need = "process"
	NeedDisk         Need = "disk"
	NeedLog          Need = "log"
	NeedDB           Need = "db"
	NeedLive         Need = "live"
	NeedLinearizable Need = "linearizable"
	NeedMembers      Need = "members"
	NeedAlarms       Need = "alarms"
	NeedHash         Need = "hash"
	NeedSpace        Need = "space"
	NeedMount        Need = "mount"
	NeedFileSystems  Need = "file-systems"
	NeedCertificates Need = "certificates"
	NeedMetrics      Need = "metrics"
	NeedLogs         Need = "logs"
	NeedKernel       Need = "kernel"
	NeedKubernetes   Need = "kubernetes"
	NeedManifests    Need = "manifests"
	NeedKubeCerts    Need = "kube-certificates"
	NeedIdentity     Need = "identity"
	NeedKubelet      Need = "kubelet"
	NeedRuntime      Need = "runtime"
	NeedEncryption   Need = "encryption"
	NeedAPIServers   Need = "api-servers"
	NeedAddresses    Need = "addresses"
	NeedSnapshots    Need = "snapshots"
	NeedPlaces       Need = "snapshot-places"
	NeedHazards      Need = "hazards"
)

// findings runs the table. A finding whose cause was found on the same host,
// or for the cluster as a whole, names it.
func (v view) findings() []Finding {
	out := []Finding{}
	for _, r := range v.table {
		for _, s := range r.find(v) {
			f := Finding{Code: r.code, Severity: r.severity, Subject: s.subject, Evidence: s.evidence, Confidence: Certain,
				Text: say.New("finding."+string(r.code), append([]any{s.subject}, s.args...)...)}
			if r.rate != nil {
				f.Confidence, f.Against = r.rate(v, s)
			}
			for _, c := range r.causes {
				if v.causedBy(out, f, c) {
					f.CausedBy = append(f.CausedBy, c)
				}
			}
			out = append(out, f)
		}
	}
	return out
}

func (v view) causedBy(found []Finding, f Finding, cause Code) bool {
	host := v.hostOf(f.Subject)
	for _, o := range found {
		if o.Code != cause {
			continue
		}
		if h := v.hostOf(o.Subject); h == "" || host == "" || h == host {
			return true
		}
	}
	return false
}

// hostOf is the machine that a finding's subject is on; empty for the cluster
// as a whole.
func (v view) hostOf(subject string) string {
	for _, m := range v.members {
		if m.cfg.Name == subject {
			return m.cfg.Host
		}
	}
	for _, h := range v.facts.Config.Hosts {
		if h.Name == subject {
			return h.Name
		}
	}
	if host, _, ok := strings.Cut(subject, ":"); ok {
		for _, h := range v.facts.Config.Hosts {
			if h.Name == host {
				return h.Name
			}
		}
	}
	return ""
}

func has(fs []Finding, cs ...Code) bool {
	for _, f := range fs {
		for _, c := range cs {
			if f.Code == c {
				return true
			}
		}
	}
	return false
}

func names(ms []memberView) string {
	var out []string
	for _, m := range ms {
		out = append(out, m.cfg.Name)
	}
	return strings.Join(out, ", ")
}

// root is the finding that explains most: the first in the table's order that
// nothing else causes, the more severe before the less.
func root(fs []Finding) (Finding, bool) {
	for _, s := range []Severity{Critical, Warning} {
		for _, f := range fs {
			if f.Severity == s && len(f.CausedBy) == 0 {
				return f, true
			}
		}
	}
	return Finding{}, false
}

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
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK {
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
		}
	case NeedHazards:
		for _, s := range h.Snapshots {
			if s.DB.OK && s.Hazards.Why != "" {
				note(s.Hazards.OK, s.Path+": "+s.Hazards.Why)
			}
		}
	}
	if !k.OK || !k.Value.Present {
		return out
	}
	return append(out, kubeFact(h.Node, n)...)
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
