package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/agent"
	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cron"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

const (
	turnKey = "/salvor/agent" // in etcd, outside of what Kubernetes uses
	turnTTL = 30 * time.Second
)

func (a *app) agentCommand() *cobra.Command {
	once := false
	rank := -1
	c := &cobra.Command{
		Use:   "agent",
		Short: "Make backups by the schedule of salvor.yaml, prove them, and look after the vault",
		Long: `Agent runs on every master, under systemd (packaging/salvor-agent.service) or in
a pod. One of them makes each backup: they take turns by a lease in etcd, and one
that has stood still cannot finish what another has taken over. Without a quorum
they go one after the other. A backup that was missed is made up for. A failure
is tried again, with growing pauses, and told to the webhook, as is the recovery.

With --once it makes one backup now and exits: 0 also when another agent is at it.

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	c.Flags().BoolVar(&once, "once", false, "make one backup now, with proof and clean-up, and exit")
	c.Flags().IntVar(&rank, "rank", -1, "this agent's place among all, from 0 on, for the time without a quorum (default: that of the local host in salvor.yaml)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.formats("text"); err != nil {
			return err
		}
		cfg, err := a.load()
		if err != nil {
			return err
		}
		if cfg.Backup == nil {
			cfg.Backup = &cluster.Backup{}
		}
		switch {
		case cfg.Vault == nil:
			return hint(errors.New("salvor.yaml does not say where to back up"), "describe vault there (docs/CONFIG.md), then `salvor vault init`")
		case cfg.Backup.Schedule == "" && !once:
			return hint(errors.New("salvor.yaml does not say when to back up"), "set backup.schedule there, such as \"0 * * * *\"; --once makes one backup now")
		}
		return a.runAgent(c.Context(), cfg, rank, once)
	}
	return c
}

func (a *app) runAgent(ctx context.Context, cfg cluster.Config, rank int, once bool) error {
	state := agentState(cfg)
	folder, err := agent.OpenFolder(state)
	if err != nil {
		return err
	}
	defer folder.Close()
	w := &agentWork{app: a, cfg: cfg}
	conf := agent.Config{Cluster: cfg.Cluster, Who: who(), Jitter: time.Duration(cfg.Backup.Jitter), Work: w, State: folder, Log: a.log, Rank: rank,
		Take: func(ctx context.Context) (agent.Turn, error) {
			return takeTurn(ctx, here(cfg), who(), cmp.Or(a.turnTTL, turnTTL))
		}}
	if conf.Rank < 0 {
		conf.Rank = max(0, slices.IndexFunc(cfg.Hosts, local))
	}
	conf.ReadTold, conf.WriteTold = readTold(here(cfg)), writeTold(here(cfg))
	if cfg.Backup.WebhookFile != "" {
		conf.Notify = agent.Webhook(backup.Expand(cfg.Backup.WebhookFile))
	}
	if cfg.Backup.Schedule != "" {
		if conf.Schedule, err = cron.Parse(cfg.Backup.Schedule); err != nil {
			return err
		}
	}
	one, err := agent.New(conf)
	if err != nil {
		return err
	}
	if once {
		if err := one.Once(ctx); !errors.Is(err, agent.ErrTaken) {
			return err
		}
		a.log("another agent is at it")
		return nil
	}
	serving := make(chan error, 1)
	if cfg.Backup.Listen != "" {
		go func() { serving <- agent.Serve(ctx, cfg.Backup.Listen, one.Handler(w.metrics)) }()
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- one.Run(working) }()
	a.log("schedule %s (UTC), state in %s", cfg.Backup.Schedule, state)
	select {
	case err := <-serving: // an agent that nobody can ask would be taken for dead
		stop()
		if runErr := <-done; !errors.Is(runErr, context.Canceled) {
			err = errors.Join(err, runErr)
		}
		return err
	case err := <-done:
		if ctx.Err() != nil {
			return nil // told to stop
		}
		return err
	}
}

func local(h cluster.Host) bool { return h.Via != cluster.ViaSSH }

// here is the configuration as this machine reads it: with its own client
// files.
func here(cfg cluster.Config) cluster.Config {
	if i := slices.IndexFunc(cfg.Hosts, local); i >= 0 {
		return cfg.On(cfg.Hosts[i].Name)
	}
	return cfg
}

// log writes a line with its time, for the journal.
func (a *app) log(format string, args ...any) {
	fmt.Fprintf(a.err, "%s %s\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, args...))
}

// agentWork is what an agent does: a backup, its proof, and the vault's care.
type agentWork struct {
	app *app
	cfg cluster.Config

	mu   sync.Mutex
	text string // the vault's metrics, as of the last look
}

func (w *agentWork) open(o backup.Options) (*backup.Vault, error) {
	v, _, err := w.app.openVaultOf(w.cfg, o)
	return v, err
}

// proves tells whether backups are proven here: proofs are wanted, and the
// private key is at hand.
func (w *agentWork) proves() bool {
	v := w.cfg.Vault
	return !w.cfg.Backup.Unproven && (v.Identity != "" || v.PassphraseFile != "" || v.Plain)
}

// Newest gives when the newest backup of this cluster was made that is proven,
// where this agent can prove.
func (w *agentWork) Newest(ctx context.Context) (time.Time, error) {
	v, err := w.open(backup.Options{})
	if err != nil {
		return time.Time{}, err
	}
	defer v.Close()
	return v.Newest(ctx, w.identity(ctx), time.Now(), w.proves())
}

// identity reads which cluster it is, as far as the data tells.
func (w *agentWork) identity(ctx context.Context) catalog.Cluster {
	of, err := w.app.identity(ctx, w.cfg)
	if err != nil {
		w.app.log("which cluster this is, is not all known: %v", err)
	}
	return of
}

// Backup makes a backup, proves it, completes copies and prunes. One that was
// made since due and that no proof has tried, as after a kill, is proven in its
// place.
func (w *agentWork) Backup(ctx context.Context, due time.Time, fence func(context.Context) (time.Time, error)) (agent.Made, error) {
	v, err := w.open(backup.Options{Seal: true, Write: true})
	if err != nil {
		return agent.Made{}, err
	}
	defer v.Close()
	if !due.IsZero() && w.proves() {
		e, ok, err := v.Untried(ctx, w.identity(ctx), due, time.Now())
		if err != nil {
			return agent.Made{}, err
		}
		if ok {
			w.app.log("backup %s was made and never proven: it is proven now", e.Manifest.ID)
			err = w.prove(ctx, v, e.Manifest.ID)
			w.care(ctx, v)
			return w.made(ctx, v, e.Manifest.ID, nil), err
		}
	}
	done, err := w.app.backUp(ctx, v, w.cfg, fence)
	if err != nil {
		return agent.Made{}, err
	}
	id := done.Manifest.ID
	for name, err := range done.Failed {
		w.app.log("backup %s has no copy on target %s yet: %v", id, name, err)
	}
	for _, n := range done.Manifest.Missing {
		w.app.log("backup %s: %s", id, noteText(n))
	}
	err = w.prove(ctx, v, id)
	w.care(ctx, v)
	return w.made(ctx, v, id, done.Failed), err
}

// made tells which targets lack a backup after the vault's care, with the reason
// why they did not take it.
func (w *agentWork) made(ctx context.Context, v *backup.Vault, id string, failed map[string]error) agent.Made {
	newest, lacking, err := v.Lacking(ctx, w.identity(ctx), time.Now())
	if err != nil || newest != id { // what failed is all that is known
		lacking = map[string]string{}
		for _, t := range v.Targets {
			if failed[t.Name()] != nil && !t.Properties().Absent {
				lacking[t.Name()] = ""
			}
		}
	}
	for name, why := range failed {
		if _, is := lacking[name]; is {
			lacking[name] = why.Error()
		}
	}
	return agent.Made{Backup: id, Lacking: lacking}
}

// Lacking gives the targets that have no copy of the newest backup of this
// cluster.
func (w *agentWork) Lacking(ctx context.Context) (agent.Made, error) {
	v, err := w.open(backup.Options{})
	if err != nil {
		return agent.Made{}, err
	}
	defer v.Close()
	id, lacking, err := v.Lacking(ctx, w.identity(ctx), time.Now())
	return agent.Made{Backup: id, Lacking: lacking}, err
}

// prove proves what was made, where the private key is at hand.
func (w *agentWork) prove(ctx context.Context, v *backup.Vault, id string) error {
	if !w.proves() {
		if !w.cfg.Backup.Unproven {
			w.app.log("backup %s is not proven: the private key is not kept here; run `salvor vault prove` where it is", id)
		}
		return nil
	}
	cat, err := v.List(ctx)
	if err != nil {
		return err
	}
	e, ok := cat.Find(id)
	if !ok {
		return fmt.Errorf("backup %s was made and is not in the vault: a target has forgotten it", id)
	}
	proof, err := v.Prove(ctx, e, backup.Proving{Scratch: scratchOf(w.cfg), Who: "agent on " + who(), Say: w.app.log})
	if errors.Is(err, backup.ErrProof) {
		var why []string
		for _, n := range proof.Notes {
			why = append(why, noteText(n).String())
		}
		err = fmt.Errorf("%w: %s", err, strings.Join(why, " "))
	}
	return err
}

// care completes copies, prunes and cleans up; what fails is tried again next
// time, and shows in the vault's status.
func (w *agentWork) care(ctx context.Context, v *backup.Vault) {
	copied, err := v.CompleteKept(ctx, time.Now())
	for _, c := range copied {
		err = errors.Join(err, c.Err)
	}
	if err != nil {
		w.app.log("copies are not complete: %v", err)
	}
	if err := v.LockKept(ctx, time.Now()); err != nil {
		w.app.log("locks are not set: %v", err)
	}
	if _, dropped, err := v.Prune(ctx, v.Policy, false); err != nil {
		w.app.log("%v", err)
	} else {
		for _, d := range dropped {
			w.app.log("dropped %s from %s%s", d.Backup, d.Target, because(d.Err))
		}
	}
	if _, err := v.Collect(ctx); err != nil {
		w.app.log("clean up: %v", err)
	}
	s, err := v.Status(ctx, time.Now())
	if err != nil {
		w.app.log("%v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = s.Metrics()
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func (w *agentWork) metrics() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text
}

// turn is a turn with the connection that holds it.
type turn struct {
	*etcd.Turn
	c *etcd.Client
}

// Fence is that of etcd, in the words of an agent.
func (t turn) Fence(ctx context.Context) (time.Time, error) {
	until, err := t.Turn.Fence(ctx)
	if errors.Is(err, etcd.ErrLost) {
		err = fmt.Errorf("%w: %w", agent.ErrLost, err)
	}
	return until, err
}

func (t turn) End(ctx context.Context) error { return errors.Join(t.Turn.End(ctx), t.c.Close()) }

// takeTurn takes the turn through whichever member answers.
func takeTurn(ctx context.Context, cfg cluster.Config, owner string, ttl time.Duration) (agent.Turn, error) {
	var failed []error
	for _, m := range cfg.Members {
		c, err := etcd.Dial(ctx, m.ClientURLs, cfg.Client)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		limit, cancel := context.WithTimeout(ctx, 5*time.Second)
		t, err := c.Take(limit, turnKey, owner, ttl)
		cancel()
		if err == nil {
			return turn{t, c}, nil
		}
		_ = c.Close() // it was only asked
		if errors.Is(err, etcd.ErrTaken) {
			return nil, fmt.Errorf("%w: %w", agent.ErrTaken, err)
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}
