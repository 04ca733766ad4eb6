package e2e

import (
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// machineFaults are those of machines and of the Kubernetes on them.
func machineFaults(b *bench) []fault {
	p, m := b.planes(), b.members()
	var all []fault
	add := func(f fault) { all = append(all, f) }
	add(fault{name: "balancer down", breaks: []string{"cut-vip"}, want: diagnose.BalancerDown, scenario: diagnose.Degraded, allowed: diagnose.ActRepair, forbidden: diagnose.ActWrong})
	add(fault{name: "balancer unplugged", breaks: []string{"cut-vip", "how=link"}, want: diagnose.BalancerDown, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "kubelet stopped", breaks: []string{"stop-unit", p[1], "unit=kubelet"}, want: diagnose.KubeletDown, subject: p[1], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "kubelet masked", breaks: []string{"mask-unit", p[2], "unit=kubelet"}, want: diagnose.KubeletDown, subject: p[2], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	for i, why := range [][2]string{{"flag", "unknown flag: --network-plugin"}, {"cgroup", "using cgroup v1"}, {"swap", "running with swap on"}} {
		add(fault{name: "kubelet refuses " + why[0], breaks: []string{"refuse-kubelet", p[i], "for=" + why[0]}, want: diagnose.KubeletRefuses, subject: p[i], says: why[1],
			scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	}
	add(fault{name: "containerd stopped", breaks: []string{"stop-unit", p[2], "unit=containerd"}, want: diagnose.RuntimeDown, subject: p[2], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "containerd's database", breaks: []string{"corrupt-containerd-meta", p[0]}, want: diagnose.RuntimeDBDamaged, subject: p[0], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "kubelet's certificate expired", breaks: []string{"expire-certs", p[2], "of=kubelet"}, want: diagnose.KubeletCertExpired, subject: p[2], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "kubeconfigs expired", breaks: []string{"expire-certs", p[1], "of=kubeconfig"}, want: diagnose.KubeconfigExpired, subject: p[1], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "API server's certificate expired", breaks: []string{"expire-certs", p[0], "of=apiserver"}, want: diagnose.APICertExpired, subject: p[0], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "CA of one master", breaks: []string{"swap-keys", p[2], "of=ca"}, want: diagnose.AuthorityDiffers, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "service-account key of one master", breaks: []string{"swap-keys", p[1], "of=service-account", "kill=kube-apiserver"}, want: diagnose.SAKeyDiffers, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "front-proxy CA of one master", breaks: []string{"swap-keys", p[0], "of=front-proxy-ca"}, want: diagnose.FrontProxyDiffers})
	add(fault{name: "manifest broken", breaks: []string{"break-manifest", p[1], "pod=kube-apiserver"}, want: diagnose.ManifestBroken, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "manifest deleted", breaks: []string{"delete-manifest", p[2], "pod=kube-apiserver"}, want: diagnose.ManifestMissing, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "all API servers' manifests deleted", breaks: append([]string{"delete-manifest"}, append(p, "pod=kube-apiserver")...), want: diagnose.ManifestMissing, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "manifest backed up in place", breaks: []string{"backup-manifest-in-place", p[0], "pod=kube-scheduler"}, want: diagnose.ManifestDuplicate, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "bad flag", breaks: []string{"bad-flag", p[2], "pod=kube-apiserver"}, want: diagnose.APIBadFlag, subject: p[2], scenario: diagnose.Degraded, allowed: diagnose.ActRepair,
		limit: 2 * time.Minute}) // the kubelet lets the old one end first
	add(fault{name: "all API servers frozen", breaks: append([]string{"freeze"}, append(p, "process=kube-apiserver")...), want: diagnose.APIHangs, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "image missing", breaks: []string{"remove-image", p[1], "image=kube-scheduler"}, want: diagnose.ImageMissing, subject: p[1], scenario: diagnose.Degraded, allowed: diagnose.ActRepair, limit: 2 * time.Minute,
		do: func(b *bench) { _, _ = b.on(p[1], "pkill -x kube-scheduler") }})
	add(fault{name: "etcd frozen", breaks: []string{"freeze", p[2]}, want: diagnose.MemberStuck, subject: m[2]})
	add(fault{name: "partition both ways", breaks: []string{"partition", p[2]}, want: diagnose.MemberIsolated, subject: m[2], scenario: diagnose.Degraded, allowed: diagnose.ActRepair, forbidden: diagnose.ActForceNew})
	add(fault{name: "partition inwards", breaks: []string{"partition", p[1], "direction=in"}, want: diagnose.MemberIsolated, subject: m[1], forbidden: diagnose.ActForceNew})
	add(fault{name: "partition outwards", breaks: []string{"partition", p[0], "direction=out"}, want: diagnose.MemberIsolated, subject: m[0], forbidden: diagnose.ActForceNew})
	add(fault{name: "etcd's alarm", breaks: []string{"raise-alarm", p[0]}, want: diagnose.NoSpaceAlarm, scenario: diagnose.NoSpace, allowed: diagnose.ActCompact, forbidden: diagnose.ActDisarmFirst})
	add(fault{name: "webhook", do: webhook, undo: noWebhook, want: diagnose.WebhookDeadlock, cause: diagnose.HookBackendDown, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "encryption key lost", breaks: []string{"lose-encryption-key", p[2]}, want: diagnose.APICannotDecrypt, scenario: diagnose.Degraded, allowed: diagnose.ActRepair, limit: 2 * time.Minute})
	add(fault{name: "disk full", breaks: []string{"fill-disk", p[1]}, want: diagnose.DiskFull, subject: m[1], allowed: diagnose.ActFreeSpace})
	add(fault{name: "disk read-only", breaks: []string{"read-only", p[2]}, want: diagnose.DiskReadOnly, subject: m[2], limit: time.Minute})
	add(fault{name: "machine without power", breaks: []string{"power-cut", p[0]}, want: diagnose.HostUnreachable, subject: p[0]})
	return all
}

// externalFaults are those of an etcd that systemd runs, and of machines those to
// which it makes a difference.
func externalFaults(b *bench) []fault {
	p, m := b.planes(), b.members()
	all := []fault{
		{name: "etcd stopped", breaks: []string{"stop-unit", p[1], "unit=etcd"}, want: diagnose.MemberStopped, subject: m[1], scenario: diagnose.Stopped, allowed: diagnose.ActStart},
		{name: "etcd masked", breaks: []string{"mask-unit", p[2], "unit=etcd"}, want: diagnose.MemberStopped, subject: m[2]},
		{name: "etcd's certificates expired", breaks: []string{"expire-certs", p[0], "of=etcd"}, want: diagnose.CertExpired, subject: m[0], scenario: diagnose.CertsExpired, allowed: diagnose.ActRenewCerts},
		{name: "setting that etcd refuses", breaks: []string{"bad-setting", p[1]}, want: diagnose.EtcdBadFlag, subject: m[1], says: "ETCD_HEARTBEAT_INTERVAL", allowed: diagnose.ActRepair},
	}
	differs := []string{"etcd frozen", "partition both ways", "partition inwards", "partition outwards", "etcd's alarm", "disk full", "disk read-only", "machine without power",
		"kubelet stopped", "containerd stopped", "API server's certificate expired", "manifest deleted", "bad flag", "all API servers frozen", "encryption key lost", "balancer down"}
	for _, f := range machineFaults(b) {
		if slices.Contains(differs, f.name) {
			all = append(all, f)
		}
	}
	return all
}

// staticPodFaults are those of an etcd that a kubelet runs.
func staticPodFaults(b *bench) []fault {
	p := b.planes()
	return []fault{
		{name: "etcd's manifest broken", breaks: []string{"break-manifest", p[2]}, want: diagnose.ManifestBroken, scenario: diagnose.Degraded, allowed: diagnose.ActRepair},
		{name: "etcd's flag", breaks: []string{"bad-flag", p[0], "pod=etcd", "flag=--experimental-nonsense=1"}, want: diagnose.EtcdBadFlag, subject: p[0], allowed: diagnose.ActRepair, limit: 2 * time.Minute},
		{name: "etcd's CA of one master", breaks: []string{"swap-keys", p[1], "of=etcd-ca"}, want: diagnose.EtcdAuthorityDiffers, allowed: diagnose.ActRepair},
		{name: "peer certificate expired", breaks: []string{"expire-certs", p[2], "of=etcd-peer"}, want: diagnose.CertExpired, subject: p[2], scenario: diagnose.CertsExpired, allowed: diagnose.ActRenewCerts},
		{name: "server certificate expired", breaks: []string{"expire-certs", p[1], "of=etcd-server"}, want: diagnose.CertExpired, subject: p[1], allowed: diagnose.ActRenewCerts},
		{name: "API server's etcd client certificate expired", breaks: []string{"expire-certs", p[0], "of=etcd-client"}, want: diagnose.APIEtcdClientExpired, subject: p[0], allowed: diagnose.ActRepair},
		{name: "all of etcd's certificates expired", breaks: append([]string{"expire-certs"}, append(p, "of=etcd")...), want: diagnose.CertExpired, scenario: diagnose.CertsExpired, allowed: diagnose.ActRenewCerts, beside: []diagnose.Code{diagnose.APIEtcdClientExpired}},
	}
}
