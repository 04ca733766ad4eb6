package say

// advice is what may be done and what must not, each with its reason.
var advice = map[string]entry{
	"allow.start-members": {
		"Start the members that are stopped. No data changes.",
		"启动已停止的成员。不改变任何数据。"},
	"allow.replace-member": {
		"Replace %[1]s: remove it from the member list first, then let it join as a learner. The others keep serving.",
		"替换 %[1]s：先从成员列表移除，再以 learner 身份加入。其余成员继续服务。"},
	"allow.rebuild-from-survivor": {
		"Rebuild the cluster from the log of %[1]s: the most advanced one, up to term %[2]s, index %[3]s.",
		"以 %[1]s 的 WAL 重建集群：它最新，到达 term %[2]s、index %[3]s。"},
	"allow.restore-snapshot": {
		"Restore the snapshot %[1]s. What was written after it is lost; you are asked to accept that first.",
		"恢复快照 %[1]s。其后的写入会丢失；执行前会要求你先确认。"},
	"allow.compact-defragment-disarm": {
		"In this order: snapshot, compact, defragment one member after the other (the leader last), disarm. Then raise the quota or remove what fills it.",
		"按此顺序：先保存快照，compact，逐个成员 defrag（leader 最后），最后解除告警。随后调高配额或清除占用空间的来源。"},
	"allow.renew-certificates": {
		"Check the clock, then renew the listed certificates with the same CA. etcd reads new files without a restart.",
		"先核对时钟，再用原来的 CA 续签列出的证书。etcd 会自动加载新文件，无需重启。"},
	"allow.free-disk-space": {
		"Remove the cause (free space or inodes, make the disk writable, mend the network), then start the members again.",
		"排除原因（腾出空间或 inode、恢复磁盘可写、修复网络），然后重新启动成员。"},
	"allow.reach-vault": {
		"Reach all of the vault first: network, credentials, media. `salvor vault ls` names what does not answer.",
		"先让备份库全部可访问：网络、凭据、介质。`salvor vault ls` 会指出谁没有应答。"},
	"allow.read-the-rest": {
		"See why %[1]s could not be read in full (NOT KNOWN says it), then diagnose again: as root, with more time (--budget), or with a client certificate that is accepted.",
		"弄清 %[1]s 为何读不全（见“未知”），然后重新诊断：以 root 运行、给更多时间（--budget），或换用能被接受的客户端证书。"},
	"allow.reach-missing-hosts": {
		"Reach %[1]s first: power, network, SSH. Then diagnose again.",
		"先恢复对 %[1]s 的访问：电源、网络、SSH。然后重新诊断。"},

	"allow.extract-objects": {
		"If %[1]s went by mistake: take them out of %[2]s while the cluster runs (`salvor snapshot ls` and `get`; `salvor explain namespace-deleted` and `crd-deleted` say how). Copy the file first: the next backups will not have them.",
		"若 %[1]s 属误删：集群照常运行，从 %[2]s 中离线取出（`salvor snapshot ls` 与 `get`；做法见 `salvor explain namespace-deleted` 和 `crd-deleted`）。先另存该文件：之后的备份里不会再有它们。"},
	"allow.set-clock": {
		"Set the clock first, then diagnose again: certificates are judged by it.",
		"先校时，再重新诊断：证书是按时钟判断的。"},
	"allow.mount-volume": {
		"Mount the volume that is missing, then diagnose again.",
		"挂载缺失的卷，然后重新诊断。"},
	"allow.raise-quota": {
		"Raise the quota and restart the members one after the other, or delete what fills it: compaction and defragmentation make no room for live data.",
		"调高配额并逐个重启成员，或删除占用者：compact 与 defrag 无法为在用数据腾出空间。"},
	"forbid.renew-certificates.clock": {
		"Do not renew certificates while a clock is wrong: the new ones fail as soon as it is right.",
		"时钟错误时不要续签证书：时钟修正后新证书立即失效。"},
	"forbid.replace-member.unmounted": {
		"Do not replace a member whose volume is not mounted: its data is most likely there.",
		"不要替换卷未挂载的成员：它的数据很可能还在。"},
	"forbid.rebuild-from-survivor.unmounted": {
		"Do not rebuild while a volume is not mounted: the data behind it may be newer than what is in sight.",
		"有卷未挂载时不要重建：其上的数据可能比看得见的更新。"},

	"forbid.restart-healthy-members.quorum": {
		"Do not restart the healthy members: one more down and the quorum is gone.",
		"不要重启健康的成员：再少一个就会失去 quorum。"},
	"forbid.disarm-alarm-first.rearms": {
		"Do not disarm the alarm first: while the db is above its quota, the next put raises it again.",
		"不要先解除告警：db 仍超配额时，下一次 put 会再次触发告警。"},
	"forbid.restore-snapshot.certs": {
		"Do not restore a snapshot: the data is intact, and restored members would fail on the same certificates. Every write since the snapshot would be thrown away for nothing.",
		"不要恢复快照：数据完好，恢复出来的成员会因同样的证书失败。快照之后的写入将白白丢弃。"},
	"forbid.restore-snapshot.intact": {
		"Do not restore a snapshot: the data is intact (D0), and a restore would throw acknowledged writes away.",
		"不要恢复快照：数据完好（D0），恢复会丢弃已确认的写入。"},
	"forbid.restore-snapshot.split": {
		"Do not restore a snapshot yet: the members may hold different data, and nothing tells so far which is right. Keep a copy of every data dir, compare them, and decide for one.",
		"暂时不要恢复快照：各成员的数据可能不一致，目前无法判断哪一份正确。请先保留每个数据目录的副本，比较后再选定其一。"},
	"forbid.restore-snapshot.survivor": {
		"Do not restore a snapshot: the surviving disks hold newer writes (D1), which a restore would throw away.",
		"不要恢复快照：幸存的磁盘上有更新的写入（D1），恢复会把它们丢弃。"},
	"forbid.restore-snapshot.unseen": {
		"Do not restore a snapshot yet: members that nobody has seen may hold everything. If they come back after a restore, you have two clusters.",
		"暂时不要恢复快照：尚未看到的成员可能持有全部数据。若恢复之后它们重新上线，就会出现两个集群。"},
	"forbid.force-new-cluster.tail": {
		"Do not start etcd with --force-new-cluster: it drops the last acknowledged writes of the log, and on two members it makes two clusters with one ID.",
		"不要用 --force-new-cluster 启动 etcd：它会丢掉 WAL 末尾已确认的写入；在两个成员上执行，还会产生两个 ID 相同的集群。"},
	"forbid.wipe-data-dir.evidence": {
		"Do not delete or empty any data dir, nor its WAL: it may be the only copy of acknowledged writes. Salvor sets it aside by rename.",
		"不要删除或清空任何数据目录及其 WAL：其中可能是已确认写入的唯一副本。Salvor 会以改名方式把它移开保留。"},
}
