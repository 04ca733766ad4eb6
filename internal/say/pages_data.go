package say

// pagesData are the pages of the classes of failure about nodes, data at rest and identity:
// what each is called, what it looks like, what repairs it, and what must not
// be done.
var pagesData = map[string]entry{
	"title.kubelet-down": {
		"The kubelet does not run",
		"kubelet 没有运行"},
	"finding.kubelet-down": {
		"%[1]s: the kubelet (%[2]s) does not run (%[3]s; %[4]s). No static pod is started or kept alive.",
		"%[1]s：kubelet（%[2]s）没有运行（%[3]s；%[4]s）。静态 Pod 不会被启动或维持。"},
	"repair.kubelet-down": {
		"Read the last lines of journalctl -u kubelet, remove that cause, start it: pods and data come back by themselves.",
		"看 journalctl -u kubelet 的最后几行，排除原因后启动：Pod 和数据会自行恢复。"},
	"wrong.kubelet-down": {
		"rm -rf /var/lib/kubelet or /var/lib/etcd, kubeadm reset.",
		"rm -rf /var/lib/kubelet 或 /var/lib/etcd，kubeadm reset。"},

	"title.kubelet-refuses-host": {
		"The kubelet refuses this machine",
		"kubelet 拒绝在本机运行"},
	"finding.kubelet-refuses-host": {
		"%[1]s: the kubelet refuses to run here: %[3]s.",
		"%[1]s：kubelet 拒绝在本机运行：%[3]s。"},
	"repair.kubelet-refuses-host": {
		"Do what the line says: swap off, cgroup driver as the runtime's, cgroup v2, or the removed flag out of its arguments.",
		"按该行提示处理：关闭 swap、与运行时一致的 cgroup driver、cgroup v2，或去掉已删除的参数。"},
	"wrong.kubelet-refuses-host": {
		"Reinstalling the node.",
		"重装节点。"},

	"title.container-runtime-down": {
		"The container runtime does not answer",
		"容器运行时没有应答"},
	"finding.container-runtime-down": {
		"%[1]s: the container runtime (%[2]s) does not answer (%[3]s; %[4]s). No pod can be started; etcd's data on the host is not touched.",
		"%[1]s：容器运行时（%[2]s）没有应答（%[3]s；%[4]s）。无法启动任何 Pod；主机上的 etcd 数据未受影响。"},
	"repair.container-runtime-down": {
		"Start it and read its log. When its own meta.db is damaged, set /var/lib/containerd aside and import the images again.",
		"启动它并看日志。若它自己的 meta.db 损坏，把 /var/lib/containerd 移开并重新导入镜像。"},
	"wrong.container-runtime-down": {
		"Deleting /var/lib/etcd: that is another directory and another fault.",
		"删除 /var/lib/etcd：那是另一个目录、另一个故障。"},

	"title.container-runtime-db-damaged": {
		"The container runtime's own db is damaged",
		"容器运行时自己的数据库损坏"},
	"finding.container-runtime-db-damaged": {
		"%[1]s: the container runtime's own database is damaged: %[3]s. The text is the same as for etcd's db, but it is another process: etcd's data is not concerned.",
		"%[1]s：容器运行时自己的数据库损坏：%[3]s。报错与 etcd db 的相同，但进程不同：与 etcd 数据无关。"},
	"repair.container-runtime-db-damaged": {
		"Stop it, set /var/lib/containerd aside by rename, start it, import the images.",
		"停止它，把 /var/lib/containerd 改名移开，启动后导入镜像。"},
	"wrong.container-runtime-db-damaged": {
		"Repairing or restoring etcd for this message.",
		"因为这条信息去修复或恢复 etcd。"},

	"title.sandbox-name-reserved": {
		"Pods do not start: their sandbox names are reserved",
		"Pod 无法启动：沙箱名被占用"},
	"finding.sandbox-name-reserved": {
		"%[1]s: the runtime refuses new sandboxes: %[3]s.",
		"%[1]s：运行时拒绝新沙箱：%[3]s。"},
	"repair.sandbox-name-reserved": {
		"Restart the container runtime; remove the sandbox that it names if it stays.",
		"重启容器运行时；若仍在，移除它指出的沙箱。"},
	"wrong.sandbox-name-reserved": {
		"Rebooting all masters together.",
		"同时重启所有 master。"},

	"title.image-missing": {
		"An image cannot be had",
		"镜像拉不到"},
	"finding.image-missing": {
		"%[1]s: an image that a pod of the control plane needs is missing: %[3]s.",
		"%[1]s：控制面某个 Pod 所需的镜像缺失：%[3]s。"},
	"repair.image-missing": {
		"Import the image from another node (ctr -n k8s.io images export/import; see with tar -tf that the file is whole: ctr may end before it is); do not forget the pause image.",
		"从其他节点导出再导入（ctr -n k8s.io images export/import；先用 tar -tf 确认文件完整：ctr 有时没写完就退出）；别忘了 pause 镜像。"},
	"wrong.image-missing": {
		"imagePullPolicy Always on a host without a registry.",
		"在没有镜像仓库可用时设 imagePullPolicy: Always。"},

	"title.static-pod-manifest-broken": {
		"A static pod's manifest cannot be read",
		"静态 Pod 清单无法解析"},
	"finding.static-pod-manifest-broken": {
		"%[1]s: the manifest %[2]s is no pod: %[3]s. The kubelet starts nothing from it.",
		"%[1]s：清单 %[2]s 不是合法的 Pod：%[3]s。kubelet 不会据此启动任何东西。"},
	"repair.static-pod-manifest-broken": {
		"Write the right manifest elsewhere and rename it into place.",
		"在别处写好正确清单，再改名移入。"},
	"wrong.static-pod-manifest-broken": {
		"Editing in place while the kubelet watches: it reads half a file, and editors leave copies that it loads too.",
		"在 kubelet 监视下原地编辑：它会读到半个文件，编辑器留下的副本也会被加载。"},

	"title.held-back-by-salvor": {
		"Salvor itself holds pods or units back",
		"Salvor 自己正扣住一些 Pod 或 unit"},
	"finding.held-back-by-salvor": {
		"Salvor keeps %[2]s on %[1]s from running until the case is ended, by what lies in %[3]s (case: %[4]s).",
		"在处置结束前，Salvor 正阻止 %[1]s 上的 %[2]s 运行，凭据在 %[3]s（处置：%[4]s）。"},
	"repair.held-back-by-salvor": {
		"Go on with the case: salvor resume. Or take it back: salvor rollback. salvor cases lists them, with the mirrors that the machines keep.",
		"继续该处置：salvor resume；或撤回：salvor rollback。salvor cases 可列出全部处置及各主机保存的副本。"},
	"wrong.held-back-by-salvor": {
		"Moving the manifests back, or removing the unit's drop-in, by hand in the middle of a case: an etcd or an API server would start on data that is just being rebuilt.",
		"在处置中途手工把清单移回，或删除 unit 的 drop-in：etcd 或 API server 会在正在重建的数据上启动。"},

	"title.static-pod-manifest-missing": {
		"A static pod's manifest is missing",
		"静态 Pod 清单缺失"},
	"finding.static-pod-manifest-missing": {
		"%[1]s has no manifest for %[2]s: the kubelet has nothing to start.",
		"%[1]s 没有 %[2]s 的清单：kubelet 无物可启。"},
	"repair.static-pod-manifest-missing": {
		"Put it back from where it was moved to, or make it anew from another master's: the finding's evidence has the command where enough is known. Read what comes out before it is moved into place.",
		"从移走的地方放回，或按其他 master 的清单重新生成：信息足够时，证据中给出了具体命令。移入之前请先检查生成的内容。"},
	"wrong.static-pod-manifest-missing": {
		"kubeadm init.",
		"执行 kubeadm init。"},

	"title.static-pod-manifest-duplicate": {
		"Two manifests name the same pod",
		"两个清单指向同一 Pod"},
	"finding.static-pod-manifest-duplicate": {
		"%[1]s: pod %[2]s is named by both %[3]s and %[4]s. The kubelet loads every file whose name does not begin with a dot; the old one may win in silence.",
		"%[1]s：Pod %[2]s 同时出现在 %[3]s 和 %[4]s。kubelet 会加载所有不以点开头的文件，旧的可能悄悄生效。"},
	"repair.static-pod-manifest-duplicate": {
		"Move the copy out of the folder.",
		"把副本移出该目录。"},
	"wrong.static-pod-manifest-duplicate": {
		"Keeping backups in the manifests folder, with whatever ending.",
		"在清单目录里放备份，不管后缀是什么。"},

	"title.static-pod-file-missing": {
		"A static pod names files that are not there",
		"静态 Pod 引用的文件不存在"},
	"finding.static-pod-file-missing": {
		"%[1]s: %[2]s names %[3]s, which does not exist: the process ends at once.",
		"%[1]s：%[2]s 引用的 %[3]s 不存在：进程会立即退出。"},
	"repair.static-pod-file-missing": {
		"Bring the file back from the backup or another master.",
		"从备份或其他 master 取回该文件。"},
	"wrong.static-pod-file-missing": {
		"Taking the flag away: without an encryption configuration, secrets become unreadable.",
		"去掉该参数：没有加密配置，Secret 就读不出来。"},

	"title.etcd-data-dir-lost": {
		"A member's data dir is gone",
		"成员数据目录丢失"},
	"repair.etcd-data-dir-lost": {
		"With a quorum alive: replace the member (remove it, add it as learner, promote). Without one: rebuild from the best survivor.",
		"quorum 还在：替换成员（移除、以 learner 加入、提升）。不在：从最好的幸存者重建。"},
	"wrong.etcd-data-dir-lost": {
		"Starting the member on an empty folder with its old identity; adding before removing.",
		"用旧身份在空目录上启动；先添加再移除。"},

	"title.etcd-data-dir-foreign": {
		"A data dir holds something else",
		"数据目录里是别的东西"},
	"repair.etcd-data-dir-foreign": {
		"Check dataDir in salvor.yaml and --data-dir of the process; check that the volume is mounted.",
		"核对 salvor.yaml 的 dataDir、进程的 --data-dir，以及卷是否挂载。"},
	"wrong.etcd-data-dir-foreign": {
		"Emptying the folder.",
		"清空该目录。"},

	"title.etcd-all-members-lost": {
		"No member has data left",
		"所有成员的数据都不在了"},
	"finding.etcd-all-members-lost": {
		"All %[2]s members have lost their data dirs. Only a backup holds the data.",
		"全部 %[2]s 个成员的数据目录都丢失。只有备份里还有数据。"},
	"repair.etcd-all-members-lost": {
		"Check the newest snapshot by restoring it for a trial, then restore one file for all members, with a new token and the revisions bumped.",
		"先试恢复最新快照做检查，再用同一文件恢复所有成员，使用新 token 并抬高 revision。"},
	"wrong.etcd-all-members-lost": {
		"kubeadm init \"to get it back\": new authorities and keys, into which the old data does not fit.",
		"用 kubeadm init“找回来”：新的 CA 和密钥与旧数据不匹配。"},

	"title.etcd-wal-damaged": {
		"The write-ahead log is damaged in the middle",
		"WAL 中段损坏"},
	"repair.etcd-wal-damaged": {
		"With a quorum alive: replace the member. Without: salvage; the db usually holds the entries before the damage already.",
		"quorum 还在：替换成员。不在：抢救；损坏处之前的记录 db 中通常已有。"},
	"wrong.etcd-wal-damaged": {
		"Deleting the broken file or all of the log: acknowledged writes vanish, and newer etcd hangs for ever. \"discovery failed\" in the message has nothing to do with discovery.",
		"删除坏文件或整个 WAL：已确认的写入消失，新版 etcd 会一直卡住。报错里的 discovery failed 与发现服务无关。"},

	"title.etcd-wal-missing": {
		"The write-ahead log or a part of it is missing",
		"WAL 或其一部分缺失"},
	"finding.etcd-wal-missing": {
		"%[1]s: the write-ahead log is missing, in whole or in part: %[4]s. Somebody deleted or moved it; the data dir cannot be started as it is.",
		"%[1]s：WAL 全部或部分缺失：%[4]s。有人删除或移动过它；数据目录不能这样启动。"},
	"repair.etcd-wal-missing": {
		"Put the log back if it was moved. Else replace the member, or salvage its db.",
		"若只是被移走就放回。否则替换成员，或抢救它的 db。"},
	"wrong.etcd-wal-missing": {
		"Starting it: etcd 3.4 starts and loses every write until its index has caught up; newer ones hang.",
		"启动它：etcd 3.4 会启动并在索引追上之前丢掉所有写入；新版会卡住。"},

	"title.etcd-wal-torn-tail": {
		"The log's last record is incomplete",
		"WAL 最后一条记录不完整"},
	"repair.etcd-wal-torn-tail": {
		"Start the member: etcd cuts the record off by itself. Versions before 3.5.7 need the file cut at the last whole record, on a copy.",
		"启动成员：etcd 会自己截掉。3.5.7 之前的版本需在副本上截到最后一条完整记录。"},
	"wrong.etcd-wal-torn-tail": {
		"Deleting WAL files for it.",
		"为此删除 WAL 文件。"},

	"title.etcd-db-damaged": {
		"A member's db is damaged",
		"成员的 db 损坏"},
	"repair.etcd-db-damaged": {
		"With a quorum alive: replace the member. Without: its log on another member's db, or what can be read of its pages.",
		"quorum 还在：替换成员。不在：用它的 WAL 配另一成员的 db，或取出仍可读的页。"},
	"wrong.etcd-db-damaged": {
		"Defragmenting it; rm -rf member on a single node.",
		"对它 defrag；在单节点上 rm -rf member。"},

	"title.etcd-db-truncated": {
		"A member's db file is cut off",
		"成员的 db 文件被截断"},
	"finding.etcd-db-truncated": {
		"%[1]s: the db file ends before its own last page: %[2]s: %[4]s. etcd and etcdutl die of it with SIGBUS.",
		"%[1]s：db 文件在自己的最后一页之前就结束了：%[2]s：%[4]s。etcd 和 etcdutl 会因 SIGBUS 崩溃。"},
	"repair.etcd-db-truncated": {
		"As for a damaged db. Look for the reason: a copy that ended early, or a disk that was full.",
		"与 db 损坏相同。查原因：复制中断，或磁盘写满。"},
	"wrong.etcd-db-truncated": {
		"Running etcdutl on the only copy.",
		"在唯一副本上运行 etcdutl。"},

	"title.etcd-snap-db-missing": {
		"A member's db is missing",
		"成员的 db 缺失"},
	"finding.etcd-snap-db-missing": {
		"%[1]s: the data dir has no db: %[4]s. The log alone starts nothing.",
		"%[1]s：数据目录没有 db：%[4]s。只有 WAL 无法启动。"},
	"repair.etcd-snap-db-missing": {
		"With a quorum alive: replace the member. Without: replay its log on another member's db.",
		"quorum 还在：替换成员。不在：在另一成员的 db 上重放它的 WAL。"},
	"wrong.etcd-snap-db-missing": {
		"Moving the snap folder away \"so that it replays\": it works only while the log reaches back to the beginning; 3.7 panics.",
		"移走 snap 目录“让它重放”：只有 WAL 还从头开始时才行；3.7 会 panic。"},

	"title.etcd-db-behind-snapshot": {
		"A db is older than its log",
		"db 比 WAL 旧"},
	"finding.etcd-db-behind-snapshot": {
		"%[1]s: its db has applied index %[2]s, its log begins after %[3]s: entries between them are missing.",
		"%[1]s：db 应用到 index %[2]s，WAL 从 %[3]s 之后开始：中间的记录缺失。"},
	"repair.etcd-db-behind-snapshot": {
		"Replace the member; or use its log with another member's db.",
		"替换成员；或把它的 WAL 配另一成员的 db 使用。"},
	"wrong.etcd-db-behind-snapshot": {
		"Putting an old db into place.",
		"放入一个旧 db。"},

	"title.etcd-wal-behind-db": {
		"A log ends before what its db has applied",
		"WAL 落后于 db"},
	"repair.etcd-wal-behind-db": {
		"Stop it. Put the right log back, else replace the member or salvage the db.",
		"停止它。放回正确的 WAL，否则替换成员或抢救 db。"},
	"wrong.etcd-wal-behind-db": {
		"Waiting until \"it comes back by itself\": until then every acknowledged write is lost.",
		"等它“自己恢复”：在那之前每个已确认的写入都会丢。"},

	"title.etcd-silent-rebootstrap": {
		"A member made a new cluster of its own",
		"成员自行引导了新集群"},
	"repair.etcd-silent-rebootstrap": {
		"Stop that etcd and the API server beside it first; then remove the member from the real cluster, set its data aside, let it join as learner.",
		"先停掉该 etcd 和旁边的 API server；再从真正的集群移除该成员，移开其数据，以 learner 加入。"},
	"wrong.etcd-silent-rebootstrap": {
		"\"It is healthy, restart the others\": that makes the empty cluster the only one.",
		"“它是健康的，重启其他的”：那会让空集群成为唯一的集群。"},

	"title.etcd-restored-alone": {
		"A snapshot was restored without the cluster's names",
		"恢复快照时没有给出集群成员"},
	"finding.etcd-restored-alone": {
		"%[1]s is a cluster of one: member %[2]s, name %[3]s, %[4]s. It was restored without --name and --initial-cluster, on its own.",
		"%[1]s 是单成员集群：成员 %[2]s，名称 %[3]s，%[4]s。它是在没有 --name 和 --initial-cluster 的情况下单独恢复的。"},
	"repair.etcd-restored-alone": {
		"Restore one file for all members anew, with names, peer URLs and one fresh token; Salvor does that.",
		"用同一文件为所有成员重新恢复，带上名称、peer URL 和同一个新 token；Salvor 就是这样做的。"},
	"wrong.etcd-restored-alone": {
		"Joining such members to one another: their histories differ although they began equal.",
		"把这样的成员互相加入：起点相同，历史却不同。"},

	"title.etcd-cluster-id-mismatch": {
		"A member belongs to another cluster",
		"成员属于另一个集群"},
	"repair.etcd-cluster-id-mismatch": {
		"Find out which lineage has the quorum and the newest term and index; keep a copy of the other; let its members join anew.",
		"弄清哪一支有 quorum 且 term、index 最新；保留另一支的副本；让其成员重新加入。"},
	"wrong.etcd-cluster-id-mismatch": {
		"Wiping \"the one that complains\": the log names whoever is in the minority, not who is wrong.",
		"清掉“报错的那个”：日志指出的是少数一方，不是错的一方。"},

	"title.etcd-history-rewound": {
		"Somebody has seen more than the cluster holds",
		"有人见过比集群更新的数据"},
	"repair.etcd-history-rewound": {
		"Decide which history counts before anything is written; keep copies of both; compare them (salvor snapshot diff).",
		"写入之前先决定以哪段历史为准；两份都留副本；做对比（salvor snapshot diff）。"},
	"wrong.etcd-history-rewound": {
		"Letting both run.",
		"让两段历史同时运行。"},

	"title.etcd-same-id-other-history": {
		"Two histories carry one cluster ID",
		"同一集群 ID 下有两段历史"},
	"finding.etcd-same-id-other-history": {
		"%[1]s has committed index %[2]s, but the cluster of the same ID that serves has only seen %[3]s: it was restored with its old token. Do not start this member: its log would be replayed onto the others.",
		"%[1]s 已提交到 index %[2]s，而正在服务的同 ID 集群只到 %[3]s：它是用旧 token 恢复的。不要启动该成员：它的 WAL 会覆盖到其他成员上。"},
	"repair.etcd-same-id-other-history": {
		"Keep it stopped; keep a copy of its data (it holds what the restore lost); then let it join anew.",
		"保持停止；保留数据副本（里面有恢复时丢掉的写入）；再让它重新加入。"},
	"wrong.etcd-same-id-other-history": {
		"Starting it \"to complete the cluster\". Every restore needs a token of its own.",
		"启动它来“凑齐集群”。每次恢复都需要自己的 token。"},

	"title.etcd-voter-not-configured": {
		"A member votes that salvor.yaml does not name",
		"有 salvor.yaml 未列出的投票成员"},
	"repair.etcd-voter-not-configured": {
		"Add it to salvor.yaml.",
		"把它写入 salvor.yaml。"},
	"wrong.etcd-voter-not-configured": {
		"Counting quorum without it.",
		"计算 quorum 时不算它。"},

	"title.etcd-member-removed": {
		"A member was removed from the cluster",
		"成员已被集群移除"},
	"repair.etcd-member-removed": {
		"Keep a copy of its data, then let it join as a new member.",
		"保留数据副本，再让它作为新成员加入。"},
	"wrong.etcd-member-removed": {
		"Starting it again and again: a removed ID never comes back.",
		"反复启动：被移除的 ID 永远回不来。"},

	"title.etcd-learner-unstarted": {
		"A learner was added and never started",
		"learner 已添加但从未启动"},
	"finding.etcd-learner-unstarted": {
		"The learner %[2]s at %[1]s has never started: look at its pod or unit, not at its synchronisation.",
		"位于 %[1]s 的 learner %[2]s 从未启动：去看它的 Pod 或 unit，而不是同步状态。"},
	"repair.etcd-learner-unstarted": {
		"Remove that learner, mend what keeps it from starting, add it again.",
		"移除该 learner，修好启动问题，再添加。"},
	"wrong.etcd-learner-unstarted": {
		"kubeadm join in a loop: too many learner members.",
		"循环执行 kubeadm join：会报 too many learner members。"},

	"title.etcd-learner-waiting": {
		"A learner waits for its promotion",
		"learner 等待提升"},
	"repair.etcd-learner-waiting": {
		"Wait until it has caught up, then promote it (Salvor does); remove it if it never will.",
		"等它追上后提升（Salvor 会做）；追不上就移除。"},
	"wrong.etcd-learner-waiting": {
		"Counting it as a voter.",
		"把它算作有投票权。"},

	"title.etcd-peer-url-drift": {
		"A member's peer URL is not the one that is configured",
		"成员的 peer URL 与配置不符"},
	"finding.etcd-peer-url-drift": {
		"%[1]s: the member list says %[2]s, salvor.yaml says %[3]s. The list counts; flags are ignored once a log exists.",
		"%[1]s：成员列表写的是 %[2]s，salvor.yaml 写的是 %[3]s。以列表为准；有了 WAL 后启动参数不再起作用。"},
	"repair.etcd-peer-url-drift": {
		"member update --peer-urls on a living quorum, one member after the other.",
		"在有 quorum 时逐个成员 member update --peer-urls。"},
	"wrong.etcd-peer-url-drift": {
		"Changing flags only.",
		"只改启动参数。"},

	"title.etcd-members-disagree": {
		"The members that answer are not one cluster",
		"应答的成员不是同一个集群"},
	"repair.etcd-members-disagree": {
		"Check clientURLs and dataDir in salvor.yaml first; then look at the member that differs.",
		"先核对 salvor.yaml 的 clientURLs 和 dataDir，再看不一致的成员。"},
	"wrong.etcd-members-disagree": {
		"Writing while two leaders are named.",
		"在出现两个 leader 时写入。"},

	"title.etcd-corrupt-alarm": {
		"CORRUPT alarm",
		"CORRUPT 告警"},
	"repair.etcd-corrupt-alarm": {
		"Compare the hashes at one revision, replace the member that is in the minority, then disarm.",
		"在同一 revision 比较哈希，替换少数一方的成员，再解除告警。"},
	"wrong.etcd-corrupt-alarm": {
		"Disarming \"to unblock\": the wrong data is served from then on.",
		"解除告警“先用起来”：此后提供的就是错误数据。"},

	"title.etcd-members-diverged": {
		"Members hold different data",
		"各成员数据不一致"},
	"repair.etcd-members-diverged": {
		"Decide for one lineage (the majority's hash), keep a copy of the other, replace that member. Upgrade when the version is known for it.",
		"选定一支（多数一致的哈希），保留另一支的副本，替换该成员。若版本有已知缺陷则升级。"},
	"wrong.etcd-members-diverged": {
		"Trusting \"healthy\" and an empty alarm list: neither compares data.",
		"相信 healthy 和空的告警列表：它们都不比较数据。"},
}
