package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/lab/state"
)

// TestExternal: etcd runs as kubespray's units, under Kubernetes.
func TestExternal(t *testing.T) {
	for _, version := range []string{"3.5.21", "3.5.4"} {
		t.Run(version, func(t *testing.T) {
			b := newBench(t, "--layout", "external", "--etcd", version)
			b.ready(4)
			b.workload()
			const etcdctl = "set -a; . /etc/etcd.env; "
			if out := b.on("cp-1", etcdctl+"etcdctl member list"); strings.Count(out, "started") != 3 {
				t.Errorf("members:\n%s", out)
			}
			if out := b.on("cp-2", "etcd --version"); !strings.Contains(out, "etcd Version: "+version+"\n") {
				t.Error(out)
			}
			b.lab("break", "stop-unit", "cp-1")
			b.says("cp-1", stopped("etcd"), "stopped")
			b.lab("heal")
			b.says("cp-1", "systemctl is-active etcd", "active")
			before := b.bytesOf("cp-1", "/etc/systemd/system/etcd.service")
			b.lab("break", "mask-unit", "cp-1")
			b.says("cp-1", "systemctl is-enabled etcd; "+stopped("etcd"), "masked\nstopped")
			b.lab("heal")
			b.says("cp-1", "systemctl is-enabled etcd; systemctl is-active etcd", "enabled\nactive")
			if differ(before, b.bytesOf("cp-1", "/etc/systemd/system/etcd.service")) != 0 {
				t.Error("the unit file is not what it was")
			}
			b.lab("break", "expire-certs", "cp-1")
			if end := b.endOf("cp-1", "/etc/ssl/etcd/ssl/member-cp-1.pem"); end.After(time.Now()) {
				t.Errorf("the member's certificate is good until %s", end)
			}
			b.lab("heal")
			b.says("cp-1", etcdctl+"etcdctl endpoint health 2>&1 | grep -c 'is healthy'", "1")
			b.ready(4)
		})
	}
}

// glob finds files of a machine, by their paths there.
func glob(host, pattern string) ([]string, error) {
	lab, err := state.Load()
	if err != nil {
		return nil, err
	}
	m, err := lab.Find(host)
	if err != nil {
		return nil, err
	}
	root := state.Site().Root(m)
	found, err := filepath.Glob(root + pattern)
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], root)
	}
	return found, err
}
