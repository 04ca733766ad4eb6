package observe

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/hazard"
	"github.com/salvor-project/salvor/internal/kube"
)

// hazardBudget bounds the reading of one candidate's objects.
const hazardBudget = 8 * time.Second

// hazardLeast is the time with which it is not worth to begin.
const hazardLeast = 500 * time.Millisecond

// hazards reads the objects of the newest sound snapshot of this host and of
// its stopped members: what could be put back.
func (m machine) hazards(ctx context.Context, f *cluster.HostFacts) {
	best := -1
	for i, s := range f.Snapshots {
		if s.DB.OK && len(s.Damage) == 0 && s.Trailer == cluster.TrailerGood &&
			(best < 0 || s.DB.Value.Revision > f.Snapshots[best].DB.Value.Revision) {
			best = i
		}
	}
	node := f.Node
	read := func(path string) cluster.Known[cluster.Hazards] {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < hazardLeast {
			return cluster.Unknown[cluster.Hazards]("no time was left to read its objects")
		}
		ctx, cancel := context.WithTimeout(ctx, hazardBudget)
		defer cancel()
		return got(ctx, func() (cluster.Hazards, error) { return m.scan(ctx, node, path) })
	}
	if best >= 0 {
		f.Snapshots[best].Hazards = read(f.Snapshots[best].Path)
	}
	for i, mf := range f.Members {
		c, ok := m.cfg.Member(mf.Name)
		if ok && !mf.Live.OK && mf.Disk.OK && mf.Disk.Value.DB.OK && (!mf.Process.OK || !mf.Process.Value.Running) {
			f.Members[i].Hazards = read(c.DB())
		}
	}
}

// scan reads all objects of a db.
func (m machine) scan(ctx context.Context, node cluster.NodeFacts, path string) (cluster.Hazards, error) {
	scan := hazard.New(m.inputs(node))
	err := datadir.Each(ctx, path, 0, func(kv *mvccpb.KeyValue) error {
		scan.Add(string(kv.Key), kv.Value)
		return nil
	})
	if err != nil {
		return cluster.Hazards{}, err
	}
	return scan.Done(), nil
}

// inputs is what lies on this machine that data is held against.
func (m machine) inputs(n cluster.NodeFacts) hazard.Inputs {
	in := hazard.Inputs{Encryption: cluster.Unknown[kube.Encryption]("no encryption configuration is known on this host"),
		TokenKey: cluster.Unknown[[]byte]("there is no sa.pub on this host")}
	k := n.Kubernetes
	if !k.OK || !k.Value.Present {
		return in
	}
	for _, f := range k.Value.Manifests.Value {
		if !f.Pod.OK || !strings.HasPrefix(f.Pod.Value.Name, "kube-apiserver") {
			continue
		}
		in.Minor = minorOf(f.Pod.Value.Image)
		if k.Value.Encrypt.OK && k.Value.Encrypt.Value.Path == "" {
			in.Encryption = cluster.Is(kube.Encryption{Identity: true})
		}
	}
	if path := k.Value.Encrypt.Value.Path; k.Value.Encrypt.OK && path != "" {
		b, err := m.read(path)
		if err == nil {
			var e kube.Encryption
			e, err = kube.ReadEncryption(b)
			in.Encryption = cluster.From(e, err)
		} else {
			in.Encryption = cluster.Unknown[kube.Encryption]("%v", err)
		}
	}
	for _, dir := range pkiDirs() {
		if b, err := m.read(filepath.Join(dir, "sa.pub")); err == nil {
			in.TokenKey = cluster.Is(b)
		}
	}
	return in
}

// minorOf reads the minor version from an image's tag ("…:v1.34.2"); 0 when it
// has none.
func minorOf(image string) int {
	_, tag, ok := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	if !ok {
		return 0
	}
	parts := strings.SplitN(strings.TrimPrefix(tag, "v"), ".", 3)
	if len(parts) < 2 || parts[0] != "1" {
		return 0
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0
	}
	return n
}

// deviceOf is the file system that a file lies on; 0 when it cannot be told.
func deviceOf(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}
