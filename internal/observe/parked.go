package observe

import (
	"encoding/json"
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

// journalLine is what of a case's journal tells who holds a pod back (package
// casefile writes it; the step of a plan is ACTION@… on a host).
type journalLine struct {
	Event string `json:"event"`
	Step  string `json:"step"`
}

// plannedStep is what of a step of a mirrored plan tells which pod it holds
// back or lets go.
type plannedStep struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	Kind string `json:"kind"`
	Do   struct {
		Role string `json:"role"`
	} `json:"do"`
}

// podsOf are the names of the pods that manifests define.
func podsOf(all []cluster.Manifest) []string {
	var out []string
	for _, f := range all {
		if f.Pod.OK {
			out = append(out, f.Pod.Value.Name)
		}
	}
	return out
}

// fenced gives what runs in the units that drop-ins keep from being started,
// called as static pods are.
func (m machine) fenced(dropIns []string) []string {
	as := map[string]string{}
	for _, c := range m.cfg.Members {
		if c.Host == m.host {
			as[strings.TrimSuffix(c.Run.Systemd, ".service")] = "etcd"
		}
	}
	if n, ok := m.cfg.Node(m.host); ok {
		for _, r := range cluster.Roles() {
			as[strings.TrimSuffix(n.Component(r).Systemd, ".service")] = string(r)
		}
	}
	var out []string
	for _, d := range dropIns {
		unit := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(filepath.Dir(d)), ".d"), ".service")
		if name := as[unit]; name != "" {
			unit = name
		}
		out = append(out, unit)
	}
	return out
}

// heldBy names the case that holds pods or units of this machine back: its
// mirrored plan and journal say that a step did so here, and that nothing since
// let it go. Empty when no case says so; the newest of several.
func (m machine) heldBy(kept []string) string {
	h, ok := m.cfg.Host(m.host)
	if !ok {
		return ""
	}
	all, err := filepath.Glob(filepath.Join(m.at(h.State()), "cases", "*", "journal.jsonl"))
	if err != nil {
		return ""
	}
	sort.Sort(sort.Reverse(sort.StringSlice(all))) // a case's name begins with its time
	released := map[string]bool{}                  // by a newer case: older ones do not count
	for _, journal := range all {
		held := m.heldIn(filepath.Dir(journal))
		for _, pod := range kept {
			if held[pod] && !released[pod] {
				return filepath.Base(filepath.Dir(journal))
			}
		}
		for pod, still := range held {
			released[pod] = released[pod] || !still
		}
	}
	return ""
}

// heldIn gives the pods that a case took out on this machine: true while it
// holds them back, false once it let them go.
func (m machine) heldIn(dir string) map[string]bool {
	var plan struct {
		Steps []plannedStep `json:"steps"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	if err != nil || json.Unmarshal(b, &plan) != nil {
		return nil
	}
	journal, err := os.ReadFile(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		return nil
	}
	steps := map[string]plannedStep{}
	for _, s := range plan.Steps {
		if s.Host == m.host {
			steps[s.ID] = s
		}
	}
	held := map[string]bool{}
	for line := range strings.Lines(string(journal)) {
		var e journalLine
		if json.Unmarshal([]byte(line), &e) == nil {
			steps[e.Step].note(e.Event, held)
		}
	}
	return held
}

// note applies a step: what was begun to be held back may be out already; what
// was let go is in again only when that was done.
func (s plannedStep) note(event string, held map[string]bool) {
	pod := s.Do.Role
	switch s.Kind {
	case "stop-member", "start-member":
		pod = "etcd"
	case "fence-component", "release-component":
	default:
		return
	}
	switch holds := s.Kind == "stop-member" || s.Kind == "fence-component"; {
	case holds && (event == "started" || event == "done"):
		held[pod] = true
	case !holds && event == "done":
		held[pod] = false
	}
}
