package diagnose_test

import (
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestWhatIsPastIsNotTold: a webhook that the API does not have any more blocks
// nobody, and what an earlier run of an API server said is past once it is ready.
func TestWhatIsPastIsNotTold(t *testing.T) {
	says := func(w *stories.World, cause cluster.Cause, previous bool, line string) {
		w.Said("m1", "kube-apiserver", cause, 3)
		for i := range w.Node("m1").Logs {
			if l := &w.Node("m1").Logs[i]; l.Component == "kube-apiserver" {
				l.Previous, l.Signs.Value[len(l.Signs.Value)-1].Sample = previous, line
			}
		}
	}
	hook := `err="Internal error occurred: failed calling webhook \"mpod.kb.io\": failed to call webhook: Post …"`
	for _, c := range []struct {
		name  string
		world func(*stories.World)
		code  diagnose.Code
		told  bool
	}{
		{"a webhook that is there", func(w *stories.World) { says(w, cluster.SaidWebhook, false, hook) }, diagnose.WebhookDeadlock, true},
		{"a webhook that was deleted", func(w *stories.World) {
			says(w, cluster.SaidWebhook, false, hook)
			w.EachObjects(func(o *cluster.APIObjects) { o.Hooks = cluster.Is([]string{"another.kb.io"}) })
		}, diagnose.WebhookDeadlock, false},
		{"a webhook of which nothing is known", func(w *stories.World) {
			says(w, cluster.SaidWebhook, false, hook)
			w.EachObjects(func(o *cluster.APIObjects) { o.Hooks = cluster.Unknown[[]string]("no answer") })
		}, diagnose.WebhookDeadlock, true},
		{"a line that names no webhook", func(w *stories.World) { says(w, cluster.SaidWebhook, false, "failed calling webhook") }, diagnose.WebhookDeadlock, true},
		{"a key that is missing now", func(w *stories.World) { says(w, cluster.SaidNoEncryptionKey, false, "x") }, diagnose.APICannotDecrypt, true},
		{"a key that an earlier run missed", func(w *stories.World) { says(w, cluster.SaidNoEncryptionKey, true, "x") }, diagnose.APICannotDecrypt, false},
		{"a key that an earlier run missed, and it is not ready", func(w *stories.World) {
			says(w, cluster.SaidNoEncryptionKey, true, "x")
			w.API("m1").Ready = cluster.Is(cluster.APIHealth{Status: 500, Failed: []string{"informer-sync"}})
		}, diagnose.APICannotDecrypt, true},
		{"a key that an earlier run missed, and it lacks only etcd", func(w *stories.World) {
			says(w, cluster.SaidNoEncryptionKey, true, "x")
			w.API("m1").Ready = cluster.Is(cluster.APIHealth{Status: 500, Failed: []string{"etcd", "etcd-readiness"}, Passed: 35})
		}, diagnose.APICannotDecrypt, false},
		{"a key that was missed an hour ago", func(w *stories.World) {
			w.SaidAt("m1", "kube-apiserver", cluster.SaidNoEncryptionKey, 3, w.Facts.At.Add(-time.Hour))
		}, diagnose.APICannotDecrypt, false},
		{"a key that was missed an hour ago, and etcd is gone now", func(w *stories.World) {
			w.SaidAt("m1", "kube-apiserver", cluster.SaidNoEncryptionKey, 3, w.Facts.At.Add(-time.Hour))
			w.API("m1").Ready = cluster.Is(cluster.APIHealth{Status: 500, Failed: []string{"etcd"}})
		}, diagnose.APICannotDecrypt, false},
		{"a key that was missed an hour ago, and nobody answers", func(w *stories.World) {
			w.SaidAt("m1", "kube-apiserver", cluster.SaidNoEncryptionKey, 3, w.Facts.At.Add(-time.Hour))
			w.API("m1").Layer = cluster.LayerNone
			w.API("m1").Ready = cluster.Unknown[cluster.APIHealth]("not reached")
		}, diagnose.APICannotDecrypt, true},
		{"tokens that are refused", func(w *stories.World) { says(w, cluster.SaidTokenSignature, false, "x") }, diagnose.TokenRejected, true},
		{"tokens that were refused four minutes ago", func(w *stories.World) {
			w.SaidAt("m1", "kube-apiserver", cluster.SaidTokenSignature, 2, w.Facts.At.Add(-4*time.Minute))
		}, diagnose.TokenRejected, false},
		{"tokens that were refused, and nobody answers now", func(w *stories.World) {
			w.SaidAt("m1", "kube-apiserver", cluster.SaidTokenSignature, 2, w.Facts.At.Add(-4*time.Minute))
			w.API("m1").Layer = cluster.LayerNone
			w.API("m1").Ready = cluster.Unknown[cluster.APIHealth]("not reached")
		}, diagnose.TokenRejected, true},
		{"a cache that was behind for a moment", func(w *stories.World) { w.Said("m1", "kube-apiserver", cluster.SaidRVTooLarge, 1) }, diagnose.RVRegressed, false},
		{"clients that have seen more", func(w *stories.World) { w.Said("m1", "kubelet", cluster.SaidRVTooLarge, 20) }, diagnose.RVRegressed, true},
		{"a role that an API server did not know yet", func(w *stories.World) { w.Said("m1", "kube-apiserver", cluster.SaidForbiddenRBAC, 1) }, diagnose.RBACMissing, false},
		{"a role that was missing an hour ago", func(w *stories.World) {
			w.SaidAt("m1", "kube-apiserver", cluster.SaidForbiddenRBAC, 100, w.Facts.At.Add(-time.Hour))
			for _, n := range []string{"m1", "m2", "m3"} { // and now no API server answers
				w.API(n).Ready = cluster.Unknown[cluster.APIHealth]("no answer")
			}
		}, diagnose.RBACMissing, false},
		{"a role that is missing", func(w *stories.World) { w.Said("m1", "kube-apiserver", cluster.SaidForbiddenRBAC, 100) }, diagnose.RBACMissing, true},
		{"another leader of the same term", func(w *stories.World) { w.M("m2").Live.Value.Leader = '2' }, diagnose.MembersDisagree, true},
		{"an election between two answers", func(w *stories.World) {
			w.M("m2").Live.Value.Leader, w.M("m2").Live.Value.Term = '2', w.M("m1").Live.Value.Term+1
		}, diagnose.MembersDisagree, false},
	} {
		w := stories.Control()
		c.world(w)
		d := diagnose.Diagnose(w.Facts)
		if _, told := find(d, c.code); told != c.told {
			t.Errorf("%s: %s told: %v, of %v", c.name, c.code, told, codesOf(d))
		}
	}
}
