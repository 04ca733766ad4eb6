package build

// file is a file of the machines' root.
type file struct{ path, text string }

// files are the units and settings that all machines share. The kubelet's are
// those of Kubernetes' own packages.
func files() []file {
	return []file{
		{"etc/systemd/system/lab-machine.service", machineUnit},
		{"usr/local/sbin/lab-machine", machineScript},
		{"etc/systemd/system/containerd.service", containerdUnit},
		{"etc/containerd/config.toml", containerdConfig},
		{"usr/lib/systemd/system/kubelet.service", kubeletUnit},
		{"usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", kubeletDropIn},
		{"etc/sudoers.d/ops", "ops ALL=(ALL) NOPASSWD: ALL\n"},
		{"etc/ssh/sshd_config.d/lab.conf", "UseDNS no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"},
		{"etc/systemd/journald.conf.d/lab.conf", "[Journal]\nStorage=persistent\nSystemMaxUse=64M\nForwardToConsole=no\n"},
		{"etc/resolv.conf", ""},
	}
}

// Unit files of the machines. A cgroup hierarchy of version 1 comes read only
// into a container, and what containerd and the kubelet need is opened first.
const machineUnit = `[Unit]
Description=Open this machine's cgroups for containers
Before=containerd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-machine

[Install]
WantedBy=multi-user.target
`

const machineScript = `#!/bin/sh
for c in memory cpuset cpu cpuacct cpu,cpuacct blkio pids devices freezer; do
	[ -d "/sys/fs/cgroup/$c" ] && mount -o remount,rw,bind "/sys/fs/cgroup/$c"
done
mount --make-rshared /
sysctl -qw net.ipv4.ip_forward=1
[ -x /etc/lab-routes ] && /etc/lab-routes
exit 0
`

const containerdUnit = `[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target lab-machine.service

[Service]
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=1
LimitNPROC=infinity
LimitCORE=0
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`

// containerdConfig pins the sandbox image. Without CAP_SYS_RESOURCE the score
// of a sandbox cannot be lowered, so that is left out.
const containerdConfig = `version = 3

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '` + Repository + `/pause:` + pause + `'

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/usr/lib/cni']
    conf_dir = '/etc/cni/net.d'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
`

const kubeletUnit = `[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target lab-machine.service

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
`

const kubeletDropIn = `# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# This is a file that "kubeadm init" and "kubeadm join" generates at runtime, populating the KUBELET_KUBEADM_ARGS variable dynamically
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# This is a file that the user can use for overrides of the kubelet args as a last resort.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`
