package diagnose_test

import (
	"slices"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestOverloadIsOfTheAPIServers: who is turned away now, by an API server that
// answers and that has no room; other 429s are of other classes.
func TestOverloadIsOfTheAPIServers(t *testing.T) {
	answered := func(why string) func(*stories.World) {
		return func(w *stories.World) { w.Objects("m2").Nodes = cluster.Unknown[[]cluster.NodeState]("%s", why) }
	}
	for name, c := range map[string]struct {
		change func(*stories.World)
		want   diagnose.Confidence // none: not told
	}{
		"lines of now": {func(w *stories.World) { w.Said("m2", "kubelet", cluster.SaidTooManyRequests, 5) }, diagnose.Likely},
		"said once":    {func(w *stories.World) { w.Said("m2", "kubelet", cluster.SaidTooManyRequests, 1) }, ""},
		"lines of ten minutes ago": {func(w *stories.World) {
			w.SaidAt("m2", "kubelet", cluster.SaidTooManyRequests, 50, w.Facts.At.Add(-10*time.Minute))
		}, ""},
		"lines without a time": {func(w *stories.World) { w.SaidAt("m2", "kubelet", cluster.SaidTooManyRequests, 50, time.Time{}) }, diagnose.Possible},
		"no API server answers now": {func(w *stories.World) {
			w.Said("m2", "kubelet", cluster.SaidTooManyRequests, 5)
			for _, n := range []string{"m1", "m2", "m3"} {
				w.API(n).Layer = cluster.LayerNone
			}
		}, ""},
		"Salvor alone": {answered("GET /api/v1/nodes: status 429: Too many requests, please try again later."), diagnose.Likely},
		"Salvor and the others": {func(w *stories.World) {
			answered("GET /api/v1/nodes: status 429: Too many requests, please try again later.")(w)
			w.Said("m2", "kubelet", cluster.SaidTooManyRequests, 5)
		}, diagnose.Certain},
		"its health": {func(w *stories.World) {
			w.API("m2").Ready, w.API("m2").Refused = cluster.Unknown[cluster.APIHealth]("429"), 429
		}, diagnose.Likely},
		"not ready for another": {func(w *stories.World) { w.API("m2").Ready = cluster.Is(cluster.APIHealth{Status: 500}) }, ""},
		"its health is for friends": {func(w *stories.World) {
			w.API("m2").Ready, w.API("m2").Refused = cluster.Unknown[cluster.APIHealth]("401"), 401
		}, ""},
		"storage that is not there": {answered("GET /api/v1/nodes: status 429: storage is (re)initializing"), ""},
		"no key for what is stored": {answered("GET /api/v1/nodes: status 429: storage is (re)initializing: failed to list *core.Secret: unable to transform key"), ""},
		"an etcd with too much":     {answered("GET /api/v1/nodes: status 429: etcdserver: too many requests"), ""},
		"an aggregated API":         {answered("GET /x: status 503: the server is currently unable to handle the request"), ""},
	} {
		w := stories.Control()
		c.change(w)
		d := diagnose.Diagnose(w.Facts)
		f, told := find(d, diagnose.APIOverloaded)
		if told != (c.want != "") || f.Confidence != c.want {
			t.Errorf("%s: %q, want %q: %v", name, f.Confidence, c.want, codesOf(d))
		}
		if told && (!forbids(d, diagnose.ActRestore) || c.want != diagnose.Possible && !forbids(d, diagnose.ActWrong)) {
			t.Errorf("%s: forbidden %+v", name, d.Forbidden)
		}
		if n, not := find(d, diagnose.APINotReady); told && not && !slices.Contains(n.CausedBy, diagnose.APIOverloaded) {
			t.Errorf("%s: not ready for no reason", name)
		}
	}
}
