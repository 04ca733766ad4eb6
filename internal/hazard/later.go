package hazard

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
)

// later is what can only be judged when all objects are known.
type later struct {
	policies    map[string]kube.Policy // that deny what they cannot decide
	denying     map[string]bool        // policies with a binding that denies
	kinds       map[string]bool        // GROUP/KIND of the custom resource definitions
	aggregated  map[string]string      // APIService → its service
	converters  map[string]string      // definition → the service of its webhook
	attachments map[string]kube.Attachment
	leases      map[string]kube.Lease
	inventory   map[string]bool
	nodes       map[string]bool
	plane       map[string]int // workload → its turn
}

func newLater(in Inputs) later {
	l := later{policies: map[string]kube.Policy{}, denying: map[string]bool{}, kinds: map[string]bool{}, aggregated: map[string]string{}, converters: map[string]string{},
		attachments: map[string]kube.Attachment{}, leases: map[string]kube.Lease{}, inventory: map[string]bool{}, nodes: map[string]bool{}, plane: map[string]int{}}
	for _, n := range in.Inventory {
		l.inventory[n] = true
	}
	return l
}

// after reads the kinds that are judged at the end.
func (s *Scan) after(key string, p kube.Place, value []byte, o kube.Object) error {
	switch p.Resource {
	case "pods":
		return s.pod(p, value, o)
	case "daemonsets", "deployments":
		if turn := turnOf(p); turn > 0 {
			s.plane[p.Resource+"/"+p.Namespace+"/"+p.Name] = turn
		}
	case "leases":
		l, err := kube.ReadLease(value)
		if err != nil {
			return err
		}
		if p.Namespace == "kube-node-lease" {
			l.Machine = p.Name
		}
		s.leases[p.Namespace+"/"+p.Name] = l
	case "volumeattachments":
		a, err := kube.ReadAttachment(value)
		if err != nil {
			return err
		}
		s.attachments[p.Name] = a
	case "clusterrolebindings":
		admins, err := kube.Admins(value)
		s.out.Admins = append(s.out.Admins, admins...)
		return err
	case "horizontalpodautoscalers":
		return counted(&s.out.Autoscalers, key, value, kube.Scales)
	case "validatingadmissionpolicies":
		policy, closed, err := kube.ReadPolicy(value)
		if closed && policy.Kind != "" {
			s.policies[p.Name] = policy
		}
		return err
	case "validatingadmissionpolicybindings":
		name, denies, err := kube.PolicyBinding(value)
		s.denying[name] = s.denying[name] || denies
		return err
	}
	return s.custom(key, p, value)
}

// custom reads what is stored as JSON.
func (s *Scan) custom(key string, p kube.Place, value []byte) error {
	switch {
	case p.Resource == "apiregistration.k8s.io/apiservices":
		b, err := kube.APIServiceBackend(value)
		if b.Name != "" {
			s.aggregated[p.Name] = b.Namespace + "/" + b.Name
		}
		return err
	case p.Resource == definitions:
		d, err := kube.ReadDefinition(value)
		if err != nil {
			return err
		}
		s.kinds[d.Group+"/"+d.Kind] = true
		if d.Converter.Name != "" {
			s.converters[p.Name] = d.Converter.Namespace + "/" + d.Converter.Name
		}
		if len(d.Unserved) > 0 {
			s.out.Unserved.Add(p.Name + " (" + strings.Join(d.Unserved, ", ") + ")")
		}
	case kube.GitOps(p.Resource):
		return counted(&s.out.GitOps, key, value, func(b []byte) (bool, error) { return kube.Reconciles(p.Resource, b) })
	}
	return nil
}

// uidSigns is how much of a pod's uid is kept: enough to tell those of one
// node apart.
const uidSigns = 8

func (s *Scan) pod(p kube.Place, value []byte, o kube.Object) error {
	s.pods = append(s.pods, pod{p.Namespace, o.Labels})
	if len(s.inventory) == 0 {
		return nil
	}
	node, runs, err := kube.PodNode(value)
	if err != nil {
		return err
	}
	if runs && s.inventory[node] {
		if s.out.Pods == nil {
			s.out.Pods = map[string][]string{}
		}
		s.out.Pods[node] = append(s.out.Pods[node], o.UID[:min(len(o.UID), uidSigns)])
	}
	return nil
}

func (s *Scan) external(key string, value []byte) error {
	address, err := kube.OutsideAddress(value)
	if address != "" {
		s.out.External.Add(strings.TrimPrefix(key, kube.Root+"services/specs/") + " (" + address + ")")
	}
	return err
}

// otherStore reads the configurations of the networks that can keep their state
// in an etcd of their own (Calico, Cilium).
func (s *Scan) otherStore(p kube.Place, value []byte) error {
	field, what := "", ""
	switch p.Name {
	case "calico-config":
		field, what = "etcd_endpoints", "Calico"
	case "cilium-config":
		field, what = "kvstore", "Cilium"
	default:
		return nil
	}
	v, err := kube.ConfigValue(value, field)
	if v != "" && !strings.HasPrefix(v, "http://<") {
		s.out.Stores = append(s.out.Stores, fmt.Sprintf("%s: ConfigMap %s/%s, %s: %s", what, p.Namespace, p.Name, field, v))
	}
	return err
}

// turnOf gives the turn of a workload of the data plane: what routes first, then
// the pod network, names, ways in; 0 for everything else.
func turnOf(p kube.Place) int {
	for turn, names := range [][]string{{"kube-proxy"}, {"calico", "cilium", "flannel", "weave", "canal", "antrea", "kube-router", "kindnet", "ovn"},
		{"coredns", "kube-dns", "nodelocaldns", "node-local-dns"}, {"ingress", "traefik", "haproxy", "contour", "envoy", "istio", "gateway"}} {
		for _, n := range names {
			if strings.Contains(p.Name, n) && (turn > 2 || p.Namespace == "kube-system" || strings.Contains(p.Namespace, n)) {
				return turn + 1
			}
		}
	}
	return 0
}

// settle judges what needed all objects.
func (s *Scan) settle() {
	for _, n := range s.out.Nodes {
		s.nodes[n] = true
	}
	add := func(to *cluster.Names, list []string) {
		sort.Strings(list)
		for _, n := range list {
			to.Add(n)
		}
	}
	var policies, attachments []string
	for name, p := range s.policies {
		if s.denying[name] && strings.Contains(p.Group, ".") && !strings.HasSuffix(p.Group, ".k8s.io") && !s.kinds[p.Group+"/"+p.Kind] {
			policies = append(policies, fmt.Sprintf("%s (%s of %s)", name, p.Kind, p.Group))
		}
	}
	add(&s.out.Policies, policies)
	add(&s.out.Aggregated, s.unready(s.aggregated))
	add(&s.out.Converters, s.unready(s.converters))
	for name, a := range s.attachments {
		if !s.nodes[a.Node] || a.Volume != "" && !s.present[a.Volume] {
			attachments = append(attachments, fmt.Sprintf("%s (%s at %s)", name, a.Volume, a.Node))
		}
	}
	add(&s.out.Attachments, attachments)
	add(&s.out.Leases, s.strayLeases())
	for name := range s.plane {
		s.out.DataPlane = append(s.out.DataPlane, name)
	}
	sort.Slice(s.out.DataPlane, func(i, j int) bool {
		a, b := s.out.DataPlane[i], s.out.DataPlane[j]
		return s.plane[a] < s.plane[b] || s.plane[a] == s.plane[b] && a < b
	})
	s.out.DataPlane = s.out.DataPlane[:min(len(s.out.DataPlane), cluster.MaxHazardNames)]
	s.out.Stores = append(slices.Clone(s.in.Stores), s.out.Stores...)
	slices.Sort(s.out.Admins)
	s.out.Admins = slices.Compact(s.out.Admins)
}

// unready names what stands on a service without a ready endpoint.
func (s *Scan) unready(on map[string]string) []string {
	var out []string
	for name, service := range on {
		if !s.services[service] || !s.readied[service] {
			out = append(out, name+" ("+service+")")
		}
	}
	return out
}

// skew is how far ahead of the clock a lease may have been renewed.
const skew = time.Minute

// strayLeases names leases of machines that the data does not have, and such
// that were renewed later than it is now.
func (s *Scan) strayLeases() []string {
	var out []string
	for name, l := range s.leases {
		switch {
		case l.Machine != "" && len(s.nodes) > 0 && !s.nodes[l.Machine]:
			out = append(out, name+" (of "+l.Machine+")")
		case !s.in.Now.IsZero() && l.Renewed.After(s.in.Now.Add(skew)):
			out = append(out, name+" (renewed at "+l.Renewed.Format(time.RFC3339)+", later than now)")
		case path.Dir(name) == "kube-system" && l.Holder != "" && len(s.inventory) > 0 && s.heldAway(l.Holder):
			out = append(out, name+" (held by "+l.Holder+")")
		}
	}
	return out
}

// heldAway tells a holder, NODE_UUID as controllers of a control plane name
// themselves, whose node the configuration does not have.
func (s *Scan) heldAway(holder string) bool {
	host, id, ok := strings.Cut(holder, "_")
	if !ok || len(id) != 36 {
		return false // it names itself in another way
	}
	return !s.inventory[host] && !s.nodes[host]
}
