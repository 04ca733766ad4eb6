package plan

import (
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// Action is plain data that says what one step does. The set is closed: run
// and operate switch over it.
//
//sumtype:decl
type Action interface {
	// Kind is the action's stable name, also in JSON.
	Kind() Kind
	// Risk grades what it takes to undo the action.
	Risk() Risk
	// Text describes the action for people.
	Text() say.Text
	action()
}

// Kind names an action.
type Kind string

// The kinds of actions.
const (
	KindStopMember     Kind = "stop-member"
	KindStartMember    Kind = "start-member"
	KindSalvage        Kind = "salvage"
	KindCheckImage     Kind = "check-image"
	KindCopyFiles      Kind = "copy-files"
	KindBuildMember    Kind = "build-member"
	KindSetAside       Kind = "set-aside"
	KindPutInPlace     Kind = "put-in-place"
	KindAwaitQuorum    Kind = "await-quorum"
	KindSaveSnapshot   Kind = "save-snapshot"
	KindRemoveMember   Kind = "remove-member"
	KindAddLearner     Kind = "add-learner"
	KindPromoteLearner Kind = "promote-learner"
	KindCompact        Kind = "compact"
	KindDefragment     Kind = "defragment"
	KindDisarmAlarm    Kind = "disarm-alarm"
	KindCanary         Kind = "canary"
	KindDiscard        Kind = "discard"
)

// StopMember stops a member's process and makes sure that it stays down: its
// manifest or its unit is held back until StartMember. Stopping what does not run
// is a success.
type StopMember struct {
	Member string `json:"member"`
	// Loose stops it, and lets its unit be started by whoever wants to.
	Loose bool `json:"loose,omitempty"`
}

// StartMember starts a member and waits until its process runs and its client
// port accepts connections.
type StartMember struct {
	Member string `json:"member"`
	// InitialCluster, when set, replaces the member's own flags for this one
	// start, with initial-cluster-state "existing": a learner needs it. After
	// that etcd ignores these flags. A static pod's manifest keeps it.
	InitialCluster string `json:"initialCluster,omitempty"`
	// Clients, instead of InitialCluster, are client URLs of the living cluster
	// from which the member list is taken as it is at run time.
	Clients []string `json:"clients,omitempty"`
	// Original is a case that may have rewritten the static pod's manifest; the
	// one from before returns.
	Original string `json:"original,omitempty"`
}

// Salvage rebuilds the best provable state from a db and a log at rest and
// writes it as a clean snapshot. The sources stay as they are.
type Salvage struct {
	DB string `json:"db"`
	// WALDir is empty where there is no log.
	WALDir string `json:"walDir"`
	Out    string `json:"out"`
	// Scattered collects records page by page from a db whose tree is broken.
	Scattered bool `json:"scattered,omitempty"`
}

// CheckImage verifies a snapshot's trailer and structure and takes its
// content's fingerprint; for a snapshot file it stands in the place of
// Salvage.
type CheckImage struct {
	Path string `json:"path"`
	// SHA256 is the digest that the file had when the plan was made.
	SHA256 string `json:"sha256,omitempty"`
}

// CopyFiles brings a file, or the files of a folder, from another host.
type CopyFiles struct {
	FromHost string `json:"fromHost"`
	From     string `json:"from"`
	To       string `json:"to"`
	Folder   bool   `json:"folder,omitempty"`
}

// BuildMember writes a member's new data dir from an image, beside the old
// one.
type BuildMember struct {
	Member         string   `json:"member"`
	Image          string   `json:"image"`
	Dir            string   `json:"dir"`
	WALDir         string   `json:"walDir,omitempty"`
	Name           string   `json:"name"`
	PeerURLs       []string `json:"peerURLs"`
	InitialCluster string   `json:"initialCluster"`
	Token          string   `json:"token"`
	Bump           int64    `json:"bump"`
	// Like is the folder whose owner and mode the new one takes.
	Like string `json:"like,omitempty"`
	// Target is the minor version of etcd to write for, as "3.5"; empty keeps
	// the versions that the image names.
	Target string `json:"target,omitempty"`
}

// SetAside renames a folder out of the way. Nothing is deleted; an absent
// folder is a success.
type SetAside struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// PutInPlace renames a built folder to its final place.
type PutInPlace struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// AwaitQuorum waits until a linearizable read through the member succeeds and
// the member list has this many started voters.
type AwaitQuorum struct {
	Member string `json:"member"`
	Voters int    `json:"voters"`
}

// SaveSnapshot takes a snapshot from a live member; it works without quorum.
type SaveSnapshot struct {
	Member string `json:"member"`
	Out    string `json:"out"`
}

// RemoveMember takes a member out of a living cluster, by its ID.
type RemoveMember struct {
	Through string     `json:"through"`
	ID      cluster.ID `json:"id"`
	Name    string     `json:"name"`
}

// AddLearner announces a new member, without a vote, to a living cluster.
type AddLearner struct {
	Through  string   `json:"through"`
	Name     string   `json:"name"`
	PeerURLs []string `json:"peerURLs"`
	// NotID is the removed member's ID, which does not count as present.
	NotID cluster.ID `json:"notID"`
}

// PromoteLearner gives the learner with these peer URLs its vote as soon as it
// has caught up.
type PromoteLearner struct {
	Through  string   `json:"through"`
	Name     string   `json:"name"`
	PeerURLs []string `json:"peerURLs"`
}

// Compact discards the history below a revision.
type Compact struct {
	Through  string `json:"through"`
	Revision int64  `json:"revision"`
}

// Defragment rewrites a member's db without its free pages. The member does
// not answer meanwhile; a leader hands its office over first.
type Defragment struct {
	Member string `json:"member"`
}

// DisarmAlarm clears an alarm of all members after its cause is gone.
type DisarmAlarm struct {
	Through string `json:"through"`
	Type    string `json:"type"`
}

// Canary proves that the cluster serves: it writes a key under
// /salvor/canary/, reads it back linearizably through every member and sees it
// in a watch.
type Canary struct {
	Through string   `json:"through"`
	Members []string `json:"members"`
	Case    string   `json:"case"`
}

// Discard removes a folder or file that a finished case has left behind. It
// refuses any path that does not carry the case's name. DANGER: this is the
// only action that deletes.
type Discard struct {
	Path string `json:"path"`
	Case string `json:"case"`
}
