package vault

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Init writes what every target of a vault holds beside backups: the README and
// the verification key. What is there stays. It gives an error per target that
// failed.
func (v *Vault) Init(ctx context.Context) map[string]error {
	failed := map[string]error{}
	for name, err := range v.each(ctx, v.initTarget) {
		if err != nil {
			failed[name] = err
		}
	}
	return failed
}

// ErrUnprepared says that a target is not one of this vault, or not any more. A
// mount point without its disk is an empty folder: what is written there fills
// the disk below, and is counted as a copy.
var ErrUnprepared = errors.New("it has no " + readmeKey + ": its folder or prefix is wrong, its disk is not mounted, or it is new and `salvor vault init` has to prepare it")

// prepared tells whether a target is one of the vault, where that is asked for.
func (v *Vault) prepared(ctx context.Context, t target.Target) error {
	if !v.cfg.Prepared {
		return nil
	}
	_, err := t.Stat(ctx, readmeKey)
	if errors.Is(err, target.ErrNotFound) {
		return fmt.Errorf("target %s: %w", t.Name(), ErrUnprepared)
	}
	return err
}

// ready makes sure that a target may be written to.
func (v *Vault) ready(ctx context.Context, t target.Target) error {
	if err := v.prepared(ctx, t); err != nil {
		return err
	}
	return v.initTarget(ctx, t)
}

// Try writes a small object to every target, reads it back and removes it. It
// gives an error per target that failed. A target that locks by itself is not
// tried: the object would stay.
func (v *Vault) Try(ctx context.Context) map[string]error {
	failed := map[string]error{}
	k := "try." + v.stamp()
	for name, err := range v.each(ctx, func(ctx context.Context, t target.Target) error {
		if t.Properties().Immutable {
			return nil
		}
		err := putDoc(ctx, t, k, []byte("salvor vault init tries whether it can write here; this may go\n"), time.Time{})
		if err != nil {
			return err
		}
		return t.Delete(ctx, k)
	}) {
		if err != nil {
			failed[name] = err
		}
	}
	return failed
}

func (v *Vault) initTarget(ctx context.Context, t target.Target) error {
	if _, err := t.Stat(ctx, readmeKey); errors.Is(err, target.ErrNotFound) {
		if err := putDoc(ctx, t, readmeKey, []byte(readme), time.Time{}); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if v.cfg.Signer == nil {
		return nil
	}
	pub := v.cfg.Signer.Public().(ed25519.PublicKey)
	return putDoc(ctx, t, keysKey+catalog.KeyID(pub)+".pub", []byte(catalog.FormatPublic(pub)+"\n"), time.Time{})
}
