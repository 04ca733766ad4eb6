package report

import (
	"encoding/json"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/say"
)

// night is when all the cases happen.
func night(d time.Duration) time.Time {
	return time.Date(2026, 11, 21, 3, 15, 2, 0, time.UTC).Add(d)
}

const prodID = cluster.ID(0x9f2c41d07be35a18)

func prodConfig() cluster.Config {
	c := cluster.Config{Cluster: "prod", Objectives: cluster.Objectives{RTO: cluster.Duration(15 * time.Minute), RPO: cluster.Duration(5 * time.Minute)}}
	for _, n := range []string{"cp-1", "cp-2", "cp-3"} {
		c.Hosts = append(c.Hosts, cluster.Host{Name: n, Via: cluster.ViaLocal})
		c.Members = append(c.Members, cluster.Member{Name: n, Host: n, DataDir: "/var/lib/etcd",
			PeerURLs: []string{"https://" + n + ":2380"}, ClientURLs: []string{"https://" + n + ":2379"}})
	}
	return c
}

// prodFacts has cp-1 alone and alive, and the data dirs of the others gone.
func prodFacts() cluster.Facts {
	f := cluster.Facts{At: night(0), Config: prodConfig()}
	for _, n := range []string{"cp-1", "cp-2", "cp-3"} {
		m := cluster.MemberFacts{Name: n, Process: cluster.Is(cluster.ProcessFacts{}),
			Disk: cluster.Is(cluster.DataDir{Path: "/var/lib/etcd", State: cluster.DirAbsent}),
			Live: cluster.Unknown[cluster.LiveMember]("connection refused")}
		if n == "cp-1" {
			m.Disk = cluster.Is(cluster.DataDir{Path: "/var/lib/etcd", State: cluster.DirData, ClusterID: cluster.Is(prodID)})
			m.Live = cluster.Is(cluster.LiveMember{ClusterID: prodID, MemberID: 0xa1, Term: 7, Index: 24518, Revision: 20431})
		}
		f.Hosts = append(f.Hosts, cluster.HostFacts{Name: n, Reached: cluster.Is(cluster.HostInfo{Hostname: n}), Members: []cluster.MemberFacts{m}})
	}
	return f
}

func finding(code diagnose.Code, s diagnose.Severity, subject string, evidence string, causes []diagnose.Code, args ...any) diagnose.Finding {
	return diagnose.Finding{Code: code, Severity: s, Subject: subject, Evidence: []string{evidence}, CausedBy: causes,
		Text: say.New("finding."+string(code), append([]any{subject}, args...)...)}
}

func advice(action, key string, args ...any) diagnose.Advice {
	return diagnose.Advice{Action: action, Text: say.New(key, args...)}
}

func noLoss() diagnose.Loss {
	return diagnose.Loss{Revisions: cluster.Is(int64(0)), Objects: cluster.Is(int64(0)), Proven: true}
}

func majorityDiagnosis() diagnose.Diagnosis {
	doubt := say.New("candidate.unproven", 1, 3)
	unproven := noLoss()
	unproven.Proven, unproven.Doubt = false, &doubt
	lost := []diagnose.Code{diagnose.DataDirLost}
	return diagnose.Diagnosis{At: night(0), Level: diagnose.Level{Availability: diagnose.T2, Data: diagnose.D1}, Scenario: diagnose.MajorityLost,
		Summary: say.New("scenario.majority-lost", "cp-2, cp-3"), ClusterID: cluster.Is(prodID), HighestRevision: cluster.Is(int64(20431)), Next: "salvor recover",
		Members: []diagnose.MemberState{{Name: "cp-1", Host: "cp-1", State: diagnose.StateNoQuorum},
			{Name: "cp-2", Host: "cp-2", State: diagnose.StateLost}, {Name: "cp-3", Host: "cp-3", State: diagnose.StateLost}},
		Findings: []diagnose.Finding{
			finding(diagnose.DataDirLost, diagnose.Critical, "cp-2", "/var/lib/etcd is absent", nil, "/var/lib/etcd", "absent"),
			finding(diagnose.DataDirLost, diagnose.Critical, "cp-3", "/var/lib/etcd is absent", nil, "/var/lib/etcd", "absent"),
			finding(diagnose.QuorumLost, diagnose.Critical, "etcd", "1 of 3 members answer, 2 are needed, no linearizable read succeeded", lost, 1, 3, 2),
		},
		Candidates: []diagnose.Candidate{
			{ID: "survivor:cp-1", Kind: diagnose.FromSurvivor, Host: "cp-1", Member: "cp-1", Path: "/var/lib/etcd", Revision: cluster.Is(int64(20431)),
				LastTerm: 7, LastIndex: 24518, At: night(-3 * time.Second), Integrity: diagnose.Sound, Loss: unproven, Chosen: true,
				Why: say.New("candidate.chosen.survivor"), Log: "cp-1", DB: "cp-1"},
			{ID: "snapshot:cp-1:/var/backups/etcd-0300.db", Kind: diagnose.FromSnapshot, Host: "cp-1", Path: "/var/backups/etcd-0300.db",
				Revision: cluster.Is(int64(19000)), At: night(-15 * time.Minute), Integrity: diagnose.Sound, Why: say.New("candidate.loses-more", "survivor:cp-1"),
				Loss: diagnose.Loss{Revisions: cluster.Is(int64(1431)), Objects: cluster.Is(int64(312)), Since: night(-15 * time.Minute)}},
			{ID: "snapshot:cp-1:/var/backups/etcd-0200.db", Kind: diagnose.FromSnapshot, Host: "cp-1", Path: "/var/backups/etcd-0200.db",
				Revision: cluster.Is(int64(17200)), At: night(-75 * time.Minute), Integrity: diagnose.Unusable, Why: say.New("candidate.digest-wrong")},
		},
		Allowed: []diagnose.Advice{advice(diagnose.ActRebuild, "allow.rebuild-from-survivor", "cp-1", 7, 24518)},
		Forbidden: []diagnose.Advice{advice(diagnose.ActRestore, "forbid.restore-snapshot.survivor"),
			advice(diagnose.ActForceNew, "forbid.force-new-cluster.tail"), advice(diagnose.ActWipe, "forbid.wipe-data-dir.evidence")},
	}
}

// rebuildPlan is a rebuild of three members, shortened to one folder each.
func rebuildPlan(d diagnose.Diagnosis, name string) plan.Plan {
	c, _ := d.Chosen()
	image := "/var/lib/salvor/cases/" + name + "/image.db"
	p := plan.Plan{ID: "5be1c09a77d2e314", Basis: d.Fingerprint(), Case: name, Scenario: d.Scenario, Source: c, Loss: c.Loss, Config: prodConfig(),
		Expect: plan.Expect{Members: []string{"cp-1", "cp-2", "cp-3"}}, Warnings: []say.Text{say.New("warning.watchers-relist")}}
	if c.Loss.Doubt != nil {
		p.Warnings = append(p.Warnings, *c.Loss.Doubt)
	}
	add := func(host string, a plan.Action, subject string, needs ...plan.StepID) plan.StepID {
		id := plan.StepID(string(a.Kind()) + "@" + subject)
		p.Steps = append(p.Steps, plan.Step{ID: id, Host: host, Action: a, Needs: needs})
		return id
	}
	var stops, builds, placed, started []plan.StepID
	hosts := []string{"cp-1", "cp-2", "cp-3"}
	for _, h := range hosts {
		stops = append(stops, add(h, plan.StopMember{Member: h}, h))
	}
	var made plan.StepID
	if c.Kind == diagnose.FromSnapshot {
		made = add("cp-1", plan.CheckImage{Path: c.Path}, "cp-1", stops...)
	} else {
		made = add("cp-1", plan.Salvage{DB: "/var/lib/etcd/member/snap/db", WALDir: "/var/lib/etcd/member/wal", Out: image}, "cp-1", stops...)
	}
	for _, h := range hosts {
		from := made
		if h != "cp-1" {
			from = add(h, plan.CopyFiles{FromHost: "cp-1", From: image, To: image}, h+"-image", made)
		}
		builds = append(builds, add(h, plan.BuildMember{Member: h, Image: image, Dir: "/var/lib/etcd.salvor-" + name + ".new"}, h, from))
	}
	for _, h := range hosts {
		aside := add(h, plan.SetAside{From: "/var/lib/etcd", To: "/var/lib/etcd.salvor-" + name}, h, builds...)
		placed = append(placed, add(h, plan.PutInPlace{From: "/var/lib/etcd.salvor-" + name + ".new", To: "/var/lib/etcd"}, h, aside))
	}
	for _, h := range hosts {
		started = append(started, add(h, plan.StartMember{Member: h}, h, placed...))
	}
	await := add("cp-1", plan.AwaitQuorum{Member: "cp-1", Voters: 3}, "cp-1", started...)
	add("cp-1", plan.Canary{Through: "cp-1", Members: hosts, Case: name}, "cp-1", await)
	return p
}

// journal writes a run as a coordinator would, a step every 400 ms.
type journal struct {
	entries []casefile.Entry
	plan    plan.Plan
	at      time.Time
}

func (j *journal) add(e casefile.Entry) {
	e.Seq, e.Plan, e.At = int64(len(j.entries)+1), j.plan.ID, j.at
	j.entries = append(j.entries, e)
}

func (j *journal) accept(note string) {
	j.add(casefile.Entry{Event: casefile.EventAccepted, By: "maria@bastion", Note: note})
}

func (j *journal) begin(by string) { j.add(casefile.Entry{Event: casefile.EventBegan, By: by}) }

func (j *journal) start(s plan.Step) {
	j.add(casefile.Entry{Event: casefile.EventStarted, Step: s.ID, Host: s.Host})
}

// steps carries steps out, from the first index to before the last.
func (j *journal) steps(from, to int) {
	for _, s := range j.plan.Steps[from:to] {
		j.start(s)
		j.at = j.at.Add(400 * time.Millisecond)
		j.add(casefile.Entry{Event: casefile.EventDone, Step: s.ID, Host: s.Host, Result: json.RawMessage(`{}`)})
	}
}

func (j *journal) end(err string) { j.add(casefile.Entry{Event: casefile.EventEnded, Error: err}) }

func passedVerdict(at time.Time) *casefile.Verdict {
	check := func(name, key string, args ...any) casefile.Check {
		return casefile.Check{Name: name, Result: casefile.Passed, Text: say.New(key, args...)}
	}
	return &casefile.Verdict{At: at, Passed: true, Checks: []casefile.Check{
		check("one-leader", "verify.one-leader", "cp-2"),
		check("members", "verify.members", "cp-1, cp-2, cp-3"),
		check("cluster-id", "verify.cluster-id", "77aa10c2"),
		check("alarms", "verify.alarms-none"),
		check("revision", "verify.revision", 1000020433, 20431),
		check("hash-equal", "verify.hash-equal", 1000020433, 3187562210, 3),
		check("content", "verify.content-equal", 5021, 1000020431, "b1946ac92492d234"),
		check("canary", "verify.canary", 1000020432),
		check("old-watch", "verify.old-watch", 20431),
	}}
}

func majorityPassed() casefile.Case {
	f, d := prodFacts(), majorityDiagnosis()
	p := rebuildPlan(d, "20261121-031502-prod-k3f9")
	j := journal{plan: p, at: night(40 * time.Second)}
	j.accept("accepted at the terminal: loss 0")
	j.begin("maria@bastion")
	j.steps(0, len(p.Steps))
	j.end("")
	return casefile.Case{Name: p.Case, Facts: &f, Diagnosis: &d, Plan: &p, Journal: j.entries, Verdict: passedVerdict(j.at.Add(3 * time.Second))}
}

func allLost() casefile.Case {
	f, d := prodFacts(), majorityDiagnosis()
	f.Hosts[0].Members[0] = cluster.MemberFacts{Name: "cp-1", Disk: cluster.Is(cluster.DataDir{Path: "/var/lib/etcd", State: cluster.DirEmpty})}
	doubt := say.New("candidate.witnessed", 20431, "2026-11-21T03:14:40Z")
	d.Level, d.Scenario = diagnose.Level{Availability: diagnose.T3, Data: diagnose.D2}, diagnose.AllLost
	d.Summary, d.Next = say.New("scenario.all-lost", 3), "salvor plan"
	d.ClusterID = cluster.Unknown[cluster.ID]("no member shows an identity")
	d.Members[0].State = diagnose.StateLost
	d.Findings = append([]diagnose.Finding{finding(diagnose.DataDirLost, diagnose.Critical, "cp-1", "/var/lib/etcd is empty", nil, "/var/lib/etcd", "empty")}, d.Findings...)
	d.Candidates = d.Candidates[1:]
	d.Candidates[0].Chosen, d.Candidates[0].Why, d.Candidates[0].Loss.Doubt = true, say.New("candidate.chosen.snapshot"), &doubt
	d.Allowed = []diagnose.Advice{advice(diagnose.ActRestore, "allow.restore-snapshot", "/var/backups/etcd-0300.db")}
	d.Forbidden = nil
	p := rebuildPlan(d, "20261121-031502-prod-w7qd")
	j := journal{plan: p, at: night(4 * time.Minute)}
	j.accept("accepted at the terminal: loss 1431")
	j.begin("maria@bastion")
	j.steps(0, len(p.Steps))
	j.end("")
	return casefile.Case{Name: p.Case, Facts: &f, Diagnosis: &d, Plan: &p, Journal: j.entries, Verdict: passedVerdict(j.at.Add(2 * time.Second))}
}

func certsExpired() casefile.Case {
	f := prodFacts()
	d := diagnose.Diagnosis{At: night(0), Level: diagnose.Level{Availability: diagnose.T3, Data: diagnose.D0}, Scenario: diagnose.CertsExpired,
		Summary: say.New("scenario.certs-expired"), ClusterID: cluster.Is(prodID), HighestRevision: cluster.Is(int64(20431)), Next: "salvor diagnose -o json",
		Allowed: []diagnose.Advice{advice(diagnose.ActRenewCerts, "allow.renew-certificates")},
		Forbidden: []diagnose.Advice{advice(diagnose.ActRestore, "forbid.restore-snapshot.certs"),
			advice(diagnose.ActForceNew, "forbid.force-new-cluster.tail"), advice(diagnose.ActWipe, "forbid.wipe-data-dir.evidence")},
		Unknown: []say.Text{say.New("unknown.process-rights", "cp-3", "permission denied")}}
	const from, to, now = "2025-11-21T03:00:00Z", "2026-11-21T03:00:00Z", "2026-11-21T03:15:02Z"
	for i, n := range []string{"cp-1", "cp-2", "cp-3"} {
		f.Hosts[i].Members[0] = cluster.MemberFacts{Name: n, Disk: cluster.Is(cluster.DataDir{Path: "/var/lib/etcd", State: cluster.DirData, ClusterID: cluster.Is(prodID),
			Log: cluster.Is(cluster.Log{LastTerm: 7, LastIndex: 24518, RevisionsBeyondDB: 31}), DB: cluster.Is(cluster.DB{Revision: 20400, Term: 7, ConsistentIndex: 24480})})}
		d.Members = append(d.Members, diagnose.MemberState{Name: n, Host: n, State: diagnose.StateStuck})
		d.Findings = append(d.Findings, finding(diagnose.CertExpired, diagnose.Critical, n,
			"/etc/kubernetes/pki/etcd/server.crt (server, CN=etcd-"+n+"): valid "+from+" to "+to+", clock "+now, nil,
			"/etc/kubernetes/pki/etcd/server.crt", from, to, now))
	}
	d.Findings = append(d.Findings, finding(diagnose.QuorumLost, diagnose.Critical, "etcd", "0 of 3 members answer", []diagnose.Code{diagnose.CertExpired}, 0, 3, 2))
	d.Candidates = []diagnose.Candidate{{ID: "disks", Kind: diagnose.FromDisks, Member: "cp-1", Host: "cp-1", Revision: cluster.Is(int64(20431)), LastTerm: 7, LastIndex: 24518,
		At: night(-10 * time.Minute), Integrity: diagnose.Sound, Loss: noLoss(), Chosen: true, Why: say.New("candidate.chosen.disks")}}
	return casefile.Case{Name: "20261121-031502-prod-c2aa", Facts: &f, Diagnosis: &d}
}

// resumed fails once, is killed once, and finds a step done in its third run.
func resumed() casefile.Case {
	c := majorityPassed()
	p := *c.Plan
	j := journal{plan: p, at: night(40 * time.Second)}
	j.accept("accepted by flag: loss 0")
	j.begin("maria@bastion")
	j.steps(0, 4)
	j.start(p.Steps[4])
	j.start(p.Steps[5])
	j.at = j.at.Add(2 * time.Second)
	j.add(casefile.Entry{Event: casefile.EventFailed, Step: p.Steps[5].ID, Host: "cp-2", Error: "copy image.db: write /var/lib/salvor/…/image.db.part: no space left on device"})
	j.add(casefile.Entry{Event: casefile.EventDone, Step: p.Steps[4].ID, Host: "cp-1"})
	j.end("stopped at step " + string(p.Steps[5].ID) + " on cp-2: no space left on device")
	j.at = j.at.Add(7 * time.Minute)
	j.begin("li@bastion")
	j.steps(5, 8)
	j.start(p.Steps[8])
	j.at = j.at.Add(90 * time.Second)
	j.begin("li@laptop")
	j.add(casefile.Entry{Event: casefile.EventDone, Step: p.Steps[8].ID, Host: p.Steps[8].Host, Found: true})
	j.steps(9, len(p.Steps))
	j.end("")
	c.Name, c.Journal = "20261121-031502-prod-r8zz", j.entries
	c.Verdict = passedVerdict(j.at.Add(10 * time.Minute))
	return c
}

// failedCase stops at a step and is not resumed.
func failedCase() casefile.Case {
	c := resumed()
	for i, e := range c.Journal {
		if e.Event == casefile.EventEnded {
			c.Journal = c.Journal[:i+1]
			break
		}
	}
	c.Name, c.Verdict = "20261121-031502-prod-f1f1", nil
	return c
}

func goldenCases() map[string]casefile.Case {
	return map[string]casefile.Case{"majority-lost": majorityPassed(), "all-lost": allLost(), "certs-expired": certsExpired(),
		"resumed": resumed(), "failed": failedCase()}
}
