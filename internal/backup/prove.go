package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/scratch"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// ErrProof says that a backup failed its proof. It is attested beside the
// backup.
var ErrProof = errors.New("the backup did not pass its proof")

// The codes of what a proof finds; package say has the sentences.
const (
	ProofFetch    = "proof-fetch"    // why
	ProofDamage   = "proof-damage"   // rung, what
	ProofBundle   = "proof-bundle"   // code, what: lacks what the manifest does not admit
	ProofCluster  = "proof-cluster"  // manifest, data
	ProofRevision = "proof-revision" // manifest, data
	ProofRestore  = "proof-restore"  // why
	ProofContent  = "proof-content"  // revision, keys, hash: what was served; no fault
)

// Proving says how a backup is proven.
type Proving struct {
	Targets []string // fetched from these only; none: from all
	Scratch string   // a folder for copies; empty: the temporary one
	Who     string
	Now     func() time.Time
	Say     func(format string, args ...any)
	// Unsigned leaves the attestation out, where no signing key is at hand.
	Unsigned bool
}

// proofRoom is how many times a snapshot's size a proof needs at once: the
// snapshot, the data dir made of it, and the log that etcd preallocates.
const proofRoom = 3

// Prove fetches a backup, unseals it, restores it, starts an etcd on it, and
// holds its bundle against its data. The result is attested in the vault,
// passed or not; one that did not pass is ErrProof. What stood in the way of
// trying, such as a target that is down, is another error and attests nothing.
func (v *Vault) Prove(ctx context.Context, e catalog.Entry, o Proving) (catalog.Proof, error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	keys, err := v.Identities()
	if err != nil {
		return catalog.Proof{}, fmt.Errorf("prove backup %s: %w", e.Manifest.ID, err)
	}
	opened, err := v.OpenFrom(e, keys, o.Targets)
	if err != nil {
		return catalog.Proof{}, err
	}
	if o.Scratch == "" {
		o.Scratch = os.TempDir()
	}
	if part, ok := e.Manifest.Part(SnapshotPart); ok {
		if err := durable.Room(o.Scratch, proofRoom*part.Plain.Size); err != nil {
			return catalog.Proof{}, fmt.Errorf("prove backup %s: %w (backup.scratch in salvor.yaml, or --scratch)", e.Manifest.ID, err)
		}
	}
	folder, done, err := scratch.Make(o.Scratch, "salvor-prove-")
	if err != nil {
		return catalog.Proof{}, fmt.Errorf("prove backup %s: %w", e.Manifest.ID, err)
	}
	defer func() { _ = done() }() // what stays is swept by the next proof
	t := trial{v: v, o: o, e: e, opened: opened, scratch: folder,
		proof: catalog.Proof{Backup: e.Manifest.ID, Who: o.Who, Passed: true, Level: -1}}
	if err := t.run(ctx); err != nil {
		return t.proof, fmt.Errorf("prove backup %s: %w", e.Manifest.ID, err)
	}
	t.proof.When = o.Now().UTC()
	t.proof.From = t.from()
	if !o.Unsigned {
		if err := v.Attest(ctx, t.proof); err != nil {
			return t.proof, err
		}
	}
	if !t.proof.Passed {
		return t.proof, fmt.Errorf("%w: %s", ErrProof, e.Manifest.ID)
	}
	return t.proof, nil
}

// trial is a proof under way.
type trial struct {
	v       *Vault
	o       Proving
	e       catalog.Entry
	opened  *vault.Opened
	scratch string
	proof   catalog.Proof
}

func (t *trial) fail(code string, args ...string) {
	t.proof.Passed = false
	t.note(code, args...)
}

func (t *trial) note(code string, args ...string) {
	n := catalog.Note{Code: code, Args: map[string]string{}}
	for i := 0; i+1 < len(args); i += 2 {
		n.Args[args[i]] = args[i+1]
	}
	t.proof.Notes = append(t.proof.Notes, n)
}

func (t *trial) run(ctx context.Context) error {
	begin := time.Now()
	image := filepath.Join(t.scratch, "snapshot.db")
	t.o.Say("fetching %s", t.e.Manifest.ID)
	if err := fetchPart(ctx, t.opened, SnapshotPart, image); err != nil {
		return t.fetchFailed(ctx, err)
	}
	if err := t.restore(ctx, image); err != nil {
		return err
	}
	t.proof.Duration = time.Since(begin)
	if err := t.check(ctx, image); err != nil {
		return err
	}
	return t.bundle(ctx, image)
}

// fetchFailed tells a backup that is wrong from targets that do not answer.
func (t *trial) fetchFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if damaged(err) {
		t.fail(ProofFetch, "why", err.Error())
		return nil
	}
	return err
}

// restore writes a data dir of the snapshot, as a recovery would.
func (t *trial) restore(ctx context.Context, image string) error {
	t.o.Say("restoring it")
	var token [16]byte
	_, _ = rand.Read(token[:]) // never fails
	const name, url = "proof", "http://127.0.0.1:2380"
	dir := filepath.Join(t.scratch, "restored")
	_, err := datadir.Restore(ctx, datadir.RestoreOptions{Source: image, InitialCluster: name + "=" + url, Token: hex.EncodeToString(token[:]),
		Members: []datadir.RestoreMember{{Name: name, Dir: dir, PeerURLs: []string{url}}}}, nil)
	if err != nil {
		if ctx.Err() != nil || outside(err) {
			return err
		}
		t.fail(ProofRestore, "why", err.Error())
	}
	return os.RemoveAll(dir) // room for what comes
}

// check climbs the ladder of `snapshot check` to the etcd that serves it.
func (t *trial) check(ctx context.Context, image string) error {
	t.o.Say("checking it, up to an etcd that serves it")
	part, _ := t.e.Manifest.Part(SnapshotPart)
	r, err := datadir.Check(ctx, image, datadir.CheckOptions{Level: datadir.L4, SHA256: part.Plain.SHA256, Scratch: t.scratch,
		Decode: func(key, value []byte) (bool, error) {
			o, err := kube.Decode(string(key), value)
			return o.Encoding == kube.Encrypted, err
		}})
	if err != nil {
		return err
	}
	for _, x := range r.Rungs {
		if x.State == datadir.RungPassed && int(x.Level) == t.proof.Level+1 {
			t.proof.Level = int(x.Level)
		}
		if x.State != datadir.RungFailed {
			continue
		}
		if len(x.Damage) == 0 {
			t.fail(ProofDamage, "rung", x.Level.String(), "what", x.Note)
		}
		for _, d := range x.Damage {
			t.fail(ProofDamage, "rung", x.Level.String(), "what", d.What)
		}
	}
	if r.HashKV != nil {
		t.note(ProofContent, "revision", fmt.Sprint(r.Revision), "keys", fmt.Sprint(r.Keys), "hash", fmt.Sprint(r.HashKV.Hash))
	}
	if r.Passed && r.Revision < t.e.Manifest.Revision {
		t.fail(ProofRevision, "manifest", fmt.Sprint(t.e.Manifest.Revision), "data", fmt.Sprint(r.Revision))
	}
	return nil
}

// bundle holds the bundle against the whole data. What the manifest admits to
// be missing is no news; anything else fails the proof.
func (t *trial) bundle(ctx context.Context, image string) error {
	if _, ok := t.e.Manifest.Part(BundlePart); !ok {
		t.fail(ProofBundle, "code", bundle.MissingPlane, "what", "there is no bundle")
		return nil
	}
	r, err := t.opened.Part(ctx, BundlePart)
	if err != nil {
		return t.fetchFailed(ctx, err)
	}
	b, err := bundle.Read(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return t.fetchFailed(ctx, err)
	}
	var reader bundle.Reader
	err = datadir.Each(ctx, image, 0, func(kv *mvccpb.KeyValue) error { reader.Add(kv.Key, kv.Value); return ctx.Err() })
	if err != nil {
		if ctx.Err() != nil || outside(err) {
			return err
		}
		t.fail(ProofDamage, "rung", "bundle", "what", "the data cannot be read to hold the bundle against it: "+err.Error())
		return nil
	}
	d := reader.Data()
	if want := t.e.Manifest.Cluster.KubeSystemUID; want != "" && d.KubeSystemUID != want {
		t.fail(ProofCluster, "manifest", want, "data", d.KubeSystemUID)
	}
	admitted := map[string]bool{}
	for _, n := range t.e.Manifest.Missing {
		admitted[subject(n.Code, n.Args)] = true
	}
	for _, n := range bundle.Absent(bundle.Check(b, d), absent(b)) {
		if !admitted[subject(n.Code, n.Args)] {
			t.fail(ProofBundle, "code", n.Code, "what", subject(n.Code, n.Args))
		}
	}
	return nil
}

// absent is what salvor.yaml allowed to be absent when the backup was made.
func absent(b bundle.Bundle) []string {
	cfg, err := config.Parse("salvor.yaml", b.Config)
	if err != nil || cfg.Backup == nil {
		return nil
	}
	return cfg.Backup.Absent
}

func subject(code string, args map[string]string) string {
	return strings.TrimSpace(code + " " + args["host"] + args["path"] + args["provider"] + args["key"] + args["where"])
}

// from names the targets that gave something.
func (t *trial) from() string {
	var names []string
	for _, f := range t.opened.Fetched() {
		if f.Bytes > 0 {
			names = append(names, f.Target)
		}
	}
	return strings.Join(names, ",")
}
