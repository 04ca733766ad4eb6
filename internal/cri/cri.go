// Package cri asks a machine's container runtime about pods and stops them,
// over its socket, in the protocol that kubelets speak. It starts nothing:
// that is the kubelet's work.
package cri

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The labels that a kubelet gives to sandboxes and containers
// (k8s.io/kubelet/pkg/types/labels.go).
const (
	labelPod       = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelContainer = "io.kubernetes.container.name"
	labelUID       = "io.kubernetes.pod.uid"
)

// answerLimit is how long a runtime may take to answer a question. One whose
// database is damaged accepts connections and never answers.
const answerLimit = 4 * time.Second

// Client is a connection to one runtime.
type Client struct {
	conn    *grpc.ClientConn
	runtime cri.RuntimeServiceClient
	socket  string
	// Name and Version are what the runtime calls itself.
	Name, Version string
}

// Dial connects to a runtime's socket and makes sure that it answers: an
// active service is not enough.
func Dial(ctx context.Context, socket string) (*Client, error) {
	socket = strings.TrimPrefix(socket, "unix://")
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		return nil, fmt.Errorf("ask container runtime at %s: %w", socket, err)
	}
	c := &Client{conn: conn, runtime: cri.NewRuntimeServiceClient(conn), socket: socket}
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	v, err := c.runtime.Version(ctx, &cri.VersionRequest{})
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ask container runtime at %s for its version: %w", socket, err)
	}
	c.Name, c.Version = v.RuntimeName, v.RuntimeVersion
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Pod names a pod as a kubelet does. A static pod's name ends in that of its
// node.
type Pod struct{ Namespace, Name string }

// Sandbox is what a pod runs in: one for each time that it was started.
type Sandbox struct {
	ID      string
	Ready   bool
	Created time.Time
}

// Container is one container of a pod.
type Container struct {
	ID, Name string
	Running  bool
	Created  time.Time
	// Attempt counts how often the kubelet has started it.
	Attempt uint32
	Image   string
	// Pod is the name of its pod; State is "created", "running", Exited or "unknown".
	Pod, State string
}

// Exited is the State of a container that has ended.
const Exited = "exited"

func (p Pod) labels() map[string]string {
	return map[string]string{labelPod: p.Name, labelNamespace: p.Namespace}
}

// Sandboxes lists all sandboxes of a pod, also those that have ended.
func (c *Client) Sandboxes(ctx context.Context, p Pod) ([]Sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	r, err := c.runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{LabelSelector: p.labels()}})
	if err != nil {
		return nil, fmt.Errorf("list sandboxes of %s: %w", p.Name, err)
	}
	var out []Sandbox
	for _, s := range r.Items {
		out = append(out, Sandbox{ID: s.Id, Ready: s.State == cri.PodSandboxState_SANDBOX_READY, Created: time.Unix(0, s.CreatedAt)})
	}
	return out, nil
}

// Containers lists all containers of a pod, also those that have ended.
func (c *Client) Containers(ctx context.Context, p Pod) ([]Container, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	out, err := c.list(ctx, p.labels())
	if err != nil {
		return nil, fmt.Errorf("list containers of %s: %w", p.Name, err)
	}
	return out, nil
}

func (c *Client) list(ctx context.Context, labels map[string]string) ([]Container, error) {
	r, err := c.runtime.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{LabelSelector: labels}})
	if err != nil {
		return nil, err
	}
	var out []Container
	for _, k := range r.Containers {
		out = append(out, Container{ID: k.Id, Name: k.Labels[labelContainer], Running: k.State == cri.ContainerState_CONTAINER_RUNNING,
			Created: time.Unix(0, k.CreatedAt), Attempt: k.GetMetadata().GetAttempt(), Image: k.GetImage().GetImage(), Pod: k.Labels[labelPod],
			State: strings.ToLower(strings.TrimPrefix(k.State.String(), "CONTAINER_"))})
	}
	return out, nil
}

// Stop ends everything that runs of a pod: its containers by SIGTERM and,
// after grace, by SIGKILL, then its sandboxes. What has ended already is a
// success. The kubelet starts them again unless the pod's manifest is gone.
func (c *Client) Stop(ctx context.Context, p Pod, grace time.Duration) error {
	containers, err := c.Containers(ctx, p)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, grace+10*time.Second)
	defer cancel()
	for _, k := range containers {
		if !k.Running {
			continue
		}
		seconds := int64(max(1, grace/time.Second))
		if _, err := c.runtime.StopContainer(limit, &cri.StopContainerRequest{ContainerId: k.ID, Timeout: seconds}); err != nil {
			return fmt.Errorf("stop container %s of %s: %w", k.Name, p.Name, err)
		}
	}
	sandboxes, err := c.Sandboxes(ctx, p)
	if err != nil {
		return err
	}
	for _, s := range sandboxes {
		if !s.Ready {
			continue
		}
		if _, err := c.runtime.StopPodSandbox(limit, &cri.StopPodSandboxRequest{PodSandboxId: s.ID}); err != nil {
			return fmt.Errorf("stop sandbox of %s: %w", p.Name, err)
		}
	}
	return nil
}

// Runs tells whether anything of a pod runs: a container, or a sandbox that is
// ready to have one.
func (c *Client) Runs(ctx context.Context, p Pod) (bool, error) {
	containers, err := c.Containers(ctx, p)
	if err != nil {
		return false, err
	}
	for _, k := range containers {
		if k.Running {
			return true, nil
		}
	}
	sandboxes, err := c.Sandboxes(ctx, p)
	for _, s := range sandboxes {
		if s.Ready {
			return true, nil
		}
	}
	return false, err
}

// annotationSource tells how a kubelet came to know a pod
// (k8s.io/kubernetes pkg/kubelet/types/pod_update.go).
const annotationSource = "kubernetes.io/config.source"

// Running is one pod that runs here.
type Running struct {
	Pod
	UID string
	// Static tells a pod from a manifest: the API has a mirror of it at most.
	Static  bool
	Created time.Time
}

// Pods lists the pods with a sandbox that is ready.
func (c *Client) Pods(ctx context.Context) ([]Running, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	ready := &cri.PodSandboxFilter{State: &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_READY}}
	r, err := c.runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: ready})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var out []Running
	for _, s := range r.Items {
		out = append(out, Running{Pod: Pod{s.Labels[labelNamespace], s.Labels[labelPod]}, UID: s.Labels[labelUID],
			Static: s.Annotations[annotationSource] != "" && s.Annotations[annotationSource] != "api", Created: time.Unix(0, s.CreatedAt)})
	}
	return out, nil
}
