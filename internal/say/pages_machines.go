package say

// pagesMachines are the pages of the classes of failure about machines, clocks and
// disks: what each is called, what it looks like, what repairs it, and what must
// not be done.
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
		"%[1]s: a process was killed, for want of memory as far as is known: %[3]s.",
		"%[1]s：有进程被杀死，就目前所知是因为内存不足：%[3]s。"},
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
}
