package supervise

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cri"
)

const (
	// etcdGrace and holdGrace are how long a member, and what works through an
	// API server, may take to end on SIGTERM. An API server without etcd never
	// ends its open requests, and keeps nothing that could be lost.
	etcdGrace = 3 * time.Second
	holdGrace = time.Second
	// holdSettle is how long a component must stay down.
	holdSettle = time.Second
	// holdLimit is how long everything of it may take to be gone.
	holdLimit = 60 * time.Second
)

// Hold stops the component and makes sure that nothing starts it again: its
// manifest is taken out of the kubelet's folder first, or its unit gets a drop-in
// that lets no start succeed, both of which last over a restart of the machine;
// then its containers are stopped through the runtime,
// or its process by a signal where the runtime does not answer. It returns when
// process, port and sandbox are gone and have stayed so for a second. Holding
// what is held is a success.
func (c Component) Hold(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, holdLimit)
	defer cancel()
	if c.Run.StaticPod == "" {
		return c.holdUnit(ctx)
	}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		return fmt.Errorf("hold %s back: %w", c.Name, err)
	}
	pod, name := c.pod(s), c.podName(s)
	if err := s.park(name); err != nil {
		return fmt.Errorf("hold %s back: %w", c.Name, err)
	}
	return c.awaitGone(ctx, func() error { return c.end(ctx, pod) })
}

func (c Component) holdUnit(ctx context.Context) error {
	if err := fenceUnit(ctx, c.Run.Systemd); err != nil {
		return fmt.Errorf("hold %s back: %w", c.Name, err)
	}
	return c.awaitGone(ctx, func() error { return stopUnit(ctx, unitName(c.Run.Systemd), c.grace()) })
}

func (c Component) grace() time.Duration {
	if c.Member != nil {
		return etcdGrace
	}
	return holdGrace
}

// end stops what runs of a static pod whose manifest is out already.
func (c Component) end(ctx context.Context, pod cri.Pod) error {
	runtime, err := cri.Dial(ctx, c.Node.Socket())
	if err != nil {
		return c.kill(ctx, err)
	}
	defer runtime.Close()
	if err := runtime.Stop(ctx, pod, c.grace()); err != nil {
		return c.kill(ctx, err)
	}
	if c.Member == nil {
		return nil
	}
	// A member that something else than this runtime has started: it holds the
	// files that are at stake.
	return c.kill(ctx, fmt.Errorf("the container runtime at %s does not know it", c.Node.Socket()))
}

// kill ends the process itself: the way when the runtime cannot do it. why is
// what stood in the way of the runtime.
func (c Component) kill(ctx context.Context, why error) error {
	p, err := c.process()
	if err != nil || !p.Running {
		return err
	}
	if own := c.command(); c.Member == nil && own != nil && !slices.Equal(own, p.Command) {
		return fmt.Errorf("process %d (%s) is not what its manifest describes, so it is left alone: end it yourself (%w)", p.PID, cut(strings.Join(p.Command, " "), 120), why)
	}
	if c.Member != nil && !isMember(*c.Member, p.Command) {
		return fmt.Errorf("process %d holds its files, but is not etcd, so it is left alone: end it yourself (%w)", p.PID, why)
	}
	if err := end(ctx, p, c.grace()); err != nil {
		return fmt.Errorf("%w (%w)", err, why)
	}
	return nil
}

// awaitGone stops the component until nothing has been left of it for a while.
func (c Component) awaitGone(ctx context.Context, stop func() error) error {
	var since time.Time
	var last error
	for {
		t, err := c.Traces(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("hold %s back: %w", c.Name, err)
		case !t.Gone():
			since = time.Time{}
			last = stop()
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > holdSettle:
			return nil
		}
		if serr := sleep(ctx, 3*look); serr != nil {
			if last != nil {
				return fmt.Errorf("hold %s back: after %s %s: %w", c.Name, holdLimit, t, last)
			}
			return fmt.Errorf("hold %s back: after %s %s: %w", c.Name, holdLimit, t, serr)
		}
	}
}

// Held tells whether the component is held back: nothing of it is left, and
// nothing would start it.
func (c Component) Held(ctx context.Context) (bool, error) {
	t, err := c.Traces(ctx)
	if err != nil || !t.Gone() {
		return false, err
	}
	if c.Run.StaticPod == "" {
		return fenced(c.Run.Systemd) != "", nil
	}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		return false, err
	}
	doubles, err := s.doubles(c.podName(s))
	return err == nil && len(doubles) == 0 && !exists(s.live()), err
}

func readManifest(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > 1<<20 || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read manifest: %s is no manifest", path)
	}
	return os.ReadFile(path)
}
