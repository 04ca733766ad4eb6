package observe

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/supervise"
)

// parked reads the manifests that Salvor took out of the kubelet's folders in
// the middle of a case (package supervise, shelf): they lie beside the folder,
// or in a hidden one inside of it where it is a mount point. Older versions of
// one, and what lies live again, are not held back.
func (m machine) parked(live cluster.Known[[]cluster.Manifest]) cluster.Known[[]cluster.Manifest] {
	out := []cluster.Manifest{}
	for _, dir := range m.parkingPlaces() {
		entries, err := os.ReadDir(m.at(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return cluster.Unknown[[]cluster.Manifest]("%v", err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") || e.IsDir() || strings.Contains(e.Name(), ".older-") {
				continue
			}
			f := m.manifest(dir, e)
			if f.Pod.OK && !names(live.Value, f.Pod.Value) {
				out = append(out, f)
			}
		}
	}
	return cluster.Is(out)
}

// fences are the drop-ins by which Salvor keeps units of this machine from being
// started in the middle of a case.
func (m machine) fences() ([]string, error) { return supervise.Fences(m.at("/")) }

// parkingPlaces are the folders in which Salvor keeps manifests of this
// machine.
func (m machine) parkingPlaces() []string {
	dirs := []string{m.staticPodPath()}
	add := func(manifest string) {
		if manifest != "" {
			dirs = append(dirs, filepath.Dir(manifest))
		}
	}
	for _, c := range m.cfg.Members {
		if c.Host == m.host {
			add(c.Run.StaticPod)
		}
	}
	if n, ok := m.cfg.Node(m.host); ok {
		for _, c := range []cluster.Component{n.APIServer, n.ControllerManager, n.Scheduler} {
			add(c.StaticPod)
		}
	}
	seen := map[string]bool{}
	var out []string
	for _, d := range dirs {
		if m.real() {
			if to, err := filepath.EvalSymlinks(d); err == nil {
				d = to
			}
		}
		if d = filepath.Clean(d); !seen[d] {
			seen[d] = true
			out = append(out, d+".salvor", filepath.Join(d, ".salvor"))
		}
	}
	return out
}

func names(manifests []cluster.Manifest, p cluster.StaticPod) bool {
	for _, f := range manifests {
		if f.Pod.OK && f.Pod.Value.Name == p.Name && f.Pod.Value.Namespace == p.Namespace {
			return true
		}
	}
	return false
}

// newestCase names the newest case that this machine keeps a mirror of: a
// case's name begins with its time.
func (m machine) newestCase() string {
	h, ok := m.cfg.Host(m.host)
	if !ok {
		return ""
	}
	all, err := filepath.Glob(filepath.Join(m.at(h.State()), "cases", "*", "journal.jsonl"))
	if err != nil || len(all) == 0 {
		return ""
	}
	sort.Strings(all)
	return filepath.Base(filepath.Dir(all[len(all)-1]))
}
