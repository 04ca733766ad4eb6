package observe

import (
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	m, err := parseMetrics(strings.NewReader(`# HELP etcd_server_has_leader x
etcd_server_has_leader 1
etcd_server_leader_changes_seen_total 7
etcd_server_slow_apply_total 3
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 50
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.512"} 98
etcd_disk_wal_fsync_duration_seconds_bucket{le="8.192"} 100
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 100
etcd_disk_backend_commit_duration_seconds_bucket{le="0.001"} 10
etcd_disk_backend_commit_duration_seconds_bucket{le="+Inf"} 10
etcd_network_peer_round_trip_time_seconds_bucket{To="a",le="0.1"} 1
etcd_network_peer_round_trip_time_seconds_bucket{To="a",le="+Inf"} 4
`))
	if err != nil {
		t.Fatal(err)
	}
	if m.FsyncP99 != 8.192 || m.CommitP99 != 0.001 || m.PeerRTTP99 != 0.2 || m.LeaderChanges != 7 || m.SlowApplies != 3 || !m.HasLeader {
		t.Errorf("read %+v", m)
	}
	if _, err := parseMetrics(strings.NewReader("go_goroutines 5\n")); err == nil {
		t.Error("metrics of something else are taken for an etcd's")
	}
}
