package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestKubeadm: the whole layout stands, and each fault does what it says and
// is healed.
func TestKubeadm(t *testing.T) {
	b := newBench(t, "--layout", "kubeadm")
	b.ready(4)
	b.workload()
	if out := b.lab("ssh", "ops@cp-2", "sudo", "id", "-un"); out != "root\n" {
		t.Errorf("sudo of ops over ssh: %q", out)
	}
	for _, c := range []struct {
		name string
		try  func(bench)
	}{
		{"partition", partitions}, {"freeze", freezes}, {"units", units}, {"vip", vip}, {"certificates", certificates},
		{"manifests", manifests}, {"containerd", containerds}, {"full disk", fullDisk}, {"read-only disk", readOnlyDisk},
		{"power", powers}, {"data", data},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.try(bench{t, t.Context()}) }) {
			return
		}
		if c.name != "data" {
			b.ready(4)
		}
	}
}

func partitions(b bench) {
	b.lab("break", "partition", "cp-3")
	if b.hears("cp-1", "cp-3") || b.hears("cp-3", "cp-1") {
		b.Error("both ways: packets arrive")
	}
	if !b.hears("cp-1", "cp-2") {
		b.Error("the others do not hear each other")
	}
	if !answers("10.77.0.13:22") {
		b.Error("the operator does not reach cp-3")
	}
	b.lab("heal")
	b.lab("break", "partition", "cp-3", "direction=in")
	if b.hears("cp-3", "cp-1") || !b.hears("cp-1", "cp-3") {
		b.Error("direction=in: cp-3 must hear nothing and be heard")
	}
	b.lab("heal", "partition")
	b.lab("break", "partition", "cp-3", "direction=out")
	if !b.hears("cp-3", "cp-1") || b.hears("cp-1", "cp-3") {
		b.Error("direction=out: cp-3 must hear and not be heard")
	}
	b.lab("heal")
	if !b.hears("cp-3", "cp-1") || !b.hears("cp-1", "cp-3") {
		b.Error("healed: packets are lost")
	}
}

func freezes(b bench) {
	b.lab("break", "freeze", "cp-2")
	if out := b.on("cp-2", "ps -o stat= -C etcd"); !strings.HasPrefix(out, "T") {
		b.Errorf("state of etcd: %s", out)
	}
	b.lab("heal")
	if out := b.on("cp-2", "ps -o stat= -C etcd"); strings.HasPrefix(out, "T") {
		b.Errorf("healed: state of etcd: %s", out)
	}
}

func units(b bench) {
	b.lab("break", "stop-unit", "worker-1")
	b.says("worker-1", stopped("kubelet"), "stopped")
	b.lab("heal")
	b.says("worker-1", "systemctl is-active kubelet", "active")
	b.lab("break", "mask-unit", "worker-1", "unit=kubelet")
	b.says("worker-1", "systemctl is-enabled kubelet; "+stopped("kubelet"), "masked\nstopped")
	b.lab("heal")
	b.says("worker-1", "systemctl is-enabled kubelet; systemctl is-active kubelet", "enabled\nactive")
}

func vip(b bench) {
	if !answers("10.77.0.10:6443") {
		b.Error("the load balancer does not answer")
	}
	b.lab("break", "cut-vip")
	if answers("10.77.0.10:6443") {
		b.Error("the load balancer still answers")
	}
	b.lab("heal")
	b.kubectl("get", "namespaces")
}

func certificates(b bench) {
	// A member whose peers refuse it does not begin to serve: its file tells.
	b.lab("break", "expire-certs", "cp-2")
	for _, name := range []string{"server.crt", "peer.crt", "healthcheck-client.crt"} {
		if end := b.endOf("cp-2", "/etc/kubernetes/pki/etcd/"+name); end.After(time.Now()) {
			b.Errorf("%s is good until %s", name, end)
		}
	}
	b.lab("heal")
	if end := b.validUntil("https://10.77.0.12:2379"); !end.After(time.Now()) {
		b.Errorf("healed: etcd serves a certificate that ended %s", end)
	}
	b.lab("break", "expire-certs", "cp-2", "of=apiserver")
	if end := b.validUntil("https://10.77.0.12:6443"); end.After(time.Now()) {
		b.Errorf("the API server serves a certificate that is good until %s", end)
	}
	b.lab("heal")
	b.until(time.Minute, "a good certificate", func() error {
		if end := b.validUntil("https://10.77.0.12:6443"); !end.After(time.Now()) {
			return fmt.Errorf("it ended %s", end)
		}
		return nil
	})
}

func manifests(b bench) {
	const running, path = "pgrep -c -f '^kube-scheduler '", "/etc/kubernetes/manifests/kube-scheduler.yaml"
	before := b.bytesOf("cp-3", path)
	b.lab("break", "delete-manifest", "cp-3", "pod=kube-scheduler")
	b.says("cp-3", running, "0")
	b.lab("heal")
	b.says("cp-3", running, "1")
	b.lab("break", "break-manifest", "cp-3", "pod=kube-scheduler")
	b.says("cp-3", "journalctl -u kubelet --since -1min | grep -c 'parse as pod' | sed 's/[1-9][0-9]*/some/'", "some")
	b.lab("heal")
	if !bytes.Equal(before, b.bytesOf("cp-3", path)) {
		b.Error("the manifest is not what it was")
	}
	b.says("cp-3", running, "1")
	b.lab("break", "backup-manifest-in-place", "cp-3", "pod=kube-scheduler")
	if !bytes.Equal(before, b.bytesOf("cp-3", path+".bak")) {
		b.Error("the second manifest is no copy")
	}
	b.lab("heal")
	b.says("cp-3", "ls "+path+".bak 2>/dev/null", "")
}

func containerds(b bench) {
	const images = "ctr -n k8s.io images list -q | grep -c kube-proxy"
	before := b.on("cp-3", images)
	b.lab("break", "remove-image", "cp-3", "image=kube-proxy")
	if out, _ := b.try("cp-3", images); out != "0" {
		b.Errorf("images after their removal: %s", out)
	}
	b.lab("heal")
	if out, _ := b.try("cp-3", images); out == "0" {
		b.Errorf("images after healing: %s, before %s", out, before)
	}
	b.lab("break", "corrupt-containerd-meta", "cp-3")
	b.says("cp-3", "systemctl is-active containerd", "active") // it runs, and knows nothing
	if out, err := b.try("cp-3", "timeout 3 ctr -n k8s.io containers list -q"); err == nil {
		b.Errorf("containerd still knows containers: %s", out)
	}
	b.lab("heal")
	b.until(time.Minute, "containerd", func() error {
		_, err := b.try("cp-3", "timeout 3 ctr -n k8s.io containers list -q")
		return err
	})
}

func fullDisk(b bench) {
	b.lab("break", "fill-disk", "cp-3")
	if out, err := b.try("cp-3", "head -c 1000000 /dev/zero > /var/lib/more"); err == nil || !strings.Contains(err.Error(), "No space left") {
		b.Errorf("writing: %s, %v", out, err)
	}
	b.lab("heal")
	b.on("cp-3", "head -c 1000000 /dev/zero > /var/lib/more && rm /var/lib/more")
}

func readOnlyDisk(b bench) {
	b.lab("break", "read-only", "cp-3")
	if _, err := b.try("cp-3", "echo > /var/lib/more"); err == nil || !strings.Contains(err.Error(), "Read-only file system") {
		b.Errorf("writing: %v", err)
	}
	b.lab("heal")
	b.on("cp-3", "echo > /var/lib/more && rm /var/lib/more")
}

func powers(b bench) {
	before := b.on("cp-3", "cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")
	b.lab("break", "power-cut", "cp-3")
	if answers("10.77.0.13:22") || !strings.Contains(b.lab("status"), "off") {
		b.Error("cp-3 is still there")
	}
	b.lab("power", "on", "cp-3")
	if b.on("cp-3", "cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1") == before {
		b.Error("cp-3 did not start anew")
	}
	b.lab("power", "off", "cp-3")
	b.lab("power", "on", "cp-3")
	b.lab("ssh", "cp-3", "true")
}

// data breaks the files of a machine that is off, where nobody else writes.
func data(b bench) {
	b.lab("power", "off", "cp-3")
	const db = "/var/lib/etcd/member/snap/db"
	wal := func() (all []byte) {
		names, err := glob("cp-3", "/var/lib/etcd/member/wal/*.wal")
		if err != nil || len(names) == 0 {
			b.Fatal("no WAL", err)
		}
		for _, name := range names {
			all = append(all, b.bytesOf("cp-3", name)...)
		}
		return all
	}
	before := wal()
	b.lab("break", "flip-wal", "cp-3")
	if n := differ(before, wal()); n != 1 {
		b.Errorf("flip-wal changed %d bytes", n)
	}
	before = wal()
	b.lab("break", "tear-wal", "cp-3")
	if after := wal(); len(after) >= len(before) || !bytes.HasPrefix(before, after) {
		b.Errorf("tear-wal left %d of %d bytes", len(after), len(before))
	}
	before = b.bytesOf("cp-3", db)
	b.lab("break", "flip-db", "cp-3")
	if n := differ(before, b.bytesOf("cp-3", db)); n != 1 {
		b.Errorf("flip-db changed %d bytes", n)
	}
	b.lab("break", "truncate-db", "cp-3")
	if after := b.bytesOf("cp-3", db); len(after) != len(before)/2 {
		b.Errorf("truncate-db left %d of %d bytes", len(after), len(before))
	}
	b.lab("break", "wipe", "cp-3")
	if names, _ := glob("cp-3", "/var/lib/etcd/*"); len(names) != 0 {
		b.Errorf("wipe-data-dir left %v", names)
	}
	b.lab("power", "on", "cp-3")
	b.kubectl("get", "namespaces") // two of three are a quorum
	b.lab("heal")
	if out := b.lab("status"); strings.Contains(out, "broken:") {
		b.Errorf("heal did not let go of faults that cannot be undone:\n%s", out)
	}
}

func differ(a, b []byte) int {
	if len(a) != len(b) {
		return -1
	}
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
