package plan_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestTarget: a cluster is rebuilt for the etcd that will run it, not for the
// newest one.
func TestTarget(t *testing.T) {
	recorded := func(w *stories.World, version string) {
		for _, m := range []string{"m1", "m2", "m3"} {
			if d := &w.M(m).Disk; d.OK && d.Value.DB.OK {
				d.Value.DB.Value.ClusterVersion = version
			}
		}
		for i := range w.Facts.Hosts {
			for j := range w.Facts.Hosts[i].Snapshots {
				w.Facts.Hosts[i].Snapshots[j].DB.Value.ClusterVersion = version
			}
		}
	}
	program := func(w *stories.World, versions ...string) {
		for i, v := range versions {
			w.M([]string{"m1", "m2", "m3"}[i]).Process.Value.Version = v
		}
	}
	for _, c := range []struct {
		name, story, recorded string
		programs              []string
		want                  string
	}{
		{"nothing is known", "majority-lost", "", nil, ""},
		{"what the db says", "majority-lost", "3.5.0", nil, "3.5"},
		{"what the snapshot says", "all-lost", "3.4.0", nil, "3.4"},
		{"the programs are newer than the data", "majority-lost", "3.5.0", []string{"3.6.16", "3.6.16", "3.6.16"}, "3.6"},
		{"an upgrade was under way", "majority-lost", "3.5.0", []string{"3.5.21", "3.6.16", "3.6.16"}, "3.5"},
		{"one program is not known", "majority-lost", "3.5.0", []string{"3.6.16", "", "3.6.16"}, "3.5"},
		{"older programs were put in", "majority-lost", "3.6.0", []string{"3.5.21", "3.5.21", "3.5.21"}, "3.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := stories.All()[c.story].World
			recorded(w, c.recorded)
			program(w, c.programs...)
			p, err := plan.Build(w.Facts, diagnose.Diagnose(w.Facts), choices())
			if err != nil {
				t.Fatal(err)
			}
			builds := 0
			for _, s := range p.Steps {
				if b, ok := s.Action.(plan.BuildMember); ok {
					builds++
					if b.Target != c.want {
						t.Errorf("%s is built for etcd %q, want %q", b.Member, b.Target, c.want)
					}
				}
			}
			if builds == 0 {
				t.Error("nothing is built")
			}
		})
	}
}
