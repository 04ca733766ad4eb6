package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/say"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-want +got); if that is right, -update\n%s", name, d)
	}
}

func written(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func languages() []say.Language { return []say.Language{say.English, say.Chinese} }

func TestGoldenReports(t *testing.T) {
	for name, c := range goldenCases() {
		for _, lang := range languages() {
			t.Run(name+"."+string(lang), func(t *testing.T) {
				d := Report(c, Options{Lang: lang})
				golden(t, name+"."+string(lang)+".md", written(t, d.Markdown))
			})
		}
	}
}

// TestGoldenForms holds the other renderings of one case.
func TestGoldenForms(t *testing.T) {
	d := Report(majorityPassed(), Options{Lang: say.English})
	golden(t, "majority-lost.en.html", written(t, d.HTML))
	golden(t, "majority-lost.en.json", written(t, func(w io.Writer) error { return JSON(w, "Report", d) }))
}

func TestGoldenScreens(t *testing.T) {
	for name, c := range goldenCases() {
		if name == "resumed" || name == "failed" {
			continue // the same diagnosis and plan as majority-lost
		}
		for _, lang := range languages() {
			t.Run(name+"."+string(lang), func(t *testing.T) {
				o := Options{Lang: lang}
				golden(t, name+"."+string(lang)+".diagnosis.txt", written(t, func(w io.Writer) error { return Diagnosis(w, *c.Diagnosis, *c.Facts, o) }))
				if c.Plan != nil {
					golden(t, name+"."+string(lang)+".plan.txt", written(t, func(w io.Writer) error { return Plan(w, *c.Plan, o) }))
				}
			})
		}
	}
	c := majorityPassed()
	o := Options{Verbose: true, Colour: true, Width: 100}
	golden(t, "verbose-colour.diagnosis.txt", written(t, func(w io.Writer) error { return Diagnosis(w, *c.Diagnosis, *c.Facts, o) }))
	golden(t, "nothing-seen.diagnosis.txt", written(t, func(w io.Writer) error {
		d := diagnose.Diagnosis{At: night(0), Level: diagnose.Level{Availability: diagnose.TUnknown, Data: diagnose.DUnknown}, Scenario: diagnose.Unreachable,
			Summary: say.New("scenario.unreachable", "cp-1, cp-2, cp-3"), Unknown: []say.Text{say.New("unknown.host", "cp-1", "no route to host")},
			ClusterID: cluster.Unknown[cluster.ID]("nobody answered"), HighestRevision: cluster.Unknown[int64]("nobody answered")}
		return Diagnosis(w, d, cluster.Facts{}, Options{})
	}))
}
