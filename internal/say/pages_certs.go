package say

// pagesCerts are the pages of the classes of failure about certificates, keys and
// the authorities behind them.
var pagesCerts = map[string]entry{
	"title.etcd-cert-expired": {
		"A certificate of etcd has expired",
		"etcd 证书过期"},
	"repair.etcd-cert-expired": {
		"Check the clock, renew the certificate with the same CA, put it in place. etcd reads new files without a restart.",
		"先核对时钟，用原 CA 续签并放到位。etcd 会自动加载新文件，无需重启。"},
	"wrong.etcd-cert-expired": {
		"Restoring a snapshot: restored members fail on the same certificate. Restarting members that still serve on old connections turns a warning into an outage.",
		"恢复快照：恢复出来的成员同样因该证书失败。重启仍靠旧连接服务的成员，会把警告变成停机。"},

	"title.etcd-cert-not-yet-valid": {
		"A certificate of etcd is not valid yet",
		"etcd 证书尚未生效"},
	"repair.etcd-cert-not-yet-valid": {
		"Set the clock. The certificate becomes valid by itself.",
		"校正时钟，证书自然生效。"},
	"wrong.etcd-cert-not-yet-valid": {
		"Issuing certificates anew: they would be wrong as soon as the clock is right.",
		"重签证书：时钟一修正它们就不对了。"},

	"title.etcd-cert-expiring": {
		"A certificate of etcd ends soon",
		"etcd 证书即将过期"},
	"repair.etcd-cert-expiring": {
		"Renew it before it ends; then see that the served certificate is the new one.",
		"在过期前续签，并确认实际提供的是新证书。"},
	"wrong.etcd-cert-expiring": {
		"Waiting because the cluster is healthy: open connections hide an expired peer certificate until the next restart.",
		"因为集群健康就等着：已建立的连接会掩盖过期的 peer 证书，直到下次重启。"},

	"title.etcd-serves-old-cert": {
		"etcd shows another certificate than the one on disk",
		"etcd 提供的证书与磁盘上不同"},
	"finding.etcd-serves-old-cert": {
		"%[1]s shows another certificate at %[2]s than the one in %[3]s.",
		"%[1]s 在 %[2]s 提供的证书与 %[3]s 中的不同。"},
	"repair.etcd-serves-old-cert": {
		"Look which file its flags name; renew there. etcd takes a changed file up at the next connection.",
		"查看启动参数指向哪个文件并在那里续签。etcd 在下一次连接时加载新文件。"},
	"wrong.etcd-serves-old-cert": {
		"Trusting a check of the files alone: what is served decides.",
		"只相信对文件的检查：起作用的是实际提供的证书。"},

	"title.etcd-cert-address-missing": {
		"A certificate does not name the member's address",
		"证书不含成员地址"},
	"finding.etcd-cert-address-missing": {
		"%[1]s: the certificate %[2]s does not name %[3]s; the others refuse it.",
		"%[1]s：证书 %[2]s 不含 %[3]s，其他成员会拒绝它。"},
	"repair.etcd-cert-address-missing": {
		"Issue it anew with the address among its names, or give the host its old address back. A virtual address as source address shows the same text: look at remote-addr.",
		"重签并加入该地址，或恢复主机旧地址。若源地址变成了 VIP，报错相同：看 remote-addr。"},
	"wrong.etcd-cert-address-missing": {
		"Switching the check off for good (peer-skip-client-san-verification).",
		"永久关闭校验（peer-skip-client-san-verification）。"},

	"title.ca-expired": {
		"A certificate authority has expired",
		"CA 过期"},
	"finding.ca-expired": {
		"%[1]s: the authority %[2]s expired at %[4]s (clock %[5]s). Nothing that it issued is valid any more.",
		"%[1]s：CA %[2]s 已于 %[4]s 过期（时钟 %[5]s）。它签发的一切都不再有效。"},
	"repair.ca-expired": {
		"Sign the authority anew with the same key and subject: all leaves stay valid. Distribute it to every machine.",
		"用同一私钥和主题重签 CA：所有叶证书保持有效。再分发到每台机器。"},
	"wrong.ca-expired": {
		"Making a new authority with a new key: every kubelet, token and webhook bundle would have to follow.",
		"用新私钥做新 CA：所有 kubelet、令牌、webhook 证书都要跟着换。"},

	"title.apiserver-etcd-client-cert-expired": {
		"The API server's client certificate for etcd has expired",
		"API server 访问 etcd 的客户端证书过期"},
	"finding.apiserver-etcd-client-cert-expired": {
		"%[1]s: the API server's client certificate for etcd, %[2]s, expired at %[4]s (clock %[5]s). The API server ends after 20 s; etcd and its data are well.",
		"%[1]s：API server 访问 etcd 的客户端证书 %[2]s 已于 %[4]s 过期（时钟 %[5]s）。API server 约 20 秒后退出；etcd 和数据没有问题。"},
	"repair.apiserver-etcd-client-cert-expired": {
		"Renew it with etcd's own CA (kubeadm certs renew apiserver-etcd-client), then restart the API server's pod.",
		"用 etcd 的 CA 续签（kubeadm certs renew apiserver-etcd-client），再重启 API server 的 Pod。"},
	"wrong.apiserver-etcd-client-cert-expired": {
		"Restoring etcd, or switching client-cert-auth off.",
		"恢复 etcd，或关闭 client-cert-auth。"},

	"title.apiserver-cert-expired": {
		"The API server's serving certificate has expired",
		"API server 服务证书过期"},
	"finding.apiserver-cert-expired": {
		"%[1]s: the API server's certificate %[2]s expired at %[4]s (clock %[5]s). Every client refuses it.",
		"%[1]s：API server 的证书 %[2]s 已于 %[4]s 过期（时钟 %[5]s）。所有客户端都会拒绝它。"},
	"repair.apiserver-cert-expired": {
		"kubeadm certs renew apiserver on every master; move the manifest away for 20 s and back. Then compare what is served.",
		"在每台 master 上 kubeadm certs renew apiserver；把清单移走 20 秒再放回。然后核对实际提供的证书。"},
	"wrong.apiserver-cert-expired": {
		"insecure-skip-tls-verify in kubeconfigs: it stays there.",
		"在 kubeconfig 里加 insecure-skip-tls-verify：它会一直留在那里。"},

	"title.apiserver-client-cert-expired": {
		"The API server's client certificate for kubelets has expired",
		"API server 访问 kubelet 的证书过期"},
	"finding.apiserver-client-cert-expired": {
		"%[1]s: the API server's client certificate for kubelets, %[2]s, expired at %[4]s (clock %[5]s): logs and exec fail.",
		"%[1]s：API server 访问 kubelet 的客户端证书 %[2]s 已于 %[4]s 过期（时钟 %[5]s）：logs 和 exec 失败。"},
	"repair.apiserver-client-cert-expired": {
		"kubeadm certs renew apiserver-kubelet-client, then restart the API server's pod.",
		"kubeadm certs renew apiserver-kubelet-client，再重启 API server 的 Pod。"},
	"wrong.apiserver-client-cert-expired": {
		"Looking for the fault in kubelets: they only refuse.",
		"在 kubelet 上找原因：它们只是拒绝。"},

	"title.kubelet-client-cert-expired": {
		"A kubelet's client certificate has expired",
		"kubelet 客户端证书过期"},
	"finding.kubelet-client-cert-expired": {
		"%[1]s: the kubelet's client certificate %[2]s expired at %[4]s (clock %[5]s). The kubelet ends at its next start, and no static pod runs: API server and etcd of this host stay away.",
		"%[1]s：kubelet 客户端证书 %[2]s 已于 %[4]s 过期（时钟 %[5]s）。kubelet 下次启动即退出，静态 Pod 都不会运行：本机的 API server 和 etcd 起不来。"},
	"repair.kubelet-client-cert-expired": {
		"Make a certificate for system:node:NAME of group system:nodes with the cluster's CA (kubeadm kubeconfig user), put it in place, start the kubelet.",
		"用集群 CA 为 system:node:NAME（组 system:nodes）签发证书（kubeadm kubeconfig user），放到位后启动 kubelet。"},
	"wrong.kubelet-client-cert-expired": {
		"kubeadm certs renew all does not touch it. A reboot or kubeadm reset makes it worse: reset removes the etcd member.",
		"kubeadm certs renew all 不处理它。重启或 kubeadm reset 更糟：reset 会移除 etcd 成员。"},

	"title.kubeconfig-cert-expired": {
		"The certificate in a kubeconfig has expired",
		"kubeconfig 中的证书过期"},
	"finding.kubeconfig-cert-expired": {
		"%[1]s: the certificate in %[2]s expired at %[4]s (clock %[5]s): whoever uses it is told Unauthorized.",
		"%[1]s：%[2]s 中的证书已于 %[4]s 过期（时钟 %[5]s）：使用者会得到 Unauthorized。"},
	"repair.kubeconfig-cert-expired": {
		"kubeadm certs renew for that file (admin.conf, controller-manager.conf, scheduler.conf), then restart what uses it.",
		"对该文件 kubeadm certs renew（admin.conf、controller-manager.conf、scheduler.conf），再重启使用它的组件。"},
	"wrong.kubeconfig-cert-expired": {
		"Copying admin.conf over the controllers' files: they would run as administrator.",
		"把 admin.conf 覆盖到控制器的文件上：它们会以管理员身份运行。"},

	"title.front-proxy-client-cert-expired": {
		"The front proxy's client certificate has expired",
		"front-proxy 客户端证书过期"},
	"finding.front-proxy-client-cert-expired": {
		"%[1]s: the front proxy's certificate %[2]s expired at %[4]s (clock %[5]s): aggregated APIs (metrics) fail, namespaces hang while they are deleted.",
		"%[1]s：front-proxy 证书 %[2]s 已于 %[4]s 过期（时钟 %[5]s）：聚合 API（metrics）失败，删除命名空间会卡住。"},
	"repair.front-proxy-client-cert-expired": {
		"kubeadm certs renew front-proxy-client, then restart the API server's pod.",
		"kubeadm certs renew front-proxy-client，再重启 API server 的 Pod。"},
	"wrong.front-proxy-client-cert-expired": {
		"Taking finalizers off namespaces that hang.",
		"给卡住的命名空间去掉 finalizer。"},

	"title.kube-cert-not-yet-valid": {
		"A certificate of Kubernetes is not valid yet",
		"Kubernetes 证书尚未生效"},
	"finding.kube-cert-not-yet-valid": {
		"%[1]s: the certificate %[2]s is valid only from %[3]s, and the clock says %[5]s.",
		"%[1]s：证书 %[2]s 从 %[3]s 起才生效，而时钟为 %[5]s。"},
	"repair.kube-cert-not-yet-valid": {
		"Set the clock.",
		"校正时钟。"},
	"wrong.kube-cert-not-yet-valid": {
		"Issuing certificates anew while the clock is wrong.",
		"在时钟错误时重签证书。"},

	"title.kube-cert-expiring": {
		"A certificate of Kubernetes ends soon",
		"Kubernetes 证书即将过期"},
	"finding.kube-cert-expiring": {
		"%[1]s: the certificate %[2]s ends at %[4]s.",
		"%[1]s：证书 %[2]s 将于 %[4]s 到期。"},
	"repair.kube-cert-expiring": {
		"kubeadm certs renew all on every master; then restart the static pods and compare what is served. kubelet.conf is not part of it.",
		"在每台 master 上 kubeadm certs renew all；重启静态 Pod 并核对实际提供的证书。它不包含 kubelet.conf。"},
	"wrong.kube-cert-expiring": {
		"Renewing on one master only.",
		"只在一台 master 上续签。"},

	"title.apiserver-serves-old-cert": {
		"The API server shows an old certificate",
		"API server 仍在提供旧证书"},
	"finding.apiserver-serves-old-cert": {
		"%[1]s: %[2]s still shows a certificate that ends at %[3]s; the one on disk ends at %[4]s.",
		"%[1]s：%[2]s 仍提供 %[3]s 到期的证书；磁盘上的到 %[4]s 才到期。"},
	"repair.apiserver-serves-old-cert": {
		"Move the manifest of kube-apiserver away for 20 s and back.",
		"把 kube-apiserver 的清单移走 20 秒再放回。"},
	"wrong.apiserver-serves-old-cert": {
		"Trusting kubeadm certs check-expiration: it reads files only.",
		"相信 kubeadm certs check-expiration：它只看文件。"},

	"title.cert-renewal-partial": {
		"Certificates were renewed on some masters only",
		"只有部分 master 续签了证书"},
	"finding.cert-renewal-partial": {
		"Certificates (%[2]s) were renewed on some masters and not on others: requests fail by the master they meet.",
		"证书（%[2]s）只在部分 master 上续签：请求是否失败取决于落到哪台。"},
	"repair.cert-renewal-partial": {
		"Renew on the masters that are named too, and restart their static pods.",
		"在列出的其余 master 上也续签，并重启其静态 Pod。"},
	"wrong.cert-renewal-partial": {
		"Trusting the check of one node.",
		"只相信一个节点的检查结果。"},

	"title.ca-differs-between-masters": {
		"The masters have different authorities",
		"各 master 的 CA 不同"},
	"finding.ca-differs-between-masters": {
		"The masters do not have the same authority %[2]s: %[3]s. What one issued, the other refuses.",
		"各 master 的 CA %[2]s 不一致：%[3]s。一台签发的，另一台会拒绝。"},
	"repair.ca-differs-between-masters": {
		"Find the authority that kubelets and kubeconfigs trust (kube-root-ca.crt); bring it to every master and issue its leaves anew there.",
		"找出 kubelet 和 kubeconfig 信任的那个 CA（kube-root-ca.crt），放到每台 master，并在那里重签叶证书。"},
	"wrong.ca-differs-between-masters": {
		"kubeadm init phase certs all on each master: it makes one more authority each time.",
		"在每台 master 上 kubeadm init phase certs all：每次都会多造一个 CA。"},

	"title.etcd-ca-differs-between-masters": {
		"The members trust different authorities",
		"各成员信任的 etcd CA 不同"},
	"finding.etcd-ca-differs-between-masters": {
		"The masters do not have the same authority of etcd %[2]s: %[3]s. Their members refuse one another.",
		"各 master 的 etcd CA %[2]s 不一致：%[3]s。成员之间会互相拒绝。"},
	"repair.etcd-ca-differs-between-masters": {
		"Bring the authority of the majority to the others and issue their server and peer certificates anew.",
		"把多数一方的 CA 放到其余主机，并重签其 server 与 peer 证书。"},
	"wrong.etcd-ca-differs-between-masters": {
		"Restoring a snapshot: the members would not reach one another after it either.",
		"恢复快照：恢复之后成员仍然互不可达。"},

	"title.front-proxy-ca-differs-between-masters": {
		"The masters have different front proxy authorities",
		"各 master 的 front-proxy CA 不同"},
	"finding.front-proxy-ca-differs-between-masters": {
		"The masters do not have the same front proxy authority %[2]s: %[3]s. Aggregated APIs fail by the master they meet.",
		"各 master 的 front-proxy CA %[2]s 不一致：%[3]s。聚合 API 是否失败取决于落到哪台。"},
	"repair.front-proxy-ca-differs-between-masters": {
		"Bring one authority and its key to all masters, issue front-proxy-client anew, restart API servers and extension pods.",
		"把同一 CA 及私钥放到所有 master，重签 front-proxy-client，重启 API server 和扩展 Pod。"},
	"wrong.front-proxy-ca-differs-between-masters": {
		"Looking in the extension's pod for hours.",
		"在扩展 Pod 里找几个小时。"},

	"title.service-account-key-differs": {
		"The masters sign tokens with different keys",
		"各 master 的服务账号密钥不同"},
	"finding.service-account-key-differs": {
		"The masters do not have the same service account key %[2]s: %[3]s. Pods are told 401 by one API server and not by another.",
		"各 master 的服务账号密钥 %[2]s 不一致：%[3]s。同一令牌有的 API server 返回 401，有的不会。"},
	"repair.service-account-key-differs": {
		"Bring one sa.key and sa.pub to all masters (the one that most tokens are signed with); give the other public key as a second --service-account-key-file until tokens are renewed.",
		"把同一对 sa.key、sa.pub 放到所有 master（多数令牌所用的那对）；令牌更新前把另一公钥作为第二个 --service-account-key-file。"},
	"wrong.service-account-key-differs": {
		"Deleting all token secrets.",
		"删除全部令牌 Secret。"},

	"title.service-account-key-pair-broken": {
		"The service account keys are no pair",
		"服务账号密钥不成对"},
	"finding.service-account-key-pair-broken": {
		"%[1]s: %[2]s and %[3]s do not belong together: tokens that this master signs are refused by itself.",
		"%[1]s：%[2]s 与 %[3]s 不是一对：本机签发的令牌会被自己拒绝。"},
	"repair.service-account-key-pair-broken": {
		"Take both from a backup or from another master.",
		"从备份或其他 master 取回这一对。"},
	"wrong.service-account-key-pair-broken": {
		"Making a new pair: all tokens in use become invalid.",
		"新造一对密钥：所有在用令牌全部失效。"},

	"title.encryption-config-differs": {
		"The masters encrypt with different keys",
		"各 master 的加密配置不同"},
	"finding.encryption-config-differs": {
		"The masters do not have the same encryption configuration %[2]s: %[3]s. Secrets are readable through one API server and not through another.",
		"各 master 的加密配置 %[2]s 不一致：%[3]s。Secret 有的 API server 能读，有的读不了。"},
	"repair.encryption-config-differs": {
		"Put the keys of all into one file, the writing one first, and bring it to every master.",
		"把所有密钥写进同一文件（写入用的放最前），放到每台 master。"},
	"wrong.encryption-config-differs": {
		"Putting identity first and writing everything anew; deleting secrets.",
		"把 identity 放最前并重写所有对象；删除 Secret。"},

	"title.cert-not-issued-by-ca": {
		"A certificate is not of the machine's authority",
		"证书不是本机 CA 签发的"},
	"finding.cert-not-issued-by-ca": {
		"%[1]s: %[2]s was not issued by %[3]s.",
		"%[1]s：%[2]s 不是 %[3]s 签发的。"},
	"repair.cert-not-issued-by-ca": {
		"Find out which of both is the stranger (compare with the other masters), then issue the certificate anew with the right authority.",
		"先与其他 master 对比，弄清哪一个不对，再用正确的 CA 重签。"},
	"wrong.cert-not-issued-by-ca": {
		"Issuing everything anew at once.",
		"一下子全部重签。"},

	"title.cert-key-mismatch": {
		"A certificate and its key are no pair",
		"证书与私钥不匹配"},
	"finding.cert-key-mismatch": {
		"%[1]s: the private key beside %[2]s is not its own: nothing can serve with it.",
		"%[1]s：%[2]s 旁边的私钥不是它的：无法用它提供服务。"},
	"repair.cert-key-mismatch": {
		"Put back the pair that belongs together, or issue a new one.",
		"放回成对的文件，或重新签发。"},
	"wrong.cert-key-mismatch": {
		"Copying keys from another master: names and addresses differ.",
		"从别的 master 拷贝密钥：名称和地址都不同。"},

	"title.kubeconfig-trusts-other-ca": {
		"A kubeconfig trusts another authority",
		"kubeconfig 信任的是另一个 CA"},
	"finding.kubeconfig-trusts-other-ca": {
		"%[1]s: %[2]s trusts another authority than the machine's own.",
		"%[1]s：%[2]s 信任的 CA 与本机的不同。"},
	"repair.kubeconfig-trusts-other-ca": {
		"Make the kubeconfig anew (kubeadm kubeconfig user, or init phase kubeconfig).",
		"重新生成该 kubeconfig（kubeadm kubeconfig user 或 init phase kubeconfig）。"},
	"wrong.kubeconfig-trusts-other-ca": {
		"Switching verification off.",
		"关闭证书校验。"},
}
