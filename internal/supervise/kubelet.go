package supervise

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// kubeletHealth is where a kubelet says how it is
// (KubeletConfiguration.healthzPort).
const kubeletHealth = "http://127.0.0.1:10248/healthz"

// kubeletLimit is how long a kubelet may take until it says that it is well.
const kubeletLimit = 40 * time.Second

// kubeletQuiet is how long a kubelet that says nothing on that port must have
// run to count as well: the port can be switched off (healthzPort: 0) or moved.
const kubeletQuiet = 10 * time.Second

// RestartKubelet starts the node's kubelet anew. Pods run on meanwhile.
func RestartKubelet(ctx context.Context, n cluster.Node) error {
	return kubelet(ctx, n, "restart")
}

// StartKubelet starts the node's kubelet; one that runs is left alone.
func StartKubelet(ctx context.Context, n cluster.Node) error {
	return kubelet(ctx, n, "start")
}

func kubelet(ctx context.Context, n cluster.Node, verb string) error {
	name := unitName(n.Unit())
	u, err := show(ctx, name)
	if err != nil {
		return fmt.Errorf("%s kubelet: %w", verb, err)
	}
	if u.load != "" && u.load != "loaded" {
		return fmt.Errorf("%s kubelet: systemd says that unit %s is %s: `systemctl unmask %s`, or put it back", verb, name, u.load, name)
	}
	_ = systemctl(ctx, "reset-failed", name) // nothing to reset is no error worth a word
	if err := systemctl(ctx, verb, "--no-block", name); err != nil {
		return fmt.Errorf("%s kubelet: %w", verb, err)
	}
	return nil
}

// AwaitKubelet waits until the node's kubelet runs and says that it is well.
func AwaitKubelet(ctx context.Context, n cluster.Node) (cluster.ProcessFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, kubeletLimit)
	defer cancel()
	begin := time.Now()
	for {
		p, err := Kubelet(ctx, n)
		if err != nil {
			return p, fmt.Errorf("await kubelet: %w", err)
		}
		if p.Running {
			err := kubeletWell(ctx)
			if err == nil || errors.Is(err, syscall.ECONNREFUSED) && time.Since(p.Since) > kubeletQuiet {
				return p, nil
			}
		}
		if err := sleep(ctx, 2*look); err != nil {
			return p, fmt.Errorf("await kubelet: after %s unit %s is %s: %s", kubeletLimit, n.Unit(), p.Unit,
				lastWords(journal(context.WithoutCancel(ctx), unitName(n.Unit()), begin)))
		}
	}
}

// Kubelet tells whether the node's kubelet runs, and since when.
func Kubelet(ctx context.Context, n cluster.Node) (cluster.ProcessFacts, error) {
	u, err := show(ctx, n.Unit())
	if err != nil {
		return cluster.ProcessFacts{}, err
	}
	f := cluster.ProcessFacts{Unit: u.active, PID: u.mainPID}
	if u.mainPID > 0 {
		f.Since = startOf(u.mainPID)
		f.Running = u.active == "active" && !f.Since.IsZero()
	}
	return f, nil
}

// kubeletWell asks the kubelet how it is.
func kubeletWell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, kubeletHealth, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.Join(errors.New("the kubelet says "+res.Status), res.Body.Close())
	}
	return res.Body.Close()
}
