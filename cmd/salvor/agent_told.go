package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/salvor-project/salvor/internal/agent"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
)

// toldKey holds, in etcd, what the agents have told and nobody was told the end
// of.
const toldKey = "/salvor/told"

// toldLimit is how long etcd may take: who tells something does not wait for it.
const toldLimit = 5 * time.Second

func readTold(cfg cluster.Config) func(context.Context) (agent.Told, error) {
	return func(ctx context.Context) (t agent.Told, err error) {
		err = anyMember(ctx, cfg, func(ctx context.Context, c *etcd.Client) error {
			text, found, err := c.Read(ctx, toldKey)
			if err != nil || !found {
				return err
			}
			return json.Unmarshal([]byte(text), &t)
		})
		return t, err
	}
}

func writeTold(cfg cluster.Config) func(context.Context, agent.Told) error {
	return func(ctx context.Context, t agent.Told) error {
		b, err := json.Marshal(t)
		if err != nil {
			return err
		}
		return anyMember(ctx, cfg, func(ctx context.Context, c *etcd.Client) error { return c.Put(ctx, toldKey, string(b)) })
	}
}

// anyMember does something with whichever member answers first.
func anyMember(ctx context.Context, cfg cluster.Config, do func(context.Context, *etcd.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, toldLimit)
	defer cancel()
	failed := []error{errors.New("no etcd member answers")}
	for _, m := range cfg.Members {
		err := func() error {
			c, err := etcd.Dial(ctx, m.ClientURLs, cfg.Client)
			if err != nil {
				return err
			}
			defer c.Close()
			limit, cancel := context.WithTimeout(ctx, toldLimit/2)
			defer cancel()
			return do(limit, c)
		}()
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
