package etcd_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
)

func TestTurn(t *testing.T) {
	n := run(t, 1)[0]
	dial := func() *etcd.Client {
		c, err := etcd.Dial(t.Context(), n.ClientURLs, cluster.TLS{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	const key, ttl = "/salvor/turn", 2 * time.Second
	a, b := dial(), dial()
	first, err := a.Take(t.Context(), key, "first", ttl)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Take(t.Context(), key, "second", ttl); !errors.Is(err, etcd.ErrTaken) || !strings.Contains(err.Error(), "first") {
		t.Fatalf("got %v, want to hear that first has it", err)
	}
	if until, err := first.Fence(t.Context()); err != nil || time.Until(until) > ttl || time.Until(until) <= 0 {
		t.Fatalf("fence until %v, %v", until, err)
	}
	if err := first.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := b.Take(t.Context(), key, "second", ttl)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Fence(t.Context()); !errors.Is(err, etcd.ErrLost) {
		t.Errorf("got %v, want a lost turn", err)
	}
	// It lives as long as its holder renews it, and no longer: a holder that
	// cannot reach etcd stands for one that stands still.
	time.Sleep(2 * ttl)
	if _, err := second.Fence(t.Context()); err != nil {
		t.Errorf("a turn that was renewed is lost: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	var third *etcd.Turn
	for deadline := time.Now().Add(10 * ttl); ; time.Sleep(50 * time.Millisecond) {
		if third, err = a.Take(t.Context(), key, "third", ttl); err == nil {
			break
		}
		if !errors.Is(err, etcd.ErrTaken) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if _, err := second.Fence(t.Context()); !errors.Is(err, etcd.ErrLost) {
		t.Errorf("got %v, want a lost turn", err)
	}
	if err := third.End(t.Context()); err != nil {
		t.Fatal(err)
	}
}
