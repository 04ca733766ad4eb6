package observe

import (
	"regexp"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// pattern is one text that proves a cause. All of its parts have to stand in
// the line, none of the parts in not.
type pattern struct {
	cause cluster.Cause
	all   []string
	not   []string
	// of names the components whose logs can say it; empty means all.
	of []string
}

func on(components ...string) []string { return components }

// patterns are the exact texts of etcd 3.4 to 3.7, kube-apiserver, kubelet,
// containerd and the kernel. What a text claims without proof ("discovery
// failed", "likely from slow disk") stands for nothing.
func patterns() []pattern {
	return append(append(etcdPatterns(), tlsPatterns()...), append(apiPatterns(), nodePatterns()...)...)
}

func etcdPatterns() []pattern {
	e := on("etcd")
	return []pattern{
		{cluster.SaidBootstrapped, []string{"has already been bootstrapped"}, nil, e},
		{cluster.SaidWiped, []string{"tocommit(", "[lastIndex(0)]"}, nil, e},
		{cluster.SaidLogLost, []string{"tocommit(", "is out of range"}, []string{"[lastIndex(0)]"}, e},
		{cluster.SaidLogLost, []string{"state.commit", "is out of range"}, nil, e},
		{cluster.SaidWALDamaged, []string{"crc mismatch"}, nil, e},
		{cluster.SaidWALDamaged, []string{"max entry size limit exceeded"}, nil, e},
		{cluster.SaidWALDamaged, []string{"conflicting metadata found"}, nil, e},
		{cluster.SaidWALRepaired, []string{"repaired WAL"}, nil, e},
		{cluster.SaidSnapDBMissing, []string{"failed to recover v3 backend from snapshot"}, nil, e},
		{cluster.SaidSnapDBMissing, []string{"failed to find database snapshot file"}, nil, e},
		{cluster.SaidSnapDBMissing, []string{"recovering backend from snapshot error"}, nil, e},
		{cluster.SaidDBDamaged, []string{"freepages: failed to get all reachable pages"}, nil, e},
		{cluster.SaidDBDamaged, []string{"assertion failed: Page expected to be"}, nil, e},
		{cluster.SaidDBDamaged, []string{"failed to open database", "invalid database"}, nil, e},
		{cluster.SaidDBDamaged, []string{"invalid freelist page"}, nil, e},
		{cluster.SaidDBDamaged, []string{"range cannot find rev"}, nil, e},
		{cluster.SaidDBDamaged, []string{"already freed"}, nil, e},
		{cluster.SaidDBTruncated, []string{"unexpected fault address"}, nil, e},
		{cluster.SaidDBTruncated, []string{"SIGBUS"}, nil, e},
		{cluster.SaidNoSpaceQuota, []string{"database space exceeded"}, nil, nil},
		{cluster.SaidClusterID, []string{"cluster ID mismatch"}, nil, e},
		{cluster.SaidRemoved, []string{"has been permanently removed from the cluster"}, nil, e},
		{cluster.SaidRemoved, []string{"rejected stream from remote peer because it was removed"}, nil, e},
		{cluster.SaidCorrupt, []string{"found data inconsistency with peers"}, nil, e},
		{cluster.SaidCorrupt, []string{"etcdserver: corrupt cluster"}, nil, nil},
		{cluster.SaidPeerURLs, []string{"member count is unequal"}, nil, e},
		{cluster.SaidPeerURLs, []string{"PeerURLs: no match found for existing member"}, nil, e},
		{cluster.SaidPeerURLs, []string{"missing from --initial-advertise-peer-urls"}, nil, e},
		{cluster.SaidNameUnknown, []string{"couldn't find local name"}, nil, e},
		{cluster.SaidPortInUse, []string{"bind: address already in use"}, nil, nil},
		{cluster.SaidNoAddress, []string{"cannot assign requested address"}, nil, nil},
		{cluster.SaidDowngrade, []string{"invalid downgrade; server version is lower"}, nil, e},
		{cluster.SaidDowngrade, []string{"cluster cannot be downgraded"}, nil, e},
		{cluster.SaidOldStore, []string{"detected disallowed", "v2store"}, nil, e},
		{cluster.SaidTooManyLearners, []string{"too many learner members in cluster"}, nil, nil},
		{cluster.SaidLearnerBehind, []string{"can only promote a learner member which is in sync"}, nil, nil},
		{cluster.SaidClockDrift, []string{"prober found high clock drift"}, nil, e},
		{cluster.SaidClockDrift, []string{"the clock difference against peer"}, nil, e},
		{cluster.SaidSlowDisk, []string{"slow fdatasync"}, nil, e},
		{cluster.SaidSlowDisk, []string{"sync duration of", "expected less than"}, nil, e},
		{cluster.SaidSlowApply, []string{"apply request took too long"}, nil, e},
		{cluster.SaidLateHeartbeat, []string{"failed to send out heartbeat on time"}, nil, e},
		{cluster.SaidLinearizableSlow, []string{"waiting for ReadIndex response took too long"}, nil, e},
		{cluster.SaidDefragBegun, []string{`"msg":"defragmenting"`}, nil, e},
		{cluster.SaidDefragEnded, []string{"finished defragmenting directory"}, nil, e},
		{cluster.SaidElections, []string{"lost leader"}, nil, e},
		{cluster.SaidElections, []string{"elected leader"}, nil, e},
		{cluster.SaidTooLarge, []string{"etcdserver: request is too large"}, nil, nil},
		{cluster.SaidTooLarge, []string{"trying to send message larger than max"}, nil, on("kube-apiserver")},
		{cluster.SaidAuthUser, []string{"etcdserver: user name is empty"}, nil, nil},
		{cluster.SaidBadFlag, []string{"flag provided but not defined"}, nil, e},
		{cluster.SaidBadFlag, []string{"failed to verify flags"}, nil, e},
		{cluster.SaidBadFlag, []string{"invalid value ", " for flag -"}, nil, e},
		{cluster.SaidBadFlag, []string{"conflicting environment variable", "is shadowed by"}, nil, e},
		{cluster.SaidMemberNotFound, []string{"membership: ID not found"}, nil, e},
	}
}

func tlsPatterns() []pattern {
	e := on("etcd")
	return []pattern{
		{cluster.SaidTLSFile, []string{"discovery failed", "open /", "no such file or directory"}, []string{"/member/"}, e},
		{cluster.SaidTLSFile, []string{"tls: private key does not match public key"}, nil, e},
		{cluster.SaidTLSFile, []string{"tls: private key type does not match public key type"}, nil, e},
		{cluster.SaidTLSFile, []string{"tls: failed to find any PEM data in"}, nil, e},
		{cluster.SaidTLSFile, []string{"tls: failed to parse private key"}, nil, e},
		{cluster.SaidTLSFile, []string{"discovery failed", "x509: malformed"}, nil, e},
		{cluster.SaidTLSFile, []string{"could not parse certificate PEM data"}, nil, e},
		{cluster.SaidNotYetValid, []string{"certificate has expired or is not yet valid", "is before"}, nil, nil},
		{cluster.SaidExpired, []string{"certificate has expired or is not yet valid", "is after"}, nil, nil},
		{cluster.SaidAlertExpired, []string{"tls: expired certificate"}, []string{"certificate has expired or is not yet valid"}, nil},
		{cluster.SaidUnknownCA, []string{"certificate signed by unknown authority"}, []string{"front-proxy"}, nil},
		{cluster.SaidFrontProxy, []string{"certificate signed by unknown authority", "front-proxy"}, nil, nil},
		{cluster.SaidWrongName, []string{"certificate is valid for", ", not "}, nil, nil},
		{cluster.SaidWrongName, []string{"does not match any of DNSNames"}, nil, nil},
	}
}

func apiPatterns() []pattern {
	a := on("kube-apiserver", "kube-controller-manager", "kube-scheduler")
	return []pattern{
		{cluster.SaidBadFlag, []string{"unknown flag: --"}, nil, nil},
		{cluster.SaidBadFlag, []string{"unknown shorthand flag"}, nil, nil},
		{cluster.SaidBadFlag, []string{"Error: invalid argument ", "\" flag: "}, nil, a},
		{cluster.SaidFeatureGate, []string{"unrecognized feature gate"}, nil, nil},
		{cluster.SaidEtcdUnreachable, []string{"error creating storage factory"}, nil, a},
		{cluster.SaidEtcdUnreachable, []string{"Unable to create storage backend"}, nil, a},
		{cluster.SaidFileMissing, []string{"command failed", "no such file or directory"}, nil, a},
		{cluster.SaidNoEncryptionKey, []string{"identity transformer tried to read encrypted data"}, nil, a},
		{cluster.SaidNoEncryptionKey, []string{"unable to transform key", "invalid padding on input"}, nil, a},
		{cluster.SaidNoEncryptionKey, []string{"no matching key was found for the provided"}, nil, a},
		{cluster.SaidNoEncryptionKey, []string{"no matching prefix found"}, nil, a},
		{cluster.SaidTokenSignature, []string{"invalid bearer token", "invalid signature"}, nil, a},
		{cluster.SaidTokenSignature, []string{"go-jose: error in cryptographic primitive"}, nil, a},
		{cluster.SaidWebhook, []string{"failed calling webhook"}, []string{"failing open"}, nil},
		{cluster.SaidAPIService, []string{"failing or missing response from"}, nil, a},
		{cluster.SaidAPIService, []string{"FailedDiscoveryCheck"}, nil, a},
		// "Error getting keys" is an API server's own count, before its cache is there.
		{cluster.SaidRVTooLarge, []string{"Too large resource version"}, []string{"Error getting keys"}, nil},
		{cluster.SaidObjectModified, []string{"the object has been modified"}, nil, a},
		// What clients make of an answer without an object: that of the filters before
		// the API (k8s.io/apiserver pkg/server/filters). Aggregated APIs have their own.
		{cluster.SaidTooManyRequests, []string{"the server has received too many requests and has asked us to try again later"}, []string{".metrics.k8s.io"},
			on("kubelet", "kube-controller-manager", "kube-scheduler")},
		{cluster.SaidLeaseLost, []string{"leaderelection lost"}, nil, a},
		{cluster.SaidLeaseLost, []string{"Leaderelection lost"}, nil, a}, // schedulers of today
		{cluster.SaidUnauthorized, []string{"error retrieving resource lock", "Unauthorized"}, nil, a},
		{cluster.SaidUnauthorized, []string{"Error retrieving lease lock", "Unauthorized"}, nil, a},
		// Of today they list what there is before they try to lead.
		{cluster.SaidUnauthorized, []string{"failed to list", "Unauthorized"}, nil, on("kube-controller-manager", "kube-scheduler")},
		{cluster.SaidForbiddenRBAC, []string{"RBAC: ", "not found"}, nil, a},
		{cluster.SaidBackendDown, []string{"Server kube-apiserver/", "is DOWN"}, nil, on("load-balancer")},
		{cluster.SaidBackendDown, []string{"has no server available"}, nil, on("load-balancer")},
	}
}

func nodePatterns() []pattern {
	k := on("kubelet")
	return []pattern{
		{cluster.SaidKubeletCert, []string{"part of the existing bootstrap client certificate", "is expired"}, nil, k},
		{cluster.SaidKubeletCert, []string{"unable to load bootstrap kubeconfig"}, nil, k},
		{cluster.SaidKubeletCert, []string{"currently active client certificate has expired"}, nil, k},
		{cluster.SaidSwap, []string{"running with swap on is not supported"}, nil, k},
		{cluster.SaidCgroup, []string{"configured to not run on a host using cgroup v1"}, nil, k},
		{cluster.SaidCgroup, []string{"misconfiguration: kubelet cgroup driver"}, nil, k},
		{cluster.SaidCRI, []string{"validate CRI v1 runtime API for endpoint"}, nil, k},
		{cluster.SaidCRI, []string{"container runtime is down"}, nil, k},
		{cluster.SaidBadFlag, []string{"failed to parse kubelet flag"}, nil, k},
		{cluster.SaidImage, []string{"ErrImagePull"}, nil, k},
		{cluster.SaidImage, []string{"ImagePullBackOff"}, nil, k},
		{cluster.SaidManifest, []string{"Could not process manifest file"}, nil, k},
		{cluster.SaidSandboxReserved, []string{"failed to reserve sandbox name"}, nil, nil},
		{cluster.SaidRuntimeDB, []string{"freepages: failed to get all reachable pages"}, nil, on("containerd")},
		{cluster.SaidRuntimeDB, []string{"assertion failed: Page expected to be"}, nil, on("containerd")},
		{cluster.SaidRuntimeDB, []string{"invalid freelist page"}, nil, on("containerd")},
		{cluster.SaidRuntimeDB, []string{"meta.db", "invalid database"}, nil, on("containerd")},
		{cluster.SaidRuntimeDB, []string{"failed to load plugin", "invalid database"}, nil, on("containerd")},
		{cluster.SaidDiskFull, []string{"no space left on device"}, nil, nil},
		{cluster.SaidReadOnly, []string{"read-only file system"}, nil, nil},
		{cluster.SaidReadOnly, []string{"Remounting filesystem read-only"}, nil, on("kernel")},
		{cluster.SaidIOError, []string{"input/output error"}, nil, nil},
		{cluster.SaidIOError, []string{"structure needs cleaning"}, nil, nil},
		{cluster.SaidIOError, []string{"I/O error, dev "}, nil, on("kernel")},
		{cluster.SaidIOError, []string{"Buffer I/O error on dev"}, nil, on("kernel")},
		{cluster.SaidIOError, []string{"EXT4-fs error"}, nil, on("kernel")},
		{cluster.SaidIOError, []string{"metadata I/O error"}, nil, on("kernel")},
		{cluster.SaidOOM, []string{"Out of memory: Killed process"}, nil, on("kernel")},
		{cluster.SaidOOM, []string{"Memory cgroup out of memory: Killed process"}, nil, on("kernel")},
		{cluster.SaidPermission, []string{"permission denied"}, nil, on("etcd", "kube-apiserver")},
		{cluster.SaidTooManyFiles, []string{"too many open files"}, nil, nil},
		{cluster.SaidTooManyFiles, []string{"file descriptor limit of etcd process is too low"}, nil, on("etcd")},
	}
}

// signsOf gives the causes that a line of a component's log proves, each once.
func signsOf(table []pattern, component, line string) []cluster.Cause {
	var out []cluster.Cause
	for _, p := range table {
		if p.matches(component, line) && (len(out) == 0 || out[len(out)-1] != p.cause) {
			out = append(out, p.cause)
		}
	}
	return out
}

func (p pattern) matches(component, line string) bool {
	if len(p.of) > 0 {
		found := false
		for _, c := range p.of {
			found = found || c == component
		}
		if !found {
			return false
		}
	}
	for _, s := range p.all {
		if !strings.Contains(line, s) {
			return false
		}
	}
	for _, s := range p.not {
		if strings.Contains(line, s) {
			return false
		}
	}
	return p.exact(line)
}

// controlPod is how the kubelet names a static pod of the control plane: as
// namespace/name, and before 1.20 as name_namespace(uid). What users run is
// theirs, and its lines stand in the same log.
var controlPod = regexp.MustCompile(`kube-system/(?:etcd|kube-apiserver|kube-controller-manager|kube-scheduler)-|\b(?:etcd|kube-apiserver|kube-controller-manager|kube-scheduler)-[a-z0-9.-]+_kube-system\(`)

// systemRole is a role without which the control plane itself does not work.
var systemRole = regexp.MustCompile(`RBAC: .*role\.rbac\.authorization\.k8s\.io \\?"(?:system|kubeadm):`)

// exact tells of a line with a pattern's texts whether it is about the control
// plane, where others say the same of their own.
func (p pattern) exact(line string) bool {
	switch p.cause {
	case cluster.SaidImage:
		return controlPod.MatchString(line)
	case cluster.SaidForbiddenRBAC:
		return systemRole.MatchString(line)
	}
	return true
}
