package remote

import (
	"encoding/json"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/operate"
	"github.com/salvor-project/salvor/internal/plan"
)

// The methods beside those that package host builds in.
const (
	methodObserve = "observe"
	methodChanges = "changes"
	methodProbe   = "probe"
	methodDone    = "done"
	methodDo      = "do"

	methodEvidence = "evidence"
)

// question is the common part: which control plane, and which of its hosts the
// asked machine is.
type question struct {
	Config cluster.Config `json:"config"`
	Host   string         `json:"host"`
	// Within is how long the asker waits for the answer; 0 sets no limit.
	Within time.Duration `json:"within,omitempty"`
}

type changesParams struct {
	question
	Since []int64 `json:"since"`
}

type actionParams struct {
	question
	Case string          `json:"case"`
	Kind plan.Kind       `json:"kind"`
	Do   json.RawMessage `json:"do"`
}

type doneResult struct {
	State  operate.State   `json:"state"`
	Result json.RawMessage `json:"result,omitempty"`
}

// ProbeRequest asks a live member for fingerprints.
type ProbeRequest struct {
	Member string `json:"member"`
	// HashAt is the revision of the HashKV wanted; 0 asks for none.
	HashAt int64 `json:"hashAt,omitempty"`
	// ContentAt is the revision of the content wanted; 0 asks for none.
	ContentAt int64 `json:"contentAt,omitempty"`
	// WatchFrom is a revision from which a watch is tried; 0 tries none.
	WatchFrom int64 `json:"watchFrom,omitempty"`
}

// ProbeAnswer holds what was asked for.
type ProbeAnswer struct {
	Hash    cluster.Known[cluster.HashKV]  `json:"hash"`
	Content cluster.Known[cluster.Content] `json:"content"`
	// ContentCompacted tells that the content is unknown because the cluster
	// has given up that revision since.
	ContentCompacted bool `json:"contentCompacted,omitempty"`
	// Compacted tells whether the watch was refused as compacted.
	Compacted cluster.Known[bool] `json:"compacted"`
}

type probeParams struct {
	question
	ProbeRequest
}
