package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/demo"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestMain lets this test binary be an etcd member: the processes are real.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "demo-member" {
		if err := demo.RunMember(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// story is a real cluster of three processes with TLS, each on a host of its
// own, and what is done to it.
type story struct {
	*testing.T
	ctx context.Context
	c   *demo.Cluster
	cfg cluster.Config
}

func newStory(t *testing.T) story {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := demo.NewCluster(filepath.Join(t.TempDir(), "demo"), []string{exe, "demo-member"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.KillAll(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, name := range demo.Names() {
		if err := c.Tune(name, demo.Tuning{Quota: 16 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // 25 s on a machine with nothing else to do
	t.Cleanup(cancel)
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return story{T: t, ctx: ctx, c: c, cfg: c.Config()}
}

func (s story) env(host string) Env {
	return Env{Config: s.cfg, Host: host, CaseDir: s.file(host, "")}
}

// file is a file of the case on a host.
func (s story) file(host, name string) string {
	return filepath.Join(s.c.Dir(), "hosts", host, "state", "cases", "c1", name)
}

func (s story) is(host string, a plan.Action, want State) json.RawMessage {
	s.Helper()
	var got State
	var raw json.RawMessage
	err := s.patiently(func() (err error) {
		got, raw, err = Done(s.ctx, s.env(host), a)
		return err
	})
	if err != nil || got != want {
		s.Fatalf("%s on %s is done: %s, want %s (%s, %v)", a.Kind(), host, got, want, raw, err)
	}
	return raw
}

// twice carries an action out that has not happened, looks, and repeats it.
func (s story) twice(host string, a plan.Action) json.RawMessage {
	s.Helper()
	begin := time.Now()
	s.is(host, a, No)
	first := s.do(host, a)
	s.is(host, a, Yes)
	s.do(host, a)
	s.is(host, a, Yes)
	s.Logf("%5.1fs %s on %s: %s", time.Since(begin).Seconds(), a.Kind(), host, first)
	return first
}

func (s story) do(host string, a plan.Action) json.RawMessage {
	s.Helper()
	var raw json.RawMessage
	err := s.patiently(func() (err error) {
		raw, err = Do(s.ctx, s.env(host), a, nil)
		return err
	})
	if err != nil {
		s.Fatalf("%s on %s: %v", a.Kind(), host, err)
	}
	return raw
}

// patiently asks again where etcd had no time to answer, for a minute: on a busy
// machine that says nothing of what is tested. Every other error is an answer.
func (s story) patiently(ask func() error) error {
	for end := time.Now().Add(time.Minute); ; {
		err := ask()
		if err == nil || time.Now().After(end) || s.ctx.Err() != nil {
			return err
		}
		late := slices.ContainsFunc([]string{"no answer in time", "request timed out", "leader changed", "no leader"},
			func(sign string) bool { return strings.Contains(err.Error(), sign) })
		if !late {
			return err
		}
	}
}

// all carries one action out on every member's host at the same time.
func (s story) all(a func(cluster.Member) plan.Action) {
	s.Helper()
	var wait sync.WaitGroup
	for _, m := range s.cfg.Members {
		wait.Go(func() {
			if _, err := Do(s.ctx, s.env(m.Name), a(m), nil); err != nil {
				s.Error(err)
			}
		})
	}
	wait.Wait()
	if s.Failed() {
		s.FailNow()
	}
}

func into[T any](s story, raw json.RawMessage) T {
	s.Helper()
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		s.Fatalf("read %s: %v", raw, err)
	}
	return v
}
