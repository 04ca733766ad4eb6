package remote

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/putback"
	"github.com/salvor-project/salvor/internal/supervise"
)

// What putting a backup's files back asks of a host.
const (
	methodLook    = "putback.look"
	methodQuiet   = "putback.quiet"
	methodPut     = "putback.put"
	methodPutDone = "putback.done"
)

// batch is how many bytes of files travel in one request.
const batch = 4 << 20

// Bare is a machine before anything is put back, and how the files stand to it.
type Bare struct {
	Hostname string `json:"hostname"`
	// Expected are the addresses that salvor.yaml gives its etcd and API server,
	// without those that lead to the machine itself; Has are those of them that
	// it has.
	Expected []string        `json:"expected,omitempty"`
	Has      []string        `json:"has,omitempty"`
	Running  []string        `json:"running,omitempty"` // members whose etcd runs
	Kubelet  string          `json:"kubelet,omitempty"` // as systemd says; see supervise.KubeletUnit
	Files    []putback.State `json:"files"`
}

type lookParams struct {
	question
	Entries []putback.Entry `json:"entries"`
}

// LookBare compares files with the host's; it changes nothing.
func (h *Host) LookBare(ctx context.Context, cfg cluster.Config, files []bundle.File) (Bare, error) {
	p := lookParams{question: h.question(cfg)}
	for _, f := range files {
		p.Entries = append(p.Entries, putback.EntryOf(f))
	}
	var out Bare
	err := h.call(ctx, methodLook, p, &out, nil)
	return out, err
}

func lookBare(ctx context.Context, p lookParams, _ func(host.Progress)) (any, error) {
	var b Bare
	var err error
	if b.Hostname, err = os.Hostname(); err != nil {
		return nil, fmt.Errorf("ask for this machine's name: %w", err)
	}
	if b.Expected, b.Has, err = addresses(p.Config, p.Host); err != nil {
		return nil, err
	}
	for _, m := range p.Config.Members {
		if m.Host != p.Host {
			continue
		}
		// A unit that is not known yet is the rule here: only the process counts.
		m.Run.Systemd = ""
		found, err := supervise.Find(ctx, m)
		if err != nil {
			return nil, err
		}
		if found.PID != 0 {
			b.Running = append(b.Running, m.Name)
		}
	}
	if b.Kubelet, err = kubelet(ctx, p.Config, p.Host); err != nil {
		return nil, err
	}
	b.Files, err = putback.Compare(p.Entries)
	return b, err
}

// addresses gives the IP addresses that a host's members and API server have in
// the configuration, and which of them this machine has.
func addresses(cfg cluster.Config, name string) (expected, has []string, err error) {
	var urls []string
	for _, m := range cfg.Members {
		if m.Host == name {
			urls = slices.Concat(urls, m.PeerURLs, m.ClientURLs)
		}
	}
	if n, ok := cfg.Node(name); ok {
		urls = append(urls, n.API)
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return nil, nil, fmt.Errorf("ask for this machine's addresses: %w", err)
	}
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			continue
		}
		ip := net.ParseIP(u.Hostname())
		if ip == nil || ip.IsLoopback() || ip.IsUnspecified() || slices.Contains(expected, ip.String()) {
			continue
		}
		expected = append(expected, ip.String())
		if slices.ContainsFunc(own, func(a net.Addr) bool { n, ok := a.(*net.IPNet); return ok && n.IP.Equal(ip) }) {
			has = append(has, ip.String())
		}
	}
	return expected, has, nil
}

func kubelet(ctx context.Context, cfg cluster.Config, name string) (string, error) {
	n, ok := cfg.Node(name)
	if !ok {
		return "", nil
	}
	return supervise.KubeletUnit(ctx, n)
}

// Quiet stops the host's kubelet: one that finds manifests would start an etcd on
// an empty folder before its data is there.
func (h *Host) Quiet(ctx context.Context, cfg cluster.Config) error {
	return h.call(ctx, methodQuiet, h.question(cfg), nil, nil)
}

func quiet(ctx context.Context, q question, _ func(host.Progress)) (any, error) {
	n, ok := q.Config.Node(q.Host)
	if !ok {
		return nil, nil
	}
	return nil, supervise.StopKubelet(ctx, n)
}

type putParams struct {
	question
	Files   []bundle.File `json:"files"`
	Replace []string      `json:"replace,omitempty"`
	Aside   string        `json:"aside"`
}

// Put puts files back, manifests of static pods last; see putback.Put. Aside is a
// new folder's name in the host's state folder.
func (h *Host) Put(ctx context.Context, cfg cluster.Config, files []bundle.File, replace []string, aside string) ([]putback.State, error) {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b bundle.File) int { return last(a.Path) - last(b.Path) })
	var done []putback.State
	for len(files) > 0 {
		n, bytes := 0, 0
		for n < len(files) && (n == 0 || bytes+len(files[n].Data) <= batch) {
			bytes += len(files[n].Data)
			n++
		}
		var some []putback.State
		err := h.call(ctx, methodPut, putParams{h.question(cfg), files[:n], replace, aside}, &some, nil)
		done = append(done, some...)
		if err != nil {
			return done, err
		}
		files = files[n:]
	}
	return done, h.call(ctx, methodPutDone, h.question(cfg), nil, nil)
}

func last(path string) int {
	if strings.Contains(path, "/manifests/") {
		return 1
	}
	return 0
}

func put(_ context.Context, p putParams, _ func(host.Progress)) (any, error) {
	h, ok := p.Config.Host(p.Host)
	if !ok || p.Aside == "" || filepath.Base(p.Aside) != p.Aside {
		return nil, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("host %q, folder %q", p.Host, p.Aside)}
	}
	return putback.Put(p.Files, p.Replace, filepath.Join(h.State(), "replaced", p.Aside))
}

func putDone(ctx context.Context, _ question, _ func(host.Progress)) (any, error) {
	return nil, supervise.ReloadUnits(ctx)
}
