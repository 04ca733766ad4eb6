package config

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cron"
)

// vault checks where backups lie. Whether keys are keys is seen when they are
// read: only their form is looked at here.
func (j *judge) vault() {
	v := j.cfg.Vault
	if v == nil {
		return
	}
	path := []any{"vault"}
	if len(v.Targets) == 0 {
		j.add(at(path, "targets"), "at least one target is needed")
	}
	names := map[string]int{}
	for i, t := range v.Targets {
		j.name(at(path, "targets", i, "name"), "target", t.Name, names, i)
		j.target(at(path, "targets", i), t)
		for n, tier := range t.Tiers {
			if !slices.Contains(tierNames(*v), tier) {
				j.add(at(path, "targets", i, "tiers", n), "no tier is named %q (there are: %s)", tier, strings.Join(tierNames(*v), ", "))
			}
		}
	}
	for i, r := range v.Recipients {
		if strings.HasPrefix(r, "AGE-SECRET-KEY") || strings.Contains(r, "PRIVATE KEY") {
			j.add(at(path, "recipients", i), "this is a private key, which must not stand here; name its public one (age-keygen -y)")
		} else if !strings.HasPrefix(r, "age1") && !strings.HasPrefix(r, "ssh-") {
			j.add(at(path, "recipients", i), "must begin with age1 or ssh-")
		}
	}
	for i, k := range v.Trusted {
		if !strings.HasPrefix(k, "salvor-verify-1:") {
			j.add(at(path, "trusted", i), "must begin with salvor-verify-1:")
		}
	}
	switch {
	case v.Plain && (len(v.Recipients) > 0 || v.PassphraseFile != ""):
		j.add(at(path, "plain"), "contradicts recipients: backups are either plain or sealed")
	case len(v.Recipients) > 0 && v.PassphraseFile != "":
		j.add(at(path, "passphraseFile"), "age allows no other recipient beside a passphrase: leave one out")
	}
	for _, f := range []struct{ name, value string }{
		{"passphraseFile", v.PassphraseFile}, {"identity", v.Identity}, {"signingKey", v.SigningKey}} {
		if f.value != "" {
			j.ownFile(at(path, f.name), f.value)
		}
	}
	for i, t := range v.Tiers {
		if t.Name == "" {
			j.add(at(path, "tiers", i, "name"), "a tier needs a name")
		}
		if t.For <= 0 {
			j.add(at(path, "tiers", i, "for"), "is missing: how old a backup may get in it, such as 7d")
		}
	}
	for _, n := range []struct {
		name  string
		value *int
	}{{"copies", v.Objectives.Copies}, {"media", v.Objectives.Media}, {"offsite", v.Objectives.Offsite},
		{"offline", v.Objectives.Offline}, {"immutable", v.Objectives.Immutable}} {
		if n.value != nil && *n.value < 0 {
			j.add(at(path, "objectives", n.name), "must not be negative")
		}
	}
}

// tierNames are those of the file, else the ones that hold without.
func tierNames(v cluster.Vault) []string {
	names := []string{"hot", "cold", "archive"}
	if len(v.Tiers) > 0 {
		names = nil
	}
	for _, t := range v.Tiers {
		names = append(names, t.Name)
	}
	return names
}

// target checks one place for backups.
func (j *judge) target(path []any, t cluster.VaultTarget) {
	kinds := 0
	if t.Dir != "" {
		kinds++
		j.absolute(at(path, "dir"), t.Dir)
	}
	if t.Removable != "" {
		kinds++
		j.absolute(at(path, "removable"), t.Removable)
	}
	if t.S3 != nil {
		kinds++
		j.s3(at(path, "s3"), *t.S3)
	}
	if t.SFTP != nil {
		kinds++
		j.sftp(at(path, "sftp"), *t.SFTP)
	}
	if kinds != 1 {
		j.add(path, "needs exactly one of dir, s3, sftp and removable")
	}
}

func (j *judge) s3(path []any, s cluster.VaultS3) {
	u, err := url.Parse(s.Endpoint)
	switch {
	case s.Endpoint == "":
		j.add(at(path, "endpoint"), "is missing: the server's URL, such as https://s3.eu-central-1.amazonaws.com")
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		j.add(at(path, "endpoint"), "%q must be https://HOST[:PORT] without a path", s.Endpoint)
	case u.User != nil:
		j.add(at(path, "endpoint"), "keys must not stand in the URL: name a file of credentials")
	}
	if s.Bucket == "" {
		j.add(at(path, "bucket"), "is missing")
	}
	switch s.Lock {
	case "", "governance", "compliance":
	default:
		j.add(at(path, "lock"), "%q is no lock: governance or compliance", s.Lock)
	}
	for _, f := range []struct{ name, value string }{{"ca", s.CA}, {"credentials", s.Credentials}} {
		if f.value != "" {
			j.ownFile(at(path, f.name), f.value)
		}
	}
}

func (j *judge) sftp(path []any, s cluster.VaultSFTP) {
	if s.Address == "" {
		j.add(at(path, "address"), "is missing: [user@]host[:port]")
	} else {
		j.address(at(path, "address"), s.Address)
	}
	j.absolute(at(path, "path"), s.Path)
	for _, f := range []struct{ name, value string }{{"identity", s.Identity}, {"knownHosts", s.KnownHosts}} {
		if f.value == "" {
			j.add(at(path, f.name), "is missing")
		} else {
			j.ownFile(at(path, f.name), f.value)
		}
	}
}

// backup checks when the agent backs up.
func (j *judge) backup() {
	b := j.cfg.Backup
	if b == nil {
		return
	}
	path := []any{"backup"}
	if b.Schedule != "" {
		if _, err := cron.Parse(b.Schedule); err != nil {
			j.add(at(path, "schedule"), "%s", err)
		}
	}
	for _, f := range []struct{ name, value string }{{"scratch", b.Scratch}, {"webhookFile", b.WebhookFile}, {"stateDir", b.StateDir}} {
		if f.value != "" {
			j.ownFile(at(path, f.name), f.value)
		}
	}
	for i, f := range b.Files {
		j.absolute(at(path, "files", i), f)
	}
	for i, f := range b.Absent {
		j.absolute(at(path, "absent", i), f)
	}
	if b.Listen != "" {
		if _, _, err := net.SplitHostPort(b.Listen); err != nil {
			j.add(at(path, "listen"), "%q must be ADDRESS:PORT, such as 127.0.0.1:9379", b.Listen)
		}
	}
	if j.cfg.Vault == nil {
		j.add(path, "there is no vault to back up to: describe it under vault")
	}
}
