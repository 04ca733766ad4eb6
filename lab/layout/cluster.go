// Package layout holds what the lab's layouts share: machines that stand, the
// load balancer, and Kubernetes put on them by kubeadm.
package layout

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/state"
	"github.com/salvor-project/salvor/lab/tell"
)

// Plan is what an operator asks for.
type Plan struct {
	Layout        string
	ControlPlanes int
	Workers       int
	Etcd          string // version
	DiskGiB       int    // of each machine; sparse
	Reuse         bool   // a whole lab of this plan may stay as it is
}

// Cluster is a lab that is being put up.
type Cluster struct {
	Site  machine.Site
	Build *build.Builder
	Tell  *tell.Teller
	Lab   *state.Lab
	Plan  Plan

	token, certificateKey string
}

// New plans the machines and remembers them before anything is made, so that
// down knows of everything.
func New(b *build.Builder, t *tell.Teller, plan Plan) (*Cluster, error) {
	lab := &state.Lab{Layout: plan.Layout, Kubernetes: build.Kubernetes, Etcd: plan.Etcd, Made: time.Now().UTC()}
	for i := 1; i <= plan.ControlPlanes; i++ {
		lab.Machines = append(lab.Machines, machine.New(fmt.Sprintf("cp-%d", i), machine.ControlPlane, i))
	}
	for i := 1; i <= plan.Workers; i++ {
		lab.Machines = append(lab.Machines, machine.New(fmt.Sprintf("worker-%d", i), machine.Worker, plan.ControlPlanes+i))
	}
	c := &Cluster{Site: state.Site(), Build: b, Tell: t, Lab: lab, Plan: plan}
	c.token = random(3) + "." + random(8)
	c.certificateKey = random(32)
	return c, lab.Save()
}

// Stands tells whether a whole and unbroken lab of a plan is up.
func Stands(ctx context.Context, plan Plan) bool {
	lab, err := state.Load()
	if err != nil || !lab.Complete || len(lab.Faults) > 0 || lab.Layout != plan.Layout || lab.Etcd != plan.Etcd ||
		lab.Kubernetes != build.Kubernetes || len(lab.ControlPlanes()) != plan.ControlPlanes || len(lab.Machines) != plan.ControlPlanes+plan.Workers {
		return false
	}
	for _, m := range lab.Machines {
		if pid, err := machine.Init(ctx, m); err != nil || pid == 0 {
			return false
		}
	}
	backends, err := Backends()
	if err != nil {
		return false
	}
	for _, seen := range backends {
		if seen != "UP" {
			return false
		}
	}
	return true
}

func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Stand builds what is missing and switches all machines on. etcdImage is the
// version of the etcd image that they hold; "" is none.
func (c *Cluster) Stand(ctx context.Context, etcdImage string) error {
	root, err := c.Build.Root(ctx)
	if err != nil {
		return err
	}
	store, err := c.Build.Store(ctx, etcdImage)
	if err != nil {
		return err
	}
	if _, err := c.Build.Program(ctx, "kubectl"); err != nil {
		return err
	}
	done := c.Tell.Step("make and boot %d machines", len(c.Lab.Machines))
	if err := machine.Connect(ctx, append([]machine.Machine{machine.Balancer()}, c.Lab.Machines...)); err != nil {
		return err
	}
	err = c.Each(ctx, c.Lab.Machines, func(ctx context.Context, m machine.Machine) error {
		if err := c.Site.Make(ctx, m, root, store, int64(c.Plan.DiskGiB)<<30); err != nil {
			return err
		}
		if err := c.Site.Identify(m, c.Lab.Machines, machine.Virtual); err != nil {
			return err
		}
		return c.settle(m)
	})
	if err != nil {
		return err
	}
	if err := c.Site.Keys(ctx, c.Lab.Machines); err != nil {
		return err
	}
	err = c.Each(ctx, c.Lab.Machines, func(ctx context.Context, m machine.Machine) error {
		if err := c.Site.Boot(ctx, m); err != nil {
			return err
		}
		return machine.Ready(ctx, m, time.Minute)
	})
	if err != nil {
		return err
	}
	done()
	return nil
}

// settle writes the machine's pod network.
func (c *Cluster) settle(m machine.Machine) error {
	conf := fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "lab",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}
    }
  ]
}
`, m.Pods())
	if err := c.Site.Write(m, "etc/cni/net.d/10-bridge.conflist", conf, 0o644); err != nil {
		return err
	}
	// The name server that pods ask for the outside world: there is none.
	return c.Site.Write(m, "etc/kubernetes-resolv.conf", "nameserver "+machine.Gateway+"\n", 0o644)
}

// Each does the same on several machines at once.
func (c *Cluster) Each(ctx context.Context, all []machine.Machine, do func(context.Context, machine.Machine) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() { errs[i] = do(ctx, m) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Finish remembers that the lab is complete.
func (c *Cluster) Finish() error {
	c.Lab.Complete = true
	return c.Lab.Save()
}

// saveKubeconfig keeps the first machine's admin.conf for the operator; it
// points at the load balancer.
func (c *Cluster) saveKubeconfig(ctx context.Context) error {
	text, err := machine.Exec(ctx, c.Lab.Machines[0], "cat", "/etc/kubernetes/admin.conf")
	if err != nil {
		return err
	}
	return os.WriteFile(state.Kubeconfig(), []byte(text), 0o600)
}
