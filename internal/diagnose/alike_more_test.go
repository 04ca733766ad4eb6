package diagnose_test

import (
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestMoreLookAlikes are the rows of the matrix about symptoms that clients see:
// time-outs, crash loops, green checks, nodes.
func TestMoreLookAlikes(t *testing.T) {
	checkAlike(t, append(timeoutRows(), append(serviceRows(), nodeRows()...)...))
}

func timeoutRows() []alike {
	at := stories.Control().Facts.At
	expire := func(m *cluster.MemberFacts, use int) { m.Certificates[use].Value.NotAfter = at.Add(-time.Minute) }
	silent := func(w *stories.World) { // m2 runs, and nothing comes back from it
		w.Dead("m2")
		w.M("m2").Process = cluster.Is(cluster.ProcessFacts{Running: true, PID: 5})
		w.M("m2").Live.Why = "context deadline exceeded"
	}
	return []alike{
		{"apply request took too long, and the disk is fast", func(w *stories.World) { w.Said("m1", "etcd", cluster.SaidSlowApply, 50) }, []decided{
			{func(w *stories.World) { w.Node("m1").Pressure.Value.CPU.Value.Some = 90 }, diagnose.CPUStarved, []diagnose.Code{diagnose.DiskSlow, diagnose.QuorumLost}},
			{func(w *stories.World) {
				w.Node("m1").Pressure.Value.CPU.Value.Some = 90
				w.M("m1").Metrics.Value.FsyncP99 = 4
			}, diagnose.DiskSlow, []diagnose.Code{diagnose.CPUStarved}}}},
		{"writes time out, reads of one member do not", nothing, []decided{
			{func(w *stories.World) { w.Dead("m2", "m3").Alone("m1") }, diagnose.QuorumLost, []diagnose.Code{diagnose.RestoredAlone, diagnose.WALBehindDB}},
			{func(w *stories.World) { w.Dead("m1").Damaged("m1", cluster.DamageBehind) }, diagnose.WALBehindDB, []diagnose.Code{diagnose.QuorumLost, diagnose.RestoredAlone}},
			{func(w *stories.World) { // each lists itself alone
				for i, n := range []string{"m1", "m2", "m3"} {
					id := cluster.ID(i + 1)
					list := []cluster.MemberEntry{{ID: 0x8e9e05c52164694d, Name: n, PeerURLs: []string{"http://localhost:2380"}}}
					w.M(n).Live.Value.ClusterID, w.M(n).Live.Value.Members = id, cluster.Is(list)
					w.M(n).Disk.Value.ClusterID, w.M(n).Disk.Value.DB.Value.Members = cluster.Is(id), list
				}
			}, diagnose.RestoredAlone, []diagnose.Code{diagnose.QuorumLost, diagnose.WALBehindDB}}}},
		{"context deadline exceeded", nothing, []decided{
			{func(w *stories.World) { w.Dead("m2", "m3").Alone("m1") }, diagnose.QuorumLost, []diagnose.Code{diagnose.CertExpired, diagnose.MemberIsolated}},
			{func(w *stories.World) { silent(w); expire(w.M("m2"), 0) }, diagnose.CertExpired, []diagnose.Code{diagnose.QuorumLost, diagnose.MemberIsolated, diagnose.CertWrongName}},
			{func(w *stories.World) { w.Outdated("apiserver-etcd-client", "m2") }, diagnose.APIEtcdClientExpired, []diagnose.Code{diagnose.CertExpired, diagnose.QuorumLost}},
			{func(w *stories.World) { silent(w); w.M("m2").Certificates[1].Value.DNSNames = []string{"elsewhere"} }, diagnose.CertWrongName, []diagnose.Code{diagnose.CertExpired}},
			{func(w *stories.World) { w.Alone("m2") }, diagnose.MemberIsolated, []diagnose.Code{diagnose.QuorumLost, diagnose.MemberStopped}},
			{func(w *stories.World) { w.Dead("m2") }, diagnose.MemberStopped, []diagnose.Code{diagnose.MemberIsolated, diagnose.CertExpired}},
			{func(w *stories.World) { silent(w); w.M("m2").Metrics.Value.Defragmenting = true }, diagnose.Defragmenting, []diagnose.Code{diagnose.CertExpired, diagnose.MemberStopped}},
			{silent, diagnose.MemberStuck, []diagnose.Code{diagnose.Defragmenting, diagnose.CertExpired, diagnose.MemberStopped}}}},
		{"etcd is late, says its log", func(w *stories.World) { w.Said("m1", "etcd", cluster.SaidLateHeartbeat, 50) }, []decided{
			{nothing, diagnose.LateHeartbeats, []diagnose.Code{diagnose.DiskSlow, diagnose.CPUStarved, diagnose.Defragmenting}},
			{func(w *stories.World) { w.Node("m1").Pressure.Value.Steal.Value = 50 }, diagnose.CPUStarved, []diagnose.Code{diagnose.DiskSlow}},
			{func(w *stories.World) { w.M("m1").Metrics.Value.Defragmenting = true }, diagnose.Defragmenting, []diagnose.Code{diagnose.DiskSlow, diagnose.CPUStarved}}}},
	}
}

func serviceRows() []alike {
	unready := func(failed ...string) func(*stories.World) {
		return func(w *stories.World) {
			w.API("m2").Ready = cluster.Is(cluster.APIHealth{Status: 500, Failed: failed, Passed: 30})
		}
	}
	return []alike{
		{"the API server is there and never ready", nothing, []decided{
			{unready("etcd"), diagnose.APIEtcdUnreachable, []diagnose.Code{diagnose.APICannotDecrypt, diagnose.APIBadFlag}},
			{func(w *stories.World) {
				unready("informer-sync")(w)
				w.Said("m2", "kube-apiserver", cluster.SaidNoEncryptionKey, 9)
			}, diagnose.APICannotDecrypt, []diagnose.Code{diagnose.APIEtcdUnreachable, diagnose.APIDown}},
			{unready("informer-sync"), diagnose.APINotReady, []diagnose.Code{diagnose.APICannotDecrypt, diagnose.APIEtcdUnreachable}}}},
		{"tokens are refused", func(w *stories.World) { w.Said("m2", "kube-apiserver", cluster.SaidTokenSignature, 9) }, []decided{
			{nothing, diagnose.TokenRejected, []diagnose.Code{diagnose.SAKeyDiffers, diagnose.KubeconfigExpired}},
			{func(w *stories.World) {
				w.Finger("m2", "service-account-public").Digest = cluster.Is("another-digest-there")
			}, diagnose.SAKeyDiffers, []diagnose.Code{diagnose.KubeconfigExpired}}}},
		{"pods are not created, and nothing is said of it", nothing, []decided{
			{func(w *stories.World) {
				w.EachObjects(func(o *cluster.APIObjects) { o.Leases.Value[0].Renewed = o.LeasesAt.Add(-time.Hour) })
			}, diagnose.LeaseUnrenewed, []diagnose.Code{diagnose.ControllersDown, diagnose.WebhookDeadlock, diagnose.NoSpaceAlarm}},
			{func(w *stories.World) {
				w.EachObjects(func(o *cluster.APIObjects) { o.Closed.Value[0].Backend = false })
			},
				diagnose.HookBackendDown, []diagnose.Code{diagnose.LeaseUnrenewed, diagnose.NoSpaceAlarm}}}},
		{"everything is green, and nothing changes", nothing, []decided{
			{nospace, diagnose.NoSpaceAlarm, []diagnose.Code{diagnose.RVRegressed}},
			{func(w *stories.World) { w.Said("m2", "kubelet", cluster.SaidRVTooLarge, 9) }, diagnose.RVRegressed, []diagnose.Code{diagnose.NoSpaceAlarm}}}},
		{"each request is answered in another way", nothing, []decided{
			{func(w *stories.World) { w.Dead("m2"); w.M("m2").Disk.Value.Log.Value.Commit = 5000 }, diagnose.SameIDOtherHistory, []diagnose.Code{diagnose.Diverged, diagnose.SingleMemberBoot, diagnose.RVRegressed}},
			{func(w *stories.World) { // a version that is known for it, and not yet seen
				for _, n := range []string{"m1", "m2", "m3"} {
					w.M(n).Live.Value.Version = "3.5.2"
				}
			}, diagnose.VersionHazard, []diagnose.Code{diagnose.Diverged, diagnose.SameIDOtherHistory}},
			{func(w *stories.World) { w.Said("m2", "kubelet", cluster.SaidRVTooLarge, 9) }, diagnose.RVRegressed, []diagnose.Code{diagnose.Diverged, diagnose.SingleMemberBoot}},
			{func(w *stories.World) { w.Objects("m3").Leases.Value[0].Holder = "hm3_c" }, diagnose.LeadersDisagree, []diagnose.Code{diagnose.Diverged, diagnose.LeaseUnrenewed}}}},
	}
}

func nodeRows() []alike {
	gone := func(w *stories.World) {
		w.EachObjects(func(o *cluster.APIObjects) {
			for i := range o.Nodes.Value[:3] {
				o.Nodes.Value[i].Ready, o.Nodes.Value[i].Why = false, "NodeStatusUnknown: Kubelet stopped posting node status."
			}
		})
	}
	return []alike{
		{"nodes are not ready", gone, []decided{
			{func(w *stories.World) { w.Outdated("kubelet-client", "m1", "m2", "m3") }, diagnose.KubeletCertExpired, []diagnose.Code{diagnose.BalancerDown, diagnose.RVRegressed}},
			{func(w *stories.World) { w.Outdated("apiserver", "m1", "m2", "m3") }, diagnose.APICertExpired, []diagnose.Code{diagnose.KubeletCertExpired, diagnose.BalancerDown}},
			{func(w *stories.World) {
				for _, n := range []string{"m1", "m2", "m3"} {
					w.Balancer(n).Layer, w.Balancer(n).Ready = cluster.LayerNone, cluster.Unknown[cluster.APIHealth]("not reached")
				}
			}, diagnose.BalancerDown, []diagnose.Code{diagnose.KubeletCertExpired, diagnose.RVRegressed}},
			{func(w *stories.World) { w.Said("m1", "kubelet", cluster.SaidRVTooLarge, 9) }, diagnose.RVRegressed, []diagnose.Code{diagnose.KubeletCertExpired, diagnose.BalancerDown}},
			{nothing, diagnose.NodesDown, []diagnose.Code{diagnose.KubeletCertExpired, diagnose.BalancerDown, diagnose.RVRegressed}}}},
		{"one node is not ready", nothing, []decided{{func(w *stories.World) { // no pod network: neither its kubelet nor a certificate
			w.EachObjects(func(o *cluster.APIObjects) {
				o.Nodes.Value[3].Ready, o.Nodes.Value[3].Why = false, "KubeletNotReady: container runtime network not ready: cni plugin not initialized"
			})
		}, diagnose.NodesNotReady, []diagnose.Code{diagnose.NodesDown, diagnose.KubeletCertExpired, diagnose.BalancerDown}}}},
	}
}

// TestNotReadyNodesFallSilent: what they share is the cause, not the nodes.
func TestNotReadyNodesFallSilent(t *testing.T) {
	row := nodeRows()[0]
	for _, c := range row.cases {
		w := stories.Control()
		row.symptom(w)
		c.fact(w)
		f, ok := find(diagnose.Diagnose(w.Facts), diagnose.NodesDown)
		if !ok || (len(f.CausedBy) > 0) != (c.want != diagnose.NodesDown) {
			t.Errorf("%s: %+v", c.want, f)
		}
	}
}

// TestGreenAndWrong: what tools call healthy, valid, or verified, and is not.
func TestGreenAndWrong(t *testing.T) {
	at := stories.Control().Facts.At
	for name, c := range map[string]struct {
		make func(*stories.World)
		want diagnose.Code
	}{
		"no alarm is raised, and the members differ": {func(w *stories.World) {
			w.M("m2").Live.Value.HashKV.Value.Hash, w.M("m2").Live.Value.CommonHash.Value.Hash = 9, 9
			for _, n := range []string{"m1", "m2", "m3"} {
				w.M(n).Live.Value.Alarms = cluster.Is([]cluster.Alarm{})
			}
		}, diagnose.Diverged},
		"check-expiration reads 364 days on disk, and an old certificate is served by the API server": {func(w *stories.World) {
			w.API("m2").Certificate.Value.SHA256, w.API("m2").Certificate.Value.NotAfter = "sha-old", at.Add(-time.Hour)
		}, diagnose.APIServesOldCert},
		"the same of etcd": {func(w *stories.World) {
			c := w.M("m2").Certificates[0].Value
			c.Source, c.SHA256, c.NotAfter = "served:https://m2:2379", "sha-old", at.Add(-time.Hour)
			w.M("m2").Certificates = append(w.M("m2").Certificates, cluster.Is(c))
		}, diagnose.ServesOldCert},
		"snapshot status prints a table of a flipped file": {func(w *stories.World) {
			w.Facts.Hosts[0].Snapshots[0].Trailer = cluster.TrailerWrong
		}, diagnose.BackupUnusable},
		"and of one that is cut off": {func(w *stories.World) {
			w.Facts.Hosts[0].Snapshots[0].Trailer = cluster.TrailerMissing
		}, diagnose.BackupNoDigest},
		"/readyz says ok under an etcd that locks everybody out": {func(w *stories.World) {
			for _, n := range []string{"m1", "m2", "m3"} {
				w.M(n).Live.Value.Linearizable = cluster.Unknown[bool]("etcdserver: user name is empty")
			}
		}, diagnose.AuthLockout},
		"a restored cluster has another ID, it is said, and this one has the same": {func(w *stories.World) {
			w.Dead("m3")
			w.M("m3").Disk.Value.Log.Value.Commit = 5000
		}, diagnose.SameIDOtherHistory},
	} {
		w := stories.Control()
		c.make(w)
		d := diagnose.Diagnose(w.Facts)
		if _, ok := find(d, c.want); !ok || d.Scenario == diagnose.Healthy && c.want != diagnose.APIServesOldCert && c.want != diagnose.ServesOldCert && c.want != diagnose.BackupUnusable && c.want != diagnose.BackupNoDigest {
			t.Errorf("%s: %s %v", name, d.Scenario, codesOf(d))
		}
	}
}
