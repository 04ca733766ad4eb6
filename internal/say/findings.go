package say

// findings are the classes of failure. The first argument is the subject.
var findings = map[string]entry{
	"finding.host-unreachable": {
		"Host %[1]s does not answer (%[2]s). What is on it is unknown, which is not the same as lost.",
		"主机 %[1]s 没有应答（%[2]s）。其上的数据状态未知，未知不等于丢失。"},
	"finding.disk-read-only": {
		"%[1]s: the file system of %[2]s is read-only; etcd cannot start on it. Look for I/O errors in the kernel log and copy the disk before you remount or fsck it. A restore would not help.",
		"%[1]s：%[2]s 所在的文件系统为只读，etcd 无法启动。先查内核日志中的 I/O 错误并备份磁盘，再重新挂载或 fsck。恢复快照无济于事。"},
	"finding.disk-full": {
		"%[1]s: the file system of %[2]s is full (%[3]s bytes, %[4]s inodes free); etcd has no room for its log. Free space, but never below the data dir. A restore would not help.",
		"%[1]s：%[2]s 所在的文件系统已满（剩余 %[3]s 字节、%[4]s 个 inode），etcd 没有空间写 WAL。请腾出空间，但绝不要删数据目录里的文件。恢复快照无济于事。"},
	"finding.clock-skew": {
		"The clock of %[1]s is off by %[2]s from this machine's. That alone makes good certificates look expired or not yet valid: set the clock first.",
		"主机 %[1]s 的时钟与本机相差 %[2]s。仅此一点就会让正常的证书显示为过期或尚未生效：先校时。"},
	"finding.etcd-cert-expired": {
		"%[1]s: certificate %[2]s expired at %[4]s (the host's clock says %[5]s). The data is not the problem.",
		"%[1]s：证书 %[2]s 已于 %[4]s 过期（该主机时钟为 %[5]s）。数据本身没有问题。"},
	"finding.etcd-cert-not-yet-valid": {
		"%[1]s: certificate %[2]s is valid only from %[3]s, and the host's clock says %[5]s. Check the clock before you issue anything anew.",
		"%[1]s：证书 %[2]s 从 %[3]s 起才生效，而该主机时钟为 %[5]s。先核对时钟，再考虑重签证书。"},
	"finding.etcd-cert-expiring": {
		"%[1]s: certificate %[2]s expires at %[4]s. A running etcd may hide this until its next restart: renew it before.",
		"%[1]s：证书 %[2]s 将于 %[4]s 过期。运行中的 etcd 可能直到下次重启才暴露问题：请提前续签。"},
	"finding.etcd-data-dir-lost": {
		"%[1]s: the data dir %[2]s is %[3]s. Unless a volume is not mounted there, this member's copy of the data is gone.",
		"%[1]s：数据目录 %[2]s 不存在或为空（%[3]s）。除非是卷没有挂载，否则该成员的数据副本已经丢失。"},
	"finding.etcd-data-dir-foreign": {
		"%[1]s: %[2]s holds files, but no etcd data. Check for a wrong path or a volume that is not mounted.",
		"%[1]s：%[2]s 里有文件，但不是 etcd 数据。请检查路径是否写错、卷是否没有挂载。"},
	"finding.etcd-wal-damaged": {
		"%[1]s: the write-ahead log is damaged before its end: %[2]s: %[4]s. etcd does not start from it. Do not delete WAL files: acknowledged writes would vanish without a message.",
		"%[1]s：WAL 在末尾之前损坏：%[2]s：%[4]s。etcd 无法据此启动。不要删除 WAL 文件：已确认的写入会无声无息地消失。"},
	"finding.etcd-wal-torn-tail": {
		"%[1]s: the last record of %[2]s is incomplete, as after a power cut. It was never acknowledged; etcd repairs this itself when it starts.",
		"%[1]s：%[2]s 的最后一条记录不完整，通常由断电造成。该记录从未被确认，etcd 启动时会自行修复。"},
	"finding.etcd-db-damaged": {
		"%[1]s: the db is damaged: %[2]s: %[4]s. Do not defragment it and do not delete it.",
		"%[1]s：db 已损坏：%[2]s：%[4]s。不要对它做 defrag，也不要删除。"},
	"finding.etcd-wal-behind-db": {
		"%[1]s: %[4]s. In a healthy member this cannot be: somebody removed or replaced the log. Do not start it: it may hang, or lose new writes without a message.",
		"%[1]s：%[4]s。健康的成员不可能如此：有人删除或替换过 WAL。不要启动它：它可能卡死，也可能无声地丢失新写入。"},
	"finding.etcd-silent-rebootstrap": {
		"%[1]s made a new cluster of its own: cluster ID %[2]s, %[3]s member, revision %[4]s; the real cluster is %[5]s with %[6]s members, revision %[7]s or higher. It calls itself healthy and serves the wrong data.",
		"%[1]s 自行引导出了一个新集群：集群 ID %[2]s，%[3]s 个成员，revision %[4]s；真正的集群是 %[5]s，%[6]s 个成员，revision 不低于 %[7]s。它自称健康，提供的却是错误的数据。"},
	"finding.etcd-cluster-id-mismatch": {
		"%[1]s belongs to another cluster: ID %[2]s, %[3]s member(s), revision %[4]s; the others are %[5]s with %[6]s members, revision %[7]s or higher.",
		"%[1]s 属于另一个集群：ID %[2]s，%[3]s 个成员，revision %[4]s；其余成员属于 %[5]s，共 %[6]s 个成员，revision 不低于 %[7]s。"},
	"finding.etcd-history-rewound": {
		"Two histories exist: cluster %[2]s holds revisions up to %[3]s, but %[4]s has seen %[5]s. It was bootstrapped anew or restored from something old. Which one counts is for you to say.",
		"存在两段历史:集群 %[2]s 最高到 revision %[3]s,而 %[4]s 见过 %[5]s。它曾被重新引导,或由旧数据恢复。以哪一段为准必须由你决定。"},
	"finding.etcd-voter-not-configured": {
		"%[1]s (%[2]s) votes in this cluster, but salvor.yaml does not name it: nothing is known of it. Add it.",
		"%[1]s(%[2]s)在该集群中有投票权,但 salvor.yaml 没有写它:对它一无所知。请补上。"},
	"finding.etcd-member-removed": {
		"%[1]s holds the data of a membership (%[2]s) that the cluster has ended. It can never come back as that member; it must join anew.",
		"%[1]s 的数据属于一个已被集群移除的成员身份(%[2]s)。它永远不能再以该身份回来,必须重新加入。"},
	"finding.etcd-learner-waiting": {
		"%[1]s is a learner: it has no vote until it is promoted.",
		"%[1]s 是 learner:在提升之前没有投票权。"},
	"finding.etcd-members-disagree": {
		"The members that answer are not one cluster as salvor.yaml describes it: %[2]s.",
		"应答的成员与 salvor.yaml 描述的不是同一个集群:%[2]s。"},
	"finding.etcd-nospace-alarm": {
		"etcd refuses writes: NOSPACE alarm of %[2]s. The db has reached its quota; all data is there, and /readyz may still say ok.",
		"etcd 拒绝写入：成员 %[2]s 触发 NOSPACE 告警。db 已达到配额；数据完好，而 /readyz 可能仍显示 ok。"},
	"finding.etcd-corrupt-alarm": {
		"etcd refuses writes: CORRUPT alarm of member %[2]s (0 means that no majority agrees). Members hold different data. Do not disarm the alarm before the wrong member is known.",
		"etcd 拒绝写入：成员 %[2]s 触发 CORRUPT 告警（0 表示没有多数一致）。各成员的数据不一致。在查明哪个成员有误之前，不要解除告警。"},
	"finding.etcd-members-diverged": {
		"The members hold different data at the same revision %[2]s (%[3]s). Every answer now depends on which member is asked, and no alarm need be raised.",
		"各成员在同一 revision %[2]s 上的数据不一致（%[3]s）。读到什么取决于请求落在哪个成员上，而且未必有告警。"},
	"finding.etcd-member-not-answering": {
		"%[1]s: its process runs (PID %[2]s) but does not answer: %[3]s.",
		"%[1]s：进程在运行（PID %[2]s），但没有应答：%[3]s。"},
	"finding.etcd-member-stopped": {
		"%[1]s does not run; its files in %[2]s are sound.",
		"%[1]s 没有运行；%[2]s 中的文件完好。"},
	"finding.etcd-no-leader-though-running": {
		"%[2]s run but elect no leader: they do not reach one another. Look at the network, firewall and peer certificates; the data is not the problem.",
		"%[2]s 在运行，却选不出 leader：成员之间互不可达。请检查网络、防火墙和 peer 证书；数据本身没有问题。"},
	"finding.etcd-quorum-lost": {
		"etcd has no quorum: %[2]s of %[3]s members answer, %[4]s are needed. Nothing can be written.",
		"etcd 失去 quorum：%[3]s 个成员中只有 %[2]s 个应答，至少需要 %[4]s 个。无法写入。"},

	"unknown.host": {
		"host %[1]s (%[2]s): whether its members and snapshots still exist",
		"主机 %[1]s（%[2]s）：其上的成员和快照是否还在"},
	"unknown.process": {
		"%[1]s: whether its process runs (%[2]s)",
		"%[1]s：进程是否在运行（%[2]s）"},
	"unknown.process-rights": {
		"%[1]s: whether its process runs (%[2]s)",
		"%[1]s：进程是否在运行（%[2]s）"},
	"unknown.process-time": {
		"%[1]s: whether its process runs (%[2]s)",
		"%[1]s：进程是否在运行（%[2]s）"},
	"unknown.disk-rights": {
		"%[1]s: what its data dir holds (%[2]s)",
		"%[1]s：数据目录里有什么（%[2]s）"},
	"unknown.disk-time": {
		"%[1]s: what its data dir holds (%[2]s)",
		"%[1]s：数据目录里有什么（%[2]s）"},
	"unknown.client-rights": {
		"whether the members on %[1]s serve: Salvor could not ask them (%[2]s)",
		"%[1]s 上的成员是否在服务：Salvor 无法询问它们（%[2]s）"},
	"unknown.client-time": {
		"whether the members on %[1]s serve: Salvor could not ask them (%[2]s)",
		"%[1]s 上的成员是否在服务：Salvor 无法询问它们（%[2]s）"},
	"tell.unknown.client-rights": {
		"`salvor diagnose` again, as root or as who may read that file",
		"以 root 或有权读取该文件的用户再次执行 `salvor diagnose`"},
	"tell.unknown.client-time": {
		"`salvor diagnose` again with more time, such as --budget 60s",
		"给更多时间再次执行 `salvor diagnose`，例如 --budget 60s"},
	"tell.unknown.process-rights": {
		"`salvor diagnose` again, with the rights to see other users' processes",
		"以能查看其他用户进程的权限再次执行 `salvor diagnose`"},
	"tell.unknown.process-time": {
		"`salvor diagnose` again with more time, such as --budget 60s",
		"给更多时间再次执行 `salvor diagnose`，例如 --budget 60s"},
	"tell.unknown.disk-rights": {
		"`salvor diagnose` again, with the rights to read that folder",
		"以能读取该目录的权限再次执行 `salvor diagnose`"},
	"tell.unknown.disk-time": {
		"`salvor diagnose` again with more time, such as --budget 60s",
		"给更多时间再次执行 `salvor diagnose`，例如 --budget 60s"},
	"unknown.client": {
		"whether the members on %[1]s serve: Salvor could not ask them (%[2]s)",
		"%[1]s 上的成员是否在服务:Salvor 无法询问它们(%[2]s)"},
	"tell.unknown.client": {
		"mend `client` in salvor.yaml, then `salvor diagnose`",
		"修正 salvor.yaml 中的 `client`,然后 `salvor diagnose`"},
	"unknown.stranger": {
		"%[1]s (%[2]s): votes in this cluster, but salvor.yaml does not name it",
		"%[1]s(%[2]s):在该集群中有投票权,但 salvor.yaml 没有写它"},
	"tell.unknown.stranger": {
		"add it to salvor.yaml (hosts and members), then `salvor diagnose`",
		"把它写入 salvor.yaml(hosts 与 members),然后 `salvor diagnose`"},
	"unknown.hidden": {
		"%[1]s: something vital could not be read (--verbose lists it)",
		"%[1]s：有关键信息读不到（--verbose 可列出）"},
	"tell.unknown.hidden": {
		"`salvor diagnose --verbose` names it; then again with the rights, or the time (--budget), that it takes",
		"`salvor diagnose --verbose` 会列出；以足够的权限或时间（--budget）再次执行"},
	"unknown.disk": {
		"%[1]s: what its data dir holds (%[2]s)",
		"%[1]s：数据目录里有什么（%[2]s）"},
	"unknown.place": {
		"%[1]s: which snapshots lie in %[2]s (%[3]s)",
		"%[1]s：%[2]s 里有哪些快照（%[3]s）"},
	"tell.unknown.place": {
		"mount what belongs there, or mend `snapshots` in salvor.yaml, then `salvor diagnose`",
		"挂载该处应有的卷，或修正 salvor.yaml 中的 `snapshots`，然后执行 `salvor diagnose`"},
	"unknown.vault": {
		"the vault: what it holds (%[1]s)",
		"备份库里有什么（%[1]s）"},
	"unknown.target": {
		"%[1]s, a target of the vault: what it holds (it did not answer)",
		"备份目标 %[1]s 里有什么（它没有应答）"},
	"tell.unknown.vault": {
		"`salvor vault ls`, where its network, credentials and media are at hand",
		"在网络、凭据和介质齐备之处执行 `salvor vault ls`"},
	"tell.unknown.target": {
		"`salvor vault ls`, once it can be reached",
		"待其可访问后执行 `salvor vault ls`"},
	"tell.unknown.host": {
		"bring the host back or mend the way to it, then `salvor diagnose`",
		"恢复该主机或到它的通路，然后执行 `salvor diagnose`"},
	"tell.unknown.process": {
		"mend what is named there, then `salvor diagnose`",
		"排除其中所述问题，然后执行 `salvor diagnose`"},
	"tell.unknown.disk": {
		"mend what is named there, then `salvor diagnose`",
		"排除其中所述问题，然后执行 `salvor diagnose`"},
}
