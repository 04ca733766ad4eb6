package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// vaultFlags say which vault, on a machine that has no salvor.yaml too.
type vaultFlags struct {
	targets    []string
	identity   string
	signingKey string
}

const identityUsage = "file of the private key that opens backups (age identity or SSH key)"

// addIdentity adds the one flag of a command that proves backups.
func (o *vaultFlags) addIdentity(c *cobra.Command) {
	c.Flags().StringVar(&o.identity, "identity", "", identityUsage)
}

// addFlags adds those that reading a vault needs.
func (o *vaultFlags) addFlags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringArrayVar(&o.targets, "target", nil, "a target of the vault, in the place of those of salvor.yaml; may be repeated")
	f.StringVar(&o.identity, "identity", "", identityUsage)
}

func (a *app) vaultCommand() *cobra.Command {
	var o vaultFlags
	c := &cobra.Command{
		Use:   "vault",
		Short: "Look after the backups: list, judge, prove, copy, prune and fetch them",
		Long: `Vault works on all targets of salvor.yaml at once. On a blank machine, name the
targets and the private key instead:

  salvor vault ls --target 's3://BUCKET/PREFIX?endpoint=https://HOST' --identity KEY.txt
  salvor vault get --target /mnt/tape --identity KEY.txt --snapshot snap.db --bundle plane/
  salvor vault put-back --target /mnt/tape --identity KEY.txt     # keys and manifests, onto bare machines

A target is a folder, s3://BUCKET[/PREFIX]?endpoint=URL (keys from the
environment, AWS_ACCESS_KEY_ID, or credentials=FILE) or
sftp://USER@HOST/PATH?identity=FILE&knownHosts=FILE.

` + exitCodes,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := c.PersistentFlags()
	o.addFlags(c)
	f.StringVar(&o.signingKey, "signing-key", "", "file of the key that signs manifests")
	c.AddCommand(a.vaultInitCommand(&o), a.vaultListCommand(&o), a.vaultStatusCommand(&o), a.vaultGetCommand(&o), a.vaultPutBackCommand(&o), a.vaultCheckCommand(&o),
		a.vaultProveCommand(&o), a.vaultPruneCommand(&o), a.vaultHoldCommand(&o), a.vaultReleaseCommand(&o), a.vaultCompleteCommand(&o), a.vaultKeyCommand(&o))
	return c
}

// vaultConfig gives the vault of the flags, else that of salvor.yaml. The
// configuration is empty where there is no file and none is needed.
func (a *app) vaultConfig(o *vaultFlags) (cluster.Config, error) {
	cfg, err := a.load()
	if err != nil {
		// A file that cannot be read does not stand in the way of flags.
		if len(o.targets) == 0 && a.configPath == "" && errors.Is(err, fs.ErrNotExist) {
			return cfg, hint(err, "on a machine that has none, say where the vault is: --target FOLDER, s3://… or sftp://…, with --identity KEY.txt to open its backups")
		}
		if len(o.targets) == 0 || (a.configPath != "" && !errors.Is(err, fs.ErrNotExist)) {
			return cfg, err
		}
		cfg = cluster.Config{}
	}
	return o.over(cfg)
}

// over puts what the flags say in the place of what the configuration says.
func (o *vaultFlags) over(cfg cluster.Config) (cluster.Config, error) {
	if cfg.Vault == nil {
		cfg.Vault = &cluster.Vault{}
	} else {
		own := *cfg.Vault
		cfg.Vault = &own
	}
	if len(o.targets) > 0 {
		cfg.Vault.Targets = nil
		for i, text := range o.targets {
			t, err := backup.ParseTarget(text, i+1)
			if err != nil {
				return cfg, usageError{err}
			}
			cfg.Vault.Targets = append(cfg.Vault.Targets, t)
		}
	}
	if o.identity != "" {
		cfg.Vault.Identity, cfg.Vault.PassphraseFile = o.identity, ""
	}
	if o.signingKey != "" {
		cfg.Vault.SigningKey = o.signingKey
	}
	return cfg, nil
}

// openVault opens the vault of the flags, else that of salvor.yaml.
func (a *app) openVault(o *vaultFlags, b backup.Options) (*backup.Vault, cluster.Config, error) {
	cfg, err := a.vaultConfig(o)
	if err != nil {
		return nil, cfg, err
	}
	return a.openVaultOf(cfg, b)
}

// openVaultOf opens the vault of a configuration.
func (a *app) openVaultOf(cfg cluster.Config, b backup.Options) (*backup.Vault, cluster.Config, error) {
	b.RPO = time.Duration(cfg.Objectives.RPO)
	if cfg.Backup != nil {
		b.Bandwidth = int64(cfg.Backup.Bandwidth)
	}
	v, err := backup.Open(cfg.Vault, b)
	return v, cfg, err
}

// withVault runs a command on the vault.
func (a *app) withVault(ctx context.Context, o *vaultFlags, b backup.Options, formats []string, do func(context.Context, *backup.Vault, cluster.Config) error) error {
	if err := a.formats(formats...); err != nil {
		return err
	}
	v, cfg, err := a.openVault(o, b)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, v, cfg), v.Close())
}

// who names this run in proofs and holds.
func who() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	user := os.Getenv("SUDO_USER")
	if user == "" {
		user = os.Getenv("USER")
	}
	if user == "" {
		return host
	}
	return user + "@" + host
}

// pick gives the backup that was named, "newest", or the newest one.
func pick(cat vault.Catalogue, name string) (catalog.Entry, error) {
	if name == "" || name == "newest" {
		for _, e := range cat.Entries {
			if e.Recoverable() {
				return e, nil
			}
		}
		return catalog.Entry{}, hint(fmt.Errorf("%w in the vault that can be reached", errNoBackup), "`salvor vault ls` lists what there is and what is wrong")
	}
	if e, ok := cat.Find(name); ok {
		return e, nil
	}
	return catalog.Entry{}, hint(fmt.Errorf("%w %q", errNoBackup, name), "`salvor vault ls` lists what there is")
}

var errNoBackup = errors.New("there is no backup")

// warn names what is wrong in the vault, on standard error.
func (a *app) warn(problems []vault.Problem) {
	if a.output == "json" {
		return
	}
	for _, p := range problems {
		fmt.Fprintf(a.err, "%s\n", problemText(p).In(a.language()))
	}
}
