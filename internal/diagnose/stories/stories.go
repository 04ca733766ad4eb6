// Package stories holds the failures that tests of diagnose, plan and report
// share: facts built by hand, each with the answer that it must get.
package stories

import (
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// at is the time of every story.
func at() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

const (
	home  = cluster.ID(0xc1)
	other = cluster.ID(0xc2)
)

// World builds facts of three members, then changes them.
type World struct{ Facts cluster.Facts }

func entries(names ...string) []cluster.MemberEntry {
	var out []cluster.MemberEntry
	for _, n := range names {
		out = append(out, cluster.MemberEntry{ID: cluster.ID(n[1]), Name: n, PeerURLs: []string{"https://" + n + ":2380"}})
	}
	return out
}

// Serving is three members in perfect health.
func Serving() *World {
	w := &World{Facts: cluster.Facts{At: at(), Config: cluster.Config{Cluster: "test"}}}
	for i, n := range []string{"m1", "m2", "m3"} {
		w.Facts.Config.Hosts = append(w.Facts.Config.Hosts, cluster.Host{Name: "h" + n, Via: cluster.ViaLocal})
		w.Facts.Config.Members = append(w.Facts.Config.Members, cluster.Member{Name: n, Host: "h" + n, DataDir: "/d/" + n,
			PeerURLs: []string{"https://" + n + ":2380"}, ClientURLs: []string{"https://" + n + ":2379"}})
		w.Facts.Hosts = append(w.Facts.Hosts, cluster.HostFacts{Name: "h" + n,
			Reached: cluster.Is(cluster.HostInfo{Hostname: n, Clock: at()}),
			Members: []cluster.MemberFacts{{Name: n,
				Process: cluster.Is(cluster.ProcessFacts{Running: true, PID: 100 + i}),
				Disk:    cluster.Is(goodDir(n)),
				Space:   cluster.Is(cluster.Space{Path: "/d", TotalBytes: 1 << 40, FreeBytes: 1 << 39}),
				Live:    cluster.Is(goodLive(n)),
			}}})
	}
	return w
}

func goodDir(n string) cluster.DataDir {
	return cluster.DataDir{Path: "/d/" + n, State: cluster.DirData, ClusterID: cluster.Is(home), MemberID: cluster.Is(cluster.ID(n[1])),
		Log: cluster.Is(cluster.Log{Term: 3, Commit: 100, FirstIndex: 1, LastIndex: 101, LastTerm: 3, Whole: true}),
		DB:  cluster.Is(cluster.DB{ConsistentIndex: 90, Term: 3, Revision: 80, Members: entries("m1", "m2", "m3")}), Modified: at()}
}

func goodLive(n string) cluster.LiveMember {
	return cluster.LiveMember{ClusterID: home, MemberID: cluster.ID(n[1]), Leader: cluster.ID('1'), Term: 3, Index: 101, AppliedIndex: 101, Revision: 90,
		Linearizable: cluster.Is(true), Members: cluster.Is(entries("m1", "m2", "m3")), Alarms: cluster.Is([]cluster.Alarm(nil))}
}

// M gives the facts of a member, to be changed.
func (w *World) M(n string) *cluster.MemberFacts {
	for i := range w.Facts.Hosts {
		for j := range w.Facts.Hosts[i].Members {
			if w.Facts.Hosts[i].Members[j].Name == n {
				return &w.Facts.Hosts[i].Members[j]
			}
		}
	}
	panic(n)
}

// Dead stops members.
func (w *World) Dead(ns ...string) *World {
	for _, n := range ns {
		w.M(n).Process = cluster.Is(cluster.ProcessFacts{})
		w.M(n).Live = cluster.Unknown[cluster.LiveMember]("connection refused")
	}
	return w
}

// Gone removes data dirs of dead members.
func (w *World) Gone(ns ...string) *World {
	w.Dead(ns...)
	for _, n := range ns {
		w.M(n).Disk = cluster.Is(cluster.DataDir{Path: "/d/" + n, State: cluster.DirAbsent})
	}
	return w
}

// Alone leaves members running without a quorum.
func (w *World) Alone(ns ...string) *World {
	for _, n := range ns {
		w.M(n).Live.Value.Linearizable = cluster.Is(false)
		w.M(n).Live.Value.Leader = 0
	}
	return w
}

// Damaged puts one defect into a member's files.
func (w *World) Damaged(n string, k cluster.DamageKind) *World {
	d := &w.M(n).Disk.Value
	d.Damage = append(d.Damage, cluster.Damage{Kind: k, File: "/d/" + n + "/f", Offset: 4096, What: "bad"})
	switch k {
	case cluster.DamageWAL:
		d.Log.Value.Whole = false
	case cluster.DamageDB:
		d.DB = cluster.Unknown[cluster.DB]("bad page")
	}
	return w
}

// Unreached takes the hosts of members out of sight.
func (w *World) Unreached(ns ...string) *World {
	for _, n := range ns {
		for i := range w.Facts.Hosts {
			if w.Facts.Hosts[i].Name == "h"+n {
				w.Facts.Hosts[i].Reached = cluster.Unknown[cluster.HostInfo]("no route to host")
				w.Facts.Hosts[i].Members = nil
			}
		}
	}
	return w
}

// Snapshot adds a sound snapshot of an hour ago.
func (w *World) Snapshot(rev int64) *World {
	w.Facts.Hosts[0].Snapshots = append(w.Facts.Hosts[0].Snapshots, cluster.SnapshotFacts{Path: "/b/s.db", Modified: at().Add(-time.Hour),
		Trailer: cluster.TrailerGood, DB: cluster.Is(cluster.DB{Revision: rev, Members: entries("m1", "m2", "m3")})})
	return w
}

// Witness adds a witness that has seen a revision.
func (w *World) Witness(rev int64) *World {
	w.Facts.Hosts[0].Witnesses = append(w.Facts.Hosts[0].Witnesses, cluster.WitnessFacts{Path: "/w", Revision: cluster.Is(rev), At: at()})
	return w
}

// Certs gives every member a server certificate.
func (w *World) Certs(notBefore, notAfter time.Time) *World {
	for _, n := range []string{"m1", "m2", "m3"} {
		w.M(n).Certificates = []cluster.Known[cluster.Certificate]{cluster.Is(cluster.Certificate{Source: "/pki/" + n, Use: "server", NotBefore: notBefore, NotAfter: notAfter})}
	}
	return w
}

// Story is one failure with its answer.
type Story struct {
	World    *World
	Scenario diagnose.Scenario
	Level    string
	Source   string
	Code     diagnose.Code
}

// All gives every story, built anew.
func All() map[string]Story {
	impostor := Serving()
	impostor.M("m3").Live = cluster.Is(cluster.LiveMember{ClusterID: other, MemberID: 9, Leader: 9, Revision: 2, Linearizable: cluster.Is(true), Members: cluster.Is(entries("m3")), Alarms: cluster.Is([]cluster.Alarm(nil))})
	impostor.M("m3").Disk.Value.ClusterID = cluster.Is(other)
	nospace := Serving()
	for _, n := range []string{"m1", "m2", "m3"} {
		nospace.M(n).Live.Value.Alarms = cluster.Is([]cluster.Alarm{{MemberID: 1, Type: "NOSPACE"}})
	}
	expired := Serving().Dead("m1", "m2", "m3").Certs(at().Add(-time.Hour), at().Add(-time.Minute))
	for _, n := range []string{"m1", "m2", "m3"} {
		expired.M(n).Process = cluster.Is(cluster.ProcessFacts{Running: true, PID: 5})
	}
	cut := Serving().Dead("m1", "m2", "m3").Damaged("m1", cluster.DamageWAL).Damaged("m2", cluster.DamageDB)
	cut.M("m1").Disk.Value.DB.Value.Revision = 95 // the largest db, the shortest log
	cut.M("m1").Disk.Value.Log.Value.LastIndex = 50
	cut.M("m3").Disk.Value.Log.Value.LastIndex = 130
	cut.M("m2").Disk.Value.Log.Value.LastIndex = 120
	full := Serving().Dead("m1", "m2", "m3")
	for _, n := range []string{"m1", "m2", "m3"} {
		full.M(n).Space.Value.FreeBytes = 1000
	}
	diverged := Serving()
	for i, n := range []string{"m1", "m2", "m3"} {
		diverged.M(n).Live.Value.HashKV = cluster.Is(cluster.HashKV{Revision: 90, Hash: uint32(i / 2)})
	}
	return map[string]Story{
		"healthy":         {Serving(), diagnose.Healthy, "T0 D0", "quorum", ""},
		"stopped":         {Serving().Dead("m1", "m2", "m3"), diagnose.Stopped, "T3 D0", "disks", diagnose.MemberStopped},
		"one-stopped":     {Serving().Dead("m2"), diagnose.Stopped, "T1 D0", "quorum", diagnose.MemberStopped},
		"member-lost":     {Serving().Gone("m3"), diagnose.MemberLost, "T1 D0", "quorum", diagnose.DataDirLost},
		"majority-lost":   {Serving().Gone("m2", "m3").Alone("m1").Snapshot(50), diagnose.MajorityLost, "T2 D1", "survivor:m1", diagnose.DataDirLost},
		"power-cut":       {cut, diagnose.DataDamaged, "T3 D1", "survivor:m3", diagnose.WALDamaged},
		"torn-tail":       {Serving().Dead("m1", "m2", "m3").Damaged("m1", cluster.DamageTornTail), diagnose.Stopped, "T3 D0", "disks", diagnose.WALTornTail},
		"all-lost":        {Serving().Gone("m1", "m2", "m3").Snapshot(70).Witness(99), diagnose.AllLost, "T3 D2", "snapshot:hm1:/b/s.db", diagnose.DataDirLost},
		"nothing-left":    {Serving().Gone("m1", "m2", "m3"), diagnose.AllLost, "T3 D3", "", diagnose.DataDirLost},
		"no-space":        {nospace, diagnose.NoSpace, "T1 D0", "quorum", diagnose.NoSpaceAlarm},
		"certs-expired":   {expired, diagnose.CertsExpired, "T3 D0", "disks", diagnose.CertExpired},
		"one-barred":      {oneBarred(), diagnose.CertsExpired, "T1 D0", "quorum", diagnose.CertExpired},
		"not-configured":  {notConfigured(), diagnose.Unreachable, "T? D?", "survivor:m1", diagnose.VoterNotConfigured},
		"rewound":         {Serving().Witness(5_000_000), diagnose.Rewound, "T1 D?", "quorum", diagnose.HistoryRewound},
		"twin":            {twin(), diagnose.Degraded, "T1 D0", "quorum", diagnose.MembersDisagree},
		"survivor-behind": {Serving().Gone("m2", "m3").Alone("m1").Witness(5_000_000), diagnose.MajorityLost, "T2 D1", "survivor:m1", diagnose.DataDirLost},
		"removed":         {removed(), diagnose.MemberLost, "T1 D0", "quorum", diagnose.MemberRemoved},
		"no-vote":         {noVote(), diagnose.MajorityLost, "T3 D1", "survivor:m2", diagnose.DataDirLost},
		"auth":            {auth(), diagnose.Degraded, "T? D0", "disks", ""},
		"impostor":        {impostor, diagnose.Impostor, "T1 D0", "quorum", diagnose.SingleMemberBoot},
		"disk-full":       {full, diagnose.Blocked, "T3 D0", "disks", diagnose.DiskFull},
		"two-unreached":   {Serving().Unreached("m2", "m3").Alone("m1"), diagnose.Unreachable, "T? D?", "survivor:m1", diagnose.HostUnreachable},
		"all-unreached":   {Serving().Unreached("m1", "m2", "m3"), diagnose.Unreachable, "T? D?", "", diagnose.HostUnreachable},
		"diverged":        {diverged, diagnose.Degraded, "T1 D?", "quorum", diagnose.Diverged},
		"two-given-up":    {Serving().Unreached("m2", "m3").Alone("m1").GivenUp("m2", "m3"), diagnose.MajorityLost, "T2 D1", "survivor:m1", diagnose.HostGivenUp},
		"given-up-spare":  {Serving().Unreached("m3").GivenUp("m3"), diagnose.Degraded, "T1 D0", "quorum", diagnose.HostGivenUp},
		"given-up-heard":  {heard(Serving().Unreached("m2", "m3").Alone("m1").GivenUp("m2", "m3")), diagnose.Unreachable, "T? D?", "survivor:m1", diagnose.HostUnreachable},
		"given-up-alive":  {Serving().GivenUp("m3"), diagnose.Healthy, "T0 D0", "quorum", ""},
		"partition":       {Serving().Alone("m1", "m2", "m3"), diagnose.Blocked, "T2 D0", "disks", diagnose.NoQuorumThoughLive},
	}
}

// oneBarred has one member that cannot speak for its expired certificate.
func oneBarred() *World {
	w := Serving().Dead("m2")
	w.M("m2").Process = cluster.Is(cluster.ProcessFacts{Running: true, PID: 5})
	w.M("m2").Certificates = []cluster.Known[cluster.Certificate]{cluster.Is(cluster.Certificate{
		Source: "/pki/m2", Use: "peer", NotBefore: at().Add(-time.Hour), NotAfter: at().Add(-time.Minute)})}
	return w
}

// notConfigured is one stopped member of three; salvor.yaml knows no other.
func notConfigured() *World {
	w := Serving().Dead("m1")
	w.Facts.Config.Members, w.Facts.Config.Hosts, w.Facts.Hosts = w.Facts.Config.Members[:1], w.Facts.Config.Hosts[:1], w.Facts.Hosts[:1]
	return w
}

// twin has m2's client URL answered by m1.
func twin() *World {
	w := Serving()
	w.M("m2").Live = w.M("m1").Live
	return w
}

// removed has a stopped member whose membership has ended.
func removed() *World {
	w := Serving().Dead("m3")
	for _, n := range []string{"m1", "m2"} {
		w.M(n).Live.Value.Members = cluster.Is(entries("m1", "m2"))
	}
	return w
}

// noVote has two voters and a learner, and one voter's disk is lost: the
// learner's good disk does not make a quorum.
func noVote() *World {
	w := Serving().Gone("m1").Dead("m2", "m3")
	list := entries("m1", "m2", "m3")
	list[2].Learner = true
	for _, n := range []string{"m2", "m3"} {
		w.M(n).Disk.Value.DB.Value.Members = list
	}
	return w
}

// auth lets nobody ask whether a quorum stands behind the leader.
func auth() *World {
	w := Serving()
	for _, n := range []string{"m1", "m2", "m3"} {
		w.M(n).Live.Value.Linearizable = cluster.Unknown[bool]("permission denied")
	}
	return w
}
