package cluster

import "time"

// BackupFacts is one backup in the vault, as its signed manifest and its
// targets tell; nothing of it was fetched.
type BackupFacts struct {
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	Revision int64     `json:"revision"`
	// ClusterID is etcd's, hexadecimal, KubeSystemUID that of the namespace
	// kube-system: whose backup it is, each empty if the manifest does not tell.
	ClusterID     string `json:"clusterID,omitempty"`
	KubeSystemUID string `json:"kubeSystemUID,omitempty"`
	// Proven is when a proof last restored it to a serving etcd; zero: never.
	Proven time.Time `json:"proven,omitzero"`
	// Untrusted says that only a key in the vault itself speaks for it: whoever
	// can write there may have made it.
	Untrusted bool `json:"untrusted,omitempty"`
	// Failed says that its last proof did not pass.
	Failed bool `json:"failed,omitempty"`
	// Salvaged says that it was put together from members that did not run.
	Salvaged bool `json:"salvaged,omitempty"`
	// Missing names what ought to be in it and is not, as its manifest says:
	// keys, files, whole machines.
	Missing []string `json:"missing,omitempty"`
	// Here are the targets that hold it whole and answer; Away hold it and are
	// not there now, such as tapes in a safe.
	Here []string `json:"here,omitempty"`
	Away []string `json:"away,omitempty"`
	// Fetch is how many sealed bytes have to come, Bytes the snapshot's size.
	Fetch int64 `json:"fetch"`
	Bytes int64 `json:"bytes"`
	// SHA256 is the digest of the snapshot file.
	SHA256 string `json:"sha256,omitempty"`
}
