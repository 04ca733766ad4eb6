package say

// screens are the words around a diagnosis and a plan on a terminal.
var screens = map[string]entry{
	"screen.cause":      {"Cause", "根因"},
	"screen.members":    {"MEMBERS", "成员"},
	"screen.findings":   {"FINDINGS", "发现"},
	"screen.candidates": {"WHAT THE DATA CAN COME FROM", "数据可以从哪里来"},
	"screen.allowed":    {"DO", "可以做"},
	"screen.forbidden":  {"DO NOT", "不要做"},
	"screen.unknown":    {"NOT KNOWN", "未知"},
	"screen.next":       {"NEXT", "下一步"},
	"screen.plan":       {"PLAN", "方案"},
	"screen.steps":      {"STEPS", "步骤"},
	"screen.warnings":   {"KNOW BEFORE YOU AGREE", "同意之前须知"},
	"screen.asked":      {"YOU WILL BE ASKED", "将会询问"},
	"screen.silent":     {"explained by %[1]s", "由 %[1]s 引起"},
	"screen.hazards": {
		"after it is put back: %[1]s (--verbose tells more)",
		"放回之后：%[1]s（--verbose 可看详情）"},
	"screen.hidden": {
		"Consequences of these, not shown: %[1]s. --verbose shows them.",
		"另有 %[1]s 项发现是上述问题的后果：用 --verbose 查看。"},
	"screen.same":  {"the same of %[1]s", "%[1]s 亦然"},
	"screen.tells": {"%[1]s. To know it: %[2]s.", "%[1]s。查明方法：%[2]s。"},

	"column.member":    {"member", "成员"},
	"column.host":      {"host", "主机"},
	"column.state":     {"state", "状态"},
	"column.cluster":   {"cluster ID", "集群 ID"},
	"column.revision":  {"revision", "revision"},
	"column.position":  {"term/index", "term/index"},
	"column.candidate": {"candidate", "候选"},
	"column.age":       {"age", "距今"},
	"column.integrity": {"integrity", "完整性"},
	"column.loss":      {"loss", "丢失"},
	"column.why":       {"why", "原因"},
	"column.time":      {"time (UTC)", "时间（UTC）"},
	"column.took":      {"took", "耗时"},
	"column.step":      {"step", "步骤"},
	"column.result":    {"result", "结果"},
	"column.check":     {"check", "检查项"},
	"column.found":     {"found", "实际情况"},
	"column.finding":   {"finding", "发现"},
	"column.evidence":  {"evidence", "证据"},
	"column.weight":    {"weight", "级别"},

	"screen.revision": {"revision %[1]s", "revision %[1]s"},
	"screen.age":      {"%[1]s old", "%[1]s前"},
	"screen.age-now":  {"current", "当前"},
	"screen.source":   {"from %[1]s", "数据源 %[1]s"},
	"screen.case":     {"case %[1]s", "case %[1]s"},
	"screen.plan-id":  {"plan %[1]s", "方案 %[1]s"},
	"screen.after":    {"after %[1]s", "在 %[1]s 之后"},
	"screen.with":     {"together with %[1]s", "与 %[1]s 同时"},
	"screen.undoes":   {"This plan rolls case %[1]s back: the folders that were set aside return to their places.", "本方案回滚 case %[1]s：被移开的目录回到原位。"},
	"screen.forgets":  {"This plan deletes the backup that was fetched for case %[1]s, which has done nothing. The backup itself stays in the vault.", "本方案将删除为 case %[1]s 取回的备份，该 case 什么都没有做。备份本身仍在备份库中。"},
	"screen.cleans":   {"This plan DELETES what case %[1]s has set aside. Afterwards it cannot be rolled back.", "本方案将删除 case %[1]s 移开的内容。此后无法再回滚。"},

	"ask.loss": {
		"To accept the loss of %[1]s revisions: type %[1]s, or give --accept-loss %[1]s. --yes does not answer this.",
		"是否接受丢失 %[1]s 个 revision：输入 %[1]s，或加 --accept-loss %[1]s。--yes 不会替你回答。"},
	"ask.loss-unknown": {
		"To accept a loss that nobody can count: type unknown, or give --accept-loss unknown. --yes does not answer this.",
		"是否接受无法估计的丢失：输入 unknown，或加 --accept-loss unknown。--yes 不会替你回答。"},
	"ask.once": {
		"Once, whether to begin: type yes. --yes answers it, since it is proven that nothing is lost.",
		"只问一次是否开始：输入 yes。因为已证明没有丢失，也可用 --yes 直接同意。"},
	"ask.unproven": {
		"No loss is known, but that is not proven. To accept that: type unknown, or give --accept-loss unknown. --yes does not answer this.",
		"未发现丢失，但无法证明。若接受：输入 unknown，或加 --accept-loss unknown。--yes 不会替你回答。"},
	"ask.irreversible": {
		"Your yes also covers steps that Salvor cannot undo: %[1]s.",
		"同意也包括 Salvor 无法撤销的步骤：%[1]s。"},

	"span.ms":      {"%[1]s ms", "%[1]s 毫秒"},
	"span.second":  {"%[1]s s", "%[1]s 秒"},
	"span.minutes": {"%[1]s min", "%[1]s 分钟"},
	"span.hours":   {"%[1]s h", "%[1]s 小时"},
	"span.days":    {"%[1]s d", "%[1]s 天"},
	"span.minute":  {"%[1]s min %[2]s s", "%[1]s 分 %[2]s 秒"},
	"span.hour":    {"%[1]s h %[2]s min", "%[1]s 小时 %[2]s 分"},
	"span.day":     {"%[1]s d %[2]s h", "%[1]s 天 %[2]s 小时"},
}
