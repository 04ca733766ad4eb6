package observe

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// caller reaches a machine by waiting for the first byte that it says.
type caller struct {
	address string
	takes   time.Duration
}

func (c caller) Reach(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_, err = conn.Read(make([]byte, 1))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c caller) Observe(ctx context.Context, _ cluster.Config) (cluster.HostFacts, error) {
	select {
	case <-ctx.Done():
		return cluster.HostFacts{}, ctx.Err()
	case <-time.After(c.takes):
		return cluster.HostFacts{Reached: cluster.Is(cluster.HostInfo{})}, nil
	}
}

func (caller) Changes(context.Context, cluster.Config, []int64) (map[string][]cluster.Changes, error) {
	return nil, nil
}

func (caller) HashAt(context.Context, cluster.Config, string, int64) (cluster.HashKV, error) {
	return cluster.HashKV{}, errors.New("no member")
}

// listen accepts connections and says something after a while; never when the
// while is 0.
func listen(t *testing.T, after time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		var held []net.Conn // one that nobody holds is closed by the collector
		for {
			conn, err := l.Accept()
			if err != nil {
				for _, c := range held {
					_ = c.Close()
				}
				return
			}
			held = append(held, conn)
			if after > 0 {
				time.AfterFunc(after, func() { _, _ = conn.Write([]byte{1}) })
			}
		}
	}()
	return l.Addr().String()
}

// TestPatience: a machine that accepts connections and says nothing is given up
// soon after all others have answered, and not before; one that is only slower
// than they are is waited for.
func TestPatience(t *testing.T) {
	t.Parallel()
	silent := listen(t, 0)
	for name, c := range map[string]struct {
		others      []caller
		reached     int
		least, most time.Duration
	}{
		"others answered at once":    {[]caller{{listen(t, time.Millisecond), 0}, {listen(t, time.Millisecond), 0}}, 2, patienceLeast, patienceLeast + 1500*time.Millisecond},
		"another one answers later":  {[]caller{{listen(t, time.Millisecond), 3 * time.Second}}, 1, 3 * time.Second, 4500 * time.Millisecond},
		"all ways are slow":          {[]caller{{listen(t, 700*time.Millisecond), 0}}, 1, patienceTimes * 700 * time.Millisecond, 5500 * time.Millisecond},
		"one is slow, and not dead":  {[]caller{{listen(t, time.Millisecond), 0}, {listen(t, 1200*time.Millisecond), 0}}, 2, patienceLeast, 8 * time.Second},
		"nobody else, until the end": {nil, 0, 6 * time.Second, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var hosts []Reached
			for _, o := range append([]caller{{silent, 0}}, c.others...) {
				hosts = append(hosts, Reached{Host: cluster.Host{Name: o.address}, Asker: o})
			}
			began := time.Now()
			f := Gather(t.Context(), cluster.Config{}, hosts, began, 6*time.Second, HashNone)
			took, reached := time.Since(began), 0
			for _, h := range f.Hosts {
				if h.Reached.OK {
					reached++
				}
			}
			if took < c.least || took > c.most || reached != c.reached {
				t.Errorf("%s, %d reached: %v", took, reached, f.Hosts)
			}
			if why := f.Hosts[0].Reached.Why; len(c.others) > 0 && !strings.Contains(why, "all others had answered") {
				t.Errorf("the silent one: %s", why)
			}
		})
	}
}

// talker is a caller that has heard from its machine, to which the way is long.
type talker struct{ caller }

func (talker) Spoke() bool { return true }

// TestPatienceWithATalker: salvor travels to one machine for the first time,
// while all others have it already.
func TestPatienceWithATalker(t *testing.T) {
	t.Parallel()
	hosts := []Reached{{Asker: caller{listen(t, time.Millisecond), 0}}, {Asker: talker{caller{listen(t, patienceLeast+time.Second), 0}}}}
	f := Gather(t.Context(), cluster.Config{}, hosts, time.Now(), 6*time.Second, HashNone)
	if !f.Hosts[0].Reached.OK || !f.Hosts[1].Reached.OK {
		t.Errorf("given up: %v", f.Hosts)
	}
}
