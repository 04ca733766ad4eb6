package cri

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// InNamespace lists the containers of all pods of a namespace, also those that
// have ended and were not removed.
func (c *Client) InNamespace(ctx context.Context, namespace string) ([]Container, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	out, err := c.list(ctx, map[string]string{labelNamespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("list containers of %s: %w", namespace, err)
	}
	return out, nil
}

// End is how a container ended.
type End struct {
	// Exit is its exit code; the runtime counts a signal as 128 plus its number.
	Exit int
	// Reason is "Completed", "Error" or "OOMKilled": the kernel killed in the
	// container's control group for want of memory.
	Reason            string
	Started, Finished time.Time
}

// End tells how a container that has exited ended.
func (c *Client) End(ctx context.Context, id string) (End, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	r, err := c.runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: id})
	if err != nil {
		return End{}, fmt.Errorf("ask how container %s ended: %w", id, err)
	}
	s := r.GetStatus()
	if s.GetState() != cri.ContainerState_CONTAINER_EXITED {
		return End{}, fmt.Errorf("ask how container %s ended: it is %s", id, s.GetState())
	}
	e := End{Exit: int(s.ExitCode), Reason: s.Reason, Finished: time.Unix(0, s.FinishedAt)}
	if s.StartedAt > 0 {
		e.Started = time.Unix(0, s.StartedAt)
	}
	return e, nil
}

// HasImage tells whether the runtime has an image, by the question that a kubelet
// asks before it pulls one. The runtime itself resolves the name.
func (c *Client) HasImage(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	r, err := cri.NewImageServiceClient(c.conn).ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
	if err != nil {
		return false, fmt.Errorf("ask for image %s: %w", name, err)
	}
	return r.GetImage().GetId() != "", nil
}

// SandboxImage is the image that the runtime takes for every pod's sandbox, as far
// as it tells: containerd 1 does, in the answer that crictl info shows
// (containerd pkg/cri/server/status.go); containerd 2 does not. Empty when it does
// not say.
func (c *Client) SandboxImage(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	r, err := c.runtime.Status(ctx, &cri.StatusRequest{Verbose: true})
	if err != nil {
		return ""
	}
	var conf struct {
		SandboxImage string `json:"sandboxImage"`
	}
	if json.Unmarshal([]byte(r.GetInfo()["config"]), &conf) != nil {
		return ""
	}
	return conf.SandboxImage
}
