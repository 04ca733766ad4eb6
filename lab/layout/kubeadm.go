package layout

import (
	"context"
	"fmt"
	"strings"

	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/machine"
)

// configuration of a cluster for kubeadm; etcd's part comes from the layout.
const clusterConfiguration = `---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v%s
clusterName: lab
controlPlaneEndpoint: %s:6443
imageRepository: %s
networking:
  serviceSubnet: 10.96.0.0/12
apiServer:
  certSANs: [lb, 127.0.0.1, localhost]
dns:
  imageTag: v%s
etcd:
%s---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: [none]
failCgroupV1: false
failSwapOn: false
resolvConf: /etc/kubernetes-resolv.conf
nodeStatusUpdateFrequency: 5s
# The machines see this box's disk, which is other people's to fill.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 50Mi, nodefs.available: "1%%", imagefs.available: "1%%", nodefs.inodesFree: "1%%"}
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
conntrack:
  maxPerCore: 0
  tcpEstablishedTimeout: 0s
  tcpCloseWaitTimeout: 0s
`

const nodeRegistration = `nodeRegistration:
  name: %s
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: Never
  kubeletExtraArgs:
  - {name: node-ip, value: %s}
`

// Init makes the first control plane. etcd is the value of kubeadm's etcd
// key, indented by two.
func (c *Cluster) Init(ctx context.Context, etcd string) error {
	m := c.Lab.Machines[0]
	conf := fmt.Sprintf(`apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- {token: %s, ttl: 24h0m0s}
certificateKey: %s
localAPIEndpoint: {advertiseAddress: %s, bindPort: 6443}
`, c.token, c.certificateKey, m.Addr)
	conf += fmt.Sprintf(nodeRegistration, m.Name, m.Addr)
	conf += fmt.Sprintf(clusterConfiguration, build.Kubernetes, machine.Virtual, build.Repository, build.CoreDNS, etcd)
	done := c.Tell.Step("kubeadm init on %s", m.Name)
	if err := c.kubeadm(ctx, m, conf, "init", "--upload-certs", "--skip-phases=preflight"); err != nil {
		return err
	}
	done()
	return c.saveKubeconfig(ctx)
}

// Join adds all other machines: control planes one after the other, because
// each waits for an etcd member, and the workers meanwhile.
func (c *Cluster) Join(ctx context.Context) error {
	workers := make(chan error, 1)
	planes := c.Lab.ControlPlanes()
	go func() {
		workers <- c.Each(ctx, c.Lab.Machines[len(planes):], func(ctx context.Context, m machine.Machine) error {
			return c.join(ctx, m, "")
		})
	}()
	var failed error
	for _, m := range planes[1:] {
		plane := fmt.Sprintf("controlPlane:\n  certificateKey: %s\n  localAPIEndpoint: {advertiseAddress: %s, bindPort: 6443}\n", c.certificateKey, m.Addr)
		if failed = c.join(ctx, m, plane); failed != nil {
			break
		}
	}
	if err := <-workers; err != nil {
		return err
	}
	return failed
}

func (c *Cluster) join(ctx context.Context, m machine.Machine, plane string) error {
	conf := fmt.Sprintf(`apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: {apiServerEndpoint: "%s:6443", token: %s, unsafeSkipCAVerification: true}
`, machine.Virtual, c.token)
	conf += plane + fmt.Sprintf(nodeRegistration, m.Name, m.Addr)
	done := c.Tell.Step("kubeadm join on %s", m.Name)
	if err := c.kubeadm(ctx, m, conf, "join", "--skip-phases=preflight"); err != nil {
		return err
	}
	done()
	return nil
}

// kubeadm runs kubeadm with a configuration; all it says stays in the
// machine's /root/kubeadm.log.
func (c *Cluster) kubeadm(ctx context.Context, m machine.Machine, conf string, args ...string) error {
	if err := c.Site.Write(m, "root/kubeadm.yaml", conf, 0o600); err != nil {
		return err
	}
	line := "kubeadm " + strings.Join(args, " ") + " --config /root/kubeadm.yaml --v=1 >/root/kubeadm.log 2>&1 || { tail -25 /root/kubeadm.log >&2; exit 1; }"
	_, err := machine.Exec(ctx, m, "sh", "-c", line)
	return err
}
