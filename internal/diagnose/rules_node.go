package diagnose

import (
	"fmt"
	"path"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// up tells that a service is there: its process runs, or its socket answers.
func up(s cluster.ServiceFacts) bool {
	return s.Process.OK && s.Process.Value || s.Answers.OK && s.Answers.Value || s.Active == "active" && !s.Process.OK
}

// down tells that a service is certainly not there.
func down(s cluster.ServiceFacts) bool {
	return !up(s) && s.Process.OK && (s.Answers.OK || s.Active != "")
}

func serviceSighting(host string, s cluster.ServiceFacts) sighting {
	state := strings.Trim(s.Active+"/"+s.Sub, "/")
	if state == "" {
		state = "?"
	}
	why := s.Answers.Why
	if why == "" {
		why = "no process"
	}
	return sighting{host, []any{s.Unit, state, why}, []string{fmt.Sprintf("unit %s: %s; %s: %s", s.Unit, state, s.Endpoint, why)}}
}

func findKubeletDown(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		if s := k.facts.Kubelet; s.OK && down(s.Value) {
			out = append(out, serviceSighting(k.host, s.Value))
		}
	}
	return out
}

// findRuntimeDown finds runtimes whose process is gone, and such whose process
// is there and whose socket is not.
func findRuntimeDown(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		s := k.facts.Runtime
		if s.OK && (down(s.Value) || s.Value.Answers.OK && !s.Value.Answers.Value) {
			out = append(out, serviceSighting(k.host, s.Value))
		}
	}
	return out
}

func findManifestBroken(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		for _, f := range k.facts.Manifests.Value {
			if !f.Pod.OK {
				out = append(out, sighting{k.host, []any{f.Path, f.Pod.Why}, []string{fmt.Sprintf("%s (%d bytes): %s", f.Path, f.Size, f.Pod.Why)}})
				break
			}
		}
	}
	return out
}

// findManifestDuplicate finds two files that name the same pod: the kubelet
// loads both, whatever their names end in.
func findManifestDuplicate(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		first := map[string]cluster.Manifest{}
		for _, f := range k.facts.Manifests.Value {
			if !f.Pod.OK {
				continue
			}
			id := f.Pod.Value.Namespace + "/" + f.Pod.Value.Name
			if o, twice := first[id]; twice {
				out = append(out, sighting{k.host, []any{f.Pod.Value.Name, o.Path, f.Path},
					[]string{fmt.Sprintf("%s and %s both name pod %s", o.Path, f.Path, id)}})
				break
			}
			first[id] = f
		}
	}
	return out
}

// findManifestMissing finds a control plane machine without one of the
// manifests that the others have: etcd's only where a member is expected.
func findManifestMissing(v view) []sighting {
	all := map[string]int{}
	masters := 0
	has := map[string]map[string]bool{}
	for _, k := range v.kubes() {
		if !k.facts.Manifests.OK || !master(k) {
			continue
		}
		masters++
		has[k.host] = map[string]bool{}
		for _, f := range k.facts.Manifests.Value {
			if f.Pod.OK && controlPlane(f.Pod.Value.Name) && !has[k.host][f.Pod.Value.Name] {
				has[k.host][f.Pod.Value.Name] = true
				all[f.Pod.Value.Name]++
			}
		}
		for _, f := range k.facts.Parked.Value { // held back, not missing
			has[k.host][f.Pod.Value.Name] = true
		}
	}
	var out []sighting
	for _, k := range v.kubes() {
		if has[k.host] == nil {
			continue
		}
		for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
			wanted := all[name] > 0 || masters == 1 && name != "etcd"
			if name == "etcd" {
				wanted = wanted && v.hasMember(k.host)
			}
			wanted = wanted || v.configuredPod(k.host, name)
			if wanted && !has[k.host][name] {
				evidence := []string{fmt.Sprintf("no manifest names pod %s here; %d of %d masters have one", name, all[name], masters)}
				if line := v.adapted(k.host, name); line != "" {
					evidence = append(evidence, line)
				}
				out = append(out, sighting{k.host, []any{name}, evidence})
				break
			}
		}
	}
	return out
}

// configuredPod tells whether the configuration says that a static pod runs on
// a machine: then it is missed even when it is gone from all of them.
func (v view) configuredPod(host, pod string) bool {
	for _, m := range v.members {
		if pod == "etcd" && m.cfg.Host == host && m.cfg.Run.StaticPod != "" {
			return true
		}
	}
	n, ok := v.facts.Config.Node(host)
	if !ok {
		return false
	}
	return map[string]string{"kube-apiserver": n.APIServer.StaticPod, "kube-controller-manager": n.ControllerManager.StaticPod,
		"kube-scheduler": n.Scheduler.StaticPod}[pod] != ""
}

// findHeldBack finds the machines on which Salvor itself keeps pods or units from
// running: a case was begun there and is not ended.
func findHeldBack(v view) []sighting {
	out := findFenced(v)
	for _, k := range v.kubes() {
		if !k.facts.Parked.OK || len(k.facts.Parked.Value) == 0 {
			continue
		}
		var pods, evidence []string
		for _, f := range k.facts.Parked.Value {
			pods = append(pods, f.Pod.Value.Name)
			evidence = append(evidence, fmt.Sprintf("%s: pod %s", f.Path, f.Pod.Value.Name))
		}
		by, line := heldBy(k.facts.ParkedBy)
		evidence = append(evidence, line)
		out = append(out, sighting{k.host, []any{strings.Join(pods, ", "), path.Dir(k.facts.Parked.Value[0].Path), by}, evidence})
	}
	return out
}

// findFenced finds the units that a drop-in of Salvor keeps from being started.
func findFenced(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		fences := h.Node.Fences.Value
		if !h.Reached.OK || len(fences) == 0 {
			continue
		}
		var units []string
		for _, f := range fences {
			units = append(units, strings.TrimSuffix(path.Base(path.Dir(f)), ".d"))
		}
		by, evidence := heldBy(h.Node.FencedBy)
		out = append(out, sighting{h.Name, []any{strings.Join(units, ", "), fences[0], by}, append(append([]string{}, fences...), evidence)})
	}
	return out
}

func (v view) hasMember(host string) bool {
	for _, m := range v.members {
		if m.cfg.Host == host {
			return true
		}
	}
	return false
}

// master tells a machine that has, or ought to have, an API server: it keeps
// the API server's certificate.
func master(k kubeView) bool {
	for _, c := range k.facts.Certs {
		if c.Role == "apiserver" {
			return true
		}
	}
	return false
}

func controlPlane(name string) bool { return cluster.IsComponent(name) }

func findManifestFiles(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		for _, f := range k.facts.Manifests.Value {
			if f.Pod.OK && len(f.Pod.Value.Missing) > 0 {
				out = append(out, sighting{k.host, []any{f.Path, strings.Join(f.Pod.Value.Missing, ", ")},
					[]string{fmt.Sprintf("%s names %s, which does not exist", f.Path, strings.Join(f.Pod.Value.Missing, ", "))}})
				break
			}
		}
	}
	return out
}

// findControllersDown finds masters on which the controller manager or the
// scheduler has a manifest and no process.
func findControllersDown(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		if !k.facts.Manifests.OK || !k.facts.Running.OK {
			continue
		}
		for _, f := range k.facts.Manifests.Value {
			name := f.Pod.Value.Name
			if !f.Pod.OK || name != "kube-controller-manager" && name != "kube-scheduler" {
				continue
			}
			if _, runs := k.facts.Running.Value[name]; !runs {
				out = append(out, sighting{k.host, []any{name}, []string{fmt.Sprintf("%s exists, and no process %s runs", f.Path, name)}})
				break
			}
		}
	}
	return out
}

// heldBy says which case holds something back, and how that is known.
func heldBy(name string) (by, evidence string) {
	if name == "" {
		return "?", "no journal of a case on this machine says who did so"
	}
	return name, "the journal of case " + name + " on this machine says that it did so and did not let go"
}
