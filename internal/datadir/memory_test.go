package datadir

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// memoryKeysEnv says how many keys TestMemory gives to each task; a release is
// tried with 20,000,000.
const memoryKeysEnv = "SALVOR_MEMORY_KEYS"

// memoryChildEnv makes this test binary do one task and end.
const memoryChildEnv = "SALVOR_MEMORY_CHILD"

// memoryBound is what no task may need, in bytes, whatever the number of keys:
// 60 MiB less than what operators are told, for what the whole program has in
// memory that this test has not.
const memoryBound = 196 << 20

// memoryTasks are what TestMemory measures, each in a process of its own.
func memoryTasks() map[string]func(ctx context.Context, dir string) error {
	restore := func(ctx context.Context, dir, name string, compact bool) error {
		_, err := Restore(ctx, RestoreOptions{
			Source: filepath.Join(dir, "db"), SkipHashCheck: true, Members: []RestoreMember{{Name: "m", Dir: filepath.Join(dir, name)}},
			InitialCluster: "m=http://127.0.0.1:1", Token: "t", Compact: compact,
		}, nil)
		return err
	}
	return map[string]func(ctx context.Context, dir string) error{
		"check": func(ctx context.Context, dir string) error {
			r, err := Check(ctx, filepath.Join(dir, "db"), CheckOptions{Level: L3, SkipHashCheck: true, Scratch: dir,
				Decode: func([]byte, []byte) (bool, error) { return false, nil }})
			if err == nil && !r.Passed {
				err = fmt.Errorf("%+v", r.Rungs)
			}
			return err
		},
		"objects": func(ctx context.Context, dir string) error {
			s, o, err := InspectSnapshotObjects(ctx, filepath.Join(dir, "db"))
			defer o.Close()
			n := int64(0)
			if err == nil {
				err = o.Each(ctx, func([]byte, []byte) error { n++; return nil })
			}
			if err == nil && (!o.found || n != s.Keys || n < 1000 || len(s.Damage) > 0) {
				err = fmt.Errorf("%d objects of %d: %+v", n, s.Keys, s.Damage)
			}
			return err
		},
		"restore":           func(ctx context.Context, dir string) error { return restore(ctx, dir, "all", false) },
		"restore compacted": func(ctx context.Context, dir string) error { return restore(ctx, dir, "live", true) },
		"salvage": func(ctx context.Context, dir string) error {
			r, err := Salvage(ctx, Source{DB: filepath.Join(dir, "db"), WALDir: filepath.Join(dir, "wal")}, filepath.Join(dir, "image"), nil)
			if err == nil && (r.Applied < 1000 || len(r.Damage) > 0) {
				err = fmt.Errorf("%+v", r)
			}
			return err
		},
		"status": func(ctx context.Context, dir string) error {
			_, err := StatusOf(ctx, filepath.Join(dir, "db"))
			return err
		},
	}
}

// TestMemoryChild is the process that TestMemory watches.
func TestMemoryChild(t *testing.T) {
	what := os.Getenv(memoryChildEnv)
	if what == "" {
		t.Skip("runs as a child of TestMemory only")
	}
	if err := memoryTasks()[what](t.Context(), os.Getenv("SALVOR_MEMORY_DIR")); err != nil {
		t.Fatal(err)
	}
}

// TestMemory: checking, restoring and replaying need no more memory for a db of
// many tiny keys than for any other.
func TestMemory(t *testing.T) {
	n, tasks := 2_000_000, []string{"check", "objects", "salvage"}
	if s := os.Getenv(memoryKeysEnv); s != "" {
		tasks = slices.Sorted(maps.Keys(memoryTasks()))
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("/var/tmp", "salvor-memory-") // on a disk: what lies in memory would count elsewhere
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	chronicle(t, filepath.Join(dir, "db"), n+n/8, n, false)
	logOfPuts(t, filepath.Join(dir, "wal"), n+n/8, n/10, n)
	for _, what := range tasks {
		began := time.Now()
		peak := watched(t, what, dir)
		t.Logf("%s of %d keys: %d MiB at most, %s", what, n, peak>>20, time.Since(began).Round(time.Millisecond))
		if peak > memoryBound || peak < 5<<20 {
			t.Errorf("%s of %d keys takes %d MiB, at most %d are allowed", what, n, peak>>20, memoryBound>>20)
		}
	}
}

// logOfPuts writes a log of guarded puts of tiny values, a lease and its end
// among them, that goes on from an index.
func logOfPuts(t *testing.T, dir string, applied, n, keys int) {
	t.Helper()
	w, err := wal.Create(zap.NewNop(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(9, 9))
	var list []*raftpb.Entry
	for i := range n {
		key := fmt.Appendf(nil, "k%d", random.IntN(keys))
		req := &pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: uint64(i + 1)}}
		put := &pb.PutRequest{Key: key, Value: []byte("v")}
		switch {
		case i == 0:
			req.LeaseGrant = &pb.LeaseGrantRequest{ID: 2, TTL: 600}
		case i == n-1:
			req.LeaseRevoke = &pb.LeaseRevokeRequest{ID: 2}
		case i%3 == 0:
			put.Lease = 2 * int64(random.IntN(2))
			req.Put = put
		default:
			req.Txn = &pb.TxnRequest{
				Compare: []*pb.Compare{{Key: key, Result: pb.Compare_GREATER, Target: pb.Compare_MOD, TargetUnion: &pb.Compare_ModRevision{ModRevision: 1}}},
				Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: put}}},
			}
		}
		data, err := proto.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(2)), Index: new(uint64(applied + i + 1)), Data: data})
		if len(list) == 10_000 || i == n-1 {
			if err := w.Save(&raftpb.HardState{Term: new(uint64(2)), Vote: new(uint64(1)), Commit: new(uint64(applied + i + 1))}, list); err != nil {
				t.Fatal(err)
			}
			list = list[:0]
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// watched does a task in a process of its own, under the limit that the program
// gives itself, and gives the most anonymous memory that it had.
func watched(t *testing.T, what, dir string) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestMemoryChild$")
	cmd.Env = append(os.Environ(), memoryChildEnv+"="+what, "SALVOR_MEMORY_DIR="+dir, "GOMEMLIMIT=192MiB")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	peak := int64(0)
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("%s: %v\n%s", what, err, said.String())
			}
			return peak
		case <-time.After(5 * time.Millisecond):
			peak = max(peak, rssAnon(cmd.Process.Pid))
		}
	}
}

func rssAnon(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	var kb int64
	_, _ = fmt.Sscan(rest, &kb)
	return kb << 10
}
