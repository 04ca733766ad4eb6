package demo

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// podFields is what kubelet and the controllers own of a pod, as the API
// server notes it.
const podFields = `{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app.kubernetes.io/name":{},"f:pod-template-hash":{}},` +
	`"f:ownerReferences":{".":{},"k:{\"uid\":\"\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:env":{".":{},` +
	`"k:{\"name\":\"LOG_LEVEL\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{},` +
	`"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},` +
	`"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}},"f:status":{"f:conditions":{` +
	`"k:{\"type\":\"Ready\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},` +
	`"f:containerStatuses":{},"f:hostIP":{},"f:phase":{},"f:podIP":{},"f:podIPs":{".":{},"k:{\"ip\":\"\"}":{".":{},"f:ip":{}}},"f:startTime":{}}}`

const workloadFields = `{"f:metadata":{"f:annotations":{".":{},"f:deployment.kubernetes.io/revision":{}}},"f:spec":{"f:replicas":{},` +
	`"f:selector":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{},"f:maxUnavailable":{}},"f:type":{}},"f:template":{}},` +
	`"f:status":{"f:availableReplicas":{},"f:conditions":{},"f:observedGeneration":{},"f:readyReplicas":{},"f:replicas":{}}}`

func (w world) pod(i, step int) runtime.Object {
	replicaSet := fmt.Sprintf("app-%d-7d4b9c6f5", i/3)
	meta := w.about("pod", w.team(i/3), fmt.Sprintf("%s-%05x", replicaSet, i), i, step, "kubelet", podFields)
	yes := true
	meta.GenerateName = replicaSet + "-"
	meta.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: replicaSet, UID: uid("replicaset", i/3), Controller: &yes, BlockOwnerDeletion: &yes}}
	ip := fmt.Sprintf("10.244.%d.%d", i%w.nodes, i/w.nodes%250+2)
	spec := podSpec(i)
	spec.NodeName = w.nodeName(i % w.nodes)
	return &corev1.Pod{ObjectMeta: meta, Spec: spec, Status: corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: fmt.Sprintf("192.168.0.%d", i%w.nodes+10), PodIP: ip,
		PodIPs: []corev1.PodIP{{IP: ip}}, StartTime: &meta.CreationTimestamp, QOSClass: corev1.PodQOSBurstable,
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: meta.CreationTimestamp},
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: *meta.ManagedFields[0].Time},
		},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Ready: true, RestartCount: int32(step), Image: spec.Containers[0].Image,
			ImageID: "registry.example.com/shop/app@sha256:" + string(uid("image", i)), ContainerID: "containerd://" + string(uid("container", i*1000+step)),
		}},
	}}
}

func podSpec(i int) corev1.PodSpec {
	grace := int64(30)
	return corev1.PodSpec{
		Containers: []corev1.Container{{
			Name: "app", Image: fmt.Sprintf("registry.example.com/shop/app-%d:1.%d.0", i%200, i%17), ImagePullPolicy: corev1.PullIfNotPresent,
			Env: []corev1.EnvVar{
				{Name: "LOG_LEVEL", Value: "info"}, {Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "status.podIP"}}},
				{Name: "DATABASE_URL", Value: fmt.Sprintf("postgres://app@db-%d.default.svc:5432/app", i%20)},
			},
			Ports:        []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
			VolumeMounts: []corev1.VolumeMount{{Name: "token", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}},
		}},
		Volumes: []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "app-token"}}}},
		Tolerations: []corev1.Toleration{
			{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
			{Key: "node.kubernetes.io/unreachable", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
		},
		RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst, ServiceAccountName: "default",
		SchedulerName: "default-scheduler", TerminationGracePeriodSeconds: &grace,
	}
}

func (w world) replicaSet(i, step int) runtime.Object {
	one := int32(1)
	meta := w.about("replicaset", w.team(i), fmt.Sprintf("app-%d-7d4b9c6f5", i), i, step, "kube-controller-manager", workloadFields)
	return &appsv1.ReplicaSet{ObjectMeta: meta,
		Spec: appsv1.ReplicaSetSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: meta.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: podSpec(i)}},
		Status: appsv1.ReplicaSetStatus{Replicas: 1, ReadyReplicas: 1, ObservedGeneration: int64(step)},
	}
}

func (w world) deployment(i, step int) runtime.Object {
	three := int32(3)
	meta := w.about("deployment", w.team(i), fmt.Sprintf("app-%d", i), i, step, "kube-controller-manager", workloadFields)
	meta.Annotations = map[string]string{"deployment.kubernetes.io/revision": fmt.Sprint(step + 1)}
	return &appsv1.Deployment{ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{Replicas: &three, Selector: &metav1.LabelSelector{MatchLabels: meta.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: podSpec(i)}},
		Status: appsv1.DeploymentStatus{Replicas: 3, ReadyReplicas: 3, ObservedGeneration: int64(step)},
	}
}

func (w world) endpointSlice(i, step int) runtime.Object {
	meta := w.about("endpointslice", w.team(i), fmt.Sprintf("app-%d-x7k2p", i), i, step, "kube-controller-manager", `{"f:addressType":{},"f:endpoints":{},"f:ports":{}}`)
	ready, port, name := step%2 == 0, int32(8080), "http"
	s := &discoveryv1.EndpointSlice{ObjectMeta: meta, AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}}}
	for e := range 4 {
		node := w.nodeName((i + e) % w.nodes)
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{fmt.Sprintf("10.244.%d.%d", (i+e)%w.nodes, i%250+2)}, NodeName: &node,
			Conditions: discoveryv1.EndpointConditions{Ready: &ready},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: meta.Namespace, Name: fmt.Sprintf("app-%d-7d4b9c6f5-%05x", i, e), UID: uid("pod", i*3+e)},
		})
	}
	return s
}

func (w world) service(i, step int) runtime.Object {
	ip := fmt.Sprintf("10.96.%d.%d", i/250, i%250+1)
	return &corev1.Service{
		ObjectMeta: w.about("service", w.team(i), fmt.Sprintf("app-%d", i), i, step, "kubectl", `{"f:spec":{"f:internalTrafficPolicy":{},"f:ports":{},"f:selector":{},"f:type":{}}}`),
		Spec: corev1.ServiceSpec{ClusterIP: ip, ClusterIPs: []string{ip}, Type: corev1.ServiceTypeClusterIP, SessionAffinity: corev1.ServiceAffinityNone,
			Selector: map[string]string{"app.kubernetes.io/name": "app-" + fmt.Sprint(i%200)},
			Ports:    []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(8080)}}},
	}
}

func (w world) event(i, step int) runtime.Object {
	meta := w.about("event", w.team(i), fmt.Sprintf("app-%d-7d4b9c6f5.%016x", i, uint64(i)*11400714819323198485), i, step, "kubelet", `{"f:count":{},"f:firstTimestamp":{},"f:involvedObject":{},"f:lastTimestamp":{},"f:message":{},"f:reason":{},"f:source":{},"f:type":{}}`)
	last := metav1.NewTime(meta.CreationTimestamp.Add(time.Duration(step) * time.Minute))
	return &corev1.Event{ObjectMeta: meta,
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: meta.Namespace, Name: fmt.Sprintf("app-%d-7d4b9c6f5-%05x", i/3, i), UID: uid("pod", i), APIVersion: "v1", FieldPath: "spec.containers{app}"},
		Reason:         "BackOff", Type: corev1.EventTypeWarning, Count: int32(step) + 1, FirstTimestamp: meta.CreationTimestamp, LastTimestamp: last,
		Message:             fmt.Sprintf("Back-off restarting failed container app in pod app-%d-7d4b9c6f5-%05x", i/3, i),
		Source:              corev1.EventSource{Component: "kubelet", Host: w.nodeName(i % w.nodes)},
		ReportingController: "kubelet", ReportingInstance: w.nodeName(i % w.nodes),
	}
}
