package vault_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/policy"
	"github.com/salvor-project/salvor/internal/vault/s3"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/test/s3server"
)

// TestKeysExpireInTheMiddle takes the bucket's keys back while a part is uploaded:
// the other target has the backup, the error says what to do, the bucket holds
// none that is half, and with new keys the upload goes on where it stopped.
func TestKeysExpireInTheMiddle(t *testing.T) {
	s := s3server.Start(t)
	w := newWorld(t, 1)
	w.bucket(s)
	o := bucketOptions(s.Endpoint)
	o.Bucket = filepath.Base(w.folders["bucket"])
	with := func(access string) target.Target {
		o.AccessKey, o.SecretKey = access, "secret-of-"+access
		one, err := s3.New("bucket", o, target.Properties{Media: "object"})
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	s.Grant(t, "agent-1", "secret-of-agent-1")
	disk := w.cfg.Targets[:1:1]
	revoking := func() io.Reader {
		data := half(5, 24<<20)
		return io.MultiReader(bytes.NewReader(data[:20<<20]), &revoke{func() { s.Revoke(t, "agent-1") }}, bytes.NewReader(data[20<<20:]))
	}
	put := func(v *vault.Vault) (vault.Result, error) {
		b, err := v.Begin(t.Context(), ours, time.Time{})
		if err != nil {
			return vault.Result{}, err
		}
		if _, err := b.Part(t.Context(), "etcd.snapshot", revoking()); err != nil {
			return vault.Result{}, err
		}
		return b.Commit(t.Context(), vault.Facts{Revision: 1})
	}
	denied := func(err error) {
		t.Helper()
		if !errors.Is(err, target.ErrDenied) || !strings.Contains(err.Error(), "has expired: replace it") {
			t.Errorf("got %v", err)
		}
	}
	w.cfg.Targets = append(disk, with("agent-1"))
	res, err := put(w.vault())
	if err != nil || len(res.Receipts) != 1 {
		t.Fatalf("got %+v, %v", res, err)
	}
	denied(res.Failed["bucket"])
	if _, err := w.vault().Complete(t.Context(), nil); err != nil { // the bucket is passed over
		t.Error(err)
	}
	s.Grant(t, "agent-2", "secret-of-agent-2")
	w.cfg.Targets = append(disk, with("agent-2"))
	if got := codes(w.list()); !strings.HasPrefix(got, "leftover bucket") {
		t.Errorf("after new keys: %s", got)
	}
	done, err := w.vault().Complete(t.Context(), nil)
	if err != nil || len(done) != 1 || done[0].Err != nil || done[0].Resumed == 0 {
		t.Fatalf("got %+v, %v", done, err)
	}
	w.cfg.Targets = w.cfg.Targets[1:]
	if cat := w.list(); len(cat.Entries) != 1 || w.vault().Check(t.Context(), cat.Entries[0])[0].Err != nil {
		t.Errorf("the bucket alone: %s", codes(cat))
	}
	// No other target: the backup fails and is nowhere.
	s.Grant(t, "agent-1", "secret-of-agent-1")
	w.cfg.Targets = []target.Target{with("agent-1")}
	_, err = put(w.vault())
	denied(err)
	w.cfg.Targets = []target.Target{with("agent-2")}
	if cat := w.list(); len(cat.Entries) != 1 {
		t.Errorf("%d backups", len(cat.Entries))
	}
}

// revoke is an empty reader that does something when it is reached.
type revoke struct{ do func() }

func (r *revoke) Read([]byte) (int, error) { r.do(); return 0, io.EOF }

// TestClockAnHourBack makes a backup, sets the clock back and makes others: both
// are there and read, the one from the future is said to be it, nothing is dropped
// by it, and the next uploads and clean-ups work as ever.
func TestClockAnHourBack(t *testing.T) {
	w := newWorld(t, 2)
	before := w.backup(1).Manifest
	w.prove(before.ID)
	w.pass(-time.Hour)
	after := w.backup(2).Manifest
	cat := w.list()
	if len(cat.Entries) != 2 || len(cat.Problems) != 0 || cat.Entries[0].Manifest.ID != before.ID || !after.Created.Before(before.Created) {
		t.Fatalf("%d entries, %s", len(cat.Entries), codes(cat))
	}
	for _, e := range cat.Entries {
		w.mustRead(e)
	}
	judged := policy.Judge(cat.Entries, nil, policy.Objectives{}, w.now)
	if len(judged) != 1 || judged[0].Newest.Backup != before.ID || judged[0].Lacks[0].Code != string(policy.LackClock) || judged[0].OK {
		t.Errorf("judged %+v", judged)
	}
	p := policy.Policy{ProofLevel: 4, Tiers: []policy.Tier{{Name: "hot", For: time.Minute}}}
	for range 4 { // while the clock comes back, and after
		if d, dropped, err := w.vault().Prune(t.Context(), p, false); err != nil || len(dropped) != 0 {
			t.Fatalf("at %s: dropped %+v, %v: %+v", w.now, dropped, err, d)
		}
		if done, err := w.vault().Collect(t.Context()); err != nil || len(done) != 0 {
			t.Errorf("collected %+v, %v", done, err)
		}
		w.pass(45 * time.Minute)
	}
	// The right time again: what is proven then is the last proven.
	last := w.backup(3).Manifest.ID
	w.prove(last)
	w.pass(time.Hour)
	d, _, err := w.vault().Prune(t.Context(), p, false)
	if err != nil || len(d.Keep) != 1 || d.Keep[0].Backup != last {
		t.Errorf("%+v, %v", d, err)
	}
}
