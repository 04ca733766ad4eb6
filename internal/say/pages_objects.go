package say

// pagesObjects are the pages of the classes of failure about what the API says
// although it serves: what each is called, what it looks like, what repairs it,
// and what must not be done.
var pagesObjects = map[string]entry{
	"title.nodes-not-ready-together": {
		"Most nodes went at the same time",
		"多数节点同时失联"},
	"finding.nodes-not-ready-together": {
		"%[2]s of %[3]s nodes are not ready at the same time: the cause is common to them (certificates, the load balancer, clocks, the network), not in each.",
		"%[3]s 个节点中有 %[2]s 个同时未就绪：原因是共同的（证书、负载均衡、时钟、网络），不在单个节点。"},
	"repair.nodes-not-ready-together": {
		"Keep the controller manager from evicting (stop it, or --controllers=-node-lifecycle-controller) until the kubelets are back; find what they share.",
		"在 kubelet 恢复前不要让 controller-manager 驱逐（停掉它，或 --controllers=-node-lifecycle-controller）；找出共同原因。"},
	"wrong.nodes-not-ready-together": {
		"Deleting nodes or force-deleting pods: when the kubelets return, everything is started twice or killed.",
		"删除节点或强制删除 Pod：kubelet 回来后会被重复启动或杀掉。"},

	"title.node-not-ready": {
		"A node is not ready",
		"节点未就绪"},
	"finding.node-not-ready": {
		"Node %[2]s is not ready: %[3]s.",
		"节点 %[2]s 未就绪：%[3]s。"},
	"repair.node-not-ready": {
		"Look at its kubelet and runtime; salvor diagnose tells when the machine is in salvor.yaml.",
		"查看其 kubelet 与运行时；机器在 salvor.yaml 中时 salvor diagnose 会说明。"},
	"wrong.node-not-ready": {
		"Deleting the Node object first.",
		"先删 Node 对象。"},

	"title.phantom-pods": {
		"Pods run that the API does not have",
		"有 API 中不存在的 Pod 在运行"},
	"finding.phantom-pods": {
		"%[1]s: %[2]s pods run that the API does not have on this node: %[3]s. They keep ports, addresses and volumes, and nobody sees them.",
		"%[1]s：有 %[2]s 个 API 在此节点上没有的 Pod 在运行：%[3]s。它们占着端口、地址与卷，却无人看见。"},
	"repair.phantom-pods": {
		"Restart the kubelet: it ends pods that the API does not have. Stop what is left by its uid, after a look at what it is.",
		"重启 kubelet：它会结束 API 中没有的 Pod。剩下的看清楚后按 uid 停止。"},
	"wrong.phantom-pods": {
		"Ignoring them until ports and volumes clash.",
		"置之不理，直到端口与卷冲突。"},

	"title.kubernetes-endpoints-stale": {
		"The service kubernetes does not list the API servers that live",
		"kubernetes 服务的端点与存活的 API server 不符"},
	"finding.kubernetes-endpoints-stale": {
		"The endpoints of the service kubernetes: %[2]s lead to no ready API server (%[3]s), %[4]s ready ones are missing (%[5]s). Connections from pods fail by chance.",
		"kubernetes 服务的端点：%[2]s 个通向未就绪的 API server（%[3]s），缺少 %[4]s 个就绪的（%[5]s）。Pod 的连接会随机失败。"},
	"repair.kubernetes-endpoints-stale": {
		"Wait a minute; then delete the key /registry/masterleases/ADDRESS of the one that is gone, and see to the one that is missing.",
		"等一分钟；然后删除已消失者的键 /registry/masterleases/地址，并检查缺少的那个。"},
	"wrong.kubernetes-endpoints-stale": {
		"Deleting the service kubernetes: it comes back with the same list.",
		"删除 kubernetes 服务：它会带着同样的列表回来。"},

	"title.volume-claims-lost": {
		"Volume claims have lost their volume",
		"卷声明失去了它的卷"},
	"finding.volume-claims-lost": {
		"%[2]s persistent volume claims are Lost: %[3]s. The volume object is gone; what it stood for may still be on the storage.",
		"%[2]s 个 PVC 处于 Lost：%[3]s。PV 对象没了；它所代表的数据可能仍在存储上。"},
	"repair.volume-claims-lost": {
		"Find the volume on the storage, make its PersistentVolume anew with policy Retain and the claim's name and uid in claimRef.",
		"在存储上找到该卷，用 Retain 策略重建 PV，并在 claimRef 中写上该声明的名字与 uid。"},
	"wrong.volume-claims-lost": {
		"Deleting the claim to get a fresh one: it is empty.",
		"删掉声明换一个新的：那是空卷。"},

	"title.namespace-stuck-terminating": {
		"A namespace does not end",
		"命名空间一直在终止中"},
	"finding.namespace-stuck-terminating": {
		"%[2]s namespaces have been ending for minutes: %[3]s.",
		"%[2]s 个命名空间终止了好几分钟仍未结束：%[3]s。"},
	"repair.namespace-stuck-terminating": {
		"See to what they wait for: an aggregated API that does not answer, a finalizer whose controller does not run.",
		"处理它们在等的东西：无应答的聚合 API，或控制器未运行的 finalizer。"},
	"wrong.namespace-stuck-terminating": {
		"Emptying the namespace's finalizers: what is in it is left behind, unseen.",
		"清空命名空间的 finalizer：里面的东西会残留而不可见。"},

	"title.crd-deleted": {
		"A custom resource definition of the newest backup is gone",
		"最新备份中的 CRD 已不存在"},
	"finding.crd-deleted": {
		"%[2]s custom resource definitions of the backup %[4]s (written %[5]s) are not in the API any more: %[3]s. All their resources went with them. It may have been meant.",
		"备份 %[4]s（写于 %[5]s）中的 %[2]s 个 CRD 在 API 中已不存在：%[3]s。其全部自定义资源也随之消失。也可能是有意删除。"},
	"repair.crd-deleted": {
		"Copy the backup aside. Stop the operators of these kinds first, and what deploys them (GitOps). Then take from the backup, while the cluster runs, the definition: `salvor snapshot get FILE apiextensions.k8s.io/customresourcedefinitions/NAME --raw` (JSON), and when it is Established its resources: `salvor snapshot ls FILE GROUP/PLURAL/`. Apply each without uid, resourceVersion, deletionTimestamp, ownerReferences of uids that changed; put their status back where the operator needs it. Hold them against what really exists, then start the operator. Definitions that were made and deleted after that backup are not seen, nor is one that was made anew under the same name.",
		"先另存备份。先停掉这些类型的 operator 以及部署它们的工具（GitOps）。集群照常运行，从备份中先取 CRD：`salvor snapshot get 文件 apiextensions.k8s.io/customresourcedefinitions/名称 --raw`（JSON），待其 Established 后再取资源：`salvor snapshot ls 文件 GROUP/PLURAL/`。去掉 uid、resourceVersion、deletionTimestamp 以及 uid 已变的 ownerReferences 后 apply；operator 需要时放回 status。与真实存在的资源核对后再启动 operator。备份之后新建又删除的看不到，同名重建的也看不到。"},
	"wrong.crd-deleted": {
		"Restoring the whole cluster: everybody's writes since the backup are lost for it. Installing the operator anew, or leaving it running, before the resources are back: what it finds no resource for, or finds being deleted, it may delete for real: databases, machines, volumes. Putting the stored bytes back with etcdctl: a deletionTimestamp in them goes on where it was.",
		"整集群恢复：备份之后所有人的写入都会丢失。资源放回之前就重装 operator 或让它运行：没有对应资源的、或正在删除的，它可能把真实的数据库、机器、卷删掉。用 etcdctl 把原始字节写回：其中的 deletionTimestamp 会让删除继续。"},

	"title.namespace-deleted": {
		"A namespace of the newest backup is gone",
		"最新备份中的命名空间已不存在"},
	"finding.namespace-deleted": {
		"%[2]s namespaces of the backup %[4]s (written %[5]s) are not in the API any more: %[3]s. It may have been meant.",
		"备份 %[4]s（写于 %[5]s）中的 %[2]s 个命名空间在 API 中已不存在：%[3]s。也可能是有意删除。"},
	"repair.namespace-deleted": {
		"Copy the backup aside, and take the objects out of it while the cluster runs. `salvor snapshot ls FILE | grep /NAMESPACE/` lists them. Custom resources lie there as JSON (`salvor snapshot get FILE KEY --raw`), the built-in kinds in protobuf: restore the file into a scratch folder (`salvor snapshot restore`), start on it an etcd and an API server that listen on loopback only, with no controller, and read them with kubectl get -o yaml. Apply them without uid, resourceVersion, status, ownerReferences of uids that changed, and clusterIP: the namespace, accounts, ConfigMaps and Secrets, volumes (claimRef without uid) and claims, workloads last. Only a backup tells what is gone: a namespace that was made and deleted after it is not seen, nor is one that was made anew under the same name.",
		"先另存备份，集群照常运行，从中离线取出对象。`salvor snapshot ls 文件 | grep /命名空间/` 可列出。自定义资源以 JSON 存放（`salvor snapshot get 文件 KEY --raw`），内置类型是 protobuf：把文件恢复到临时目录（`salvor snapshot restore`），在其上启动只监听 loopback、不带任何控制器的 etcd 与 API server，用 kubectl get -o yaml 读出。去掉 uid、resourceVersion、status、uid 已变的 ownerReferences 和 clusterIP 后 apply：先命名空间、账号、ConfigMap 与 Secret，再卷（claimRef 去掉 uid）与声明，最后工作负载。只有备份能说明少了什么：备份之后新建又删除的看不到，同名重建的也看不到。"},
	"wrong.namespace-deleted": {
		"Restoring the whole cluster for one namespace: what all others wrote since the backup is lost, volumes and addresses go back in time, and every API server and kubelet has to be restarted. Putting the stored bytes back with etcdctl: owners with other uids have the garbage collector delete them again.",
		"为一个命名空间整集群恢复：备份之后其他人的写入全部丢失，卷与地址倒退，所有 API server 和 kubelet 都要重启。用 etcdctl 把原始字节写回：属主 uid 不符，垃圾回收会再删一次。"},

	"title.webhook-backend-down": {
		"A webhook that fails closed has no backend",
		"失败即拒绝的 webhook 没有后端"},
	"finding.webhook-backend-down": {
		"%[2]s webhooks fail closed and no endpoint of their service is ready: %[3]s.",
		"%[2]s 个 webhook 失败即拒绝，而其服务没有就绪端点：%[3]s。"},
	"repair.webhook-backend-down": {
		"Save the configuration, set failurePolicy to Ignore (webhook configurations are not subject to webhooks), start the backend, put it back.",
		"保存配置，把 failurePolicy 设为 Ignore（webhook 配置本身不受 webhook 管），启动后端，再放回。"},
	"wrong.webhook-backend-down": {
		"Installing the operator anew while its own webhook blocks it; deleting its custom resource definitions.",
		"在自身 webhook 阻塞时重装 operator；删除其 CRD。"},

	"title.load-balancer-not-reached-from-here": {
		"The load balancer is not reached from Salvor's machine",
		"从 Salvor 所在机器访问不到负载均衡"},
	"finding.load-balancer-not-reached-from-here": {
		"%[1]s: from the machine that Salvor runs on, %[2]s works, then: %[3]s; the control plane's own machines reach it.",
		"%[1]s：从 Salvor 所在机器，%[2]s 层可用，之后：%[3]s；控制平面的机器自己能访问。"},
	"repair.load-balancer-not-reached-from-here": {
		"Look at name, route and firewall between this machine and the address; for the cluster nothing is wrong.",
		"查看这台机器与该地址之间的域名、路由与防火墙；集群本身没有问题。"},
	"wrong.load-balancer-not-reached-from-here": {
		"Repairing the load balancer.",
		"去修负载均衡。"},
}
