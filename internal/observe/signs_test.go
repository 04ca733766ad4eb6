package observe

import (
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestSigns holds the exact texts of etcd, kube-apiserver, kubelet, containerd
// and the kernel against the table: each names its cause, and those that
// mislead name none.
func TestSigns(t *testing.T) {
	for _, c := range []struct {
		component, line string
		want            cluster.Cause
	}{
		{"etcd", `{"level":"fatal","msg":"discovery failed","error":"member fa828bf5c018d631 has already been bootstrapped"}`, cluster.SaidBootstrapped},
		{"etcd", `panic: tocommit(32) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?`, cluster.SaidWiped},
		{"etcd", `panic: tocommit(587192) is out of range [lastIndex(587189)]. Was the raft log corrupted, truncated, or lost?`, cluster.SaidLogLost},
		{"etcd", `{"level":"fatal","msg":"discovery failed","error":"walpb: crc mismatch: expected: c0e30351 computed: e5d347f5"}`, cluster.SaidWALDamaged},
		{"etcd", `{"level":"panic","msg":"failed to recover v3 backend from snapshot","error":"failed to find database snapshot file (snap: snapshot file doesn't exist)"}`, cluster.SaidSnapDBMissing},
		{"etcd", `panic: freepages: failed to get all reachable pages (page 0: invalid type: unknown<00>)`, cluster.SaidDBDamaged},
		{"etcd", `panic: assertion failed: Page expected to be: 7, but self identifies as 0`, cluster.SaidDBDamaged},
		{"etcd", `unexpected fault address 0x7f`, cluster.SaidDBTruncated},
		{"kube-apiserver", `etcdserver: mvcc: database space exceeded`, cluster.SaidNoSpaceQuota},
		{"etcd", `{"msg":"failed to commit tx","error":"write /d/member/snap/db: no space left on device"}`, cluster.SaidDiskFull},
		{"etcd", `the member has been permanently removed from the cluster`, cluster.SaidRemoved},
		{"etcd", `request cluster ID mismatch`, cluster.SaidClusterID},
		{"etcd", `couldn't find local name "default" in the initial cluster configuration`, cluster.SaidNameUnknown},
		{"etcd", `listen tcp 10.0.0.1:2380: bind: cannot assign requested address`, cluster.SaidNoAddress},
		{"etcd", `listen tcp 10.0.0.1:2380: bind: address already in use`, cluster.SaidPortInUse},
		{"etcd", `invalid downgrade; server version is lower than determined cluster version`, cluster.SaidDowngrade},
		{"etcd", `x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is after 2025-01-01T00:00:00Z`, cluster.SaidExpired},
		{"etcd", `x509: certificate has expired or is not yet valid: current time 2025-01-01T00:00:00Z is before 2026-01-01T00:00:00Z`, cluster.SaidNotYetValid},
		{"etcd", `rejected connection on peer endpoint … certificate is valid for 10.9.0.3, 127.0.0.1, not 10.9.0.1`, cluster.SaidWrongName},
		{"etcd", `prober found high clock drift`, cluster.SaidClockDrift},
		{"etcd", `leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk`, cluster.SaidLateHeartbeat},
		{"kube-apiserver", `Error: unknown flag: --insecure-port`, cluster.SaidBadFlag},
		{"kube-scheduler", `Error: invalid argument "maybe" for "--leader-elect" flag: strconv.ParseBool: parsing "maybe": invalid syntax`, cluster.SaidBadFlag},
		{"etcd", `{"level":"warn","caller":"etcdmain/etcd.go:75","msg":"failed to verify flags","error":"invalid value \"abc\" for ETCD_HEARTBEAT_INTERVAL: parse error"}`, cluster.SaidBadFlag},
		{"etcd", `{"level":"warn","caller":"etcdmain/etcd.go:65","msg":"failed to verify flags","error":"--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[1000ms]"}`, cluster.SaidBadFlag},
		{"etcd", `invalid value "abc" for flag -heartbeat-interval: parse error`, cluster.SaidBadFlag},
		{"kube-apiserver", `Error: unrecognized feature gate: Nope`, cluster.SaidFeatureGate},
		{"kube-apiserver", `"command failed" err="error creating storage factory: context deadline exceeded"`, cluster.SaidEtcdUnreachable},
		{"kube-apiserver", `identity transformer tried to read encrypted data`, cluster.SaidNoEncryptionKey},
		{"kube-apiserver", `unable to transform key "/registry/secrets/x": invalid padding on input`, cluster.SaidNoEncryptionKey},
		{"kube-apiserver", `no matching key was found for the provided AES transformer`, cluster.SaidNoEncryptionKey},
		{"kube-apiserver", `[invalid bearer token, invalid signature, no keys found]`, cluster.SaidTokenSignature},
		{"kube-apiserver", `failed calling webhook "mpod.kb.io": failed to call webhook: Post "https://kruise.svc": no endpoints available`, cluster.SaidWebhook},
		{"kube-apiserver", `RBAC: clusterrole.rbac.authorization.k8s.io \"system:node-bootstrapper\" not found`, cluster.SaidForbiddenRBAC},
		{"kubelet", `"Error syncing pod, skipping" err="failed to \"StartContainer\" for \"etcd\" with ErrImagePull" pod="kube-system/etcd-cp-1" podUID="x"`, cluster.SaidImage},
		{"kubelet", `Error syncing pod 1 ("kube-apiserver-cp-1_kube-system(1)"), skipping: failed to "StartContainer" with ImagePullBackOff`, cluster.SaidImage},
		// What users run is theirs.
		{"kubelet", `"Error syncing pod, skipping" err="… with ImagePullBackOff" pod="shop/etcd-0" podUID="x"`, ""},
		{"kubelet", `"Error syncing pod, skipping" err="… with ErrImagePull" pod="kube-system/coredns-7f9" podUID="x"`, ""},
		{"kube-apiserver", `Failed calling webhook, failing open v.example.com: failed calling webhook "v.example.com": no endpoints available`, ""},
		{"kube-apiserver", `User "system:serviceaccount:shop:web" cannot list pods: RBAC: clusterrole.rbac.authorization.k8s.io "web" not found`, ""},
		{"kube-apiserver", `Timeout: Too large resource version: 247, current: 220`, cluster.SaidRVTooLarge},
		{"kube-controller-manager", `"leaderelection lost"`, cluster.SaidLeaseLost},
		// Of Kubernetes 1.36, as test fixtures have them.
		{"kube-scheduler", `E1121 21:20:19.312127 1258 server.go:328] "Leaderelection lost"`, cluster.SaidLeaseLost},
		{"kube-scheduler", `"Failed to watch" err="failed to list *v1.Pod: Unauthorized" logger="UnhandledError"`, cluster.SaidUnauthorized},
		{"kube-apiserver", `"Failed to watch" err="failed to list *v1.Pod: Unauthorized" logger="UnhandledError"`, ""},
		{"kube-apiserver", `"Unable to authenticate the request" err="[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]"`, cluster.SaidTokenSignature},
		{"kube-apiserver", `rpc error: code = ResourceExhausted desc = trying to send message larger than max (2097504 vs. 2097152)`, cluster.SaidTooLarge},
		{"etcd", `{"level":"fatal","msg":"file descriptor limit of etcd process is too low; please set higher","limit":24}`, cluster.SaidTooManyFiles},
		{"kubelet", `part of the existing bootstrap client certificate in /etc/kubernetes/kubelet.conf is expired`, cluster.SaidKubeletCert},
		{"kubelet", `running with swap on is not supported, please disable swap`, cluster.SaidSwap},
		{"kubelet", `kubelet is configured to not run on a host using cgroup v1`, cluster.SaidCgroup},
		{"kubelet", `validate CRI v1 runtime API for endpoint "unix:///run/containerd/containerd.sock": connect: no such file or directory`, cluster.SaidCRI},
		{"kubelet", `Could not process manifest file" path="/etc/kubernetes/manifests/x"`, cluster.SaidManifest},
		{"kernel", `Out of memory: Killed process 123 (kube-apiserver)`, cluster.SaidOOM},
		{"kernel", `blk_update_request: I/O error, dev sda, sector 12`, cluster.SaidIOError},
		// The same text, another process: containerd's own db.
		{"containerd", `panic: freepages: failed to get all reachable pages (page 2: multiple references)`, cluster.SaidRuntimeDB},
		{"kube-scheduler", `"Failed to watch" err="failed to list *v1.Node: the server has received too many requests and has asked us to try again later (get nodes)" logger="UnhandledError"`, cluster.SaidTooManyRequests},
		{"kubelet", `"Unable to update node status" err="the server has received too many requests and has asked us to try again later (get nodes cp-1)"`, cluster.SaidTooManyRequests},
		// Other things are too many, or ask to wait, too.
		{"kube-controller-manager", `"failed to list *v1.Secret: storage is (re)initializing"`, ""},
		{"kube-controller-manager", `failed to list *core.Secret: unable to transform key "/registry/secrets/a/b": no`, ""},
		{"kube-apiserver", `etcdserver: too many requests`, ""},
		{"kube-controller-manager", `"Waited before sending request" delay="1.1s" reason="client-side throttling, not priority and fairness"`, ""},
		{"kube-controller-manager", `unable to get metrics for resource cpu: the server has received too many requests and has asked us to try again later (get pods.metrics.k8s.io)`, ""},
		{"kubelet", `failed to pull image "x": 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit`, ""},
		{"kube-controller-manager", `Cannot evict pod as it would violate the pod's disruption budget.`, ""},
		{"kube-scheduler", `the server is currently unable to handle the request`, ""},
		// Texts that mislead name nothing.
		{"etcd", `{"level":"fatal","msg":"discovery failed"}`, ""},
		{"kube-apiserver", `discovery failed`, ""},
		{"etcd", `127.0.0.1:2379 is healthy: successfully committed proposal: took = 2ms`, ""},
		{"etcd", `Managed etcd cluster membership has been reset`, ""},
		{"kube-apiserver", `stats.go:119] "Error getting keys" err="Timeout: Too large resource version: 4499, current: 4398"`, ""},
	} {
		got := signsOf(patterns(), c.component, c.line)
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: %q names %v, want nothing", c.component, c.line, got)
		case c.want != "" && (len(got) != 1 || got[0] != c.want):
			t.Errorf("%s: %q names %v, want %s", c.component, c.line, got, c.want)
		}
	}
}

// TestScan counts only the last run, keeps the last fatal line, and reads the
// times of CRI, zap and journal lines.
func TestScan(t *testing.T) {
	f := cluster.LogFacts{Component: "etcd"}
	scan(&f, []byte(`{"level":"info","ts":"2026-01-02T03:00:00.000Z","msg":"starting etcd"}
{"level":"fatal","ts":"2026-01-02T03:00:01.000Z","msg":"x","error":"no space left on device"}
{"level":"info","ts":"2026-01-02T04:00:00.000Z","caller":"embed/etcd.go","msg":"Running: ","args":["etcd"]}
{"level":"warn","ts":"2026-01-02T04:00:01.000Z","msg":"prober found high clock drift"}
{"level":"warn","ts":"2026-01-02T04:00:02.000Z","msg":"prober found high clock drift"}
{"level":"fatal","ts":"2026-01-02T04:00:03.000Z","msg":"discovery failed","error":"member 1 has already been bootstrapped"}
`))
	if len(f.Signs.Value) != 2 || f.Signs.Value[0].Count != 2 || f.Signs.Value[1].Cause != cluster.SaidBootstrapped {
		t.Fatalf("signs %+v", f.Signs.Value)
	}
	if want := time.Date(2026, 1, 2, 4, 0, 3, 0, time.UTC); !f.Newest.Equal(want) || f.Fatal == "" {
		t.Errorf("newest %s, fatal %q", f.Newest, f.Fatal)
	}
	for _, line := range []string{"2026-01-02T04:00:03.123456789+00:00 stderr F x", "2026-01-02T04:00:03+0000 host etcd[1]: x", "2026-01-02 04:00:03.12 x"} {
		if at := timeOf(line); at.Truncate(time.Second) != time.Date(2026, 1, 2, 4, 0, 3, 0, time.UTC) {
			t.Errorf("%q reads as %s", line, at)
		}
	}
	if !timeOf("no time here").IsZero() {
		t.Error("a time is read where there is none")
	}
}

// TestPodLogs reads current and previous logs of a static pod, and leaves
// other namespaces alone.
func TestPodLogs(t *testing.T) {
	m := newMaster(t, authority(t))
	dir := "/var/log/pods/kube-system_kube-apiserver-cp-1_0/kube-apiserver/"
	m.write(dir+"3.log", []byte("2026-01-02T04:00:03Z stderr F Error: unknown flag: --insecure-port\n"))
	m.write(dir+"2.log", []byte("2026-01-02T04:00:02Z stderr F error creating storage factory: context deadline exceeded\n"))
	m.write("/var/log/pods/default_x_0/kube-apiserver/0.log", []byte("unknown flag: --x\n"))
	logs := m.podLogs()
	causes := map[cluster.Cause]bool{}
	for _, l := range logs {
		for _, s := range l.Signs.Value {
			causes[s.Cause] = true
		}
	}
	if len(logs) != 2 || !causes[cluster.SaidBadFlag] || !causes[cluster.SaidEtcdUnreachable] {
		t.Fatalf("read %+v", logs)
	}
	r, err := m.restarts()
	if err != nil || r["kube-apiserver"] != "3" {
		t.Errorf("restarts %v, %v", r, err)
	}
}
