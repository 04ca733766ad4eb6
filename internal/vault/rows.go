package vault

import (
	"crypto/ed25519"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// documents reads proofs, holds and receipts; one that lies on several targets
// counts once.
func (b *builder) documents(t, id string, l *listing) {
	row := b.rows[id]
	if row == nil {
		return
	}
	var names []string
	for name := range l.docs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		var err error
		switch doc := l.docs[name]; {
		case l.errs[name] != nil:
			err = l.errs[name]
		case strings.HasPrefix(name, proofPrefix):
			row.Proofs, err = merge(row.Proofs, catalog.KindProof, doc, b.keys, func(p catalog.Proof) string { return p.Backup }, id)
		case strings.HasPrefix(name, holdPrefix):
			row.Holds, err = merge(row.Holds, catalog.KindHold, doc, b.keys, func(h catalog.Hold) string { return h.Backup }, id)
		case strings.HasPrefix(name, receiptsName):
			err = b.receipts(row, doc, id)
		}
		if name == manifestName {
			continue
		}
		b.cat.note(id, name, t, l.docs[name], err)
		if err != nil {
			b.problem(DocumentBad, t, id, name, err)
		}
	}
}

func (b *builder) receipts(row *catalog.Entry, doc []byte, id string) error {
	var list []catalog.Receipt
	if err := catalog.Verify(catalog.KindReceipts, doc, b.keys, &list); err != nil {
		return err
	}
	for _, r := range list {
		if r.Backup != id {
			return fmt.Errorf("it is a receipt of backup %s", r.Backup)
		}
		if !containsReceipt(row.Receipts, r) {
			row.Receipts = append(row.Receipts, r)
		}
	}
	return nil
}

func containsReceipt(all []catalog.Receipt, r catalog.Receipt) bool {
	for _, o := range all {
		if o.Target == r.Target && o.Medium == r.Medium && o.When.Equal(r.When) && o.LockedUntil.Equal(r.LockedUntil) {
			return true
		}
	}
	return false
}

// merge adds a verified document to a list that does not have it yet.
func merge[T any](list []T, kind catalog.Kind, doc []byte, keys []ed25519.PublicKey, of func(T) string, id string) ([]T, error) {
	var one T
	if err := catalog.Verify(kind, doc, keys, &one); err != nil {
		return list, err
	}
	if of(one) != id {
		return list, fmt.Errorf("it is a %s of backup %s", kind, of(one))
	}
	for _, o := range list {
		if fmt.Sprintf("%v", o) == fmt.Sprintf("%v", one) {
			return list, nil
		}
	}
	return append(list, one), nil
}

// away adds what receipts say to the copies: locks, and copies on targets and
// media that cannot be asked now.
func (b *builder) away(row *catalog.Entry) {
	asked := map[string]string{} // target → medium that is in
	for _, t := range b.cat.Targets {
		if t.Err == nil {
			asked[t.Name] = t.Medium
		}
	}
	for _, r := range row.Receipts {
		medium, here := asked[r.Target]
		if !here || medium != r.Medium {
			if _, configured := b.v.target(r.Target); configured {
				addAway(row, r)
			}
			continue
		}
		there := false
		for i := range row.Copies {
			if c := &row.Copies[i]; c.Target == r.Target && c.State != catalog.Away {
				there = true
				c.ReadBack = later(c.ReadBack, r.When)
				c.LockedUntil = later(c.LockedUntil, r.LockedUntil)
			}
		}
		if !there && len(b.cat.dropping[row.Manifest.ID]) == 0 {
			b.problem(CopyLost, r.Target, row.Manifest.ID, "", fmt.Errorf("it was read back there on %s and is gone", r.When.Format(time.RFC3339)))
		}
	}
}

func addAway(row *catalog.Entry, r catalog.Receipt) {
	for i := range row.Copies {
		if c := &row.Copies[i]; c.Target == r.Target && c.Medium == r.Medium {
			c.ReadBack, c.LockedUntil = later(c.ReadBack, r.When), later(c.LockedUntil, r.LockedUntil)
			return
		}
	}
	row.Copies = append(row.Copies, catalog.Copy{Target: r.Target, State: catalog.Away, Medium: r.Medium,
		LockedUntil: r.LockedUntil, ReadBack: r.When})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lockEnds reads the time in a lock's name; ok is false if it has none.
func lockEnds(name string) (time.Time, bool) {
	text, _, ok := strings.Cut(strings.TrimPrefix(name, lockPrefix), ".")
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0), ok && err == nil && strings.HasPrefix(name, lockPrefix)
}
