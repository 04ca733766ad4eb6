package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

func (a *app) guardCommand() *cobra.Command {
	within := time.Duration(0)
	var o vaultFlags
	c := &cobra.Command{
		Use:   "guard [--within 10m] -- COMMAND [ARG...]",
		Short: "Take a proven backup, and run a dangerous command only then",
		Long: `Guard backs the control plane up, proves the backup by restoring it, and only
then runs the command, whose exit code it ends with. If the backup or its proof
fails, the command is not run. What the bundle lacks is said and stops nothing.

Example:
  salvor guard -- kubeadm upgrade apply v1.34.2

` + exitCodes,
		Args: args(cobra.MinimumNArgs(1)),
	}
	c.Flags().SetInterspersed(false) // flags behind the command are its own
	c.Flags().DurationVar(&within, "within", 0, "a proven backup that is no older will do")
	o.addIdentity(c)
	c.RunE = func(c *cobra.Command, list []string) error {
		path, err := exec.LookPath(list[0])
		if err != nil {
			return usageError{err} // before anything is done
		}
		err = a.withVault(c.Context(), &o, backup.Options{Seal: true, Write: true}, []string{"text"}, func(ctx context.Context, v *backup.Vault, cfg cluster.Config) error {
			return a.guarded(ctx, v, cfg, within)
		})
		if err != nil {
			return hint(err, "`%s` was NOT run", strings.Join(list, " "))
		}
		if err := c.Context().Err(); err != nil {
			return hint(err, "`%s` was NOT run", strings.Join(list, " "))
		}
		run := exec.Command(path, list[1:]...)
		run.Stdin, run.Stdout, run.Stderr = a.in, a.out, a.err
		return runToItsEnd(run)
	}
	return c
}

// runToItsEnd runs a command that must not be killed in its middle, such as an
// upgrade: SIGTERM is passed on to it, Ctrl-C it gets from the terminal as we
// do, and it is waited for in any case.
func runToItsEnd(run *exec.Cmd) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	defer signal.Stop(stop)
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt) // we stay until the command has ended
	defer signal.Stop(interrupts)
	if err := run.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	for {
		select {
		case s := <-stop:
			_ = run.Process.Signal(s) // it may have ended
		case err := <-ended:
			return exitOf(run.Path, err)
		}
	}
}

// exitOf gives a command's end as our own exit code; 128 and more is a signal,
// as shells have it.
func exitOf(name string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	code := exit.ExitCode()
	if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		code = 128 + int(w.Signal())
	}
	return commandExit{fmt.Errorf("%s: %w", name, err), code}
}

// guarded makes sure that there is a proven backup.
func (a *app) guarded(ctx context.Context, v *backup.Vault, cfg cluster.Config, within time.Duration) error {
	if within > 0 {
		if ok, err := a.recentEnough(ctx, v, cfg, within); ok || err != nil {
			return err
		}
	}
	if _, err := v.Identities(); err != nil {
		return fmt.Errorf("a backup could not be proven here: %w", err) // before one is made
	}
	done, err := a.backUp(ctx, v, cfg, nil)
	if err != nil {
		return err
	}
	for _, n := range done.Manifest.Missing {
		fmt.Fprintf(a.err, "lacks: %s\n", noteText(n).In(a.language()))
	}
	e, err := proveNow(ctx, v, done)
	if err != nil {
		return err
	}
	proof, err := v.Prove(ctx, e, backup.Proving{Scratch: scratchOf(cfg), Who: who(), Say: a.progressSay()})
	if err != nil {
		return fmt.Errorf("%w: %w", errVerdict, err)
	}
	fmt.Fprintf(a.err, "backup %s is proven up to L%d\n", proof.Backup, proof.Level)
	return nil
}

// recentEnough tells whether a proven backup of the data that lives now is no
// older than within.
func (a *app) recentEnough(ctx context.Context, v *backup.Vault, cfg cluster.Config, within time.Duration) (bool, error) {
	of, err := a.identity(ctx, cfg)
	if err != nil {
		fmt.Fprintf(a.err, "%v: no earlier backup counts\n", err)
		return false, ctx.Err()
	}
	cat, err := v.List(ctx)
	if err != nil {
		return false, err
	}
	for _, e := range cat.Entries {
		old := time.Since(e.Manifest.Created)
		if proof, ok := e.Proven(v.Objectives.ProofLevel); ok && e.Recoverable() && backup.Of(e.Manifest, of) && old >= 0 && old <= within {
			fmt.Fprintf(a.err, "backup %s is %s old and proven %s\n", e.Manifest.ID, ago(old), proof.When.Format(time.RFC3339))
			return true, nil
		}
	}
	return false, nil
}

// identity reads from the data which cluster it is.
func (a *app) identity(ctx context.Context, cfg cluster.Config) (catalog.Cluster, error) {
	fleet, err := a.fleet(cfg)
	if err != nil {
		return catalog.Cluster{Name: cfg.Cluster}, err
	}
	defer fleet.Close()
	return backup.Identity(ctx, fleet)
}

// proveNow finds what was just made.
func proveNow(ctx context.Context, v *backup.Vault, done backup.Done) (catalog.Entry, error) {
	cat, err := v.List(ctx)
	if err != nil {
		return catalog.Entry{}, err
	}
	e, ok := cat.Find(done.Manifest.ID)
	if !ok {
		return e, fmt.Errorf("%w: backup %s was made and is not in the vault", errVerdict, done.Manifest.ID)
	}
	return e, nil
}

// scratchOf gives the folder in which backups are proven: the configured one,
// else one of the agent's own, since the temporary folder may lie in memory. It
// is empty, which is the temporary one, where that cannot be made.
func scratchOf(cfg cluster.Config) string {
	if cfg.Backup != nil && cfg.Backup.Scratch != "" {
		return backup.Expand(cfg.Backup.Scratch)
	}
	if len(cfg.Hosts) == 0 {
		return ""
	}
	dir := filepath.Join(agentState(cfg), "scratch")
	if err := durable.MakeDir(dir); err != nil {
		return ""
	}
	return dir
}

// agentState gives the folder in which an agent remembers what it did.
func agentState(cfg cluster.Config) string {
	if cfg.Backup != nil && cfg.Backup.StateDir != "" {
		return backup.Expand(cfg.Backup.StateDir)
	}
	return filepath.Join(cfg.Hosts[0].State(), "agent")
}

// commandExit is the exit code of a command that was run for the operator.
type commandExit struct {
	error
	code int
}
