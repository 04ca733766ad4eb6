package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// vaultInitOptions are the flags of vault init.
type vaultInitOptions struct {
	identity string
	label    string
	medium   string
}

func (a *app) vaultInitCommand(o *vaultFlags) *cobra.Command {
	var i vaultInitOptions
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the signing key, and write instructions and verification key to all targets",
		Long: `Init makes the file of vault.signingKey if it is not there, tries every target,
and writes to each the page of instructions for a person without Salvor, and the
verification key. Doing it again is harmless. With --new-identity it also makes a
private key that opens backups: print it, and keep it away from the cluster.
Where several machines back up, each with a key of its own, it names the keys of
the others that vault.trusted lacks here, and the line to be written.
With --label it makes the medium that is in a removable target one of the vault.

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	c.Flags().StringVar(&i.identity, "new-identity", "", "make an age identity, write it to this new file, and print its recipient")
	c.Flags().StringVar(&i.label, "label", "", "label the medium that is in")
	c.Flags().StringVar(&i.medium, "medium", "", "the removable target, if there are several")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		cfg, err := a.vaultConfig(o)
		if err != nil {
			return err
		}
		return a.vaultInit(c.Context(), cfg, i)
	}
	return c
}

func (a *app) vaultInit(ctx context.Context, cfg cluster.Config, i vaultInitOptions) error {
	result := map[string]any{}
	recipient := ""
	if i.identity != "" {
		var err error
		if recipient, err = backup.NewIdentity(i.identity, time.Now()); err != nil {
			return err
		}
		result["recipient"] = recipient
		if err := a.tell("private key   %s: print it, keep it away from the cluster, and try it with `salvor vault key check`\nrecipient     %s (for vault.recipients)\n",
			i.identity, recipient); err != nil {
			return err
		}
	}
	if c := cfg.Vault; len(c.Recipients) == 0 && c.PassphraseFile == "" && !c.Plain {
		who := cmp.Or(recipient, "age1…")
		if err := a.tell("NO RECIPIENT  nobody could open a backup yet, so none is made. Put this under vault:\n  recipients: [%s]\n", who); err != nil {
			return err
		}
	}
	if cfg.Vault.SigningKey == "" {
		return hint(errors.New("no file for the signing key is named"), "set vault.signingKey, for example to /etc/salvor/vault.sign, or give --signing-key")
	}
	public, made, err := backup.SigningKey(cfg.Vault.SigningKey)
	if err != nil {
		return err
	}
	result["verify"], result["made"] = public, made
	if err := a.tell("signing key   %s%s\nverify with   %s (for vault.trusted, on every machine)\n", cfg.Vault.SigningKey,
		map[bool]string{true: ", made now", false: ""}[made], public); err != nil {
		return err
	}
	v, err := backup.Open(cfg.Vault, backup.Options{Write: true})
	if err != nil {
		return err
	}
	defer v.Close()
	if i.label != "" {
		if err := v.Label(i.medium, i.label, time.Now()); err != nil {
			return err
		}
	}
	said := v.Prepare(ctx)
	if err := a.showTrust(v.Keys(ctx), cfg.Vault.Trusted, public, result); err != nil {
		return err
	}
	return a.showVaultInit(said, result)
}

// showTrust names the keys that other machines sign with and that salvor.yaml
// does not trust. It does not trust them by itself: whoever can write to a target
// can put a key there.
func (a *app) showTrust(inVault []ed25519.PublicKey, trusted []string, own string, result map[string]any) error {
	known := map[string]bool{own: true}
	for _, text := range trusted {
		known[text] = true
	}
	others, list := []string{}, []string{}
	for _, key := range inVault {
		if text := catalog.FormatPublic(key); !known[text] {
			others = append(others, text)
		}
	}
	result["others"] = others
	if missing := !slices.Contains(trusted, own); missing && len(trusted) > 0 {
		if err := a.tell("NOT TRUSTED   vault.trusted does not name this machine's own key: others will not believe its backups\n"); err != nil {
			return err
		}
		list = append(list, own)
	}
	for _, text := range others {
		if err := a.tell("another key   %s lies in the vault and is not trusted here\n", text); err != nil {
			return err
		}
	}
	if len(others) == 0 && len(list) == 0 {
		return nil
	}
	if len(trusted) == 0 {
		list = append(list, own)
	}
	list = slices.Concat(trusted, list, others)
	return a.tell("If all of them are of machines of yours, put this under vault, on every machine:\n  trusted: [%s]\n", strings.Join(list, ", "))
}

func (a *app) showVaultInit(said map[string]error, result map[string]any) error {
	var names []string
	for n := range said {
		names = append(names, n)
	}
	sort.Strings(names)
	lines, bad := []map[string]any{}, false
	for _, n := range names {
		l := map[string]any{"target": n, "ok": said[n] == nil}
		word := "ready"
		if err := said[n]; err != nil {
			l["why"], bad, word = err.Error(), true, "NOT READY: "+err.Error()
		}
		lines = append(lines, l)
		if err := a.tell("%-13s %s\n", n, word); err != nil {
			return err
		}
	}
	if a.output == "json" {
		result["targets"] = lines
		if err := report.JSON(a.out, "VaultInit", result); err != nil {
			return err
		}
	}
	if bad {
		return errFindings
	}
	return nil
}
