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
	// Living tells that the cluster served after the source was taken: what the
	// source holds may have been removed since.
	Living bool `json:"living,omitempty"`
}

// APIAnswer holds the proofs.
type APIAnswer struct {
	// Ready is false with the failing checks in Why.
	Ready cluster.Known[bool] `json:"ready"`
	// UID is kube-system's, SourceUID the one in the source.
	UID       cluster.Known[string] `json:"uid"`
	SourceUID cluster.Known[string] `json:"sourceUID"`
	APIObjects
	// Token is whom a service account's token from before is taken for.
	Token cluster.Known[string] `json:"token"`
	// TooOld tells whether a watch from before is refused so.
	TooOld cluster.Known[bool] `json:"tooOld"`
}

type judgeParams struct {
	question
	APIRequest
	// Asked is now by the asker's clock.
	Asked time.Time `json:"asked,omitzero"`
}

// hereby gives a time of the asker's clock by this machine's.
func hereby(t, asked time.Time) time.Time {
	if asked.IsZero() || t.IsZero() {
		return t
	}
	return t.Add(time.Since(asked))
}

// JudgeAPI asks the host's own API server for proofs; it changes nothing.
func (h *Host) JudgeAPI(ctx context.Context, cfg cluster.Config, r APIRequest) (APIAnswer, error) {
	var a APIAnswer
	err := h.call(ctx, methodJudgeAPI, judgeParams{h.question(cfg), r, time.Now()}, &a, nil)
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
	p.Before = hereby(p.Before, p.Asked)
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
	uid, names, err := sourceOf(ctx, p.Source)
	a.SourceUID = cluster.From(uid, err)
	if err != nil {
		a.Objects = cluster.Unknown[int64]("%v", err)
		return a, nil
	}
	a.APIObjects = compareObjects(ctx, c, names, p.APIRequest)
	return a, nil
}

// sourceOf reads what a snapshot says of kube-system, and the names of its steady
// objects by resource.
func sourceOf(ctx context.Context, path string) (uid string, names map[string][]string, err error) {
	names = map[string][]string{}
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
			if name, ok := strings.CutPrefix(rest, s.Stored+"/"); ok {
				names[s.Stored] = append(names[s.Stored], name)
				break
			}
		}
		return nil
	})
	if err == nil && uid == "" {
		err = errors.New("the source holds no namespace kube-system, or it is encrypted")
	}
	return uid, names, err
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
