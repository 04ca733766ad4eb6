package kube

import (
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Hook is one admission webhook that refuses when it cannot be asked.
type Hook struct {
	Name string
	// Namespace and Service are the backend; empty when it is a URL.
	Namespace, Service string
	// Hits are what it stands in the way of: pods, nodes, leases, namespaces,
	// configmaps, secrets, serviceaccounts, endpointslices, workloads
	// (deployments and the like), customresourcedefinitions; "everything" for a
	// rule that matches all resources.
	Hits []string
	// Conditions tells that matchConditions may exempt some; what they say is
	// not evaluated.
	Conditions bool

	namespaces, objects *metav1.LabelSelector
}

// NarrowsObjects tells that an object selector may exempt some.
func (h Hook) NarrowsObjects() bool { return narrows(h.objects) }

func narrows(s *metav1.LabelSelector) bool {
	return s != nil && len(s.MatchLabels)+len(s.MatchExpressions) > 0
}

// InNamespace tells whether objects in a namespace with these labels are asked
// about. A selector that cannot be read exempts nothing.
func (h Hook) InNamespace(set map[string]string) bool { return selects(h.namespaces, set) }

// OfObject tells the same of objects with these labels.
func (h Hook) OfObject(set map[string]string) bool { return selects(h.objects, set) }

func selects(s *metav1.LabelSelector, set map[string]string) bool {
	if !narrows(s) {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err != nil || selector.Matches(labels.Set(set))
}

// ReadHooks gives the webhooks of a stored ValidatingWebhookConfiguration or
// MutatingWebhookConfiguration that fail closed.
func ReadHooks(value []byte, mutating bool) ([]Hook, error) {
	var out []Hook
	add := func(w admissionv1.ValidatingWebhook) {
		if w.FailurePolicy != nil && *w.FailurePolicy == admissionv1.Ignore {
			return // absent means Fail in v1
		}
		h := Hook{Name: w.Name, Hits: hits(w.Rules), Conditions: len(w.MatchConditions) > 0, namespaces: w.NamespaceSelector, objects: w.ObjectSelector}
		if s := w.ClientConfig.Service; s != nil {
			h.Namespace, h.Service = s.Namespace, s.Name
		}
		if len(h.Hits) > 0 {
			out = append(out, h)
		}
	}
	if mutating {
		var m admissionv1.MutatingWebhookConfiguration
		if err := into(value, &m); err != nil {
			return nil, err
		}
		for _, w := range m.Webhooks {
			add(admissionv1.ValidatingWebhook{Name: w.Name, FailurePolicy: w.FailurePolicy, ClientConfig: w.ClientConfig, Rules: w.Rules,
				NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, MatchConditions: w.MatchConditions})
		}
		return out, nil
	}
	var v admissionv1.ValidatingWebhookConfiguration
	if err := into(value, &v); err != nil {
		return nil, err
	}
	for _, w := range v.Webhooks {
		add(w)
	}
	return out, nil
}

// vital gives the API group and the name of a resource without which a cluster
// does not get on its feet.
func vital(resource string) (group, name string) {
	switch resource {
	case "pods", "nodes", "namespaces", "configmaps", "secrets", "serviceaccounts":
		return "", resource
	case "leases":
		return "coordination.k8s.io", resource
	case "endpointslices":
		return "discovery.k8s.io", resource
	case "deployments", "replicasets", "daemonsets", "statefulsets":
		return "apps", "workloads"
	case "customresourcedefinitions":
		return "apiextensions.k8s.io", resource
	}
	return "", ""
}

// hits names the vital resources that the rules match when they are created or
// updated. Of subresources only those of pods and nodes are vital (binding,
// status).
func hits(rules []admissionv1.RuleWithOperations) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range rules {
		if !writes(r.Operations) {
			continue
		}
		for _, res := range r.Resources {
			base, sub, _ := strings.Cut(res, "/")
			group, name := vital(base)
			switch {
			case base == "*" && (sub == "" || sub == "*") && inGroups(r.APIGroups, ""):
				name = "everything"
			case base == "*" && sub == "" && inGroups(r.APIGroups, "apps"):
				name = "workloads"
			case name == "" || !inGroups(r.APIGroups, group) || sub != "" && base != "pods" && base != "nodes":
				continue
			}
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}

func inGroups(groups []string, group string) bool {
	for _, g := range groups {
		if g == "*" || g == group {
			return true
		}
	}
	return false
}

func writes(ops []admissionv1.OperationType) bool {
	for _, o := range ops {
		if o == admissionv1.OperationAll || o == admissionv1.Create || o == admissionv1.Update {
			return true
		}
	}
	return false
}

// Policy is a ValidatingAdmissionPolicy that denies when it cannot decide, and
// the kind of its parameters: empty when it takes none.
type Policy struct{ Group, Kind string }

// ReadPolicy reads a stored ValidatingAdmissionPolicy; closed is false for one
// that lets pass what it cannot decide.
func ReadPolicy(value []byte) (p Policy, closed bool, err error) {
	var v admissionv1.ValidatingAdmissionPolicy
	if err := into(value, &v); err != nil {
		return p, false, err
	}
	if k := v.Spec.ParamKind; k != nil {
		p.Group, _, _ = strings.Cut(k.APIVersion, "/")
		if !strings.Contains(k.APIVersion, "/") {
			p.Group = ""
		}
		p.Kind = k.Kind
	}
	return p, v.Spec.FailurePolicy == nil || *v.Spec.FailurePolicy == admissionv1.Fail, nil
}

// PolicyBinding gives the policy that a stored ValidatingAdmissionPolicyBinding
// puts into force, and whether it denies.
func PolicyBinding(value []byte) (policy string, denies bool, err error) {
	var b admissionv1.ValidatingAdmissionPolicyBinding
	if err := into(value, &b); err != nil {
		return "", false, err
	}
	for _, a := range b.Spec.ValidationActions {
		denies = denies || a == admissionv1.Deny
	}
	return b.Spec.PolicyName, denies, nil
}
