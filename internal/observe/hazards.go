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

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/hazard"
	"github.com/salvor-project/salvor/internal/kube"
)

// hazardBudget bounds the reading of one candidate's objects.
const hazardBudget = 8 * time.Second

// hazardLeast is the time with which it is not worth to begin.
const hazardLeast = 500 * time.Millisecond

// snapshotHazards reads the objects of the sound snapshots, the newest first,
// and closes those that came with them. What there is no time for says so.
func (m machine) snapshotHazards(ctx context.Context, all []cluster.SnapshotFacts, objects []*datadir.Objects) {
	for _, i := range soundOnes(all) {
		if all[i].Hazards.OK {
			continue // since it landed
		}
		if o := twin(all, i); o >= 0 {
			all[i].Hazards = all[o].Hazards
			continue
		}
		o := objects[i]
		if objects[i] = nil; o == nil {
			o = datadir.ObjectsOf(all[i].Path)
		}
		all[i].Hazards = m.readHazards(ctx, o).hazards
	}
	for _, o := range objects {
		if o != nil {
			o.Close()
		}
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

// scanned is what a reading of objects gave; err tells why it gave nothing.
type scanned struct {
	hazards cluster.Known[cluster.Hazards]
	err     error
}

// readHazards reads the objects of one db, if there is time, and closes them.
func (m machine) readHazards(ctx context.Context, objects *datadir.Objects) scanned {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < hazardLeast {
		objects.Close()
		return scanned{hazards: cluster.Unknown[cluster.Hazards]("no time was left to read its objects: look again with a larger --budget")}
	}
	ctx, cancel := context.WithTimeout(ctx, hazardBudget)
	defer cancel()
	return inTime(ctx, scanned{hazards: cluster.Unknown[cluster.Hazards](late)}, func() scanned {
		defer objects.Close()
		h, err := m.scan(ctx, objects)
		return scanned{cluster.From(h, err), err}
	})
}

// scan reads all objects of a db.
func (m machine) scan(ctx context.Context, objects *datadir.Objects) (cluster.Hazards, error) {
	scan := hazard.New(m.inputs())
	err := objects.Each(ctx, func(key, value []byte) error {
		scan.Add(string(key), value)
		return nil
	})
	if err != nil {
		return cluster.Hazards{}, err
	}
	return scan.Done(), nil
}

// inputs is what lies on this machine that data is held against.
func (m machine) inputs() hazard.Inputs {
	in := hazard.Inputs{Encryption: cluster.Unknown[kube.Encryption]("no encryption configuration is known on this host"),
		TokenKey: cluster.Unknown[[]byte]("there is no sa.pub on this host"), Now: time.Now()}
	for _, node := range m.cfg.Kubernetes.Nodes {
		in.Inventory = append(in.Inventory, node.NodeName())
	}
	if h, ok := m.cfg.Host(m.host); !ok || h.Via == cluster.ViaChild {
		return in // what lies in /etc here is not its own
	}
	manifests := cluster.From(m.manifests())
	for _, f := range manifests.Value {
		if !f.Pod.OK || !strings.HasPrefix(f.Pod.Value.Name, "kube-apiserver") {
			continue
		}
		in.Minor = minorOf(f.Pod.Value.Image)
		if o, ok := f.Pod.Value.Flag("etcd-servers-overrides"); ok {
			in.Stores = append(in.Stores, "API server: "+f.Path+", --etcd-servers-overrides="+o)
		}
		if _, sealed := f.Pod.Value.Flag("encryption-provider-config"); !sealed {
			in.Encryption = cluster.Is(kube.Encryption{Identity: true})
		}
	}
	if path := m.encryptionPath(manifests); path != "" {
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
