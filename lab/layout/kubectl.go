package layout

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/lab/proc"
	"github.com/salvor-project/salvor/lab/state"
)

// Kubectl runs the lab's kubectl as the operator, through the load balancer.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) ([]byte, error) {
	kubectl, err := c.Build.Program(ctx, "kubectl")
	if err != nil {
		return nil, err
	}
	base := []string{kubectl, "--kubeconfig", state.Kubeconfig(), "--request-timeout=10s"}
	return proc.Cmd{Args: append(base, args...)}.Output(ctx)
}

// WaitNodes waits until all machines are Ready nodes.
func (c *Cluster) WaitNodes(ctx context.Context, limit time.Duration) error {
	done := c.Tell.Step("wait for %d Ready nodes", len(c.Lab.Machines))
	var last error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		ready, err := c.readyNodes(ctx)
		if err == nil && ready == len(c.Lab.Machines) {
			done()
			return nil
		}
		if last = err; err == nil {
			last = fmt.Errorf("%d of %d nodes are Ready", ready, len(c.Lab.Machines))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("wait for nodes for %s: %w", limit, last)
}

func (c *Cluster) readyNodes(ctx context.Context) (int, error) {
	out, err := c.Kubectl(ctx, "get", "nodes", "-o", "json")
	if err != nil {
		return 0, err
	}
	var list struct {
		Items []struct {
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return 0, fmt.Errorf("read list of nodes: %w", err)
	}
	ready := 0
	for _, node := range list.Items {
		for _, cond := range node.Status.Conditions {
			if cond.Type == "Ready" && cond.Status == "True" {
				ready++
			}
		}
	}
	return ready, nil
}

// Settle lets pods run on control planes when there are no workers.
func (c *Cluster) Settle(ctx context.Context) error {
	if c.Plan.Workers > 0 {
		return nil
	}
	_, err := c.Kubectl(ctx, "taint", "nodes", "--all", "node-role.kubernetes.io/control-plane-")
	return err
}
