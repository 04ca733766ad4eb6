package remote

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/kube"
)

// TestObjectsAreHeldAgainstTheSource by name: what was made or removed since is
// told apart from what is missing and from what comes from elsewhere.
func TestObjectsAreHeldAgainstTheSource(t *testing.T) {
	begin := time.Now()
	since, before := begin.Add(time.Minute), begin.Add(-time.Hour)
	there := []kube.Name{{Name: "default/a", Created: before}, {Name: "default/new", Created: since}, {Name: "default/foreign", Created: before}}
	source := []string{"default/a", "default/b", "kube-system/bootstrap-token-abcdef"}
	for _, c := range []struct {
		kind   string
		living bool
		want   APIObjects
	}{
		{"secrets", false, APIObjects{Missing: []string{"secrets: default/b"}, More: []string{"secrets: default/new"},
			Gone: []string{"secrets: kube-system/bootstrap-token-abcdef"}, Strange: []string{"secrets: default/foreign"}}},
		{"configmaps", false, APIObjects{Missing: []string{"configmaps: default/b, kube-system/bootstrap-token-abcdef"}, More: []string{"configmaps: default/new"},
			Strange: []string{"configmaps: default/foreign"}}},
		{"secrets", true, APIObjects{Gone: []string{"secrets: default/b, kube-system/bootstrap-token-abcdef"}, More: []string{"secrets: default/new"},
			Strange: []string{"secrets: default/foreign"}}},
	} {
		var got APIObjects
		got.differ(c.kind, source, there, APIRequest{Before: begin, Living: c.living})
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s, living %v (-want +got):\n%s", c.kind, c.living, d)
		}
	}
	var many APIObjects
	many.number("secrets", 6000, 6001, false)
	many.number("configmaps", 6001, 6000, false)
	many.number("services/specs", 6000, 6001, true)
	if d := cmp.Diff(APIObjects{Missing: []string{"secrets: 6000 of 6001"}, More: []string{"configmaps: 1 more"}, Gone: []string{"services/specs: 6000 of 6001"}}, many); d != "" {
		t.Error(d)
	}
	if got := some([]string{"f", "e", "d", "c", "b", "a", "g"}); !strings.HasPrefix(got, "a, b") || !strings.HasSuffix(got, "and 2 more") {
		t.Error(got)
	}
}

// TestTimesOfAnotherClock: the asker's is an hour ahead.
func TestTimesOfAnotherClock(t *testing.T) {
	ahead := time.Now().Add(time.Hour)
	if got := time.Until(hereby(ahead.Add(-time.Minute), ahead)); got > -50*time.Second || got < -70*time.Second {
		t.Errorf("a minute ago is %s", got)
	}
	if !hereby(time.Time{}, ahead).IsZero() {
		t.Error("no time is one")
	}
}
