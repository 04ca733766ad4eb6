// Package catalog holds a vault's documents: manifests, proofs, holds and
// receipts, how they are signed, and the row that all of them make of a
// backup. It does no input or output.
package catalog

import (
	"fmt"
	"time"
)

// Format is the version of the documents. Readers refuse a higher one.
const Format = 1

// Manifest describes one backup. It is uploaded last: a backup without one
// does not exist.
type Manifest struct {
	Format     int               `json:"format"`
	ID         string            `json:"id"`
	Created    time.Time         `json:"created"` // by the clock of the machine that made it
	Cluster    Cluster           `json:"cluster"`
	Revision   int64             `json:"revision"`           // highest etcd revision in it
	Highest    int64             `json:"highest,omitempty"`  // revision that any member had reached when it was made
	Source     string            `json:"source,omitempty"`   // where the data comes from, for people
	Salvaged   bool              `json:"salvaged,omitempty"` // from data dirs with every member down
	Members    []Member          `json:"members,omitempty"`
	Parts      []Part            `json:"parts"`
	Recipients []string          `json:"recipients,omitempty"` // fingerprints of who can open it; none: not encrypted
	Tools      map[string]string `json:"tools,omitempty"`      // program → version
	Missing    []Note            `json:"missing,omitempty"`    // what should be in it and is not
}

// Cluster is whose backup it is.
type Cluster struct {
	Name          string `json:"name,omitempty"`
	ID            string `json:"id,omitempty"`              // etcd's, hexadecimal; a restore gives a new one
	KubeSystemUID string `json:"kube_system_uid,omitempty"` // of the namespace kube-system; survives a restore
}

// Key groups the backups of one cluster.
func (c Cluster) Key() string {
	if c.KubeSystemUID != "" {
		return "uid:" + c.KubeSystemUID
	}
	return "id:" + c.ID
}

// Match refuses a backup of another cluster. What one side does not know is
// not compared; if nothing can be, that is an error too.
func (c Cluster) Match(want Cluster) error {
	switch {
	case c.KubeSystemUID != "" && want.KubeSystemUID != "":
		if c.KubeSystemUID != want.KubeSystemUID {
			return fmt.Errorf("backup of another cluster: its kube-system has UID %s, this one's %s", c.KubeSystemUID, want.KubeSystemUID)
		}
	case c.ID != "" && want.ID != "":
		if c.ID != want.ID {
			return fmt.Errorf("backup of another cluster: its etcd cluster ID is %s, this one's %s", c.ID, want.ID)
		}
	default:
		return fmt.Errorf("cannot tell whether the backup is of this cluster: neither knows an identity that the other knows")
	}
	return nil
}

// Member is an etcd member at the time of the backup.
type Member struct {
	Name    string `json:"name"`
	ID      string `json:"id"`
	Version string `json:"version,omitempty"`
}

// Part is one stream of a backup and the object that holds it.
type Part struct {
	Name     string   `json:"name"`     // "etcd.snapshot", "bundle.tar"
	Object   string   `json:"object"`   // file name beside the manifest
	Encoding []string `json:"encoding"` // in the order they were applied: zstd, age
	Plain    Digest   `json:"plain"`
	Sealed   Digest   `json:"sealed"`
	Chunk    int64    `json:"chunk"`  // bytes of sealed data per chunk; the last may be shorter
	Chunks   []string `json:"chunks"` // SHA-256 of each, hexadecimal
}

// Digest is size and SHA-256 of a stream.
type Digest struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// Note is a sentence as code and arguments; internal/say puts it into words.
type Note struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args,omitempty"`
}

// Proof attests how far a backup was tried.
type Proof struct {
	Backup   string        `json:"backup"`
	Who      string        `json:"who"`
	When     time.Time     `json:"when"`
	From     string        `json:"from"`  // the target it was fetched from
	Level    int           `json:"level"` // of snapshot check: 0 to 5; 4 is a scratch etcd that served it
	Passed   bool          `json:"passed"`
	Duration time.Duration `json:"duration_ns"` // of fetch and restore
	Notes    []Note        `json:"notes,omitempty"`
}

// Hold keeps a backup until it is released.
type Hold struct {
	Backup string    `json:"backup"`
	Who    string    `json:"who"`
	When   time.Time `json:"when"`
	Why    string    `json:"why"`
}

// Receipt says that a copy was read back and was right.
type Receipt struct {
	Backup      string    `json:"backup"`
	Target      string    `json:"target"`
	Medium      string    `json:"medium,omitempty"` // label of a removable one
	When        time.Time `json:"when"`
	LockedUntil time.Time `json:"locked_until,omitzero"`
	Sealed      []Digest  `json:"sealed"` // as read back, in the order of the manifest's parts
}

// Trust says whose key signed a manifest.
type Trust string

// The trusts.
const (
	TrustConfigured Trust = "configured" // a key that the caller holds to be right
	TrustVault      Trust = "vault"      // a key that lies in the vault itself: right only if the vault is
)

// CopyState says what is known of a copy without reading it whole.
type CopyState string

// The states.
const (
	Whole   CopyState = "whole"   // manifest and all parts in their sizes
	Damaged CopyState = "damaged" // manifest, but a part is missing or has another size
	Partly  CopyState = "partly"  // no manifest, or not a valid one: not a copy yet
	Away    CopyState = "away"    // known from a receipt only: its target cannot be asked
)

// Copy is a backup on one target.
type Copy struct {
	Target      string    `json:"target"`
	State       CopyState `json:"state"`
	Why         string    `json:"why,omitempty"`
	Medium      string    `json:"medium,omitempty"`
	LockedUntil time.Time `json:"locked_until,omitzero"`
	ReadBack    time.Time `json:"read_back,omitzero"` // when its digests were last read back
}

// Entry is all that the vault knows of one backup.
type Entry struct {
	Manifest Manifest  `json:"manifest"`
	Trust    Trust     `json:"trust"`
	Copies   []Copy    `json:"copies"`
	Proofs   []Proof   `json:"proofs,omitempty"`
	Holds    []Hold    `json:"holds,omitempty"`
	Receipts []Receipt `json:"receipts,omitempty"`
}

// Proven gives the newest proof of a level, if the backup has one and no later
// one failed.
func (e Entry) Proven(level int) (Proof, bool) {
	var last Proof
	for _, p := range e.Proofs {
		if (p.Level >= level || !p.Passed) && !p.When.Before(last.When) {
			last = p
		}
	}
	return last, last.Passed
}

// Recoverable says whether a whole copy is known, here or away.
func (e Entry) Recoverable() bool {
	for _, c := range e.Copies {
		if c.State == Whole || c.State == Away {
			return true
		}
	}
	return false
}

// LockedUntil is when the last lock on any copy ends.
func (e Entry) LockedUntil() time.Time {
	var last time.Time
	for _, c := range e.Copies {
		if c.LockedUntil.After(last) {
			last = c.LockedUntil
		}
	}
	return last
}

// Newer orders backups: by time, then by revision, then by name.
func Newer(a, b Manifest) bool {
	if !a.Created.Equal(b.Created) {
		return a.Created.After(b.Created)
	}
	if a.Revision != b.Revision {
		return a.Revision > b.Revision
	}
	return a.ID > b.ID
}

// Part finds a part by name.
func (m Manifest) Part(name string) (Part, bool) {
	for _, p := range m.Parts {
		if p.Name == name {
			return p, true
		}
	}
	return Part{}, false
}

// Check refuses a manifest that contradicts itself or could lead outside its
// folder, whoever signed it.
func (m Manifest) Check() error {
	switch {
	case m.Format > Format:
		return fmt.Errorf("manifest of format %d: this salvor reads up to %d, take a newer one", m.Format, Format)
	case m.Format < 1 || CheckName(m.ID) != nil || m.Created.IsZero() || len(m.Parts) == 0:
		return fmt.Errorf("manifest lacks format, ID, time or parts")
	}
	seen := map[string]bool{}
	for _, p := range m.Parts {
		if err := p.check(); err != nil {
			return fmt.Errorf("manifest's part %q: %w", p.Name, err)
		}
		if seen[p.Object] {
			return fmt.Errorf("manifest names object %s twice", p.Object)
		}
		seen[p.Object] = true
	}
	return nil
}

func (p Part) check() error {
	if CheckName(p.Name) != nil || CheckName(p.Object) != nil {
		return fmt.Errorf("bad name")
	}
	if p.Chunk <= 0 || p.Chunk > 1<<30 || p.Sealed.Size < 0 || p.Plain.Size < 0 {
		return fmt.Errorf("bad sizes")
	}
	if want := (p.Sealed.Size + p.Chunk - 1) / p.Chunk; int64(len(p.Chunks)) != want {
		return fmt.Errorf("%d digests for %d chunks", len(p.Chunks), want)
	}
	return nil
}
