package observe

import (
	"context"
	"os"
	"path/filepath"
	"sort"
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

// hazards reads the objects of everything on this host that could be put back:
// its stopped members, then its sound snapshots, the newest first. What there is
// no time for says so.
func (m machine) hazards(ctx context.Context, f *cluster.HostFacts) {
	read := m.reader(ctx, f.Node)
	for i := range f.Members {
		mf := &f.Members[i]
		c, ok := m.cfg.Member(mf.Name)
		switch {
		case !ok || mf.Live.OK && mf.Live.Value.Linearizable.OK && mf.Live.Value.Linearizable.Value:
			// it serves: nothing is put back from it
		case mf.Live.OK, mf.Process.OK && mf.Process.Value.Running:
			mf.Hazards = cluster.Unknown[cluster.Hazards]("its etcd runs and holds the db: stop it, or save a snapshot of it and look at that")
		case mf.Disk.OK && mf.Disk.Value.DB.OK:
			mf.Hazards = read(c.DB())
		}
	}
	for _, i := range soundOnes(f.Snapshots) {
		s := &f.Snapshots[i]
		if o := twin(f.Snapshots, i); o >= 0 {
			s.Hazards = f.Snapshots[o].Hazards
			continue
		}
		s.Hazards = read(s.Path)
	}
}

// soundOnes gives the places of the snapshots that could be restored, the
// newest first.
func soundOnes(all []cluster.SnapshotFacts) []int {
	var out []int
	for i, s := range all {
		if s.DB.OK && len(s.Damage) == 0 && s.Trailer == cluster.TrailerGood {
			out = append(out, i)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return all[out[i]].DB.Value.Revision > all[out[j]].DB.Value.Revision })
	return out
}

// twin finds another snapshot with the same bytes that was read already; -1
// when there is none.
func twin(all []cluster.SnapshotFacts, at int) int {
	for i, s := range all {
		if i != at && s.SHA256 != "" && s.SHA256 == all[at].SHA256 && s.Hazards.OK {
			return i
		}
	}
	return -1
}

// reader gives what reads the objects of one db, as long as there is time.
func (m machine) reader(ctx context.Context, node cluster.NodeFacts) func(path string) cluster.Known[cluster.Hazards] {
	return func(path string) cluster.Known[cluster.Hazards] {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < hazardLeast {
			return cluster.Unknown[cluster.Hazards]("no time was left to read its objects: look again with a larger --budget")
		}
		ctx, cancel := context.WithTimeout(ctx, hazardBudget)
		defer cancel()
		return got(ctx, func() (cluster.Hazards, error) { return m.scan(ctx, node, path) })
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
		TokenKey: cluster.Unknown[[]byte]("there is no sa.pub on this host"), Now: time.Now()}
	for _, node := range m.cfg.Kubernetes.Nodes {
		in.Inventory = append(in.Inventory, node.NodeName())
	}
	k := n.Kubernetes
	if !k.OK || !k.Value.Present {
		return in
	}
	for _, f := range k.Value.Manifests.Value {
		if !f.Pod.OK || !strings.HasPrefix(f.Pod.Value.Name, "kube-apiserver") {
			continue
		}
		in.Minor = minorOf(f.Pod.Value.Image)
		if o, ok := f.Pod.Value.Flag("etcd-servers-overrides"); ok {
			in.Stores = append(in.Stores, "API server: "+f.Path+", --etcd-servers-overrides="+o)
		}
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
