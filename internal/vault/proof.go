package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/seal"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Attest stores a proof, signed, beside the manifest on every target that
// holds the backup. A proof that failed is stored too.
func (v *Vault) Attest(ctx context.Context, p catalog.Proof) error {
	return v.signAll(ctx, p.Backup, proofPrefix+v.stamp()+".json", catalog.KindProof, p)
}

// Hold keeps a backup from being pruned until Release.
func (v *Vault) Hold(ctx context.Context, h catalog.Hold) error {
	return v.signAll(ctx, h.Backup, holdPrefix+v.stamp()+".json", catalog.KindHold, h)
}

// Release ends all holds on a backup. A target that does not answer is an
// error: its hold goes on.
func (v *Vault) Release(ctx context.Context, id string) error {
	var failed []error
	for _, err := range v.each(ctx, func(ctx context.Context, t target.Target) error {
		objects, err := t.List(ctx, backupsKey+id+"/"+holdPrefix)
		for _, o := range objects {
			err = errors.Join(err, t.Delete(ctx, o.Key))
		}
		return err
	}) {
		if err != nil && !errors.Is(err, target.ErrAbsent) {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("release backup %s: %w", id, err)
	}
	return nil
}

// Retain locks a backup's copies until a time, where a target can; it moves a
// backup to a tier that is kept longer. A lock is never shortened.
func (v *Vault) Retain(ctx context.Context, e catalog.Entry, until time.Time) error {
	var receipts []catalog.Receipt
	var failed []error
	for _, c := range e.Copies {
		t, _ := v.target(c.Target)
		r, can := t.(target.Retainer)
		if !can || c.State != catalog.Whole || !t.Properties().Immutable || !until.After(c.LockedUntil) {
			continue
		}
		err := r.Retain(ctx, key(e.Manifest.ID, manifestName), until)
		for _, p := range e.Manifest.Parts {
			err = errors.Join(err, r.Retain(ctx, key(e.Manifest.ID, p.Object), until))
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		receipts = append(receipts, catalog.Receipt{Backup: e.Manifest.ID, Target: c.Target, When: c.ReadBack, LockedUntil: until.UTC()})
	}
	if len(receipts) > 0 {
		failed = append(failed, v.signAll(ctx, e.Manifest.ID, receiptsName+v.stamp()+".json", catalog.KindReceipts, receipts))
	}
	return errors.Join(failed...)
}

// Checked is what Check found on one copy.
type Checked struct {
	Target string
	Err    error // nil: every byte is right
}

// Check reads every byte of every copy that can be reached and holds it
// against the manifest. It needs no key.
func (v *Vault) Check(ctx context.Context, e catalog.Entry) []Checked {
	var all []Checked
	for _, c := range e.Copies {
		t, ok := v.target(c.Target)
		if !ok || c.State == catalog.Away {
			continue
		}
		var err error
		if c.State == catalog.Partly {
			err = errors.New(c.Why)
		}
		for _, p := range e.Manifest.Parts {
			err = errors.Join(err, v.readBack(ctx, t, e.Manifest.ID, p, func() {}))
		}
		all = append(all, Checked{c.Target, err})
	}
	return all
}

// KeyCheck is whether a key opens a part of a backup.
type KeyCheck struct {
	Backup, Part string
	Created      time.Time
	Plain        bool // not encrypted: every key "opens" it
	Err          error
}

// CheckKey tries whether the identities open the newest n backups: it fetches
// the beginning of every part and decrypts it. Run it before the disaster.
func (v *Vault) CheckKey(ctx context.Context, identities []age.Identity, n int) ([]KeyCheck, error) {
	cat, err := v.List(ctx)
	if err != nil {
		return nil, err
	}
	var all []KeyCheck
	for i, e := range cat.Entries {
		if i == n {
			break
		}
		for _, p := range e.Manifest.Parts {
			all = append(all, KeyCheck{Backup: e.Manifest.ID, Part: p.Name, Created: e.Manifest.Created,
				Plain: !strings.Contains(strings.Join(p.Encoding, " "), "age"), Err: v.opens(ctx, e, p, identities)})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("check key: the vault holds no backup that can be reached")
	}
	return all, nil
}

func (v *Vault) opens(ctx context.Context, e catalog.Entry, p catalog.Part, identities []age.Identity) error {
	o, err := v.Open(e, identities)
	if err != nil {
		return err
	}
	if len(p.Chunks) == 0 {
		return fmt.Errorf("open %s: it is empty", p.Name)
	}
	begin := p // the header and the first blocks of age and zstd
	begin.Chunks = p.Chunks[:min(int64(len(p.Chunks)), 1+(512<<10)/p.Chunk)]
	sealed := o.sources.stream(ctx, begin, 0)
	r, err := seal.NewReader(sealed, p, identities)
	if err != nil {
		return errors.Join(err, sealed.Close())
	}
	defer closers{sealed, r}.Close() // in this order
	if _, err := io.ReadFull(r, make([]byte, min(p.Plain.Size, 1))); err != nil {
		return fmt.Errorf("open %s: %w", p.Name, err)
	}
	return nil
}
