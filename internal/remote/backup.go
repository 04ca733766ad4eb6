package remote

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/scratch"
)

// What a backup asks of a host. All of it only reads.
const (
	methodMembers = "backup.members"
	methodDisks   = "backup.disks"
	methodBundle  = "backup.bundle"
	methodData    = "backup.data"

	springSnapshot = "snapshot"
	springSalvage  = "salvage"
)

// askLimit is how long a member may take to say how it is.
const askLimit = 6 * time.Second

// Standing is how a member is: alive, and what it says.
type Standing struct {
	Member string                            `json:"member"`
	Live   cluster.Known[cluster.LiveMember] `json:"live"`
}

// Members asks the host's members how they are.
func (h *Host) Members(ctx context.Context, cfg cluster.Config) ([]Standing, error) {
	var out []Standing
	err := h.call(ctx, methodMembers, h.question(cfg), &out, nil)
	return out, err
}

func members(ctx context.Context, q question, _ func(host.Progress)) (any, error) {
	var out []Standing
	for _, m := range q.Config.Members {
		if m.Host == q.Host {
			out = append(out, Standing{Member: m.Name})
		}
	}
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askLimit)
			defer cancel()
			m, _ := q.Config.Member(out[i].Member)
			out[i].Live = cluster.From(standing(ctx, m, q.Config.On(q.Host).Client))
		})
	}
	wg.Wait()
	return out, nil
}

func standing(ctx context.Context, m cluster.Member, files cluster.TLS) (cluster.LiveMember, error) {
	c, err := etcd.Dial(ctx, m.ClientURLs, files)
	if err != nil {
		return cluster.LiveMember{}, err
	}
	defer c.Close()
	live, err := c.Status(ctx)
	if err != nil {
		return live, err
	}
	live.Linearizable = c.Linearizable(ctx)
	live.Members = cluster.From(c.Members(ctx))
	return live, nil
}

// Disk is what a stopped member's files hold.
type Disk struct {
	Member string                         `json:"member"`
	Data   cluster.Known[cluster.DataDir] `json:"data"`
}

// Disks inspects the data dirs of the host's members.
func (h *Host) Disks(ctx context.Context, cfg cluster.Config) ([]Disk, error) {
	var out []Disk
	err := h.call(ctx, methodDisks, h.question(cfg), &out, nil)
	return out, err
}

func disks(ctx context.Context, q question, _ func(host.Progress)) (any, error) {
	out := []Disk{}
	for _, m := range q.Config.Members {
		if m.Host == q.Host {
			out = append(out, Disk{m.Name, cluster.From(datadir.Inspect(ctx, m.DataDir, m.WALDir))})
		}
	}
	return out, nil
}

// Bundle collects what belongs to the control plane on the host. It holds
// secrets.
func (h *Host) Bundle(ctx context.Context, cfg cluster.Config) (bundle.Host, error) {
	var out bundle.Host
	err := h.call(ctx, methodBundle, h.question(cfg), &out, nil)
	return out, err
}

func collect(_ context.Context, q question, _ func(host.Progress)) (any, error) {
	o := bundle.Options{Host: q.Host}
	if q.Config.Backup != nil {
		o.Files = q.Config.Backup.Files
	}
	for _, m := range q.Config.Members {
		if m.Host != q.Host {
			continue
		}
		o.Add(m.Run.StaticPod, m.Run.Systemd)
		if p := m.Run.Process; p != nil {
			o.Commands = append(o.Commands, flags(p.Command), strings.Join(p.Env, "\n"))
		}
		c := m.Certificates
		for _, f := range []string{c.Server, c.Peer, c.CA, c.PeerCA} {
			if f != "" {
				o.Commands = append(o.Commands, "cert-file="+f)
			}
		}
	}
	if n, ok := q.Config.Node(q.Host); ok {
		for _, r := range cluster.Roles() {
			o.Add(n.Component(r).StaticPod, n.Component(r).Systemd)
		}
		o.Add("", n.Unit())
		if n.Kubeconfig != "" {
			o.Commands = append(o.Commands, "kubeconfig="+n.Kubeconfig)
		}
	}
	c := q.Config.On(q.Host).Client
	for word, f := range map[string]string{"ca-file": c.CA, "cert-file": c.Cert, "key-file": c.Key} {
		if f != "" {
			o.Commands = append(o.Commands, word+"="+f)
		}
	}
	return bundle.Collect(o), nil
}

// flags writes a command line so that "--flag value" and "--flag=value" are
// the same, one a line.
func flags(command []string) string {
	var b strings.Builder
	for _, a := range command {
		if strings.HasPrefix(a, "-") {
			b.WriteString("\n" + strings.TrimLeft(a, "-"))
		} else {
			b.WriteString("=" + a)
		}
	}
	return b.String()
}

type dataParams struct {
	question
	Member string `json:"member"`
	// All reads every key, not only those that tell whose data it is.
	All bool `json:"all,omitempty"`
}

// Data asks a living member what its data says of the control plane. It holds
// secrets.
func (h *Host) Data(ctx context.Context, cfg cluster.Config, member string, all bool) (bundle.Data, error) {
	var out bundle.Data
	err := h.call(ctx, methodData, dataParams{h.question(cfg), member, all}, &out, nil)
	return out, err
}

func data(ctx context.Context, p dataParams, _ func(host.Progress)) (any, error) {
	c, err := dialMember(ctx, p.Config, p.Member)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	prefixes := bundle.Prefixes()
	if p.All {
		prefixes = []string{"/registry/"}
	}
	var r bundle.Reader
	for _, prefix := range prefixes {
		if err := c.Each(ctx, prefix, func(k, v []byte) error { r.Add(k, v); return nil }); err != nil {
			return nil, err
		}
	}
	return r.Data(), nil
}

func dialMember(ctx context.Context, cfg cluster.Config, member string) (*etcd.Client, error) {
	m, ok := cfg.Member(member)
	if !ok || len(m.ClientURLs) == 0 {
		return nil, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("member %q has no client URL in the configuration", member)}
	}
	return etcd.Dial(ctx, m.ClientURLs, cfg.On(m.Host).Client)
}

type springParams struct {
	question
	Member string `json:"member"`
	// WAL is the log to be replayed on the member's db, in the place of its own.
	WAL string `json:"wal,omitempty"`
}

// Source is a snapshot as it streams from a host. It is whole when it was read
// to io.EOF.
type Source struct{ *host.Poured }

// Made is what is known of a snapshot after its last byte.
type Made struct {
	Bytes          int64           `json:"bytes"`
	Revision       int64           `json:"revision,omitempty"` // at least; of a living member
	StorageVersion string          `json:"storageVersion,omitempty"`
	Salvage        *datadir.Report `json:"salvage,omitempty"` // from data dirs only
	Data           *bundle.Data    `json:"data,omitempty"`    // from data dirs only
}

// Snapshot streams the db of a living member.
func (h *Host) Snapshot(ctx context.Context, cfg cluster.Config, member string) (Source, error) {
	return h.pour(ctx, springSnapshot, springParams{question: h.question(cfg), Member: member})
}

// Salvaged makes a snapshot of a stopped member's files, in the host's state
// folder, and streams it. The files themselves are only read. Wal, unless
// empty, is a folder of the host with another member's log, in the place of its
// own; what Lend has made is removed in the end.
func (h *Host) Salvaged(ctx context.Context, cfg cluster.Config, member, wal string) (Source, error) {
	return h.pour(ctx, springSalvage, springParams{h.question(cfg), member, wal})
}

func (h *Host) pour(ctx context.Context, spring string, params springParams) (Source, error) {
	c, err := h.Client(ctx)
	if err != nil {
		return Source{}, err
	}
	p, err := c.Pour(ctx, spring, params, h.Via == cluster.ViaSSH)
	return Source{p}, err
}

// lentPrefix begins the names of folders with another host's files, in the state
// folder.
const lentPrefix = "lent-"

// Lend copies the files of a folder to another host for its next salvage, and
// gives the new folder.
func (h *Host) Lend(ctx context.Context, folder string, to *Host) (string, error) {
	src, err := h.Client(ctx)
	if err != nil {
		return "", err
	}
	dst, err := to.Client(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(to.State(), lentPrefix+rand.Text())
	_, _, err = host.Relay(ctx, src, folder, dst, path, nil)
	return path, err
}

// takeBack removes what Lend has made: a folder, and what was lent and forgotten
// a day ago.
func takeBack(state, folder string) error {
	all, err := os.ReadDir(state)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range all {
		path := filepath.Join(state, e.Name())
		info, err := e.Info()
		if err == nil && e.IsDir() && strings.HasPrefix(e.Name(), lentPrefix) && (path == folder || time.Since(info.ModTime()) > 24*time.Hour) {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// Springs are the streams that a host makes, for host.Command.
func Springs() host.Springs {
	return host.Springs{
		springSnapshot: spring(func(ctx context.Context, p springParams, w io.Writer) (Made, error) {
			c, err := dialMember(ctx, p.Config, p.Member)
			if err != nil {
				return Made{}, err
			}
			defer c.Close()
			at, err := c.Status(ctx)
			if err != nil {
				return Made{}, err
			}
			n, version, err := c.StreamSnapshot(ctx, w, nil)
			return Made{Bytes: n, Revision: at.Revision, StorageVersion: version}, err
		}),
		springSalvage: spring(salvage),
	}
}

func spring(f func(context.Context, springParams, io.Writer) (Made, error)) host.Spring {
	return func(ctx context.Context, raw json.RawMessage, w io.Writer) (any, error) {
		p, err := host.Params[springParams](raw)
		if err != nil {
			return nil, err
		}
		return f(ctx, p, w)
	}
}

// salvage makes the snapshot beside the host's other images and takes it away
// again.
func salvage(ctx context.Context, p springParams, w io.Writer) (made Made, err error) {
	m, ok := p.Config.Member(p.Member)
	h, there := p.Config.Host(p.Host)
	if !ok || !there {
		return made, &host.Failure{Code: host.CodeBadRequest, Err: fmt.Errorf("member %q is not in the configuration", p.Member)}
	}
	if err := os.MkdirAll(h.State(), 0o700); err != nil {
		return made, fmt.Errorf("salvage %s: %w", p.Member, err)
	}
	folder, done, err := scratch.Make(h.State(), "backup-")
	if err != nil {
		return made, fmt.Errorf("salvage %s: %w", p.Member, err)
	}
	defer func() { err = errors.Join(err, done(), takeBack(h.State(), p.WAL)) }()
	image := filepath.Join(folder, "salvaged.db")
	report, err := datadir.Salvage(ctx, datadir.Source{DB: m.DB(), WALDir: cmp.Or(p.WAL, m.WAL())}, image, nil)
	if err != nil {
		return made, err
	}
	made.Salvage = &report
	var r bundle.Reader
	err = datadir.Each(ctx, image, 0, func(kv *mvccpb.KeyValue) error { r.Add(kv.Key, kv.Value); return nil })
	if err != nil {
		return made, err
	}
	d := r.Data()
	made.Data = &d
	f, err := os.Open(image)
	if err != nil {
		return made, err
	}
	defer f.Close()
	made.Bytes, err = io.CopyBuffer(w, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return made, err
}
