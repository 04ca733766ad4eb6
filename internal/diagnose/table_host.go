package diagnose

import "github.com/salvor-project/salvor/internal/cluster"

// machineRules are what a machine's own state explains.
func machineRules() []rule {
	return []rule{
		{code: HostUnreachable, severity: Warning, needs: []Need{NeedHost}, find: findUnreachable},
		{code: HostGivenUp, severity: Critical, needs: []Need{NeedHost}, find: findGivenUp},
		{code: ClockSkew, severity: Warning, needs: []Need{NeedHost}, find: findSkew,
			messages:   []string{"prober found high clock drift", "the clock difference against peer … is too high", "certificate has expired or is not yet valid: current time … is before …"},
			references: []string{"kubernetes-sigs/cluster-api#4304"}},
		{code: HardwareClock, severity: Warning, needs: []Need{NeedClock}, find: findHardwareClock, passing: true},
		{code: ClockUnsynced, severity: Info, needs: []Need{NeedClock}, find: findUnsynced, passing: true},
		{code: DiskIOError, severity: Critical, needs: []Need{NeedKernel}, find: findKernel(cluster.SaidIOError), rate: rateSign, passing: true,
			messages:   []string{"I/O error, dev …", "input/output error", "structure needs cleaning", "EXT4-fs error"},
			references: []string{"etcd-io/etcd#10823"}},
		{code: DiskReadOnly, severity: Critical, needs: []Need{NeedSpace}, causes: []Code{DiskIOError}, find: findReadOnly,
			messages: []string{"read-only file system", "cannot write to member directory"}},
		{code: DiskFull, severity: Critical, needs: []Need{NeedSpace}, find: findFull,
			messages:   []string{"no space left on device", "failed to allocate space when creating new WAL file", "failed to commit tx"},
			references: []string{"Azure/acs-engine#382", "etcd-io/etcd#3591", "k0sproject/k0s#2553"}},
		{code: NodeDiskFull, severity: Critical, needs: []Need{NeedFileSystems}, causes: []Code{DiskFull}, find: findNodeFull,
			messages: []string{"no space left on device"}},
		{code: DiskFilling, severity: Warning, needs: []Need{NeedSpace}, causes: []Code{DiskFull, NodeDiskFull}, find: findFilling, passing: true},
		{code: OutOfMemory, severity: Warning, needs: []Need{NeedKernel, NeedRuns}, find: findOutOfMemory, rate: rateOutOfMemory, passing: true,
			messages: []string{"Out of memory: Killed process", "OOMKilled", "exit code 137", "Failed with result 'oom-kill'"}, references: []string{"kubernetes/kubernetes#65954"}},
		{code: MemoryStarved, severity: Warning, needs: []Need{NeedPressure}, causes: []Code{OutOfMemory}, find: findMemoryStarved, passing: true,
			references: []string{"kubernetes/kubernetes#65954", "Linux Documentation/accounting/psi.rst"}},
		{code: CPUStarved, severity: Info, needs: []Need{NeedPressure, NeedLogs, NeedMetrics}, causes: []Code{MemoryStarved}, find: findCPUStarved, rate: rateLoad, passing: true,
			messages:   []string{"leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk", "apply request took too long"},
			references: []string{"Linux Documentation/accounting/psi.rst"}},
		{code: TooManyOpenFiles, severity: Warning, needs: []Need{NeedLogs}, find: findSigns(cluster.SaidTooManyFiles), rate: rateSign, passing: true,
			messages: []string{"too many open files", "file descriptor limit of etcd process is too low"}},
		{code: AddressOnTwoHosts, severity: Critical, needs: []Need{NeedAddresses, NeedNeighbours}, find: findTwins, rate: rateTwins, passing: true,
			references: []string{"kube-vip/kube-vip#665"}},
		{code: AddressNotHere, severity: Critical, needs: []Need{NeedAddresses}, find: findStrayAddress,
			messages: []string{"bind: cannot assign requested address"}, references: []string{"kubernetes/kubeadm#338", "kubernetes/kubernetes#88648"}},
	}
}

// diskRules are what became of a data dir.
func diskRules() []rule {
	return []rule{
		{code: DataDirUnmounted, severity: Critical, needs: []Need{NeedDisk, NeedMount}, find: findUnmounted},
		{code: DataDirLost, severity: Critical, needs: []Need{NeedDisk}, causes: []Code{DataDirUnmounted}, find: findLost,
			references: []string{"etcd-io/etcd#13509", "kubernetes/kubeadm#1300"}},
		{code: AllMembersLost, severity: Critical, needs: []Need{NeedDisk}, causes: []Code{DataDirLost, DataDirUnmounted}, find: findAllLost},
		{code: DataDirForeign, severity: Critical, needs: []Need{NeedDisk}, causes: []Code{DataDirUnmounted}, find: findForeign},
		{code: WALMissing, severity: Critical, needs: []Need{NeedDisk}, find: findWALMissing,
			messages: []string{"failed to publish local member to cluster through raft", "etcdserver: request timed out"}},
		{code: WALDamaged, severity: Critical, needs: []Need{NeedDisk}, find: findWALDamaged, more: lastRun("etcd"), versions: "etcd 3.3.21: false alarm after a WAL purge (etcd#11918)",
			messages:   []string{"walpb: crc mismatch", "wal: max entry size limit exceeded", "discovery failed", "conflicting metadata found"},
			references: []string{"etcd-io/etcd#11488", "etcd-io/etcd#12487", "etcd-io/etcd#5664"}},
		{code: WALTornTail, severity: Info, needs: []Need{NeedDisk}, find: findTornTail, versions: "etcd ≥3.5.7, 3.6, 3.7; 3.4 and ≤3.5.6 do not repair it",
			messages: []string{"repaired WAL", "unexpected EOF"}, references: []string{"etcd-io/etcd#15069"}},
		{code: DBDamaged, severity: Critical, needs: []Need{NeedDisk}, find: findDBDamaged, more: lastRun("etcd"),
			messages: []string{"freepages: failed to get all reachable pages", "assertion failed: Page expected to be", "invalid freelist page",
				"failed to open database … invalid database", "mvcc: range cannot find rev"},
			references: []string{"etcd-io/bbolt#335", "etcd-io/bbolt#446", "etcd-io/bbolt#705", "kubernetes/kubernetes#88574"}},
		{code: DBTruncated, severity: Critical, needs: []Need{NeedDisk}, find: findDBTruncated, more: lastRun("etcd"),
			messages: []string{"unexpected fault address", "SIGBUS"}},
		{code: SnapDBMissing, severity: Critical, needs: []Need{NeedDisk}, find: findDBMissing, more: lastRun("etcd"),
			messages:   []string{"failed to recover v3 backend from snapshot", "failed to find database snapshot file", "snap: snapshot file doesn't exist"},
			references: []string{"etcd-io/etcd#11949", "etcd-io/etcd#12237", "rancher/rancher#35248"}},
		{code: DBBehindLog, severity: Critical, needs: []Need{NeedDisk}, causes: []Code{SnapDBMissing, DBDamaged, DBTruncated}, find: findDBBehind,
			messages: []string{"failed to recover v3 backend from snapshot"}},
		{code: WALBehindDB, severity: Critical, needs: []Need{NeedDisk}, causes: []Code{WALMissing, WALDamaged}, find: findWALBehind,
			messages: []string{"etcdserver: request timed out", "failed to publish local member"}},
	}
}

// latencyRules are what makes a living etcd slow.
func latencyRules() []rule {
	return []rule{
		{code: DiskSlow, severity: Warning, needs: []Need{NeedMetrics}, find: findSlowDisk, passing: true,
			messages:   []string{"slow fdatasync took", "wal: sync duration of …, expected less than 1s", "apply request took too long"},
			references: []string{"etcd-io/etcd#13587", "etcd-io/etcd#15247", "k3s-io/k3s#2853"}},
		{code: LateHeartbeats, severity: Info, needs: []Need{NeedLogs, NeedMetrics}, causes: []Code{CPUStarved, MemoryStarved, Defragmenting, DiskSlow}, find: findLateHeartbeats, rate: rateSign, passing: true,
			messages: []string{"leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk"}},
		{code: LeaderUnstable, severity: Warning, needs: []Need{NeedMetrics}, causes: []Code{CPUStarved, MemoryStarved, Defragmenting, DiskSlow, LateHeartbeats, ClockSkew}, find: findElections, passing: true,
			messages: []string{"lost leader", "etcdserver: leader changed", "leaderelection lost"}, references: []string{"kubernetes/kubernetes#74340"}},
		{code: LeaseLost, severity: Warning, needs: []Need{NeedLogs}, causes: []Code{Defragmenting, DiskSlow, LateHeartbeats, LeaderUnstable, QuorumLost, APIDown, APINotReady, APIOverloaded, NoSpaceAlarm},
			find: findLeaseLost, rate: rateSign, passing: true,
			messages: []string{"leaderelection lost"}},
	}
}
