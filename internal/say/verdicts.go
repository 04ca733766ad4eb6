package say

// verdicts are the checks after a recovery.
var verdicts = map[string]entry{
	"verify.one-leader":         {"One leader: %[1]s.", "leader 唯一：%[1]s。"},
	"verify.no-leader":          {"There is no single leader: %[1]s.", "没有唯一的 leader：%[1]s。"},
	"verify.members":            {"The members are as planned: %[1]s.", "成员与方案一致：%[1]s。"},
	"verify.members-differ":     {"The members are not as planned: wanted %[1]s; found %[2]s.", "成员与方案不符：应为 %[1]s；实际为 %[2]s。"},
	"verify.cluster-id":         {"Every member shows cluster ID %[1]s.", "所有成员的集群 ID 均为 %[1]s。"},
	"verify.cluster-id-differs": {"The cluster ID is wrong: wanted %[1]s, found %[2]s. A member of another cluster runs.", "集群 ID 不符：应为 %[1]s，实际 %[2]s。有别的集群的成员在运行。"},
	"verify.hash-equal":         {"All %[3]s members hold the same data: HashKV %[2]s at revision %[1]s.", "全部 %[3]s 个成员数据一致：revision %[1]s 处 HashKV 为 %[2]s。"},
	"verify.hash-differs":       {"The members hold different data: %[1]s. Do not let clients back in.", "各成员数据不一致：%[1]s。不要放行客户端。"},
	"verify.alarms-none":        {"No alarm is raised.", "没有告警。"},
	"verify.alarms":             {"Alarms are raised: %[1]s.", "存在告警：%[1]s。"},
	"verify.content-equal":      {"Every live key equals the source's: %[1]s keys at revision %[2]s, sha256 %[3]s.", "所有现存键与数据源一致：revision %[2]s 处 %[1]s 个键，sha256 %[3]s。"},
	"verify.content-differs":    {"The content is not the source's: %[1]s keys wanted, found %[2]s.", "内容与数据源不符：应有 %[1]s 个键，实际 %[2]s。"},
	"verify.content-living":     {"The data never left the living cluster; there is no other source to compare with.", "数据一直在存活的集群中，没有其他数据源可比对。"},
	"verify.revision":           {"Revision %[1]s is not below the highest ever seen, %[2]s: no client runs ahead.", "revision %[1]s 不低于曾见过的最高值 %[2]s：没有客户端超前。"},
	"verify.revision-low":       {"Revision %[1]s is below the highest ever seen, %[2]s: watches from before would miss events in silence.", "revision %[1]s 低于曾见过的最高值 %[2]s：之前的 watch 会无声地漏掉事件。"},
	"verify.canary":             {"A new key was written, read through every member and seen by a watch, at revision %[1]s.", "已写入新键，从每个成员读出并被 watch 看到，revision %[1]s。"},
	"verify.canary-none": {
		"No canary was written: this check only reads.",
		"没有写入探针:本次检查只读。"},
	"verify.canary-missing":   {"No canary write is on record: that the cluster accepts writes is not proven.", "没有 canary 写入的记录：集群能否写入尚未证明。"},
	"verify.old-watch":        {"A watch from before (revision %[1]s) is refused as compacted: clients list again instead of missing events.", "恢复前的 watch（revision %[1]s）被以 compacted 拒绝：客户端会重新 list，不会漏事件。"},
	"verify.old-watch-open":   {"A watch from before (revision %[1]s) stays open in silence: clients miss events. Restart kube-apiserver and the node agents.", "恢复前的 watch（revision %[1]s）仍静默地挂着：客户端会漏事件。请重启 kube-apiserver 和节点代理。"},
	"verify.old-watch-living": {"The cluster kept its identity and revision: watches from before stay valid.", "集群的身份和 revision 未变：之前的 watch 依然有效。"},
	"verify.unknown":          {"Not known: %[1]s.", "无法得知：%[1]s。"},
}
