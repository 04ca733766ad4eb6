package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// moreFaults are rarer ones, and mild ones that only warn.
func moreFaults(b *bench) []fault {
	p, m := b.planes(), b.members()
	var all []fault
	add := func(f fault) { all = append(all, f) }
	add(fault{name: "virtual address on two masters", breaks: []string{"take-address", p[0], p[1]}, want: diagnose.AddressOnTwoHosts, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "kubeconfig of another cluster", breaks: []string{"trust-other-ca", p[1]}, want: diagnose.KubeconfigOtherCA, subject: p[1]})
	add(fault{name: "certificates renewed on two of three", breaks: []string{"expire-certs", p[2], "of=apiserver", "ends=480h"}, want: diagnose.RenewalPartial, cause: diagnose.KubeCertExpiring,
		also: []diagnose.Code{diagnose.KubeCertExpiring}})
	add(fault{name: "certificate of another key", breaks: []string{"change-key", p[0]}, want: diagnose.CertKeyMismatch, subject: p[0], scenario: diagnose.Degraded, allowed: diagnose.ActRepair,
		also: []diagnose.Code{diagnose.APIServesOldCert}})
	add(fault{name: "encryption keys differ", breaks: []string{"lose-encryption-key", p[0], p[1], "leave=own"}, want: diagnose.EncryptionDiffers, scenario: diagnose.Degraded, allowed: diagnose.ActRepair,
		limit: 2 * time.Minute}) // API servers start anew, two at once
	add(fault{name: "balancer before the wrong port", breaks: []string{"mislead-balancer", "port=10250"}, want: diagnose.BalancerOther, cause: diagnose.BalancerDown, scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "balancer without checks", breaks: []string{"mislead-balancer"}, want: diagnose.BalancerUnready, cause: diagnose.APICannotDecrypt,
		do:   func(b *bench) { b.breaks("lose-encryption-key", p[2]) },
		undo: func(b *bench) { b.run("lab", "heal", "lose-encryption-key") }, limit: 2 * time.Minute})
	add(fault{name: "disk filling", breaks: []string{"fill-disk", p[1], "left=400000000"}, want: diagnose.DiskFilling, subject: m[1]})
	add(fault{name: "machine given up", breaks: []string{"power-cut", p[2]}, do: func(b *bench) { b.edit("  - name: "+p[2]+"\n    via:", "  - name: "+p[2]+"\n    gone: true\n    via:") },
		undo: func(b *bench) { b.edit("    gone: true\n", "") }, want: diagnose.HostGivenUp, subject: p[2], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	add(fault{name: "node not ready", breaks: []string{"stop-unit", "worker-1", "unit=kubelet"}, want: diagnose.NodesNotReady, cause: diagnose.KubeletDown, subject: "worker-1",
		scenario: diagnose.Degraded, limit: 2 * time.Minute})
	add(fault{name: "all kubelets stopped", breaks: append([]string{"stop-unit"}, append(p, "worker-1", "unit=kubelet")...), want: diagnose.NodesDown, cause: diagnose.KubeletDown,
		scenario: diagnose.Degraded, limit: 2 * time.Minute})
	add(fault{name: "kubelet not enabled", do: systemctl(p[1], "disable"), undo: systemctl(p[1], "enable"),
		want: diagnose.NotEnabled, subject: p[1]})
	add(fault{name: "volume not mounted", breaks: []string{"hide-data-dir", p[2]}, want: diagnose.DataDirUnmounted, subject: m[2], allowed: diagnose.ActMount, forbidden: diagnose.ActReplace})
	add(fault{name: "etcd as nobody", breaks: []string{"take-rights", p[1]}, want: diagnose.EtcdPermission, subject: m[1], limit: 2 * time.Minute})
	if b.layout == "kubeadm" {
		add(fault{name: "key file missing", breaks: []string{"remove-file", p[1]}, want: diagnose.ManifestFiles, subject: p[1], scenario: diagnose.Degraded, allowed: diagnose.ActRepair})
	}
	return all
}

// systemctl does something to the kubelet of a machine.
func systemctl(host, verb string) func(*bench) {
	return func(b *bench) {
		b.Helper()
		if out, err := b.on(host, "systemctl "+verb+" kubelet"); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

// edit changes salvor.yaml as the operator would.
func (b *bench) edit(from, to string) {
	b.Helper()
	path := filepath.Join(b.dir, "salvor.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	changed := strings.Replace(string(text), from, to, 1)
	if changed == string(text) {
		b.Fatalf("salvor.yaml does not say %q", from)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		b.Fatal(err)
	}
}
