package demo

import (
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/salvor-project/salvor/internal/kube"
)

func (w world) nodeName(i int) string { return fmt.Sprintf("node-%03d.example.com", i) }

func (w world) namespace(i, step int) runtime.Object {
	name := w.namespaces[i]
	meta := w.about("namespace", "", name, i, step, "kube-apiserver", `{"f:metadata":{"f:labels":{".":{},"f:kubernetes.io/metadata.name":{}}}}`)
	meta.Labels = map[string]string{"kubernetes.io/metadata.name": name}
	return &corev1.Namespace{ObjectMeta: meta, Spec: corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive}}
}

func (w world) node(i, step int) runtime.Object {
	meta := w.about("node", "", w.nodeName(i), i, step, "kubelet", podFields)
	room := corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(16, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(64<<30, resource.BinarySI),
		corev1.ResourcePods: *resource.NewQuantity(110, resource.DecimalSI), corev1.ResourceEphemeralStorage: *resource.NewQuantity(200<<30, resource.BinarySI),
	}
	s := corev1.NodeStatus{Capacity: room, Allocatable: room,
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.168.0.%d", i+10)}, {Type: corev1.NodeHostName, Address: meta.Name}},
		NodeInfo:  corev1.NodeSystemInfo{KernelVersion: "6.8.0", OSImage: "Debian GNU/Linux 12 (bookworm)", ContainerRuntimeVersion: "containerd://2.1.0", KubeletVersion: "v1.34.1", OperatingSystem: "linux", Architecture: "amd64"},
	}
	for _, t := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeReady} {
		s.Conditions = append(s.Conditions, corev1.NodeCondition{Type: t, Status: corev1.ConditionFalse, LastHeartbeatTime: *meta.ManagedFields[0].Time, Reason: "KubeletStatus", Message: "kubelet reports " + string(t)})
	}
	for k := range 20 {
		s.Images = append(s.Images, corev1.ContainerImage{Names: []string{fmt.Sprintf("registry.example.com/shop/app-%d:1.%d.0", k, i%17)}, SizeBytes: int64(k+1) * 12345678})
	}
	return &corev1.Node{ObjectMeta: meta, Spec: corev1.NodeSpec{PodCIDR: fmt.Sprintf("10.244.%d.0/24", i), PodCIDRs: []string{fmt.Sprintf("10.244.%d.0/24", i)}}, Status: s}
}

func (w world) nodeLease(i, step int) runtime.Object {
	return w.lease("kube-node-lease", w.nodeName(i), w.nodeName(i), 40, i, step)
}

func electionNames() []string {
	return []string{"kube-controller-manager", "kube-scheduler", "cert-manager-controller", "ingress-controller-leader", "external-snapshotter-leader"}
}

func (w world) electionLease(i, step int) runtime.Object {
	name := electionNames()[i]
	return w.lease("kube-system", name, w.nodeName(0)+"_"+string(uid(name, i)), 15, 5000+i, step)
}

func (w world) lease(namespace, name, holder string, seconds int32, i, step int) runtime.Object {
	renewed := metav1.NewMicroTime(w.born.Add(time.Duration(step) * 10 * time.Second))
	acquired := metav1.NewMicroTime(w.born)
	return &coordinationv1.Lease{
		ObjectMeta: w.about("lease", namespace, name, i, step, "kubelet", `{"f:spec":{"f:holderIdentity":{},"f:leaseDurationSeconds":{},"f:renewTime":{}}}`),
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &acquired, RenewTime: &renewed},
	}
}

func (w world) configMap(i, step int) runtime.Object {
	name := fmt.Sprintf("settings-%d", i)
	return &corev1.ConfigMap{
		ObjectMeta: w.about("configmap", w.team(i), name, i, step, "kubectl", `{"f:data":{".":{},"f:app.properties":{}}}`),
		Data:       map[string]string{"app.properties": text(name+fmt.Sprint(step), 600+i%7*300)},
	}
}

func (w world) secret(i, step int) runtime.Object {
	name := fmt.Sprintf("credentials-%d", i)
	return &corev1.Secret{
		ObjectMeta: w.about("secret", w.team(i), name, i, step, "kubectl", `{"f:data":{".":{},"f:password":{},"f:tls.crt":{}},"f:type":{}}`),
		Type:       corev1.SecretTypeOpaque, Data: map[string][]byte{"password": []byte(text(name, 32)), "tls.crt": []byte(text(name+"crt", 1100))},
	}
}

func (w world) serviceAccount(i, step int) runtime.Object {
	return &corev1.ServiceAccount{ObjectMeta: w.about("serviceaccount", w.team(i), fmt.Sprintf("app-%d", i), i, step, "kubectl", `{}`)}
}

func (w world) role(i, step int) runtime.Object {
	return &rbacv1.Role{ObjectMeta: w.about("role", w.team(i), fmt.Sprintf("app-%d", i), i, step, "kubectl", `{"f:rules":{}}`), Rules: rules()}
}

func (w world) clusterRole(i, step int) runtime.Object {
	return &rbacv1.ClusterRole{ObjectMeta: w.about("clusterrole", "", fmt.Sprintf("system:controller:app-%d", i), i, step, "kube-apiserver", `{"f:rules":{}}`), Rules: rules()}
}

func rules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods", "pods/log", "configmaps", "secrets"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: []string{"get", "list", "watch", "update", "patch"}},
	}
}

func (w world) roleBinding(i, step int) runtime.Object {
	return &rbacv1.RoleBinding{
		ObjectMeta: w.about("rolebinding", w.team(i), fmt.Sprintf("app-%d", i), i, step, "kubectl", `{"f:roleRef":{},"f:subjects":{}}`),
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: fmt.Sprintf("app-%d", i), Namespace: w.team(i)}},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: fmt.Sprintf("app-%d", i)},
	}
}

// masterLeases are the API servers' own endpoint records; each hangs on a
// lease of its own and carries no name (see kube.MasterLeaseKey).
func (w world) masterLeases() []stored {
	var all []stored
	for i := range 3 {
		ip := fmt.Sprintf("192.168.0.%d", i+10)
		value := func(step int) ([]byte, error) {
			return w.codec.Encode(&corev1.Endpoints{ //nolint:staticcheck // what kube-apiserver stores there to this day
				ObjectMeta: metav1.ObjectMeta{Generation: int64(step)},
				Subsets:    []corev1.EndpointSubset{{Addresses: []corev1.EndpointAddress{{IP: ip}}}}, //nolint:staticcheck // as above
			})
		}
		all = append(all, stored{key: kube.MasterLeaseKey(ip), value: value, lease: masterLease, churn: 60})
	}
	return all
}

func (w world) customResource(i int) stored {
	name, namespace := fmt.Sprintf("web-%d", i), w.team(i)
	value := func(step int) ([]byte, error) {
		meta := w.about("certificate", namespace, name, i, step, "cert-manager", `{"f:spec":{"f:dnsNames":{},"f:secretName":{}}}`)
		return kube.EncodeCustom(map[string]any{
			"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": meta,
			"spec":   map[string]any{"secretName": name + "-tls", "dnsNames": []string{name + ".example.com"}, "issuerRef": map[string]any{"name": "letsencrypt", "kind": "ClusterIssuer"}},
			"status": map[string]any{"revision": step + 1, "conditions": []any{map[string]any{"type": "Ready", "status": "True", "message": "Certificate is up to date and has not expired"}}},
		})
	}
	return stored{key: kube.CustomKey("cert-manager.io", "certificates", namespace, name), value: value, churn: 1}
}
