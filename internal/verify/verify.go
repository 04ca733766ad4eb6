package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/say"
)

// Subject is a recovered cluster and everything that verification needs.
type Subject struct {
	Fleet   *remote.Fleet
	Plan    plan.Plan
	Journal []casefile.Entry
	// Facts were gathered after the recovery.
	Facts cluster.Facts
	// Before is the verdict that was found earlier; empty if there is none.
	Before casefile.Verdict
}

// live is one member that answered.
type live struct {
	cluster.Member
	cluster.LiveMember
}

// view is the subject with its living members.
type view struct {
	Subject
	live []live
}

// Verify runs every check.
func Verify(ctx context.Context, s Subject, now time.Time) casefile.Verdict {
	v := view{Subject: s}
	for _, name := range s.Plan.Expect.Members {
		m, _ := s.Plan.Config.Member(name)
		if f, ok := s.Facts.Member(name); ok && f.Live.OK {
			v.live = append(v.live, live{m, f.Live.Value})
		}
	}
	out := casefile.Verdict{At: now, Passed: true}
	for _, check := range []func(context.Context) casefile.Check{
		v.leader, v.members, v.clusterID, v.alarms, v.revision, v.hash, v.content, v.canary, v.oldWatch,
	} {
		out.Checks = append(out.Checks, check(ctx))
	}
	out.Checks = append(out.Checks, v.api(ctx)...)
	out.Checks = append(out.Checks, v.steps(out.Checks)...)
	out.Checks = append(out.Checks, v.source()...)
	for _, c := range out.Checks {
		if c.Result != casefile.Passed && c.Result != casefile.NotApplicable {
			out.Passed = false
		}
	}
	return out
}

func passed(name, key string, args ...any) casefile.Check {
	return casefile.Check{Name: name, Result: casefile.Passed, Text: say.New("verify."+key, args...)}
}

func failed(name, key string, args ...any) casefile.Check {
	return casefile.Check{Name: name, Result: casefile.Failed, Text: say.New("verify."+key, args...)}
}

func unknown(name string, why any) casefile.Check {
	return casefile.Check{Name: name, Result: casefile.NotKnown, Text: say.New("verify.unknown", why)}
}

func skipped(name, key string) casefile.Check {
	return casefile.Check{Name: name, Result: casefile.NotApplicable, Text: say.New("verify." + key)}
}

// leader demands that all members know one and the same leader.
func (v view) leader(context.Context) casefile.Check {
	leaders := map[cluster.ID]bool{}
	for _, m := range v.live {
		leaders[m.Leader] = true
	}
	if len(leaders) != 1 || leaders[0] {
		return failed("one-leader", "no-leader", fmt.Sprintf("%d of %d answer, %d leaders are named", len(v.live), len(v.Plan.Expect.Members), len(leaders)))
	}
	for _, m := range v.live {
		if m.MemberID == m.Leader {
			return passed("one-leader", "one-leader", m.Name)
		}
	}
	return failed("one-leader", "no-leader", "the leader is not among the members")
}

// members demands that every member lists exactly the planned voters.
func (v view) members(context.Context) casefile.Check {
	want := append([]string(nil), v.Plan.Expect.Members...)
	sort.Strings(want)
	if len(v.live) != len(want) {
		return failed("members", "members-differ", strings.Join(want, ", "), fmt.Sprintf("only %d answer", len(v.live)))
	}
	for _, m := range v.live {
		if !m.Members.OK {
			return unknown("members", m.Members.Why)
		}
		if got := voterNames(m.Members.Value); got != strings.Join(want, ", ") {
			return failed("members", "members-differ", strings.Join(want, ", "), m.Name+": "+got)
		}
	}
	return passed("members", "members", strings.Join(want, ", "))
}

func voterNames(list []cluster.MemberEntry) string {
	var out []string
	for _, e := range list {
		name := e.Name
		if e.Learner {
			name += " (learner)"
		}
		out = append(out, name)
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

// clusterID demands the identity that was kept, or the one that was built.
func (v view) clusterID(context.Context) casefile.Check {
	want := v.Plan.Expect.ClusterID
	if v.Plan.Expect.BuiltBy != "" {
		var built struct {
			ClusterID cluster.ID `json:"clusterID"`
		}
		if err := v.result(v.Plan.Expect.BuiltBy, &built); err != nil {
			return unknown("cluster-id", err)
		}
		want = built.ClusterID
	}
	for _, m := range v.live {
		if m.ClusterID != want {
			return failed("cluster-id", "cluster-id-differs", want, m.Name+": "+m.ClusterID.String())
		}
	}
	if len(v.live) == 0 {
		return unknown("cluster-id", "no member answers")
	}
	return passed("cluster-id", "cluster-id", want)
}

func (v view) alarms(context.Context) casefile.Check {
	var found []string
	for _, m := range v.live {
		if !m.Alarms.OK {
			return unknown("alarms", m.Alarms.Why)
		}
		for _, a := range m.Alarms.Value {
			found = append(found, a.Type+" "+a.MemberID.String())
		}
	}
	switch {
	case len(v.live) == 0:
		return unknown("alarms", "no member answers")
	case len(found) > 0:
		return failed("alarms", "alarms", strings.Join(found, ", "))
	}
	return passed("alarms", "alarms-none")
}

// revision demands that no client has ever seen a higher revision.
func (v view) revision(context.Context) casefile.Check {
	low := int64(-1)
	for _, m := range v.live {
		if low < 0 || m.Revision < low {
			low = m.Revision
		}
	}
	switch {
	case low < 0:
		return unknown("revision", "no member answers")
	case low < v.Plan.Expect.MinRevision:
		return failed("revision", "revision-low", low, v.Plan.Expect.MinRevision)
	}
	return passed("revision", "revision", low, v.Plan.Expect.MinRevision)
}

// hash demands equal HashKV at one revision that all members have.
func (v view) hash(ctx context.Context) casefile.Check {
	if len(v.live) != len(v.Plan.Expect.Members) {
		return unknown("hash-equal", fmt.Sprintf("%d of %d members answer", len(v.live), len(v.Plan.Expect.Members)))
	}
	at := v.live[0].Revision
	for _, m := range v.live {
		at = min(at, m.Revision)
	}
	answers := v.probe(ctx, remote.ProbeRequest{HashAt: at})
	var list []string
	hashes := map[cluster.HashKV]bool{}
	for i, m := range v.live {
		h := answers[i].Hash
		if !h.OK {
			return unknown("hash-equal", m.Name+": "+h.Why)
		}
		hashes[cluster.HashKV{Revision: at, CompactRevision: h.Value.CompactRevision, Hash: h.Value.Hash}] = true
		list = append(list, fmt.Sprintf("%s %d (compacted %d)", m.Name, h.Value.Hash, h.Value.CompactRevision))
	}
	if len(hashes) != 1 {
		return failed("hash-equal", "hash-differs", strings.Join(list, ", "))
	}
	return passed("hash-equal", "hash-equal", at, answers[0].Hash.Value.Hash, len(v.live))
}

// content demands that every live key of the source is there, and no other.
func (v view) content(ctx context.Context) casefile.Check {
	from := v.Plan.Expect.ContentFrom
	if from == "" {
		return skipped("content", "content-living")
	}
	var image struct {
		Content cluster.Content `json:"content"`
	}
	var built struct {
		Revision int64 `json:"revision"`
	}
	if err := v.result(from, &image); err != nil {
		return unknown("content", err)
	}
	if err := v.result(v.Plan.Expect.BuiltBy, &built); err != nil {
		return unknown("content", err)
	}
	if len(v.live) == 0 {
		return unknown("content", "no member answers")
	}
	for i, a := range v.probe(ctx, remote.ProbeRequest{ContentAt: built.Revision}) {
		if earlier, ok := v.contentBefore(); ok && a.ContentCompacted {
			return earlier
		}
		switch {
		case !a.Content.OK:
			return unknown("content", v.live[i].Name+": "+a.Content.Why)
		case a.Content.Value.SHA256 != image.Content.SHA256 || a.Content.Value.Keys != image.Content.Keys:
			return failed("content", "content-differs", image.Content.Keys, fmt.Sprintf("%s: %d", v.live[i].Name, a.Content.Value.Keys))
		}
	}
	return passed("content", "content-equal", image.Content.Keys, built.Revision, short(image.Content.SHA256))
}

// source says, where the data was collected from a broken db, how much of it is
// proven: no check of the new cluster can tell.
func (v view) source() []casefile.Check {
	if !v.Plan.Source.Scattered {
		return nil
	}
	var image struct {
		Image    string `json:"image"`
		Proven   int64  `json:"proven"`
		Probable int64  `json:"probable"`
		Missing  int64  `json:"missing"`
	}
	if err := v.result(v.Plan.Expect.ContentFrom, &image); err != nil {
		return []casefile.Check{unknown("source", err)}
	}
	return []casefile.Check{{Name: "source", Result: casefile.NotApplicable,
		Text: say.New("verify.source", image.Proven, image.Probable, image.Missing, image.Image+".json")}}
}

// contentBefore gives the check that an earlier verdict has passed: what was
// proven then cannot be looked at again once the cluster has compacted the
// revision, as kube-apiserver does every five minutes.
func (v view) contentBefore() (casefile.Check, bool) {
	for _, c := range v.Before.Checks {
		if c.Name == "content" && c.Result == casefile.Passed {
			return c, true
		}
	}
	return casefile.Check{}, false
}

func short(s string) string { return s[:min(16, len(s))] }

func (v view) canary(context.Context) casefile.Check {
	for _, e := range v.Journal {
		s, ok := v.Plan.Step(e.Step)
		if !ok || e.Event != casefile.EventDone || s.Action.Kind() != plan.KindCanary {
			continue
		}
		var r struct {
			Revision int64 `json:"revision"`
		}
		if err := json.Unmarshal(e.Result, &r); err == nil && r.Revision > 0 {
			return passed("canary", "canary", r.Revision)
		}
	}
	for _, s := range v.Plan.Steps {
		if s.Action.Kind() == plan.KindCanary {
			return failed("canary", "canary-missing")
		}
	}
	return skipped("canary", "canary-none")
}

// oldWatch demands that a watch from before a rebuild is refused: one that
// stays open would miss events for ever, in silence.
func (v view) oldWatch(ctx context.Context) casefile.Check {
	from := v.Plan.Expect.WatchRefusedFrom
	if from == 0 {
		return skipped("old-watch", "old-watch-living")
	}
	if len(v.live) == 0 {
		return unknown("old-watch", "no member answers")
	}
	for i, a := range v.probe(ctx, remote.ProbeRequest{WatchFrom: from}) {
		switch {
		case !a.Compacted.OK:
			return unknown("old-watch", v.live[i].Name+": "+a.Compacted.Why)
		case !a.Compacted.Value:
			return failed("old-watch", "old-watch-open", from)
		}
	}
	return passed("old-watch", "old-watch", from)
}

// probe asks every living member at the same time; an answer that did not
// come is all unknown.
func (v view) probe(ctx context.Context, r remote.ProbeRequest) []remote.ProbeAnswer {
	out := make([]remote.ProbeAnswer, len(v.live))
	var wg sync.WaitGroup
	for i, m := range v.live {
		wg.Go(func() {
			r := r
			r.Member = m.Name
			h, err := v.Fleet.Host(m.Host)
			if err == nil {
				out[i], err = h.Probe(ctx, v.Plan.Config, r)
			}
			if err != nil {
				out[i] = remote.ProbeAnswer{Hash: cluster.Unknown[cluster.HashKV]("%v", err),
					Content: cluster.Unknown[cluster.Content]("%v", err), Compacted: cluster.Unknown[bool]("%v", err)}
			}
		})
	}
	wg.Wait()
	return out
}

// result decodes what a step reported.
func (v view) result(id plan.StepID, into any) error {
	for _, e := range v.Journal {
		if e.Step == id && e.Event == casefile.EventDone {
			if err := json.Unmarshal(e.Result, into); err != nil {
				return fmt.Errorf("read the result of step %s: %w", id, err)
			}
			return nil
		}
	}
	return fmt.Errorf("step %s has no result in the journal", id)
}
