package run

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/plan"
)

// awayError says that a machine cannot be reached.
type awayError struct {
	host string
	err  error
}

func (e awayError) Error() string { return fmt.Sprintf("host away: %s: %v", e.host, e.err) }
func (e awayError) Unwrap() error { return e.err }

// hindered tells what keeps a step from being tried at all: its machine cannot
// be reached, or what it only completes did not succeed. nil when nothing does.
func (r *Runner) hindered(s plan.Step) error {
	if err, away := r.away[s.Host]; away {
		return awayError{s.Host, err}
	}
	if c, ok := s.Action.(plan.CopyFiles); ok {
		if err, away := r.away[c.FromHost]; away {
			return awayError{c.FromHost, err}
		}
	}
	switch s.Action.Kind() {
	case plan.KindAwaitNodes, plan.KindAwaitBalancer:
		if !r.anyAPI() {
			return errors.New("no API server is ready, so that there is nobody to ask")
		}
	default:
	}
	for _, id := range s.Needs {
		n, ok := r.plan.Step(id)
		if why := r.gone[id]; why != nil && ok && n.Host == s.Host && completes(s.Action, n.Action) {
			return fmt.Errorf("step %s was not carried out: %w", id, why)
		}
	}
	return nil
}

// anyAPI tells whether an API server is left that came up, or that is still to.
func (r *Runner) anyAPI() bool {
	some := false
	for _, x := range r.plan.Steps {
		if x.Action.Kind() != plan.KindAwaitAPI {
			continue
		}
		some = true
		if _, away := r.away[x.Host]; !away && r.gone[x.ID] == nil {
			return true
		}
	}
	return !some
}

// completes tells whether an action makes no sense without another that comes
// before it on the same machine.
func completes(a, before plan.Action) bool {
	switch a.Kind() {
	case plan.KindAwaitAPI:
		return before.Kind() == plan.KindReleaseComponent
	case plan.KindStartMember:
		return before.Kind() == plan.KindRestartKubelet // which starts it
	default:
		return false
	}
}

// dispensable tells whether the run may go on without a step, and if not, why.
func (r *Runner) dispensable(s plan.Step, done map[plan.StepID]bool, why error) error {
	var away awayError
	switch {
	case !errors.As(why, &away):
		if !s.Spare {
			return why
		}
	case away.host != s.Host:
		return fmt.Errorf("%w; what it holds is needed", why)
	}
	switch s.Action.Kind() {
	case plan.KindFenceComponent, plan.KindReleaseComponent, plan.KindAwaitAPI, plan.KindRestartKubelet, plan.KindAwaitNodes, plan.KindAwaitBalancer:
		return nil
	case plan.KindStopMember, plan.KindCopyFiles, plan.KindBuildMember, plan.KindSetAside, plan.KindPutInPlace, plan.KindStartMember:
	default:
		return fmt.Errorf("%w; the plan cannot do without this step", why)
	}
	if r.plan.Undoes != "" {
		return nil
	}
	if r.plan.Expect.BuiltBy == "" && !s.Spare {
		return fmt.Errorf("%w; replacing a member needs its machine", why)
	}
	return r.quorumWithout(s, done, why)
}

// quorumWithout demands that enough members remain without the one that a step
// is about, and that those which nobody saw stop are too few to go on by
// themselves with the old data.
func (r *Runner) quorumWithout(s plan.Step, done map[plan.StepID]bool, why error) error {
	voters := len(r.plan.Expect.Members)
	if r.plan.Expect.BuiltBy == "" {
		voters = max(voters, len(r.plan.Config.Members))
	}
	missing := r.missing(s)
	if left := len(r.plan.Expect.Members) - len(missing); left < voters/2+1 {
		return fmt.Errorf("%w; without %s only %d of %d members would be left, which is no quorum", why, strings.Join(missing, ", "), left, voters)
	}
	if s.Action.Kind() != plan.KindStopMember {
		return nil
	}
	var loose []string
	for _, m := range r.plan.Config.Members {
		stop, planned := r.stopOf(m.Name)
		if _, away := r.away[m.Host]; !planned || (away && !done[stop]) {
			loose = append(loose, m.Name)
		}
	}
	if all := len(r.plan.Config.Members); len(loose) >= all/2+1 {
		return fmt.Errorf("%w; nobody saw %s stop, and %d of %d members could serve the old data on", why, strings.Join(loose, ", "), len(loose), all)
	}
	return nil
}

func (r *Runner) stopOf(member string) (plan.StepID, bool) {
	for _, s := range r.plan.Steps {
		if a, ok := s.Action.(plan.StopMember); ok && a.Member == member {
			return s.ID, true
		}
	}
	return "", false
}

// missing are the expected members that the run goes on without: their machine
// is away, or their start did not succeed; also counts a step that is about to
// be given up, may be empty.
func (r *Runner) missing(also plan.Step) []string {
	var out []string
	for _, name := range r.plan.Expect.Members {
		m, _ := r.plan.Config.Member(name)
		_, lost := r.away[m.Host]
		for _, s := range r.plan.Steps {
			a, ok := s.Action.(plan.StartMember)
			lost = lost || (ok && a.Member == name && (r.gone[s.ID] != nil || s.ID == also.ID))
		}
		if lost {
			out = append(out, name)
		}
	}
	return out
}

// lessened gives a step as it is without what the run goes on without: what
// waits for all members, API servers or nodes waits for those that are left,
// through one of them.
func (r *Runner) lessened(s plan.Step) plan.Step {
	if len(r.away) == 0 && len(r.gone) == 0 {
		return s
	}
	switch a := s.Action.(type) {
	case plan.AwaitQuorum:
		if missing := r.missing(plan.Step{}); len(missing) > 0 {
			a.Voters = min(a.Voters, len(r.plan.Config.Members)/2+1)
			s.Host, a.Member = r.instead(s.Host, a.Member, missing)
			s.Action = a
		}
	case plan.Canary:
		if missing := r.missing(plan.Step{}); len(missing) > 0 {
			a.Members = without(a.Members, missing)
			s.Host, a.Through = r.instead(s.Host, a.Through, missing)
			s.Action = a
		}
	case plan.AwaitAPI:
		if a.Canary == "" && r.leads(s) {
			a.Canary = r.plan.Case
			s.Action = a
		}
	case plan.AwaitNodes, plan.AwaitBalancer:
		return r.lessenedService(s)
	default:
	}
	return s
}

// instead gives the member through which the cluster is spoken to, and its host.
func (r *Runner) instead(host, member string, missing []string) (h, m string) {
	if _, away := r.away[host]; !away && !slices.Contains(missing, member) {
		return host, member
	}
	for _, name := range without(r.plan.Expect.Members, missing) {
		m, _ := r.plan.Config.Member(name)
		return m.Host, name
	}
	return host, member
}

func without(all, missing []string) []string {
	var out []string
	for _, x := range all {
		if !slices.Contains(missing, x) {
			out = append(out, x)
		}
	}
	return out
}

// leads tells whether a step waits for the first API server that is left, in
// place of the one that was to prove a write.
func (r *Runner) leads(s plan.Step) bool {
	for _, x := range r.plan.Steps {
		if _, ok := x.Action.(plan.AwaitAPI); ok && r.hindered(x) == nil && r.gone[x.ID] == nil {
			return x.ID == s.ID
		}
	}
	return false
}

// lessenedService leaves out nodes and API servers that are missing. The step
// is spare then, whatever the plan says: who is missing may come back meanwhile
// and be counted.
func (r *Runner) lessenedService(s plan.Step) plan.Step {
	var up, urls []string // hosts and API servers that are left
	lost := map[string]bool{}
	for _, x := range r.plan.Steps {
		n, ok := r.plan.Config.Node(x.Host)
		if !ok {
			continue
		}
		_, away := r.away[x.Host]
		switch x.Action.Kind() {
		case plan.KindAwaitAPI:
			if !away && r.gone[x.ID] == nil {
				up, urls = append(up, x.Host), append(urls, n.API)
			}
		case plan.KindRestartKubelet:
			lost[n.NodeName()] = lost[n.NodeName()] || away || r.gone[x.ID] != nil
		default:
			lost[n.NodeName()] = lost[n.NodeName()] || away
		}
	}
	s.Spare = true
	if len(up) > 0 && !slices.Contains(up, s.Host) {
		s.Host = up[0]
	}
	switch a := s.Action.(type) {
	case plan.AwaitNodes:
		a.APIServers, a.URLs = len(up), urls
		a.Nodes = slices.DeleteFunc(slices.Clone(a.Nodes), func(name string) bool { return lost[name] })
		s.Action = a
	case plan.AwaitBalancer:
		a.APIServers = urls
		s.Action = a
	default:
	}
	return s
}
