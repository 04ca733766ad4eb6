package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/state"
)

// api asks the API through the load balancer, on a connection of its own.
func (b *bench) api(method, path string, body, out any) error {
	b.Helper()
	c, err := kube.Open(state.Kubeconfig(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	_, err = c.Do(ctx, method, path, body, out)
	return err
}

func missing(err error) bool {
	var s *kube.StatusError
	return errors.As(err, &s) && s.Code == http.StatusNotFound
}

// nodesReady waits until all machines are Ready nodes.
func (b *bench) nodesReady(limit time.Duration) {
	b.Helper()
	b.until(limit, "nodes", func() error {
		c, err := kube.Open(state.Kubeconfig(), "")
		if err != nil {
			return err
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		defer cancel()
		nodes, now, err := c.Nodes(ctx)
		if err != nil {
			return err
		}
		ready := 0
		for _, n := range nodes {
			if n.Ready && now.Sub(n.Renewed) < 20*time.Second {
				ready++
			}
		}
		if ready != len(b.lab.Machines) {
			return fmt.Errorf("%d of %d are Ready", ready, len(b.lab.Machines))
		}
		return nil
	})
}

const deployment = "/apis/apps/v1/namespaces/default/deployments"

// workload makes a deployment whose pods run.
func (b *bench) workload() {
	b.Helper()
	name := "web"
	labels := map[string]any{"app": name}
	body := map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name}, "spec": map[string]any{
		"replicas": 2, "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{
			"containers": []any{map[string]any{"name": name, "image": build.WebImage(), "imagePullPolicy": "Never"}}}},
	}}
	b.until(30*time.Second, "remove the old deployment", func() error {
		if err := b.api(http.MethodDelete, deployment+"/web", nil, nil); err != nil && !missing(err) {
			return err
		}
		return b.api(http.MethodPost, deployment, body, nil)
	})
	b.running(2)
}

// running waits until so many pods of the deployment run.
func (b *bench) running(n int64) {
	b.Helper()
	b.until(2*time.Minute, fmt.Sprintf("%d pods", n), func() error {
		var d struct {
			Status struct {
				AvailableReplicas int64 `json:"availableReplicas"`
			} `json:"status"`
		}
		if err := b.api(http.MethodGet, deployment+"/web", nil, &d); err != nil {
			return err
		}
		if d.Status.AvailableReplicas != n {
			return fmt.Errorf("%d run", d.Status.AvailableReplicas)
		}
		return nil
	})
}

// grows scales the deployment up: scheduler, controllers, kubelets and the
// network all have to work for that.
func (b *bench) grows() {
	b.Helper()
	b.until(time.Minute, "scale up", func() error {
		return b.api(http.MethodPatch, deployment+"/web", json.RawMessage(`{"spec":{"replicas":5}}`), nil)
	})
	b.running(5)
}

// ledger is what the API has acknowledged until the wreck.
type ledger struct {
	b     *bench
	mu    sync.Mutex
	names []string
	stop  context.CancelFunc
	done  chan struct{}
	// outage is the longest time between two acknowledged writes.
	outage, lastAck time.Duration
	begin           time.Time
}

const configMaps = "/api/v1/namespaces/default/configmaps"

// newLedger begins to write, about ten objects a second, until told to stop.
func newLedger(b *bench) *ledger {
	ctx, stop := context.WithCancel(b.ctx)
	l := &ledger{b: b, stop: stop, done: make(chan struct{}), begin: time.Now()}
	prefix := fmt.Sprintf("ledger-%d-", time.Now().Unix())
	go func() {
		defer close(l.done)
		c, err := kube.Open(state.Kubeconfig(), "")
		if err != nil {
			return
		}
		defer c.Close()
		for i := 0; ctx.Err() == nil; i++ {
			name := fmt.Sprintf("%s%05d", prefix, i)
			one, cancel := context.WithTimeout(ctx, 3*time.Second)
			_, err := c.Do(one, http.MethodPost, configMaps, map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
				"metadata": map[string]any{"name": name}, "data": map[string]string{"n": name}}, nil)
			cancel()
			if err == nil {
				l.ack(name)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	b.Cleanup(func() { stop(); <-l.done })
	b.until(30*time.Second, "the writer", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.names) < 20 {
			return fmt.Errorf("%d writes", len(l.names))
		}
		return nil
	})
	return l
}

func (l *ledger) ack(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.begin)
	if l.lastAck > 0 {
		l.outage = max(l.outage, now-l.lastAck)
	}
	l.lastAck = now
	l.names = append(l.names, name)
}

// close ends the writing, so that nothing is written between wreck and
// recovery that a loss might be counted for.
func (l *ledger) close() {
	l.stop()
	<-l.done
}

// gap is the longest time without an acknowledged write.
func (l *ledger) gap() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.outage
}

// lost tells which acknowledged objects are not there.
func (l *ledger) lost() ([]string, error) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string } `json:"metadata"`
		} `json:"items"`
	}
	if err := l.b.api(http.MethodGet, configMaps, nil, &list); err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, i := range list.Items {
		there[i.Metadata.Name] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.names), func(n string) bool { return there[n] }), nil
}

// check demands that nothing that was acknowledged is lost.
func (l *ledger) check() {
	l.b.Helper()
	l.b.until(20*time.Second, "the ledger", func() error {
		lost, err := l.lost()
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			l.b.Errorf("%d of %d acknowledged objects are lost: %s", len(lost), len(l.names), strings.Join(lost[:min(5, len(lost))], ", "))
		}
		return nil
	})
	l.b.Logf("ledger: %d objects acknowledged, longest gap %.1f s", len(l.names), l.gap().Seconds())
}
