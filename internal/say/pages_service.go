package say

// pagesService are the pages of the classes of failure about what keeps etcd from serving:
// what each is called, what it looks like, what repairs it, and what must not
// be done.
var pagesService = map[string]entry{
	"title.etcd-already-bootstrapped": {
		"etcd refuses to start anew under an old identity",
		"etcd 拒绝以旧身份重新引导"},
	"finding.etcd-already-bootstrapped": {
		"%[1]s: the others say that this member has already been bootstrapped: %[3]s. Its data dir is new, its identity old. This is etcd's safety check, not the fault.",
		"%[1]s：其他成员指出该成员已引导过：%[3]s。数据目录是新的，身份是旧的。这是 etcd 的安全检查，不是故障本身。"},
	"repair.etcd-already-bootstrapped": {
		"Look for the data dir that was there before (unmounted?). If it is gone: remove the member, add it as learner.",
		"先找原来的数据目录（是否未挂载？）。确实没了：移除成员，再以 learner 加入。"},
	"wrong.etcd-already-bootstrapped": {
		"initial-cluster-state=existing (panics) or an initial-cluster of itself alone (a second cluster).",
		"initial-cluster-state=existing（会 panic）或只含自己的 initial-cluster（产生第二个集群）。"},

	"title.etcd-wiped-member-rejoined": {
		"A wiped member came back under its old identity",
		"数据被清空的成员以旧身份回来"},
	"finding.etcd-wiped-member-rejoined": {
		"%[1]s was started on an empty data dir under its old member ID: %[3]s.",
		"%[1]s 在空数据目录上以旧成员 ID 启动：%[3]s。"},
	"repair.etcd-wiped-member-rejoined": {
		"Remove the member, set its data dir aside, add it as learner, start, promote.",
		"移除成员，移开数据目录，以 learner 加入，启动，提升。"},
	"wrong.etcd-wiped-member-rejoined": {
		"Restarting it, or emptying the folder once more: the same panic.",
		"重启，或再清空一次：还是同样的 panic。"},

	"title.etcd-log-lost-entries": {
		"A member's log lost entries that it had acknowledged",
		"成员的 WAL 丢了已确认的记录"},
	"finding.etcd-log-lost-entries": {
		"%[1]s: its log lacks entries that it once had: %[3]s. A disk that lied about fsync, or a machine that was put back to an old image.",
		"%[1]s：它的 WAL 缺少曾经有过的记录：%[3]s。可能是磁盘谎报 fsync，或机器被回滚到旧镜像。"},
	"repair.etcd-log-lost-entries": {
		"Replace the member. Look for the reason: write cache, snapshots of virtual machines.",
		"替换成员。查原因：写缓存、虚拟机快照回滚。"},
	"wrong.etcd-log-lost-entries": {
		"Copying another member's data dir into place.",
		"把别的成员的数据目录拷过来。"},

	"title.etcd-name-not-in-cluster": {
		"etcd's name is not in its own initial cluster",
		"etcd 的名称不在自己的初始集群里"},
	"finding.etcd-name-not-in-cluster": {
		"%[1]s: etcd's own name is missing in --initial-cluster: %[3]s.",
		"%[1]s：etcd 自己的名称不在 --initial-cluster 中：%[3]s。"},
	"repair.etcd-name-not-in-cluster": {
		"Give --name and --initial-cluster that fit together; for a restore, both must be given.",
		"让 --name 与 --initial-cluster 一致；恢复时两者都要给。"},
	"wrong.etcd-name-not-in-cluster": {
		"Leaving --name away: etcd is then called \"default\".",
		"省略 --name：etcd 会叫 default。"},

	"title.etcd-port-in-use": {
		"Another process has etcd's port",
		"etcd 的端口被占用"},
	"finding.etcd-port-in-use": {
		"%[1]s: another process holds its port: %[3]s. Often an etcd that was started by hand or by an old unit.",
		"%[1]s：端口被另一进程占用：%[3]s。常见于手工启动或旧 unit 启动的 etcd。"},
	"repair.etcd-port-in-use": {
		"Find it (ss -ltnp) and look at whose data dir it uses before you stop it.",
		"找出它（ss -ltnp），停之前先看它用的是哪个数据目录。"},
	"wrong.etcd-port-in-use": {
		"Killing it blindly: it may be the real member.",
		"盲目杀掉：它可能才是真正的成员。"},

	"title.etcd-bad-flag": {
		"etcd does not accept one of its flags",
		"etcd 不接受某个参数"},
	"finding.etcd-bad-flag": {
		"%[1]s: etcd does not know a flag, or does not accept the value of one or of a variable: %[3]s.",
		"%[1]s：etcd 不认识某个参数，或不接受某个参数或环境变量的值：%[3]s。"},
	"repair.etcd-bad-flag": {
		"Mend the value in the manifest, the unit or its environment file; use the flags of that version (3.6 renamed many --experimental- ones), or the version of those flags.",
		"改正清单、单元或其环境文件里的值；使用该版本的参数（3.6 改了许多 --experimental- 参数名），或换回相应版本。"},
	"wrong.etcd-bad-flag": {
		"Restoring data for it.",
		"为此恢复数据。"},

	"title.etcd-permission-denied": {
		"etcd may not read or write its files",
		"etcd 没有文件权限"},
	"finding.etcd-permission-denied": {
		"%[1]s: etcd may not read or write its files: %[3]s.",
		"%[1]s：etcd 无权读写文件：%[3]s。"},
	"repair.etcd-permission-denied": {
		"Give the data dir with all that is in it back to the user as whom etcd runs (chown -R; folders 0700), then start the member; look at SELinux after a restore by hand.",
		"把数据目录及其全部内容还给运行 etcd 的用户（chown -R；目录 0700），然后启动成员；手工恢复后检查 SELinux。"},
	"wrong.etcd-permission-denied": {
		"chmod -R 777.",
		"执行 chmod -R 777。"},

	"title.etcd-tls-file-unusable": {
		"etcd cannot use one of its certificate or key files",
		"etcd 无法使用某个证书或私钥文件"},
	"finding.etcd-tls-file-unusable": {
		"%[1]s: etcd does not start, because it cannot use one of its certificate or key files: %[3]s.",
		"%[1]s：etcd 因某个证书或私钥文件不可用而无法启动：%[3]s。"},
	"repair.etcd-tls-file-unusable": {
		"Put that file right, then start the member: at the path of its flag, as PEM, and a key that belongs to its certificate (the public keys that `openssl x509 -noout -pubkey -in CERT` and `openssl pkey -pubout -in KEY` print are the same). The other members' authority has to have issued it.",
		"改正该文件后启动成员：路径须与参数一致，内容须为 PEM，私钥须与证书成对（`openssl x509 -noout -pubkey -in CERT` 与 `openssl pkey -pubout -in KEY` 输出的公钥相同），且须由其他成员信任的 CA 签发。"},
	"wrong.etcd-tls-file-unusable": {
		"Taking the TLS flags away, issuing everything anew, or restoring data for it.",
		"去掉 TLS 参数、全部重新签发，或为此恢复数据。"},

	"title.etcd-downgrade-refused": {
		"etcd refuses to go back to an older version",
		"etcd 拒绝降级"},
	"finding.etcd-downgrade-refused": {
		"%[1]s: this etcd is older than the data: %[3]s.",
		"%[1]s：该 etcd 比数据旧：%[3]s。"},
	"repair.etcd-downgrade-refused": {
		"Start the version that wrote the data; go back only with etcdctl downgrade enable (3.6 and later).",
		"启动写入该数据的版本；只能用 etcdctl downgrade enable 降级（3.6 起）。"},
	"wrong.etcd-downgrade-refused": {
		"Editing the version in the db.",
		"修改 db 里的版本。"},

	"title.etcd-too-many-learners": {
		"The cluster has its learner already",
		"集群已有 learner"},
	"finding.etcd-too-many-learners": {
		"%[1]s: %[3]s. A learner that nobody promoted stands in the way, or (before 3.5.20) a promotion that was not stored.",
		"%[1]s：%[3]s。有未提升的 learner 挡路；或（3.5.20 之前）提升没有被持久化。"},
	"repair.etcd-too-many-learners": {
		"Remove the old learner; upgrade to 3.5.26 or later before 3.6.",
		"移除旧 learner；升级到 3.6 之前先到 3.5.26 或更新。"},
	"wrong.etcd-too-many-learners": {
		"Adding again in a loop.",
		"循环添加。"},

	"title.etcd-nospace-alarm": {
		"NOSPACE: the quota is reached",
		"NOSPACE：达到配额"},
	"repair.etcd-nospace-alarm": {
		"Snapshot, compact, defragment one member after the other (leader last), disarm; then raise the quota or remove what fills it. Salvor does it in this order.",
		"快照、compact、逐个 defrag（leader 最后）、解除告警；再调高配额或清理来源。Salvor 按此顺序执行。"},
	"wrong.etcd-nospace-alarm": {
		"Restoring an old snapshot for a quota. Disarming first: the next put raises the alarm again.",
		"为配额恢复旧快照。先解除告警：下一次 put 又会触发。"},

	"title.etcd-quota-full-of-data": {
		"The quota is full of live data",
		"配额被真实数据占满"},
	"finding.etcd-quota-full-of-data": {
		"%[1]s: %[2]s bytes are in use of a quota of %[3]s. Defragmentation will not make room, and compaction only as far as this is old revisions.",
		"%[1]s：配额 %[3]s 中 %[2]s 字节是在用数据。defrag 腾不出空间，compact 也只能清掉其中的旧 revision。"},
	"repair.etcd-quota-full-of-data": {
		"Raise --quota-backend-bytes (8 GiB is the recommended most) and restart the members one after the other; then find and remove what grows (events, jobs, custom resources). Deletes work under the alarm.",
		"调高 --quota-backend-bytes（建议上限 8 GiB）并逐个重启成员；再找出并清理增长的对象（events、Job、自定义资源）。告警期间可以删除。"},
	"wrong.etcd-quota-full-of-data": {
		"Defragmenting again and again.",
		"反复 defrag。"},

	"title.etcd-db-near-quota": {
		"A db nears its quota",
		"db 接近配额"},
	"finding.etcd-db-near-quota": {
		"%[1]s: the db has %[2]s of %[3]s bytes of its quota (%[4]s in use). Beyond it, etcd refuses every write.",
		"%[1]s：db 为 %[2]s 字节，配额 %[3]s（在用 %[4]s）。超过后 etcd 拒绝一切写入。"},
	"repair.etcd-db-near-quota": {
		"Compact and defragment, one member after the other; or raise the quota before it is reached.",
		"compact 并逐个 defrag；或在达到之前调高配额。"},
	"wrong.etcd-db-near-quota": {
		"Waiting for the alarm: Kubernetes' own compactor cannot work under it.",
		"等到告警：告警后 Kubernetes 自己的 compact 也无法工作。"},

	"title.etcd-db-fragmented": {
		"A db is mostly free pages",
		"db 大部分是空闲页"},
	"finding.etcd-db-fragmented": {
		"%[1]s: only %[3]s of the db's %[2]s bytes are in use.",
		"%[1]s：db 的 %[2]s 字节中只有 %[3]s 在用。"},
	"repair.etcd-db-fragmented": {
		"Defragment in a quiet hour, one member after the other, the leader last.",
		"在空闲时段逐个成员 defrag，leader 最后。"},
	"wrong.etcd-db-fragmented": {
		"defrag --cluster under traffic: each member stands still for seconds per GB.",
		"业务高峰 defrag --cluster：每 GB 会停顿数秒。"},

	"title.etcd-auth-lockout": {
		"etcd's own authentication locks everybody out",
		"etcd 自身认证把所有人挡在外面"},
	"finding.etcd-auth-lockout": {
		"%[1]s: etcd's own authentication is enabled and refuses requests without a user: %[2]s. Health checks say ok all the same.",
		"%[1]s：etcd 启用了自身认证，拒绝没有用户的请求：%[2]s。健康检查却仍显示 ok。"},
	"repair.etcd-auth-lockout": {
		"With etcd's CA key make a client certificate with CN=root, and `etcdctl auth disable`.",
		"用 etcd CA 私钥签发 CN=root 的客户端证书，执行 etcdctl auth disable。"},
	"wrong.etcd-auth-lockout": {
		"Restoring a snapshot: authentication is part of it. Wiping the cluster.",
		"恢复快照：认证设置也在快照里。清空集群。"},

	"title.etcd-request-too-large": {
		"Requests are too large for etcd",
		"请求超过 etcd 限制"},
	"finding.etcd-request-too-large": {
		"%[1]s: %[2]s is refused: %[3]s.",
		"%[1]s：%[2]s 的请求被拒绝：%[3]s。"},
	"repair.etcd-request-too-large": {
		"Find the object that grows beyond 1.5 MiB and shrink it.",
		"找出超过 1.5 MiB 的对象并缩小它。"},
	"wrong.etcd-request-too-large": {
		"Raising --max-request-bytes for good.",
		"永久调高 --max-request-bytes。"},

	"title.etcd-versions-mixed": {
		"Members run different minor versions",
		"成员运行不同的次版本"},
	"finding.etcd-versions-mixed": {
		"The members run different minor versions of etcd: %[2]s.",
		"各成员运行的 etcd 次版本不同：%[2]s。"},
	"repair.etcd-versions-mixed": {
		"Finish the upgrade; the cluster works at the lowest version until then.",
		"完成升级；在此之前集群按最低版本工作。"},
	"wrong.etcd-versions-mixed": {
		"Staying between two versions, or skipping one.",
		"停在两个版本之间，或跳版本升级。"},

	"title.etcd-version-corrupts-data": {
		"A version of etcd that is known to corrupt data",
		"已知会损坏数据的 etcd 版本"},
	"finding.etcd-version-corrupts-data": {
		"%[1]s runs etcd %[2]s, which is known to let members diverge after a crash.",
		"%[1]s 运行 etcd %[2]s，该版本已知会在崩溃后让成员数据不一致。"},
	"repair.etcd-version-corrupts-data": {
		"Compare the members' hashes, then upgrade to the newest patch of the same minor version.",
		"比较各成员哈希，再升级到同一次版本的最新补丁。"},
	"wrong.etcd-version-corrupts-data": {
		"Killing members of this version under load.",
		"在高负载下强杀该版本的成员。"},

	"title.etcd-version-revives-members": {
		"A version of etcd that must not go to 3.6 directly",
		"不能直接升到 3.6 的 etcd 版本"},
	"finding.etcd-version-revives-members": {
		"%[1]s runs etcd %[2]s: go to 3.5.26 or later before 3.6, or members that were removed come back.",
		"%[1]s 运行 etcd %[2]s：升 3.6 前先到 3.5.26 或更新，否则已移除的成员会复活。"},
	"repair.etcd-version-revives-members": {
		"Upgrade to 3.5.26 or later first.",
		"先升级到 3.5.26 或更新。"},
	"wrong.etcd-version-revives-members": {
		"Going to 3.6 directly.",
		"直接升级到 3.6。"},

	"title.etcd-disk-slow": {
		"A member's disk is slow",
		"成员的磁盘慢"},
	"finding.etcd-disk-slow": {
		"%[1]s: 99 of 100 fsyncs of the log end within %[2]s s, commits of the db within %[3]s s: the disk is too slow for etcd.",
		"%[1]s：WAL fsync 的 99 分位为 %[2]s 秒，db commit 为 %[3]s 秒：磁盘对 etcd 来说太慢。"},
	"repair.etcd-disk-slow": {
		"Take other load off the disk (a backup job?), or move the data dir to a faster one.",
		"移走该盘上的其他负载（备份任务？），或把数据目录换到更快的盘。"},
	"wrong.etcd-disk-slow": {
		"Restoring from a backup \"because etcd is broken\".",
		"“因为 etcd 坏了”而从备份恢复。"},

	"title.etcd-late-heartbeats": {
		"Heartbeats come late",
		"心跳迟到"},
	"finding.etcd-late-heartbeats": {
		"%[1]s: the leader's heartbeats come late: %[3]s. The sentence blames the disk; without slow fsyncs it is processor, pause or network.",
		"%[1]s：leader 心跳迟到：%[3]s。这句话怪罪磁盘；若 fsync 不慢，则是 CPU、暂停或网络。"},
	"repair.etcd-late-heartbeats": {
		"Compare with the fsync times; look at processor steal, paused virtual machines, packet loss.",
		"与 fsync 时间对照；查看 CPU steal、虚拟机暂停、丢包。"},
	"wrong.etcd-late-heartbeats": {
		"Blaming the disk from the sentence alone.",
		"只凭这句话就认定是磁盘。"},

	"title.etcd-leader-unstable": {
		"The leader changes all the time",
		"leader 频繁变化"},
	"finding.etcd-leader-unstable": {
		"%[1]s has seen %[2]s changes of the leader, %[3]s an hour.",
		"%[1]s 见到 leader 变化 %[2]s 次，每小时 %[3]s 次。"},
	"repair.etcd-leader-unstable": {
		"Find the cause: slow disk, lost packets, starved processor. Then tune heartbeat and election times if you must.",
		"找原因：慢盘、丢包、CPU 不足。之后必要时再调心跳与选举时间。"},
	"wrong.etcd-leader-unstable": {
		"Restarting members in turn: more elections.",
		"轮流重启成员：选举更多。"},

	"title.leader-election-lost": {
		"Controllers lose their leases",
		"控制器丢失租约"},
	"finding.leader-election-lost": {
		"%[1]s: %[2]s lost its lease: %[3]s. It did not reach the API server in time; it is not the one that is broken.",
		"%[1]s：%[2]s 丢失租约：%[3]s。它没能及时访问 API server；坏的不是它。"},
	"repair.leader-election-lost": {
		"Look at the API server and etcd behind it.",
		"查看它背后的 API server 和 etcd。"},
	"wrong.leader-election-lost": {
		"Force-deleting the pods of kube-system.",
		"强制删除 kube-system 的 Pod。"},

	"title.etcd-no-leader-though-running": {
		"Members run and do not reach one another",
		"成员在运行但互不可达"},
	"repair.etcd-no-leader-though-running": {
		"Look at the network between the peer ports, firewalls and peer certificates. Nothing else is to be done: raft waits.",
		"检查 peer 端口之间的网络、防火墙和 peer 证书。其余不用做：raft 会等待。"},
	"wrong.etcd-no-leader-though-running": {
		"force-new-cluster on either side of a partition.",
		"在分区的任一侧执行 force-new-cluster。"},

	"title.etcd-member-isolated": {
		"A member is cut off from its peers",
		"成员与其他成员断开"},
	"finding.etcd-member-isolated": {
		"%[1]s runs and knows no leader, while %[2]s serve: packets between the peer ports are lost, perhaps in one direction only.",
		"%[1]s 在运行但没有 leader，而 %[2]s 正常服务：peer 端口之间丢包，可能只是单向。"},
	"repair.etcd-member-isolated": {
		"Look at the way between the peer ports (2380) in both directions: firewall, routes, MTU, network policy. Once they hear each other again, raft mends the rest by itself.",
		"双向检查 peer 端口（2380）之间的通路：防火墙、路由、MTU、网络策略。恢复互通后 raft 会自行修复。"},
	"wrong.etcd-member-isolated": {
		"Removing the member, wiping its data, or force-new-cluster on its side: the first costs the spare, the last makes a second cluster.",
		"移除该成员、清空其数据，或在它那一侧执行 force-new-cluster：前者丢掉冗余，后者造出第二个集群。"},

	"title.etcd-member-not-answering": {
		"A member runs and does not answer",
		"成员在运行但没有应答"},
	"repair.etcd-member-not-answering": {
		"Read its last log lines for a panic or a replay that goes on; restart it only while the others hold the quorum.",
		"看最后的日志：是 panic 还是仍在重放；只有其他成员能维持 quorum 时才重启它。"},
	"wrong.etcd-member-not-answering": {
		"Deleting its data.",
		"删除它的数据。"},

	"title.etcd-member-stopped": {
		"A member is stopped",
		"成员已停止"},
	"repair.etcd-member-stopped": {
		"Start it.",
		"启动它。"},
	"wrong.etcd-member-stopped": {
		"Restoring or replacing a member whose files are sound.",
		"恢复或替换文件完好的成员。"},

	"title.etcd-quorum-lost": {
		"etcd has no quorum",
		"etcd 失去 quorum"},
	"repair.etcd-quorum-lost": {
		"Bring the members back. Save a snapshot of a survivor meanwhile: that works without a quorum.",
		"让成员回来。期间可对幸存者保存快照：没有 quorum 也能做。"},
	"wrong.etcd-quorum-lost": {
		"force-new-cluster, restoring an old snapshot, restarting survivors: each of them loses what the others hold.",
		"force-new-cluster、恢复旧快照、重启幸存者：都会丢掉其他成员持有的数据。"},

	"title.etcd-quorum-lost-for-good": {
		"The quorum cannot come back by itself",
		"quorum 无法自行恢复"},
	"finding.etcd-quorum-lost-for-good": {
		"%[2]s cannot come back: fewer than %[4]s of %[3]s voters have usable data. The cluster has to be rebuilt from what survives.",
		"%[2]s 无法恢复：%[3]s 个投票成员中数据可用的不足 %[4]s 个。只能用幸存数据重建集群。"},
	"repair.etcd-quorum-lost-for-good": {
		"Copy every data dir; salvage the most advanced survivor by term and index; rebuild with a new token and bumped revisions. Salvor does it.",
		"复制所有数据目录；按 term 和 index 抢救最新的幸存者；用新 token 和抬高的 revision 重建。Salvor 会做。"},
	"wrong.etcd-quorum-lost-for-good": {
		"force-new-cluster in place: it drops the last acknowledged writes; on two members it makes two clusters of one ID.",
		"原地 force-new-cluster：丢掉最后确认的写入；在两个成员上做会产生同 ID 的两个集群。"},

	"title.etcd-no-spare-member": {
		"One more failure stops etcd",
		"再坏一个就停"},
	"finding.etcd-no-spare-member": {
		"%[2]s of %[3]s voters serve: one more failure stops etcd.",
		"%[3]s 个投票成员中 %[2]s 个在服务：再坏一个 etcd 就停。"},
	"repair.etcd-no-spare-member": {
		"Bring the missing member back before anything else is touched.",
		"在动其他东西之前先让缺失的成员回来。"},
	"wrong.etcd-no-spare-member": {
		"Restarting healthy members.",
		"重启健康的成员。"},
}
