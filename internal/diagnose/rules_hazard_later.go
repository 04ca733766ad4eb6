package diagnose

import (
	"fmt"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// hazardStores tells other stores that hold state of the cluster and are not in
// the data.
func hazardStores(_ view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		if list := h.hazards.Stores; len(list) > 0 {
			out = append(out, sighting{h.subject, []any{len(list), some(list)}, list})
		}
	}
	return out
}

// hazardPlane tells what on the nodes has to be looked after, in its order.
func hazardPlane(_ view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		if list := h.hazards.DataPlane; len(list) > 0 {
			out = append(out, sighting{h.subject, []any{strings.Join(list, ", ")}, list})
		}
	}
	return out
}

// defaultQuota is etcd's when no --quota-backend-bytes is given
// (etcd/server/storage/quota.go: DefaultQuotaBytes).
const defaultQuota = 2 << 30

// quotaPart is the share of the quota from which on a restored db is too close
// to the alarm: a rebuild writes, and a compaction needs room.
const quotaPart = 0.9

// hazardQuota tells a db that would raise the quota alarm soon after it was put
// back.
func hazardQuota(v view, in []hazardous) []sighting {
	quota, from := v.quota()
	var out []sighting
	for _, h := range in {
		if h.db.OK && float64(h.db.Value.Size) >= quotaPart*float64(quota) {
			out = append(out, sighting{h.subject, []any{h.db.Value.Size >> 20, quota >> 20, from},
				[]string{fmt.Sprintf("the db has %d bytes, %d of them in use; the quota is %d (%s)", h.db.Value.Size, h.db.Value.InUse, quota, from)}})
		}
	}
	return out
}

// quota is the lowest that a member has, or etcd's default, and who says so.
func (v view) quota() (bytes int64, from string) {
	note := func(n int64, who string) {
		if n > 0 && (bytes == 0 || n < bytes) {
			bytes, from = n, who
		}
	}
	for _, m := range v.members {
		note(m.facts.Live.Value.DBQuota, m.cfg.Name+" says so")
		note(m.facts.Metrics.Value.Quota, m.cfg.Name+" says so")
		commands := [][]string{m.facts.Process.Value.Command}
		if p := m.cfg.Run.Process; p != nil {
			commands = append(commands, p.Command)
		}
		if k, ok := v.kube(m.cfg.Host); ok {
			for _, f := range append(append([]cluster.Manifest{}, k.facts.Manifests.Value...), k.facts.Parked.Value...) {
				if f.Pod.Value.Name == "etcd" {
					commands = append(commands, f.Pod.Value.Command)
				}
			}
		}
		for _, c := range commands {
			if flag, ok := (cluster.StaticPod{Command: c}).Flag("quota-backend-bytes"); ok {
				var n int64
				if _, err := fmt.Sscan(flag, &n); err == nil {
					note(n, "--quota-backend-bytes of "+m.cfg.Name)
				}
			}
		}
	}
	if bytes == 0 {
		return defaultQuota, "etcd's default; no flag was seen"
	}
	return bytes, from
}

// rateQuota is sure only where a quota was seen.
func rateQuota(v view, _ sighting) (Confidence, []string) {
	if _, from := v.quota(); strings.HasPrefix(from, "etcd's default") {
		return Likely, []string{"no quota was seen on the members: a unit or an environment file may set another"}
	}
	return Certain, nil
}

// hazardAdmin tells that the administrator's kubeconfig would have no rights:
// since Kubernetes 1.29 kubeadm gives them by a binding, which older data lacks.
func hazardAdmin(v view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		if h.hazards.Objects == 0 {
			continue
		}
		for _, k := range v.kubes() {
			for _, c := range k.facts.Certs {
				groups := groupsOf(c.Certificate.Value.Subject)
				if c.Role != "kubeconfig" || !c.Certificate.OK || !strings.HasSuffix(c.Path, "/admin.conf") || len(groups) == 0 || entitled(groups, h.hazards.Admins) || len(out) > 0 {
					continue
				}
				out = append(out, sighting{h.subject, []any{c.Path, strings.Join(groups, ", ")},
					[]string{fmt.Sprintf("%s on %s is of %s; the data gives cluster-admin to %s", c.Path, k.host, c.Certificate.Value.Subject, orNobody(h.hazards.Admins))}})
			}
		}
	}
	return out
}

func orNobody(list []string) string {
	if len(list) == 0 {
		return "nobody"
	}
	return some(list)
}

// groupsOf are the organizations of a certificate's subject: its groups in
// Kubernetes.
func groupsOf(subject string) []string {
	var out []string
	for _, part := range strings.FieldsFunc(subject, func(r rune) bool { return r == ',' || r == '+' }) {
		if g, ok := strings.CutPrefix(strings.TrimSpace(part), "O="); ok {
			out = append(out, g)
		}
	}
	return out
}

// entitled tells whether one of the groups has all rights by itself or by the
// data.
func entitled(groups, admins []string) bool {
	for _, g := range groups {
		if g == "system:masters" {
			return true // the authorizer never asks for its rights
		}
		for _, a := range admins {
			if a == "Group/"+g {
				return true
			}
		}
	}
	return false
}

// hazardNewer tells data that a newer etcd wrote than the members would run:
// they refuse it.
func hazardNewer(v view, in []hazardous) []sighting {
	var versions []string
	for _, m := range v.members {
		versions = append(versions, m.facts.Process.Value.Version, m.facts.Live.Value.Version)
	}
	has := cluster.OldestMinor(versions...)
	var out []sighting
	for _, h := range in {
		wrote := h.db.Value.RecordedBy()
		if has == "" || wrote == "" || wrote == has || cluster.OldestMinor(has, wrote) != has {
			continue
		}
		out = append(out, sighting{h.subject, []any{wrote, has}, []string{fmt.Sprintf("the data belongs to etcd %s; the oldest of the members is %s", wrote, has)}})
	}
	return out
}

// systems are the uids of the namespace kube-system, with who says so: the
// members' own data and the vault's backups of their cluster; sure is false
// where only the other snapshots can tell.
func (v view) systems() (uids map[string]string, sure bool) {
	uids = map[string]string{}
	for _, m := range v.members {
		if h := m.facts.Hazards; h.OK && h.Value.System != "" && v.sameLineage(m) {
			uids[h.Value.System] = m.cfg.Name
		}
	}
	for _, b := range v.facts.Backups.Value {
		if v.lineage.OK && b.ClusterID == v.lineage.Value.String() && b.KubeSystemUID != "" {
			uids[b.KubeSystemUID] = b.ID
		}
	}
	if len(uids) > 0 {
		return uids, true
	}
	for _, h := range v.facts.Hosts {
		for _, s := range h.Snapshots {
			if s.Hazards.OK && s.Hazards.Value.System != "" {
				uids[s.Hazards.Value.System] = h.Name + ":" + s.Path
			}
		}
	}
	return uids, false
}

// hazardSystem tells data whose namespace kube-system has another uid than that
// of the members' own data: it is another cluster's.
func hazardSystem(v view, in []hazardous) []sighting {
	uids, sure := v.systems()
	var out []sighting
	for _, h := range in {
		if _, same := uids[h.hazards.System]; sure && same || h.hazards.System == "" {
			continue
		}
		var others []string
		for uid, who := range uids {
			if uid != h.hazards.System {
				others = append(others, uid+" ("+who+")")
			}
		}
		sort.Strings(others)
		if len(others) > 0 {
			out = append(out, sighting{h.subject, []any{h.hazards.System, strings.Join(others, ", ")},
				[]string{fmt.Sprintf("kube-system of this data has uid %s, that of others %s", h.hazards.System, strings.Join(others, ", "))}})
		}
	}
	return out
}

// rateSystem is sure only where the members themselves, or backups of their
// cluster, tell which uid is theirs.
func rateSystem(v view, _ sighting) (Confidence, []string) {
	if _, sure := v.systems(); !sure {
		return Possible, []string{"only the snapshots differ from one another: which of them is this cluster's is not known"}
	}
	return Certain, nil
}

// hazardPhantoms tells pods that run on the machines and that the data does not
// know: they would run on, unseen, with their ports and volumes.
func hazardPhantoms(v view, in []hazardous) []sighting {
	var out []sighting
	for _, h := range in {
		if h.hazards.Objects == 0 {
			continue
		}
		known := map[string]bool{}
		for _, uids := range h.hazards.Pods {
			for _, u := range uids {
				known[u] = true
			}
		}
		var pods []string
		for _, host := range v.facts.Hosts {
			if _, node := v.facts.Config.Node(host.Name); !node || !host.Reached.OK {
				continue // then the data's pods of it were not kept
			}
			for _, p := range host.Node.Pods.Value {
				if !known[p.UID[:min(len(p.UID), 8)]] {
					pods = append(pods, fmt.Sprintf("%s: %s/%s", host.Name, p.Namespace, p.Name))
				}
			}
		}
		if len(pods) > 0 {
			out = append(out, sighting{h.subject, []any{len(pods), some(pods)}, pods[:min(len(pods), cluster.MaxHazardNames)]})
		}
	}
	return out
}
