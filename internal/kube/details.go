package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

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

// Removed gives the minor version of Kubernetes 1 that stopped serving a kind in
// an API version, 0 when it is served still (the deprecated API migration guide
// of kubernetes.io). For extensions/v1beta1 the first removal counts.
// Definitions of custom resources are left out: API servers store them as
// v1beta1 still, which they have long ceased to serve.
func Removed(group, version, kind string) int {
	switch kind { // these came into a version after all others had left it
	case "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
		"ClusterTrustBundle", "PodCertificateRequest", "LeaseCandidate", "IPAddress", "ServiceCIDR", "VolumeAttributesClass":
		return 0
	}
	switch group + "/" + version {
	case "extensions/v1beta1", "apps/v1beta1", "apps/v1beta2":
		return 16
	case "admissionregistration.k8s.io/v1beta1", "apiregistration.k8s.io/v1beta1", "authentication.k8s.io/v1beta1",
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
