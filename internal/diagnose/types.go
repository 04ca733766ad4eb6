package diagnose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// Availability is how much of the control plane still serves.
type Availability string

// The availability levels.
const (
	// T0 serves.
	T0 Availability = "T0"
	// T1 is degraded, but a quorum holds: it may heal itself.
	T1 Availability = "T1"
	// T2 has lost its quorum: a person approves the plan.
	T2 Availability = "T2"
	// T3 has no control plane left: disaster recovery.
	T3 Availability = "T3"
	// TUnknown is said when too little could be observed.
	TUnknown Availability = "T?"
)

// Data is what is left of the data.
type Data string

// The data levels.
const (
	// D0 is intact: nothing acknowledged is lost.
	D0 Data = "D0"
	// D1 is recoverable from surviving disks.
	D1 Data = "D1"
	// D2 is held by backups only.
	D2 Data = "D2"
	// D3 is held by nothing that is known.
	D3 Data = "D3"
	// DUnknown is said when too little could be observed.
	DUnknown Data = "D?"
)

// Level is both axes together, "T2 D1".
type Level struct {
	Availability Availability `json:"availability"`
	Data         Data         `json:"data"`
}

// String gives the form "T2 D1".
func (l Level) String() string { return string(l.Availability) + " " + string(l.Data) }

// Scenario is the kind of incident as a whole; it decides the plan.
type Scenario string

// The scenarios.
const (
	// Healthy needs nothing.
	Healthy Scenario = "healthy"
	// Stopped has every disk intact and too few processes running.
	Stopped Scenario = "stopped"
	// MemberLost has a quorum alive and a member that has to be replaced.
	MemberLost Scenario = "member-lost"
	// MajorityLost has lost the disks of a majority.
	MajorityLost Scenario = "majority-lost"
	// DataDamaged has lost its quorum to damaged files.
	DataDamaged Scenario = "data-damaged"
	// AllLost has no data dir left.
	AllLost Scenario = "all-lost"
	// NoSpace refuses writes for a quota alarm.
	NoSpace Scenario = "no-space"
	// CertsExpired cannot speak for expired certificates.
	CertsExpired Scenario = "certs-expired"
	// Impostor has a member that serves an identity of its own.
	Impostor Scenario = "impostor"
	// Unreachable has too little in sight to tell more.
	Unreachable Scenario = "unreachable"
	// Blocked cannot start for a cause that a restore would not cure: a full
	// or read-only disk.
	Blocked Scenario = "blocked"
	// Rewound serves, or would serve, less than somebody has seen: two
	// histories exist, and a person has to say which one counts.
	Rewound Scenario = "rewound"
	// Degraded serves, but something is wrong that no plan here repairs.
	Degraded Scenario = "degraded"
)

// Code names a class of failure; it is stable for ever.
type Code string

// Severity orders findings.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Finding is one thing that is wrong, with what proves it.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Subject is the member, host or file that it is about.
	Subject  string   `json:"subject"`
	Text     say.Text `json:"text"`
	Evidence []string `json:"evidence"`
	// CausedBy are findings that explain this one; it is then silent in
	// short output.
	CausedBy []Code `json:"causedBy,omitempty"`
	// Confidence says how sure it is, Against what speaks against it.
	Confidence Confidence `json:"confidence,omitempty"`
	Against    []string   `json:"against,omitempty"`
}

// Confidence is how sure a finding is.
type Confidence string

// The grades of confidence.
const (
	// Certain rests on facts alone.
	Certain Confidence = "certain"
	// Likely rests on fresh log lines that nothing contradicts.
	Likely Confidence = "likely"
	// Possible rests on old log lines, or something speaks against it.
	Possible Confidence = "possible"
)

// Unjudged is a fact that could not be read, and the classes that could not be
// judged for it: unknown, which is not the same as well.
type Unjudged struct {
	Fact    Need   `json:"fact"`
	Subject string `json:"subject"`
	Why     string `json:"why"`
	Codes   []Code `json:"codes"`
	// Skipped is true when it was not asked for by choice: nothing failed.
	Skipped bool `json:"skipped,omitempty"`
}

// Unread counts the facts that were asked for and could not be read.
func (d Diagnosis) Unread() int {
	n := 0
	for _, u := range d.Unjudged {
		if !u.Skipped {
			n++
		}
	}
	return n
}

// Advice is an action that is allowed or forbidden, and why.
type Advice struct {
	Action string   `json:"action"`
	Text   say.Text `json:"text"`
}

// Loss is what a way back would lose.
type Loss struct {
	// Revisions is the number of acknowledged revisions that would be lost.
	Revisions cluster.Known[int64] `json:"revisions"`
	// Objects is the number of distinct objects that differ.
	Objects cluster.Known[int64] `json:"objects"`
	// Sample names the first of them, up to cluster.MaxChangedObjects.
	Sample []cluster.ChangedObject `json:"sample,omitempty"`
	// Since is the moment from which writes are lost; zero when none are.
	Since time.Time `json:"since,omitzero"`
	// Proven is true when no acknowledged write outside this count can exist.
	Proven bool `json:"proven"`
	// Doubt says what stands between the count and a proof.
	Doubt *say.Text `json:"doubt,omitempty"`
}

// None tells whether the loss is proven to be nothing.
func (l Loss) None() bool { return l.NoneKnown() && l.Proven }

// NoneKnown tells whether no loss is known; it need not be proven.
func (l Loss) NoneKnown() bool { return l.Revisions.OK && l.Revisions.Value == 0 }

// CandidateKind is what data could be recovered from.
type CandidateKind string

// The kinds of candidates, best first.
const (
	FromQuorum   CandidateKind = "quorum"
	FromDisks    CandidateKind = "disks"
	FromSurvivor CandidateKind = "survivor"
	FromSnapshot CandidateKind = "snapshot"
	// FromVault has to be fetched before anything can be built from it.
	FromVault CandidateKind = "vault"
	// FromRemains is a db without its log, or the pages of a broken one. It is
	// never chosen: whoever wants it names it.
	FromRemains CandidateKind = "remains"
)

// Integrity is how much of a candidate can be trusted.
type Integrity string

// The grades of integrity.
const (
	Sound    Integrity = "sound"
	Partial  Integrity = "partial"
	Unusable Integrity = "unusable"
)

// Candidate is something the data could be recovered from.
type Candidate struct {
	// ID is stable: "quorum", "disks", "survivor:cp-1", "snapshot:cp-1:/path",
	// "vault:BACKUP", "remains:cp-1".
	ID        string               `json:"id"`
	Kind      CandidateKind        `json:"kind"`
	Host      string               `json:"host,omitempty"`
	Member    string               `json:"member,omitempty"`
	Path      string               `json:"path,omitempty"`
	SHA256    string               `json:"sha256,omitempty"`
	Revision  cluster.Known[int64] `json:"revision"`
	LastTerm  uint64               `json:"lastTerm,omitempty"`
	LastIndex uint64               `json:"lastIndex,omitempty"`
	// At is when the candidate was last written.
	At        time.Time `json:"at,omitzero"`
	Integrity Integrity `json:"integrity"`
	Loss      Loss      `json:"loss"`
	Chosen    bool      `json:"chosen"`
	// Why says why it was or was not chosen.
	Why say.Text `json:"why"`
	// Hazards are what would hurt of its objects after it was put back.
	Hazards []say.Text `json:"hazards,omitempty"`
	// HazardsUnknown says why its objects could not be read; nil when they
	// were, and when nothing of it would be put back.
	HazardsUnknown *say.Text `json:"hazardsUnknown,omitempty"`
	// Log and DB name the members whose files a survivor candidate combines.
	Log string `json:"log,omitempty"`
	DB  string `json:"db,omitempty"`
	// Scattered says that the db is broken: its records have to be collected
	// page by page.
	Scattered bool `json:"scattered,omitempty"`
}

// Diagnosis is the answer to the facts.
type Diagnosis struct {
	At       time.Time `json:"at"`
	Level    Level     `json:"level"`
	Scenario Scenario  `json:"scenario"`
	// Summary is the root cause in one sentence.
	Summary  say.Text   `json:"summary"`
	Findings []Finding  `json:"findings"`
	Unknown  []say.Text `json:"unknown,omitempty"`
	// Cause is the finding that explains most; nil when nothing is wrong.
	Cause *Cause `json:"cause,omitempty"`
	// Unjudged are the classes that could not be judged for want of a fact.
	Unjudged   []Unjudged  `json:"unjudged,omitempty"`
	Candidates []Candidate `json:"candidates,omitempty"`
	Allowed    []Advice    `json:"allowed,omitempty"`
	Forbidden  []Advice    `json:"forbidden,omitempty"`
	// ClusterID is the identity that the members share.
	ClusterID cluster.Known[cluster.ID] `json:"clusterID"`
	// HighestRevision is the highest that anybody is known to have seen.
	HighestRevision cluster.Known[int64] `json:"highestRevision"`
	// Members is the verdict on each configured member.
	Members []MemberState `json:"members"`
	// Next is the command to type now.
	Next string `json:"next"`
}

// Cause is the root of what is wrong.
type Cause struct {
	Code       Code       `json:"code"`
	Subject    string     `json:"subject"`
	Confidence Confidence `json:"confidence"`
	Against    []string   `json:"against,omitempty"`
}

// MemberState is one member in one word.
type MemberState struct {
	Name  string `json:"name"`
	Host  string `json:"host"`
	State State  `json:"state"`
}

// State is the state of a member.
type State string

// The states of a member.
const (
	// StateServing answers with a quorum behind it.
	StateServing State = "serving"
	// StateNoQuorum runs but reaches no quorum.
	StateNoQuorum State = "no-quorum"
	// StateStopped has good files and no process.
	StateStopped State = "stopped"
	// StateHeld has good files and no process, and a cause that has to be
	// removed before it can be started.
	StateHeld State = "held"
	// StateStuck has a process that does not answer.
	StateStuck State = "stuck"
	// StateDamaged has damaged files.
	StateDamaged State = "damaged"
	// StateLost has no data left.
	StateLost State = "lost"
	// StateImpostor serves another cluster.
	StateImpostor State = "impostor"
	// StateLearner waits for promotion.
	StateLearner State = "learner"
	// StateRemoved has the data of a membership that has ended: it must join
	// anew.
	StateRemoved State = "removed"
	// StateUnknown could not be observed.
	StateUnknown State = "unknown"
)

// Chosen gives the candidate that the diagnosis recommends.
func (d Diagnosis) Chosen() (Candidate, bool) {
	for _, c := range d.Candidates {
		if c.Chosen {
			return c, true
		}
	}
	return Candidate{}, false
}

// Fingerprint is the diagnosis without what moves from minute to minute: a
// plan holds as long as it stays the same.
func (d Diagnosis) Fingerprint() string {
	parts := []string{string(d.Scenario), d.Level.String(), "cluster:" + d.ClusterID.Value.String()}
	for _, m := range d.Members {
		parts = append(parts, "member:"+m.Name+"="+string(m.State))
	}
	passing := passingCodes()
	for _, f := range d.Findings {
		// What comes and goes, and consequences: an API server without etcd is
		// not ready, then hangs, then is down, then is not ready again.
		if passing[f.Code] || len(f.CausedBy) > 0 {
			continue
		}
		parts = append(parts, "finding:"+string(f.Code)+"@"+f.Subject)
	}
	if c, ok := d.Chosen(); ok {
		parts = append(parts, fmt.Sprintf("source:%s:%s:%s", c.ID, c.Log, c.DB))
	}
	sort.Strings(parts)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:8])
}

// passingCodes are the classes that a plan does not rest on.
func passingCodes() map[Code]bool {
	out := map[Code]bool{}
	for _, r := range rules() {
		out[r.code] = r.passing
	}
	return out
}
