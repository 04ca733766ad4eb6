// Package backup makes one backup of a control plane and everything around it:
// it opens the vault that salvor.yaml describes, takes the snapshot of the most
// advanced healthy member and the bundle in one pass, proves a backup by
// restoring it, and finds backups again on the worst day. It recovers nothing.
package backup

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
	"github.com/salvor-project/salvor/internal/vault/seal"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Vault is the vault of a configuration with what is needed to use it.
type Vault struct {
	*vault.Vault
	Config     cluster.Vault
	Targets    []target.Target
	Policy     policy.Policy
	Objectives policy.Objectives

	keys      []age.Identity
	keysError error
	later     map[string]bool // targets that get their copies when backups move on
}

// Options say how a vault is opened.
type Options struct {
	// Write needs the signing key.
	Write bool
	// Seal needs the recipients too.
	Seal bool
	// RPO is the age that the newest backup may have; zero: the rule's.
	RPO time.Duration
	// Bandwidth bounds what is written, in bytes per second; zero: nothing.
	Bandwidth int64
	// Progress and Now are the vault's.
	Progress func(target, object string, bytes int64)
	Now      func() time.Time
}

// ErrNoVault says that a configuration describes no vault.
var ErrNoVault = errors.New("no vault is configured: describe one in salvor.yaml under vault; recover and the vault commands also take --target")

// Open opens a vault; nothing is asked of a target yet. A private key that is
// not there is no error before it is needed.
func Open(c *cluster.Vault, o Options) (*Vault, error) {
	if c == nil || len(c.Targets) == 0 {
		return nil, ErrNoVault
	}
	v := &Vault{Config: *c, Policy: Policy(*c), Objectives: Objectives(*c, o.RPO)}
	cfg := vault.Config{Plain: c.Plain, Prepared: true, Progress: o.Progress, Now: o.Now}
	if o.Bandwidth > 0 {
		cfg.Throttle = (&pace{rate: o.Bandwidth}).wait
	}
	var err error
	for _, t := range c.Targets {
		one, err := newTarget(t)
		if err != nil {
			return nil, err
		}
		v.Targets = append(v.Targets, one)
	}
	cfg.Targets, cfg.Later = v.Targets, map[string]bool{}
	for _, t := range c.Targets {
		cfg.Later[t.Name] = len(t.Tiers) > 0 && len(v.Policy.Tiers) > 0 && !slices.Contains(t.Tiers, v.Policy.Tiers[0].Name)
	}
	v.later = cfg.Later
	for _, text := range c.Trusted {
		key, err := catalog.ParsePublic(text)
		if err != nil {
			return nil, fmt.Errorf("read vault.trusted: %w", err)
		}
		cfg.Trusted = append(cfg.Trusted, key)
	}
	if o.Write || o.Seal {
		if cfg.Signer, err = signer(c.SigningKey); err != nil {
			return nil, err
		}
		cfg.Trusted = append(cfg.Trusted, cfg.Signer.Public().(ed25519.PublicKey)) // what we sign has to be believed by us
	}
	if len(cfg.Trusted) == 0 && c.SigningKey != "" {
		// The key that lies here is a better root than those that lie in the
		// vault, where whoever can write there can put his own.
		if own, err := signer(c.SigningKey); err == nil {
			cfg.Trusted = append(cfg.Trusted, own.Public().(ed25519.PublicKey))
		}
	}
	if o.Seal {
		if cfg.Recipients, err = recipients(*c); err != nil {
			return nil, err
		}
	}
	v.keys, v.keysError = identities(*c)
	v.Vault, err = vault.New(cfg)
	return v, err
}

// Close ends the connections of targets.
func (v *Vault) Close() error {
	var errs []error
	for _, t := range v.Targets {
		if c, ok := t.(interface{ Close() error }); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Identities gives the private keys that open backups, or why there are none.
func (v *Vault) Identities() ([]age.Identity, error) { return v.keys, v.keysError }

// Expand makes a path of this machine of one that begins with ~/.
func Expand(p string) string {
	rest, ok := strings.CutPrefix(p, "~/")
	if !ok {
		return p
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return p
	}
	return filepath.Join(home, rest)
}

// secret reads a small file that others should not be able to read.
func secret(p string) ([]byte, error) {
	b, err := os.ReadFile(Expand(p))
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(Expand(p))
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): chmod 600 it", p, info.Mode().Perm())
	}
	return b, err
}

func signer(file string) (ed25519.PrivateKey, error) {
	if file == "" {
		return nil, errors.New("no signing key: name its file under vault.signingKey; `salvor vault init` makes it")
	}
	b, err := secret(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read signing key: %w; `salvor vault init` makes it", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	key, err := catalog.ParsePrivate(string(b))
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", file, err)
	}
	return key, nil
}

func recipients(c cluster.Vault) ([]seal.Recipient, error) {
	if c.PassphraseFile != "" {
		b, err := secret(c.PassphraseFile)
		if err != nil {
			return nil, fmt.Errorf("read passphrase: %w", err)
		}
		r, err := seal.Passphrase(strings.TrimRight(string(b), "\r\n"))
		return []seal.Recipient{r}, err
	}
	var all []seal.Recipient
	for _, text := range c.Recipients {
		r, err := seal.ParseRecipient(text)
		if err != nil {
			return nil, fmt.Errorf("read vault.recipients: %w", err)
		}
		all = append(all, r)
	}
	if len(all) == 0 && !c.Plain {
		return nil, errors.New("nobody could open the backups: name recipients under vault.recipients (age-keygen makes a key), or say plain: true")
	}
	return all, nil
}

func identities(c cluster.Vault) ([]age.Identity, error) {
	if c.PassphraseFile != "" {
		b, err := secret(c.PassphraseFile)
		if err != nil {
			return nil, fmt.Errorf("read passphrase: %w", err)
		}
		id, err := seal.PassphraseIdentity(strings.TrimRight(string(b), "\r\n"))
		return []age.Identity{id}, err
	}
	if c.Identity == "" {
		if c.Plain {
			return nil, nil
		}
		return nil, errors.New("no private key: name its file with --identity, or under vault.identity")
	}
	b, err := secret(c.Identity)
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	ids, err := seal.ParseIdentities(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Identity, err)
	}
	return ids, nil
}

// Policy is how long a configuration keeps backups.
func Policy(c cluster.Vault) policy.Policy {
	p := policy.Default()
	if len(c.Tiers) == 0 {
		return p
	}
	p.Tiers = nil
	for _, t := range c.Tiers {
		p.Tiers = append(p.Tiers, policy.Tier{Name: t.Name, For: time.Duration(t.For), Every: time.Duration(t.Every)})
	}
	return p
}

// Objectives are what a configuration asks of its vault.
func Objectives(c cluster.Vault, rpo time.Duration) policy.Objectives {
	o := policy.ThreeTwoOne()
	for _, f := range []struct {
		from *int
		to   *int
	}{{c.Objectives.Copies, &o.Copies}, {c.Objectives.Media, &o.Media}, {c.Objectives.Offsite, &o.Offsite},
		{c.Objectives.Offline, &o.Offline}, {c.Objectives.Immutable, &o.Immutable}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	for _, f := range []struct {
		from time.Duration
		to   *time.Duration
	}{{rpo, &o.RPO}, {time.Duration(c.Objectives.ProofAge), &o.ProofAge}, {time.Duration(c.Objectives.OfflineAge), &o.OfflineAge}} {
		if f.from > 0 {
			*f.to = f.from
		}
	}
	return o
}
