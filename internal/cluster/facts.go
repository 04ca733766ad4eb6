package cluster

import "time"

// Facts is everything that one observation found, and what it could not find.
// It is complete in itself: diagnose and plan need nothing else.
type Facts struct {
	// At is the coordinator's clock when the observation began.
	At     time.Time   `json:"at"`
	Config Config      `json:"config"`
	Hosts  []HostFacts `json:"hosts"`
	// Backups are those of the vault, newest first; absent when it was not
	// asked, because the data is on disks or no vault is configured.
	Backups Known[[]BackupFacts] `json:"backups,omitzero"`
	// BackupsDown are targets of the vault that did not answer, while others
	// did.
	BackupsDown []string `json:"backupsDown,omitempty"`
	// Outside are the load balancer and the API servers as the coordinator
	// itself reaches them; empty when the configuration names none.
	Outside []APIServer `json:"outside,omitempty"`
}

// HostFacts is what was found on one machine.
type HostFacts struct {
	Name string `json:"name"`
	// Reached is not OK when the machine could not be asked; then everything
	// else about it is unknown.
	Reached Known[HostInfo] `json:"reached"`
	// Heard are addresses of a host that was given up (Host.Gone) at which its
	// etcd or API server accepts connections nevertheless: then it is not gone.
	Heard     []string        `json:"heard,omitempty"`
	Members   []MemberFacts   `json:"members"`
	Snapshots []SnapshotFacts `json:"snapshots,omitempty"`
	Witnesses []WitnessFacts  `json:"witnesses,omitempty"`
	// ClientProblem says what is wrong with the certificate, key or authority
	// with which Salvor asks the members of this host; empty when nothing was
	// found. With it, a member that does not answer may well be serving.
	ClientProblem string `json:"clientProblem,omitempty"`
	// Asked and Answered are the coordinator's clock around the question: the
	// host's clock was read between them.
	Asked    time.Time `json:"asked,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
	// Node is what was found of the machine itself.
	Node NodeFacts `json:"node,omitzero"`
}

// HostInfo identifies the machine that answered.
type HostInfo struct {
	Hostname string    `json:"hostname"`
	OS       string    `json:"os"`
	Clock    time.Time `json:"clock"`
	Version  string    `json:"version"`
}

// MemberFacts is what was found about one configured member.
type MemberFacts struct {
	Name    string              `json:"name"`
	Process Known[ProcessFacts] `json:"process"`
	Disk    Known[DataDir]      `json:"disk"`
	Live    Known[LiveMember]   `json:"live"`
	// Certificates lie on disk or were served; see Certificate.Source.
	Certificates []Known[Certificate] `json:"certificates,omitempty"`
	// Space is the file system of the data dir, WALSpace that of a WAL dir of
	// its own.
	Space    Known[Space] `json:"space"`
	WALSpace Known[Space] `json:"walSpace,omitzero"`
	// Mount is the file system that holds the data dir, and the one that ought
	// to.
	Mount   Known[FileSystem]  `json:"mount,omitzero"`
	Metrics Known[EtcdMetrics] `json:"metrics,omitzero"`
	// Health is what its own health endpoints answer, at its metrics URLs and at
	// its client URLs: sickness that they tell counts, health does not. They call
	// a learner and a cluster that locks everybody out healthy.
	Health []EtcdHealth `json:"health,omitempty"`
	// Hazards is what in the member's own data would hurt after a rebuild from
	// it; asked when the member is stopped.
	Hazards Known[Hazards] `json:"hazards,omitzero"`
	// Changes counts what this member's db holds above the revision of each
	// snapshot that was found anywhere: what a restore of it would lose.
	Changes []Changes `json:"changes,omitempty"`
}

// ProcessFacts tells whether the member's process runs, whoever started it.
type ProcessFacts struct {
	Running bool      `json:"running"`
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Command []string  `json:"command,omitempty"`
	// Unit is the state of the systemd unit ("active", "failed", …), empty
	// for an ordinary process.
	Unit string `json:"unit,omitempty"`
	// Frozen is true when a signal or a debugger has stopped the process: it holds
	// its files and ports, and does nothing until it is continued.
	Frozen bool `json:"frozen,omitempty"`
	// Version is that of the etcd that runs or would be started, as its
	// program file says; empty when it does not.
	Version string `json:"version,omitempty"`
}

// DataDir is what a member's files say while nothing needs to run.
type DataDir struct {
	Path   string `json:"path"`
	WALDir string `json:"walDir"`
	// State tells a folder that is not there from one that is empty and from
	// one that is no data dir at all.
	State DirState `json:"state"`
	// ClusterID and MemberID come from the log's metadata record.
	ClusterID Known[ID]  `json:"clusterID"`
	MemberID  Known[ID]  `json:"memberID"`
	Log       Known[Log] `json:"log"`
	DB        Known[DB]  `json:"db"`
	// Received is the db that a leader has sent and that etcd would take in the place
	// of member/snap/db when it starts; empty for none. DB is about it then.
	Received string `json:"received,omitempty"`
	// Damage lists every defect, with file and offset.
	Damage []Damage `json:"damage,omitempty"`
	// MountPoint is true when the data dir is the root of a file system and
	// can therefore not be renamed.
	MountPoint bool `json:"mountPoint,omitempty"`
	// Link is where Path leads when it is a symbolic link to a folder. Renaming
	// the link would leave the new data on another disk.
	Link string `json:"link,omitempty"`
	// WALFixed is true when the member has a WAL dir of its own that is a mount
	// point or a symbolic link, and can therefore not be replaced by a rename.
	WALFixed bool `json:"walFixed,omitempty"`
	// Barred says what of it the user as whom etcd runs may not use, and why, as
	// far as owners and modes tell; empty when nothing, or when the user is not known.
	Barred string `json:"barred,omitempty"`
	// Modified is the newest modification time of the db and the log.
	Modified time.Time `json:"modified,omitzero"`
	// Bytes is the size of everything below Path (and WALDir).
	Bytes int64 `json:"bytes"`
}

// DirState is what lies at a data dir's path.
type DirState string

// The states of a data dir.
const (
	DirAbsent  DirState = "absent"
	DirEmpty   DirState = "empty"
	DirData    DirState = "data"
	DirForeign DirState = "foreign"
)

// Log is a member's write-ahead log: raft's memory of what was agreed.
type Log struct {
	Segments []Segment `json:"segments"`
	// Term, Vote and Commit are the last HardState that was written.
	Term   uint64 `json:"term"`
	Vote   ID     `json:"vote"`
	Commit uint64 `json:"commit"`
	// SnapshotIndex is the newest snapshot record of the log.
	SnapshotIndex uint64 `json:"snapshotIndex"`
	// FirstIndex to LastIndex are the entries that can be read without a gap
	// up to the first damage. When there are none, FirstIndex is 0 and
	// LastIndex and LastTerm are those of the snapshot record from which the
	// log goes on (0 when there is none either), as raft counts it.
	FirstIndex uint64 `json:"firstIndex"`
	LastIndex  uint64 `json:"lastIndex"`
	LastTerm   uint64 `json:"lastTerm"`
	// ReachIndex and ReachTerm name the last entry to which the member's own
	// db and log lead together: what a salvage of this member alone gives.
	// They pass LastIndex when the damage lies before what the db has applied,
	// and are LastIndex and LastTerm while the db is unknown.
	ReachIndex uint64 `json:"reachIndex"`
	ReachTerm  uint64 `json:"reachTerm"`
	// RevisionsBeyondDB counts the entries above the db's consistent index
	// that can each make a revision: an upper bound.
	RevisionsBeyondDB int64 `json:"revisionsBeyondDB"`
	// Whole is false when damage cuts the log before its real end.
	Whole bool `json:"whole"`
}

// Segment is one WAL file.
type Segment struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Entries int    `json:"entries"`
}

// DB is a member's key-value store at rest.
type DB struct {
	Size            int64         `json:"size"`
	InUse           int64         `json:"inUse"`
	PageSize        int           `json:"pageSize"`
	ConsistentIndex uint64        `json:"consistentIndex"`
	Term            uint64        `json:"term"`
	Revision        int64         `json:"revision"`
	CompactRevision int64         `json:"compactRevision"`
	Members         []MemberEntry `json:"members"`
	RemovedMembers  []ID          `json:"removedMembers,omitempty"`
	Alarms          []Alarm       `json:"alarms,omitempty"`
	ClusterVersion  string        `json:"clusterVersion,omitempty"`
	StorageVersion  string        `json:"storageVersion,omitempty"`
	AuthEnabled     bool          `json:"authEnabled,omitempty"`
}

// MemberEntry is one line of a member list.
type MemberEntry struct {
	ID         ID       `json:"id"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs,omitempty"`
	Learner    bool     `json:"learner,omitempty"`
}

// Alarm is an etcd alarm.
type Alarm struct {
	MemberID ID     `json:"memberID"`
	Type     string `json:"type"` // NOSPACE or CORRUPT
}

// Damage is one defect of a file.
type Damage struct {
	Kind DamageKind `json:"kind"`
	File string     `json:"file"`
	// Offset is the byte at which the defect begins, -1 when it has no place.
	Offset int64 `json:"offset"`
	// What is the reader's own message, in English.
	What string `json:"what"`
}

// DamageKind classifies a defect.
type DamageKind string

// The kinds of damage.
const (
	// DamageTornTail is an incomplete last record of the last WAL file: the
	// trace of a power cut in the middle of a write. etcd repairs it itself.
	DamageTornTail DamageKind = "wal-torn-tail"
	// DamageWAL is a record that fails its checksum before the log's end.
	DamageWAL DamageKind = "wal-damaged"
	// DamageWALMissing is a log without files, or with a gap between files.
	DamageWALMissing DamageKind = "wal-missing"
	// DamageDB is a db file whose pages or contents are not what they should
	// be.
	DamageDB DamageKind = "db-damaged"
	// DamageDBMissing is a data dir without its db.
	DamageDBMissing DamageKind = "db-missing"
	// DamageDBTruncated is a db file that ends before its own last page.
	DamageDBTruncated DamageKind = "db-truncated"
	// DamageBehind is a log that ends before what the db has applied, which
	// is impossible in a healthy member: somebody removed the log.
	DamageBehind DamageKind = "wal-behind-db"
)

// LiveMember is what a running member says of itself and of the cluster.
type LiveMember struct {
	Endpoint  string `json:"endpoint"`
	ClusterID ID     `json:"clusterID"`
	MemberID  ID     `json:"memberID"`
	// Leader is 0 when the member knows none.
	Leader       ID     `json:"leader"`
	Term         uint64 `json:"term"`
	Index        uint64 `json:"index"`
	AppliedIndex uint64 `json:"appliedIndex"`
	Revision     int64  `json:"revision"`
	Version      string `json:"version"`
	Learner      bool   `json:"learner,omitempty"`
	DBSize       int64  `json:"dbSize"`
	DBInUse      int64  `json:"dbInUse"`
	DBQuota      int64  `json:"dbQuota,omitempty"`
	// Linearizable tells whether a linearizable read succeeded: the proof
	// that this member reaches a quorum. Unknown when it was not tried.
	Linearizable Known[bool]          `json:"linearizable"`
	Members      Known[[]MemberEntry] `json:"members"`
	Alarms       Known[[]Alarm]       `json:"alarms"`
	HashKV       Known[HashKV]        `json:"hashKV"`
	// CommonHash is the hash at the lowest revision of all members that
	// answer: comparable although writes go on.
	CommonHash Known[HashKV] `json:"commonHash,omitzero"`
	// HashSkipped says why the member was not asked for a hash although there
	// are others to compare it with: a choice, since the question stalls
	// writes. Empty when it was asked.
	HashSkipped string   `json:"hashSkipped,omitempty"`
	Errors      []string `json:"errors,omitempty"`
}

// EtcdHealth is what a member answers at one of its URLs to those who ask for its
// health without a client's protocol.
type EtcdHealth struct {
	URL string `json:"url"`
	// Health is /health: Status, and the reason in etcd's words. It is unknown where
	// Live is: without /livez, asking for /health would write to etcd's log.
	Health Known[HealthAnswer] `json:"health"`
	// Live and Ready are /livez and /readyz with the checks by name (3.4.29,
	// 3.5.11 and later; not OK before).
	Live  Known[APIHealth] `json:"live"`
	Ready Known[APIHealth] `json:"ready"`
}

// HealthAnswer is the answer of etcd's /health.
type HealthAnswer struct {
	OK     bool   `json:"ok"`
	Status int    `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// HashKV is etcd's hash of the key bucket at a revision.
type HashKV struct {
	Revision        int64  `json:"revision"`
	CompactRevision int64  `json:"compactRevision"`
	Hash            uint32 `json:"hash"`
}

// Certificate is the public part of one certificate.
type Certificate struct {
	// Source is a file's path, or "served:URL".
	Source string `json:"source"`
	// Use is "server", "peer", "client" or "ca".
	Use       string    `json:"use"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	DNSNames  []string  `json:"dnsNames,omitempty"`
	IPs       []string  `json:"ips,omitempty"`
	SHA256    string    `json:"sha256"`
	// Stranger is true when the authority beside it on its machine certainly
	// did not issue it.
	Stranger bool `json:"stranger,omitempty"`
}

// Space is a file system's room.
type Space struct {
	Path        string `json:"path"`
	TotalBytes  uint64 `json:"totalBytes"`
	FreeBytes   uint64 `json:"freeBytes"`
	TotalInodes uint64 `json:"totalInodes"`
	FreeInodes  uint64 `json:"freeInodes"`
	ReadOnly    bool   `json:"readOnly"`
}

// SnapshotFacts is one file that is, or claims to be, an etcd snapshot.
type SnapshotFacts struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// SHA256 is the digest of the whole file.
	SHA256 string `json:"sha256,omitempty"`
	// Trailer tells whether the file ends in the digest that etcd's server
	// appends, and whether it is right.
	Trailer Trailer `json:"trailer"`
	// DB is unknown when the file is no usable db.
	DB Known[DB] `json:"db"`
	// Keys is the number of live keys.
	Keys int64 `json:"keys"`
	// Damage lists every defect.
	Damage []Damage `json:"damage,omitempty"`
	// Device identifies the file system on its machine; 0 when not known.
	Device uint64 `json:"device,omitempty"`
	// Hazards is what in its objects would hurt after a restore; asked for
	// sound snapshots.
	Hazards Known[Hazards] `json:"hazards,omitzero"`
}

// Trailer is the state of a snapshot's sha256 trailer.
type Trailer string

// The states of a trailer.
const (
	TrailerGood    Trailer = "good"
	TrailerMissing Trailer = "missing"
	TrailerWrong   Trailer = "wrong"
	// TrailerUnread is that of a file of which only the beginning was read.
	TrailerUnread Trailer = "unread"
)

// WitnessFacts is the highest revision that somebody outside etcd has noted.
type WitnessFacts struct {
	Path     string       `json:"path"`
	Revision Known[int64] `json:"revision"`
	At       time.Time    `json:"at,omitzero"`
}

// Content is the fingerprint of all live keys at one revision, the same for a
// file at rest and for a running member: the oracle after a recovery.
type Content struct {
	Revision int64 `json:"revision"`
	Keys     int64 `json:"keys"`
	// SHA256 covers, for each live key in byte order, its key, value, create
	// revision, modification revision and version, each length-prefixed.
	SHA256 string `json:"sha256"`
}

// Changes counts what a db holds above a revision.
type Changes struct {
	Since     int64 `json:"since"`
	Revisions int64 `json:"revisions"`
	// Changed and Deleted count distinct keys.
	Changed int64 `json:"changed"`
	Deleted int64 `json:"deleted"`
	// Objects names the first of them in byte order of their keys, up to
	// MaxChangedObjects.
	Objects []ChangedObject `json:"objects,omitempty"`
}

// MaxChangedObjects bounds Changes.Objects.
const MaxChangedObjects = 50

// ChangedObject is one key that a restore would put back to an older state.
type ChangedObject struct {
	// Key is etcd's key, quoted as in Go when it is not printable.
	Key string `json:"key"`
	// Change is "created", "changed" or "deleted": what happened to the key
	// since, and would be undone.
	Change string `json:"change"`
}

// Host finds the facts of a host by name.
func (f Facts) Host(name string) (HostFacts, bool) {
	for _, h := range f.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return HostFacts{}, false
}

// Member finds the facts of a member by name.
func (f Facts) Member(name string) (MemberFacts, bool) {
	for _, h := range f.Hosts {
		for _, m := range h.Members {
			if m.Name == name {
				return m, true
			}
		}
	}
	return MemberFacts{}, false
}
