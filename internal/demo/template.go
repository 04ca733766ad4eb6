package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Template is a filled and cleanly stopped cluster from which others are
// copied. A copy keeps its ports and identity, so only one of them may run at
// a time.
type Template struct {
	// Filled tells what every copy holds.
	Filled  Filled
	dir     string
	command []string
	members []memberPorts
}

// NewTemplate makes a cluster in dir (see NewCluster), fills it (see Fill) and
// stops it. It does without fsync, because a template that is lost is made
// anew.
func NewTemplate(ctx context.Context, dir string, command []string, objects, revisions int) (*Template, error) {
	c, err := NewCluster(dir, command)
	if err != nil {
		return nil, err
	}
	t := &Template{dir: c.dir, command: command, members: c.members}
	t.Filled, err = fillOnce(ctx, c, objects, revisions)
	if err != nil {
		err = errors.Join(fmt.Errorf("make template: %w", err), c.KillAll())
	}
	return t, errors.Join(err, c.Close())
}

func fillOnce(ctx context.Context, c *Cluster, objects, revisions int) (Filled, error) {
	for _, m := range c.members {
		if err := c.Tune(m.name, Tuning{NoFsync: true}); err != nil {
			return Filled{}, err
		}
	}
	if err := c.Start(ctx); err != nil {
		return Filled{}, err
	}
	leader, err := c.Leader(ctx)
	if err != nil {
		return Filled{}, err
	}
	client, err := c.Client(leader) // spares the leader's peers the forwarding
	if err != nil {
		return Filled{}, err
	}
	filled, err := Fill(ctx, client, objects, revisions)
	if err := errors.Join(err, client.Close()); err != nil {
		return filled, err
	}
	return filled, c.Stop(ctx)
}

// Copy makes a cluster in dir with the template's data, certificates of its
// own, and etcd's default tuning. Nothing is started.
func (t *Template) Copy(dir string) (*Cluster, error) {
	c, err := layOut(dir, t.command, t.members)
	if err != nil {
		return nil, err
	}
	if err := t.copyData(c); err != nil {
		return nil, errors.Join(fmt.Errorf("copy template: %w", err), c.Close())
	}
	return c, nil
}

func (t *Template) copyData(c *Cluster) error {
	if err := c.portsFree(); err != nil {
		return err
	}
	for _, m := range t.members {
		if err := copyTree(filepath.Join(t.dir, "hosts", m.name, "etcd"), c.DataDir(m.name)); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the template's files; its copies need it no more.
func (t *Template) Remove() error { return os.RemoveAll(t.dir) }
