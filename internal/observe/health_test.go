package observe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/test/etcds"
	"github.com/salvor-project/salvor/test/ports"
)

// TestHealthEndpoints asks real etcds of four versions for their health, at the
// metrics URL that is found by their command line or environment and at their
// client URL: while they are well, with an alarm CORRUPT, and with one for space.
func TestHealthEndpoints(t *testing.T) {
	for i, version := range []string{etcds.V3_4, etcds.V3_5, etcds.V3_6, etcds.V3_7} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			e := startHealthy(t, version, i%2 == 0)
			checks, stops := version != etcds.V3_4, func(h cluster.EtcdHealth) bool { return !h.Health.Value.OK }
			want := func(when string, ok func(cluster.EtcdHealth) bool) {
				t.Helper()
				for _, h := range e.look(t) {
					if h.Health.OK != checks || h.Live.OK != checks || h.Ready.OK != checks || checks && !ok(h) {
						t.Errorf("%s: %s: %+v", when, h.URL, h)
					}
				}
			}
			want("well", func(h cluster.EtcdHealth) bool {
				return h.Health.Value.OK && h.Live.Value.OK && h.Ready.Value.OK && len(h.Ready.Value.Failed) == 0
			})
			e.alarm(t, pb.AlarmType_NOSPACE)
			want("NOSPACE", func(h cluster.EtcdHealth) bool {
				return stops(h) && h.Health.Value.Reason == "ALARM NOSPACE" && h.Ready.Value.OK
			})
			e.alarm(t, pb.AlarmType_CORRUPT)
			want("CORRUPT", func(h cluster.EtcdHealth) bool {
				return stops(h) && !h.Ready.Value.OK && slices.Equal(h.Ready.Value.Failed, []string{"data_corruption"}) && h.Live.Value.OK
			})
		})
	}
}

// TestALookLeavesNothingInTheLog: an etcd with --enable-v2 (kubespray's default for
// years) and an etcd 3.4 answer /health through a request in their log, which whoever
// reads that log later must then know how to pass over. A look does not ask.
func TestALookLeavesNothingInTheLog(t *testing.T) {
	for _, c := range []struct {
		version string
		more    []string
	}{{etcds.V3_4, nil}, {etcds.V3_4, []string{"--enable-v2"}}, {etcds.V3_5, nil}, {etcds.V3_5, []string{"--enable-v2"}}, {etcds.V3_6, nil}, {etcds.V3_7, nil}} {
		t.Run(c.version+strings.Join(c.more, ""), func(t *testing.T) {
			t.Parallel()
			e := startHealthy(t, c.version, false, c.more...)
			var log []uint64
			for range 4 { // a new leader writes the cluster's version by itself, once
				log = append(log, e.raftIndex(t))
				e.look(t)
			}
			if log[len(log)-1] > log[0]+1 {
				t.Errorf("the log grew with the looks: its last entries were %d", log)
			}
		})
	}
}

// oneEtcd is a running etcd that serves its health at two URLs.
type oneEtcd struct {
	member  cluster.Member
	metrics string
}

func startHealthy(t *testing.T, version string, byEnvironment bool, more ...string) oneEtcd {
	t.Helper()
	url := func() string { return fmt.Sprintf("http://127.0.0.1:%d", ports.Free(t)) }
	e := oneEtcd{cluster.Member{Name: "m", DataDir: filepath.Join(t.TempDir(), "m"), ClientURLs: []string{url()}, PeerURLs: []string{url()}}, url()}
	program := etcds.Path(t, version)
	e.member.Run.Process = &cluster.Process{Command: []string{program}}
	args := []string{"--name=m", "--data-dir=" + e.member.DataDir, "--listen-client-urls=" + e.member.ClientURLs[0], "--advertise-client-urls=" + e.member.ClientURLs[0],
		"--listen-peer-urls=" + e.member.PeerURLs[0], "--initial-advertise-peer-urls=" + e.member.PeerURLs[0], "--initial-cluster=m=" + e.member.PeerURLs[0],
		"--logger=zap", "--log-outputs=/dev/null"}
	args = append(args, more...)
	if !byEnvironment {
		args = append(args, "--listen-metrics-urls", e.metrics)
	}
	cmd := exec.Command(program, args...)
	if byEnvironment {
		cmd.Env = append(cmd.Environ(), "ETCD_LISTEN_METRICS_URLS="+e.metrics)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c := e.client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Put(ctx, "a", "b"); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e oneEtcd) client(t *testing.T) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: e.member.ClientURLs, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// raftIndex is the last entry of the log.
func (e oneEtcd) raftIndex(t *testing.T) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := e.client(t).Status(ctx, e.member.ClientURLs[0])
	if err != nil {
		t.Fatal(err)
	}
	return s.RaftIndex
}

func (e oneEtcd) alarm(t *testing.T, kind pb.AlarmType) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := e.client(t)
	list, err := c.MemberList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pb.NewMaintenanceClient(c.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, Alarm: kind, MemberID: list.Members[0].ID}); err != nil {
		t.Fatal(err)
	}
}

// look asks as a look at the machine does, and wants both URLs answered.
func (e oneEtcd) look(t *testing.T) []cluster.EtcdHealth {
	t.Helper()
	out := etcdHealth(t.Context(), e.member, process(t.Context(), e.member), cluster.TLS{})
	if len(out) != 2 || out[0].URL != e.metrics || out[1].URL != e.member.ClientURLs[0] {
		t.Fatalf("asked %+v, not %s and %s", out, e.metrics, e.member.ClientURLs[0])
	}
	return out
}

// TestNotAnEtcd: what is no etcd's answer makes nobody healthy, and a port that
// hangs costs no more than its budget.
func TestNotAnEtcd(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			_, _ = w.Write([]byte("ok"))
		case "/livez":
			w.WriteHeader(http.StatusTeapot)
		default:
			<-hang
		}
	}))
	defer s.Close()
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if h := healthAt(ctx, s.URL, cluster.TLS{}); h.Health.OK || h.Live.OK || h.Ready.OK || h.Health.Why == "" || h.Live.Why == "" || h.Ready.Why == "" {
		t.Errorf("%+v", h)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}
