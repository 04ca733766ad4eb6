package verify

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

// judged is what one API server answered.
type judged struct {
	node cluster.Node
	remote.APIAnswer
	err error
}

// api judges what stands on etcd; nothing, when nothing does.
func (v view) api(ctx context.Context) []casefile.Check {
	if len(v.Plan.Expect.APIServers) == 0 {
		return nil
	}
	var all []judged
	for _, n := range v.Plan.Config.APIServers() {
		for _, u := range v.Plan.Expect.APIServers {
			if n.API == u {
				all = append(all, judged{node: n})
			}
		}
	}
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			h, err := v.Fleet.Host(all[i].node.Host)
			if err == nil {
				all[i].APIAnswer, err = h.JudgeAPI(ctx, v.Plan.Config, v.apiRequest(all[i].node.Host))
			}
			all[i].err = err
		})
	}
	wg.Wait()
	return append([]casefile.Check{apiReady(all), apiIdentity(all), apiObjects(all), apiToken(all), v.apiWatch(all)}, v.service(ctx, all)...)
}

func (v view) apiRequest(host string) remote.APIRequest {
	r := remote.APIRequest{WatchFrom: v.Plan.Expect.WatchRefusedFrom, Before: v.began(), Living: v.Plan.Expect.BuiltBy == ""}
	for _, s := range v.Plan.Steps {
		if s.Host != host || r.Source != "" {
			continue
		}
		switch a := s.Action.(type) {
		case plan.BuildMember:
			r.Source = a.Image
		case plan.SaveSnapshot:
			r.Source = a.Out
		default:
		}
	}
	return r
}

// apiReady demands that every API server says that it is ready.
func apiReady(all []judged) casefile.Check {
	var good []string
	for _, j := range all {
		switch {
		case j.err != nil:
			return unknown("api-ready", j.node.Host+": "+j.err.Error())
		case !j.Ready.OK:
			return unknown("api-ready", j.node.Host+": "+j.Ready.Why)
		case !j.Ready.Value:
			return failed("api-ready", "api-not-ready", j.node.API, j.Ready.Why)
		}
		good = append(good, j.node.Host)
	}
	return passed("api-ready", "api-ready", strings.Join(good, ", "))
}

// apiIdentity demands that all API servers show one kube-system, and the
// source's where it is known.
func apiIdentity(all []judged) casefile.Check {
	uids := map[string]bool{}
	source := ""
	for _, j := range all {
		if !j.UID.OK {
			return unknown("api-identity", j.node.Host+": "+j.UID.Why)
		}
		uids[j.UID.Value] = true
		if j.SourceUID.OK {
			source = j.SourceUID.Value
		}
	}
	uid := ""
	for u := range uids {
		uid = u
	}
	switch {
	case len(all) == 0:
		return unknown("api-identity", "no API server was asked")
	case len(uids) > 1 || source != "" && uid != source:
		return failed("api-identity", "api-identity-differs", fmt.Sprint(len(uids)), source)
	case source == "":
		return passed("api-identity", "api-identity-same", uid)
	}
	return passed("api-identity", "api-identity", uid)
}

// apiObjects demands that the API has the objects of the source: exactly as many
// of each kind, but for what was made since.
func apiObjects(all []judged) casefile.Check {
	why := "no API server was asked"
	for _, j := range all {
		if !j.Objects.OK {
			why = j.Objects.Why
			continue
		}
		switch {
		case len(j.Missing) > 0:
			return failed("api-objects", "api-objects-fewer", strings.Join(j.Missing, "; "))
		case len(j.Strange) > 0:
			return failed("api-objects", "api-objects-strange", strings.Join(j.Strange, "; "))
		case len(j.More)+len(j.Gone) > 0:
			return passed("api-objects", "api-objects-since", j.Objects.Value, orNone(j.More), orNone(j.Gone))
		}
		return passed("api-objects", "api-objects", j.Objects.Value)
	}
	return casefile.Check{Name: "api-objects", Result: casefile.NotApplicable, Text: unknown("", why).Text}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "–"
	}
	return strings.Join(list, "; ")
}

// apiToken demands that a service account's token from before is still taken;
// without one on any machine there is nothing to try.
func apiToken(all []judged) casefile.Check {
	why := "no API server was asked"
	refused := false
	for _, j := range all {
		if j.Token.OK {
			return passed("api-token", "api-token", j.Token.Value)
		}
		why = j.Token.Why
		refused = refused || strings.Contains(why, "status 401")
	}
	if refused {
		return failed("api-token", "api-token-refused", why)
	}
	return casefile.Check{Name: "api-token", Result: casefile.NotApplicable, Text: unknown("", why).Text}
}

// apiWatch demands that every API server refuses a watch from before a rebuild,
// so that its client lists again.
func (v view) apiWatch(all []judged) casefile.Check {
	from := v.Plan.Expect.WatchRefusedFrom
	if from == 0 {
		return skipped("api-watch", "old-watch-living")
	}
	for _, j := range all {
		switch {
		case !j.TooOld.OK:
			return unknown("api-watch", j.node.Host+": "+j.TooOld.Why)
		case !j.TooOld.Value:
			return failed("api-watch", "api-watch-open", from, j.node.API)
		}
	}
	return passed("api-watch", "api-watch", from)
}
