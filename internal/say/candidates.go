package say

// candidates say why data was or was not chosen as the source.
var candidates = map[string]entry{
	"candidate.chosen.quorum": {
		"chosen: a living quorum holds everything that was acknowledged",
		"已选：存活的 quorum 持有全部已确认的写入"},
	"candidate.chosen.disks": {
		"chosen: enough members' disks are sound; started together they hold everything that was acknowledged",
		"已选：完好的成员磁盘足以形成 quorum；一起启动即持有全部已确认的写入"},
	"candidate.chosen.survivor": {
		"chosen: the most advanced log by raft's rule (last term, then last index)",
		"已选：按 raft 规则（先比最后 term，再比最后 index）最新的 WAL"},
	"candidate.chosen.snapshot": {
		"chosen: the newest sound snapshot, and no member's disk is left",
		"已选：最新的可用快照，且没有任何成员磁盘可用"},
	"candidate.chosen.vault": {
		"chosen: the newest backup of the vault that is within reach, and nothing newer is left; it is fetched and checked before anything is touched",
		"已选：可取得的最新备份，且没有更新的数据；动手之前会先取回并检查"},
	"candidate.hazards-unread": {
		"what its objects would do could not be read: %[1]s",
		"未能读取其对象会带来什么：%[1]s"},
	"candidate.hazards-fetch": {
		"what its objects would do is read when it is fetched",
		"其对象会带来什么，在取回时读取"},
	"candidate.hazards-unasked": {
		"what its objects would do was not asked",
		"未查询其对象会带来什么"},
	"candidate.vault-away": {
		"not usable now: only %[1]s hold it, and none of them is there; bring one",
		"暂不可用：只有 %[1]s 保存它，而它们都不在；请接入其中之一"},
	"candidate.vault-other": {
		"not usable by itself: it is of another cluster of this name (%[1]s), and the newest is of %[2]s (backup %[3]s); --source takes it nevertheless",
		"不会自动采用：它属于另一个同名集群（%[1]s），而最新的备份属于 %[2]s（备份 %[3]s）；用 --source 可指定采用"},
	"candidate.vault-earlier": {
		"Its etcd cluster ID is %[1]s, the members' remains say %[2]s: it was made before a restore, or of another cluster.",
		"它的 etcd cluster ID 是 %[1]s，而成员残留数据为 %[2]s：它做于某次恢复之前，或属于另一个集群。"},
	"candidate.vault-keys": {
		"Only a key that lies in the vault itself speaks for it (vault.trusted is not set): whoever can write there may have made it.",
		"只有库内自带的密钥为它作证（未设置 vault.trusted）：任何能写入该库的人都可能伪造了它。"},
	"candidate.vault-silent": {
		"The vault did not answer (%[1]s): it may hold a newer one.",
		"备份库没有应答（%[1]s）：那里可能有更新的备份。"},
	"candidate.places-unread": {
		"What could not be read (%[1]s) may be newer.",
		"没能读取的（%[1]s）可能更新。"},
	"candidate.unread": {
		"It could not be read (%[1]s): nothing is known of it.",
		"没能读取（%[1]s）：对它一无所知。"},
	"candidate.vault-partly": {
		"Target %[1]s of the vault did not answer: it may hold a newer one.",
		"备份目标 %[1]s 没有应答：那里可能有更新的备份。"},
	"candidate.vault-failed": {
		"not usable: its last proof did not pass",
		"不可用：最近一次恢复验证未通过"},
	"candidate.chosen.remains": {
		"chosen by whoever named it: what is left of a member's db",
		"由操作者指定：某个成员残存的 db"},
	"candidate.remains": {
		"never chosen by itself: the db is broken; its records can be collected page by page, which proves nothing of what is missing. Look for a backup first; --source %[1]s takes it",
		"不会自动采用：db 已损坏，只能逐页收集其中的记录，无法证明缺少了什么。请先寻找备份；用 --source %[1]s 可指定采用"},
	"candidate.remains-doubt": {
		"The state is collected from the pages of %[1]s's broken db: probable, not proven. Objects may be missing, older than they were, or back although they were deleted.",
		"该状态是从 %[1]s 损坏的 db 逐页收集的：很可能正确，但未经证明。对象可能缺失、比实际旧，或已删除的又出现。"},
	"candidate.remains-whole": {
		"never chosen by itself: the db holds, but the log is gone, and with it what was written last. Look for a newer backup first; --source %[1]s takes it",
		"不会自动采用：db 完好，但 WAL 已丢失，最后的写入随之丢失。请先寻找更新的备份；用 --source %[1]s 可指定采用"},
	"candidate.remains-whole-doubt": {
		"The db of %[1]s holds, but its log is gone: what the db had not taken in yet is lost, and how much that is, is not known.",
		"%[1]s 的 db 完好，但 WAL 已丢失：db 尚未写入的内容已丢失，数量未知。"},
	"candidate.behind": {
		"not chosen: its log ends at term %[1]s, index %[2]s, behind term %[3]s, index %[4]s of the chosen one",
		"未选：其 WAL 止于 term %[1]s、index %[2]s，落后于所选的 term %[3]s、index %[4]s"},
	"candidate.level": {
		"not chosen: its log ends where the chosen one's does, at term %[1]s, index %[2]s",
		"未选：其 WAL 与所选的一样止于 term %[1]s、index %[2]s"},
	"candidate.older": {
		"not chosen: not newer than %[1]s",
		"未选：不比 %[1]s 新"},
	"candidate.loses-more": {
		"not chosen: %[1]s keeps more, or as much with less change",
		"未选：%[1]s 保留得更多，或同样多而改动更小"},
	"candidate.unproven": {
		"Only %[1]s of %[2]s logs could be read to their end, so a write that was acknowledged elsewhere cannot be ruled out.",
		"%[2]s 份 WAL 中只有 %[1]s 份能完整读到末尾，因此不能排除有写入只在别处得到确认。"},
	"candidate.split": {
		"The members may hold different data: what one of them lacks, another may have acknowledged.",
		"各成员的数据可能不一致：一个成员缺少的写入，可能已由另一个成员确认。"},
	"candidate.unproven-single": {
		"The only log could not be read to its end: what was acknowledged after the damage is not proven to be here.",
		"唯一的 WAL 未能读到末尾：损坏之后确认的写入无法证明仍在这里。"},
	"candidate.no-db": {
		"unusable: neither the db of %[1]s nor another member's can carry its log",
		"不可用：%[1]s 的 db 以及其他成员的 db 都无法承接它的 WAL"},
	"candidate.no-trailer": {
		"it has no sha256 trailer: it is a copied db file or was cut off, and nothing proves that it is whole",
		"没有 sha256 尾部:它是被复制的 db 文件或已被截断,无法证明其完整"},
	"candidate.no-snapshot": {
		"unusable: not an etcd snapshot (%[1]s)",
		"不可用：不是 etcd 快照（%[1]s）"},
	"candidate.digest-wrong": {
		"unusable: the content does not match the sha256 at its end; the file was changed or cut",
		"不可用：内容与文件末尾的 sha256 不符，文件被改动或截断"},
	"candidate.damaged": {
		"unusable: damaged (%[1]s)",
		"不可用：已损坏（%[1]s）"},
	"candidate.other-cluster": {
		"unusable: its member list names no member of this cluster",
		"不可用：其成员列表中没有本集群的成员，应属于另一个集群"},
	"candidate.witnessed": {
		"The highest revision that is known, %[1]s, was noted at %[2]s; writes after that moment come on top.",
		"已知的最高 revision 是 %[1]s，记录于 %[2]s；此后的写入还要另算。"},
}
