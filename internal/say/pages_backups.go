package say

// pagesBackups are the pages of the classes of failure about backups and what lies in them:
// what each is called, what it looks like, what repairs it, and what must not
// be done.
var pagesBackups = map[string]entry{
	"title.backup-none": {
		"There is no backup",
		"没有备份"},
	"finding.backup-none": {
		"%[2]s places for snapshots hold %[3]s files, and none that could be restored.",
		"%[2]s 处快照位置共有 %[3]s 个文件，没有一个能恢复。"},
	"repair.backup-none": {
		"Save a snapshot now (it works on any member that answers), to another machine.",
		"现在就保存快照（任何有应答的成员都行），放到另一台机器。"},
	"wrong.backup-none": {
		"Waiting for the disk to fail first.",
		"等磁盘先坏。"},

	"title.backup-stale": {
		"The newest backup is old",
		"最新备份过旧"},
	"finding.backup-stale": {
		"The newest sound snapshot %[1]s is %[2]s old; the limit is %[3]s.",
		"最新的完好快照 %[1]s 已有 %[2]s；上限为 %[3]s。"},
	"repair.backup-stale": {
		"Look why the backup job stopped, and save a snapshot now.",
		"查明备份任务为何停止，并立即保存快照。"},
	"wrong.backup-stale": {
		"Counting files instead of looking into them.",
		"只数文件个数而不看内容。"},

	"title.backup-unusable": {
		"A backup cannot be restored",
		"备份无法恢复"},
	"finding.backup-unusable": {
		"%[1]s cannot be restored: %[2]s.",
		"%[1]s 无法恢复：%[2]s。"},
	"repair.backup-unusable": {
		"Save a new one; keep this one only if nothing else exists.",
		"重新保存一份；除非没有别的，否则不要依赖它。"},
	"wrong.backup-unusable": {
		"--skip-hash-check restores flipped bytes; `etcdutl snapshot status` accepts files that were cut off.",
		"--skip-hash-check 会把翻转的字节也恢复进去；etcdutl snapshot status 会放过被截断的文件。"},

	"title.backup-without-digest": {
		"A backup has no digest",
		"备份没有摘要"},
	"finding.backup-without-digest": {
		"%[1]s ends in no digest: it is a copied db file or was cut off exactly there. Nothing proves that it is whole.",
		"%[1]s 末尾没有摘要：是复制的 db 文件，或恰好在那里被截断。没有东西能证明它完整。"},
	"repair.backup-without-digest": {
		"Save snapshots through etcd (etcdctl snapshot save), not by copying member/snap/db.",
		"用 etcd 保存快照（etcdctl snapshot save），不要复制 member/snap/db。"},
	"wrong.backup-without-digest": {
		"Choosing between such files by size or name.",
		"按大小或名称在这种文件中挑选。"},

	"title.backup-never-proven": {
		"No backup was ever restored to prove it",
		"没有一份备份做过恢复验证"},
	"finding.backup-never-proven": {
		"%[2]s backups could be restored as far as can be read (the newest: %[1]s), and of none there is a proof: a restore that was tried.",
		"有 %[2]s 份备份看起来可以恢复（最新：%[1]s），但没有一份有验证记录，即真正恢复过。"},
	"repair.backup-never-proven": {
		"`salvor vault prove` restores the newest backup of the vault into a scratch folder, starts an etcd on it, holds keys and certificates against the data, and keeps the signed result beside the backup; the agent does so after each scheduled backup, unless backup.unproven is set. A snapshot file climbs the same ladder with `salvor snapshot check FILE --level L4`, which leaves no record: `salvor backup` puts the next one into a vault. Now and then bring a whole control plane up on spare machines from it (`salvor vault put-back`, `salvor recover`).",
		"`salvor vault prove` 把备份库中最新的一份恢复到临时目录，在其上启动 etcd，并用数据核对密钥与证书，签名结果存放在备份旁；除非设置 backup.unproven，agent 会在每次定时备份后自动执行。快照文件可用 `salvor snapshot check 文件 --level L4` 走同样的验证，但不留记录：用 `salvor backup` 把下一份放进备份库。并定期用它在备用机器上重建整个控制平面（`salvor vault put-back`、`salvor recover`）。"},
	"wrong.backup-never-proven": {
		"Taking a green job, a file's size or `etcdutl snapshot status` for a proof: it accepts a file that was cut short or has a flipped byte. Trying it for the first time in the outage, or on the living cluster.",
		"把任务成功、文件大小或 etcdutl snapshot status 当作验证：它会放过被截断或字节翻转的文件。等到故障时、或在运行中的集群上才第一次尝试。"},

	"title.backup-on-same-disk": {
		"Backups lie on the disk of the data",
		"备份与数据在同一块盘"},
	"finding.backup-on-same-disk": {
		"%[1]s: the snapshots in %[2]s lie on the same file system as the data dir %[3]s: they are lost with it.",
		"%[1]s：%[2]s 的快照与数据目录 %[3]s 在同一文件系统：会一起丢失。"},
	"repair.backup-on-same-disk": {
		"Keep copies on another machine and in another place.",
		"在另一台机器、另一个地点保留副本。"},
	"wrong.backup-on-same-disk": {
		"Calling that a backup.",
		"把它当作备份。"},

	"title.backup-of-other-cluster": {
		"A backup is of another cluster",
		"备份属于另一个集群"},
	"finding.backup-of-other-cluster": {
		"%[1]s lists member %[2]s (%[3]s members), whom salvor.yaml does not know: it is of another cluster.",
		"%[1]s 里的成员 %[2]s（共 %[3]s 个）不在 salvor.yaml 中：它属于另一个集群。"},
	"repair.backup-of-other-cluster": {
		"Put it where it belongs; look for this cluster's own.",
		"放回它该在的地方；找本集群自己的备份。"},
	"wrong.backup-of-other-cluster": {
		"Restoring it because it is the newest.",
		"因为它最新就恢复它。"},

	"title.hazard-webhook-fails-closed": {
		"Webhooks in the data would block pods",
		"数据中的 webhook 会阻塞 Pod"},
	"finding.hazard-webhook-fails-closed": {
		"%[1]s: %[2]s webhooks fail closed and ask services of the cluster itself: %[3]s. After a restore nothing answers them, and pods cannot be created.",
		"%[1]s：%[2]s 个 webhook 失败即拒绝，且后端是集群自己的服务：%[3]s。恢复后它们无人应答，Pod 无法创建。"},
	"repair.hazard-webhook-fails-closed": {
		"Before controllers start: set failurePolicy to Ignore, or set the configurations aside; put them back when their backends are ready.",
		"在控制器启动前：把 failurePolicy 设为 Ignore 或先移开；后端就绪后再放回。"},
	"wrong.hazard-webhook-fails-closed": {
		"Finding it out on the second day.",
		"第二天才发现。"},

	"title.hazard-encryption-key-missing": {
		"The data is encrypted with a key that is not at hand",
		"数据所用的加密密钥不在手边"},
	"finding.hazard-encryption-key-missing": {
		"%[1]s: %[2]s values are encrypted with %[3]s: %[4]s. After a restore no API server becomes ready.",
		"%[1]s：%[2]s 个值用 %[3]s 加密：%[4]s。恢复后没有 API server 能就绪。"},
	"repair.hazard-encryption-key-missing": {
		"Find the encryption configuration of that time (backup of /etc/kubernetes) before you restore.",
		"恢复之前先找到当时的加密配置（/etc/kubernetes 的备份）。"},
	"wrong.hazard-encryption-key-missing": {
		"Restoring first: the values stay unreadable for ever without the key.",
		"先恢复再说：没有密钥这些值永远读不出来。"},

	"title.hazard-authority-differs": {
		"The data belongs to another authority",
		"数据属于另一个 CA"},
	"finding.hazard-authority-differs": {
		"%[1]s: the data names another authority than %[2]s on %[3]s: kubelets and kubeconfigs of that time would not trust this API server.",
		"%[1]s：数据中的 CA 与 %[3]s 上的 %[2]s 不同：当时的 kubelet 和 kubeconfig 不会信任这个 API server。"},
	"repair.hazard-authority-differs": {
		"Bring back the PKI folder of that time.",
		"恢复当时的 PKI 目录。"},
	"wrong.hazard-authority-differs": {
		"kubeadm init before the restore.",
		"恢复之前先 kubeadm init。"},

	"title.hazard-service-account-key-differs": {
		"Stored tokens were signed with another key",
		"存储的令牌由另一密钥签名"},
	"finding.hazard-service-account-key-differs": {
		"%[1]s: service account tokens in the data do not verify with the key at hand: %[2]s. Pods would be told 401.",
		"%[1]s：数据中的服务账号令牌无法用现有密钥验证：%[2]s。Pod 会得到 401。"},
	"repair.hazard-service-account-key-differs": {
		"Bring back sa.key and sa.pub of that time.",
		"取回当时的 sa.key 和 sa.pub。"},
	"wrong.hazard-service-account-key-differs": {
		"Deleting all token secrets afterwards.",
		"事后删除所有令牌 Secret。"},

	"title.hazard-masterleases-stale": {
		"The data names API servers that are gone",
		"数据中有已不存在的 API server"},
	"finding.hazard-masterleases-stale": {
		"%[1]s: %[2]s addresses of API servers in the data belong to no host: %[3]s. Connections to the service kubernetes hang on them.",
		"%[1]s：数据中有 %[2]s 个 API server 地址不属于任何主机：%[3]s。访问 kubernetes 服务时会卡在它们上。"},
	"repair.hazard-masterleases-stale": {
		"Remove /registry/masterleases/ADDRESS of them after the restore.",
		"恢复后删除对应的 /registry/masterleases/地址。"},
	"wrong.hazard-masterleases-stale": {
		"Deleting the service kubernetes.",
		"删除 kubernetes 服务。"},

	"title.hazard-nodes-differ": {
		"The nodes in the data are not those of today",
		"数据中的节点与现在不同"},
	"finding.hazard-nodes-differ": {
		"%[1]s: %[2]s nodes of the data are not in salvor.yaml (%[3]s), %[4]s of salvor.yaml are not in the data (%[5]s).",
		"%[1]s：数据中有 %[2]s 个节点不在 salvor.yaml（%[3]s），salvor.yaml 有 %[4]s 个不在数据中（%[5]s）。"},
	"repair.hazard-nodes-differ": {
		"Delete the nodes that are gone; restart the kubelets of the new ones so that they register.",
		"删除已不存在的节点；重启新节点的 kubelet 让其注册。"},
	"wrong.hazard-nodes-differ": {
		"Waiting for new nodes to appear by themselves.",
		"等新节点自己出现。"},

	"title.hazard-volumes-deleted": {
		"Volumes would be deleted",
		"卷会被删除"},
	"finding.hazard-volumes-deleted": {
		"%[1]s: %[2]s released volumes have the reclaim policy Delete: %[3]s. A controller would delete what they stand for.",
		"%[1]s：%[2]s 个已释放的卷回收策略为 Delete：%[3]s。控制器会删除其背后的存储。"},
	"repair.hazard-volumes-deleted": {
		"Set Retain on them before the controller manager starts.",
		"在 controller-manager 启动前改为 Retain。"},
	"wrong.hazard-volumes-deleted": {
		"Starting the controllers first.",
		"先启动控制器。"},

	"title.hazard-jobs-run-again": {
		"Jobs would run again",
		"Job 会再次运行"},
	"finding.hazard-jobs-run-again": {
		"%[1]s: %[2]s unfinished jobs and %[3]s cron jobs would start: %[4]s.",
		"%[1]s：%[2]s 个未完成的 Job 和 %[3]s 个 CronJob 会启动：%[4]s。"},
	"repair.hazard-jobs-run-again": {
		"Suspend what must not run twice before the controllers start.",
		"控制器启动前暂停不能重复执行的任务。"},
	"wrong.hazard-jobs-run-again": {
		"Letting payments or mails run twice.",
		"让付款或邮件重复执行。"},

	"title.hazard-api-groups-gone": {
		"The data holds API versions that are no longer served",
		"数据含已不再提供的 API 版本"},
	"finding.hazard-api-groups-gone": {
		"%[1]s: objects of %[2]s API versions are stored that the API server at hand no longer serves: %[3]s.",
		"%[1]s：存有 %[2]s 种当前 API server 已不再提供的 API 版本的对象：%[3]s。"},
	"repair.hazard-api-groups-gone": {
		"Restore with the old API server first, migrate the objects, then upgrade.",
		"先用旧版 API server 恢复并迁移对象，再升级。"},
	"wrong.hazard-api-groups-gone": {
		"Deleting the objects in etcd.",
		"在 etcd 里删除这些对象。"},

	"title.hazard-objects-being-deleted": {
		"Objects are being deleted in the data",
		"数据中有正在删除的对象"},
	"finding.hazard-objects-being-deleted": {
		"%[1]s: %[2]s objects are being deleted already: %[3]s. Their deletion goes on.",
		"%[1]s：%[2]s 个对象正在删除中：%[3]s。删除会继续进行。"},
	"repair.hazard-objects-being-deleted": {
		"Look whether that is still wanted before controllers and operators start.",
		"在控制器和 operator 启动前确认是否仍然需要。"},
	"wrong.hazard-objects-being-deleted": {
		"Being surprised by an operator that finishes the deletion of real machines.",
		"被 operator 继续删除真实机器而措手不及。"},

	"title.hazard-owners-missing": {
		"Objects whose owners are missing would be deleted",
		"属主缺失的对象会被回收"},
	"finding.hazard-owners-missing": {
		"%[1]s: %[2]s objects have owners that are not in the data: %[3]s. The garbage collector deletes them.",
		"%[1]s：%[2]s 个对象的属主不在数据中：%[3]s。垃圾回收会删除它们。"},
	"repair.hazard-owners-missing": {
		"Look at the list before the controller manager starts.",
		"controller-manager 启动前查看清单。"},
	"wrong.hazard-owners-missing": {
		"Starting it first.",
		"先启动它。"},

	"title.hazard-essentials-missing": {
		"Objects that every cluster needs are missing",
		"缺少集群必需的对象"},
	"finding.hazard-essentials-missing": {
		"%[1]s: %[2]s objects are missing without which no cluster stands: %[3]s. It may be the snapshot of an empty or another cluster.",
		"%[1]s：缺少 %[2]s 个集群必需的对象：%[3]s。它可能是空集群或别的集群的快照。"},
	"repair.hazard-essentials-missing": {
		"Look for another candidate; compare with salvor snapshot diff.",
		"找别的候选；用 salvor snapshot diff 对比。"},
	"wrong.hazard-essentials-missing": {
		"Restoring it because it is the newest.",
		"因为它最新就恢复它。"},
}
