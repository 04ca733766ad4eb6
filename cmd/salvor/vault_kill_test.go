package main

import (
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/policy"
)

// TestVaultKilled kills -9 the commands that write to the vault at random
// moments. A backup is whole or it does not exist, what was whole stays, and the
// next runs clean up. SALVOR_KILLS is how often each command is killed, 10 if it
// is not set.
func TestVaultKilled(t *testing.T) {
	k := newKeeping(t)
	k.configure(func(c *cluster.Config) {
		c.Vault.Tiers = []cluster.VaultTier{{Name: "hot", For: cluster.Span(time.Nanosecond)}} // all but the last proven may go
		c.Backup.Scratch = k.path("scratch")
	})
	check(t, os.Mkdir(k.path("scratch"), 0o700))
	k.must(codeOK, "vault", "init")
	k.must(codeOK, "backup", "--prove")
	cfg, err := config.Load(k.path("salvor.yaml"))
	check(t, err)
	kills := 50
	if testing.Short() {
		kills = 8
	}
	rng := rand.New(rand.NewPCG(0x5a19, 1))
	commands := [][]string{{"backup"}, {"vault", "prove"}, {"backup", "--prove"}, {"vault", "prune"}, {"vault", "complete"}}
	if n, err := strconv.Atoi(os.Getenv("SALVOR_KILLS")); err == nil {
		kills = n * len(commands) // so many of each
	}
	died := map[string]int{}
	span := map[int]time.Duration{} // how long each has to live at most: about as long as it takes
	for i := range kills {
		command := commands[i%len(commands)]
		before := k.whole(cfg)
		p, wait := k.start(orders{}, command...)
		limit := cmp.Or(span[i%len(commands)], 200*time.Millisecond)
		time.Sleep(5*time.Millisecond + time.Duration(rng.Int64N(int64(limit))))
		_ = p.Kill() // it may have ended
		if wait().killed {
			died[command[len(command)-1]]++
			limit = limit * 11 / 10
		} else {
			limit = limit * 3 / 4
		}
		span[i%len(commands)] = min(max(limit, 20*time.Millisecond), 2*time.Second)
		after := k.whole(cfg)
		for id, kept := range before {
			if _, there := after[id]; !there && (kept || command[len(command)-1] != "prune") {
				t.Fatalf("kill %d, of %v: backup %s was whole and is gone", i, command, id)
			}
		}
	}
	t.Logf("died %v", died)
	total := 0
	for _, n := range died {
		total += n
	}
	if total < kills/2 {
		t.Errorf("only %d of %d were killed in time", total, kills)
	}
	k.must(codeOK, "backup", "--prove")
	k.must(codeOK, "vault", "complete")
	k.must(codeOK, "vault", "prune")
	k.must(codeOK, "vault", "check", "--all")
	if left, err := filepath.Glob(k.path("scratch", "*")); err != nil || len(left) != 0 {
		t.Errorf("left of proofs: %v, %v", left, err)
	}
	if e := k.must(codeOK, "vault", "get", "--snapshot", k.path("snap.db")); !strings.Contains(e.out, "proven") {
		t.Errorf("no proven backup at the end:\n%s", e.out)
	}
}

// whole lists the backups that are whole somewhere, and whether each has to be
// kept.
func (k *keeping) whole(cfg cluster.Config) map[string]bool {
	k.t.Helper()
	v, err := backup.Open(cfg.Vault, backup.Options{})
	check(k.t, err)
	defer v.Close()
	cat, err := v.List(k.t.Context())
	check(k.t, err)
	for _, p := range cat.Problems {
		if p.Code != vault.Leftover && p.Code != vault.KeysFromVault {
			k.t.Fatalf("%s", problemText(p))
		}
	}
	kept := map[string]bool{}
	for _, d := range policy.Keep(cat.Entries, v.Policy, time.Now()).Keep {
		kept[d.Backup] = true
	}
	all := map[string]bool{}
	for _, e := range cat.Entries {
		if e.Recoverable() {
			all[e.Manifest.ID] = kept[e.Manifest.ID]
		}
	}
	return all
}
