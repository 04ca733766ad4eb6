// Package vault keeps backups on several targets at once: sealed on the way,
// committed by a signed manifest that is uploaded last, read back, found again
// from the manifests alone, and fetched from whichever copies are right.
//
// On a target, backups/ID/ holds a backup's parts and manifest.json, which
// makes it exist. Beside them lie proofs, holds and receipts. Two marks allow
// deletion: lock.*, put before the first part and removed after the manifest,
// says that an upload is under way until a time in its name; drop.json, put
// before a prune deletes anything, that the rest may go. Parts without a
// manifest and without a mark are never deleted: somebody removed a manifest,
// and what it described may still be opened.
package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/seal"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Config is what a vault is made of.
type Config struct {
	Targets    []target.Target
	Later      map[string]bool                          // targets that Begin passes over: Complete copies to them
	Trusted    []ed25519.PublicKey                      // verification keys; none: those that lie in the vault, see catalog.TrustVault
	Signer     ed25519.PrivateKey                       // needed to write
	Recipients []seal.Recipient                         // who can open backups; needed to back up, unless Plain
	Prepared   bool                                     // use only targets that Init has prepared: see ErrUnprepared
	Plain      bool                                     // do not encrypt: whoever reads a target then has every secret of the cluster
	Chunk      int64                                    // bytes per chunk of sealed data; zero: 4 MiB
	Patience   time.Duration                            // how long, in sum per part, a target may make the others wait; zero: 30 s
	Quiet      time.Duration                            // how long a small request may take; zero: 1 minute
	LockFor    time.Duration                            // how long an upload is left alone; zero: 24 hours
	Now        func() time.Time                         // zero: time.Now
	Progress   func(target, object string, bytes int64) // may be nil; called often, from several goroutines
	Throttle   func(ctx context.Context, bytes int64)   // may be nil; called before bytes are sent, returns when they may be
}

// Vault is all targets together. Its methods may be called at the same time.
type Vault struct {
	cfg Config
}

// New checks a configuration; nothing is asked of a target yet.
func New(cfg Config) (*Vault, error) {
	if len(cfg.Targets) == 0 {
		return nil, errors.New("open vault: it has no target")
	}
	seen := map[string]bool{}
	for _, t := range cfg.Targets {
		if err := catalog.CheckName(t.Name()); err != nil || seen[t.Name()] {
			return nil, fmt.Errorf("open vault: the target name %q is taken or no name", t.Name())
		}
		seen[t.Name()] = true
	}
	if cfg.Chunk == 0 {
		cfg.Chunk = 4 << 20
	}
	cfg.Patience = orDefault(cfg.Patience, 30*time.Second)
	cfg.Quiet = orDefault(cfg.Quiet, time.Minute)
	cfg.LockFor = orDefault(cfg.LockFor, 24*time.Hour)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Throttle == nil {
		cfg.Throttle = func(context.Context, int64) {}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string, string, int64) {}
	}
	return &Vault{cfg: cfg}, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// NewKey makes a signing key, once per vault, at its init.
func NewKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return key, nil
}

// The names in a vault.
const (
	readmeKey    = "README.txt"
	keysKey      = "vault-keys/" // one object per verification key
	backupsKey   = "backups/"
	manifestName = "manifest.json"
	holdPrefix   = "hold."
	proofPrefix  = "proof."
	receiptsName = "receipts."
	lockPrefix   = "lock."
	dropName     = "drop.json"
)

const maxDocument = 64 << 20 // bytes; a manifest holds 64 per 4 MiB of backup

func key(id, name string) string { return backupsKey + id + "/" + name }

// split takes a key of a backup apart.
func split(k string) (id, name string, ok bool) {
	rest, ok := strings.CutPrefix(k, backupsKey)
	if !ok {
		return "", "", false
	}
	id, name, ok = strings.Cut(rest, "/")
	return id, name, ok && !strings.Contains(name, "/") && catalog.CheckName(id) == nil
}

// stamp makes a name unique: the time, and randomness against others.
func (v *Vault) stamp() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%d-%s", v.cfg.Now().UnixMilli(), hex.EncodeToString(b[:]))
}

// each asks all targets at the same time and waits for them, for one that does
// not answer no longer than Quiet. Its late answer is dropped.
func (v *Vault) each(ctx context.Context, do func(ctx context.Context, t target.Target) error) map[string]error {
	return v.eachWithin(ctx, v.cfg.Quiet, do)
}

func (v *Vault) eachWithin(ctx context.Context, limit time.Duration, do func(ctx context.Context, t target.Target) error) map[string]error {
	type answer struct {
		name string
		err  error
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answers := make(chan answer, len(v.cfg.Targets))
	said := map[string]error{}
	for _, t := range v.cfg.Targets {
		said[t.Name()] = fmt.Errorf("target %s does not answer within %s", t.Name(), limit)
		go func() { answers <- answer{t.Name(), do(ctx, t)} }()
	}
	for range v.cfg.Targets {
		select {
		case a := <-answers:
			said[a.name] = a.err
		case <-ctx.Done():
			return said
		}
	}
	return said
}

// putDoc writes a small document, the same twice is no error.
func putDoc(ctx context.Context, t target.Target, k string, b []byte, until time.Time) error {
	err := t.Put(ctx, k, bytes.NewReader(b), target.PutOptions{RetainUntil: until})
	if err != nil && !errors.Is(err, target.ErrExists) {
		return err
	}
	got, readErr := target.ReadAll(ctx, t, k, maxDocument)
	if readErr != nil {
		return fmt.Errorf("read back: %w", errors.Join(err, readErr))
	}
	if !bytes.Equal(got, b) {
		return &target.Error{Target: t.Name(), Op: "put", Key: k, Err: errors.Join(errReadBack, err)}
	}
	return nil
}

var errReadBack = errors.New("what is read back is not what was written")

// trusted gives the keys that count, and whether they come from the vault.
func (v *Vault) trusted(ctx context.Context) ([]ed25519.PublicKey, catalog.Trust) {
	if len(v.cfg.Trusted) > 0 {
		return v.cfg.Trusted, catalog.TrustConfigured
	}
	return v.Keys(ctx), catalog.TrustVault
}

// Keys gives the verification keys that lie in the vault, of all machines that
// have prepared it, in order of their names. Whoever can write there can put his
// own. A target that does not answer is passed over.
func (v *Vault) Keys(ctx context.Context) []ed25519.PublicKey {
	var mu sync.Mutex
	found := map[string]ed25519.PublicKey{}
	v.each(ctx, func(ctx context.Context, t target.Target) error {
		all, err := t.List(ctx, keysKey)
		for _, o := range all {
			b, readErr := target.ReadAll(ctx, t, o.Key, 1000)
			if pub, keyErr := catalog.ParsePublic(string(b)); readErr == nil && keyErr == nil {
				mu.Lock()
				found[catalog.KeyID(pub)] = pub
				mu.Unlock()
			}
		}
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	var keys []ed25519.PublicKey
	for _, id := range slices.Sorted(maps.Keys(found)) {
		keys = append(keys, found[id])
	}
	return keys
}

func (v *Vault) target(name string) (target.Target, bool) {
	for _, t := range v.cfg.Targets {
		if t.Name() == name {
			return t, true
		}
	}
	return nil, false
}

// signAll signs a document and writes it to every target that is said to hold
// the backup; one that took it is enough.
func (v *Vault) signAll(ctx context.Context, id, name string, kind catalog.Kind, doc any) error {
	b, err := catalog.Sign(kind, doc, v.cfg.Signer)
	if err != nil {
		return err
	}
	took := 0
	var failed []error
	for _, err := range v.each(ctx, func(ctx context.Context, t target.Target) error {
		if _, err := t.Stat(ctx, key(id, manifestName)); err != nil {
			return err
		}
		return putDoc(ctx, t, key(id, name), b, time.Time{})
	}) {
		if err != nil {
			failed = append(failed, err)
			continue
		}
		took++
	}
	if took == 0 {
		return fmt.Errorf("write %s of backup %s: no target took it: %w", kind, id, errors.Join(failed...))
	}
	return nil
}

// mark is what lock.* and drop.json hold, for people.
type mark struct {
	Who   string    `json:"who"`
	Why   string    `json:"why"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until,omitzero"`
}

func (m mark) bytes() []byte {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil { // strings and times
		return nil
	}
	return append(b, '\n')
}

// counting tells Progress what passes.
type counting struct {
	io.Reader
	v              *Vault
	target, object string
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n > 0 {
		c.v.cfg.Progress(c.target, c.object, int64(n))
	}
	return n, err
}
