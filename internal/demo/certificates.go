package demo

import (
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/pki"
)

// issueAll makes the authority and every certificate, valid around now.
func (c *Cluster) issueAll(now time.Time) error {
	var err error
	if c.authority, err = pki.NewAuthority("etcd-ca", now); err != nil {
		return err
	}
	if err := pki.WriteFile(c.caPath(), c.authority.Certificate()); err != nil {
		return err
	}
	from, until := now.Add(-time.Hour), now.AddDate(1, 0, 0)
	pair, err := c.authority.Issue(pki.Request{Use: pki.Client, CommonName: "salvor-demo-client", NotBefore: from, NotAfter: until})
	if err != nil {
		return err
	}
	if err := pair.Write(c.path("pki", "client.crt"), c.path("pki", "client.key")); err != nil {
		return err
	}
	return c.issueMembers(from, until)
}

// issueMembers gives every member new server and peer certificates.
func (c *Cluster) issueMembers(from, until time.Time) error {
	for _, m := range c.members {
		for _, use := range []pki.Use{pki.Server, pki.Peer} {
			pair, err := c.authority.Issue(pki.Request{
				Use: use, CommonName: m.name, Hosts: []string{"127.0.0.1", "localhost", m.name},
				NotBefore: from, NotAfter: until,
			})
			if err != nil {
				return fmt.Errorf("issue %s certificate of %s: %w", use, m.name, err)
			}
			if err := pair.Write(c.cert(m.name, string(use)), c.key(m.name, string(use))); err != nil {
				return err
			}
		}
	}
	return nil
}

// RenewCertificates gives every member valid server and peer certificates.
// etcd takes them up without a restart.
func (c *Cluster) RenewCertificates() error {
	now := time.Now()
	return c.issueMembers(now.Add(-time.Hour), now.AddDate(1, 0, 0))
}
