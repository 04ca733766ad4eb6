package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/kube"
)

const methodJudgeAPI = "judge-api"

// APIRequest asks an API server for proofs that it is the one from before.
type APIRequest struct {
	// Source is a snapshot on this host of what was recovered; empty when
	// there is none.
	Source string `json:"source,omitempty"`
	// Before is when the recovery began: a token from before is older.
	Before time.Time `json:"before"`
	// WatchFrom is a revision from before; 0 tries no watch.
	WatchFrom int64 `json:"watchFrom,omitempty"`
}

// APIAnswer holds the proofs.
type APIAnswer struct {
	// Ready is false with the failing checks in Why.
	Ready cluster.Known[bool] `json:"ready"`
	// UID is kube-system's, SourceUID the one in the source.
	UID       cluster.Known[string] `json:"uid"`
	SourceUID cluster.Known[string] `json:"sourceUID"`
	// Objects counts what the API has of the steady resources of the source,
	// and Missing names those of which it has fewer.
	Objects cluster.Known[int64] `json:"objects"`
	Missing []string             `json:"missing,omitempty"`
	// Token is whom a service account's token from before is taken for.
	Token cluster.Known[string] `json:"token"`
	// TooOld tells whether a watch from before is refused so.
	TooOld cluster.Known[bool] `json:"tooOld"`
}

type judgeParams struct {
	question
	APIRequest
}

// JudgeAPI asks the host's own API server for proofs; it changes nothing.
func (h *Host) JudgeAPI(ctx context.Context, cfg cluster.Config, r APIRequest) (APIAnswer, error) {
	var a APIAnswer
	err := h.call(ctx, methodJudgeAPI, judgeParams{h.question(cfg), r}, &a, nil)
	return a, err
}

func judgeAPI(ctx context.Context, p judgeParams, _ func(host.Progress)) (any, error) {
	n, ok := p.Config.Node(p.Host)
	if !ok || n.API == "" {
		return nil, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("host %s has no API server in the configuration", p.Host)}
	}
	c, err := kube.Open(n.Kubeconfig, n.API)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var a APIAnswer
	if err := c.Ready(ctx); err != nil {
		a.Ready = cluster.Known[bool]{OK: true, Why: err.Error()}
		return a, nil
	}
	a.Ready = cluster.Is(true)
	a.UID = cluster.From(c.SystemUID(ctx))
	a.Token = cluster.From(oldToken(ctx, c, p.Before))
	if p.WatchFrom > 0 {
		a.TooOld = cluster.From(c.WatchTooOld(ctx, p.WatchFrom))
	}
	if p.Source == "" {
		a.SourceUID, a.Objects = cluster.Unknown[string]("there is no source"), cluster.Unknown[int64]("there is no source")
		return a, nil
	}
	uid, counts, err := sourceOf(ctx, p.Source)
	a.SourceUID = cluster.From(uid, err)
	if err != nil {
		a.Objects = cluster.Unknown[int64]("%v", err)
		return a, nil
	}
	a.Objects, a.Missing = compareCounts(ctx, c, counts)
	return a, nil
}

// sourceOf reads what a snapshot says of kube-system, and counts its objects by
// resource.
func sourceOf(ctx context.Context, path string) (uid string, counts map[string]int64, err error) {
	counts = map[string]int64{}
	steady := kube.Steady()
	err = datadir.Each(ctx, path, 0, func(kv *mvccpb.KeyValue) error {
		rest, ok := strings.CutPrefix(string(kv.Key), kube.Root)
		if !ok {
			return nil
		}
		if rest == "namespaces/kube-system" {
			o, err := kube.Decode(string(kv.Key), kv.Value)
			if err != nil {
				return err
			}
			uid = o.UID
		}
		for _, s := range steady {
			if strings.HasPrefix(rest, s.Stored+"/") {
				counts[s.Stored]++
				break
			}
		}
		return nil
	})
	if err == nil && uid == "" {
		err = errors.New("the source holds no namespace kube-system, or it is encrypted")
	}
	return uid, counts, err
}

// compareCounts tells of which resources the API has fewer objects than the
// source; what was made since is no fault.
func compareCounts(ctx context.Context, c *kube.Client, counts map[string]int64) (all cluster.Known[int64], missing []string) {
	var sum int64
	for _, s := range kube.Steady() {
		want := counts[s.Stored]
		if want == 0 {
			continue
		}
		got, ok, err := c.Count(ctx, s.Path)
		switch {
		case err != nil:
			return cluster.Unknown[int64]("%v", err), nil
		case !ok:
			continue // this version does not serve it
		case got < want:
			missing = append(missing, fmt.Sprintf("%s: %d of %d", s.Stored, got, want))
		}
		sum += got
	}
	return cluster.Is(sum), missing
}

// oldToken shows the API server a token that a kubelet of this machine has
// handed to a pod before. The token stays on the machine.
func oldToken(ctx context.Context, c *kube.Client, before time.Time) (string, error) {
	files, err := filepath.Glob("/var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/*/token")
	if err != nil {
		return "", err
	}
	ages := map[string]time.Time{}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.ModTime().Before(before) {
			ages[f] = info.ModTime()
		}
	}
	var old []string
	for f := range ages {
		old = append(old, f)
	}
	sort.Slice(old, func(i, j int) bool { return ages[old[i]].After(ages[old[j]]) })
	last := errors.New("no pod on this machine has a token from before")
	for _, f := range old[:min(3, len(old))] {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		who, err := c.WithToken(strings.TrimSpace(string(b))).Whoami(ctx)
		if err == nil {
			return who, nil
		}
		last = err
	}
	return "", last
}
