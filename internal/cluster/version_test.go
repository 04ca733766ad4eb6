package cluster_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
)

func TestMinor(t *testing.T) {
	for version, want := range map[string]string{
		"3.5.21": "3.5", "v3.10.0-rc.1": "3.10", "3.5": "3.5", "": "", "3": "", "not.decided": "", "3.x.1": "",
	} {
		if got := cluster.Minor(version); got != want {
			t.Errorf("Minor(%q) is %q, want %q", version, got, want)
		}
	}
	if got := cluster.OldestMinor("3.10.0", "", "what", "3.9.4", "4.0.0"); got != "3.9" {
		t.Errorf("the oldest is %q, want 3.9: minors are numbers", got)
	}
	if got := cluster.OldestMinor(""); got != "" {
		t.Errorf("the oldest of nothing is %q", got)
	}
	if got := (cluster.DB{ClusterVersion: "3.6.0", StorageVersion: "3.5.0"}).RecordedBy(); got != "3.5" {
		t.Errorf("a db in the middle of a downgrade was recorded by %q, want 3.5", got)
	}
}
