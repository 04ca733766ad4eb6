package say

// pagesLoad are the pages of the classes of failure about what makes a control
// plane late, who leads it, and what a backup lacks: what each is called, what it
// looks like, what repairs it, and what must not be done.
var pagesLoad = map[string]entry{
	"title.cpu-starved": {
		"etcd gets no CPU",
		"etcd 抢不到 CPU"},
	"finding.cpu-starved": {
		"%[1]s: etcd is late, its disk is not the reason, and the machine has no time for it: %[2]s. The log's \"likely from slow disk\" is wrong here.",
		"%[1]s：etcd 响应迟缓，原因不在磁盘，而是机器没有 CPU 给它：%[2]s。日志里的 likely from slow disk 在此不成立。"},
	"repair.cpu-starved": {
		"Take other load off the machine, raise etcd's CPU quota or weight, or give the virtual machine CPUs of its own. etcd recovers by itself.",
		"移走机器上的其他负载，调高 etcd 的 CPU 配额或权重，或为虚拟机分配独占 CPU。etcd 会自行恢复。"},
	"wrong.cpu-starved": {
		"Blaming the disk for the log's sentence; restarting members in turn: each restart is an election.",
		"因日志那句话归咎磁盘；逐个重启成员：每次重启都是一次选举。"},

	"title.memory-starved": {
		"Everything waits for memory",
		"一切都在等内存"},
	"finding.memory-starved": {
		"%[1]s: in %[2]s %% of the last minute all work waited for memory: the machine thrashes, and whatever runs on it is late.",
		"%[1]s：最近一分钟有 %[2]s %% 的时间所有任务都在等内存：机器在抖动，其上一切都迟缓。"},
	"repair.memory-starved": {
		"Find who took the memory (kubelet's metrics, ps); after an outage let API servers in one by one behind a closed load balancer: each start lists everything.",
		"找出占用内存者（kubelet 指标、ps）；故障后在负载均衡关闭的情况下逐个放入 API server：每次启动都会全量 LIST。"},
	"wrong.memory-starved": {
		"Restarting all API servers at the same time.",
		"同时重启所有 API server。"},

	"title.service-not-enabled": {
		"A service runs that will not start with the machine",
		"服务在运行，但不会随机器启动"},
	"finding.service-not-enabled": {
		"%[1]s: %[2]s runs, but is not enabled: after the next power cut or reboot systemd does not start it by itself.",
		"%[1]s：%[2]s 正在运行，但未设为开机启动：下次断电或重启后 systemd 不会自行启动它。"},
	"repair.service-not-enabled": {
		"systemctl enable UNIT, now, while all is well; it starts and stops nothing.",
		"趁现在一切正常，执行 systemctl enable UNIT；它不会启动或停止任何东西。"},
	"wrong.service-not-enabled": {
		"Waiting for the reboot to find out. On a machine whose data dir is still empty, enabling etcd before it is restored: it would begin a new life there at the next boot.",
		"等到重启才发现。或者：机器的数据目录还是空的，恢复之前就 enable etcd：下次开机它会从空数据开始新的集群。"},

	"title.apiserver-overloaded": {
		"API servers turn requests away",
		"API server 正在拒绝请求（429）"},
	"finding.apiserver-overloaded": {
		"%[1]s: API servers answer, and turn %[2]s away with 429 (%[3]s): more is asked of them than they let in.",
		"%[1]s：API server 有应答，但以 429 拒绝了 %[2]s 的请求（%[3]s）：请求超出其允许的并发。"},
	"repair.apiserver-overloaded": {
		"Find who asks: apiserver_flowcontrol_rejected_requests_total by flow schema (kubectl get --raw /metrics), the audit log by user agent. Pause it: operators that list everything, crash-looping agents, a script. Give it a flow schema and a priority level of its own with few seats (API Priority and Fairness). After an outage, or where API servers die of memory: close the load balancer, let them in one by one, each only when the last one is ready and quiet, with more memory for a while; every start lists everything anew.",
		"先找出是谁：按 flow schema 看 apiserver_flowcontrol_rejected_requests_total（kubectl get --raw /metrics），按 user agent 看审计日志。暂停它：全量 LIST 的 operator、崩溃循环的 agent、脚本。为它设置独立的 flow schema 与席位很少的优先级（API Priority and Fairness）。故障之后或 API server 因内存而死时：关闭负载均衡，逐个放入，前一个就绪并平静后再放下一个，并暂时加内存；每次启动都会重新全量 LIST。"},
	"wrong.apiserver-overloaded": {
		"Restarting all API servers at the same time: every client lists everything anew, and the storm is larger. Restoring a snapshot: no data is lost, and a restore has everybody list anew, too. Raising --max-requests-inflight without the memory for it, or switching off Priority and Fairness: then the control plane's own requests are turned away as well.",
		"同时重启所有 API server：所有客户端都会重新全量 LIST，风暴更大。恢复快照：数据没有丢，恢复同样会让所有人重新 LIST。没有相应内存就调大 --max-requests-inflight，或关闭 Priority and Fairness：控制平面自己的请求也会被拒。"},

	"title.etcd-defragmenting": {
		"A member defragments its db",
		"成员正在 defrag"},
	"finding.etcd-defragmenting": {
		"%[1]s rewrites its db now and answers nothing that needs it until that is done. It is not broken: wait.",
		"%[1]s 正在重写 db，完成前不会回应任何涉及 db 的请求。它没有坏：请等待。"},
	"repair.etcd-defragmenting": {
		"Wait: some seconds a gigabyte. From then on followers first, one at a time, the leader last after move-leader, with a timeout that is long enough and room for the db twice.",
		"等待：每 GB 数秒。以后先 follower、逐个进行，leader 在 move-leader 之后最后做；超时要足够长，磁盘要容得下两份 db。"},
	"wrong.etcd-defragmenting": {
		"Restarting it in the middle, replacing it, or restoring: nothing is lost. `defrag --cluster` in one go.",
		"中途重启、替换成员或恢复快照：数据没有丢。一次性 defrag --cluster。"},

	"title.etcd-v2-data-refused": {
		"etcd refuses to start on data of its old API",
		"etcd 因旧 v2 数据拒绝启动"},
	"finding.etcd-v2-data-refused": {
		"%[1]s: this etcd no longer serves the v2 API, and the data dir holds keys of it: %[3]s.",
		"%[1]s：此 etcd 已不支持 v2 API，而数据目录里有 v2 的键：%[3]s。"},
	"repair.etcd-v2-data-refused": {
		"Start etcd 3.5 again on the same files, look at the v2 keys (whoever wrote them needs them), remove them, then upgrade.",
		"在同一数据上重新启动 etcd 3.5，查看 v2 的键（写入者可能还需要），删除后再升级。"},
	"wrong.etcd-v2-data-refused": {
		"Emptying the data dir, or restoring an older backup: it holds the same keys' cluster without today's objects.",
		"清空数据目录，或恢复更旧的备份：丢掉的是今天的对象。"},

	"title.component-serving-cert-expired": {
		"A component shows a certificate that has ended",
		"组件提供的证书已过期"},
	"finding.component-serving-cert-expired": {
		"%[1]s: %[2]s shows at %[3]s a certificate that ended at %[4]s. Logs, exec and metrics fail where it is verified; nothing else does.",
		"%[1]s：%[2]s 在 %[3]s 提供的证书已于 %[4]s 过期。只有会校验它的日志、exec 与指标受影响。"},
	"repair.component-serving-cert-expired": {
		"Restart the component: controller manager and scheduler make a new one; the kubelet does when kubelet.crt and kubelet.key are moved aside, or rotates it (serverTLSBootstrap) once its request is approved.",
		"重启组件：controller-manager 与 scheduler 会重新生成；kubelet 需移开 kubelet.crt 与 kubelet.key，或启用 serverTLSBootstrap 并批准其请求。"},
	"wrong.component-serving-cert-expired": {
		"Taking it for the reason of an outage of the API.",
		"把它当成 API 中断的原因。"},

	"title.static-pod-runs-other-flags": {
		"A static pod does not run as its manifest says",
		"静态 Pod 未按其清单运行"},
	"finding.static-pod-runs-other-flags": {
		"%[1]s: %[2]s runs without %[3]s and with %[4]s: the manifest has not come into force, or another file did.",
		"%[1]s：%[2]s 运行时缺少 %[3]s，却带有 %[4]s：该清单没有生效，或生效的是另一个文件。"},
	"repair.static-pod-runs-other-flags": {
		"Wait a minute after a change; then look whether the kubelet runs and reads this folder. Moving the manifest out for 20 s and back makes it start anew.",
		"改动后等一分钟；再看 kubelet 是否在运行、是否读取此目录。将清单移出 20 秒再移回会重新启动。"},
	"wrong.static-pod-runs-other-flags": {
		"Editing again and again what nobody reads.",
		"反复编辑没人读的文件。"},

	"title.kube-system-objects-missing": {
		"Objects of kube-system are gone",
		"kube-system 的对象缺失"},
	"finding.kube-system-objects-missing": {
		"%[2]s objects that kubeadm made are not there: %[3]s. Nothing brings them back by itself; joins, upgrades and names fail for it.",
		"kubeadm 创建的 %[2]s 个对象不见了：%[3]s。没有什么会自动重建它们；join、升级与域名解析会因此失败。"},
	"repair.kube-system-objects-missing": {
		"Take them out of a snapshot (`salvor snapshot get`), or let `kubeadm init phase upload-config all`, `addon coredns` and `bootstrap-token` make them again.",
		"从快照里取出（`salvor snapshot get`），或用 `kubeadm init phase upload-config all`、`addon coredns`、`bootstrap-token` 重建。"},
	"wrong.kube-system-objects-missing": {
		"Restoring the whole cluster for a few objects.",
		"为几个对象恢复整个集群。"},

	"title.etcd-version-defrag-race": {
		"This etcd may damage its db in a defragmentation",
		"此版本的 etcd 在 defrag 时可能损坏 db"},
	"finding.etcd-version-defrag-race": {
		"%[1]s runs etcd %[2]s, in which a defragmentation that meets a snapshot from the leader damages the db.",
		"%[1]s 运行 etcd %[2]s：defrag 与来自 leader 的快照相遇时会损坏 db。"},
	"repair.etcd-version-defrag-race": {
		"Upgrade to 3.5.23, 3.6.5 or later; until then do not defragment a member that is catching up.",
		"升级到 3.5.23、3.6.5 或更新；在此之前不要对正在追赶的成员做 defrag。"},
	"wrong.etcd-version-defrag-race": {
		"Defragmenting a member that has just joined.",
		"对刚加入的成员做 defrag。"},

	"title.leader-leases-disagree": {
		"API servers disagree about who leads",
		"各 API server 对谁是 leader 说法不一"},
	"finding.leader-leases-disagree": {
		"%[2]s says that %[3]s leads %[1]s, %[4]s says %[5]s: they do not answer out of the same data, or two of them work at the same time.",
		"%[2]s 说 %[1]s 的 leader 是 %[3]s，%[4]s 说是 %[5]s：它们的数据不同，或有两个实例同时在工作。"},
	"repair.leader-leases-disagree": {
		"Find the API server whose etcd is another cluster, or behind: compare cluster ID, revision and hash of each member, bypassing the load balancer. Take that API server out first.",
		"找出其 etcd 属于另一集群或落后的 API server：绕过负载均衡，逐成员比较集群 ID、revision 与哈希。先把它摘下。"},
	"wrong.leader-leases-disagree": {
		"Deleting the pods of kube-system by force, or deleting the lease.",
		"强制删除 kube-system 的 Pod，或删除 lease。"},

	"title.leader-lease-not-renewed": {
		"Nobody leads a controller of the control plane",
		"控制面组件没有 leader"},
	"finding.leader-lease-not-renewed": {
		"%[1]s: the lease is still in the name of %[2]s and was last renewed %[3]s ago; nobody has taken it. Nothing is scheduled, or reconciled, until somebody does.",
		"%[1]s：lease 仍在 %[2]s 名下，最后续期于 %[3]s 前，无人接手。在此之前不会有任何调度或调谐。"},
	"repair.leader-lease-not-renewed": {
		"Look why its instances do not take it: not running, no rights, a clock, an API server that they cannot reach. In restored data the lease names somebody who is gone: it is taken within a minute.",
		"查看各实例为何不接手：没运行、没权限、时钟、连不上 API server。恢复的数据里 lease 可能属于已不存在者：一分钟内会被接手。"},
	"wrong.leader-lease-not-renewed": {
		"Restoring, or deleting pods of kube-system by force.",
		"恢复快照，或强制删除 kube-system 的 Pod。"},

	"title.backup-incomplete": {
		"A backup lacks what opens its data",
		"备份缺少打开数据所需的东西"},
	"finding.backup-incomplete": {
		"%[1]s: the data is kept, and this is not: %[2]s. On new machines it could not be read, or nobody could log in.",
		"%[1]s：数据有备份，但缺少：%[2]s。在新机器上数据将无法读取，或无人能登录。"},
	"repair.backup-incomplete": {
		"Keep the authorities' keys, the service-account key and the encryption configuration with the snapshots, sealed; `salvor backup` does it and says what it lacks.",
		"把各 CA 的私钥、service account 密钥和加密配置与快照一起加密保存；`salvor backup` 会这样做，并说明缺什么。"},
	"wrong.backup-incomplete": {
		"Finding out during the outage.",
		"故障当天才发现。"},

	"title.hazard-revision-goes-back": {
		"The data ends below what clients have seen",
		"数据的 revision 低于客户端见过的"},
	"finding.hazard-revision-goes-back": {
		"%[1]s: the data ends at revision %[2]s, and clients have seen %[3]s: put back as it is, whoever watches hears nothing of %[4]s revisions and goes on with what it remembers.",
		"%[1]s：数据止于 revision %[2]s，而客户端见过 %[3]s：原样放回，watch 者会错过 %[4]s 个 revision，并继续按旧记忆行事。"},
	"repair.hazard-revision-goes-back": {
		"A rebuild by Salvor begins far above and is compacted there, so that every watch ends and lists anew. By hand: --bump-revision above the gap, with --mark-compacted.",
		"由 Salvor 重建会从远高于此处开始并压缩，使所有 watch 结束并重新 LIST。手工操作：--bump-revision 大于差值，并加 --mark-compacted。"},
	"wrong.hazard-revision-goes-back": {
		"A plain restore; a bump when only one member is put back into a cluster that lives.",
		"不加参数的恢复；只把一个成员放回活着的集群时却做 bump。"},

	"title.hazard-api-servers-remember": {
		"API servers would go on with what they remember",
		"API server 会继续使用缓存"},
	"finding.hazard-api-servers-remember": {
		"%[1]s: %[2]s API servers run, or cannot be seen to be stopped (%[3]s): one that is not stopped before the data is put back goes on to answer out of its memory, whatever the revision.",
		"%[1]s：%[2]s 个 API server 在运行或无法确认已停止（%[3]s）：放回数据前没有停掉的，无论 revision 如何都会继续用缓存应答。"},
	"repair.hazard-api-servers-remember": {
		"Stop every one before and start them after: Salvor's plan does it on the machines that it reaches. Keep those that it does not reach from etcd and the load balancer.",
		"先全部停止，之后再启动：Salvor 的计划会在可达的机器上这样做。不可达的要与 etcd 和负载均衡隔离。"},
	"wrong.hazard-api-servers-remember": {
		"Trusting the bump of the revision alone.",
		"只依赖 revision 的 bump。"},

	"title.hazard-kubelets-remember": {
		"Kubelets would go on with what they were told before",
		"kubelet 会继续按之前的指令行事"},
	"finding.hazard-kubelets-remember": {
		"%[1]s: %[2]s kubelets run now (%[3]s), and %[4]s nodes of the data are not in salvor.yaml (%[5]s): until restarted they run what the data does not know, and are refused secrets of pods that it does (\"no relationship found between node …\").",
		"%[1]s：现有 %[2]s 个 kubelet 在运行（%[3]s），数据中另有 %[4]s 个节点不在 salvor.yaml 里（%[5]s）：重启前它们运行着数据中没有的 Pod，又会被拒绝读取数据中 Pod 的 Secret（no relationship found between node …）。"},
	"repair.hazard-kubelets-remember": {
		"Restart them in waves once the API is proven: Salvor's plan does it on the nodes of salvor.yaml. Do it by hand on the others.",
		"API 验证后分批重启：Salvor 的计划会在 salvor.yaml 的节点上这样做。其余节点手工执行。"},
	"wrong.hazard-kubelets-remember": {
		"Rebooting nodes one by one.",
		"逐台重启节点。"},
}
