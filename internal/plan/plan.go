package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/say"
)

// Plan is an ordered set of steps that answers one diagnosis.
type Plan struct {
	// ID is the hash of everything else: what was reviewed is what runs.
	ID string `json:"id"`
	// Basis is the fingerprint of the diagnosis that the plan answers.
	Basis    string            `json:"basis"`
	Case     string            `json:"case"`
	Scenario diagnose.Scenario `json:"scenario"`
	// Undoes names the case that this plan rolls back.
	Undoes string `json:"undoes,omitempty"`
	// Source is the candidate from which the data comes.
	Source diagnose.Candidate `json:"source"`
	// Loss is what carrying the plan out will lose.
	Loss diagnose.Loss `json:"loss"`
	// Config is the control plane as it was described when the plan was made.
	Config cluster.Config `json:"config"`
	Steps  []Step         `json:"steps"`
	// Expect is what must be true afterwards.
	Expect Expect `json:"expect"`
	// Warnings are what the operator has to know before he agrees.
	Warnings []say.Text `json:"warnings,omitempty"`
}

// Step is one action on one host.
type Step struct {
	ID StepID `json:"id"`
	// Host is where the action runs.
	Host   string   `json:"host"`
	Action Action   `json:"-"`
	Needs  []StepID `json:"needs,omitempty"`
	// Spare tells that the plan can do without the step: when it fails, the run
	// goes on and verification tells what is missing. Of steps that start
	// members, only as many as leave a quorum.
	Spare bool            `json:"spare,omitempty"`
	Why   []diagnose.Code `json:"why,omitempty"`
}

// StepID is stable within a plan and readable: "set-aside@cp-2".
type StepID string

// Expect is what verification holds the result against.
type Expect struct {
	// Members are the voters that the cluster must have, by name.
	Members []string `json:"members"`
	// ClusterID is the identity that must be found; 0 when BuiltBy tells.
	ClusterID cluster.ID `json:"clusterID"`
	// BuiltBy is the step whose result holds the identity of a rebuilt
	// cluster; empty when the cluster keeps its own.
	BuiltBy StepID `json:"builtBy,omitempty"`
	// MinRevision is the highest revision that anybody has ever seen.
	MinRevision int64 `json:"minRevision"`
	// ContentFrom is the step whose result holds the content fingerprint of
	// the source; empty when the source is the living quorum.
	ContentFrom StepID `json:"contentFrom,omitempty"`
	// WatchRefusedFrom is a revision from which a watch must be refused as
	// compacted; 0 when watches from before may go on.
	WatchRefusedFrom int64 `json:"watchRefusedFrom,omitempty"`
	// APIServers are the URLs of the API servers that must be ready, and Nodes
	// the nodes that must be; empty when nothing stands on etcd.
	APIServers []string `json:"apiServers,omitempty"`
	Nodes      []string `json:"nodes,omitempty"`
}

// Risk grades an action by what it takes to undo it.
type Risk string

// The risks, in rising order.
const (
	// RiskNone changes nothing that a cluster uses.
	RiskNone Risk = "none"
	// RiskLow is undone by its opposite: start, stop, rename back.
	RiskLow Risk = "low"
	// RiskHigh changes a living cluster's membership or data and cannot be
	// undone by Salvor.
	RiskHigh Risk = "high"
)

// Choices are the operator's decisions and everything a pure function must be
// given from outside.
type Choices struct {
	// Case is the name of the case folder.
	Case string
	// Token is the fresh random cluster token, used if a cluster is rebuilt.
	Token string
	// Source is the ID of the candidate that the operator wants instead of
	// the one that the diagnosis recommends; empty follows the diagnosis.
	Source string
	// Bump is added to the source's revision when a cluster is rebuilt;
	// DefaultBump when 0.
	Bump int64
}

// DefaultBump is the number of revisions by which a rebuilt cluster is moved
// ahead, so that no client has seen a higher one: etcd's own documentation
// advises a thousand million.
const DefaultBump = 1_000_000_000

// seal computes the plan's ID.
func (p Plan) seal() (Plan, error) {
	p.ID = ""
	b, err := json.Marshal(p)
	if err != nil {
		return Plan{}, fmt.Errorf("seal plan: %w", err)
	}
	if b, err = wordless(b); err != nil {
		return Plan{}, fmt.Errorf("seal plan: %w", err)
	}
	sum := sha256.Sum256(b)
	p.ID = hex.EncodeToString(sum[:8])
	return p, nil
}

// wordless takes the rendered sentences out of a document and leaves their
// keys and arguments: a plan stays the same when a sentence is worded anew.
func wordless(b []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	strip(doc)
	return json.Marshal(doc)
}

func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["key"]; ok {
			delete(v, "en")
		}
		for _, x := range v {
			strip(x)
		}
	case []any:
		for _, x := range v {
			strip(x)
		}
	}
}

// Step finds a step by its ID.
func (p Plan) Step(id StepID) (Step, bool) {
	for _, s := range p.Steps {
		if s.ID == id {
			return s, true
		}
	}
	return Step{}, false
}

// Hosts lists the hosts that the plan touches, each once, in step order.
func (p Plan) Hosts() []string {
	var out []string
	seen := map[string]bool{}
	add := func(h string) {
		if h != "" && !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	for _, s := range p.Steps {
		add(s.Host)
		if c, ok := s.Action.(CopyFiles); ok {
			add(c.FromHost)
		}
	}
	return out
}

// Intact tells whether the plan is still what its ID was computed from.
func (p Plan) Intact() error {
	sealed, err := p.seal()
	if err != nil {
		return err
	}
	if sealed.ID != p.ID {
		return fmt.Errorf("plan %s was changed after it was made (its content now hashes to %s): what was reviewed is not what would run", p.ID, sealed.ID)
	}
	return nil
}
