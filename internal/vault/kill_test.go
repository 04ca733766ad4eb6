package vault_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/dir"
	"github.com/salvor-project/salvor/internal/vault/policy"
	"github.com/salvor-project/salvor/internal/vault/s3"
	"github.com/salvor-project/salvor/internal/vault/seal"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/test/s3server"
)

// childEnv makes this test binary the process that is killed.
const childEnv = "SALVOR_VAULT_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child backs up, attests and prunes for ever, and says what is done. It is
// told everything in its environment, as every run of salvor is by its
// configuration.
func child() error {
	signer, err := catalog.ParsePrivate(os.Getenv("SIGNER"))
	if err != nil {
		return err
	}
	to, err := seal.ParseRecipient(os.Getenv("RECIPIENT"))
	if err != nil {
		return err
	}
	disk, err := dir.New("disk", os.Getenv("FOLDER"), target.Properties{Media: "disk"})
	if err != nil {
		return err
	}
	o := bucketOptions(os.Getenv("ENDPOINT"))
	var until []time.Time
	if os.Getenv("LOCKED") != "" {
		o.Lock, until = "compliance", []time.Time{time.Now().Add(time.Hour)}
	}
	bucket, err := s3.New("bucket", o, target.Properties{Media: "object"})
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(os.Getenv(childEnv), 10, 32)
	if err != nil {
		return err
	}
	hour := time.Duration(seed)
	cfg := vault.Config{Targets: []target.Target{disk, bucket}, Signer: signer, Recipients: []seal.Recipient{to}, Chunk: 64 << 10,
		Trusted: []ed25519.PublicKey{signer.Public().(ed25519.PublicKey)}}
	cfg.Now = func() time.Time { return time.Now().Add(hour * time.Hour) }
	v, err := vault.New(cfg)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	ctx := context.Background()
	for os.Getenv("CARE") != "" {
		if err := care(ctx, v); err != nil {
			return err
		}
	}
	for left := 5; os.Getenv("PRUNE") != ""; left = max(0, left-1) { // one hour less each time, then nothing is left to do
		p := policy.Policy{ProofLevel: 4, Tiers: []policy.Tier{{Name: "hot", For: time.Duration(left) * time.Hour}}}
		if _, _, err := v.Prune(ctx, p, false); err != nil {
			return err
		}
	}
	for ; ; hour, seed = hour+1, seed+1 {
		res, err := write(ctx, v, seed, until...)
		if err != nil {
			return err
		}
		fmt.Printf("whole %s %d\n", res.Manifest.ID, len(res.Receipts))
		if err := v.Attest(ctx, catalog.Proof{Backup: res.Manifest.ID, Who: "test", When: cfg.Now(), Level: 4, Passed: true}); err != nil {
			return err
		}
		if _, _, err := v.Prune(ctx, keepFive(), false); err != nil {
			return err
		}
		fmt.Println("pruned")
	}
}

// care does what looks after a vault, but drops nothing.
func care(ctx context.Context, v *vault.Vault) error {
	done, err := v.Complete(ctx, nil)
	for _, c := range done {
		err = errors.Join(err, c.Err)
	}
	if err != nil {
		return err
	}
	if _, err := v.Collect(ctx); err != nil {
		return err
	}
	cat, err := v.List(ctx)
	for _, e := range cat.Entries {
		err = errors.Join(err, v.Retain(ctx, e, time.Now().Add(time.Hour)))
	}
	return err
}

// TestKillCare takes copies away, damages others, and kills a process that
// makes them good again, at random moments.
func TestKillCare(t *testing.T) {
	t.Parallel()
	s := s3server.Start(t)
	w := newWorld(t, 1)
	w.folders["disk"] = w.folders["disk1"]
	w.cfg.Targets = nil
	for _, make := range []func() (target.Target, error){
		func() (target.Target, error) {
			return dir.New("disk", w.folders["disk"], target.Properties{Media: "disk"})
		},
		func() (target.Target, error) {
			c, err := minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s3server.AccessKey, s3server.SecretKey, "")})
			if err == nil {
				err = c.MakeBucket(t.Context(), "vault", minio.MakeBucketOptions{})
			}
			if err != nil {
				return nil, err
			}
			return s3.New("bucket", bucketOptions(s.Endpoint), target.Properties{Media: "object"})
		},
	} {
		one, err := make()
		if err != nil {
			t.Fatal(err)
		}
		w.cfg.Targets = append(w.cfg.Targets, one)
	}
	for seed := range uint64(6) {
		w.backup(seed)
	}
	rng := rand.New(rand.NewPCG(0x5a18, 1))
	all := w.list().Entries
	for i := range 20 {
		gone, hurt := all[rng.IntN(len(all))].Manifest.ID, all[rng.IntN(len(all))].Manifest
		tgt := w.cfg.Targets[i%2]
		objects, err := tgt.List(t.Context(), "backups/"+gone+"/")
		for _, o := range objects {
			err = errors.Join(err, tgt.Delete(t.Context(), o.Key))
		}
		if hurt.ID != gone {
			err = errors.Join(err, tgt.Delete(t.Context(), "backups/"+hurt.ID+"/"+hurt.Parts[i/2%2].Object))
		}
		if err != nil {
			t.Fatal(err)
		}
		w.killed(s.Endpoint, 7, "CARE=1", time.Duration(rng.IntN(150))*time.Millisecond)
		cat := w.list()
		if len(cat.Entries) != len(all) {
			t.Fatalf("kill %d: %d backups of %d: %s", i, len(cat.Entries), len(all), codes(cat))
		}
		for _, e := range cat.Entries {
			w.mustRead(e)
		}
		// From here on both copies are needed: the next round damages the other.
		if done, err := w.vault().Complete(t.Context(), nil); err != nil {
			t.Fatal(err)
		} else {
			for _, c := range done {
				if c.Err != nil {
					t.Fatal(c.Err)
				}
			}
		}
	}
	w.pass(48 * time.Hour)
	if _, err := w.vault().Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	cat := w.list()
	if len(cat.Problems) != 0 {
		t.Errorf("left: %s", codes(cat))
	}
	for _, e := range cat.Entries {
		for _, c := range w.vault().Check(t.Context(), e) {
			if c.Err != nil {
				t.Error(c.Err)
			}
		}
		if len(e.Copies) != 2 {
			t.Errorf("%s: %s", e.Manifest.ID, states(e))
		}
	}
}

// keepFive keeps five hours: prunes begin early.
func keepFive() policy.Policy {
	return policy.Policy{ProofLevel: 4, Tiers: []policy.Tier{{Name: "hot", For: 5 * time.Hour}}}
}

func bucketOptions(endpoint string) s3.Options {
	return s3.Options{Endpoint: endpoint, Plain: true, Bucket: "vault", PathStyle: true,
		AccessKey: s3server.AccessKey, SecretKey: s3server.SecretKey, PartSize: 5 << 20}
}

// TestKill kills a process that backs up and prunes, on a folder and a bucket,
// at random moments. Whatever it had said is whole is whole, what is listed can
// be read from each target alone, and the next runs clean up.
func TestKill(t *testing.T) {
	t.Parallel()
	s := s3server.Start(t)
	c, err := minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s3server.AccessKey, s3server.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MakeBucket(t.Context(), "vault", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 0)
	w.cfg.Targets = []target.Target{w.folder("disk")}
	bucket, err := s3.New("bucket", bucketOptions(s.Endpoint), target.Properties{Media: "object"})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Targets = append(w.cfg.Targets, bucket)
	seed, said := uint64(1), map[string]bool{}
	const seeds = 0x5a17
	kills := 50
	if n, err := strconv.Atoi(os.Getenv("SALVOR_KILLS")); err == nil {
		kills = 2 * n // so many in backups, and in prunes
	}
	rng := rand.New(rand.NewPCG(seeds, 1))
	// On a busy machine everything takes longer: moments are drawn from the time
	// that some backups take.
	begin := time.Now()
	for range 3 {
		said[w.backup(seed).Manifest.ID] = true
		seed++
		w.pass(time.Hour)
	}
	span := min(max(500*time.Millisecond, 2*time.Since(begin)), 2*time.Second)
	for i := range kills {
		prune, after := i%2 == 1, time.Duration(rng.Int64N(int64(span)))
		if prune {
			after /= 8
		}
		whole := w.killedRun(s.Endpoint, seed, prune, after)
		for _, id := range whole {
			said[id] = true
		}
		if !prune {
			seed += uint64(len(whole)) + 2
			switch n := len(whole); { // a machine may get busy meanwhile, or idle
			case n == 0:
				span = min(span*5/4, 3*time.Second)
			case n > 2:
				span = span * 3 / 4
			}
		}
		w.mu.Lock()
		w.now = time.Now().Add(time.Duration(seed) * time.Hour)
		w.mu.Unlock()
		w.nothingLost(said, i%10 == 9)
	}
	if len(said) < 15 {
		t.Errorf("only %d backups were made: the kills came too early to say anything", len(said))
	}
	w.pass(48 * time.Hour)
	// The last kill may have left a backup on one target only: its other copy is
	// Complete's to finish, not Collect's to remove.
	if _, err := w.vault().Complete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.vault().Prune(t.Context(), keepFive(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.vault().Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range w.list().Problems {
		t.Errorf("left after collecting: %+v", p)
	}
	for _, text := range []string{"lock.", "drop.json"} {
		if left := w.files(text); len(left) != 0 {
			t.Errorf("left after collecting: %v", left)
		}
	}
	t.Logf("%d kills, %d backups were whole", kills, len(said))
}

// killedRun starts the child, kills it so long after it began to work, and
// gives what it had said is whole on both targets.
func (w *world) killedRun(endpoint string, seed uint64, prune bool, after time.Duration) []string {
	w.t.Helper()
	if prune {
		return w.killed(endpoint, seed, "PRUNE=1", after)
	}
	return w.killed(endpoint, seed, "", after)
}

func (w *world) killed(endpoint string, seed uint64, mode string, after time.Duration) []string {
	w.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childEnv, seed), "ENDPOINT="+endpoint, "FOLDER="+w.folders["disk"],
		"RECIPIENT="+w.id.Recipient().String(), "SIGNER="+catalog.FormatPrivate(w.cfg.Signer))
	if mode != "" {
		cmd.Env = append(cmd.Env, mode)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	var whole []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "ready" {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "whole" && f[2] == "2" {
			whole = append(whole, f[1])
		}
	}
	if err := cmd.Wait(); err == nil || errs.Len() > 0 {
		w.t.Fatalf("the child ended by itself: %v %s", err, errs.String())
	}
	return whole
}

// nothingLost holds what is listed against what was said. Thorough reads every
// backup from each target alone.
func (w *world) nothingLost(said map[string]bool, thorough bool) {
	w.t.Helper()
	cat := w.list()
	for _, p := range cat.Problems {
		if p.Code != vault.Leftover {
			w.t.Fatalf("after a kill: %+v", p)
		}
	}
	d := policy.Keep(cat.Entries, keepFive(), w.cfg.Now().Add(-3*time.Hour))
	here := map[string]bool{}
	for _, e := range cat.Entries {
		here[e.Manifest.ID] = true
		if !thorough {
			continue
		}
		for _, c := range e.Copies {
			if c.State == catalog.Partly {
				continue
			}
			one := &world{t: w.t, cfg: w.cfg, id: w.id}
			one.cfg.Targets = nil
			for _, tgt := range w.cfg.Targets {
				if tgt.Name() == c.Target {
					one.cfg.Targets = []target.Target{tgt}
				}
			}
			one.mustRead(e)
		}
	}
	// What is not listed must have been pruned: it is older than all that the
	// policy keeps.
	for id := range said {
		for _, k := range d.Keep {
			if !here[id] && id > k.Backup && k.Code != policy.KeepHeld {
				w.t.Fatalf("backup %s was whole and is gone; older %s is kept", id, k.Backup)
			}
		}
	}
}

// TestProofsAndHolds: both are signed, on every target, and rule the pruning.
func TestProofsAndHolds(t *testing.T) {
	w := newWorld(t, 2)
	var ids []string
	for seed := range uint64(4) {
		ids = append(ids, w.backup(seed+1).Manifest.ID)
		w.pass(time.Hour)
	}
	v := w.vault()
	if err := v.Hold(t.Context(), catalog.Hold{Backup: ids[0], Who: "auditor", Why: "case 7", When: w.now}); err != nil {
		t.Fatal(err)
	}
	w.pass(100 * time.Hour)
	for _, p := range []catalog.Proof{{Backup: ids[1], Level: 4, Passed: true}, {Backup: ids[2], Level: 4, Passed: true, Duration: 3 * time.Minute}} {
		p.Who, p.When = "agent", w.now
		if err := v.Attest(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	prune := func() string {
		t.Helper()
		d, dropped, err := v.Prune(t.Context(), keepFive(), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range dropped {
			if one.Err != nil {
				t.Error(one.Err)
			}
		}
		return verdicts(d, ids)
	}
	want := "0 held, 1 older-than-every-tier, 2 last-proven, 3 newer-than-last-proven"
	if dry, dropped, err := v.Prune(t.Context(), keepFive(), true); err != nil || len(dropped) != 0 || verdicts(dry, ids) != want || len(w.list().Entries) != 4 {
		t.Errorf("dry run: %s, %v", verdicts(dry, ids), err)
	}
	if got := prune(); got != want {
		t.Errorf("got %s", got)
	}
	if cat := w.list(); len(cat.Entries) != 3 || len(cat.Problems) != 0 {
		t.Errorf("left %d entries, %s", len(cat.Entries), codes(cat))
	}
	if left := w.files(ids[1]); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if err := v.Release(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if got := prune(); !strings.Contains(got, "0 older-than-every-tier") {
		t.Errorf("after release: %s", got)
	}
	e, _ := w.list().Find(ids[2])
	if p, ok := e.Proven(4); !ok || p.Who != "agent" || p.Duration != 3*time.Minute || len(e.Proofs) != 1 {
		t.Errorf("got %+v", e.Proofs)
	}
	if err := v.Attest(t.Context(), catalog.Proof{Backup: ids[2], Level: 3, Passed: false, When: w.now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if e, _ := w.list().Find(ids[2]); len(e.Proofs) != 2 {
		t.Errorf("got %+v", e.Proofs)
	} else if _, ok := e.Proven(4); ok {
		t.Error("proven, although the last proof failed")
	}
	// A proof that is moved to another backup is not believed, and nothing is
	// dropped while it lies there.
	from, to := w.object("disk1", ids[2], ""), w.object("disk1", ids[3], "proof.moved.json")
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range entries {
		if strings.HasPrefix(one.Name(), "proof.") {
			err = errors.Join(err, os.Link(from+"/"+one.Name(), to))
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := codes(w.list()); got != "document-bad disk1 proof.moved.json" {
		t.Errorf("problems: %s", got)
	}
	if _, _, err := v.Prune(t.Context(), keepFive(), false); err == nil {
		t.Error("pruned beside a document that is not believed")
	}
	w.cfg.Targets = append(w.cfg.Targets, gone{w.cfg.Targets[0], "gone", "x"})
	if _, _, err := w.vault().Prune(t.Context(), keepFive(), false); !errors.Is(err, target.ErrDenied) {
		t.Errorf("pruned while a target was down: %v", err)
	}
}

func verdicts(d policy.Decision, ids []string) string {
	code := map[string]policy.Code{}
	for _, v := range append(append([]policy.Verdict{}, d.Keep...), d.Drop...) {
		code[v.Backup] = v.Code
	}
	var all []string
	for i, id := range ids {
		if code[id] != "" {
			all = append(all, fmt.Sprintf("%d %s", i, code[id]))
		}
	}
	return strings.Join(all, ", ")
}
