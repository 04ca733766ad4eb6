package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
	"github.com/salvor-project/salvor/test/s3server"
)

// TestEveryDocumentDamaged damages, cuts, deletes and swaps each document beside
// a manifest, on one target: what is damaged is named and nothing is dropped
// meanwhile, proof and hold count all the same, and Complete makes it right.
func TestEveryDocumentDamaged(t *testing.T) {
	s := s3server.Start(t)
	for _, where := range []string{"disk1", "bucket"} {
		w := newWorld(t, 2)
		if where == "bucket" {
			w.cfg.Targets[0] = w.bucket(s)
		}
		var ids []string
		for seed := range uint64(2) {
			id := w.backup(seed + 1).Manifest.ID
			w.prove(id)
			if err := w.vault().Hold(t.Context(), catalog.Hold{Backup: id, Who: "auditor", Why: "case 7", When: w.now}); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
			w.pass(time.Hour)
		}
		for _, kind := range []string{"proof.", "hold.", "receipts."} {
			for how, change := range map[string]func(string, string) error{
				"flip": func(path, _ string) error {
					b, err := os.ReadFile(path)
					if err == nil {
						b[len(b)/2] ^= 1
						err = os.WriteFile(path, b, 0o600)
					}
					return err
				},
				"cut":    func(path, _ string) error { return os.Truncate(path, 20) },
				"delete": func(path, _ string) error { return os.Remove(path) },
				"swap": func(path, other string) error {
					return errors.Join(os.Rename(path, path+"2"), os.Rename(other, path), os.Rename(path+"2", other))
				},
			} {
				t.Run(where+" "+how+" "+kind, func(t *testing.T) {
					w.t = t
					path, other := w.document(where, ids[1], kind), w.document(where, ids[0], kind)
					before, err := os.ReadFile(path)
					if err = errors.Join(err, change(path, other)); err != nil {
						t.Fatal(err)
					}
					w.damagedDocument(where, how, kind, path, before)
				})
			}
		}
	}
}

// document gives the one file of a kind that a target has of a backup.
func (w *world) document(tgt, id, kind string) string {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.object(tgt, id, ""), kind+"*.json"))
	if err != nil || len(found) != 1 {
		w.t.Fatalf("%s of %s on %s: %v, %v", kind, id, tgt, found, err)
	}
	return found[0]
}

func (w *world) damagedDocument(where, how, kind, path string, before []byte) {
	w.t.Helper()
	cat := w.list()
	if named := strings.Contains(codes(cat), "document-bad "+where+" "+kind); named != (how != "delete") {
		w.t.Errorf("problems: %q", codes(cat))
	}
	for _, e := range cat.Entries {
		if _, proven := e.Proven(4); !proven || len(e.Holds) != 1 || len(e.Copies) != 2 || e.Copies[0].ReadBack.IsZero() {
			w.t.Errorf("%s: %+v", e.Manifest.ID, e)
		}
	}
	d, dropped, err := w.vault().Prune(w.t.Context(), policy.Policy{ProofLevel: 4}, false)
	if len(d.Drop)+len(dropped) > 0 || (err == nil) != (how == "delete") {
		w.t.Errorf("prune beside it: drops %+v, %v", d.Drop, err)
	}
	done, err := w.vault().Complete(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range done {
		if c.Err != nil || c.Object == "" {
			w.t.Errorf("%+v", c)
		}
	}
	if got := codes(w.list()); got != "" {
		w.t.Errorf("problems left: %s", got)
	}
	after, err := os.ReadFile(path)
	if spread := how != "delete" || kind != "hold."; spread != (err == nil && bytes.Equal(after, before)) {
		w.t.Errorf("after Complete: %q, %v", after, err)
	}
	if err != nil { // a hold is not spread: for the next case
		if err := os.WriteFile(path, before, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestProofsFollowCopies: a copy that is made after the proof is as proven as the
// others, where nothing else is left. A hold that was released while a target was
// away does not come back with it.
func TestProofsFollowCopies(t *testing.T) {
	w := newWorld(t, 2)
	two := w.cfg.Targets
	w.cfg.Targets = two[:1]
	id := w.backup(1).Manifest.ID
	w.prove(id)
	w.cfg.Targets = two
	if done, err := w.vault().Complete(t.Context(), nil); err != nil || len(done) != 1 || done[0].Err != nil {
		t.Fatalf("got %+v, %v", done, err)
	}
	if err := w.vault().Hold(t.Context(), catalog.Hold{Backup: id, Who: "auditor", Why: "case 7", When: w.now}); err != nil {
		t.Fatal(err)
	}
	w.cfg.Targets = two[:1]
	if err := w.vault().Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	w.cfg.Targets = two
	if done, err := w.vault().Complete(t.Context(), nil); err != nil || len(done) != 0 {
		t.Fatalf("got %+v, %v", done, err)
	}
	w.cfg.Targets = two[:1]
	if e := w.list().Entries[0]; len(e.Holds) != 0 {
		t.Errorf("the hold is back: %+v", e.Holds)
	}
	w.cfg.Targets = two[1:]
	if p, proven := w.list().Entries[0].Proven(4); !proven || p.Who != "test" {
		t.Error("the copy that was made later is not proven")
	}
}

// TestInstructionsGone: a target without its page of instructions is taken for
// an empty mount point and gets nothing; what it holds is read all the same, and
// vault init writes the page anew.
func TestInstructionsGone(t *testing.T) {
	w := newWorld(t, 2)
	w.cfg.Prepared = true
	if failed := w.vault().Init(t.Context()); len(failed) != 0 {
		t.Fatal(failed)
	}
	w.backup(1)
	page := filepath.Join(w.folders["disk1"], "README.txt")
	before, err := os.ReadFile(page)
	if err = errors.Join(err, os.Remove(page)); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	res := w.backup(2)
	if len(res.Receipts) != 1 || !errors.Is(res.Failed["disk1"], vault.ErrUnprepared) || !strings.Contains(res.Failed["disk1"].Error(), "salvor vault init") {
		t.Errorf("got %+v", res)
	}
	w.mustRead(w.list().Entries[1])
	if failed := w.vault().Init(t.Context()); len(failed) != 0 {
		t.Fatal(failed)
	}
	if after, err := os.ReadFile(page); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the page: %v", err)
	}
	if done, err := w.vault().Complete(t.Context(), nil); err != nil || len(done) != 1 || done[0].Err != nil {
		t.Errorf("got %+v, %v", done, err)
	}
}
