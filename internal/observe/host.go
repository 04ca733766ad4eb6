package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/pki"
	"github.com/salvor-project/salvor/internal/supervise"
)

// liveBudget is how long a member may take to answer everything it is asked.
const liveBudget = 6 * time.Second

// Host observes the machine that this process runs on, as the configuration
// calls it. It answers before ctx ends, whatever hangs: what has no answer by
// then is unknown by itself.
func Host(ctx context.Context, cfg cluster.Config, host, version string) cluster.HostFacts {
	ctx, cancel := sooner(ctx)
	defer cancel()
	cfg = cfg.On(host)
	name, err := os.Hostname()
	if err != nil {
		name = host
	}
	f := cluster.HostFacts{Name: host, Reached: cluster.Is(cluster.HostInfo{
		Hostname: name, OS: runtime.GOOS + "/" + runtime.GOARCH, Clock: time.Now(), Version: version})}
	here, whole := machineOf(cfg, host)
	var wg sync.WaitGroup
	for _, m := range cfg.Members {
		if m.Host == host {
			f.Members = append(f.Members, cluster.MemberFacts{Name: m.Name})
		}
	}
	for i := range f.Members {
		m, _ := cfg.Member(f.Members[i].Name)
		wg.Go(func() { f.Members[i] = here.member(ctx, m, cfg.Client) })
	}
	wg.Go(func() {
		var objects []*datadir.Objects
		f.Snapshots, objects = snapshots(ctx, cfg, host)
		here.snapshotHazards(ctx, f.Snapshots, objects)
	})
	wg.Go(func() { f.Witnesses = witnesses(ctx, cfg, host) })
	wg.Go(func() {
		f.ClientProblem = inTime(ctx, "", func() string { return clientProblem(cfg, host, time.Now()) })
	})
	if whole {
		wg.Go(func() { f.Node = here.node(ctx) })
	}
	wg.Wait()
	for i := range f.Members {
		m, _ := cfg.Member(f.Members[i].Name)
		if m.Run.Process != nil && m.Run.Process.Log != "" {
			f.Node.Logs = append(f.Node.Logs, inTime(ctx, lateLog("etcd", m.Name, m.Run.Process.Log), func() cluster.LogFacts { return memberLog(m) }))
		}
	}
	return f
}

func (h machine) member(ctx context.Context, m cluster.Member, tls cluster.TLS) cluster.MemberFacts {
	f := cluster.MemberFacts{Name: m.Name}
	state := &running{known: make(chan struct{})}
	var wg, runs sync.WaitGroup
	runs.Go(func() {
		p := fact(ctx, func() cluster.Known[cluster.ProcessFacts] { return process(ctx, m) })
		f.Process = p
		wg.Go(func() {
			f.Health = inTime(ctx, nil, func() []cluster.EtcdHealth { return etcdHealth(ctx, m, p, tls) })
		})
	})
	wg.Go(func() { f.Disk, f.Hazards = h.data(ctx, m, state) })
	runs.Go(func() {
		live, cancel := context.WithTimeout(ctx, liveBudget)
		defer cancel()
		f.Live = fact(live, func() cluster.Known[cluster.LiveMember] { return etcd.Live(live, m, tls) })
	})
	wg.Go(func() {
		f.Certificates = inTime(ctx, []cluster.Known[cluster.Certificate]{cluster.Unknown[cluster.Certificate](late)},
			func() []cluster.Known[cluster.Certificate] { return certificates(ctx, m, tls) })
	})
	wg.Go(func() {
		f.Space = got(ctx, func() (cluster.Space, error) { return memberSpace(ctx, m.DataDir, state) })
	})
	wg.Go(func() { f.Mount = fact(ctx, func() cluster.Known[cluster.FileSystem] { return mountOf(m) }) })
	if m.WALDir != "" {
		wg.Go(func() {
			f.WALSpace = got(ctx, func() (cluster.Space, error) { return memberSpace(ctx, m.WALDir, state) })
		})
	}
	wg.Go(func() {
		f.Metrics = got(ctx, func() (cluster.EtcdMetrics, error) { return metrics(ctx, m, tls) })
	})
	runs.Wait()
	state.process, state.live = f.Process, f.Live
	close(state.known)
	wg.Wait()
	return f
}

// syncBudget is how long a file system may take to say whether it takes writes: one
// that hangs says nothing.
const syncBudget = 2 * time.Second

// memberSpace measures the file system of a member's folder, and asks it whether
// it still takes writes, unless the member serves: such an etcd ends by itself when
// its writes fail, and with a slow disk it must not wait for a look. One without a
// quorum writes nothing, and would not notice.
func memberSpace(ctx context.Context, dir string, state *running) (cluster.Space, error) {
	s, err := space(dir)
	if err != nil || s.ReadOnly {
		return s, err
	}
	select {
	case <-state.known:
	case <-ctx.Done():
		return s, nil
	}
	if !state.serves() {
		ctx, cancel := context.WithTimeout(ctx, syncBudget)
		defer cancel()
		s.ReadOnly = inTime(ctx, false, func() bool { return refusesSync(s.Path) })
	}
	return s, err
}

// process finds the member's process. A secret on its command line stays
// there.
func process(ctx context.Context, m cluster.Member) cluster.Known[cluster.ProcessFacts] {
	f := cluster.From(supervise.Find(ctx, m))
	if !f.OK {
		return f
	}
	if f.Value.Version = supervise.Version(ctx, m, f.Value); f.Value.Version == "" {
		f.Value.Version = imageVersion(m)
	}
	f.Value.Command = RedactArgs(f.Value.Command)
	f.Value.Frozen = f.Value.Running && frozen(f.Value.PID)
	return f
}

// frozen tells a process that a signal (state T) or a debugger (t) has stopped, as
// /proc/PID/stat says (proc_pid_stat(5)).
func frozen(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	end := bytes.LastIndex(b, []byte(") ")) // the program's name stands in brackets, and may hold some
	if end < 0 || end+2 >= len(b) {
		return false
	}
	return b[end+2] == 'T' || b[end+2] == 't'
}

// certificates reads what lies on disk and what is being served.
func certificates(ctx context.Context, m cluster.Member, client cluster.TLS) []cluster.Known[cluster.Certificate] {
	var out []cluster.Known[cluster.Certificate]
	for _, f := range []struct{ path, use, authority string }{
		{m.Certificates.Server, "server", m.Certificates.CA}, {m.Certificates.Peer, "peer", m.Certificates.PeerCA}, {m.Certificates.CA, "ca", ""},
		{m.Certificates.PeerCA, "ca", ""}, {client.Cert, "client", ""},
	} {
		if f.path == "" {
			continue
		}
		certs, err := pki.Read(f.path, f.use)
		if err != nil {
			out = append(out, cluster.Unknown[cluster.Certificate]("%v", err))
		}
		for _, c := range deciding(certs, f.use) {
			c.Stranger = stranger(f.path, f.authority)
			out = append(out, cluster.Is(c))
		}
	}
	return append(out, served(ctx, m)...)
}

// stranger tells whether the authority certainly did not issue a certificate.
// Without both files nothing is certain.
func stranger(path, authority string) bool {
	if authority == "" {
		return false
	}
	leaf, err := machine{}.read(path)
	if err != nil {
		return false
	}
	ca, err := machine{}.read(authority)
	if err != nil {
		return false
	}
	issued, err := pki.Issued(leaf, ca)
	return err == nil && !issued
}

// deciding leaves out what cannot decide: of a bundle of authorities only the
// one that ends last counts, since an old one beside a valid one does no harm.
func deciding(certs []cluster.Certificate, use string) []cluster.Certificate {
	if use != "ca" || len(certs) < 2 {
		return certs
	}
	return []cluster.Certificate{bestOf(use, certs)}
}

// mountOf is the file system that holds a member's data dir, and the one that
// the machine's configuration wants there.
func mountOf(m cluster.Member) cluster.Known[cluster.FileSystem] {
	here := machine{host: m.Host, cfg: cluster.Config{Members: []cluster.Member{m}}}
	table, err := here.mountTable()
	if err != nil {
		return cluster.Unknown[cluster.FileSystem]("%v", err)
	}
	return cluster.From(here.fileSystem("etcd-data", m.DataDir, table))
}

// served asks each TLS port for the certificate it shows. A port that does not
// answer shows none; that is told by the process and live facts.
func served(ctx context.Context, m cluster.Member) []cluster.Known[cluster.Certificate] {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var out []cluster.Known[cluster.Certificate]
	for _, p := range []struct {
		use  string
		urls []string
	}{{"server", m.ClientURLs}, {"peer", m.PeerURLs}} {
		for _, u := range p.urls {
			if c, err := pki.Served(ctx, u, p.use); err == nil {
				out = append(out, cluster.Is(c))
			}
		}
	}
	return out
}

// files gives the path itself or, for a folder, its regular files in order.
func files(path string) []string {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if !info.IsDir() {
		return []string{path}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.Type().IsRegular() && filepath.Ext(e.Name()) != ".part" {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	sort.Strings(out)
	return out
}

func witnesses(ctx context.Context, cfg cluster.Config, host string) []cluster.WitnessFacts {
	var out []cluster.WitnessFacts
	for _, p := range cfg.Witnesses {
		if p.Host == host {
			out = append(out, inTime(ctx, cluster.WitnessFacts{Path: p.Path, Revision: cluster.Unknown[int64](late)},
				func() cluster.WitnessFacts { return witness(p.Path) }))
		}
	}
	return out
}

func witness(path string) cluster.WitnessFacts {
	f := cluster.WitnessFacts{Path: path}
	var w struct {
		Revision int64     `json:"revision"`
		At       time.Time `json:"at"`
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &w)
	}
	if err == nil && w.Revision <= 0 {
		err = fmt.Errorf("it names no revision")
	}
	if err != nil {
		f.Revision = cluster.Unknown[int64]("read witness: %v", err)
		return f
	}
	f.Revision, f.At = cluster.Is(w.Revision), w.At
	return f
}
