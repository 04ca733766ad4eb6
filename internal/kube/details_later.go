package kube

import (
	"bytes"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// Attachment is a volume that a node holds.
type Attachment struct{ Node, Volume string }

// ReadAttachment reads a stored VolumeAttachment.
func ReadAttachment(value []byte) (Attachment, error) {
	var v storagev1.VolumeAttachment
	if err := into(value, &v); err != nil {
		return Attachment{}, err
	}
	a := Attachment{Node: v.Spec.NodeName}
	if p := v.Spec.Source.PersistentVolumeName; p != nil {
		a.Volume = *p
	}
	return a, nil
}

// Admins gives those to whom a stored ClusterRoleBinding gives the role
// cluster-admin, as "Group/NAME" and "User/NAME".
func Admins(value []byte) ([]string, error) {
	var b rbacv1.ClusterRoleBinding
	if err := into(value, &b); err != nil {
		return nil, err
	}
	if b.RoleRef.Kind != "ClusterRole" || b.RoleRef.Name != "cluster-admin" {
		return nil, nil
	}
	var out []string
	for _, s := range b.Subjects {
		if s.Kind == rbacv1.GroupKind || s.Kind == rbacv1.UserKind {
			out = append(out, s.Kind+"/"+s.Name)
		}
	}
	return out, nil
}

// OutsideAddress gives what a stored Service has outside of the cluster: the
// address of its load balancer, or its external ones; empty for most.
func OutsideAddress(value []byte) (string, error) {
	var s corev1.Service
	if err := into(value, &s); err != nil {
		return "", err
	}
	if s.Spec.Type == corev1.ServiceTypeLoadBalancer {
		for _, i := range s.Status.LoadBalancer.Ingress {
			return i.IP + i.Hostname, nil
		}
		return "pending", nil
	}
	if len(s.Spec.ExternalIPs) > 0 {
		return s.Spec.ExternalIPs[0], nil
	}
	return "", nil
}

// Lease is who holds a stored Lease, and since when.
type Lease struct {
	Holder  string
	Renewed time.Time
	// Machine is the host of an API server that the Lease stands for, empty for
	// others (label kubernetes.io/hostname).
	Machine string
}

// ReadLease reads a stored Lease.
func ReadLease(value []byte) (Lease, error) {
	var l coordinationv1.Lease
	if err := into(value, &l); err != nil {
		return Lease{}, err
	}
	out := Lease{}
	if l.Labels["apiserver.kubernetes.io/identity"] != "" {
		out.Machine = l.Labels[corev1.LabelHostname]
	}
	if l.Spec.HolderIdentity != nil {
		out.Holder = *l.Spec.HolderIdentity
	}
	if l.Spec.RenewTime != nil {
		out.Renewed = l.Spec.RenewTime.UTC()
	}
	return out, nil
}

// Scales tells of a stored HorizontalPodAutoscaler whether it may change the
// number of pods: it has room between its bounds.
func Scales(value []byte) (bool, error) {
	var h autoscalingv2.HorizontalPodAutoscaler
	if err := into(value, &h); err != nil {
		return false, err
	}
	least := int32(1)
	if h.Spec.MinReplicas != nil {
		least = *h.Spec.MinReplicas
	}
	return h.Spec.MaxReplicas > least, nil
}

// PodNode gives the node that a stored pod is bound to, and whether the pod
// ought to run: one that has ended does not.
func PodNode(value []byte) (node string, runs bool, err error) {
	ended := func(phase string) bool {
		return phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed)
	}
	if bytes.HasPrefix(value, []byte(prefixProtobuf)) {
		node, phase, err := podNode(value)
		if err != nil {
			return "", false, fmt.Errorf("read stored pod: %w", err)
		}
		return node, !ended(phase), nil
	}
	var p corev1.Pod
	if err := into(value, &p); err != nil {
		return "", false, err
	}
	return p.Spec.NodeName, !ended(string(p.Status.Phase)), nil
}
