package datadir

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bootPatience is how long a built-in etcd may take to start on a copy, beyond
// a second for every 20 MB.
const bootPatience = time.Minute

// boot is L4. It runs only on what passed all else, so that etcd's own code
// does not meet what would end it.
func (c *ladder) boot(ctx context.Context) error {
	if c.o.Level < L4 {
		return nil
	}
	if !c.report.Passed {
		c.skip(L4, "a lower rung failed")
		return nil
	}
	want, err := HashKVOf(ctx, c.report.DB, 0)
	if err != nil {
		return err
	}
	c.report.HashKV = &want
	got, err := tryEtcd(ctx, c.report.DB, c.o.Scratch, want.Revision)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var refused *refusal
	var damage []cluster.Damage
	if errors.As(err, &refused) {
		damage = append(damage, cluster.Damage{Kind: cluster.DamageDB, File: c.report.DB, Offset: -1, What: refused.Error()})
	} else if err != nil {
		return err
	} else if got != want {
		damage = append(damage, cluster.Damage{Kind: cluster.DamageDB, File: c.report.DB, Offset: -1,
			What: fmt.Sprintf("etcd reads it otherwise: %+v, the file itself says %+v", got, want)})
	}
	c.add(L4, rungNames[L4], fmt.Sprintf("HashKV %08x at revision %d (compacted %d), %d keys", want.Hash, want.Revision, want.CompactRevision, want.Keys), damage)
	return nil
}

// refusal says that a real etcd does not start from a db.
type refusal struct{ why string }

func (e *refusal) Error() string { return "etcd does not start on a copy: " + e.why }

// tryEtcd restores a db into a scratch folder, starts the built-in etcd there,
// alone and on no address that anybody knows, and asks it for its HashKV. The
// scratch folder is removed.
func tryEtcd(ctx context.Context, db, scratch string, revision int64) (KVHash, error) {
	dir, err := os.MkdirTemp(scratch, "salvor-check-")
	if err != nil {
		return KVHash{}, err
	}
	defer os.RemoveAll(dir)
	const peer = "http://127.0.0.1:1"
	member := RestoreMember{Name: "check", Dir: filepath.Join(dir, "etcd")}
	r, err := Restore(ctx, RestoreOptions{
		Source: db, SkipHashCheck: true, Members: []RestoreMember{member},
		InitialCluster: member.Name + "=" + peer, Token: filepath.Base(dir), Target: Target37,
	}, nil)
	if err != nil {
		return KVHash{}, err
	}
	patience := bootPatience + time.Duration(r.Bytes/(20<<20))*time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return ask(ctx, member, peer, revision)
}

// ask starts an etcd, asks it, and stops it.
func ask(ctx context.Context, member RestoreMember, peer string, revision int64) (KVHash, error) {
	cfg, last := checkConfig(member, peer)
	type started struct {
		etcd *embed.Etcd
		err  error
	}
	result := make(chan started, 1)
	go func() { // etcd's fatal messages end this goroutine, not the process
		defer close(result)
		e, err := embed.StartEtcd(cfg)
		result <- started{e, err}
	}()
	var s started
	var ok bool
	select {
	case s, ok = <-result:
	case <-ctx.Done():
	}
	if !ok || s.err != nil {
		return KVHash{}, &refusal{last.text(s.err)}
	}
	defer s.etcd.Close()
	select {
	case <-s.etcd.Server.ReadyNotify():
	case <-ctx.Done():
		return KVHash{}, &refusal{last.text(ctx.Err())}
	}
	store := s.etcd.Server.KV()
	h, _, err := store.HashStorage().HashByRev(revision)
	if err != nil {
		return KVHash{}, &refusal{err.Error()}
	}
	count, err := store.Range(ctx, []byte{0}, []byte{}, mvcc.RangeOptions{Rev: revision, CountOnly: true})
	if err != nil {
		return KVHash{}, &refusal{err.Error()}
	}
	return KVHash{Hash: h.Hash, Revision: h.Revision, CompactRevision: h.CompactRevision, Keys: int64(count.Count)}, nil
}

// checkConfig is an etcd that elects itself at once, listens on a free port of
// this machine and expects no peer.
func checkConfig(member RestoreMember, peer string) (*embed.Config, *lastWords) {
	cfg := embed.NewConfig()
	own, free := url.URL{Scheme: "http", Host: peer[len("http://"):]}, url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.Name, cfg.Dir, cfg.InitialCluster = member.Name, member.Dir, member.Name+"="+peer
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = nil, []url.URL{own}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{free}, []url.URL{free}
	cfg.TickMs, cfg.ElectionMs = 10, 100
	cfg.UnsafeNoFsync = true
	cfg.QuotaBackendBytes = 1 << 40
	cfg.ClusterState = embed.ClusterStateFlagExisting
	last := &lastWords{}
	lg := zap.New(zapcore.NewNopCore(), zap.WithFatalHook(last), zap.WithPanicHook(last))
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(lg)
	return cfg, last
}

// lastWords keeps etcd's first fatal message and ends the goroutine that spoke
// it.
type lastWords struct {
	mu   sync.Mutex
	said string
}

// OnWrite implements zapcore.CheckWriteHook.
func (w *lastWords) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	w.mu.Lock()
	if w.said == "" {
		w.said = e.Message
		for _, f := range fields {
			if err, ok := f.Interface.(error); ok {
				w.said += ": " + err.Error()
			}
		}
	}
	w.mu.Unlock()
	zapcore.WriteThenGoexit.OnWrite(e, fields)
}

func (w *lastWords) text(err error) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said != "" || err == nil {
		return w.said
	}
	return err.Error()
}
