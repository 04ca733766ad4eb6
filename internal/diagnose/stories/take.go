package stories

import (
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

func taken[T any](k *cluster.Known[T]) { *k = cluster.Unknown[T]("taken") }

// Take makes one kind of fact unknown on one host; false when the host has
// none of it.
func (w *World) Take(n diagnose.Need, host int) bool {
	if n == diagnose.NeedOutside && host != 0 {
		return false
	}
	if n == diagnose.NeedVault {
		if host != 0 || !w.Facts.Backups.OK {
			return false
		}
		taken(&w.Facts.Backups)
		return true
	}
	if n == diagnose.NeedOutside { // not a host's
		for i, a := range w.Facts.Outside {
			w.Facts.Outside[i] = cluster.APIServer{URL: a.URL, Direct: a.Direct, Named: a.Named, Why: "taken"}
		}
		return len(w.Facts.Outside) > 0
	}
	h := &w.Facts.Hosts[host]
	if !h.Reached.OK {
		return false
	}
	if n == diagnose.NeedHost {
		*h = cluster.HostFacts{Name: h.Name, Reached: cluster.Unknown[cluster.HostInfo]("taken")}
		return true
	}
	did := false
	for i := range h.Members {
		did = takeMember(&h.Members[i], n) || did
	}
	return takeHost(h, n) || did
}

func takeMember(m *cluster.MemberFacts, n diagnose.Need) bool {
	live, disk := m.Live.OK, m.Disk.OK
	switch n {
	case diagnose.NeedProcess:
		taken(&m.Process)
	case diagnose.NeedDisk:
		taken(&m.Disk)
	case diagnose.NeedLive:
		taken(&m.Live)
	case diagnose.NeedSpace:
		taken(&m.Space)
		taken(&m.WALSpace)
	case diagnose.NeedMount:
		taken(&m.Mount)
	case diagnose.NeedMetrics:
		taken(&m.Metrics)
	case diagnose.NeedHazards:
		taken(&m.Hazards)
	case diagnose.NeedHealth:
		for i := range m.Health {
			taken(&m.Health[i].Health)
			taken(&m.Health[i].Live)
			taken(&m.Health[i].Ready)
		}
		return len(m.Health) > 0
	case diagnose.NeedCertificates:
		for i := range m.Certificates {
			taken(&m.Certificates[i])
		}
	case diagnose.NeedLog:
		taken(&m.Disk.Value.Log)
		return disk
	case diagnose.NeedDB:
		taken(&m.Disk.Value.DB)
		return disk
	case diagnose.NeedLinearizable:
		taken(&m.Live.Value.Linearizable)
		return live
	case diagnose.NeedMembers:
		taken(&m.Live.Value.Members)
		return live
	case diagnose.NeedAlarms:
		taken(&m.Live.Value.Alarms)
		return live
	case diagnose.NeedHash:
		taken(&m.Live.Value.HashKV)
		taken(&m.Live.Value.CommonHash)
		return live
	default:
		return false
	}
	return true
}

func takeHost(h *cluster.HostFacts, n diagnose.Need) bool {
	node := &h.Node
	switch n {
	case diagnose.NeedClock:
		taken(&node.Clock)
	case diagnose.NeedAddresses:
		taken(&node.Addresses)
	case diagnose.NeedKernel:
		taken(&node.Kernel)
	case diagnose.NeedKubernetes:
		taken(&node.Kubernetes)
	case diagnose.NeedFileSystems:
		for i := range node.FileSystems {
			taken(&node.FileSystems[i])
		}
	case diagnose.NeedLogs:
		for i := range node.Logs {
			taken(&node.Logs[i].Signs)
		}
	case diagnose.NeedSnapshots:
		for i := range h.Snapshots {
			taken(&h.Snapshots[i].DB)
			h.Snapshots[i].Trailer, h.Snapshots[i].Damage = "", nil
		}
		return len(h.Snapshots) > 0
	case diagnose.NeedPlaces:
		for i := range node.Places {
			taken(&node.Places[i].Files)
			taken(&node.Places[i].Parts)
		}
		return len(node.Places) > 0
	case diagnose.NeedPods:
		taken(&node.Pods)
	case diagnose.NeedPressure:
		taken(&node.Pressure)
	case diagnose.NeedRuns:
		had := node.Units.OK || node.Containers.OK
		taken(&node.Units)
		taken(&node.Containers)
		return had
	case diagnose.NeedNeighbours:
		had := node.Neighbours.OK || node.Hardware.OK
		taken(&node.Neighbours)
		taken(&node.Hardware)
		return had
	case diagnose.NeedObjects:
		taken(&node.Objects)
	case diagnose.NeedHazards:
		for i := range h.Snapshots {
			taken(&h.Snapshots[i].Hazards)
		}
		return len(h.Snapshots) > 0
	default:
		return takeKube(node, n)
	}
	return true
}

func takeKube(node *cluster.NodeFacts, n diagnose.Need) bool {
	k := &node.Kubernetes.Value
	switch n {
	case diagnose.NeedManifests:
		taken(&k.Manifests)
		taken(&k.Parked)
		taken(&node.Fences)
	case diagnose.NeedKubelet:
		taken(&k.Kubelet)
	case diagnose.NeedRuntime:
		taken(&k.Runtime)
	case diagnose.NeedEncryption:
		taken(&k.Encrypt)
	case diagnose.NeedImages:
		had := k.Images.OK
		taken(&k.Images)
		return had
	case diagnose.NeedKubeCerts:
		for i := range k.Certs {
			k.Certs[i].Certificate = cluster.Unknown[cluster.Certificate]("taken")
			k.Certs[i].Issued, k.Certs[i].KeyFits = cluster.Known[bool]{}, cluster.Known[bool]{}
		}
		k.Served = nil
	case diagnose.NeedIdentity:
		for i := range k.Identity {
			taken(&k.Identity[i].Digest)
		}
	case diagnose.NeedAPIServers:
		for i := range node.APIServers {
			a := &node.APIServers[i]
			*a = cluster.APIServer{URL: a.URL, Direct: a.Direct, Named: a.Named, Why: "taken"}
		}
	default:
		return false
	}
	return true
}

// Needs are all kinds of facts.
func Needs() []diagnose.Need {
	return []diagnose.Need{diagnose.NeedHost, diagnose.NeedClock, diagnose.NeedProcess, diagnose.NeedDisk, diagnose.NeedLog, diagnose.NeedDB, diagnose.NeedLive,
		diagnose.NeedLinearizable, diagnose.NeedMembers, diagnose.NeedAlarms, diagnose.NeedHash, diagnose.NeedSpace, diagnose.NeedMount, diagnose.NeedFileSystems,
		diagnose.NeedCertificates, diagnose.NeedMetrics, diagnose.NeedLogs, diagnose.NeedKernel, diagnose.NeedKubernetes, diagnose.NeedManifests,
		diagnose.NeedKubeCerts, diagnose.NeedIdentity, diagnose.NeedKubelet, diagnose.NeedRuntime, diagnose.NeedEncryption, diagnose.NeedAPIServers,
		diagnose.NeedAddresses, diagnose.NeedSnapshots, diagnose.NeedPlaces, diagnose.NeedHazards, diagnose.NeedVault,
		diagnose.NeedObjects, diagnose.NeedPods, diagnose.NeedOutside, diagnose.NeedPressure,
		diagnose.NeedRuns, diagnose.NeedHealth, diagnose.NeedImages, diagnose.NeedNeighbours}
}
