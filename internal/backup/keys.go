package backup

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/media"
)

// NewIdentity makes an age identity in a new file of mode 0600, as age-keygen
// does, and gives its recipient.
func NewIdentity(file string, now time.Time) (string, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make identity: %w", err)
	}
	to := id.Recipient().String()
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", now.UTC().Format(time.RFC3339), to, id)
	return to, newSecret(file, text)
}

// SigningKey reads the signing key of a file, and makes it if it is not there.
// It gives the verification key.
func SigningKey(file string) (public string, made bool, err error) {
	key, err := signer(file)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = vault.NewKey(); err == nil {
			made, err = true, newSecret(file, catalog.FormatPrivate(key)+"\n")
		}
	}
	if err != nil {
		return "", false, err
	}
	return catalog.FormatPublic(key.Public().(ed25519.PublicKey)), made, nil
}

// newSecret writes a file that must not exist.
func newSecret(file, text string) error {
	file = Expand(file)
	if err := durable.MakeDir(filepath.Dir(file)); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return durable.SyncDir(filepath.Dir(file))
}

// Prepare tries every target and writes to it what every one holds beside
// backups. It gives an entry per target, nil if it is ready.
func (v *Vault) Prepare(ctx context.Context) map[string]error {
	said := v.Init(ctx)
	for _, t := range v.Targets {
		if said[t.Name()] != nil {
			continue
		}
		var err error
		if p, can := t.(interface{ Probe(context.Context) error }); can {
			err = p.Probe(ctx)
		}
		said[t.Name()] = err
	}
	for name, err := range v.Try(ctx) {
		if said[name] == nil {
			said[name] = err
		}
	}
	return said
}

// Label makes the medium that is in a removable target one of the vault's. An
// empty name is the only such target.
func (v *Vault) Label(name, label string, now time.Time) error {
	var found *media.Target
	for _, t := range v.Targets {
		m, is := t.(*media.Target)
		if !is || (name != "" && t.Name() != name) {
			continue
		}
		if found != nil {
			return errors.New("label medium: there are several removable targets: name one")
		}
		found = m
	}
	if found == nil {
		return errors.New("label medium: there is no such removable target")
	}
	return found.Label(label, now)
}
