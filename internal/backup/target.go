package backup

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/vault/dir"
	"github.com/salvor-project/salvor/internal/vault/media"
	"github.com/salvor-project/salvor/internal/vault/s3"
	"github.com/salvor-project/salvor/internal/vault/sftp"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// newTarget makes the place that a configuration describes.
func newTarget(t cluster.VaultTarget) (target.Target, error) {
	props := target.Properties{Media: t.Media, Offsite: t.Offsite, Offline: t.Offline}
	switch {
	case t.Dir != "":
		props.Media = cmp.Or(props.Media, "disk")
		return dir.New(t.Name, t.Dir, props)
	case t.Removable != "":
		props.Media = cmp.Or(props.Media, "removable")
		return media.New(t.Name, t.Removable, props)
	case t.S3 != nil:
		props.Media = cmp.Or(props.Media, "object")
		return newS3(t.Name, *t.S3, props)
	case t.SFTP != nil:
		props.Media = cmp.Or(props.Media, "disk")
		a, err := cluster.ParseSSHAddress(t.SFTP.Address)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		dial := sftp.WithKey(net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), cmp.Or(a.User, "root"), Expand(t.SFTP.Identity), Expand(t.SFTP.KnownHosts))
		return sftp.New(t.Name, t.SFTP.Path, dial, props)
	}
	return nil, fmt.Errorf("target %s: it is neither dir, s3, sftp nor removable", t.Name)
}

func newS3(name string, c cluster.VaultS3, props target.Properties) (target.Target, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("target %s: %q is no URL of a server: write https://HOST[:PORT]", name, c.Endpoint)
	}
	o := s3.Options{Endpoint: u.Host, Plain: u.Scheme == "http", Region: c.Region, Bucket: c.Bucket, Prefix: c.Prefix, PathStyle: c.PathStyle,
		CredentialsFile: Expand(c.Credentials), Profile: c.Profile, InstanceRole: c.InstanceRole, Lock: c.Lock}
	if c.CA != "" {
		o.CAFile = Expand(c.CA)
	}
	return s3.New(name, o, props)
}

// ParseTarget reads a target from a command line, for machines without a
// salvor.yaml:
//
//	/mnt/backup                                  a folder
//	s3://BUCKET[/PREFIX]?endpoint=URL[&region=…&pathStyle=true&credentials=FILE&profile=…]
//	sftp://[USER@]HOST[:PORT]/PATH?identity=FILE&knownHosts=FILE
//
// each with an optional NAME= before it. Secrets have no place in it.
func ParseTarget(text string, n int) (cluster.VaultTarget, error) {
	t := cluster.VaultTarget{Name: fmt.Sprintf("target%d", n)}
	if name, rest, ok := strings.Cut(text, "="); ok && !strings.ContainsAny(name, "/:?") {
		t.Name, text = name, rest
	}
	fail := func(why string) (cluster.VaultTarget, error) {
		return t, fmt.Errorf("target %q: %s", text, why)
	}
	if !strings.Contains(text, "://") {
		path, err := filepath.Abs(text)
		t.Dir = path
		return t, err
	}
	u, err := url.Parse(text)
	if err != nil {
		return fail("it is no URL")
	}
	if _, has := u.User.Password(); has {
		return fail("a password must not stand on a command line, where everybody can read it")
	}
	q := u.Query()
	known := func(names ...string) error {
		for k := range q {
			if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+k+" ") {
				return fmt.Errorf("target %s: unknown option %q; there are %s", t.Name, k, strings.Join(names, ", "))
			}
		}
		return nil
	}
	switch u.Scheme {
	case "s3":
		if u.Host == "" || q.Get("endpoint") == "" {
			return fail("write it like s3://BUCKET/PREFIX?endpoint=https://HOST")
		}
		t.S3 = &cluster.VaultS3{Endpoint: q.Get("endpoint"), Bucket: u.Host, Prefix: strings.Trim(u.Path, "/"), Region: q.Get("region"),
			PathStyle: q.Get("pathStyle") == "true", Credentials: q.Get("credentials"), Profile: q.Get("profile"), CA: q.Get("ca"), InstanceRole: q.Get("instanceRole") == "true"}
		return t, known("endpoint", "region", "pathStyle", "credentials", "profile", "ca", "instanceRole")
	case "sftp":
		if q.Get("identity") == "" || q.Get("knownHosts") == "" {
			return fail("identity=FILE and knownHosts=FILE are needed")
		}
		address := u.Host
		if u.User != nil {
			address = u.User.Username() + "@" + address
		}
		t.SFTP = &cluster.VaultSFTP{Address: address, Path: u.Path, Identity: q.Get("identity"), KnownHosts: q.Get("knownHosts")}
		return t, errors.Join(known("identity", "knownHosts"))
	}
	return fail("it begins with none of /, s3:// and sftp://")
}
