package diagnose

import (
	"fmt"
	"net/netip"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// kubeView is the Kubernetes of one host.
type kubeView struct {
	host  string
	now   time.Time
	node  cluster.NodeFacts
	facts cluster.KubernetesFacts
}

// kubes are the reached hosts with Kubernetes on them.
func (v view) kubes() []kubeView { return v.kubeViews }

func (v view) findKubes() []kubeView {
	var out []kubeView
	for _, h := range v.facts.Hosts {
		if k := h.Node.Kubernetes; h.Reached.OK && k.OK && k.Value.Present {
			out = append(out, kubeView{h.Name, v.clockOf(h), h.Node, k.Value})
		}
	}
	return out
}

func (v view) kube(host string) (kubeView, bool) {
	for _, k := range v.kubes() {
		if k.host == host {
			return k, true
		}
	}
	return kubeView{}, false
}

// short is the beginning of a digest, enough to tell two apart.
func short(digest string) string { return digest[:min(16, len(digest))] }

// urlHost gives the host part of a URL, empty when there is none.
func urlHost(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func loopback(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.IsLoopback()
}

// certTest picks certificates by role and time.
type certTest func(c cluster.KubeCertificate, now time.Time) bool

func expiredOf(roles ...string) certTest {
	return func(c cluster.KubeCertificate, now time.Time) bool {
		return roleIn(c.Role, roles) && expired(c.Certificate.Value, now)
	}
}

func earlyOf() certTest {
	return func(c cluster.KubeCertificate, now time.Time) bool { return notYetValid(c.Certificate.Value, now) }
}

func soonOf() certTest {
	return func(c cluster.KubeCertificate, now time.Time) bool {
		return expiring(c.Certificate.Value, now) && !rotates(c)
	}
}

// rotates tells a certificate that the kubelet renews by itself.
func rotates(c cluster.KubeCertificate) bool {
	return c.Role == "kubelet-client" || c.Role == "kubelet-server"
}

func roleIn(role string, roles []string) bool {
	for _, r := range roles {
		if r == role {
			return true
		}
	}
	return false
}

// findKube finds the hosts with a certificate that a test hits. The one that
// was made for an account which nothing runs by is no finding.
func findKube(hit certTest) func(view) []sighting {
	return func(v view) []sighting {
		var out []sighting
		for _, k := range v.kubes() {
			s := sighting{subject: k.host}
			for _, c := range k.facts.Certs {
				if !c.Certificate.OK || !hit(c, k.now) || c.Role == "kubelet-server" {
					continue
				}
				s.evidence = append(s.evidence, fmt.Sprintf("%s (%s, %s): valid %s to %s, clock %s", c.Path, c.Role, c.Certificate.Value.Subject,
					stamp(c.Certificate.Value.NotBefore), stamp(c.Certificate.Value.NotAfter), stamp(k.now)))
				if len(s.args) == 0 {
					s.args = []any{c.Path, stamp(c.Certificate.Value.NotBefore), stamp(c.Certificate.Value.NotAfter), stamp(k.now)}
				}
			}
			if len(s.evidence) > 0 {
				out = append(out, s)
			}
		}
		return out
	}
}

// findAuthorityExpired finds authorities that have ended: of Kubernetes, and
// of the members.
func findAuthorityExpired(v view) []sighting {
	var out []sighting
	told := map[string]bool{}
	add := func(subject, path string, c cluster.Certificate, now time.Time) {
		if told[subject] {
			return
		}
		told[subject] = true
		out = append(out, sighting{subject, []any{path, stamp(c.NotBefore), stamp(c.NotAfter), stamp(now)},
			[]string{fmt.Sprintf("%s (%s): valid %s to %s, clock %s", path, c.Subject, stamp(c.NotBefore), stamp(c.NotAfter), stamp(now))}})
	}
	for _, k := range v.kubes() {
		for _, c := range k.facts.Certs {
			if strings.HasSuffix(c.Role, "ca") && c.Certificate.OK && expired(c.Certificate.Value, k.now) {
				add(k.host, c.Path, c.Certificate.Value, k.now)
			}
		}
	}
	for _, m := range v.members {
		for _, c := range m.facts.Certificates {
			if c.OK && c.Value.Use == "ca" && expired(c.Value, m.now) && !told[m.cfg.Host] {
				add(m.cfg.Name, c.Value.Source, c.Value, m.now)
			}
		}
	}
	return out
}

// findAPIServesOld finds API servers that still show another certificate than
// the one on disk: renewed, and not taken up.
func findAPIServesOld(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		disk := cluster.Known[cluster.Certificate]{}
		for _, c := range k.facts.Certs {
			if c.Role == "apiserver" && c.Certificate.OK {
				disk = c.Certificate
			}
		}
		for _, a := range k.node.APIServers {
			if !disk.OK || !a.Direct || !a.Certificate.OK || a.Certificate.Value.SHA256 == disk.Value.SHA256 {
				continue
			}
			out = append(out, sighting{k.host, []any{a.URL, stamp(a.Certificate.Value.NotAfter), stamp(disk.Value.NotAfter)},
				[]string{fmt.Sprintf("%s shows serial %s until %s; %s has serial %s until %s", a.URL, a.Certificate.Value.Serial, stamp(a.Certificate.Value.NotAfter),
					disk.Value.Source, disk.Value.Serial, stamp(disk.Value.NotAfter))}})
		}
	}
	return out
}

// findPartialRenewal finds that some masters' certificates were renewed and
// others' are about to end, or have ended.
func findPartialRenewal(v view) []sighting {
	fresh, old := map[string][]string{}, map[string][]string{}
	for _, k := range v.kubes() {
		for _, c := range k.facts.Certs {
			if !c.Certificate.OK || (c.Role != "apiserver" && c.Role != "apiserver-etcd-client" && c.Role != "etcd-peer") {
				continue
			}
			line := fmt.Sprintf("%s: %s until %s", k.host, c.Path, stamp(c.Certificate.Value.NotAfter))
			if expired(c.Certificate.Value, k.now) || expiring(c.Certificate.Value, k.now) {
				old[c.Role] = append(old[c.Role], line)
			} else if c.Certificate.Value.NotAfter.Sub(k.now) > 2*expiryWarning {
				fresh[c.Role] = append(fresh[c.Role], line)
			}
		}
	}
	var roles []string
	for r := range old {
		if len(fresh[r]) > 0 {
			roles = append(roles, r)
		}
	}
	sort.Strings(roles)
	if len(roles) == 0 {
		return nil
	}
	s := sighting{subject: "kubernetes", args: []any{strings.Join(roles, ", ")}}
	for _, r := range roles {
		s.evidence = append(append(s.evidence, old[r]...), fresh[r]...)
	}
	return []sighting{s}
}

// findDiffers finds that something is not the same on all machines of the
// control plane.
func findDiffers(name string) func(view) []sighting {
	return func(v view) []sighting {
		by := map[string][]string{}
		var order []string
		path := ""
		for _, k := range v.kubes() {
			for _, f := range k.facts.Identity {
				if f.Name != name || !f.Digest.OK {
					continue
				}
				path = f.Path
				if by[f.Digest.Value] == nil {
					order = append(order, f.Digest.Value)
				}
				by[f.Digest.Value] = append(by[f.Digest.Value], k.host)
			}
		}
		if len(order) < 2 {
			return nil
		}
		var groups []string
		for _, d := range order {
			groups = append(groups, fmt.Sprintf("%s: %s", strings.Join(by[d], ", "), short(d)))
		}
		return []sighting{{"kubernetes", []any{path, strings.Join(groups, "; ")}, groups}}
	}
}

// findEtcdAuthority finds that the members trust different authorities: as the
// masters' PKI says it, or as the members' own files do while not all serve.
// While an authority is replaced the files may differ for a time.
func findEtcdAuthority(v view) []sighting {
	if out := findDiffers("etcd-ca")(v); len(out) > 0 {
		return out
	}
	if len(v.with(StateServing)) == len(v.members) {
		return nil
	}
	by := map[string][]string{}
	var order []string
	path := ""
	for _, m := range v.members {
		for _, c := range m.facts.Certificates {
			if c.OK && c.Value.Use == "ca" && c.Value.SHA256 != "" {
				path = c.Value.Source
				if by[c.Value.SHA256] == nil {
					order = append(order, c.Value.SHA256)
				}
				by[c.Value.SHA256] = append(by[c.Value.SHA256], m.cfg.Name)
				break
			}
		}
	}
	if len(order) < 2 {
		return nil
	}
	var groups []string
	for _, d := range order {
		groups = append(groups, fmt.Sprintf("%s: %s", strings.Join(by[d], ", "), short(d)))
	}
	return []sighting{{"etcd", []any{path, strings.Join(groups, "; ")}, groups}}
}

// findBrokenPair finds a signing key whose public part is not the one that
// tokens are checked with.
func findBrokenPair(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		var pub, key cluster.Fingerprint
		for _, f := range k.facts.Identity {
			switch f.Name {
			case "service-account-public":
				pub = f
			case "service-account-private":
				key = f
			}
		}
		if pub.Digest.OK && key.Digest.OK && pub.Digest.Value != key.Digest.Value {
			out = append(out, sighting{k.host, []any{key.Path, pub.Path}, []string{fmt.Sprintf("%s and %s are no pair", key.Path, pub.Path)}})
		}
	}
	return out
}

func findNotIssued(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		for _, c := range m.facts.Certificates {
			if c.OK && c.Value.Stranger {
				out = append(out, sighting{m.cfg.Name, []any{c.Value.Source, m.cfg.Certificates.CA},
					[]string{fmt.Sprintf("%s (%s, of %s) was not issued by the authority beside it", c.Value.Source, c.Value.Subject, c.Value.Issuer)}})
				break
			}
		}
	}
	for _, k := range v.kubes() {
		s := sighting{subject: k.host}
		for _, c := range k.facts.Certs {
			if c.Issued.OK && !c.Issued.Value {
				s.evidence = append(s.evidence, fmt.Sprintf("%s (%s) was not issued by %s", c.Path, c.Certificate.Value.Subject, c.Authority))
				if len(s.args) == 0 {
					s.args = []any{c.Path, c.Authority}
				}
			}
		}
		if len(s.args) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func findKeyMismatch(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		for _, c := range k.facts.Certs {
			if c.KeyFits.OK && !c.KeyFits.Value {
				out = append(out, sighting{k.host, []any{c.Path}, []string{c.Path + ": the private key beside it is another one's"}})
				break
			}
		}
	}
	return out
}

// findOtherCA finds kubeconfigs that trust another authority than the one on
// their own machine.
func findOtherCA(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		own := ""
		for _, f := range k.facts.Identity {
			if f.Name == "ca" && f.Digest.OK {
				own = f.Digest.Value
			}
		}
		for _, c := range k.facts.Configs {
			if own != "" && c.CA.OK && c.CA.Value != own {
				out = append(out, sighting{k.host, []any{c.Path}, []string{fmt.Sprintf("%s trusts authority %s, the machine's own is %s", c.Path, short(c.CA.Value), short(own))}})
				break
			}
		}
	}
	return out
}
