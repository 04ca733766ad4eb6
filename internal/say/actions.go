package say

// actions are the steps of a plan, and what the operator has to know first.
var actions = map[string]entry{
	"action.stop-member":       {"Stop %[1]s and make sure that it stays down", "停止 %[1]s，并确保它不会自行启动"},
	"action.stop-member-loose": {"Leave %[1]s stopped, and hold its unit back no longer", "让 %[1]s 保持停止，并不再扣住它的 unit"},
	"action.start-member":      {"Start %[1]s", "启动 %[1]s"},
	"action.salvage":           {"Replay the log %[2]s on the db %[1]s into a clean image; both stay as they are", "把 WAL %[2]s 重放到 db %[1]s，生成干净的镜像；原文件保持不变"},
	"action.salvage-alone":     {"Make a clean image of the db %[1]s alone, without a log; it stays as it is", "仅用 db %[1]s（不含 WAL）生成干净的镜像；原文件保持不变"},
	"action.scavenge":          {"Collect records from the pages of the broken db %[1]s into a clean image; it stays as it is", "从损坏的 db %[1]s 逐页收集记录，生成干净的镜像；原文件保持不变"},
	"action.check-image":       {"Check the snapshot %[1]s: digest, structure, content", "校验快照 %[1]s：摘要、结构、内容"},
	"action.copy-files":        {"Copy %[1]s from %[2]s and compare digests", "从 %[2]s 复制 %[1]s 并核对摘要"},
	"action.build-member":      {"Build the new data dir of %[1]s beside the old one: %[2]s", "在旧目录旁为 %[1]s 建立新数据目录：%[2]s"},
	"action.set-aside":         {"Set %[1]s aside as %[2]s (renamed, not deleted)", "把 %[1]s 移开为 %[2]s（改名，不删除）"},
	"action.put-in-place":      {"Put the new folder in place: %[1]s", "把新目录放到位：%[1]s"},
	"action.await-quorum":      {"Wait until %[1]s reads through a quorum of %[2]s voting members", "等待 %[1]s 能通过 quorum 读取（%[2]s 个投票成员）"},
	"action.save-snapshot":     {"Save a snapshot from %[1]s before anything changes", "改动之前先从 %[1]s 保存快照"},
	"action.remove-member":     {"Remove %[1]s (member ID %[2]s) from the living cluster's member list", "从存活集群的成员列表移除 %[1]s（成员 ID %[2]s）"},
	"action.add-learner":       {"Announce %[1]s to the living cluster as a learner (no vote yet)", "把 %[1]s 作为 learner 加入存活集群（暂无投票权）"},
	"action.promote-learner":   {"Give %[1]s its vote as soon as it has caught up", "%[1]s 追上进度后将其提升为投票成员"},
	"action.compact":           {"Discard the history below revision %[1]s; current values stay", "压缩（compact）revision %[1]s 之前的历史；当前值不变"},
	"action.defragment":        {"Defragment %[1]s; it does not answer meanwhile", "对 %[1]s 做 defrag；期间它不应答"},
	"action.disarm-alarm":      {"Disarm the %[1]s alarm, now that its cause is gone", "原因已排除，解除 %[1]s 告警"},
	"action.canary":            {"Prove that it serves: write a key through %[1]s, read it through every member, see it in a watch", "验证可用：经 %[1]s 写入一个键，从每个成员读出，并在 watch 中看到"},

	"action.fence-component":   {"Hold %[1]s back: manifest or unit, process, port and sandbox gone", "隔离 %[1]s：manifest 或 unit 移开，进程、端口、sandbox 全部消失"},
	"action.release-component": {"Let %[1]s run again", "放行 %[1]s"},
	"action.await-api":         {"Wait until this machine's API server is ready", "等待本机的 API server 就绪"},
	"action.await-api-write":   {"Wait until this machine's API server is ready, and write through it", "等待本机的 API server 就绪，并经它写入一次"},
	"action.restart-kubelet":   {"Start the kubelet anew; pods run on", "重启 kubelet；pod 继续运行"},
	"action.await-nodes":       {"Wait until these nodes are Ready and renew their leases: %[1]s", "等待这些节点 Ready 并续租：%[1]s"},
	"action.await-balancer":    {"Wait until the load balancer %[1]s leads to all %[2]s API servers", "等待负载均衡器 %[1]s 通向全部 %[2]s 个 API server"},

	"action.discard": {"DELETE %[1]s, which an earlier case has left behind", "删除 %[1]s（先前 case 留下的）"},

	"warning.left-out": {
		"%[1]s is left out: its host %[2]s cannot be reached. Keep it off until it is joined anew; its old data must not start beside the new cluster.",
		"%[1]s 不参与：主机 %[2]s 无法访问。在重新加入之前不要让它启动；旧数据不能与新集群同时运行。"},
	"warning.undo-left-out": {
		"%[1]s is left out: its host %[2]s cannot be reached. What was done there stays as it is: keep it off until it is joined anew.",
		"%[1]s 不参与：主机 %[2]s 无法访问。那里已做的改动保持原样：在重新加入之前不要让它启动。"},
	"warning.undo-no-data": {
		"%[1]s stays stopped: its data dir %[2]s on %[3]s was gone or empty before, and it would make itself an empty cluster or join with the vote of one that knew more. `salvor diagnose` says what it needs.",
		"%[1]s 保持停止：它在 %[3]s 上的数据目录 %[2]s 此前就已丢失或为空，启动会让它自建一个空集群，或以失忆的成员身份投票。`salvor diagnose` 会说明需要做什么。"},
	"warning.even": {
		"The cluster will have %[1]s members, an even number: it tolerates no more failures than with one member less. Add one soon.",
		"集群将有 %[1]s 个成员，为偶数：容错能力与少一个成员时相同。请尽快补上一个。"},
	"warning.history-compacted": {
		"The history below revision %[1]s is discarded: watches from before it have to list again. Current values stay.",
		"revision %[1]s 之前的历史将被丢弃：从更早位置开始的 watch 需要重新 list。当前值不变。"},
	"warning.watchers-relist": {
		"The cluster gets a new identity and a higher revision: every client has to list again. kube-apiserver does so by itself; expect a burst of requests.",
		"集群将获得新的身份和更高的 revision：所有客户端都要重新 list。kube-apiserver 会自动完成；请预期短时请求高峰。"},
	"warning.quota": {
		"The data may not fit the quota of %[1]s: %[2]s MiB are in use, the quota is %[3]s MiB. Above it etcd takes no writes (NOSPACE): raise --quota-backend-bytes first.",
		"数据可能超出 %[1]s 的配额：已用 %[2]s MiB，配额 %[3]s MiB。超出后 etcd 拒绝写入（NOSPACE）：请先调高 --quota-backend-bytes。"},

	"warning.api-down": {
		"The API is held back on %[1]s until etcd is proven; pods that run keep running.",
		"在 etcd 得到验证之前，%[1]s 上的 API 会被隔离；正在运行的 pod 不受影响。"},
	"warning.api-quiet": {
		"The API server on %[1]s is held back while its machine's etcd member is started; the other API servers serve on if they have a quorum.",
		"启动 %[1]s 上的 etcd 成员期间，会隔离该机器的 API server；只要有 quorum，其他 API server 继续服务。"},
	"warning.api-unreached": {
		"The API server on %[1]s cannot be held back, because the machine cannot be reached. If it still runs, it serves only what its own etcd member gives it.",
		"无法隔离 %[1]s 上的 API server，因为访问不到该机器。如果它仍在运行，只能提供它自己的 etcd 成员所给的数据。"},

	"loss.none":        {"Nothing is lost: every acknowledged write is kept.", "不丢失任何数据：所有已确认的写入都会保留。"},
	"loss.none-known":  {"No loss is known, but that is not proven.", "未发现丢失，但无法证明。"},
	"loss.unknown":     {"How much is lost is unknown (%[1]s).", "丢失多少未知（%[1]s）。"},
	"loss.revisions":   {"LOSS: %[1]s revisions.", "丢失：%[1]s 个 revision。"},
	"loss.objects":     {"LOSS: %[1]s revisions, which touch %[2]s objects.", "丢失：%[1]s 个 revision，涉及 %[2]s 个对象。"},
	"loss.sample":      {"The objects, and what happened to them that would be undone (%[1]s of %[2]s):", "涉及的对象及将被撤销的变更（%[2]s 个中的 %[1]s 个）："},
	"loss.created":     {"created: %[1]s", "创建：%[1]s"},
	"loss.changed":     {"changed: %[1]s", "修改：%[1]s"},
	"loss.deleted":     {"deleted: %[1]s", "删除：%[1]s"},
	"loss.since":       {"That is everything written since %[1]s.", "即 %[1]s 之后的全部写入。"},
	"loss.short.none":  {"loses nothing", "无丢失"},
	"loss.short.known": {"no known loss", "未见丢失"},
	"loss.short.what":  {"loss unknown", "丢失未知"},
	"loss.short.revs":  {"loses %[1]s revisions", "丢失 %[1]s 个 revision"},
	"loss.short.objs":  {"%[1]s objects", "%[1]s 个对象"},
}
