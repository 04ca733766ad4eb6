package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// backupDocs are a backup's proofs, holds and receipts, by name. A name is made
// once, so two of one name are the same document or one of them is damaged.
type backupDocs map[string]*docs

// docs is one document on all targets.
type docs struct {
	bytes []byte          // as it was signed; nil: no target has it so
	has   map[string]bool // target → whether it is right there
}

func (c *Catalogue) note(id, name, targetName string, b []byte, err error) {
	all := c.docs[id]
	if all == nil {
		all = backupDocs{}
		c.docs[id] = all
	}
	d := all[name]
	if d == nil {
		d = &docs{has: map[string]bool{}}
		all[name] = d
	}
	if d.has[targetName] = err == nil; err == nil {
		d.bytes = b
	}
}

// mend gives a target the proofs and receipts that others have of the backups
// which it holds, and makes damaged documents right: a copy that was made later
// is as proven as the first, also where nothing else is left. A hold is only made
// right, never spread: it may have been released elsewhere while the target was
// away.
func (v *Vault) mend(ctx context.Context, cat Catalogue, t target.Target) []Copied {
	var done []Copied
	for _, e := range cat.Entries {
		id := e.Manifest.ID
		if len(cat.dropping[id]) > 0 || ctx.Err() != nil {
			continue
		}
		all := cat.docs[id]
		here := sync.OnceValue(func() bool { return v.holds(ctx, t, e) })
		for _, name := range slices.Sorted(maps.Keys(all)) {
			d := all[name]
			right, there := d.has[t.Name()]
			if d.bytes == nil || right || !there && (strings.HasPrefix(name, holdPrefix) || !here()) {
				continue
			}
			err := v.mendOne(ctx, t, key(id, name), d.bytes, there)
			if err != nil {
				err = fmt.Errorf("copy %s of backup %s to target %s: %w", name, id, t.Name(), err)
			}
			if err != nil || there {
				done = append(done, Copied{Backup: id, Target: t.Name(), Object: name, Err: err})
			}
		}
	}
	return done
}

// holds tells whether a target has a copy of a backup by now.
func (v *Vault) holds(ctx context.Context, t target.Target, e catalog.Entry) bool {
	if slices.ContainsFunc(e.Copies, func(c catalog.Copy) bool { return c.Target == t.Name() && c.State == catalog.Whole }) {
		return true
	}
	_, err := t.Stat(ctx, key(e.Manifest.ID, manifestName))
	return err == nil
}

func (v *Vault) mendOne(ctx context.Context, t target.Target, k string, b []byte, there bool) error {
	if there {
		if err := t.Delete(ctx, k); err != nil && !errors.Is(err, target.ErrNotFound) {
			return err
		}
	}
	return putDoc(ctx, t, k, b, time.Time{})
}
