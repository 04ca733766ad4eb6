package say

// pagesHazards are the pages of the classes of failure about what data would do
// after it was put back: what each is called, what it looks like, what repairs
// it, and what must not be done.
var pagesHazards = map[string]entry{
	"title.hazard-data-of-other-cluster": {
		"The data is another cluster's",
		"数据属于另一个集群"},
	"finding.hazard-data-of-other-cluster": {
		"%[1]s: its namespace kube-system has uid %[2]s, that of other data %[3]s: it is another cluster's, or one that was built anew.",
		"%[1]s：其 kube-system 的 uid 为 %[2]s，而其他数据为 %[3]s：它属于另一个集群，或集群曾被重建。"},
	"repair.hazard-data-of-other-cluster": {
		"Look for a backup of this cluster; salvor snapshot inspect shows whose one is.",
		"找本集群的备份；salvor snapshot inspect 可看出属于谁。"},
	"wrong.hazard-data-of-other-cluster": {
		"Restoring it because the names of the members fit.",
		"因为成员名字对得上就恢复它。"},

	"title.hazard-data-of-newer-etcd": {
		"The data is of a newer etcd than the members run",
		"数据来自比成员更新的 etcd"},
	"finding.hazard-data-of-newer-etcd": {
		"%[1]s: the data belongs to etcd %[2]s, and the oldest member runs %[3]s: it refuses to start on it.",
		"%[1]s：数据属于 etcd %[2]s，而最旧的成员是 %[3]s：它会拒绝用此数据启动。"},
	"repair.hazard-data-of-newer-etcd": {
		"Give the members the etcd of that version (image or program) before the data is put back.",
		"放回数据之前，先让成员使用该版本的 etcd（镜像或程序）。"},
	"wrong.hazard-data-of-newer-etcd": {
		"Editing versions in the db by hand.",
		"手工修改 db 里的版本。"},

	"title.hazard-admin-without-rights": {
		"The administrator's kubeconfig would have no rights",
		"管理员 kubeconfig 将没有权限"},
	"finding.hazard-admin-without-rights": {
		"%[1]s: %[2]s is of group %[3]s, to which the data gives no rights: kubectl would be forbidden everything.",
		"%[1]s：%[2]s 属于组 %[3]s，而数据未给它任何权限：kubectl 将处处被拒。"},
	"repair.hazard-admin-without-rights": {
		"Keep super-admin.conf at hand (group system:masters needs no binding); after the restore: kubeadm init phase kubeconfig super-admin, then bind the group again.",
		"备好 super-admin.conf（system:masters 组不需要绑定）；恢复后用 kubeadm init phase kubeconfig super-admin，再重新绑定该组。"},
	"wrong.hazard-admin-without-rights": {
		"Taking the Forbidden for a broken API server.",
		"把 Forbidden 当成 API server 故障。"},

	"title.hazard-admission-policy-denies": {
		"Admission policies in the data would deny everything they match",
		"数据中的准入策略会全部拒绝"},
	"finding.hazard-admission-policy-denies": {
		"%[1]s: %[2]s admission policies deny when they cannot decide, and the kind of their parameters is not in the data: %[3]s.",
		"%[1]s：%[2]s 个准入策略在无法判定时拒绝，而其参数的类型不在数据中：%[3]s。"},
	"repair.hazard-admission-policy-denies": {
		"Before controllers start: delete their bindings, or install the custom resource definition; put them back afterwards.",
		"控制器启动前：先删除其绑定，或装好 CRD；之后再放回。"},
	"wrong.hazard-admission-policy-denies": {
		"Looking for a webhook: a policy has none.",
		"去找 webhook：策略没有 webhook。"},

	"title.hazard-conversion-webhook-down": {
		"Custom resources cannot be read until their conversion webhook runs",
		"转换 webhook 运行前读不了自定义资源"},
	"finding.hazard-conversion-webhook-down": {
		"%[1]s: %[2]s custom resource definitions are converted by services without a ready endpoint in the data: %[3]s. Lists of them fail, and with them garbage collection.",
		"%[1]s：%[2]s 个 CRD 由没有就绪端点的服务转换：%[3]s。它们的列表会失败，垃圾回收也随之停住。"},
	"repair.hazard-conversion-webhook-down": {
		"Start the operators behind them first.",
		"先启动它们背后的 operator。"},
	"wrong.hazard-conversion-webhook-down": {
		"Deleting the definitions: all their objects go with them.",
		"删除这些 CRD：其全部对象会一起被删。"},

	"title.hazard-stored-version-not-served": {
		"Custom resources are stored in a version that is gone",
		"自定义资源以已不存在的版本存储"},
	"finding.hazard-stored-version-not-served": {
		"%[1]s: %[2]s custom resource definitions have objects stored in versions that they do not have any more: %[3]s.",
		"%[1]s：%[2]s 个 CRD 有对象以其已不再具有的版本存储：%[3]s。"},
	"repair.hazard-stored-version-not-served": {
		"Apply the definition of that time before the operator, then migrate the objects.",
		"在 operator 之前先应用当时的 CRD，再迁移对象。"},
	"wrong.hazard-stored-version-not-served": {
		"Removing the version from storedVersions without migrating.",
		"不迁移就从 storedVersions 中去掉该版本。"},

	"title.hazard-aggregated-api-down": {
		"Aggregated APIs stay down until their servers run",
		"聚合 API 在其服务运行前不可用"},
	"finding.hazard-aggregated-api-down": {
		"%[1]s: %[2]s APIs are served by services without a ready endpoint in the data: %[3]s. Until they run, namespaces are not deleted and autoscalers see nothing.",
		"%[1]s：%[2]s 个 API 由数据中没有就绪端点的服务提供：%[3]s。它们运行之前，命名空间删不掉，自动扩缩容看不到指标。"},
	"repair.hazard-aggregated-api-down": {
		"Wait for them before autoscalers and deletions; remove an APIService whose server is gone for good.",
		"在自动扩缩容与删除之前先等它们；服务已永久消失的 APIService 可移除。"},
	"wrong.hazard-aggregated-api-down": {
		"Removing finalizers of namespaces that hang.",
		"去掉卡住的命名空间的 finalizer。"},

	"title.hazard-db-near-quota": {
		"The data nearly fills the quota",
		"数据几乎占满配额"},
	"finding.hazard-db-near-quota": {
		"%[1]s: its db has %[2]s MiB, and the quota is %[3]s MiB (%[4]s): writes may be refused soon after it is put back.",
		"%[1]s：其 db 有 %[2]s MiB，配额为 %[3]s MiB（%[4]s）：放回后不久可能拒绝写入。"},
	"repair.hazard-db-near-quota": {
		"Raise --quota-backend-bytes on all members before they start, or defragment right after.",
		"成员启动前在全部成员上调高 --quota-backend-bytes，或启动后立即整理碎片。"},
	"wrong.hazard-db-near-quota": {
		"Meeting the NOSPACE alarm with another restore.",
		"遇到 NOSPACE 告警再恢复一次。"},

	"title.hazard-leases-of-gone-holders": {
		"Leases in the data belong to holders that are gone",
		"数据中的租约属于已不存在的持有者"},
	"finding.hazard-leases-of-gone-holders": {
		"%[1]s: %[2]s leases are of machines that are gone, or renewed later than it is now: %[3]s. Controllers wait them out, and API servers that are no more are listed for an hour.",
		"%[1]s：%[2]s 个租约属于已不存在的机器，或续期时间晚于现在：%[3]s。控制器要等它们过期，已不存在的 API server 还会列出一小时。"},
	"repair.hazard-leases-of-gone-holders": {
		"Check the clocks first; then wait, or delete the leases that hold something up.",
		"先核对时钟；然后等待，或删除挡路的租约。"},
	"wrong.hazard-leases-of-gone-holders": {
		"Restarting controllers again and again: they wait all the same.",
		"反复重启控制器：照样要等。"},

	"title.hazard-pods-not-in-data": {
		"Pods run that the data does not know",
		"正在运行的 Pod 不在数据中"},
	"finding.hazard-pods-not-in-data": {
		"%[1]s: %[2]s pods run on the machines and are not in the data: %[3]s. After a restore nobody sees or stops them; they keep ports, devices and volumes.",
		"%[1]s：机器上有 %[2]s 个正在运行的 Pod 不在数据中：%[3]s。恢复后无人看见、无人停止，却占着端口、设备与卷。"},
	"repair.hazard-pods-not-in-data": {
		"Note them down; restart the kubelets after the restore (they end pods that the API does not have) before controllers start.",
		"先记录下来；恢复后在控制器启动前重启 kubelet（它会结束 API 中没有的 Pod）。"},
	"wrong.hazard-pods-not-in-data": {
		"Letting controllers start them a second time beside themselves.",
		"让控制器在旁边再起一份。"},

	"title.hazard-volume-attachments-stale": {
		"Volume attachments in the data are stale",
		"数据中的卷挂载记录已过时"},
	"finding.hazard-volume-attachments-stale": {
		"%[1]s: %[2]s attachments are of nodes or volumes that the data does not have: %[3]s. A volume may be attached elsewhere by now.",
		"%[1]s：%[2]s 个挂载记录的节点或卷不在数据中：%[3]s。卷现在可能挂在别处。"},
	"repair.hazard-volume-attachments-stale": {
		"Compare with what the storage says before controllers start; delete the stale ones.",
		"控制器启动前与存储侧核对；删除过时的记录。"},
	"wrong.hazard-volume-attachments-stale": {
		"Forcing a detach while a pod writes.",
		"在 Pod 写入时强制卸载。"},

	"title.hazard-autoscalers-act": {
		"Autoscalers would act on missing metrics",
		"自动扩缩容会依据缺失的指标动作"},
	"finding.hazard-autoscalers-act": {
		"%[1]s: %[2]s autoscalers may change the number of pods as soon as they run: %[3]s.",
		"%[1]s：%[2]s 个自动扩缩容器一运行就可能改变 Pod 数：%[3]s。"},
	"repair.hazard-autoscalers-act": {
		"Start the controller manager without horizontal-pod-autoscaler until metrics.k8s.io is available.",
		"metrics.k8s.io 可用之前，启动 controller-manager 时排除 horizontal-pod-autoscaler。"},
	"wrong.hazard-autoscalers-act": {
		"Starting everything at once.",
		"一次全部启动。"},

	"title.hazard-gitops-acts": {
		"GitOps would act on the restored state",
		"GitOps 会对恢复后的状态动手"},
	"finding.hazard-gitops-acts": {
		"%[1]s: %[2]s objects put a state into the cluster that is written down elsewhere: %[3]s. They overwrite, or bring back, what the restore changed.",
		"%[1]s：%[2]s 个对象会把别处写下的状态放进集群：%[3]s。它们会覆盖恢复的结果，或让已删除的复活。"},
	"repair.hazard-gitops-acts": {
		"Suspend them (or scale their controllers to zero) before controllers start; compare; resume.",
		"控制器启动前先暂停（或把其控制器缩到 0）；对比；再恢复。"},
	"wrong.hazard-gitops-acts": {
		"Finding out from changed objects who acted.",
		"等对象被改了才发现是谁动的。"},

	"title.hazard-other-stores": {
		"State of the cluster lies in stores that are not in the data",
		"集群状态还存在于数据之外的存储"},
	"finding.hazard-other-stores": {
		"%[1]s: %[2]s other stores hold state: %[3]s. They are not put back with this data and may not fit it.",
		"%[1]s：另有 %[2]s 个存储保存状态：%[3]s。它们不会随此数据放回，可能与之不符。"},
	"repair.hazard-other-stores": {
		"Restore them to the same time, or empty what may be empty (events).",
		"把它们恢复到同一时间，或清空可以为空的（如 events）。"},
	"wrong.hazard-other-stores": {
		"Restoring one of two halves.",
		"只恢复一半。"},

	"title.hazard-outside-state": {
		"Services have addresses outside of the cluster",
		"服务在集群外有地址"},
	"finding.hazard-outside-state": {
		"%[1]s: %[2]s services have load balancers or addresses outside: %[3]s. What was made or removed there since is not in the data.",
		"%[1]s：%[2]s 个服务在集群外有负载均衡器或地址：%[3]s。此后在外面新建或删除的不在数据中。"},
	"repair.hazard-outside-state": {
		"Compare them with the load balancers, DNS and routes outside before the cloud or service controller starts.",
		"云控制器或服务控制器启动前，与外部的负载均衡、DNS、路由核对。"},
	"wrong.hazard-outside-state": {
		"Letting the controller delete what it does not know.",
		"任由控制器删掉它不认识的。"},

	"title.hazard-data-plane-stale": {
		"The data plane has to be looked after, in this order",
		"数据面需要依次照看"},
	"finding.hazard-data-plane-stale": {
		"%[1]s: after the restore these still act on their old view of the API until they list anew: %[2]s.",
		"%[1]s：恢复后，在重新拉取列表之前，以下组件仍按旧视图工作：%[2]s。"},
	"repair.hazard-data-plane-stale": {
		"A rebuild by Salvor makes their watches end (revision ahead, compacted), so most list anew by themselves; probe names and services on each node, and restart what is stale in this order.",
		"由 Salvor 重建会使其 watch 结束（revision 提前并压缩），大多会自行重新拉取；在每个节点探测 DNS 与服务，按此顺序重启仍过时的。"},
	"wrong.hazard-data-plane-stale": {
		"Rebooting nodes one by one.",
		"逐台重启节点。"},
}
