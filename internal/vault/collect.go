package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// leftAlone is how long nothing of an interrupted upload is touched.
const leftAlone = 24 * time.Hour

// Collected is what was removed of one interrupted backup.
type Collected struct {
	Backup, Target string
	Objects        int
	Err            error
}

// Collect removes what interrupted uploads and prunes left: parts without a
// manifest whose lock has ended and that nothing was written to for a day, and
// the rest of what a prune began. A copy that Complete can finish stays.
func (v *Vault) Collect(ctx context.Context) ([]Collected, error) {
	cat, err := v.List(ctx)
	if err != nil {
		return nil, err
	}
	var done []Collected
	for _, state := range cat.Targets {
		t, ok := v.target(state.Name)
		if !ok || state.Err != nil {
			continue
		}
		all, err := v.listTarget(ctx, t)
		if err != nil {
			done = append(done, Collected{Target: t.Name(), Err: err})
			continue
		}
		for id, l := range all {
			_, alive := cat.Find(id)
			names := v.leftovers(l, alive)
			if len(names) == 0 {
				continue
			}
			n, err := remove(ctx, t, id, names)
			done = append(done, Collected{id, t.Name(), n, err})
		}
	}
	return done, ctx.Err()
}

// leftovers lists what may go of a backup's folder, marks last. Alive: the
// backup exists on some target.
func (v *Vault) leftovers(l *listing, alive bool) []string {
	_, committed := l.objects[manifestName]
	_, dropping := l.objects[dropName]
	var marks, rest []string
	ended, locked := true, false
	newest := time.Time{}
	look := func(name string, o target.Object) {
		newest = later(newest, o.Modified)
		if !isMark(name) {
			rest = append(rest, name)
			return
		}
		marks = append(marks, name)
		if ends, ok := lockEnds(name); ok {
			locked = true
			ended = ended && v.cfg.Now().After(ends)
		}
	}
	for name, o := range l.objects {
		look(name, o)
	}
	for name, o := range l.partial {
		if _, whole := l.objects[name]; !whole {
			dropping = dropping || (name == dropName && committed)
			look(name, o)
		}
	}
	switch {
	case committed && !dropping && locked && ended:
		return marks // an upload that was done
	case committed, !dropping && !locked: // whole, Prune's to decide, or an orphan
		return nil
	case dropping:
		return append(rest, marks...)
	case alive, !ended, v.cfg.Now().Sub(newest) < leftAlone:
		return nil
	}
	return append(rest, marks...)
}

// remove deletes objects of a backup in this order and stops at an error, so
// that marks outlive what they mark.
func remove(ctx context.Context, t target.Target, id string, names []string) (int, error) {
	for i, name := range names {
		if err := t.Delete(ctx, key(id, name)); err != nil {
			return i, err
		}
	}
	return len(names), nil
}

// Dropped is what Prune did with one copy.
type Dropped struct {
	Backup, Target string
	Err            error
}

// Prune asks the policy what to keep and drops the rest, unless dry. It drops
// nothing while a target that should be there does not answer: a hold or a
// proof may lie on it.
func (v *Vault) Prune(ctx context.Context, p policy.Policy, dry bool) (policy.Decision, []Dropped, error) {
	cat, err := v.List(ctx)
	if err != nil {
		return policy.Decision{}, nil, err
	}
	d := policy.Keep(cat.Entries, p, v.cfg.Now())
	if dry {
		return d, nil, nil
	}
	for _, t := range cat.Targets {
		if t.Err != nil && !t.Properties.Absent {
			return d, nil, fmt.Errorf("prune: target %s does not answer, and a hold or proof may lie on it; nothing is dropped: %w", t.Name, t.Err)
		}
	}
	for _, p := range cat.Problems {
		if p.Code == KeysFromVault {
			return d, nil, errors.New("prune: only keys that lie in the vault itself speak for its backups, and who wrote them there may have written newer ones, for the true ones to be dropped; nothing is dropped: set vault.trusted")
		}
		if p.Code == DocumentBad {
			return d, nil, fmt.Errorf("prune: %s of backup %s on target %s is not readable, and may be a hold or a proof; nothing is dropped until `salvor vault complete` has written it anew from another target, or somebody has looked at it and removed it: %w", p.Object, p.Backup, p.Target, p.Err)
		}
	}
	for _, verdict := range d.Keep {
		e, _ := cat.Find(verdict.Backup)
		for _, name := range cat.dropping[verdict.Backup] {
			// An older prune's mark, and it is kept now. Where that prune has
			// removed the manifest already, the mark has to stay: it tells what
			// the parts beside it are.
			if t, ok := v.target(name); ok && heldBy(e, name) {
				if err := t.Delete(ctx, key(verdict.Backup, dropName)); err != nil {
					return d, nil, fmt.Errorf("prune: %w", err)
				}
			}
		}
	}
	var done []Dropped
	for _, verdict := range slices.Backward(d.Drop) { // the oldest first
		e, _ := cat.Find(verdict.Backup)
		done = append(done, v.dropAll(ctx, e, verdict)...)
	}
	return d, done, ctx.Err()
}

// heldBy tells whether a target holds the backup with its manifest.
func heldBy(e catalog.Entry, targetName string) bool {
	return slices.ContainsFunc(e.Copies, func(c catalog.Copy) bool { return c.Target == targetName && c.State != catalog.Away })
}

// dropAll removes all copies that can be reached: first every copy is marked,
// so that a prune that is interrupted between two targets is known as one.
func (v *Vault) dropAll(ctx context.Context, e catalog.Entry, why policy.Verdict) []Dropped {
	text := mark{Why: string(why.Code), At: v.cfg.Now().UTC()}.bytes()
	var done []Dropped
	var marked []target.Target
	for _, c := range e.Copies {
		t, ok := v.target(c.Target)
		if !ok || c.State == catalog.Away {
			continue
		}
		err := t.Put(ctx, key(why.Backup, dropName), bytes.NewReader(text), target.PutOptions{})
		if err != nil && !errors.Is(err, target.ErrExists) {
			done = append(done, Dropped{why.Backup, t.Name(), err})
			continue
		}
		marked = append(marked, t)
	}
	for _, t := range marked {
		done = append(done, Dropped{why.Backup, t.Name(), v.drop(ctx, t, why.Backup)})
	}
	return done
}

// drop removes a copy that is marked: the manifest (from then on it does not
// exist), the rest, the mark.
func (v *Vault) drop(ctx context.Context, t target.Target, id string) error {
	if err := t.Delete(ctx, key(id, manifestName)); err != nil {
		return errors.Join(err, t.Delete(ctx, key(id, dropName)))
	}
	objects, err := t.List(ctx, backupsKey+id+"/")
	if err != nil {
		return err
	}
	var marks, rest []string
	for _, o := range objects {
		switch _, name, ok := split(o.Key); {
		case ok && isMark(name):
			marks = append(marks, name)
		case ok:
			rest = append(rest, name)
		}
	}
	_, err = remove(ctx, t, id, append(rest, marks...))
	return err
}
