package diagnose

import "github.com/salvor-project/salvor/internal/cluster"

// identityRules tell which cluster a member belongs to, and which history.
func identityRules() []rule {
	return []rule{
		{code: SingleMemberBoot, severity: Critical, needs: []Need{NeedMembers, NeedDB}, find: findRebootstrap,
			messages:   []string{"request cluster ID mismatch", "request sent was ignored by remote peer due to cluster ID mismatch"},
			references: []string{"kubernetes-sigs/kubespray#13261", "etcd-io/etcd#19307", "rancher/k3k#836"}},
		{code: RestoredAlone, severity: Critical, needs: []Need{NeedMembers, NeedDB}, causes: []Code{SingleMemberBoot}, find: findRestoredAlone,
			messages:   []string{"8e9e05c52164694d", "http://localhost:2380"},
			references: []string{"kubernetes/kubeadm#2071", "kubernetes/kubeadm#2641", "kubernetes/kubernetes#110932"}},
		{code: ClusterIDMismatch, severity: Critical, needs: []Need{NeedDisk, NeedLive}, causes: []Code{SingleMemberBoot, RestoredAlone}, find: findMismatch,
			messages: []string{"request cluster ID mismatch", "request sent was ignored by remote peer due to cluster ID mismatch"}, references: []string{"gardener/gardener#847"}},
		{code: HistoryRewound, severity: Critical, needs: []Need{NeedDB, NeedLive, NeedSnapshots}, find: findRewound},
		{code: SameIDOtherHistory, severity: Critical, needs: []Need{NeedLog, NeedLive}, find: findOtherHistory},
		{code: VoterNotConfigured, severity: Warning, needs: []Need{NeedMembers, NeedDB}, find: findStrangers},
		{code: MemberRemoved, severity: Critical, needs: []Need{NeedMembers, NeedDB}, find: findRemoved,
			messages: []string{"the member has been permanently removed from the cluster", "rejected stream from remote peer because it was removed"}},
		{code: LearnerUnstarted, severity: Warning, needs: []Need{NeedMembers}, find: findUnstartedLearners,
			messages: []string{"etcdserver: can only promote a learner member which is in sync with leader", "etcdserver: too many learner members in cluster"}, references: []string{"kubernetes/kubeadm#3269"}},
		{code: LearnerWaiting, severity: Warning, needs: []Need{NeedLive}, find: findLearners,
			messages: []string{"etcdserver: rpc not supported for learner", "[-]non_learner failed: not supported for learner"}},
		{code: PeerURLDrift, severity: Warning, needs: []Need{NeedMembers, NeedDB}, causes: []Code{SingleMemberBoot, RestoredAlone}, find: findDrift,
			messages: []string{"PeerURLs: no match found for existing member", "member count is unequal"}},
		{code: MembersDisagree, severity: Critical, needs: []Need{NeedMembers, NeedLive}, causes: []Code{HistoryRewound, SingleMemberBoot, RestoredAlone, MemberRemoved}, find: findDisagreement},
	}
}

// etcdRules are what a living etcd says of itself.
func etcdRules() []rule {
	return []rule{
		{code: NoSpaceAlarm, severity: Critical, needs: []Need{NeedAlarms, NeedHealth}, find: findAlarm("NOSPACE"),
			messages:   []string{"etcdserver: mvcc: database space exceeded", "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}", "unable to sync kubernetes service"},
			references: []string{"kubernetes/kubernetes#45037", "kubernetes/kubernetes#94029", "etcd-io/etcd#14595"}},
		{code: QuotaFullOfData, severity: Critical, needs: []Need{NeedAlarms, NeedLive}, find: findFullOfData},
		{code: NearQuota, severity: Warning, needs: []Need{NeedLive}, causes: []Code{NoSpaceAlarm}, find: findNearQuota, passing: true},
		{code: Fragmented, severity: Info, needs: []Need{NeedLive}, find: findFragmented, passing: true, references: []string{"etcd-io/etcd#7551"}},
		{code: CorruptAlarm, severity: Critical, needs: []Need{NeedAlarms, NeedHealth}, find: findAlarm("CORRUPT"),
			messages: []string{"etcdserver: corrupt cluster", "found data inconsistency with peers", "{\"health\":\"false\",\"reason\":\"ALARM CORRUPT\"}"}},
		{code: Diverged, severity: Critical, needs: []Need{NeedHash}, find: findDiverged, references: []string{"etcd-io/etcd#13766", "etcd-io/etcd#14139"}},
		{code: AuthLockout, severity: Critical, needs: []Need{NeedLive, NeedLinearizable, NeedDB}, find: findAuth,
			messages: []string{"etcdserver: user name is empty"}, references: []string{"etcd-io/etcd#8458"}},
		{code: Defragmenting, severity: Warning, needs: []Need{NeedMetrics, NeedLogs}, find: findDefragmenting, rate: rateDefragmenting, passing: true,
			messages: []string{"defragmenting", "etcdserver: too many requests", "leaderelection lost"}, versions: "etcd ≥3.5.14 can refuse requests meanwhile (--experimental-stop-grpc-service-on-defrag)",
			references: []string{"gardener/etcd-backup-restore#1061", "kubernetes/kubernetes#93280"}},
		{code: RequestTooLarge, severity: Warning, needs: []Need{NeedLogs}, find: findSigns(cluster.SaidTooLarge), rate: rateSign, passing: true,
			messages: []string{"etcdserver: request is too large"}},
		{code: VersionHazard, severity: Warning, needs: []Need{NeedLive, NeedProcess}, find: findVersionHazard, versions: "etcd 3.5.0 to 3.5.2 (crash under load), ≤3.5.5 (defragmentation)",
			references: []string{"etcd-io/etcd#13766", "etcd-io/etcd#14139"}},
		{code: VersionRace, severity: Info, needs: []Need{NeedLive}, find: findVersionRace, versions: "etcd ≤3.4.37, 3.5.6 to 3.5.22, 3.6.0 to 3.6.4", references: []string{"etcd-io/etcd#20653"}},
		{code: VersionZombies, severity: Info, needs: []Need{NeedLive}, find: findVersionZombies, versions: "etcd 3.5.0 to 3.5.25 before an upgrade to 3.6", references: []string{"etcd-io/etcd#20793", "etcd-io/etcd#20967"}},
		{code: VersionsMixed, severity: Warning, needs: []Need{NeedLive}, find: findVersionsMixed},
	}
}

// startRules are what a member's own log says of why it does not start.
func startRules() []rule {
	sign := func(c Code, find func(view) []sighting, causes []Code, messages ...string) rule {
		return rule{code: c, severity: Critical, needs: []Need{NeedLogs}, causes: causes, find: find, more: lastRun("etcd"), rate: rateSign, messages: messages}
	}
	return []rule{
		sign(WipedRejoin, findSilent(cluster.SaidWiped), []Code{DataDirUnmounted}, "tocommit(…) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?"),
		sign(LogLostEntries, findSilent(cluster.SaidLogLost), []Code{ClusterIDMismatch}, "tocommit(…) is out of range [lastIndex(…)]", "state.commit … is out of range"),
		sign(AlreadyBootstrapped, findBootstrapped, []Code{DataDirUnmounted, DataDirLost}, "discovery failed … member … has already been bootstrapped"),
		sign(MemberNameUnknown, findSilent(cluster.SaidNameUnknown), nil, "couldn't find local name \"default\" in the initial cluster configuration"),
		sign(PortInUse, findSilent(cluster.SaidPortInUse), nil, "bind: address already in use"),
		sign(EtcdBadFlag, findSilent(cluster.SaidBadFlag), []Code{ManifestDuplicate}, "flag provided but not defined: -experimental-…", "failed to verify flags"),
		{code: EtcdPermission, severity: Critical, needs: []Need{NeedLogs, NeedDisk}, causes: []Code{DiskReadOnly}, find: findDenied, rate: rateDenied,
			messages: []string{"permission denied", "discovery failed … member … has already been bootstrapped"}},
		sign(EtcdTLSFile, findSilent(cluster.SaidTLSFile), []Code{ManifestFiles}, "tls: private key does not match public key", "tls: failed to find any PEM data in certificate input",
			"discovery failed … open ….crt: no such file or directory"),
		sign(EtcdDowngrade, findSilent(cluster.SaidDowngrade), nil, "invalid downgrade; server version is lower than determined cluster version"),
		sign(EtcdOldStore, findSilent(cluster.SaidOldStore), nil, "detected disallowed custom content in v2store"),
		sign(EtcdTooManyLearners, findSilent(cluster.SaidTooManyLearners), []Code{LearnerUnstarted}, "membership: too many learner members in cluster"),
	}
}

// quorumRules are the consequences: who serves, and whether they are enough.
func quorumRules() []rule {
	starts := []Code{DataDirUnmounted, WALMissing, WALDamaged, DBDamaged, DBTruncated, SnapDBMissing, DBBehindLog, WALBehindDB, AlreadyBootstrapped, WipedRejoin, LogLostEntries,
		MemberNameUnknown, PortInUse, EtcdBadFlag, EtcdPermission, EtcdTLSFile, EtcdDowngrade, EtcdOldStore, EtcdTooManyLearners, TooManyOpenFiles, AddressNotHere, MemberRemoved}
	host := []Code{HeldBack, CertExpired, CertNotYetValid, CertWrongName, EtcdAuthorityDiffers, DiskFull, DiskReadOnly, DiskIOError, KubeletDown, RuntimeDown, ManifestBroken, ManifestMissing, ManifestDuplicate,
		ManifestFiles, ImageMissing, KubeletCertExpired}
	stuck := append(append([]Code{Defragmenting}, starts...), host...)
	apart := []Code{CertExpired, CertNotYetValid, CertWrongName, EtcdAuthorityDiffers, CertNotIssuedByCA, ClockSkew, PeerURLDrift}
	return []rule{
		{code: MemberStuck, severity: Critical, needs: []Need{NeedProcess, NeedLive}, causes: stuck, find: findStuck, more: runAndHealth, rate: rateStuck},
		{code: MemberStopped, severity: Critical, needs: []Need{NeedProcess}, causes: stuck, find: findStopped, more: lastRun("etcd")},
		{code: MemberIsolated, severity: Critical, needs: []Need{NeedLive, NeedLinearizable}, causes: apart, find: findIsolated, more: ownHealth,
			messages: []string{"etcdserver: no leader", "is starting a new election at term", "lost TCP streaming connection with remote peer"}},
		{code: NoQuorumThoughLive, severity: Critical, needs: []Need{NeedLive}, causes: apart, find: findLeaderless, more: ownHealth,
			messages: []string{"{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}", "etcdserver: no leader"}},
		{code: QuorumGone, severity: Critical, needs: []Need{NeedDisk, NeedLive}, causes: append([]Code{DataDirLost, DataDirForeign, AllMembersLost}, starts...), find: findQuorumGone,
			messages: []string{"etcdserver: no leader", "linearizable_read failed: etcdserver: request timed out"}},
		{code: QuorumLost, severity: Critical, needs: []Need{NeedProcess, NeedLive, NeedLinearizable},
			causes: append([]Code{HostUnreachable, HostGivenUp, DataDirLost, DataDirForeign, AllMembersLost, MemberStopped, MemberStuck, NoQuorumThoughLive, QuorumGone}, stuck...), find: findQuorumLost,
			messages: []string{"{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}", "waiting for ReadIndex response took too long, retrying", "apply request took too long",
				"504 Timeout: request did not complete within requested timeout"}},
		{code: NoSpareMember, severity: Info, needs: []Need{NeedLive}, find: findNoSpare},
	}
}
