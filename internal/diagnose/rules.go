package diagnose

import (
	"slices"
	"strings"

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
	// hazard, of a class about data that might be put back, finds it in such.
	hazard finder
	// more gives what else is told as evidence of a sighting: it decides nothing.
	more func(view, sighting) []string
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
		etcdRules(), startRules(), quorumRules(), apiRules(), apiPathRules(), latencyRules(), objectRules(), backupRules(), hazardRules()} {
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
	NeedVault        Need = "vault"
	NeedObjects      Need = "objects"
	NeedPods         Need = "pods"
	NeedOutside      Need = "outside"
	NeedPressure     Need = "pressure"
	NeedRuns         Need = "runs"
	NeedHealth       Need = "health"
	NeedImages       Need = "images"
	NeedNeighbours   Need = "neighbours"
)

// findings runs the table. A finding whose cause was found on the same host,
// or for the cluster as a whole, names it.
func (v view) findings() []Finding {
	out := []Finding{}
	for _, r := range v.table {
		for _, s := range r.find(v) {
			if r.more != nil {
				s.evidence = append(slices.Clip(s.evidence), r.more(v, s)...)
			}
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

// meek are the classes that explain nothing for certain as long as they are only
// possible: what they would silence may have quite another cause.
func meek(c Code) bool { return c == OutOfMemory || c == AddressOnTwoHosts }

func (v view) causedBy(found []Finding, f Finding, cause Code) bool {
	host := v.hostOf(f.Subject)
	for _, o := range found {
		if o.Code != cause || meek(cause) && o.Confidence == Possible && f.Confidence == Certain {
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
// nothing else causes, the more severe before the less. What is only information
// counts if it explains something graver.
func root(fs []Finding) (Finding, bool) {
	for _, s := range []Severity{Critical, Warning} {
		for _, f := range fs {
			if f.Severity == s && len(f.CausedBy) == 0 {
				return f, true
			}
		}
	}
	for _, f := range fs {
		if f.Severity == Info && len(f.CausedBy) == 0 && explainsGraver(f, fs) {
			return f, true
		}
	}
	return Finding{}, false
}

// explainsGraver tells whether something that is more than information falls
// silent under a finding.
func explainsGraver(cause Finding, fs []Finding) bool {
	for _, f := range fs {
		if f.Severity != Info && slices.Contains(f.CausedBy, cause.Code) {
			return true
		}
	}
	return false
}
