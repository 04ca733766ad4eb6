package config

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// tlsSearch looks for what Salvor can show etcd: an authority that signed what
// the members serve, and a certificate with its key that their authority
// signed for clients. All of it is proven offline; no key leaves this type.
type tlsSearch struct {
	host string
	now  time.Time
	// root is set before the paths of members that units describe.
	root      string
	questions []string
	warnings  []string
}

// served is one member's side.
type served struct {
	member, cert, key, ca string
	demands               bool
	leaf                  []*x509.Certificate
	trust                 []*x509.Certificate
}

// candidate is one certificate with its key.
type candidate struct {
	cert, key string
	expired   bool
	rank      int
}

func (s *tlsSearch) find(members []*member) cluster.TLS {
	var all []served
	folders := map[string]bool{}
	for _, m := range members {
		if !slices.ContainsFunc(m.client, secure) {
			continue
		}
		s.root = m.root
		v := served{member: m.name, cert: m.path("cert-file"), key: m.path("key-file"), ca: m.path("trusted-ca-file")}
		v.demands = v.ca != "" || truthy(m.set["client-cert-auth"])
		v.leaf, v.trust = s.read(v.cert), s.read(v.ca)
		all = append(all, v)
		for _, f := range []string{"cert-file", "client-cert-file", "trusted-ca-file", "peer-cert-file"} {
			if p := m.path(f); p != "" {
				folders[filepath.Dir(p)] = true
			}
		}
	}
	if len(all) == 0 {
		return cluster.TLS{}
	}
	for _, d := range []string{"/etc/ssl/etcd/ssl", "/etc/etcd/pki", "/etc/etcd/ssl", "/etc/etcd", "/etc/kubernetes/pki/etcd", "/etc/kubernetes/pki", "/etc/kubernetes/ssl/etcd", "/etc/kubernetes/ssl"} {
		folders[d] = true
	}
	files := s.list(slices.Sorted(maps.Keys(folders)))
	found := cluster.TLS{CA: s.authority(all, files)}
	if best := s.certificate(all, files); best.cert != "" {
		found.Cert, found.Key = best.cert, best.key
	}
	return found
}

// authority picks the first file that verifies what every member serves.
func (s *tlsSearch) authority(all []served, files []string) string {
	var tries []string
	for _, v := range all {
		if v.ca != "" {
			tries = append(tries, v.ca)
		}
	}
	unread := slices.ContainsFunc(all, func(v served) bool { return len(v.leaf) == 0 })
	for _, f := range append(slices.Clone(tries), files...) {
		cas := s.read(f)
		if len(cas) == 0 || !cas[0].IsCA {
			continue
		}
		if !slices.ContainsFunc(all, func(v served) bool {
			return len(v.leaf) > 0 && !signed(v.leaf, cas, x509.ExtKeyUsageServerAuth, s.now).ok
		}) && (!unread || slices.Contains(tries, f)) {
			return f
		}
	}
	v := all[0]
	s.questions = append(s.questions, fmt.Sprintf(
		"client.ca: which file holds the authority that signed the server certificate of %s (%s)? None was found that did.", v.member, orNone(v.cert)))
	return ""
}

// certificate picks what every member's authority accepts from a client.
func (s *tlsSearch) certificate(all []served, files []string) candidate {
	if !slices.ContainsFunc(all, func(v served) bool { return v.demands }) {
		return candidate{} // nobody asks for one
	}
	var good []candidate
	unreadable := map[string]bool{}
	for _, f := range files {
		chain := s.read(f)
		if len(chain) == 0 || chain[0].IsCA {
			continue
		}
		expired, ok := s.accepted(all, chain)
		if !ok {
			continue
		}
		key, denied := s.keyOf(f, all)
		if key == "" {
			if denied {
				unreadable[f] = true
			}
			continue
		}
		good = append(good, candidate{cert: f, key: key, expired: expired, rank: s.rank(f, all)})
	}
	if len(good) == 0 {
		s.questions = append(s.questions, s.missing(all, unreadable))
		return candidate{}
	}
	slices.SortStableFunc(good, func(a, b candidate) int {
		if a.expired != b.expired {
			return cmp.Compare(boolRank(a.expired), boolRank(b.expired))
		}
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.cert, b.cert))
	})
	if good[0].expired {
		s.warnings = append(s.warnings, fmt.Sprintf("the client certificate %s is not valid now (expired, or not yet valid), and no better one was found", good[0].cert))
	}
	return good[0]
}

func (s *tlsSearch) missing(all []served, unreadable map[string]bool) string {
	v := all[0]
	if len(unreadable) > 0 {
		return fmt.Sprintf("client.cert and client.key: %s would do, but its key was not found or may not be read: run salvor init as root, or name both.",
			slices.Sorted(maps.Keys(unreadable))[0])
	}
	return fmt.Sprintf("client.cert and client.key: %s asks for a client certificate of the authority in %s, and no file was found that is one "+
		"(signed by it, extended key usage clientAuth, with its key beside it).", v.member, orNone(v.ca))
}

// accepted tells whether every member would take the chain from a client.
func (s *tlsSearch) accepted(all []served, chain []*x509.Certificate) (expired, ok bool) {
	for _, v := range all {
		if len(v.trust) == 0 {
			if v.demands {
				return false, false
			}
			continue
		}
		r := signed(chain, v.trust, x509.ExtKeyUsageClientAuth, s.now)
		if !r.ok {
			return false, false
		}
		expired = expired || r.expired
	}
	return expired, true
}

type verdict struct{ ok, expired bool }

// signed verifies a chain. One that fails only for its dates is signed, but
// expired: an expired certificate has to be found to be named.
func signed(chain, trust []*x509.Certificate, use x509.ExtKeyUsage, now time.Time) verdict {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range trust {
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use}, CurrentTime: now}
	if _, err := chain[0].Verify(o); err == nil {
		return verdict{ok: true}
	}
	for _, o.CurrentTime = range []time.Time{chain[0].NotAfter.Add(-time.Second), chain[0].NotBefore.Add(time.Second)} {
		if _, err := chain[0].Verify(o); err == nil {
			return verdict{ok: true, expired: true}
		}
	}
	return verdict{}
}

// keyOf finds the private key that belongs to a certificate: by the flags, by
// the names that are usual, and proves it.
func (s *tlsSearch) keyOf(cert string, all []served) (key string, denied bool) {
	stem := strings.TrimSuffix(cert, filepath.Ext(cert))
	tries := []string{stem + "-key.pem", stem + ".key", stem + "-key" + filepath.Ext(cert), stem + ".key.pem", strings.Replace(cert, "cert", "key", 1), cert}
	for _, v := range all {
		if v.cert == cert {
			tries = append([]string{v.key}, tries...)
		}
	}
	c, err := os.ReadFile(s.at(cert))
	if err != nil {
		return "", true
	}
	denied = true
	for _, k := range tries {
		b, err := os.ReadFile(s.at(k))
		if err != nil {
			continue
		}
		if _, err := tls.X509KeyPair(c, b); err == nil {
			return k, false
		}
	}
	return "", denied
}

// rank puts certificates made for people and clients first, then the members'
// own. Of several for different machines, this machine's comes first.
func (s *tlsSearch) rank(file string, all []served) int {
	base := strings.ToLower(filepath.Base(file))
	rank := 6
	switch {
	case strings.HasPrefix(base, "admin"), strings.Contains(base, "healthcheck-client"), strings.Contains(base, "etcdctl"),
		strings.HasPrefix(base, "client"), strings.Contains(base, "root"):
		rank = 0
	case strings.Contains(base, "client"):
		rank = 2
	case slices.ContainsFunc(all, func(v served) bool { return v.cert == file }):
		rank = 4
	}
	short, _, _ := strings.Cut(strings.ToLower(s.host), ".")
	if !strings.Contains(base, short) {
		rank++
	}
	return rank
}

// list gives the certificate files of folders.
func (s *tlsSearch) list(folders []string) []string {
	var out []string
	for _, d := range folders {
		entries, err := os.ReadDir(s.at(d))
		if err != nil {
			if os.IsPermission(err) {
				s.warnings = append(s.warnings, fmt.Sprintf("%s may not be read by this user: certificates in it were not looked at", d))
			}
			continue
		}
		for _, e := range entries {
			switch filepath.Ext(e.Name()) {
			case ".pem", ".crt", ".cert", ".cer":
				out = append(out, filepath.Join(d, e.Name()))
			}
		}
	}
	return out
}

func (s *tlsSearch) at(path string) string { return filepath.Join(s.root, path) }

// read gives the certificates of a PEM file, none when it is no such file.
func (s *tlsSearch) read(path string) []*x509.Certificate {
	if path == "" {
		return nil
	}
	info, err := os.Stat(s.at(path))
	if err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return nil
	}
	rest, err := os.ReadFile(s.at(path))
	if err != nil || !bytes.Contains(rest, []byte("CERTIFICATE")) {
		return nil
	}
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		if c, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			out = append(out, c)
		}
	}
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func truthy(s string) bool { return !falsy(s) }

func orNone(path string) string {
	if path == "" {
		return "not named"
	}
	return path
}
