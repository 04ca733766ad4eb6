// Package kubeadm is the layout that kubeadm makes by itself: etcd as static
// pods on the control planes.
package kubeadm

import (
	"context"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/lab/layout"
)

// Up puts the whole cluster up.
func Up(ctx context.Context, c *layout.Cluster) error {
	if err := c.Stand(ctx, c.Plan.Etcd); err != nil {
		return err
	}
	if err := layout.StartBalancer(ctx, c.Lab); err != nil {
		return err
	}
	if err := c.Init(ctx, fmt.Sprintf("  local:\n    dataDir: /var/lib/etcd\n    imageTag: %q\n", c.Plan.Etcd)); err != nil {
		return err
	}
	if err := c.Join(ctx); err != nil {
		return err
	}
	if err := c.Settle(ctx); err != nil {
		return err
	}
	return c.WaitNodes(ctx, 2*time.Minute)
}
