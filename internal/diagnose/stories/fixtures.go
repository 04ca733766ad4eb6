package stories

import (
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// Fixture shows one class of failure: Break does it to a healthy world.
type Fixture struct {
	Code  diagnose.Code
	Break func(w *World)
}

const gone = "10.9.9.9"

// Fixtures give one world for each class, or more.
func Fixtures() []Fixture {
	var all []Fixture
	for _, part := range [][]Fixture{machineFixtures(), certificateFixtures(), identityFixtures(), nodeFixtures(), dataFixtures(), memberFixtures(), serviceFixtures(),
		apiFixtures(), objectFixtures(), balancerFixtures(), backupFixtures(), hazardFixtures()} {
		all = append(all, part...)
	}
	return all
}

func machineFixtures() []Fixture {
	return []Fixture{
		{diagnose.HostUnreachable, func(w *World) { w.Unreached("m2") }},
		{diagnose.HostGivenUp, func(w *World) { w.Unreached("m2").GivenUp("m2") }},
		{diagnose.ClockSkew, func(w *World) { w.Facts.Hosts[1].Reached.Value.Clock = at().Add(-2 * time.Hour) }},
		{diagnose.HardwareClock, func(w *World) { w.Node("m1").Clock.Value.RTC = cluster.Is(at().AddDate(-6, 0, 0)) }},
		{diagnose.ClockUnsynced, func(w *World) { w.Node("m1").Clock.Value.Synchronized = cluster.Is(false) }},
		{diagnose.DiskIOError, func(w *World) { w.Said("m2", "kernel", cluster.SaidIOError, 3) }},
		{diagnose.OutOfMemory, func(w *World) { w.Said("m2", "kernel", cluster.SaidOOM, 1) }},
		{diagnose.OutOfMemory, func(w *World) { w.Ended("m2", "kube-scheduler", cluster.ReasonOOM, 137, 900) }},
		{diagnose.OutOfMemory, func(w *World) {
			w.Node("m2").Units.Value[0].Last = cluster.Is(cluster.RunEnd{Exit: 137, Signal: 9, Reason: cluster.ResultOOM, Ended: at().Add(-time.Minute), Seconds: 40})
		}},
		{diagnose.CPUStarved, func(w *World) {
			w.Said("m2", "etcd", cluster.SaidLateHeartbeat, 40)
			w.Node("m2").Pressure.Value.CPU.Value.Some = 91
		}},
		{diagnose.CPUStarved, func(w *World) {
			w.Said("m2", "etcd", cluster.SaidSlowApply, 40)
			w.Node("m2").Pressure.Value.Throttled.Value = 70
		}},
		{diagnose.CPUStarved, func(w *World) {
			w.Said("m2", "etcd", cluster.SaidLateHeartbeat, 40)
			w.Node("m2").Pressure.Value.Steal.Value = 45
		}},
		{diagnose.NotEnabled, func(w *World) { w.Node("m2").Units.Value[0].Boot = "disabled" }},
		{diagnose.MemoryStarved, func(w *World) { w.Node("m2").Pressure.Value.Memory.Value = cluster.Pressure{Some: 60, Full: 34} }},
		{diagnose.TooManyOpenFiles, func(w *World) { w.Said("m2", "etcd", cluster.SaidTooManyFiles, 9) }},
		{diagnose.DiskReadOnly, func(w *World) { w.Dead("m2"); w.M("m2").Space.Value.ReadOnly = true }},
		{diagnose.DiskFull, func(w *World) { w.Dead("m2"); w.M("m2").Space.Value.FreeBytes = 1000 }},
		{diagnose.DiskFull, func(w *World) { w.Dead("m2"); w.M("m2").WALSpace.Value.FreeBytes = 1000 }},
		{diagnose.DiskFull, func(w *World) {
			w.Dead("m2")
			w.M("m2").Space.Value.TotalInodes, w.M("m2").Space.Value.FreeInodes = 1<<20, 0
		}},
		{diagnose.DiskFilling, func(w *World) {
			w.M("m2").Space.Value.TotalBytes, w.M("m2").Space.Value.FreeBytes = 100<<30, 1<<30
		}},
		{diagnose.NodeDiskFull, func(w *World) {
			for i, f := range w.Node("m2").FileSystems {
				if f.Value.Role == "kubelet" {
					w.Node("m2").FileSystems[i].Value.FreeBytes = 0
				}
			}
		}},
		{diagnose.DataDirUnmounted, func(w *World) {
			w.Gone("m2")
			w.M("m2").Mount.Value.Expected, w.M("m2").Mount.Value.ExpectedBy = "/d", "/etc/fstab"
		}},
		{diagnose.AddressOnTwoHosts, func(w *World) {
			for _, n := range []string{"m1", "m2"} {
				w.Node(n).Addresses.Value = append(w.Node(n).Addresses.Value, "10.0.0.100")
			}
		}},
		{diagnose.AddressOnTwoHosts, func(w *World) { // the others reach it at the hardware of a machine that nobody knows
			w.Node("m2").Addresses.Value = append(w.Node("m2").Addresses.Value, "10.0.0.100")
		}},
		{diagnose.AddressNotHere, func(w *World) {
			w.API("m2").Layer, w.API("m2").Ready = cluster.LayerNone, cluster.Unknown[cluster.APIHealth]("not reached")
			w.Node("m2").Addresses.Value = []string{gone}
		}},
	}
}

func certificateFixtures() []Fixture {
	member := func(n string, from, to time.Time) func(*World) {
		return func(w *World) {
			w.Dead(n)
			w.M(n).Process = cluster.Is(cluster.ProcessFacts{Running: true, PID: 5})
			w.M(n).Certificates[1].Value.NotBefore, w.M(n).Certificates[1].Value.NotAfter = from, to
		}
	}
	kube := func(c diagnose.Code, role string) Fixture {
		return Fixture{c, func(w *World) { w.Outdated(role, "m2") }}
	}
	return []Fixture{
		{diagnose.CertExpired, member("m2", at().Add(-time.Hour), at().Add(-time.Minute))},
		{diagnose.CertNotYetValid, member("m2", at().Add(time.Hour), at().Add(2*time.Hour))},
		{diagnose.CertExpiring, func(w *World) { w.M("m2").Certificates[0].Value.NotAfter = at().Add(48 * time.Hour) }},
		{diagnose.ServesOldCert, func(w *World) {
			c := goodCert("served:https://m2:2379", "server", "m2")
			w.M("m2").Certificates = append(w.M("m2").Certificates, cluster.Is(c))
		}},
		{diagnose.CertWrongName, func(w *World) {
			w.Dead("m2")
			w.M("m2").Certificates[1].Value.DNSNames = []string{"elsewhere"}
		}},
		kube(diagnose.AuthorityExpired, "ca"),
		kube(diagnose.APIEtcdClientExpired, "apiserver-etcd-client"),
		kube(diagnose.APICertExpired, "apiserver"),
		kube(diagnose.APIClientExpired, "apiserver-kubelet-client"),
		kube(diagnose.KubeletCertExpired, "kubelet-client"),
		kube(diagnose.KubeconfigExpired, "kubeconfig"),
		kube(diagnose.FrontProxyExpired, "front-proxy-client"),
		{diagnose.KubeCertNotYetValid, func(w *World) { w.Cert("m2", "apiserver").Certificate.Value.NotBefore = at().Add(time.Hour) }},
		{diagnose.ComponentCertExpired, func(w *World) { w.Kube("m2").Served[0].Certificate.Value.NotAfter = at().Add(-time.Hour) }},
		{diagnose.KubeCertExpiring, func(w *World) { w.Cert("m2", "apiserver").Certificate.Value.NotAfter = at().Add(48 * time.Hour) }},
		{diagnose.APIServesOldCert, func(w *World) { w.API("m2").Certificate.Value.SHA256 = "sha-old" }},
		{diagnose.RenewalPartial, func(w *World) { w.Outdated("apiserver", "m2", "m3") }},
	}
}

func identityFixtures() []Fixture {
	other := func(c diagnose.Code, name string) Fixture {
		return Fixture{c, func(w *World) { w.Finger("m2", name).Digest = cluster.Is("another-digest-here") }}
	}
	return []Fixture{
		other(diagnose.AuthorityDiffers, "ca"),
		other(diagnose.EtcdAuthorityDiffers, "etcd-ca"),
		other(diagnose.FrontProxyDiffers, "front-proxy-ca"),
		other(diagnose.SAKeyDiffers, "service-account-public"),
		other(diagnose.SAKeyPairBroken, "service-account-private"),
		other(diagnose.EncryptionDiffers, "encryption-config"),
		{diagnose.EtcdAuthorityDiffers, func(w *World) {
			w.Dead("m2")
			for _, n := range []string{"m1", "m2", "m3"} {
				c := goodCert("/pki/"+n+"/ca.crt", "ca", n)
				c.SHA256 = "one-authority"
				if n == "m2" {
					c.SHA256 = "another-authority"
				}
				w.M(n).Certificates = append(w.M(n).Certificates, cluster.Is(c))
			}
		}},
		{diagnose.CertNotIssuedByCA, func(w *World) { w.M("m2").Certificates[1].Value.Stranger = true }},
		{diagnose.CertNotIssuedByCA, func(w *World) { w.Cert("m2", "apiserver").Issued = cluster.Is(false) }},
		{diagnose.CertKeyMismatch, func(w *World) { w.Cert("m2", "apiserver").KeyFits = cluster.Is(false) }},
		{diagnose.KubeconfigOtherCA, func(w *World) {
			w.Finger("m2", "ca").Digest = cluster.Is("digest-long-enough")
			w.Kube("m2").Configs[0].CA = cluster.Is("another-long-enough-digest")
		}},
	}
}

func nodeFixtures() []Fixture {
	down := func(s *cluster.ServiceFacts) {
		s.Active, s.Sub = "failed", "failed"
		s.Process, s.Answers = cluster.Is(false), cluster.Known[bool]{OK: true, Why: "connection refused"}
	}
	manifests := func(w *World) *[]cluster.Manifest { return &w.Kube("m2").Manifests.Value }
	return []Fixture{
		{diagnose.KubeletDown, func(w *World) { down(&w.Kube("m2").Kubelet.Value) }},
		{diagnose.KubeletRefuses, func(w *World) {
			down(&w.Kube("m2").Kubelet.Value)
			w.Said("m2", "kubelet", cluster.SaidSwap, 4)
		}},
		{diagnose.RuntimeDown, func(w *World) { down(&w.Kube("m2").Runtime.Value) }},
		{diagnose.RuntimeDown, func(w *World) { // the process is there, its socket is not
			w.Kube("m2").Runtime.Value.Answers = cluster.Known[bool]{OK: true, Why: "no such file"}
		}},
		{diagnose.RuntimeDBDamaged, func(w *World) {
			w.Said("m2", "containerd", cluster.SaidRuntimeDB, 2)
			w.Kube("m2").Runtime.Value.Answers = cluster.Is(false)
		}},
		{diagnose.SandboxReserved, func(w *World) { w.Said("m2", "kubelet", cluster.SaidSandboxReserved, 2) }},
		{diagnose.ImageMissing, func(w *World) {
			w.Said("m2", "kubelet", cluster.SaidImage, 2)
			delete(w.Kube("m2").Running.Value, "kube-scheduler")
		}},
		{diagnose.ImageMissing, func(w *World) {
			w.Image("m2", "kube-scheduler").Present = false
			delete(w.Kube("m2").Running.Value, "kube-scheduler")
		}},
		{diagnose.ImageMissing, func(w *World) {
			w.Image("m2", cluster.SandboxImage).Present = false
			w.Said("m2", "kubelet", cluster.SaidImage, 2)
			delete(w.Kube("m2").Running.Value, "kube-scheduler")
		}},
		{diagnose.ManifestBroken, func(w *World) { (*manifests(w))[1].Pod = cluster.Unknown[cluster.StaticPod]("yaml: line 3") }},
		{diagnose.RunsOtherFlags, func(w *World) {
			w.Kube("m2").Running.Value["kube-apiserver"] = cluster.Seen{PID: 7, Command: []string{"kube-apiserver", "--v=2", "--insecure-port=0"}}
		}},
		{diagnose.ManifestDuplicate, func(w *World) {
			bak := (*manifests(w))[1]
			bak.Path += ".bak"
			*manifests(w) = append(*manifests(w), bak)
		}},
		{diagnose.ManifestMissing, func(w *World) { *manifests(w) = (*manifests(w))[:3] }},
		{diagnose.HeldBack, func(w *World) {
			k := w.Kube("m2")
			kept := k.Manifests.Value[3]
			kept.Path = "/etc/kubernetes/manifests.salvor/kube-scheduler.yaml"
			k.Manifests.Value, k.Parked, k.ParkedBy = k.Manifests.Value[:3], cluster.Is([]cluster.Manifest{kept}), "20261121-031502-prod-k3f9"
		}},
		{diagnose.ManifestFiles, func(w *World) { (*manifests(w))[1].Pod.Value.Missing = []string{"/etc/kubernetes/enc.yaml"} }},
		{diagnose.ControllersDown, func(w *World) { delete(w.Kube("m2").Running.Value, "kube-scheduler") }},
	}
}

func dataFixtures() []Fixture {
	damage := func(c diagnose.Code, k cluster.DamageKind) Fixture {
		return Fixture{c, func(w *World) { w.Dead("m2").Damaged("m2", k) }}
	}
	return []Fixture{
		{diagnose.DataDirLost, func(w *World) { w.Gone("m2") }},
		{diagnose.AllMembersLost, func(w *World) { w.Gone("m1", "m2", "m3") }},
		{diagnose.DataDirForeign, func(w *World) { w.Dead("m2"); w.M("m2").Disk.Value.State = cluster.DirForeign }},
		damage(diagnose.WALMissing, cluster.DamageWALMissing),
		damage(diagnose.WALDamaged, cluster.DamageWAL),
		damage(diagnose.WALTornTail, cluster.DamageTornTail),
		damage(diagnose.DBDamaged, cluster.DamageDB),
		damage(diagnose.DBTruncated, cluster.DamageDBTruncated),
		damage(diagnose.SnapDBMissing, cluster.DamageDBMissing),
		damage(diagnose.WALBehindDB, cluster.DamageBehind),
		{diagnose.DBBehindLog, func(w *World) { w.Dead("m2"); w.M("m2").Disk.Value.Log.Value.SnapshotIndex = 95 }},
		{diagnose.QuorumGone, func(w *World) { w.Gone("m2", "m3").Alone("m1") }},
		{diagnose.SameIDOtherHistory, func(w *World) { w.Dead("m2"); w.M("m2").Disk.Value.Log.Value.Commit = 5000 }},
	}
}

// Alone makes a member a cluster of its own, which calls itself healthy.
func Alone(w *World, n string) { alone(w, n, other) }

func alone(w *World, n string, id cluster.ID) {
	list := []cluster.MemberEntry{{ID: 0x8e9e05c52164694d, Name: n, PeerURLs: []string{"http://localhost:2380"}}}
	w.M(n).Live.Value.ClusterID, w.M(n).Live.Value.Members = id, cluster.Is(list)
	w.M(n).Disk.Value.ClusterID = cluster.Is(id)
	w.M(n).Disk.Value.DB.Value.Members = list
}

func memberFixtures() []Fixture {
	learner := func(name string) func(*World) {
		return func(w *World) {
			list := append(entries("m1", "m2", "m3"), cluster.MemberEntry{ID: 9, Name: name, PeerURLs: []string{"https://m4:2380"}, Learner: true})
			for _, n := range []string{"m1", "m2", "m3"} {
				w.M(n).Live.Value.Members, w.M(n).Live.Value.AppliedIndex = cluster.Is(list), 101
			}
		}
	}
	return []Fixture{
		{diagnose.SingleMemberBoot, func(w *World) { Alone(w, "m3") }},
		{diagnose.ClusterIDMismatch, func(w *World) { Alone(w, "m3") }},
		{diagnose.RestoredAlone, func(w *World) { alone(w, "m1", 1); alone(w, "m2", 2); alone(w, "m3", 3) }},
		{diagnose.HistoryRewound, func(w *World) { w.Facts.Hosts[0].Snapshots[0].DB.Value.Revision = 9_000_000 }},
		{diagnose.VoterNotConfigured, func(w *World) {
			for _, n := range []string{"m1", "m2", "m3"} {
				w.M(n).Live.Value.Members = cluster.Is(append(entries("m1", "m2", "m3"), cluster.MemberEntry{ID: 9, Name: "m9", PeerURLs: []string{"https://m9:2380"}}))
			}
		}},
		{diagnose.MemberRemoved, func(w *World) {
			w.Dead("m3")
			for _, n := range []string{"m1", "m2"} {
				w.M(n).Live.Value.Members = cluster.Is(entries("m1", "m2"))
			}
		}},
		{diagnose.LearnerUnstarted, learner("")},
		{diagnose.LearnerWaiting, func(w *World) { w.M("m3").Live.Value.Learner = true }},
		{diagnose.PeerURLDrift, func(w *World) { w.Facts.Config.Members[1].PeerURLs = []string{"https://10.1.1.1:2380"} }},
		{diagnose.MembersDisagree, func(w *World) { w.M("m2").Live.Value.Leader = '2' }},
		{diagnose.Diverged, func(w *World) { // only the common revision shows it
			w.M("m3").Live.Value.HashKV.Value.Revision = 91
			w.M("m3").Live.Value.CommonHash.Value.Hash = 8
		}},
		{diagnose.NoSpareMember, func(w *World) { w.Dead("m3") }},
	}
}

func serviceFixtures() []Fixture {
	silent := func(c diagnose.Code, cause cluster.Cause) Fixture {
		return Fixture{c, func(w *World) { w.Dead("m2").Said("m2", "etcd", cause, 3) }}
	}
	alarm := func(kind string) func(*World) {
		return func(w *World) {
			for _, n := range []string{"m1", "m2", "m3"} {
				w.M(n).Live.Value.Alarms = cluster.Is([]cluster.Alarm{{MemberID: '1', Type: kind}})
			}
		}
	}
	version := func(v string, ns ...string) func(*World) {
		return func(w *World) {
			for _, n := range ns {
				w.M(n).Live.Value.Version = v
			}
		}
	}
	return []Fixture{
		{diagnose.AlreadyBootstrapped, func(w *World) { w.Gone("m2").Said("m2", "etcd", cluster.SaidBootstrapped, 3) }},
		silent(diagnose.WipedRejoin, cluster.SaidWiped),
		silent(diagnose.LogLostEntries, cluster.SaidLogLost),
		silent(diagnose.MemberNameUnknown, cluster.SaidNameUnknown),
		silent(diagnose.PortInUse, cluster.SaidPortInUse),
		silent(diagnose.EtcdBadFlag, cluster.SaidBadFlag),
		silent(diagnose.EtcdPermission, cluster.SaidPermission),
		{diagnose.EtcdPermission, func(w *World) {
			w.Dead("m2").Said("m2", "etcd", cluster.SaidBootstrapped, 3)
			w.M("m2").Disk.Value.Barred = "/d/m2/member/wal is drwx------ of root, and etcd runs as etcd"
		}},
		silent(diagnose.EtcdTLSFile, cluster.SaidTLSFile),
		silent(diagnose.EtcdDowngrade, cluster.SaidDowngrade),
		silent(diagnose.EtcdOldStore, cluster.SaidOldStore),
		silent(diagnose.EtcdTooManyLearners, cluster.SaidTooManyLearners),
		{diagnose.NoSpaceAlarm, alarm("NOSPACE")},
		{diagnose.CorruptAlarm, alarm("CORRUPT")},
		{diagnose.CorruptAlarm, func(w *World) { // no member talks to us, and all tell it to everybody
			for _, n := range []string{"m1", "m2", "m3"} {
				w.M(n).Live = cluster.Unknown[cluster.LiveMember]("remote error: tls: bad certificate")
				w.M(n).Health[0].Health = cluster.Is(cluster.HealthAnswer{Status: 503, Reason: "ALARM CORRUPT"})
				w.M(n).Health[0].Ready = cluster.Is(cluster.APIHealth{Status: 503, Failed: []string{"data_corruption"}, Passed: 2})
			}
		}},
		{diagnose.QuotaFullOfData, func(w *World) { alarm("NOSPACE")(w); w.M("m2").Live.Value.DBInUse = 2<<30 - 1 }},
		{diagnose.NearQuota, func(w *World) { w.M("m2").Live.Value.DBSize, w.M("m2").Live.Value.DBInUse = 1900<<20, 1800<<20 }},
		{diagnose.Fragmented, func(w *World) { w.M("m2").Live.Value.DBSize = 900 << 20 }},
		{diagnose.AuthLockout, func(w *World) {
			w.M("m2").Live.Value.Linearizable = cluster.Unknown[bool]("etcdserver: user name is empty")
		}},
		{diagnose.RequestTooLarge, func(w *World) { w.Said("m2", "kube-apiserver", cluster.SaidTooLarge, 2) }},
		{diagnose.VersionHazard, version("3.5.4", "m1", "m2", "m3")},
		{diagnose.VersionZombies, version("3.5.20", "m1", "m2", "m3")},
		{diagnose.VersionsMixed, version("3.5.30", "m2")},
		{diagnose.VersionRace, func(w *World) { w.M("m2").Live.Value.Version = "3.6.4" }},
		{diagnose.Defragmenting, func(w *World) { w.M("m2").Metrics.Value.Defragmenting = true }},
		{diagnose.DiskSlow, func(w *World) { w.M("m2").Metrics.Value.FsyncP99 = 4.096 }},
		{diagnose.LateHeartbeats, func(w *World) { w.Said("m2", "etcd", cluster.SaidLateHeartbeat, 40) }},
		{diagnose.LeaderUnstable, func(w *World) { w.M("m2").Metrics.Value.LeaderChanges = 5000 }},
		{diagnose.LeaseLost, func(w *World) { w.Said("m2", "kube-controller-manager", cluster.SaidLeaseLost, 2) }},
		{diagnose.MemberIsolated, func(w *World) { w.Alone("m2") }},
		{diagnose.NoQuorumThoughLive, func(w *World) { w.Alone("m1", "m2", "m3") }},
		{diagnose.QuorumLost, func(w *World) { w.Dead("m2", "m3").Alone("m1") }},
		{diagnose.MemberStopped, func(w *World) { w.Dead("m2") }},
		{diagnose.MemberStuck, func(w *World) {
			w.Dead("m2")
			w.M("m2").Process = cluster.Is(cluster.ProcessFacts{Running: true, PID: 7})
		}},
	}
}

func apiFixtures() []Fixture {
	says := func(c diagnose.Code, component string, cause cluster.Cause) Fixture {
		return Fixture{c, func(w *World) { w.Said("m2", component, cause, 60) }}
	}
	unready := func(w *World, failed ...string) {
		w.API("m2").Ready = cluster.Is(cluster.APIHealth{Status: 500, Failed: failed, Passed: 30})
	}
	layer := func(a *cluster.APIServer, l string) {
		a.Layer, a.Why = l, "connection refused"
		a.Live, a.Ready = cluster.Unknown[cluster.APIHealth]("not reached"), cluster.Unknown[cluster.APIHealth]("not reached")
	}
	return []Fixture{
		{diagnose.APIDown, func(w *World) { layer(w.API("m2"), cluster.LayerNone) }},
		{diagnose.APIHangs, func(w *World) { layer(w.API("m2"), cluster.LayerTLS) }},
		{diagnose.APINotReady, func(w *World) { unready(w, "informer-sync") }},
		{diagnose.APIBadFlag, func(w *World) {
			layer(w.API("m2"), cluster.LayerNone)
			w.Said("m2", "kube-apiserver", cluster.SaidBadFlag, 3)
		}},
		{diagnose.APIBadFlag, func(w *World) {
			layer(w.API("m2"), cluster.LayerNone)
			w.NoLog("m2", "kube-apiserver").Ended("m2", "kube-apiserver", "Error", 1, 0.4)
		}},
		{diagnose.APIEtcdUnreachable, func(w *World) {
			layer(w.API("m2"), cluster.LayerNone)
			w.NoLog("m2", "kube-apiserver").Ended("m2", "kube-apiserver", "Error", 1, 20.6)
		}},
		{diagnose.APIEtcdUnreachable, func(w *World) {
			layer(w.API("m2"), cluster.LayerNone)
			w.Said("m2", "kube-apiserver", cluster.SaidEtcdUnreachable, 3)
		}},
		says(diagnose.APIOverloaded, "kube-controller-manager", cluster.SaidTooManyRequests),
		{diagnose.APIOverloaded, func(w *World) {
			a, unsaid := w.API("m2"), cluster.Unknown[cluster.APIHealth]("it answers with status 429 and does not say")
			a.Live, a.Ready, a.Refused = unsaid, unsaid, 429
		}},
		{diagnose.APIOverloaded, func(w *World) {
			w.Objects("m2").Nodes = cluster.Unknown[[]cluster.NodeState]("GET /api/v1/nodes: status 429: Too many requests, please try again later.")
		}},
		says(diagnose.APICannotDecrypt, "kube-apiserver", cluster.SaidNoEncryptionKey),
		says(diagnose.TokenRejected, "kube-apiserver", cluster.SaidTokenSignature),
		says(diagnose.WebhookDeadlock, "kube-apiserver", cluster.SaidWebhook),
		says(diagnose.AggregatedAPIDown, "kube-apiserver", cluster.SaidAPIService),
		says(diagnose.FrontProxyRejected, "kube-apiserver", cluster.SaidFrontProxy),
		says(diagnose.RVRegressed, "kubelet", cluster.SaidRVTooLarge),
		says(diagnose.ControllersFight, "kube-controller-manager", cluster.SaidObjectModified),
		says(diagnose.RBACMissing, "kube-controller-manager", cluster.SaidForbiddenRBAC),
		says(diagnose.CannotReadClient, "kube-controller-manager", cluster.SaidUnauthorized),
		{diagnose.BalancerDown, func(w *World) {
			for _, n := range []string{"m1", "m2", "m3"} {
				layer(w.Balancer(n), cluster.LayerNone)
			}
		}},
		{diagnose.BalancerUnready, func(w *World) {
			w.Balancer("m1").Ready = cluster.Is(cluster.APIHealth{Status: 500, Failed: []string{"etcd"}})
		}},
		{diagnose.BalancerOther, func(w *World) { w.Balancer("m1").Certificate.Value.Issuer = "CN=another" }},
	}
}

func backupFixtures() []Fixture {
	snap := func(w *World) *cluster.SnapshotFacts { return &w.Facts.Hosts[0].Snapshots[0] }
	return []Fixture{
		{diagnose.BackupUnusable, func(w *World) { snap(w).Trailer = cluster.TrailerWrong }},
		{diagnose.BackupUnusable, func(w *World) {
			snap(w).Damage = []cluster.Damage{{Kind: cluster.DamageDB, What: "page 7 has the wrong type"}}
		}},
		{diagnose.BackupNoDigest, func(w *World) { snap(w).Trailer = cluster.TrailerMissing }},
		{diagnose.BackupOtherCluster, func(w *World) {
			snap(w).DB.Value.Members = []cluster.MemberEntry{{ID: 1, Name: "foreign", PeerURLs: []string{"https://foreign:2380"}}}
		}},
		{diagnose.BackupNone, func(w *World) {
			w.Facts.Hosts[0].Snapshots = nil
			w.Facts.Hosts[0].Node.Places[0].Files = cluster.Is(0)
		}},
		{diagnose.BackupStale, func(w *World) { snap(w).Modified = at().Add(-14 * 24 * time.Hour) }},
		{diagnose.BackupIncomplete, func(w *World) {
			w.Facts.Hosts[0].Node.Places[0].Parts = cluster.Is([]string{cluster.PartAuthority, cluster.PartEtcdAuthority})
		}},
		{diagnose.BackupNeverProven, func(w *World) { w.Unvaulted() }},
		{diagnose.BackupNeverProven, func(w *World) { w.Facts.Backups.Value[0].Proven = time.Time{} }},
		{diagnose.BackupSameDisk, func(w *World) {
			for i, f := range w.Node("m1").FileSystems {
				if f.Value.Role == "snapshots" {
					w.Node("m1").FileSystems[i].Value.Device = 1
				}
			}
		}},
	}
}
