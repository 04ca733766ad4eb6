package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// memberFlags is the command line of a member: a few of etcd's own flags,
// which win over the configuration file as a recovery needs it.
type memberFlags struct {
	config, guard string

	dataDir, name, cluster, state, token string
	forceNew                             bool
}

func parseMember(args []string) (memberFlags, error) {
	var m memberFlags
	f := flag.NewFlagSet("demo-member", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&m.config, "config-file", "", "etcd's configuration file")
	f.StringVar(&m.guard, "guard", "", "the member ends when this file's lock is free")
	f.StringVar(&m.dataDir, "data-dir", "", "as in etcd")
	f.StringVar(&m.name, "name", "", "as in etcd")
	f.StringVar(&m.cluster, "initial-cluster", "", "as in etcd")
	f.StringVar(&m.state, "initial-cluster-state", "", "as in etcd")
	f.StringVar(&m.token, "initial-cluster-token", "", "as in etcd")
	f.BoolVar(&m.forceNew, "force-new-cluster", false, "as in etcd")
	if err := f.Parse(args); err != nil {
		return memberFlags{}, fmt.Errorf("read the member's command line: %w", err)
	}
	if f.NArg() > 0 {
		return memberFlags{}, fmt.Errorf("read the member's command line: unexpected argument %q", f.Arg(0))
	}
	if m.config == "" {
		return memberFlags{}, errors.New("read the member's command line: --config-file is missing")
	}
	return m, nil
}

func (m memberFlags) load() (*embed.Config, error) {
	cfg, err := embed.ConfigFromFile(m.config)
	if err != nil {
		return nil, fmt.Errorf("read member configuration %s: %w", m.config, err)
	}
	for _, o := range []struct {
		to   *string
		from string
	}{
		{&cfg.Dir, m.dataDir}, {&cfg.Name, m.name}, {&cfg.InitialCluster, m.cluster},
		{&cfg.ClusterState, m.state}, {&cfg.InitialClusterToken, m.token},
	} {
		if o.from != "" {
			*o.to = o.from
		}
	}
	cfg.ForceNewCluster = cfg.ForceNewCluster || m.forceNew
	return cfg, nil
}

// RunMember runs one etcd member in this process until ctx ends, SIGTERM or
// SIGINT arrives (then it stops cleanly and returns nil), or etcd fails. args
// are --config-file FILE (etcd's own configuration file), --guard FILE, and of
// etcd's flags --data-dir, --name, --initial-cluster, --initial-cluster-state,
// --initial-cluster-token and --force-new-cluster.
//
// While another process holds the exclusive flock of the guard file the member
// lives; when that process ends, however it ends, the member ends too. As in
// etcd itself some fatal errors end the whole process with a message on
// standard error.
func RunMember(ctx context.Context, args []string) error {
	flags, err := parseMember(args)
	if err != nil {
		return err
	}
	cfg, err := flags.load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	orphaned := make(chan error, 1)
	if flags.guard != "" {
		go func() { orphaned <- awaitGuard(flags.guard); endHard() }()
	}
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start etcd member %s: %w", cfg.Name, err)
	}
	select {
	case <-ctx.Done():
		e.Close()
		return nil
	case err := <-orphaned:
		e.Close()
		return err
	case err := <-e.Err():
		return fmt.Errorf("run etcd member %s: %w", cfg.Name, err)
	case <-e.Server.StopNotify():
		return fmt.Errorf("run etcd member %s: it stopped by itself", cfg.Name)
	}
}

// orphanGrace is how long an orphaned member may take to stop cleanly.
const orphanGrace = 3 * time.Second

// endHard ends a process that did not end in time: a member whose demo is
// gone may hang in a start that waits for others.
func endHard() {
	time.Sleep(orphanGrace)
	os.Exit(1)
}
