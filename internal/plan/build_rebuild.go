package plan

import (
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// rebuild makes a new cluster from one image: from the files of survivors, or
// from a snapshot. Nothing that exists is moved before every member's new data
// dir has been built and checked beside it.
func (b *builder) rebuild() {
	members := b.reachable()
	src := b.plan.Source
	var stops []StepID
	var image StepID
	if src.Kind == diagnose.FromSnapshot {
		image = b.add(src.Host, src.Host, CheckImage{Path: src.Path, SHA256: src.SHA256})
		stops = b.stopAll(members, b.fence(image)...)
	} else {
		stops = b.stopAll(members, b.fence()...)
		image = b.salvage(stops)
	}
	builds := b.buildAll(members, image, stops)
	var placed []StepID
	for _, m := range members {
		placed = append(placed, b.swap(m, builds)...)
	}
	started := b.startInTurn(members, append(placed, b.freshen(members, stops)...), cluster.InitialCluster(members))
	b.release(b.prove(members, started), true)
	b.plan.Expect.ContentFrom = image
	b.plan.Expect.BuiltBy = builds[0]
	b.plan.Expect.WatchRefusedFrom = max(1, b.plan.Expect.MinRevision)
	b.warn("watchers-relist")
	b.quotas(members)
	if src.Loss.Doubt != nil && !src.Loss.Proven {
		b.plan.Warnings = append(b.plan.Warnings, *src.Loss.Doubt)
	}
}

// reachable gives the members whose host can be worked on; the others are left
// out and joined again later.
func (b *builder) reachable() []cluster.Member {
	var in []cluster.Member
	for _, m := range b.facts.Config.Members {
		if h, ok := b.facts.Host(m.Host); ok && h.Reached.OK {
			in = append(in, m)
			continue
		}
		b.warn("left-out", m.Name, m.Host)
	}
	if len(in)%2 == 0 {
		b.warn("even", len(in))
	}
	return in
}

func (b *builder) stopAll(members []cluster.Member, needs ...StepID) []StepID {
	var out []StepID
	for _, m := range members {
		out = append(out, b.add(m.Host, m.Name, StopMember{Member: m.Name}, needs...))
	}
	return out
}

// imageName is the image's file in the case folder of every host.
const imageName = "image.db"

// salvage brings log and db together on the host of the log and makes the
// image there.
func (b *builder) salvage(stops []StepID) StepID {
	src := b.plan.Source
	db, _ := b.facts.Config.Member(src.DB)
	log, has := b.facts.Config.Member(src.Log)
	if !has {
		log = db
	}
	s := Salvage{DB: db.DB(), Out: b.caseFile(log.Host, imageName), Scattered: src.Scattered}
	if has {
		s.WALDir = log.WAL()
	}
	needs := stops
	if db.Host != log.Host {
		s.DB = b.caseFile(log.Host, "source.db")
		needs = []StepID{b.add(log.Host, db.Name+"-db", CopyFiles{FromHost: db.Host, From: db.DB(), To: s.DB}, stops...)}
	}
	return b.add(log.Host, log.Name, s, needs...)
}

// buildAll brings the image to every host and builds each member from it.
func (b *builder) buildAll(members []cluster.Member, image StepID, stops []StepID) []StepID {
	made, _ := b.plan.Step(image)
	path := imagePath(made.Action)
	at := map[string]string{made.Host: path}
	ready := map[string]StepID{made.Host: image}
	var builds []StepID
	for _, m := range members {
		if _, ok := at[m.Host]; !ok {
			at[m.Host] = b.caseFile(m.Host, imageName)
			ready[m.Host] = b.add(m.Host, m.Host+"-image", CopyFiles{FromHost: made.Host, From: path, To: at[m.Host]}, image)
		}
		data, wal := b.moves(m)
		bm := BuildMember{Member: m.Name, Image: at[m.Host], Dir: data.build, Name: m.Name, PeerURLs: m.PeerURLs,
			InitialCluster: cluster.InitialCluster(members), Token: b.choices.Token, Bump: b.bump(), Like: m.DataDir, Target: b.target()}
		if wal != nil {
			bm.WALDir = wal.build
		}
		builds = append(builds, b.add(m.Host, m.Name, bm, append([]StepID{ready[m.Host]}, stops...)...))
	}
	return builds
}

// bump is how far a rebuilt cluster is moved ahead of its source. A source far
// behind what clients have seen (a rebuilt cluster that was rolled back) has
// that gap added, or watches from there would stay open in silence.
func (b *builder) bump() int64 {
	gap := b.diag.HighestRevision.Value - b.plan.Source.Revision.Value
	if gap > b.choices.Bump/2 {
		return b.choices.Bump + gap
	}
	return b.choices.Bump
}

func imagePath(a Action) string {
	switch a := a.(type) {
	case Salvage:
		return a.Out
	case CheckImage:
		return a.Path
	default:
		return "" // makes no image
	}
}

// swap sets a member's folders aside and puts the built ones in their place.
func (b *builder) swap(m cluster.Member, builds []StepID) []StepID {
	data, wal := b.moves(m)
	steps := []StepID{b.swapOne(m, m.Name, data, builds)}
	if wal != nil {
		steps = append(steps, b.swapOne(m, m.Name+"-wal", *wal, builds))
	}
	return steps
}

func (b *builder) swapOne(m cluster.Member, subject string, mv move, builds []StepID) StepID {
	aside := b.add(m.Host, subject, SetAside{From: mv.live, To: mv.aside}, builds...)
	return b.add(m.Host, subject, PutInPlace{From: mv.built, To: mv.live}, aside)
}

// prove ends a plan: quorum, then a canary through every member.
func (b *builder) prove(members []cluster.Member, needs []StepID) StepID {
	first := members[0]
	var all []string
	for _, m := range members {
		all = append(all, m.Name)
	}
	await := b.add(first.Host, first.Name, AwaitQuorum{Member: first.Name, Voters: len(members)}, needs...)
	b.plan.Expect.Members = all
	b.plan.Expect.MinRevision = max(b.diag.HighestRevision.Value, b.plan.Source.Revision.Value)
	return b.add(first.Host, first.Name, Canary{Through: first.Name, Members: all, Case: b.choices.Case}, await)
}
