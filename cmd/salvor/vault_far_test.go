package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
	"github.com/salvor-project/salvor/test/s3server"
)

// TestVaultFarTargets keeps backups in a bucket, on another machine and on a
// tape: 3-2-1. Credentials expire, the tape goes into the safe, and on the
// worst day only the bucket is left.
func TestVaultFarTargets(t *testing.T) {
	s3 := s3server.Start(t)
	ssh := sshtest.Start(t, "Subsystem sftp internal-sftp")
	k := newKeeping(t)
	client, err := minio.New(s3.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s3server.AccessKey, s3server.SecretKey, "")})
	check(t, err)
	check(t, client.MakeBucket(t.Context(), "plane", minio.MakeBucketOptions{}))
	k.credentials(s3server.SecretKey)
	for _, d := range []string{"far", "tape"} {
		check(t, os.Mkdir(k.path(d), 0o700))
	}
	k.configure(func(c *cluster.Config) {
		three := 3
		c.Vault.Objectives = cluster.VaultObjectives{Copies: &three} // and the rest of the rule
		c.Vault.Targets = []cluster.VaultTarget{
			{Name: "cloud", Offsite: true, S3: &cluster.VaultS3{Endpoint: "http://" + s3.Endpoint, Bucket: "plane", Prefix: "prod",
				PathStyle: true, Credentials: k.path("credentials")}},
			{Name: "box", SFTP: &cluster.VaultSFTP{Address: ssh.User + "@" + ssh.Address(), Path: k.path("far"), Identity: ssh.Identity, KnownHosts: ssh.KnownHosts}},
			{Name: "tape", Removable: k.path("tape"), Media: "tape"},
		}
	})
	// An empty mount point is no tape.
	k.must(codeFindings, "vault", "init").says(t, "")
	k.must(codeFindings, "backup", "-o", "json")
	if left, err := os.ReadDir(k.path("tape")); err != nil || len(left) != 0 {
		t.Errorf("something was written into an empty mount point: %v, %v", left, err)
	}
	k.must(codeOK, "vault", "init", "--label", "TAPE-07")
	k.must(codeOK, "vault", "complete")
	k.must(codeOK, "vault", "prove")
	k.must(codeOK, "vault", "status")
	check(t, os.Rename(k.path("tape"), k.path("safe"))) // the tape is taken out
	check(t, os.Mkdir(k.path("tape"), 0o700))
	e := k.must(codeOK, "vault", "status")
	if !strings.Contains(e.out, "tape/TAPE-07") || !strings.Contains(e.out, "offline 1") {
		t.Errorf("the tape in the safe is forgotten:\n%s", e.out)
	}

	// The bucket's key expires.
	k.credentials("wrong")
	k.must(codeFindings, "vault", "ls").says(t, "the access key is wrong or has expired")
	k.must(codeFindings, "backup", "-o", "json")
	k.must(codeFindings, "vault", "status")
	e = k.must(codeError, "vault", "prune")
	e.says(t, "nothing is dropped")
	if strings.Contains(e.err+e.out, s3server.SecretKey) {
		t.Error("a secret is in a message")
	}
	k.credentials(s3server.SecretKey)
	k.must(codeOK, "vault", "complete")
	k.must(codeOK, "vault", "ls")
	id := k.backUpAnyway()
	k.must(codeOK, "vault", "prove", id)

	// Only the bucket is left, and a blank machine with keys in its environment.
	check(t, k.cluster.KillAll())
	check(t, os.RemoveAll(k.path("far")))
	target := fmt.Sprintf("s3://plane/prod?endpoint=%s&pathStyle=true&credentials=%s", url.QueryEscape("http://"+s3.Endpoint), url.QueryEscape(k.path("credentials")))
	e = k.blank(codeOK, "vault", "get", "--target", target, "--identity", k.path("key.txt"), "--snapshot", k.path("snap.db"), "--salvor-yaml", k.path("was.yaml"))
	if !strings.Contains(e.out, id) {
		t.Errorf("not the newest proven one:\n%s", e.out)
	}
	k.blank(codeUsage, "vault", "ls", "--target", "s3://key:secret@plane?endpoint=x")
}

// credentials writes the file of the bucket's keys.
func (k *keeping) credentials(secret string) {
	k.t.Helper()
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", s3server.AccessKey, secret)
	check(k.t, os.WriteFile(filepath.Clean(k.path("credentials")), []byte(text), 0o600))
}

// backUpAnyway makes a backup that one target has no copy of, as of the tape
// that is not in.
func (k *keeping) backUpAnyway() string {
	k.t.Helper()
	return k.backUp(codeFindings)
}

// TestVaultOverSSH backs up a cluster whose machines are reached over SSH: the
// snapshot and the keys come through a real sshd.
func TestVaultOverSSH(t *testing.T) {
	ssh := sshtest.Start(t, "SetEnv "+ordersEnv+"={}")
	k := newKeeping(t)
	k.configure(func(c *cluster.Config) {
		for i, h := range c.Hosts {
			c.Hosts[i] = cluster.Host{Name: h.Name, Via: cluster.ViaSSH, Address: ssh.User + "@" + ssh.Address(), Identities: []string{ssh.Identity},
				KnownHosts: ssh.KnownHosts, StateDir: h.StateDir}
		}
	})
	k.must(codeOK, "vault", "init")
	revision, hash := k.hash()
	id := k.backUp(codeOK)
	k.must(codeOK, "vault", "prove", id)
	k.must(codeOK, "vault", "get", "--snapshot", k.path("snap.db"), "--bundle", k.path("plane"))
	h, err := datadir.HashKVOf(t.Context(), k.path("snap.db"), revision)
	check(t, err)
	if h.Hash != hash {
		t.Errorf("HashKV at %d is %d, it was %d", revision, h.Hash, hash)
	}
	cfg := k.cluster.Config()
	if !exists(filepath.Join(k.path("plane"), "hosts", cfg.Hosts[2].Name, cfg.Client.Key)) {
		t.Error("the third host's key is not in the bundle")
	}
}
