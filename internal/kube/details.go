package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// into reads a stored value, protobuf or JSON, into a type of one of the
// built-in groups. The kind is not checked: the key told it.
func into(value []byte, obj interface{ Unmarshal([]byte) error }) error {
	switch {
	case bytes.HasPrefix(value, []byte(prefixProtobuf)):
		var envelope runtime.Unknown
		if err := envelope.Unmarshal(value[len(prefixProtobuf):]); err != nil {
			return fmt.Errorf("read stored object: %w", err)
		}
		if err := obj.Unmarshal(envelope.Raw); err != nil {
			return fmt.Errorf("read stored %s: %w", envelope.Kind, err)
		}
		return nil
	case bytes.HasPrefix(value, []byte(prefixEncrypted)):
		return errors.New("read stored object: it is encrypted")
	}
	if err := json.Unmarshal(value, obj); err != nil {
		return fmt.Errorf("read stored object: %w", err)
	}
	return nil
}

// Hook is one admission webhook that refuses when it cannot be asked.
type Hook struct {
	Name string
	// Namespace and Service are the backend; empty when it is a URL.
	Namespace, Service string
	// Hits are what it stands in the way of, of pods, nodes, leases,
	// namespaces, configmaps, secrets and endpointslices; "everything" for a
	// rule that matches all resources.
	Hits []string
	// Narrow tells that a namespace or object selector may exempt some.
	Narrow bool
}

// ReadHooks gives the webhooks of a stored ValidatingWebhookConfiguration or
// MutatingWebhookConfiguration that fail closed.
func ReadHooks(value []byte, mutating bool) ([]Hook, error) {
	var out []Hook
	add := func(name string, policy *admissionv1.FailurePolicyType, c admissionv1.WebhookClientConfig, rules []admissionv1.RuleWithOperations, narrow bool) {
		if policy != nil && *policy == admissionv1.Ignore {
			return // absent means Fail in v1
		}
		h := Hook{Name: name, Hits: hits(rules), Narrow: narrow}
		if c.Service != nil {
			h.Namespace, h.Service = c.Service.Namespace, c.Service.Name
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
			add(w.Name, w.FailurePolicy, w.ClientConfig, w.Rules, w.NamespaceSelector != nil || w.ObjectSelector != nil)
		}
		return out, nil
	}
	var v admissionv1.ValidatingWebhookConfiguration
	if err := into(value, &v); err != nil {
		return nil, err
	}
	for _, w := range v.Webhooks {
		add(w.Name, w.FailurePolicy, w.ClientConfig, w.Rules, w.NamespaceSelector != nil || w.ObjectSelector != nil)
	}
	return out, nil
}

// hits names the vital resources that the rules match when they are created or
// updated.
func hits(rules []admissionv1.RuleWithOperations) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range rules {
		if !writes(r.Operations) {
			continue
		}
		for _, res := range r.Resources {
			name := ""
			switch res {
			case "*", "*/*":
				name = "everything"
			case "pods", "pods/*", "nodes", "leases", "namespaces", "configmaps", "secrets", "endpointslices", "serviceaccounts":
				name, _, _ = cutSlash(res)
			}
			if name != "" && !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}

func cutSlash(s string) (string, string, bool) {
	for i := range s {
		if s[i] == '/' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func writes(ops []admissionv1.OperationType) bool {
	for _, o := range ops {
		if o == admissionv1.OperationAll || o == admissionv1.Create || o == admissionv1.Update {
			return true
		}
	}
	return false
}

// Volume is what decides whether a persistent volume would be deleted.
type Volume struct {
	// Delete tells its reclaim policy; Released that its phase is Released or
	// Failed.
	Delete, Released bool
	// ClaimNamespace and Claim are the claim that it is bound to.
	ClaimNamespace, Claim string
}

// ReadVolume reads a stored PersistentVolume.
func ReadVolume(value []byte) (Volume, error) {
	var p corev1.PersistentVolume
	if err := into(value, &p); err != nil {
		return Volume{}, err
	}
	v := Volume{Delete: p.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete,
		Released: p.Status.Phase == corev1.VolumeReleased || p.Status.Phase == corev1.VolumeFailed}
	if c := p.Spec.ClaimRef; c != nil {
		v.ClaimNamespace, v.Claim = c.Namespace, c.Name
	}
	return v, nil
}

// JobRuns tells whether a stored Job would go on: neither finished nor
// suspended.
func JobRuns(value []byte) (bool, error) {
	var j batchv1.Job
	if err := into(value, &j); err != nil {
		return false, err
	}
	if j.Spec.Suspend != nil && *j.Spec.Suspend || j.Status.CompletionTime != nil {
		return false, nil
	}
	for _, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return false, nil
		}
	}
	return true, nil
}

// CronJobRuns tells whether a stored CronJob is not suspended.
func CronJobRuns(value []byte) (bool, error) {
	var j batchv1.CronJob
	if err := into(value, &j); err != nil {
		return false, err
	}
	return j.Spec.Suspend == nil || !*j.Spec.Suspend, nil
}

// ConfigValue gives one field of a stored ConfigMap.
func ConfigValue(value []byte, field string) (string, error) {
	var c corev1.ConfigMap
	if err := into(value, &c); err != nil {
		return "", err
	}
	return c.Data[field], nil
}

// LegacyToken gives the token of a stored Secret of type
// kubernetes.io/service-account-token; empty for other secrets. DANGER: it is
// a credential.
func LegacyToken(value []byte) (string, error) {
	var s corev1.Secret
	if err := into(value, &s); err != nil {
		return "", err
	}
	if s.Type != corev1.SecretTypeServiceAccountToken {
		return "", nil
	}
	return string(s.Data[corev1.ServiceAccountTokenKey]), nil
}

// ReadySlice tells of a stored EndpointSlice which service it belongs to and
// whether any of its endpoints is ready.
func ReadySlice(value []byte) (service string, ready bool, err error) {
	var s discoveryv1.EndpointSlice
	if err := into(value, &s); err != nil {
		return "", false, err
	}
	for _, e := range s.Endpoints {
		ready = ready || e.Conditions.Ready == nil || *e.Conditions.Ready
	}
	return s.Labels[discoveryv1.LabelServiceName], ready, nil
}

// Removed gives the minor version of Kubernetes 1 that stopped serving an API
// version, 0 when it is served still (the deprecated API migration guide of
// kubernetes.io). For extensions/v1beta1 the first removal counts.
func Removed(group, version string) int {
	switch group + "/" + version {
	case "extensions/v1beta1", "apps/v1beta1", "apps/v1beta2":
		return 16
	case "admissionregistration.k8s.io/v1beta1", "apiextensions.k8s.io/v1beta1", "apiregistration.k8s.io/v1beta1", "authentication.k8s.io/v1beta1",
		"certificates.k8s.io/v1beta1", "coordination.k8s.io/v1beta1", "networking.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1beta1",
		"rbac.authorization.k8s.io/v1alpha1", "scheduling.k8s.io/v1beta1":
		return 22
	case "batch/v1beta1", "discovery.k8s.io/v1beta1", "events.k8s.io/v1beta1", "autoscaling/v2beta1", "policy/v1beta1", "node.k8s.io/v1beta1":
		return 25
	case "autoscaling/v2beta2", "flowcontrol.apiserver.k8s.io/v1beta1":
		return 26
	case "storage.k8s.io/v1beta1":
		return 27
	case "flowcontrol.apiserver.k8s.io/v1beta2":
		return 29
	case "flowcontrol.apiserver.k8s.io/v1beta3":
		return 32
	}
	return 0
}
