package cluster

import "time"

// NodeFacts is what was found of a machine beside its etcd members: clock,
// disks, logs, and the Kubernetes that lies and runs on it. Each part is
// unknown by itself; a zero part was never asked for and has no reason.
type NodeFacts struct {
	Clock       Known[ClockFacts]   `json:"clock"`
	FileSystems []Known[FileSystem] `json:"fileSystems,omitempty"`
	// Addresses are the IP addresses of the machine's interfaces.
	Addresses Known[[]string] `json:"addresses"`
	// Quiet are those of Addresses on loopback and dummy devices for which the
	// machine does not answer its neighbours: many machines may have the same.
	Quiet []string `json:"quiet,omitempty"`
	// Kernel are the causes that the kernel's messages name.
	Kernel Known[[]Sign] `json:"kernel"`
	// Logs are the causes that the components' own logs name, by component.
	Logs []LogFacts `json:"logs,omitempty"`
	// Kubernetes is not OK when its folder could not be read.
	Kubernetes Known[KubernetesFacts] `json:"kubernetes"`
	// APIServers are the API servers as this machine reaches them.
	APIServers []APIServer `json:"apiServers,omitempty"`
	// Fences are the drop-ins by which Salvor keeps systemd units from being
	// started, and FencedBy is the case whose mirrored journal on this machine says
	// that it did; empty when none says so.
	Fences   Known[[]string] `json:"fences,omitzero"`
	FencedBy string          `json:"fencedBy,omitempty"`
	// Objects is what the API says of a few deciding objects, asked from this
	// machine with a kubeconfig that lies on it.
	Objects Known[APIObjects] `json:"objects,omitzero"`
	// Pods are the pods that the container runtime runs.
	Pods Known[[]RunningPod] `json:"pods,omitzero"`
	// Places are the folders of snapshots as they were found.
	Places []BackupPlace `json:"places,omitempty"`
	// Pressure is how much of the machine's work waits for something.
	Pressure Known[PressureFacts] `json:"pressure,omitzero"`
	// Units are the services of the control plane that systemd has here, and
	// Containers those of its static pods in the runtime.
	Units      Known[[]Run] `json:"units,omitzero"`
	Containers Known[[]Run] `json:"containers,omitzero"`
	// Neighbours are the hardware addresses at which this machine reaches the
	// addresses of the cluster now, and Hardware those of its own interfaces.
	Neighbours Known[[]Neighbour] `json:"neighbours,omitzero"`
	Hardware   Known[[]string]    `json:"hardware,omitzero"`
}

// ClockFacts is what a machine says of its own clock. Its reading is
// HostInfo.Clock.
type ClockFacts struct {
	// Synchronized is the kernel's own word (adjtimex without STA_UNSYNC).
	Synchronized Known[bool] `json:"synchronized"`
	// Booted is when the kernel started.
	Booted time.Time `json:"booted,omitzero"`
	// RTC is the hardware clock, read at the same moment as System.
	RTC    Known[time.Time] `json:"rtc"`
	System time.Time        `json:"system"`
}

// FileSystem is one file system with what Salvor cares for on it.
type FileSystem struct {
	Space
	// Role is what lies there: "etcd-data", "etcd-wal", "snapshots",
	// "kubelet", "runtime", "logs", "root", "kubernetes".
	Role string `json:"role"`
	// For is the path that was asked about; Space.Path is the folder nearest to
	// it that exists.
	For string `json:"for"`
	// Device identifies the file system on its machine.
	Device uint64 `json:"device"`
	// MountPoint, Type and Source are what the kernel's mount table says.
	MountPoint string `json:"mountPoint,omitempty"`
	Type       string `json:"type,omitempty"`
	Source     string `json:"source,omitempty"`
	// Expected is a mount point above (or at) For that the machine's own
	// configuration names and that is not mounted; ExpectedBy names the file.
	Expected   string `json:"expected,omitempty"`
	ExpectedBy string `json:"expectedBy,omitempty"`
}

// LogFacts is what the end of one component's log says.
type LogFacts struct {
	// Component is "etcd", "kube-apiserver", "kube-controller-manager",
	// "kube-scheduler", "kubelet", "containerd", "load-balancer" or "other".
	Component string `json:"component"`
	// Member is the configured member whose log it is, empty for others.
	Member string `json:"member,omitempty"`
	// Source is a file, or "journal:UNIT".
	Source string `json:"source"`
	// Previous tells that it is the log of a run before the current one.
	Previous bool          `json:"previous,omitempty"`
	Signs    Known[[]Sign] `json:"signs"`
	// Fatal is the last line of level fatal or panic, shortened.
	Fatal string `json:"fatal,omitempty"`
	// Newest is the time of the last line that carries one.
	Newest time.Time `json:"newest,omitzero"`
}

// Sign is one cause that log lines name, counted.
type Sign struct {
	Cause Cause `json:"cause"`
	Count int   `json:"count"`
	// Sample is the last such line, shortened and without secrets.
	Sample string    `json:"sample"`
	Last   time.Time `json:"last,omitzero"`
}

// KubernetesFacts is what lies of Kubernetes on one machine.
type KubernetesFacts struct {
	// Present is false where nothing of Kubernetes was found.
	Present   bool              `json:"present"`
	Manifests Known[[]Manifest] `json:"manifests"`
	// Parked are the manifests that Salvor keeps beside the kubelet's folder,
	// so that their pods do not run. ParkedBy is the case whose mirrored journal
	// on this machine says that it held one of them back and did not let it go;
	// empty when none says so.
	Parked   Known[[]Manifest] `json:"parked,omitzero"`
	ParkedBy string            `json:"parkedBy,omitempty"`
	Certs    []KubeCertificate `json:"certificates,omitempty"`
	// Served are the certificates that the kubelet, the controller manager and the
	// scheduler show at their own ports: not those of the disk after a renewal.
	Served   []KubeCertificate   `json:"served,omitempty"`
	Identity []Fingerprint       `json:"identity,omitempty"`
	Kubelet  Known[ServiceFacts] `json:"kubelet"`
	Runtime  Known[ServiceFacts] `json:"runtime"`
	// Images are those that the manifests and every pod's sandbox need, as the
	// runtime has them.
	Images   Known[[]Image]           `json:"images,omitzero"`
	Configs  []KubeConfig             `json:"kubeconfigs,omitempty"`
	Encrypt  Known[EncryptionFacts]   `json:"encryption"`
	Running  Known[map[string]Seen]   `json:"running"`
	Restarts Known[map[string]string] `json:"restarts"`
}

// Seen is a process of a known name.
type Seen struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since,omitzero"`
	// Command is that of a component of the control plane, without secrets.
	Command []string `json:"command,omitempty"`
}

// Manifest is one file in the folder of static pods, whatever its name: the
// kubelet loads every file whose name does not begin with a dot.
type Manifest struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified,omitzero"`
	// Pod is not OK when the file is no pod; the reason is the reader's.
	Pod Known[StaticPod] `json:"pod"`
}

// StaticPod is what a manifest says that decides a diagnosis.
type StaticPod struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Image     string `json:"image,omitempty"`
	// Command is the first container's command and arguments.
	Command []string `json:"command,omitempty"`
	// Missing are files that flags name, that a hostPath carries into the pod
	// and that are not on this machine.
	Missing []string `json:"missing,omitempty"`
}

// Flag gives the value of --name=value (or "--name value") in the command.
func (p StaticPod) Flag(name string) (string, bool) {
	long := "--" + name
	for i, a := range p.Command {
		switch {
		case a == long && i+1 < len(p.Command):
			return p.Command[i+1], true
		case len(a) > len(long) && a[:len(long)+1] == long+"=":
			return a[len(long)+1:], true
		}
	}
	return "", false
}

// KubeCertificate is one certificate of the control plane, on disk, inside a
// kubeconfig, or as it is served.
type KubeCertificate struct {
	// Role is "ca", "etcd-ca", "front-proxy-ca", "apiserver",
	// "apiserver-etcd-client", "apiserver-kubelet-client",
	// "front-proxy-client", "etcd-server", "etcd-peer", "etcd-healthcheck",
	// "kubelet-client", "kubelet-server", or "kubeconfig".
	Role        string             `json:"role"`
	Path        string             `json:"path"`
	Certificate Known[Certificate] `json:"certificate"`
	// Authority is the file that ought to have issued it; Issued tells whether
	// it did.
	Authority string      `json:"authority,omitempty"`
	Issued    Known[bool] `json:"issued"`
	// KeyFits tells whether the private key beside it is its own.
	KeyFits Known[bool] `json:"keyFits"`
}

// Fingerprint identifies something that has to be the same on every machine of
// a control plane. It holds no secret.
type Fingerprint struct {
	// Name is "ca", "etcd-ca", "front-proxy-ca", "service-account-public",
	// "service-account-private" or "encryption-config".
	Name   string        `json:"name"`
	Path   string        `json:"path"`
	Digest Known[string] `json:"digest"`
}

// ServiceFacts is the state of a service of the machine.
type ServiceFacts struct {
	Unit string `json:"unit"`
	// Active and Sub are systemd's words ("failed", "auto-restart"); empty
	// where no systemd answers.
	Active string `json:"active,omitempty"`
	Sub    string `json:"sub,omitempty"`
	Load   string `json:"load,omitempty"`
	// Process is not OK when the process table could not be read.
	Process Known[bool] `json:"process"`
	// Answers tells whether its socket or port accepted a connection.
	Answers Known[bool] `json:"answers"`
	// Endpoint is the socket or URL that was tried.
	Endpoint string `json:"endpoint,omitempty"`
}

// Image is one image that a machine's static pods need.
type Image struct {
	Name string `json:"name"`
	// For are the pods that need it; SandboxImage stands for all.
	For []string `json:"for"`
	// Present tells whether the runtime has it, by its own word.
	Present bool `json:"present"`
}

// SandboxImage stands in Image.For for the image of every pod's sandbox.
const SandboxImage = "sandbox"

// Neighbour is one entry of a machine's neighbour table (ARP, or NDP): an address
// of the cluster on the same network, and the hardware that answers for it.
type Neighbour struct {
	Address  string `json:"address"`
	Hardware string `json:"hardware"`
	Device   string `json:"device"`
	// Confirmed tells that the kernel holds the entry for valid now (reachable),
	// and Seconds is how long ago the other side last proved it.
	Confirmed bool    `json:"confirmed"`
	Seconds   float64 `json:"seconds"`
}

// KubeConfig is one kubeconfig file without its secrets.
type KubeConfig struct {
	Path   string        `json:"path"`
	Server Known[string] `json:"server"`
	// ClientFile is the certificate file that it names, empty when the
	// certificate is embedded.
	ClientFile string `json:"clientFile,omitempty"`
	// CA is the digest of the authority that it trusts.
	CA Known[string] `json:"ca"`
}

// EncryptionFacts is an API server's encryption configuration without its
// keys.
type EncryptionFacts struct {
	Path string `json:"path"`
	// Keys are "provider/keyname" in the file's order, for every resource.
	Keys []string `json:"keys"`
	// Identity tells whether the plain provider is listed.
	Identity bool `json:"identity"`
}

// APIServer is one way to an API server, tried layer by layer.
type APIServer struct {
	URL string `json:"url"`
	// Direct is true for the machine's own API server, false for the address
	// that kubeconfigs name when it is another one.
	Direct bool `json:"direct"`
	// Named says in which file the address stands.
	Named string `json:"named"`
	// Layer is the highest that worked: "none", "tcp", "tls", "http". Why
	// says what stopped the next one.
	Layer string `json:"layer"`
	Why   string `json:"why,omitempty"`
	// Certificate is what it serves.
	Certificate Known[Certificate] `json:"certificate"`
	Live        Known[APIHealth]   `json:"live"`
	Ready       Known[APIHealth]   `json:"ready"`
	Version     string             `json:"version,omitempty"`
	// Refused is the status with which it answered without saying how it is, as
	// 401 to a stranger and 429 when it has no room; 0 when it did say.
	Refused int `json:"refused,omitempty"`
	// At is when the answer was there, by the clock of who asked.
	At time.Time `json:"at,omitzero"`
}

// The layers of APIServer.Layer.
const (
	LayerNone = "none"
	LayerTCP  = "tcp"
	LayerTLS  = "tls"
	LayerHTTP = "http"
)

// APIHealth is the answer of /livez or /readyz.
type APIHealth struct {
	OK     bool `json:"ok"`
	Status int  `json:"status"`
	// Failed are the names of the checks that failed.
	Failed []string `json:"failed,omitempty"`
	Passed int      `json:"passed"`
}

// BackupPlace is a folder (or file) of snapshots as it was found.
type BackupPlace struct {
	Path string `json:"path"`
	// Files is the number of files in it; not OK when it cannot be read.
	Files Known[int] `json:"files"`
	// Parts are what of a control plane beside etcd's data lies in it, archives
	// looked into: of PartAuthority and its siblings. Not OK when something in it
	// could not be looked into.
	Parts Known[[]string] `json:"parts,omitzero"`
}

// The parts of a control plane without which a snapshot of its data is no
// backup of it, by the file that kubeadm keeps them in.
const (
	PartAuthority     = "ca.key"
	PartEtcdAuthority = "etcd/ca.key"
	PartAccounts      = "sa.key"
	PartEncryption    = "EncryptionConfiguration"
)

// EtcdMetrics are the few numbers of a member's metrics that decide: since its
// process began.
type EtcdMetrics struct {
	// FsyncP99 and CommitP99 are upper bounds in seconds: the bucket of the
	// histogram that holds the 99th per cent.
	FsyncP99      float64 `json:"fsyncP99"`
	CommitP99     float64 `json:"commitP99"`
	PeerRTTP99    float64 `json:"peerRTTP99"`
	LeaderChanges int64   `json:"leaderChanges"`
	SlowApplies   int64   `json:"slowApplies"`
	HasLeader     bool    `json:"hasLeader"`
	// Defragmenting is true while the member rewrites its db; it answers nothing
	// that touches the db until then (etcd 3.5 and later tell it).
	Defragmenting bool `json:"defragmenting,omitempty"`
	// Quota is how many bytes the db may have; 0 when the member does not say.
	// etcd before 3.6 tells it only here.
	Quota int64 `json:"quota,omitempty"`
}
