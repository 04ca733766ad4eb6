package diagnose

import "github.com/salvor-project/salvor/internal/cluster"

// nodeRules are what keeps static pods from running.
func nodeRules() []rule {
	return []rule{
		{code: RuntimeDBDamaged, severity: Critical, needs: []Need{NeedLogs}, find: findRuntimeDB, rate: rateSign,
			messages:   []string{"freepages: failed to get all reachable pages", "assertion failed: Page expected to be"},
			references: []string{"containerd/containerd#4838", "etcd-io/bbolt#705", "k3s-io/k3s#5669"}},
		{code: RuntimeDown, severity: Critical, needs: []Need{NeedRuntime}, causes: []Code{RuntimeDBDamaged, NodeDiskFull, DiskReadOnly}, find: findRuntimeDown, more: lastRun("containerd"),
			messages: []string{"validate CRI v1 runtime API for endpoint … connect: no such file or directory", "container runtime is down"}},
		{code: KubeletRefuses, severity: Critical, needs: []Need{NeedLogs}, find: findKubeletRefuses, rate: rateSign,
			messages: []string{"running with swap on is not supported", "kubelet is configured to not run on a host using cgroup v1", "failed to parse kubelet flag", "misconfiguration: kubelet cgroup driver"}},
		{code: KubeletDown, severity: Critical, needs: []Need{NeedKubelet}, causes: []Code{KubeletCertExpired, KubeletRefuses, RuntimeDown, NodeDiskFull, DiskReadOnly, KubeCertNotYetValid},
			find: findKubeletDown, more: lastRun("kubelet"), messages: []string{"kubelet.service: Failed with result 'exit-code'"}},
		{code: ManifestBroken, severity: Critical, needs: []Need{NeedManifests}, find: findManifestBroken,
			messages: []string{"Could not process manifest file", "couldn't parse as pod"}},
		{code: ManifestDuplicate, severity: Critical, needs: []Need{NeedManifests}, find: findManifestDuplicate,
			references: []string{"kubernetes/kubernetes#55596", "kubernetes/kubernetes#136962"}},
		{code: HeldBack, severity: Critical, needs: []Need{NeedManifests}, find: findHeldBack},
		{code: ManifestMissing, severity: Critical, needs: []Need{NeedManifests}, causes: []Code{ManifestBroken}, find: findManifestMissing},
		{code: RunsOtherFlags, severity: Warning, needs: []Need{NeedManifests, NeedKubernetes}, causes: []Code{ManifestDuplicate, HeldBack, RuntimeDown, KubeletDown, KubeletCertExpired}, find: findOtherFlags, passing: true,
			references: []string{"kubernetes/kubernetes#55596"}},
		{code: ManifestFiles, severity: Critical, needs: []Need{NeedManifests}, find: findManifestFiles,
			messages: []string{"open …: no such file or directory"}},
		{code: ImageMissing, severity: Critical, needs: []Need{NeedLogs, NeedImages}, find: findImageMissing, rate: rateImage, passing: true,
			messages: []string{"ErrImagePull", "ImagePullBackOff"}, references: []string{"kubernetes/kubernetes#81756", "kubernetes/kubernetes#111796"}},
		{code: NotEnabled, severity: Warning, needs: []Need{NeedRuns}, find: findNotEnabled, rate: rateNotEnabled, passing: true},
		{code: SandboxReserved, severity: Warning, needs: []Need{NeedLogs}, find: findSigns(cluster.SaidSandboxReserved), rate: rateSign, passing: true,
			messages: []string{"failed to reserve sandbox name"}, references: []string{"containerd/cri#1014"}},
	}
}

// apiRules are what an API server itself says.
func apiRules() []rule {
	etcd := []Code{QuorumLost, QuorumGone, MemberStopped, MemberStuck, MemberIsolated, NoQuorumThoughLive, CertExpired, CertNotYetValid, APIEtcdClientExpired, AuthLockout, CorruptAlarm, Defragmenting}
	return []rule{
		{code: APIBadFlag, severity: Critical, needs: []Need{NeedLogs, NeedRuns}, causes: []Code{ManifestDuplicate}, find: findAPIBadFlag, more: lastRun("kube-apiserver"), rate: rateBrief(rateSign, againstFlag),
			messages: []string{"Error: unknown flag: --insecure-port", "unrecognized feature gate"}},
		{code: APICannotDecrypt, severity: Critical, needs: []Need{NeedLogs}, causes: []Code{EncryptionDiffers}, find: findCannotDecrypt, rate: rateSign,
			messages: []string{"identity transformer tried to read encrypted data", "storage is (re)initializing: … unable to transform key", "invalid padding on input",
				"no matching key was found for the provided AES transformer"},
			references: []string{"kubernetes/kubernetes#53301", "kubernetes/kubernetes#66844"}},
		{code: APIEtcdUnreachable, severity: Critical, needs: []Need{NeedLogs, NeedAPIServers, NeedRuns}, causes: etcd, find: findAPIEtcd, more: lastRun("kube-apiserver"), rate: rateBrief(rateAPIEtcd, againstEtcd),
			messages: []string{"error creating storage factory: context deadline exceeded", "[-]etcd failed: reason withheld"}},
		{code: APIOverloaded, severity: Critical, needs: []Need{NeedLogs, NeedAPIServers, NeedObjects}, causes: []Code{OutOfMemory, APICannotDecrypt, APIEtcdUnreachable}, find: findOverloaded, rate: rateOverloaded, passing: true,
			messages:   []string{"the server has received too many requests and has asked us to try again later", "429 Too Many Requests", "Too many requests, please try again later."},
			references: []string{"kubernetes/kubernetes#65954", "kubernetes/kubernetes#96082"}},
		{code: TokenRejected, severity: Critical, needs: []Need{NeedLogs}, causes: []Code{SAKeyDiffers, SAKeyPairBroken, ClockSkew}, find: findTokensRefused, rate: rateSign, passing: true,
			messages: []string{"invalid bearer token, invalid signature, no keys found", "go-jose: error in cryptographic primitive"}},
		{code: HookBackendDown, severity: Warning, needs: []Need{NeedObjects}, find: findHookBackends, rate: rateHooks, passing: true,
			messages: []string{"failed calling webhook … no endpoints available for service \"…\""}, references: []string{"openkruise/kruise#343", "kyverno/kyverno#16177"}},
		{code: WebhookDeadlock, severity: Critical, needs: []Need{NeedLogs}, causes: []Code{HookBackendDown}, find: findDeadlock, rate: rateSign, passing: true,
			messages:   []string{"failed calling webhook … service \"…\" not found", "failed calling webhook … no endpoints available", "failed calling webhook … context deadline exceeded"},
			references: []string{"openkruise/kruise#634", "cozystack/cozystack#3125", "kubernetes/kubernetes#112765"}},
		{code: AggregatedAPIDown, severity: Warning, needs: []Need{NeedLogs, NeedObjects}, causes: []Code{FrontProxyExpired, FrontProxyDiffers}, find: findAggregated, rate: rateAggregated, passing: true,
			messages: []string{"failing or missing response from https://…", "FailedDiscoveryCheck"}},
		{code: FrontProxyRejected, severity: Warning, needs: []Need{NeedLogs}, causes: []Code{FrontProxyExpired, FrontProxyDiffers}, find: findSigns(cluster.SaidFrontProxy), rate: rateSign, passing: true,
			messages: []string{"x509: certificate signed by unknown authority (… \"front-proxy-ca\")"}},
		{code: RVRegressed, severity: Critical, needs: []Need{NeedLogs}, causes: []Code{APICannotDecrypt}, find: findRegressed, rate: rateSign, passing: true,
			messages: []string{"Too large resource version: …, current: …"}, references: []string{"kubernetes/kubernetes#107457", "kubernetes/kubernetes#118501", "etcd-io/etcd#16028"}},
		{code: ControllersFight, severity: Warning, needs: []Need{NeedLogs}, causes: []Code{RVRegressed}, find: findFights, rate: rateSign, passing: true,
			messages: []string{"the object has been modified; please apply your changes to the latest version"}, references: []string{"kubernetes/kubernetes#95958"}},
		{code: RBACMissing, severity: Critical, needs: []Need{NeedLogs}, find: findRefused(cluster.SaidForbiddenRBAC), rate: rateSign, passing: true,
			messages: []string{"RBAC: clusterrole.rbac.authorization.k8s.io \"…\" not found"}, references: []string{"kubernetes/kubernetes#88250"}},
		{code: CannotReadClient, severity: Critical, needs: []Need{NeedLogs}, causes: []Code{KubeconfigExpired, AuthorityDiffers, KubeconfigOtherCA, ClockSkew}, find: findRefused(cluster.SaidUnauthorized), rate: rateSign, passing: true,
			messages: []string{"error retrieving resource lock … Unauthorized", "failed to list …: Unauthorized"}},
	}
}

// apiPathRules follow the way to the API servers layer by layer.
func apiPathRules() []rule {
	down := []Code{HeldBack, QuorumLost, QuorumGone, KubeletDown, RuntimeDown, ManifestBroken, ManifestMissing, ManifestDuplicate, ManifestFiles, APIBadFlag, APIEtcdUnreachable, APIEtcdClientExpired,
		APICertExpired, ImageMissing, NodeDiskFull, DiskFull, AddressNotHere, OutOfMemory, CertKeyMismatch, MemberStopped, MemberStuck, MemberIsolated, CertExpired}
	return []rule{
		{code: APIDown, severity: Critical, needs: []Need{NeedAPIServers}, causes: down, find: findAPIDown, more: lastRun("kube-apiserver"),
			messages: []string{"The connection to the server … was refused - did you specify the right host or port?"}},
		{code: APIHangs, severity: Critical, needs: []Need{NeedAPIServers}, causes: append([]Code{APIEtcdUnreachable, OutOfMemory}, down...), find: findAPIHangs,
			messages: []string{"net/http: TLS handshake timeout", "Timeout: request did not complete within requested timeout"}},
		{code: APINotReady, severity: Critical, needs: []Need{NeedAPIServers}, causes: append([]Code{APICannotDecrypt, APIOverloaded, AggregatedAPIDown}, down...), find: findAPINotReady,
			messages:   []string{"[-]etcd failed: reason withheld", "[-]informer-sync failed", "[-]poststarthook/… failed"},
			references: []string{"kubernetes/kubernetes#107489"}},
		{code: BalancerDown, severity: Critical, needs: []Need{NeedAPIServers, NeedOutside}, find: findBalancerDown,
			causes:     []Code{AddressOnTwoHosts},
			references: []string{"kubernetes/kubeadm#2614", "lablabs/ansible-role-rke2#60"}},
		{code: BalancerNotFromUs, severity: Info, needs: []Need{NeedAPIServers, NeedOutside}, find: findBalancerNotFromUs, passing: true, causes: []Code{BalancerDown}},
		{code: BalancerUnready, severity: Warning, needs: []Need{NeedAPIServers, NeedOutside}, find: findBalancerUnready, passing: true,
			causes: []Code{BalancerDown, APIOverloaded}, references: []string{"openshift/machine-config-operator#3339"}},
		{code: BalancerOther, severity: Warning, needs: []Need{NeedAPIServers, NeedOutside, NeedIdentity}, find: findBalancerOther, causes: []Code{AuthorityDiffers}},
	}
}
