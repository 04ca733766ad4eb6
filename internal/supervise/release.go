package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cri"
)

const (
	// releaseLimit is how long a component may take until it runs: a kubelet
	// may have to be started, and sandboxes made.
	releaseLimit = 150 * time.Second
	// releaseKick is how long a kubelet may take to notice a manifest. One that
	// waits for an API server, or counts the failures of the pod's earlier life,
	// takes minutes; started anew it does so at once.
	releaseKick = 3 * time.Second
	// kubeletYouth is how long a kubelet is left alone after its start: it may
	// still be taking stock of what it found.
	kubeletYouth = 45 * time.Second
)

// Release lets the component run again and waits until its process has lived
// for a second and, for an etcd member, one of its client ports accepts. The
// manifest returns by rename; with an override it is a new one, and the old is
// kept. A kubelet that does not run, or does not notice, is started (anew). What
// runs already is only waited for.
func (c Component) Release(ctx context.Context, o Override) (cluster.ProcessFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, releaseLimit)
	defer cancel()
	var facts cluster.ProcessFacts
	var err error
	if c.Run.StaticPod == "" {
		facts, err = c.releaseUnit(ctx)
	} else {
		facts, err = c.releasePod(ctx, o)
	}
	if err != nil {
		return facts, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return facts, nil
}

func (c Component) releaseUnit(ctx context.Context) (cluster.ProcessFacts, error) {
	name := unitName(c.Run.Systemd)
	if err := unfenceUnit(ctx, name); err != nil {
		return cluster.ProcessFacts{}, err
	}
	_ = systemctl(ctx, "reset-failed", name) // nothing to reset is no error worth a word
	begin := time.Now()
	if err := systemctl(ctx, "start", "--no-block", name); err != nil {
		return cluster.ProcessFacts{}, err
	}
	for {
		u, err := show(ctx, name)
		if err != nil {
			return cluster.ProcessFacts{}, err
		}
		if u.active == "failed" || u.sub == "auto-restart" {
			return cluster.ProcessFacts{Unit: u.active}, fmt.Errorf("unit %s is %s (%s): %s", name, u.active, u.result, lastWords(journal(ctx, name, begin)))
		}
		p, err := c.process()
		if err != nil {
			return p, err
		}
		if p.Unit = u.active; p.Running && time.Since(p.Since) > startSettle {
			return p, nil
		}
		if err := sleep(ctx, 4*look); err != nil {
			return p, fmt.Errorf("unit %s is %s after %s", name, u.active, releaseLimit)
		}
	}
}

func (c Component) releasePod(ctx context.Context, o Override) (cluster.ProcessFacts, error) {
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		return cluster.ProcessFacts{}, err
	}
	if err := c.putBack(s, o); err != nil {
		return cluster.ProcessFacts{}, err
	}
	if u, err := show(ctx, c.Node.Unit()); err != nil || u.active != "active" {
		if err := StartKubelet(ctx, c.Node); err != nil {
			return cluster.ProcessFacts{}, err
		}
	}
	return c.awaitPod(ctx, c.pod(s))
}

// putBack brings the manifest to the kubelet's folder, rewritten if it has to
// be. A manifest that is there and would be rewritten is taken out first.
func (c Component) putBack(s shelf, o Override) error {
	if o.Original != "" {
		if err := c.restore(s, o.Original); err != nil {
			return err
		}
	}
	if o.InitialCluster != "" && exists(s.live()) {
		b, err := readManifest(s.live())
		if err != nil {
			return err
		}
		if _, same, err := o.rewrite(b); err != nil || same {
			return err
		}
		if err := s.park(c.podName(s)); err != nil {
			return err
		}
	}
	if exists(s.live()) {
		return nil
	}
	b, err := readManifest(s.parked())
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: neither %s nor %s exists; put a copy there, from a backup or from another machine with its names and addresses changed", ErrNoManifest, s.live(), s.parked())
	}
	if err != nil {
		return err
	}
	if o.InitialCluster != "" {
		next, same, err := o.rewrite(b)
		if err != nil {
			return err
		}
		if !same {
			if err := s.keepFor(o.Case); err != nil {
				return err
			}
			if err := s.replace(next); err != nil {
				return err
			}
		}
	}
	return s.unpark()
}

// restore takes back what a case has written into the manifest, if it has.
func (c Component) restore(s shelf, of string) error {
	was, err := readManifest(s.before(of))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, path := range []string{s.live(), s.parked()} {
		if now, err := readManifest(path); err == nil && bytes.Equal(now, was) {
			return nil
		}
	}
	if err := s.park(c.podName(s)); err != nil {
		return err
	}
	return s.replace(was)
}

// awaitPod waits for the process, and starts a kubelet anew that does not do
// its work.
func (c Component) awaitPod(ctx context.Context, pod cri.Pod) (cluster.ProcessFacts, error) {
	begin := time.Now()
	var deaths []int
	for {
		p, err := c.process()
		if err != nil {
			return p, err
		}
		if p.Running && !slices.Contains(deaths, p.PID) {
			deaths = append(deaths, p.PID)
		}
		if p.Running && time.Since(p.Since) > startSettle && (c.Member == nil || Accepts(ctx, *c.Member)) {
			return p, nil
		}
		if len(deaths) > 3 {
			return p, fmt.Errorf("it ends again and again: %s", lastWords(podLog(pod)))
		}
		if !p.Running && len(deaths) == 0 && time.Since(begin) > releaseKick {
			if err := c.kick(ctx); err != nil {
				return p, err
			}
		}
		if err := sleep(ctx, 2*look); err != nil {
			return p, c.why(pod, len(deaths))
		}
	}
}

// kick starts a kubelet anew that has been there for a while.
func (c Component) kick(ctx context.Context) error {
	k, err := Kubelet(ctx, c.Node)
	switch {
	case err != nil:
		return err
	case !k.Running:
		return StartKubelet(ctx, c.Node)
	case time.Since(k.Since) < kubeletYouth:
		return nil
	}
	return RestartKubelet(ctx, c.Node)
}

// why says what kept a pod from running, as far as this machine tells.
func (c Component) why(pod cri.Pod, deaths int) error {
	if deaths > 0 {
		return fmt.Errorf("it does not stay, or does not answer, for %s: %s", releaseLimit, lastWords(podLog(pod)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if runtime, err := cri.Dial(ctx, c.Node.Socket()); err != nil {
		return fmt.Errorf("after %s its kubelet has not started it, because the container runtime does not answer: %w: look at `systemctl status containerd`", releaseLimit, err)
	} else if err := runtime.Close(); err != nil {
		return err
	}
	return fmt.Errorf("after %s its kubelet has not started it: %s", releaseLimit, lastWords(journal(ctx, c.Node.Unit(), time.Now().Add(-time.Minute))))
}

// podLog reads the newest log of a static pod's container, without the prefix
// of the runtime (k8s.io/cri-client/pkg/logs: TIME STREAM TAG LINE).
func podLog(p cri.Pod) string {
	files, err := filepath.Glob(filepath.Join("/var/log/pods", p.Namespace+"_"+p.Name+"_*", "*", "*.log"))
	if err != nil {
		return ""
	}
	newest, at := "", time.Time{}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.ModTime().After(at) {
			newest, at = f, info.ModTime()
		}
	}
	var b strings.Builder
	for line := range strings.Lines(tail(newest, 0)) {
		if f := strings.SplitN(line, " ", 4); len(f) == 4 {
			b.WriteString(f[3])
		}
	}
	return b.String()
}
