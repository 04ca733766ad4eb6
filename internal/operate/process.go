package operate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/supervise"
)

// Started is the result of StartMember.
type Started struct {
	PID  int    `json:"pid"`
	Unit string `json:"unit,omitempty"`
	// InitialCluster is what the member was told for this start.
	InitialCluster string `json:"initialCluster,omitempty"`
	// Files are environment files of its unit that have this initial cluster now,
	// the old ones kept beside them; Note says why they have not.
	Files []string `json:"files,omitempty"`
	Note  string   `json:"note,omitempty"`
}

// Stopped is the result of StopMember.
type Stopped struct {
	Note string `json:"note"`
	// Idle tells that the member, a systemd unit, did not run when the step
	// began: there is nothing to start again.
	Idle bool `json:"idle,omitempty"`
}

// stopDone: no process runs the member, and its unit cannot be started. It was
// not watched for coming back; Do does that.
func (env Env) stopDone(ctx context.Context, a plan.StopMember) (State, any, error) {
	m, err := env.here(a.Member)
	if err != nil {
		return Unsure, nil, err
	}
	if pod, ok, err := env.pod(m); ok {
		if err != nil {
			return Unsure, nil, err
		}
		return held(ctx, pod)
	}
	f, err := supervise.Find(ctx, m)
	switch {
	case err != nil:
		return Unsure, nil, err
	case runs(f), m.Run.Systemd != "" && supervise.HeldBack(m) == a.Loose:
		return No, nil, nil
	}
	return Yes, Stopped{Note: "not running"}, nil
}

func runs(f cluster.ProcessFacts) bool {
	return f.Running || f.Unit == "active" || f.Unit == "activating"
}

func (env Env) stop(ctx context.Context, a plan.StopMember) (any, error) {
	m, err := env.here(a.Member)
	if err != nil {
		return nil, err
	}
	out := Stopped{Note: "not running"}
	pod, ok, err := env.pod(m)
	switch {
	case err != nil:
	case ok:
		err = pod.Hold(ctx)
	default:
		var f cluster.ProcessFacts
		f, err = supervise.Find(ctx, m)
		out.Idle = err == nil && m.Run.Systemd != "" && !runs(f)
		if err == nil {
			err = supervise.Stop(ctx, m)
		}
		if err == nil && a.Loose {
			err = supervise.Unhold(ctx, m)
		}
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// startDone: a process runs the member and its client port accepts.
func (env Env) startDone(ctx context.Context, a plan.StartMember) (State, any, error) {
	m, err := env.here(a.Member)
	if err != nil {
		return Unsure, nil, err
	}
	f, err := supervise.Find(ctx, m)
	if err != nil {
		return Unsure, nil, err
	}
	if !f.Running || supervise.HeldBack(m) || !supervise.Accepts(ctx, m) {
		return No, nil, nil
	}
	return Yes, Started{PID: f.PID, Unit: f.Unit}, nil
}

// start is safe to repeat: a member that runs is only waited for, and etcd
// ignores the override once it has data.
func (env Env) start(ctx context.Context, a plan.StartMember) (any, error) {
	m, err := env.here(a.Member)
	if err != nil {
		return nil, err
	}
	list := a.InitialCluster
	if len(a.Clients) > 0 {
		if list, err = env.joinList(ctx, m, a.Clients); err != nil {
			return nil, fmt.Errorf("start %s: %w", m.Name, err)
		}
	}
	var f cluster.ProcessFacts
	o := supervise.Override{InitialCluster: list, Case: filepath.Base(env.CaseDir), Original: a.Original}
	pod, ok, err := env.pod(m)
	switch {
	case err != nil:
	case ok:
		f, err = pod.Release(ctx, o)
	default:
		f, err = supervise.Start(ctx, m, o)
	}
	if err != nil {
		return nil, err
	}
	supervise.AwaitPeers(ctx, m, peerPatience)
	out := Started{PID: f.PID, Unit: f.Unit, InitialCluster: list}
	if out.Files, err = supervise.KeepInitialCluster(ctx, m, o); err != nil {
		// The member runs: its environment file is for the day when it has no data.
		out.Note = err.Error()
	}
	return out, nil
}

// peerPatience is how long the next member to start waits for this one to answer
// its peers; past it both go on, only slower.
const peerPatience = 20 * time.Second

// joinList composes the initial cluster for a member that joins a living one,
// from the list of the first client URL whose quorum knows the member's peer
// URLs. Any other cluster that answers is passed over.
func (env Env) joinList(ctx context.Context, m cluster.Member, urls []string) (string, error) {
	var why []error
	for _, url := range urls {
		list, err := env.listAt(ctx, url)
		if err != nil {
			why = append(why, fmt.Errorf("%s: %w", url, err))
			continue
		}
		own, ok := etcd.ByPeerURLs(list, m.PeerURLs)
		if !ok {
			why = append(why, fmt.Errorf("%s: its cluster has no member with the peer URLs %s", url, strings.Join(m.PeerURLs, ",")))
			continue
		}
		return env.named(list, own.ID, m.Name), nil
	}
	return "", fmt.Errorf("ask the living cluster for its members: %w", errors.Join(why...))
}

func (env Env) listAt(ctx context.Context, url string) ([]cluster.MemberEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := etcd.Dial(ctx, []string{url}, env.Config.Client)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.MemberList(ctx)
}

// named writes a member list as etcd's --initial-cluster. etcd matches by peer
// URLs; a member that has not started has no name yet and gets the configured
// one, or its ID.
func (env Env) named(list []cluster.MemberEntry, own cluster.ID, name string) string {
	var parts []string
	for _, e := range list {
		n := e.Name
		switch {
		case e.ID == own:
			n = name
		case n == "":
			n = "member-" + e.ID.String()
			for _, m := range env.Config.Members {
				if _, ok := etcd.ByPeerURLs([]cluster.MemberEntry{e}, m.PeerURLs); ok {
					n = m.Name
				}
			}
		}
		for _, u := range e.PeerURLs {
			parts = append(parts, n+"="+u)
		}
	}
	return strings.Join(parts, ",")
}
