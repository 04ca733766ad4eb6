package diagnose

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// findImageMissing finds the machines whose kubelet cannot have the image of a
// pod of the control plane that does not run, by its own words or by those of the
// runtime. One that runs has its image.
func findImageMissing(v view) []sighting {
	var out []said
	for _, s := range v.said(cluster.SaidImage) {
		if k, ok := v.kube(s.host); !ok || !k.facts.Running.OK || idlePod(k, s.sign.Sample) {
			out = append(out, s)
		}
	}
	all := gatherSigns(out)
	for _, k := range v.kubes() {
		lines, first := absentImages(k)
		if len(lines) > 0 && (!k.facts.Kubelet.OK || !down(k.facts.Kubelet.Value)) {
			all = append(all, sighting{k.host, []any{"kubelet", first}, lines})
		}
	}
	return merged(all)
}

// absentImages are the images that the runtime says it does not have, of pods that
// do not run: their own, and that of every pod's sandbox.
func absentImages(k kubeView) (lines []string, first string) {
	idle := map[string]bool{}
	if k.facts.Running.OK {
		idle = idlePods(k)
	}
	waits := slices.ContainsFunc(slices.Collect(maps.Keys(idle)), func(pod string) bool { return idle[pod] })
	for _, i := range k.facts.Images.Value {
		for _, pod := range i.For {
			if i.Present || !idle[pod] && (pod != cluster.SandboxImage || !waits) {
				continue
			}
			lines = append(lines, fmt.Sprintf("the runtime at %s does not have %s, for %s", k.facts.Runtime.Value.Endpoint, i.Name, pod))
			if first == "" {
				first = i.Name
			}
		}
	}
	return lines, first
}

// imageless tells that the runtime may lack what a member's pod needs: its own
// image, or that of the sandbox. Another pod's is none of it.
func (v view) imageless(m memberView) bool {
	k, ok := v.kube(m.cfg.Host)
	if !ok || !k.facts.Images.OK {
		return true
	}
	etcd := false
	for _, i := range k.facts.Images.Value {
		own := slices.Contains(i.For, "etcd")
		etcd = etcd || own
		if !i.Present && (own || slices.Contains(i.For, cluster.SandboxImage)) {
			return true
		}
	}
	return !etcd
}

// rateImage is certain where the kubelet says that it cannot pull what the runtime
// says it does not have. Without the first, it may be pulling; without the second,
// the line may be past.
func rateImage(v view, s sighting) (Confidence, []string) {
	k, ok := v.kube(s.subject)
	lines, _ := absentImages(k)
	switch {
	case !ok || !k.facts.Images.OK:
		return rateSign(v, s)
	case len(lines) == len(s.evidence):
		return Likely, []string{"no log says that it cannot be pulled: the kubelet may be doing so now"}
	case len(lines) > 0:
		return Certain, nil
	}
	confidence, against := rateSign(v, s)
	if slices.ContainsFunc(k.facts.Images.Value, func(i cluster.Image) bool { return slices.Contains(i.For, cluster.SandboxImage) }) {
		return Possible, append(against, "the runtime has the images of all static pods and of their sandboxes now")
	}
	return confidence, against
}

// idlePod tells whether a pod of the control plane has a manifest and no
// process: the one that a line names or, if it names none, any.
func idlePod(k kubeView, line string) bool {
	idle := idlePods(k)
	named := false
	for name := range idle {
		named = named || strings.Contains(line, name)
	}
	for name, is := range idle {
		if is && (!named || strings.Contains(line, name)) {
			return true
		}
	}
	return len(idle) == 0
}

// idlePods are the control plane's pods that have a manifest, and whether each has
// no process.
func idlePods(k kubeView) map[string]bool {
	idle := map[string]bool{}
	for _, f := range k.facts.Manifests.Value {
		if name := f.Pod.Value.Name; f.Pod.OK && controlPlane(name) {
			_, runs := k.facts.Running.Value[name]
			idle[name] = !runs
		}
	}
	return idle
}
