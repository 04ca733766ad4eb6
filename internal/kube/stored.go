package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ConfigMap gives the data of a stored ConfigMap.
func ConfigMap(value []byte) (map[string]string, error) {
	var c corev1.ConfigMap
	if err := stored(value, &c); err != nil {
		return nil, fmt.Errorf("read stored config map: %w", err)
	}
	return c.Data, nil
}

// Secret gives the type and the data of a stored Secret that is not encrypted.
func Secret(value []byte) (kind string, data map[string][]byte, err error) {
	var s corev1.Secret
	if err := stored(value, &s); err != nil {
		return "", nil, fmt.Errorf("read stored secret: %w", err)
	}
	return string(s.Type), s.Data, nil
}

// ServiceAccountToken is the type of secrets that hold a token.
const ServiceAccountToken = string(corev1.SecretTypeServiceAccountToken)

// NodeInfo is what a stored Node says of its machine.
type NodeInfo struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses,omitempty"` // internal ones
	Kubelet   string   `json:"kubelet,omitempty"`   // version
	Runtime   string   `json:"runtime,omitempty"`
	OS        string   `json:"os,omitempty"`
	Kernel    string   `json:"kernel,omitempty"`
	Control   bool     `json:"controlPlane,omitempty"` // labelled as control plane
}

// StoredNode reads a stored Node.
func StoredNode(value []byte) (NodeInfo, error) {
	var n corev1.Node
	if err := stored(value, &n); err != nil {
		return NodeInfo{}, fmt.Errorf("read stored node: %w", err)
	}
	i := NodeInfo{Name: n.Name, Kubelet: n.Status.NodeInfo.KubeletVersion, Runtime: n.Status.NodeInfo.ContainerRuntimeVersion,
		OS: n.Status.NodeInfo.OSImage, Kernel: n.Status.NodeInfo.KernelVersion}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			i.Addresses = append(i.Addresses, a.Address)
		}
	}
	for _, l := range []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"} {
		if _, ok := n.Labels[l]; ok {
			i.Control = true
		}
	}
	return i, nil
}

// stored reads a value in either of the forms that kube-apiserver writes.
func stored(value []byte, into interface{ Unmarshal([]byte) error }) error {
	if !bytes.HasPrefix(value, []byte(prefixProtobuf)) {
		if bytes.HasPrefix(value, []byte(prefixEncrypted)) {
			return errors.New("it is encrypted")
		}
		return json.Unmarshal(value, into)
	}
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(value[len(prefixProtobuf):]); err != nil {
		return err
	}
	return into.Unmarshal(envelope.Raw)
}
