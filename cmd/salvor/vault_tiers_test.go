package main

import (
	"os"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/test/s3server"
)

// TestVaultTiers moves a backup from tier to tier: it comes to the archive's
// target when the archive keeps it, and is locked there for that long.
func TestVaultTiers(t *testing.T) {
	s3 := s3server.Start(t)
	k := newKeeping(t)
	client, err := minio.New(s3.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s3server.AccessKey, s3server.SecretKey, "")})
	check(t, err)
	check(t, client.MakeBucket(t.Context(), "archive", minio.MakeBucketOptions{ObjectLocking: true}))
	k.credentials(s3server.SecretKey)
	k.configure(func(c *cluster.Config) {
		c.Vault.Tiers = []cluster.VaultTier{{Name: "hot", For: cluster.Span(time.Hour)},
			{Name: "archive", For: cluster.Span(48 * time.Hour), Every: cluster.Span(24 * time.Hour), Lock: true}}
		c.Vault.Targets[1] = cluster.VaultTarget{Name: "archive", Tiers: []string{"archive"}, S3: &cluster.VaultS3{Endpoint: "http://" + s3.Endpoint,
			Bucket: "archive", PathStyle: true, Credentials: k.path("credentials"), Lock: "governance"}}
	})
	k.must(codeOK, "vault", "init")
	k.backUp(codeOK)
	id := k.backUp(codeOK)
	if l := k.source(id); len(l.Copies) != 1 {
		t.Errorf("a new backup lies in the archive at once: %+v", l.Copies)
	}
	k.must(codeOK, "vault", "complete")
	k.must(codeOK, "vault", "prune")
	var list struct{ Backups []backupLine }
	k.document(codeOK, &list, "vault", "ls")
	archived := 0
	for _, l := range list.Backups {
		for _, c := range l.Copies {
			if c.Target != "archive" {
				continue
			}
			archived++
			if left := c.LockedUntil.Sub(l.Created); left < 47*time.Hour || left > 49*time.Hour {
				t.Errorf("%s is locked until %s", l.ID, c.LockedUntil)
			}
			if c.State != catalog.Whole {
				t.Errorf("%+v", c)
			}
		}
	}
	if archived != 1 { // one a day
		t.Errorf("%d copies in the archive: %+v", archived, list.Backups)
	}
	check(t, os.RemoveAll(k.path("disk1", "backups")))
	k.must(codeOK, "vault", "get", "--snapshot", k.path("snap.db"))
}
