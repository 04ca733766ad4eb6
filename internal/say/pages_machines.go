package say

// pagesMachines are the pages of the classes of failure about machines, clocks, disks and certificates:
// what each is called, what it looks like, what repairs it, and what must not
// be done.
var pagesMachines = map[string]entry{
	"title.host-unreachable": {
		"A host does not answer",
		"主机没有应答"},
	"repair.host-unreachable": {
		"Bring the host or the way to it back (power, network, SSH), then diagnose again. Nothing may be concluded about its disks until then.",
		"恢复主机或到它的通路（电源、网络、SSH），再重新诊断。在此之前不能对它的磁盘下任何结论。"},
	"wrong.host-unreachable": {
		"Restoring a snapshot because hosts are silent. When they return with their data, there are two clusters, and the newer writes are on the one that was given up.",
		"因为主机无应答就恢复快照。它们带着数据回来时就有了两个集群，而较新的写入恰恰在被放弃的那个上。"},

	"title.host-given-up": {
		"A host was given up",
		"主机已被放弃"},
	"finding.host-given-up": {
		"Host %[1]s does not answer (%[2]s) and was given up: you said that it and its disks will never come back. What lay there counts as lost, on your word and not on anything that Salvor has seen.",
		"主机 %[1]s 没有应答（%[2]s），并已被放弃：您声明它和它的磁盘不会再回来。其上的数据按丢失处理，依据是您的声明，而非 Salvor 所见。"},
	"repair.host-given-up": {
		"Recover without it. When a new machine stands in its place, take `gone` out of salvor.yaml and run `salvor recover`: its member joins again.",
		"不带它恢复。新机器就位后，从 salvor.yaml 去掉 gone，再运行 salvor recover：其成员会重新加入。"},
	"wrong.host-given-up": {
		"Giving up a machine that is only switched off or cut off: it may hold writes that no other disk has. Its old member can neither join nor harm the new cluster, but what only it held is left behind.",
		"放弃只是关机或断网的机器：它可能保存着其他磁盘都没有的写入。旧成员无法加入也无法损害新集群，但只有它保存的数据就被丢下了。"},

	"title.clock-skew": {
		"A clock is wrong",
		"时钟错误"},
	"repair.clock-skew": {
		"Set the clock from a source that you trust (chronyc makestep, timedatectl), on the host that is named. Look at the certificates again only after that.",
		"用可信时间源在所指主机上校时（chronyc makestep、timedatectl）。此后再看证书。"},
	"wrong.clock-skew": {
		"Renewing certificates while the clock is wrong: the new ones carry the wrong validity and fail once the clock is right. The TLS alert says \"expired\" for a certificate that is not yet valid, too.",
		"在时钟错误时续签证书：新证书带着错误的有效期，时钟修正后照样失效。证书尚未生效时，TLS 警报同样显示 expired。"},

	"title.hardware-clock-wrong": {
		"The hardware clock is wrong",
		"硬件时钟错误"},
	"finding.hardware-clock-wrong": {
		"The hardware clock of %[1]s is off by %[2]s from its system clock. After the next power cut it wakes in that time, and good certificates look invalid.",
		"%[1]s 的硬件时钟与系统时钟相差 %[2]s。下次断电后它将在那个时间醒来，正常的证书会显得无效。"},
	"repair.hardware-clock-wrong": {
		"Write the system clock to the hardware (hwclock --systohc) once the system clock is known to be right.",
		"确认系统时钟正确后，写入硬件时钟（hwclock --systohc）。"},
	"wrong.hardware-clock-wrong": {
		"Ignoring it because everything works now: the fault shows on the day of the power cut, as expired certificates on all hosts.",
		"因为现在一切正常就不理会：断电那天它会以所有主机证书过期的样子出现。"},

	"title.clock-not-synchronized": {
		"Nobody keeps the clock right",
		"时钟没有同步"},
	"finding.clock-not-synchronized": {
		"%[1]s: the kernel says that its clock is not synchronized. It may drift until certificates and elections suffer.",
		"%[1]s：内核报告时钟未同步。它会漂移，直到影响证书和选举。"},
	"repair.clock-not-synchronized": {
		"Start a time service (chrony, systemd-timesyncd) and see that it reaches its servers.",
		"启动时间服务（chrony、systemd-timesyncd）并确认能连到服务器。"},
	"wrong.clock-not-synchronized": {
		"Stepping the clock by hand on one host only: the hosts then disagree with one another.",
		"只在一台主机上手工改时间：主机之间会互相不一致。"},

	"title.disk-io-error": {
		"A disk reports errors",
		"磁盘报错"},
	"finding.disk-io-error": {
		"%[1]s: the kernel reports errors of a disk: %[3]s. What lies on it may vanish; copy it before anything else.",
		"%[1]s：内核报告磁盘错误：%[3]s。其上的数据可能消失；先做备份，再做其他事。"},
	"repair.disk-io-error": {
		"Copy the data dir (ddrescue, or cp to another disk) while it can still be read. Then replace the disk, and the member.",
		"趁还能读时复制数据目录（ddrescue 或 cp 到另一块盘），然后更换磁盘并替换成员。"},
	"wrong.disk-io-error": {
		"fsck or a remount in place before a copy exists: a repair of the file system may throw away exactly the blocks that etcd needs.",
		"还没有副本就原地 fsck 或重新挂载：文件系统修复可能正好丢掉 etcd 需要的块。"},

	"title.disk-read-only": {
		"A file system is read-only",
		"文件系统只读"},
	"repair.disk-read-only": {
		"Look into the kernel log for the reason. Copy the disk first if there are I/O errors; then remount it for writing, or replace the disk and the member.",
		"先看内核日志找原因。有 I/O 错误就先复制磁盘；再重新挂载为可写，或更换磁盘和成员。"},
	"wrong.disk-read-only": {
		"Restoring a snapshot onto it, or fsck without a copy. The data is there; only writing is not possible.",
		"往上面恢复快照，或没有副本就 fsck。数据还在，只是不能写。"},

	"title.disk-full": {
		"The disk of a member is full",
		"成员磁盘写满"},
	"repair.disk-full": {
		"Free space or inodes: old logs, images, foreign files, never files below the data dir. Then start the member: nothing is lost (measured: zero writes).",
		"腾出空间或 inode：旧日志、镜像、无关文件，绝不删数据目录下的文件。然后启动成员：不丢任何数据（实测为零）。"},
	"wrong.disk-full": {
		"Restoring a snapshot throws hours of acknowledged writes away for want of an rm. Deleting WAL files \"to make room\" is worse: the log is the data.",
		"恢复快照等于为省一次 rm 而丢弃数小时已确认的写入。删 WAL 腾空间更糟：WAL 就是数据。"},

	"title.node-disk-full": {
		"A system disk is full",
		"系统盘写满"},
	"finding.node-disk-full": {
		"%[1]s: the file system of %[2]s is full (%[3]s bytes, %[4]s inodes free). Kubelet and container runtime cannot work, and static pods (etcd among them) do not start.",
		"%[1]s：%[2]s 所在的文件系统已满（剩余 %[3]s 字节、%[4]s 个 inode）。kubelet 和容器运行时无法工作，静态 Pod（包括 etcd）无法启动。"},
	"repair.node-disk-full": {
		"Remove old logs and unused images (crictl rmi --prune); then kubelet and pods come back by themselves.",
		"清理旧日志和无用镜像（crictl rmi --prune），kubelet 和 Pod 会自行恢复。"},
	"wrong.node-disk-full": {
		"Deleting /var/lib/kubelet or /var/lib/etcd \"to clean up\".",
		"删除 /var/lib/kubelet 或 /var/lib/etcd 来“清理”。"},

	"title.disk-filling": {
		"A member's disk is nearly full",
		"成员磁盘快满"},
	"finding.disk-filling": {
		"%[1]s: only %[3]s of %[4]s bytes are free on the file system of %[2]s.",
		"%[1]s：%[2]s 所在文件系统 %[4]s 字节只剩 %[3]s。"},
	"repair.disk-filling": {
		"Make room now; put a ballast file of some hundred MB beside the data dir that can be removed in an emergency.",
		"现在就腾空间；在数据目录旁放一个几百 MB 的占位文件，紧急时可删。"},
	"wrong.disk-filling": {
		"Defragmenting to gain room: defragmentation writes a second copy of the db first.",
		"靠 defrag 腾空间：defrag 会先写出 db 的第二份副本。"},

	"title.out-of-memory": {
		"The kernel killed a process for want of memory",
		"内核因内存不足杀死进程"},
	"finding.out-of-memory": {
		"%[1]s: the kernel killed a process for want of memory: %[3]s.",
		"%[1]s：内核因内存不足杀死了进程：%[3]s。"},
	"repair.out-of-memory": {
		"Start API servers one after the other behind a closed load balancer; give memory; pause operators that list everything.",
		"关闭负载均衡，逐台启动 API server；增加内存；暂停会全量 list 的 operator。"},
	"wrong.out-of-memory": {
		"Restarting all API servers together: every client lists everything again, and they die again.",
		"同时重启所有 API server：所有客户端重新全量 list，它们会再次被杀。"},

	"title.too-many-open-files": {
		"No more files can be opened",
		"打开文件数用尽"},
	"finding.too-many-open-files": {
		"%[1]s: %[2]s can open no more files: %[3]s.",
		"%[1]s：%[2]s 无法再打开文件：%[3]s。"},
	"repair.too-many-open-files": {
		"Raise LimitNOFILE of the unit (etcd wants 40000 or more) and restart that service.",
		"调高该 unit 的 LimitNOFILE（etcd 需 40000 以上）并重启该服务。"},
	"wrong.too-many-open-files": {
		"Rebooting: the limit comes back with the machine.",
		"重启机器：限制会随之回来。"},

	"title.address-on-two-hosts": {
		"Two hosts have one address",
		"两台主机持有同一地址"},
	"finding.address-on-two-hosts": {
		"The address %[1]s is on %[2]s at once: clients reach now one, now the other.",
		"地址 %[1]s 同时在 %[2]s 上：客户端一会儿连到这台，一会儿连到那台。"},
	"repair.address-on-two-hosts": {
		"Find why the standby became master (VRRP blocked, no quorum of kube-vip) and take the address off one of them.",
		"查明备机为何成为主（VRRP 被阻断、kube-vip 无法选主），从其中一台撤下该地址。"},
	"wrong.address-on-two-hosts": {
		"Restarting API servers or etcd: they are well; only the way to them flaps.",
		"重启 API server 或 etcd：它们没有问题，抖动的只是通路。"},

	"title.address-not-on-this-host": {
		"A host has lost its address",
		"主机地址已变"},
	"finding.address-not-on-this-host": {
		"%[1]s does not have the address %[2]s, which %[3]s names: what listens there cannot start.",
		"%[1]s 没有地址 %[2]s，而 %[3]s 指定了它：监听该地址的进程无法启动。"},
	"repair.address-not-on-this-host": {
		"Add the old address as a second one (ip addr add …/32): service is back in seconds. Move to the new address later, member by member.",
		"把旧地址加为第二地址（ip addr add …/32）：几秒内恢复服务。之后再逐个成员迁移到新地址。"},
	"wrong.address-not-on-this-host": {
		"kubeadm reset or init: it makes a new cluster with new authorities. Peer URLs are kept in the data, not only in flags.",
		"kubeadm reset 或 init：会造出带新 CA 的新集群。peer URL 保存在数据里，不只在启动参数里。"},

	"title.data-dir-unmounted": {
		"The data dir's volume is not mounted",
		"数据目录的卷没有挂载"},
	"finding.data-dir-unmounted": {
		"%[1]s: %[3]s wants %[2]s to be mounted, and it is not. The data dir %[4]s looks %[5]s for that reason; nothing proves that the data is lost.",
		"%[1]s：%[3]s 要求挂载 %[2]s，但没有挂载。因此数据目录 %[4]s 看起来是 %[5]s；没有证据表明数据已丢失。"},
	"repair.data-dir-unmounted": {
		"Stop etcd there if it runs, mount the volume, look at the data dir, then diagnose again.",
		"若 etcd 在运行先停掉，挂载该卷，查看数据目录，再重新诊断。"},
	"wrong.data-dir-unmounted": {
		"Rebuilding or replacing the member, or starting it on the empty folder: it then writes a second data dir below the mount point, and the real one comes back later as a stranger.",
		"重建或替换该成员，或在空目录上启动它：会在挂载点下写出第二个数据目录，真正的数据之后又会冒出来。"},

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
