package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/say"
)

// TestHazardsOfEveryCandidate: what data would do stands with every candidate
// that could be put back, in text, Markdown and JSON; what could not be read
// says why.
func TestHazardsOfEveryCandidate(t *testing.T) {
	w := stories.Control()
	w.Restore().GitOps = cluster.Names{Count: 1, First: []string{"argo"}}
	hazards := []cluster.Known[cluster.Hazards]{cluster.Is(w.Facts.Hosts[0].Snapshots[0].Hazards.Value), cluster.Unknown[cluster.Hazards]("no time was left"), {}}
	for i, path := range []string{"/b/older.db", "/b/unread.db", "/b/unasked.db"} {
		w.Snapshot(int64(60 - i))
		w.Facts.Hosts[0].Snapshots[i+1].Path, w.Facts.Hosts[0].Snapshots[i+1].Hazards = path, hazards[i]
	}
	w.Facts.Backups = cluster.Is([]cluster.BackupFacts{{ID: "b1", Created: w.Facts.At, Revision: 10, Here: []string{"disk"}}})
	d := diagnose.Diagnose(w.Facts)
	wanted := map[string]string{"snapshot:hm1:/b/s.db": "hazard-gitops-acts", "snapshot:hm1:/b/older.db": "hazard-gitops-acts", "snapshot:hm1:/b/unread.db": "no time was left",
		"snapshot:hm1:/b/unasked.db": "was not asked", "vault:b1": "when it is fetched"}
	for _, verbose := range []bool{false, true} {
		var text, md bytes.Buffer
		if err := Diagnosis(&text, d, w.Facts, Options{Verbose: verbose, Width: 400}); err != nil {
			t.Fatal(err)
		}
		if err := DiagnosisMarkdown(&md, d, w.Facts, Options{Width: 400}); err != nil {
			t.Fatal(err)
		}
		for id, want := range wanted {
			if verbose && strings.HasPrefix(want, "hazard-") {
				want = "They overwrite, or bring back"
			}
			if got := after(text.String(), "\n  ✓ "+id+"\n", "\n  · "+id+"\n"); !strings.Contains(got, want) {
				t.Errorf("verbose %v: %s lacks %q:\n%s", verbose, id, want, got)
			}
		}
		if n := strings.Count(md.String(), "They overwrite, or bring back"); n < 3 || !strings.Contains(md.String(), "no time was left") {
			t.Errorf("Markdown tells it %d times", n)
		}
	}
	for _, c := range d.Candidates {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), `"hazards":[`) && !strings.Contains(string(b), `"hazardsUnknown":{`) {
			t.Errorf("%s says nothing of its objects: %s", c.ID, b)
		}
		if c.HazardsUnknown != nil && !say.Has(c.HazardsUnknown.Key) {
			t.Errorf("%s: %s", c.ID, c.HazardsUnknown.Key)
		}
	}
}

// after gives what stands below a candidate's line, up to the next one.
func after(text string, heads ...string) string {
	for _, h := range heads {
		if _, rest, ok := strings.Cut(text, h); ok {
			for _, end := range []string{"\n  · ", "\n  ✓ ", "\n\n"} {
				if part, _, ok := strings.Cut(rest, end); ok && len(part) < len(rest) {
					rest = part
				}
			}
			return rest
		}
	}
	return ""
}
