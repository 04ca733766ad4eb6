package say

// scenarios are the root cause in one sentence.
var scenarios = map[string]entry{
	"scenario.healthy": {
		"All %[1]s members serve; nothing needs to be recovered.",
		"全部 %[1]s 个成员正常服务，无需恢复。"},
	"scenario.stopped": {
		"Only %[1]s of %[2]s etcd members answer, but enough disks are sound for a quorum: those with sound disks only have to be started, nothing has to be restored.",
		"%[2]s 个 etcd 成员中只有 %[1]s 个有应答，但足以形成 quorum 的磁盘都完好：只需启动磁盘完好的成员，不需要恢复数据。"},
	"scenario.member-lost": {
		"The data of %[1]s is lost or damaged while a quorum lives: the cluster still serves, with less or no tolerance for another failure.",
		"%[1]s 的数据丢失或损坏，但 quorum 仍在：集群仍可服务，只是容错能力下降，甚至再坏一个就不可用。"},
	"scenario.majority-lost": {
		"The quorum is gone for good: the data of %[1]s is lost or damaged. What the cluster acknowledged must come from the disks that survive.",
		"quorum 已永久丢失：%[1]s 的数据丢失或损坏。集群确认过的写入只能从幸存的磁盘取回。"},
	"scenario.data-damaged": {
		"The quorum is gone because files of %[1]s are damaged. The best state is put together from what the members' logs and dbs still hold.",
		"%[1]s 的文件损坏导致失去 quorum。需要从各成员尚存的 WAL 和 db 拼出最完整的状态。"},
	"scenario.rewound": {
		"Somebody has seen newer data than this cluster holds: it was bootstrapped anew, or restored from something old. Salvor does not choose between two histories.",
		"有人见过比该集群更新的数据:它曾被重新引导,或由旧数据恢复。Salvor 不会在两段历史之间替你选择。"},
	"scenario.vault-silent": {
		"No member has usable data left (%[1]s configured), and what the vault holds is not known: it, or a part of it, did not answer. A newer backup may lie there; nothing is given up before it was asked.",
		"所有成员（配置中共 %[1]s 个）都没有可用数据，而备份库（或其一部分）没有应答，里面有什么尚不清楚。那里可能有备份；问到之前不要放弃。"},
	"scenario.places-unread": {
		"No member has usable data left (%[1]s configured), and snapshots may lie where they could not be read: %[2]s. Nothing is given up before they were.",
		"所有成员（配置中共 %[1]s 个）都没有可用数据，而有些可能存放快照的地方没能读取：%[2]s。读取之前不要放弃。"},
	"scenario.remains": {
		"No member has data that can be recovered as a whole (%[1]s configured), and no usable snapshot was found. Look for backups first. Where there are none, what is left of %[2]s's db can be taken by naming it: --source %[3]s.",
		"所有成员都没有可整体恢复的数据（共配置 %[1]s 个），也没有找到可用的快照。请先寻找备份。如果没有，可以指定采用 %[2]s 残存的 db：--source %[3]s。"},
	"scenario.nothing-left": {
		"No member has usable data left (%[1]s configured), and no usable snapshot was found. Look for backups elsewhere: name files under `snapshots` in salvor.yaml, or a vault with `--target`, and diagnose again.",
		"所有成员都没有可用数据(共配置 %[1]s 个),也没有找到可用的快照。请在别处寻找备份:把文件写入 salvor.yaml 的 `snapshots`,或用 `--target` 指明备份库,然后重新诊断。"},
	"scenario.all-lost": {
		"No member has usable data left (%[1]s configured): only a snapshot can bring the cluster back, and everything written after it is lost.",
		"所有成员（配置中共 %[1]s 个）都没有可用数据：只能靠快照恢复，快照之后的写入将全部丢失。"},
	"scenario.no-space": {
		"etcd refuses writes because its db has reached the quota. All data is there: this needs room, not a restore.",
		"db 达到配额，etcd 拒绝写入。数据完好：需要的是腾出空间，而不是恢复快照。"},
	"scenario.certs-expired": {
		"The members cannot speak to one another because certificates are not valid now. All data is there: this needs certificates (or the right time), not a restore.",
		"证书当前无效，成员之间无法通信。数据完好：需要的是续签证书（或校准时钟），而不是恢复快照。"},
	"scenario.impostor": {
		"%[1]s shows another cluster's identity: it must be stopped and replaced before anybody writes to it.",
		"%[1]s 显示的是另一个集群的身份：必须先停掉并替换它，以免有人向它写入。"},
	"scenario.unreachable": {
		"Too little is in sight: %[1]s could still hold a quorum. Whether data is lost cannot be said, and nothing may be rebuilt until it is known.",
		"可见信息太少：%[1]s 可能仍持有 quorum。无法判断数据是否丢失；查明之前不得重建任何成员。"},
	"scenario.hidden": {
		"All members serve, but something vital on %[1]s could not be read: it may hide a fault.",
		"全部成员正常服务，但 %[1]s 上有关键信息读不到：可能掩盖故障。"},
	"scenario.unseen": {
		"A quorum serves, but %[1]s could not be seen in full: something may be wrong there.",
		"quorum 正常服务，但未能看全 %[1]s：那里可能有故障。"},
	"scenario.blocked": {
		"etcd is kept from serving by something that no restore cures: a disk, a mount, a machine, the network. Remove the cause; the data is not the problem.",
		"etcd 无法服务的原因（磁盘、挂载、主机或网络）不是恢复快照能解决的。先排除原因；问题不在数据。"},
	"scenario.degraded": {
		"A quorum serves, but something is wrong that no plan of Salvor repairs; see the findings.",
		"quorum 正常服务，但存在 Salvor 没有对应方案的问题，见下列发现。"},
}
