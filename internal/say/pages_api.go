package say

// pagesAPI are the pages of the classes of failure about API servers and the way to them:
// what each is called, what it looks like, what repairs it, and what must not
// be done.
var pagesAPI = map[string]entry{
	"title.apiserver-down": {
		"An API server does not run",
		"API server 没有运行"},
	"finding.apiserver-down": {
		"%[1]s: nothing listens at %[2]s (%[3]s).",
		"%[1]s：%[2]s 上没有监听（%[3]s）。"},
	"repair.apiserver-down": {
		"The time to its end tells: under 2 s a flag or file, about 20 s etcd, 137 memory, minutes a probe. Read /var/log/pods/kube-system_kube-apiserver*.",
		"看它多久退出：2 秒内是参数或文件，约 20 秒是 etcd，137 是内存，几分钟是探针。看 /var/log/pods/kube-system_kube-apiserver*。"},
	"wrong.apiserver-down": {
		"Restoring etcd because the API is away.",
		"因为 API 不通就恢复 etcd。"},

	"title.apiserver-hangs": {
		"An API server accepts connections and does not answer",
		"API server 接受连接却不回答"},
	"finding.apiserver-hangs": {
		"%[1]s: %[2]s hangs after %[3]s: %[4]s.",
		"%[1]s：%[2]s 在 %[3]s 之后卡住：%[4]s。"},
	"repair.apiserver-hangs": {
		"Look at etcd behind it and at its memory; a served certificate that it cannot load shows here too.",
		"看它背后的 etcd 和内存；加载不了的服务证书也表现于此。"},
	"wrong.apiserver-hangs": {
		"Restarting all API servers together.",
		"同时重启所有 API server。"},

	"title.apiserver-not-ready": {
		"An API server is not ready",
		"API server 未就绪"},
	"finding.apiserver-not-ready": {
		"%[1]s: %[2]s answers, but is not ready: %[3]s.",
		"%[1]s：%[2]s 有应答但未就绪：%[3]s。"},
	"repair.apiserver-not-ready": {
		"The name of the check tells: etcd → etcd; informer-sync and storage-readiness → objects that cannot be decrypted or decoded; poststarthook/rbac → storage.",
		"看检查项名称：etcd → etcd；informer-sync、storage-readiness → 对象无法解密或解码；poststarthook/rbac → 存储。"},
	"wrong.apiserver-not-ready": {
		"Restarting it until it is ready.",
		"反复重启直到就绪。"},

	"title.apiserver-bad-flag": {
		"A control plane process ends for a flag or a file",
		"控制面进程因参数或文件退出"},
	"finding.apiserver-bad-flag": {
		"%[1]s: %[2]s ends at once: %[3]s. etcd is not the cause.",
		"%[1]s：%[2]s 立即退出：%[3]s。原因不在 etcd。"},
	"repair.apiserver-bad-flag": {
		"Mend the flag in the manifest (write elsewhere, rename into place).",
		"修正清单里的参数（在别处写好再改名移入）。"},
	"wrong.apiserver-bad-flag": {
		"Restoring etcd.",
		"恢复 etcd。"},

	"title.apiserver-etcd-unreachable": {
		"The API server does not reach etcd",
		"API server 连不上 etcd"},
	"finding.apiserver-etcd-unreachable": {
		"%[1]s: the API server does not reach etcd: %[3]s.",
		"%[1]s：API server 连不上 etcd：%[3]s。"},
	"repair.apiserver-etcd-unreachable": {
		"Look at etcd; if it serves, at the client certificate, --etcd-servers and the network between.",
		"看 etcd；若它在服务，看客户端证书、--etcd-servers 和中间网络。"},
	"wrong.apiserver-etcd-unreachable": {
		"Restarting API servers.",
		"重启 API server。"},

	"title.apiserver-cannot-decrypt": {
		"The API server cannot decrypt stored objects",
		"API server 无法解密存储的对象"},
	"finding.apiserver-cannot-decrypt": {
		"%[1]s: %[2]s cannot decrypt stored objects: %[3]s. It never becomes ready; the data is intact.",
		"%[1]s：%[2]s 无法解密存储的对象：%[3]s。它不会就绪；数据完好。"},
	"repair.apiserver-cannot-decrypt": {
		"Put the key back that the prefix of the values names (k8s:enc:PROVIDER:v1:KEY:), on all masters.",
		"把值前缀（k8s:enc:PROVIDER:v1:KEY:）所指的密钥放回所有 master。"},
	"wrong.apiserver-cannot-decrypt": {
		"Deleting secrets in etcd; identity first and writing all anew.",
		"在 etcd 里删 Secret；identity 放最前并全部重写。"},

	"title.service-account-tokens-rejected": {
		"Service account tokens are refused",
		"服务账号令牌被拒"},
	"finding.service-account-tokens-rejected": {
		"%[1]s: %[2]s refuses service account tokens: %[3]s. CNI, CoreDNS and kube-proxy fail first.",
		"%[1]s：%[2]s 拒绝服务账号令牌：%[3]s。CNI、CoreDNS、kube-proxy 最先失败。"},
	"repair.service-account-tokens-rejected": {
		"Put the old sa.key and sa.pub back; or add the old sa.pub as a second --service-account-key-file.",
		"放回旧的 sa.key 和 sa.pub；或把旧 sa.pub 加为第二个 --service-account-key-file。"},
	"wrong.service-account-tokens-rejected": {
		"Deleting all token secrets.",
		"删除所有令牌 Secret。"},

	"title.webhook-deadlock": {
		"A webhook that cannot be asked blocks objects",
		"无法访问的 webhook 阻塞对象创建"},
	"finding.webhook-deadlock": {
		"%[1]s: %[2]s refuses objects because a webhook does not answer: %[3]s. Its own pods may need it to start.",
		"%[1]s：%[2]s 因 webhook 无应答而拒绝对象：%[3]s。它自己的 Pod 可能正需要它才能启动。"},
	"repair.webhook-deadlock": {
		"Save the webhook configuration, set failurePolicy to Ignore (or delete it: webhooks never judge webhook configurations), start the backend, put it back.",
		"保存 webhook 配置，把 failurePolicy 设为 Ignore（或删除：webhook 配置本身不受 webhook 约束），启动后端，再放回。"},
	"wrong.webhook-deadlock": {
		"Uninstalling the operator or its CRDs while it is blocked: the webhook stays, the objects go.",
		"在阻塞时卸载 operator 或其 CRD：webhook 留下了，对象没了。"},

	"title.aggregated-api-down": {
		"An aggregated API does not answer",
		"聚合 API 没有应答"},
	"finding.aggregated-api-down": {
		"%[1]s: an aggregated API does not answer: %[3]s. Discovery, garbage collection and the deletion of namespaces stand still.",
		"%[1]s：聚合 API 没有应答：%[3]s。发现、垃圾回收和命名空间删除都会停住。"},
	"repair.aggregated-api-down": {
		"Repair its backend, or remove the APIService for now.",
		"修好后端，或暂时移除该 APIService。"},
	"wrong.aggregated-api-down": {
		"Taking finalizers off namespaces.",
		"去掉命名空间的 finalizer。"},

	"title.front-proxy-rejected": {
		"An aggregated API refuses the front proxy",
		"聚合 API 拒绝 front-proxy"},
	"finding.front-proxy-rejected": {
		"%[1]s: the front proxy's certificate is refused: %[3]s.",
		"%[1]s：front-proxy 证书被拒：%[3]s。"},
	"repair.front-proxy-rejected": {
		"Bring the same front proxy authority to all masters; restart the extension's pods.",
		"让所有 master 使用同一 front-proxy CA；重启扩展 Pod。"},
	"wrong.front-proxy-rejected": {
		"Restarting metrics-server only.",
		"只重启 metrics-server。"},

	"title.resource-version-regressed": {
		"Clients know a newer revision than the API server",
		"客户端见过更新的 revision"},
	"finding.resource-version-regressed": {
		"%[1]s: %[2]s: %[3]s. The data was put back to an older revision: caches of kubelets, CNI, DNS and controllers are stale and miss events in silence.",
		"%[1]s：%[2]s：%[3]s。数据被回退到旧 revision：kubelet、CNI、DNS 和控制器的缓存已陈旧，并会无声地漏掉事件。"},
	"repair.resource-version-regressed": {
		"Restart API servers, then kubelets in waves, CNI, kube-proxy, CoreDNS, controllers. Restore with bumped revisions next time (Salvor always does).",
		"重启 API server，再分批重启 kubelet、CNI、kube-proxy、CoreDNS、控制器。下次恢复要抬高 revision（Salvor 总是这样做）。"},
	"wrong.resource-version-regressed": {
		"Debugging applications for two days, rebooting nodes one by one.",
		"花两天调试应用、逐台重启节点。"},

	"title.controllers-fight-stale-cache": {
		"Controllers fight a stale cache",
		"控制器与陈旧缓存打架"},
	"finding.controllers-fight-stale-cache": {
		"%[1]s: %[2]s fails again and again: %[3]s. A cache is older than the data.",
		"%[1]s：%[2]s 反复失败：%[3]s。某个缓存比数据旧。"},
	"repair.controllers-fight-stale-cache": {
		"Restart the API servers, one after the other; then the controllers.",
		"逐台重启 API server，再重启控制器。"},
	"wrong.controllers-fight-stale-cache": {
		"Deleting the objects.",
		"删除这些对象。"},

	"title.rbac-bootstrap-missing": {
		"Roles that everything rests on are missing",
		"缺少基础 RBAC 角色"},
	"finding.rbac-bootstrap-missing": {
		"%[1]s: roles are missing: %[3]s.",
		"%[1]s：缺少角色：%[3]s。"},
	"repair.rbac-bootstrap-missing": {
		"Restart an API server: it makes its own roles anew. Apply kubeadm's and the CNI's again with super-admin.conf.",
		"重启 API server：它会重建自带角色。用 super-admin.conf 重新应用 kubeadm 与 CNI 的角色。"},
	"wrong.rbac-bootstrap-missing": {
		"A restore of the whole cluster.",
		"恢复整个集群。"},

	"title.controller-processes-down": {
		"Controller manager or scheduler does not run",
		"controller-manager 或 scheduler 没有运行"},
	"finding.controller-processes-down": {
		"%[1]s: %[2]s has a manifest and no process.",
		"%[1]s：%[2]s 有清单却没有进程。"},
	"repair.controller-processes-down": {
		"Read its last log; most often it is its kubeconfig or the API server.",
		"看它最后的日志；多半是 kubeconfig 或 API server 的问题。"},
	"wrong.controller-processes-down": {
		"Deleting pods by force.",
		"强制删除 Pod。"},

	"title.load-balancer-down": {
		"The load balancer leads nowhere",
		"负载均衡不通"},
	"finding.load-balancer-down": {
		"%[1]s leads to no API server (from %[2]s; %[3]s: %[4]s), though %[5]s of them are ready when asked directly. Only the way is broken.",
		"%[1]s 到不了任何 API server（从 %[2]s；%[3]s：%[4]s），而直接访问有 %[5]s 台就绪。坏的只是通路。"},
	"repair.load-balancer-down": {
		"Mend the load balancer or the virtual address. Meanwhile use an API server directly.",
		"修复负载均衡或虚拟地址。期间直接访问某台 API server。"},
	"wrong.load-balancer-down": {
		"Touching etcd or the API servers.",
		"动 etcd 或 API server。"},

	"title.load-balancer-sends-to-unready": {
		"The load balancer sends to API servers that are not ready",
		"负载均衡把请求发给未就绪的 API server"},
	"finding.load-balancer-sends-to-unready": {
		"%[1]s led (from %[2]s) to an API server that is not ready, while %[3]s are.",
		"%[1]s（从 %[2]s）转到了未就绪的 API server，而有 %[3]s 台就绪。"},
	"repair.load-balancer-sends-to-unready": {
		"Let it check HTTPS /readyz of each API server, not the TCP port.",
		"让它检查每台 API server 的 HTTPS /readyz，而不是 TCP 端口。"},
	"wrong.load-balancer-sends-to-unready": {
		"Shortening intervals until it flaps.",
		"缩短间隔直到抖动。"},

	"title.load-balancer-other-certificate": {
		"Another control plane answers behind the load balancer",
		"负载均衡背后是另一个控制面"},
	"finding.load-balancer-other-certificate": {
		"%[1]s shows a certificate of another authority: %[2]s, issued by %[3]s.",
		"%[1]s 出示的是另一 CA 的证书：%[2]s，由 %[3]s 签发。"},
	"repair.load-balancer-other-certificate": {
		"Look at its backends and at who else has the address.",
		"检查后端以及还有谁持有该地址。"},
	"wrong.load-balancer-other-certificate": {
		"Giving clients the other authority.",
		"让客户端信任那个 CA。"},

	"title.client-certificates-refused": {
		"Controllers are not recognised",
		"控制器不被认可"},
	"finding.client-certificates-refused": {
		"%[1]s: %[2]s is told Unauthorized: %[3]s.",
		"%[1]s：%[2]s 得到 Unauthorized：%[3]s。"},
	"repair.client-certificates-refused": {
		"Look at the certificate in its kubeconfig and at the authority that the API server trusts.",
		"查看它 kubeconfig 中的证书以及 API server 信任的 CA。"},
	"wrong.client-certificates-refused": {
		"Copying admin.conf into place.",
		"拿 admin.conf 顶替。"},
}
