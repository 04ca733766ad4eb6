package plan

import (
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// etcdQuota is the quota of a member that is told none (server/storage/quota.go,
// DefaultQuotaBytes).
const etcdQuota = 2 << 30

// quotas warns where the data may not fit a member's quota: etcd would raise
// NOSPACE with the first write. Only what is live is written, so that it may
// fit all the same.
func (b *builder) quotas(members []cluster.Member) {
	size := b.sourceBytes()
	for _, m := range members {
		if quota := b.quota(m); quota > 0 && size > quota {
			b.warn("quota", m.Name, size>>20, quota>>20)
		}
	}
}

// sourceBytes is how much of the source is in use; 0 when it is not known.
func (b *builder) sourceBytes() int64 {
	src := b.plan.Source
	var db cluster.DB
	if src.Kind == diagnose.FromSnapshot {
		for _, h := range b.facts.Hosts {
			for _, s := range h.Snapshots {
				if h.Name == src.Host && s.Path == src.Path {
					db = s.DB.Value
				}
			}
		}
	} else {
		db = b.memberFacts(src.DB).Disk.Value.DB.Value
	}
	if db.InUse > 0 {
		return db.InUse
	}
	return db.Size
}

// quota is what a member is told, or tells; 0 when that is not known, or when
// it has none.
func (b *builder) quota(m cluster.Member) int64 {
	facts := b.memberFacts(m.Name)
	command := facts.Process.Value.Command
	var env []string
	if p := m.Run.Process; p != nil {
		command, env = p.Command, p.Env
	}
	if h, ok := b.facts.Host(m.Host); ok && m.Run.StaticPod != "" {
		kube := h.Node.Kubernetes.Value
		for _, f := range append(kube.Manifests.Value, kube.Parked.Value...) {
			if f.Path == m.Run.StaticPod && f.Pod.OK {
				command = f.Pod.Value.Command
			}
		}
	}
	text, told := cluster.StaticPod{Command: command}.Flag("quota-backend-bytes")
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "ETCD_QUOTA_BACKEND_BYTES="); ok && !told {
			text, told = v, true
		}
	}
	_, elsewhere := cluster.StaticPod{Command: command}.Flag("config-file")
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case told && err == nil && n < 0:
		return 0
	case told && err == nil && n > 0:
		return n
	case facts.Live.Value.DBQuota > 0:
		return facts.Live.Value.DBQuota
	case len(command) == 0 || elsewhere || m.Run.Systemd != "" || err != nil && told:
		return 0 // not all that it is told is seen here
	}
	return etcdQuota
}
