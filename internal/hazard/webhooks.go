package hazard

import (
	"slices"
	"sort"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
)

type hook struct {
	object string
	kube.Hook
}

// pod is what of a stored pod a webhook's selectors look at.
type pod struct {
	namespace string
	labels    map[string]string
}

func (s *Scan) webhooks(p kube.Place, value []byte, o kube.Object) error {
	hooks, err := kube.ReadHooks(value, p.Resource == "mutatingwebhookconfigurations")
	for _, h := range hooks {
		if h.Service != "" {
			s.hooks = append(s.hooks, hook{o.Kind + "/" + p.Name, h})
		}
	}
	return err
}

// judge holds a webhook against the namespaces and pods of the data. blocks is
// false for one whose selectors take in nothing that it could stand in the way
// of.
func (s *Scan) judge(h hook) (w cluster.Webhook, blocks bool) {
	backend := h.Namespace + "/" + h.Service
	w = cluster.Webhook{Object: h.object, Name: h.Name, Service: backend, Hits: h.Hits, Conditions: h.Conditions,
		Backend: s.services[backend] && s.readied[backend]}
	var in []string
	for name, labels := range s.namespaces {
		if h.InNamespace(named(name, labels)) {
			in = append(in, name)
		}
	}
	sort.Strings(in)
	for _, name := range in {
		w.Namespaces.Add(name)
	}
	for _, p := range s.pods {
		if slices.Contains(in, p.namespace) && h.OfObject(p.labels) {
			w.Pods++
		}
	}
	if h.NarrowsObjects() && w.Pods == 0 {
		w.Hits = slices.DeleteFunc(slices.Clone(w.Hits), func(hit string) bool { return hit == "pods" })
	}
	if len(in) == 0 && len(s.namespaces) > 0 {
		// What lies in no namespace is asked about whatever the selector says.
		w.Hits = slices.DeleteFunc(slices.Clone(w.Hits), func(hit string) bool { return !clustered(hit) })
	}
	w.Own = slices.Contains(in, h.Namespace)
	return w, len(w.Hits) > 0
}

// named adds the label that every namespace has since Kubernetes 1.21.
func named(name string, labels map[string]string) map[string]string {
	const label = "kubernetes.io/metadata.name"
	if labels[label] != "" {
		return labels
	}
	out := map[string]string{label: name}
	for k, v := range labels {
		out[k] = v
	}
	return out
}

// clustered tells the resources of Hits that lie in no namespace, or may.
func clustered(hit string) bool {
	switch hit {
	case "nodes", "customresourcedefinitions", "everything":
		return true
	}
	return false
}
