package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/kube"
)

const (
	three = "m1=http://127.0.0.1:23801,m2=http://127.0.0.1:23802,m3=http://127.0.0.1:23803"
	one   = "m1=http://127.0.0.1:23801"
	bump  = 1_000_000_000
)

// tasks are what a process of its own measures; args are paths.
func tasks() map[string]func(ctx context.Context, args []string) (string, error) {
	return map[string]func(context.Context, []string) (string, error){
		"cat": func(_ context.Context, a []string) (string, error) {
			n, err := cat(a[0])
			return fmt.Sprintf("%d bytes", n), err
		},
		"etcdutl-restore": func(_ context.Context, a []string) (string, error) {
			return "", etcdutlRestore(a[0], a[1], "m1", one)
		},
		"etcdutl-restore-three": func(_ context.Context, a []string) (string, error) {
			var errs []error
			for i := range 3 {
				name := fmt.Sprintf("m%d", i+1)
				errs = append(errs, etcdutlRestore(a[0], filepath.Join(a[1], name), name, three))
			}
			return "", errors.Join(errs...)
		},
		"etcdutl-status": func(_ context.Context, a []string) (string, error) {
			s, err := snapshot.NewV3(zap.NewNop()).Status(a[0])
			return fmt.Sprintf("%d keys", s.TotalKey), err
		},
		"restore":       restoreTask(one, true),
		"restore-plain": restoreTask(one, false),
		"restore-three": restoreTask(three, true),
		"serve":         serve,
		"check-L2":      checkTask(datadir.L2),
		"check-L3":      checkTask(datadir.L3),
		"check-L4":      checkTask(datadir.L4),
		"generate-log":  func(_ context.Context, a []string) (string, error) { return "", generateLog(a[0]) },
		"replay":        replay,
		"replay-live":   replayLive,
	}
}

func cat(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 128<<10))
}

func etcdutlRestore(from, to, name, cluster string) error {
	peers, err := datadir.AllMembers("", cluster)
	if err != nil {
		return err
	}
	var urls []string
	for _, m := range peers {
		if m.Name == name {
			urls = m.PeerURLs
		}
	}
	return snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: from, Name: name, OutputDataDir: to, PeerURLs: urls, InitialCluster: cluster,
		InitialClusterToken: "bench", RevisionBump: bump, MarkCompacted: true,
	})
}

func restoreTask(cluster string, compact bool) func(context.Context, []string) (string, error) {
	return func(ctx context.Context, a []string) (string, error) {
		members, err := datadir.AllMembers(a[1], cluster)
		if err != nil {
			return "", err
		}
		if len(members) == 1 {
			members[0].Dir = a[1]
		}
		r, err := datadir.Restore(ctx, datadir.RestoreOptions{
			Source: a[0], Members: members, InitialCluster: cluster, Token: "bench",
			BumpRevision: bump, MarkCompacted: true, Compact: compact,
		}, nil)
		return fmt.Sprintf("%d MB each", r.Bytes>>20), err
	}
}

// serve starts an etcd on a restored data dir and writes once, linearizably.
func serve(ctx context.Context, a []string) (string, error) {
	e, err := startEtcd(a[0], 1<<20)
	if err != nil {
		return "", err
	}
	defer e.Close()
	_, err = e.Server.Put(ctx, &etcdserverpb.PutRequest{Key: []byte("canary"), Value: []byte("sings")})
	return fmt.Sprintf("revision %d", e.Server.KV().Rev()), err
}

// startEtcd starts etcd as its command does by default.
func startEtcd(dir string, quotaMiB int64) (*embed.Etcd, error) {
	cfg := embed.NewConfig()
	at := func(port string) []url.URL { return []url.URL{{Scheme: "http", Host: "127.0.0.1:" + port}} }
	cfg.Name, cfg.Dir, cfg.InitialCluster = "m1", dir, one
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = at("23801"), at("23801")
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = at("0"), at("0")
	cfg.QuotaBackendBytes = quotaMiB << 20
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, err
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case <-time.After(5 * time.Minute):
		return nil, errors.New("etcd does not become ready")
	}
}

func checkTask(level datadir.Level) func(context.Context, []string) (string, error) {
	return func(ctx context.Context, a []string) (string, error) {
		r, err := datadir.Check(ctx, a[0], datadir.CheckOptions{Level: level, Scratch: filepath.Dir(a[0]), Decode: decode})
		if err == nil && !r.Passed {
			err = fmt.Errorf("not whole: %+v", r.Rungs)
		}
		return fmt.Sprintf("%d revisions, %d live keys", r.Records, r.Keys), err
	}
}

func decode(key, value []byte) (bool, error) {
	o, err := kube.Decode(string(key), value)
	return o.Encoding == kube.Encrypted, err
}
