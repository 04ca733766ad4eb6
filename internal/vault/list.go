package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Catalogue is what all targets together say, rebuilt from the manifests.
type Catalogue struct {
	Entries  []catalog.Entry // newest first
	Problems []Problem
	Targets  []TargetState
	dropping map[string][]string // backup → targets with a mark that a prune set
	docs     map[string]backupDocs
}

// TargetState is whether a target answered.
type TargetState struct {
	Name       string
	Properties target.Properties
	Medium     string // label of the medium that is in
	Err        error  // nil: it was listed
}

// ProblemCode names what is wrong.
type ProblemCode string

// The problems.
const (
	TargetDown        ProblemCode = "target-down"
	ManifestDamaged   ProblemCode = "manifest-damaged"
	ManifestForged    ProblemCode = "manifest-forged"    // changed by hand, or signed by a stranger
	ManifestMisplaced ProblemCode = "manifest-misplaced" // another backup's, in this folder
	ManifestDiffers   ProblemCode = "manifest-differs"   // two that are signed well and say different things
	PartMissing       ProblemCode = "part-missing"
	PartSize          ProblemCode = "part-size"
	CopyLost          ProblemCode = "copy-lost"    // a target that took it and has it no more
	DocumentBad       ProblemCode = "document-bad" // a proof, hold or receipt that is not believed
	Orphan            ProblemCode = "orphan"       // parts whose manifest somebody removed: not touched
	Leftover          ProblemCode = "leftover"     // of an interrupted upload or prune: Collect's
	KeysFromVault     ProblemCode = "keys-from-vault"
)

// Problem is one thing that is wrong, and where.
type Problem struct {
	Code   ProblemCode
	Target string
	Backup string
	Object string
	Err    error
}

// Find gives a backup by ID.
func (c Catalogue) Find(id string) (catalog.Entry, bool) {
	for _, e := range c.Entries {
		if e.Manifest.ID == id {
			return e, true
		}
	}
	return catalog.Entry{}, false
}

// listing is what one target said of one backup.
type listing struct {
	objects map[string]target.Object // whole ones, by name
	partial map[string]target.Object
	docs    map[string][]byte // the small ones, read
	errs    map[string]error  // of reading them
}

// List asks all targets and rebuilds the catalogue. A target that is down is a
// problem in it, not an error; an error is only the end of ctx.
func (v *Vault) List(ctx context.Context) (Catalogue, error) {
	keys, trust := v.trusted(ctx)
	var mu sync.Mutex
	found := map[string]map[string]*listing{} // target → backup
	said := v.eachWithin(ctx, 5*v.cfg.Quiet, func(ctx context.Context, t target.Target) error {
		all, err := v.listTarget(ctx, t)
		if err == nil && len(all) == 0 {
			err = v.prepared(ctx, t) // it is empty, or not what is meant
		}
		if err == nil {
			mu.Lock()
			found[t.Name()] = all
			mu.Unlock()
		}
		return err
	})
	if err := ctx.Err(); err != nil {
		return Catalogue{}, fmt.Errorf("list vault: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	b := builder{v: v, keys: keys, trust: trust, found: found, rows: map[string]*catalog.Entry{}, signed: map[string][]byte{}}
	b.cat.dropping, b.cat.docs = map[string][]string{}, map[string]backupDocs{}
	for _, t := range v.cfg.Targets {
		err := said[t.Name()]
		b.cat.Targets = append(b.cat.Targets, TargetState{t.Name(), t.Properties(), medium(t), err})
		if err != nil {
			b.problem(TargetDown, t.Name(), "", "", err)
		}
	}
	return b.build(), nil
}

// listTarget lists a target and reads its small documents, several at a time.
func (v *Vault) listTarget(ctx context.Context, t target.Target) (map[string]*listing, error) {
	objects, err := t.List(ctx, backupsKey)
	if err != nil {
		return nil, err
	}
	all := map[string]*listing{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, 16)
	for _, o := range objects {
		id, name, ok := split(o.Key)
		if !ok {
			continue
		}
		l := all[id]
		if l == nil {
			l = &listing{map[string]target.Object{}, map[string]target.Object{}, map[string][]byte{}, map[string]error{}}
			all[id] = l
		}
		if o.Partial {
			l.partial[name] = o
			continue
		}
		l.objects[name] = o
		if !isDocument(name) {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			b, err := target.ReadAll(ctx, t, o.Key, maxDocument)
			mu.Lock()
			defer mu.Unlock()
			l.docs[name], l.errs[name] = b, err
		})
	}
	wg.Wait()
	for _, l := range all {
		for name, err := range l.errs {
			if errors.Is(err, target.ErrNotFound) { // deleted since it was listed
				delete(l.objects, name)
				delete(l.docs, name)
				delete(l.errs, name)
			}
		}
	}
	return all, nil
}

func isDocument(name string) bool {
	return name == manifestName || strings.HasPrefix(name, proofPrefix) ||
		strings.HasPrefix(name, holdPrefix) || strings.HasPrefix(name, receiptsName)
}

func isMark(name string) bool { return name == dropName || strings.HasPrefix(name, lockPrefix) }

// builder makes a catalogue of listings.
type builder struct {
	v      *Vault
	keys   []ed25519.PublicKey
	trust  catalog.Trust
	found  map[string]map[string]*listing
	rows   map[string]*catalog.Entry
	signed map[string][]byte // the manifest that counts, by backup
	cat    Catalogue
}

func (b *builder) problem(code ProblemCode, t, id, object string, err error) {
	b.cat.Problems = append(b.cat.Problems, Problem{code, t, id, object, err})
}

func (b *builder) build() Catalogue {
	if b.trust == catalog.TrustVault {
		b.problem(KeysFromVault, "", "", "", errors.New("no verification key is configured: the vault's own are believed"))
	}
	b.visit(b.manifest)
	b.visit(b.copy)
	b.visit(b.documents)
	for _, row := range b.rows {
		b.away(row)
		sort.Slice(row.Proofs, func(i, j int) bool { return row.Proofs[i].When.Before(row.Proofs[j].When) })
		b.cat.Entries = append(b.cat.Entries, *row)
	}
	sort.Slice(b.cat.Entries, func(i, j int) bool {
		return catalog.Newer(b.cat.Entries[i].Manifest, b.cat.Entries[j].Manifest)
	})
	return b.cat
}

// visit goes through all listings, in an order that does not change.
func (b *builder) visit(do func(t, id string, l *listing)) {
	for _, t := range b.v.cfg.Targets {
		var ids []string
		for id := range b.found[t.Name()] {
			ids = append(ids, id)
		}
		sort.Strings(ids)
		for _, id := range ids {
			do(t.Name(), id, b.found[t.Name()][id])
		}
	}
}

// manifest verifies a target's manifest of a backup.
func (b *builder) manifest(t, id string, l *listing) {
	if _, ok := l.objects[manifestName]; !ok {
		return
	}
	if err := l.errs[manifestName]; err != nil {
		b.problem(ManifestDamaged, t, id, manifestName, err)
		return
	}
	var m catalog.Manifest
	err := catalog.Verify(catalog.KindManifest, l.docs[manifestName], b.keys, &m)
	if err == nil {
		if err = m.Check(); err != nil {
			err = fmt.Errorf("%w: %w", catalog.ErrDamaged, err)
		}
	}
	switch {
	case errors.Is(err, catalog.ErrDamaged):
		b.problem(ManifestDamaged, t, id, manifestName, err)
		return
	case err != nil:
		b.problem(ManifestForged, t, id, manifestName, err)
		return
	case m.ID != id:
		b.problem(ManifestMisplaced, t, id, manifestName, fmt.Errorf("it is the manifest of backup %s", m.ID))
		return
	}
	if before, ok := b.signed[id]; !ok {
		b.signed[id] = l.docs[manifestName]
		b.rows[id] = &catalog.Entry{Manifest: m, Trust: b.trust}
	} else if !bytes.Equal(before, l.docs[manifestName]) {
		b.problem(ManifestDiffers, t, id, manifestName, errors.New("two manifests of one backup are signed well and differ"))
	}
}

// copy judges a target's copy of a backup by names and sizes.
func (b *builder) copy(t, id string, l *listing) {
	row := b.rows[id]
	if _, ok := l.objects[dropName]; ok {
		b.cat.dropping[id] = append(b.cat.dropping[id], t)
		if row != nil {
			b.problem(Leftover, t, id, dropName, errors.New("a prune that was interrupted; the next one decides again"))
		}
	}
	if row == nil || !bytes.Equal(l.docs[manifestName], b.signed[id]) {
		b.remains(t, id, l)
		if row != nil {
			row.Copies = append(row.Copies, catalog.Copy{Target: t, State: catalog.Partly, Why: "no valid manifest"})
		}
		return
	}
	c := catalog.Copy{Target: t, State: catalog.Whole}
	if tt, ok := b.v.target(t); ok {
		c.Medium = medium(tt)
	}
	for _, p := range row.Manifest.Parts {
		o, ok := l.objects[p.Object]
		switch {
		case !ok:
			c.State, c.Why = catalog.Damaged, p.Object+" is missing"
			b.problem(PartMissing, t, id, p.Object, target.ErrNotFound)
		case o.Size != p.Sealed.Size:
			c.State, c.Why = catalog.Damaged, p.Object+" has another size"
			b.problem(PartSize, t, id, p.Object, fmt.Errorf("%d bytes, the manifest says %d", o.Size, p.Sealed.Size))
		}
	}
	row.Copies = append(row.Copies, c)
}

// remains names what lies in a folder without a valid manifest.
func (b *builder) remains(t, id string, l *listing) {
	if _, ok := l.objects[manifestName]; ok {
		return // named already: damaged, forged, misplaced
	}
	for _, name := range append(slices.Collect(maps.Keys(l.objects)), slices.Collect(maps.Keys(l.partial))...) {
		if isMark(name) {
			b.problem(Leftover, t, id, "", errors.New("an upload or prune that is under way or was interrupted"))
			return
		}
	}
	if len(l.objects)+len(l.partial) > 0 {
		b.problem(Orphan, t, id, "", errors.New("its manifest was removed by something other than salvor; it is left alone"))
	}
}
