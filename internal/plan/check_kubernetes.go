package plan

import (
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
)

// checkFenced demands that an etcd that is replaced as a whole is touched only
// after every API server that the plan can reach was held back, and that what
// works through them is gone before an API server returns.
func (p Plan) checkFenced(before map[StepID]map[StepID]bool) error {
	if !p.replacesAll() {
		return nil
	}
	fences := map[string]StepID{}
	for _, s := range p.Steps {
		if a, ok := s.Action.(FenceComponent); ok {
			fences[string(a.Role)+"@"+s.Host] = s.ID
		}
	}
	touched := map[string]bool{}
	for _, h := range p.Hosts() {
		touched[h] = true
	}
	for _, n := range p.Config.Kubernetes.Nodes {
		for _, r := range cluster.Roles() {
			if n.Component(r) == (cluster.Component{}) || !touched[n.Host] {
				continue
			}
			fence, ok := fences[string(r)+"@"+n.Host]
			if !ok {
				return fmt.Errorf("check plan: the %s on %s runs on while etcd is replaced", r, n.Host)
			}
			for _, s := range p.Steps {
				if r == cluster.RoleAPIServer && onEtcd(s.Action) && !before[s.ID][fence] {
					return fmt.Errorf("check plan: %s does not wait for %s", s.ID, fence)
				}
				if a, ok := s.Action.(ReleaseComponent); ok && a.Role == cluster.RoleAPIServer && !before[s.ID][fence] {
					return fmt.Errorf("check plan: %s does not wait for %s", s.ID, fence)
				}
			}
		}
	}
	return nil
}

// replacesAll tells whether the plan puts another etcd in the old one's place.
func (p Plan) replacesAll() bool {
	for _, s := range p.Steps {
		if _, ok := s.Action.(PutInPlace); ok {
			return true
		}
	}
	return false
}

// onEtcd tells whether an action stops, moves or starts a member.
func onEtcd(a Action) bool {
	switch a.Kind() {
	case KindStopMember, KindSetAside, KindPutInPlace, KindStartMember:
		return true
	default:
		return false
	}
}

// checkReleased demands that what is held back is let go again, the API servers
// of a rebuilt etcd only after it was proven, and everything else after an API
// server is ready.
func (p Plan) checkReleased(before map[StepID]map[StepID]bool) error {
	for _, s := range p.Steps {
		switch a := s.Action.(type) {
		case FenceComponent:
			if !p.releases(s.Host, a.Role) {
				return fmt.Errorf("check plan: %s is never undone", s.ID)
			}
		case ReleaseComponent:
			want := KindCanary
			if a.Role != cluster.RoleAPIServer {
				want = KindAwaitAPI
			}
			if p.Undoes == "" && !p.after(before[s.ID], want) {
				return fmt.Errorf("check plan: %s comes before any %s", s.ID, want)
			}
		default:
		}
	}
	return nil
}

func (p Plan) releases(host string, r cluster.Role) bool {
	for _, s := range p.Steps {
		if a, ok := s.Action.(ReleaseComponent); ok && s.Host == host && a.Role == r {
			return true
		}
	}
	return false
}

// after tells whether a step of this kind is among those that come before.
func (p Plan) after(before map[StepID]bool, k Kind) bool {
	for id := range before {
		if s, ok := p.Step(id); ok && s.Action.Kind() == k {
			return true
		}
	}
	return false
}
