package failures

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/pki"
)

// newTLSLab is a lab whose members speak TLS with one authority.
func newTLSLab(t *testing.T) (*lab, *pki.Authority) {
	t.Helper()
	l := newLab(t)
	ca, err := pki.NewAuthority("etcd-ca", time.Now())
	l.must(err)
	l.must(pki.WriteFile(l.file("ca.crt"), ca.Certificate()))
	for i := range l.cfg.Members {
		m := &l.cfg.Members[i]
		for _, urls := range [][]string{m.ClientURLs, m.PeerURLs} {
			urls[0] = strings.Replace(urls[0], "http://", "https://", 1)
		}
		m.Certificates = cluster.MemberCertificates{Server: l.file(m.Name + "-server.crt"), Peer: l.file(m.Name + "-peer.crt"), CA: l.file("ca.crt"), PeerCA: l.file("ca.crt")}
		l.certify(ca, m.Name, "server", -time.Hour, time.Hour*24*365)
		l.certify(ca, m.Name, "peer", -time.Hour, time.Hour*24*365)
	}
	l.cfg.Client = cluster.TLS{CA: l.file("ca.crt"), Cert: l.file("client.crt"), Key: l.file("client.key")}
	p, err := ca.Issue(pki.Request{Use: pki.Client, CommonName: "salvor", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour * 24 * 365)})
	l.must(err)
	l.must(p.Write(l.cfg.Client.Cert, l.cfg.Client.Key))
	return l, ca
}

func (l *lab) file(name string) string { return filepath.Join(l.dir, name) }

// certify gives a member a new certificate; etcd takes it up by itself.
func (l *lab) certify(ca *pki.Authority, n, use string, from, to time.Duration) {
	l.t.Helper()
	kind := pki.Server
	if use == "peer" {
		kind = pki.Peer
	}
	p, err := ca.Issue(pki.Request{Use: kind, CommonName: n, Hosts: []string{"127.0.0.1", "localhost"}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to)})
	l.must(err)
	l.must(p.Write(l.file(n+"-"+use+".crt"), l.file(n+"-"+use+".key")))
}

func (l *lab) tls(n string) []string {
	return []string{"--cert-file=" + l.file(n+"-server.crt"), "--key-file=" + l.file(n+"-server.key"), "--trusted-ca-file=" + l.file("ca.crt"), "--client-cert-auth",
		"--peer-cert-file=" + l.file(n+"-peer.crt"), "--peer-key-file=" + l.file(n+"-peer.key"), "--peer-trusted-ca-file=" + l.file("ca.crt"), "--peer-client-cert-auth"}
}

// serving waits until Salvor sees so many members serve.
func (l *lab) serving(count int) diagnose.Diagnosis {
	l.t.Helper()
	var d diagnose.Diagnosis
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		d = l.diagnose()
		n := 0
		for _, m := range d.Members {
			if m.State == diagnose.StateServing {
				n++
			}
		}
		if n == count {
			return d
		}
	}
	l.t.Fatalf("not %d members serve: %s %v", count, d.Scenario, d.Members)
	return d
}

// healthy waits until nothing is wrong: members that have just started do not
// have all their files yet, and a busy machine does not answer in time, nor does
// its disk.
func (l *lab) healthy() {
	l.t.Helper()
	var d diagnose.Diagnosis
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if d = l.diagnose(); d.Scenario == diagnose.Healthy && (len(grave(d)) == 0 || len(grave(d)) == 1 && found(d, diagnose.DiskSlow)) {
			return
		}
	}
	l.t.Fatalf("not healthy: %s %v %v %v", d.Scenario, d.Unknown, d.Unjudged, codesOf(d))
}

// TestCertificates lets certificates end, and begin too late, under real
// members: one of three first, then all.
func TestCertificates(t *testing.T) {
	l, ca := newTLSLab(t)
	for _, m := range l.cfg.Members {
		l.start(m.Name, l.tls(m.Name)...)
	}
	l.healthy()
	// The time bomb: the peer certificate ends, and everything goes on working.
	l.certify(ca, "m3", "peer", -2*time.Hour, -time.Hour)
	d := l.shows(diagnose.CertExpired, diagnose.CertNotYetValid)
	if d.Level.Data != diagnose.D0 || d.Scenario == diagnose.Healthy {
		t.Errorf("an expired peer certificate that open connections hide: %s %s", d.Scenario, d.Level)
	}
	// A restart sets it off.
	l.kill("m3")
	l.start("m3", l.tls("m3")...)
	d = l.serving(2)
	if d.Scenario != diagnose.CertsExpired || d.Cause == nil || d.Cause.Code != diagnose.CertExpired {
		t.Errorf("a barred member: %s, cause %+v", d.Scenario, d.Cause)
	}
	// The alert is the same for a certificate that is not valid yet.
	l.certify(ca, "m3", "peer", time.Hour, 24*time.Hour)
	l.shows(diagnose.CertNotYetValid, diagnose.CertExpired)
	// All of them: a total outage, the data intact, and no restore.
	for _, n := range []string{"m1", "m2", "m3"} {
		l.certify(ca, n, "peer", -2*time.Hour, -time.Hour)
		l.certify(ca, n, "server", -2*time.Hour, -time.Hour)
	}
	l.kill("m1", "m2", "m3")
	for _, n := range []string{"m1", "m2", "m3"} {
		l.start(n, l.tls(n)...)
	}
	d = l.as("all").shows(diagnose.CertExpired)
	if d.Scenario != diagnose.CertsExpired || d.Level.Data != diagnose.D0 {
		t.Errorf("all expired: %s %s", d.Scenario, d.Level)
	}
	// New files heal it without a restart.
	for _, n := range []string{"m1", "m2", "m3"} {
		l.certify(ca, n, "peer", -time.Hour, 24*365*time.Hour)
		l.certify(ca, n, "server", -time.Hour, 24*365*time.Hour)
	}
	l.healthy()
	// A member whose peer certificate is another authority's.
	strange, err := pki.NewAuthority("another", time.Now())
	l.must(err)
	l.certify(strange, "m3", "peer", -time.Hour, 24*365*time.Hour)
	l.shows(diagnose.CertNotIssuedByCA, diagnose.CertExpired)
	l.certify(ca, "m3", "peer", -time.Hour, 24*365*time.Hour)
	// One that ends soon, and a new one that the member was not told of.
	l.certify(ca, "m3", "peer", -time.Hour, 10*24*time.Hour)
	l.shows(diagnose.CertExpiring)
	l.certify(ca, "m3", "peer", -time.Hour, 24*365*time.Hour)
	m3 := &l.cfg.Members[2]
	m3.Certificates.Server = l.file("m3-new-server.crt")
	l.certify(ca, "m3-new", "server", -time.Hour, 24*365*time.Hour)
	l.shows(diagnose.ServesOldCert)
	m3.Certificates.Server = l.file("m3-server.crt")
	// A member that was given an authority of its own.
	l.foreign("m3", strange)
	l.shows(diagnose.EtcdAuthorityDiffers, diagnose.CertNotIssuedByCA)
	m3.Certificates.CA, m3.Certificates.PeerCA = l.file("ca.crt"), l.file("ca.crt")
	l.certify(ca, "m3", "peer", -time.Hour, 24*365*time.Hour)
	l.certify(ca, "m3", "server", -time.Hour, 24*365*time.Hour)
	l.kill("m3")
	l.start("m3", l.tls("m3")...)
	l.healthy()
	// Files with which it cannot start: none, and a key of another certificate.
	l.kill("m3")
	l.must(os.Truncate(m3.Run.Process.Log, 0))
	l.start("m3", append(l.tls("m3"), "--peer-cert-file="+l.file("nowhere.crt"))...)
	l.ended("m3")
	l.as("missing").shows(diagnose.EtcdTLSFile, diagnose.AlreadyBootstrapped)
	l.must(os.Truncate(m3.Run.Process.Log, 0))
	l.start("m3", append(l.tls("m3"), "--key-file="+l.file("m2-server.key"))...)
	l.ended("m3")
	if d = l.shows(diagnose.EtcdTLSFile, diagnose.CertNotIssuedByCA); d.Scenario != diagnose.Degraded {
		t.Errorf("a key of another certificate: %s", d.Scenario)
	}
	l.kill("m3")
	l.start("m3", l.tls("m3")...)
	l.healthy()
	// The authority itself, and an old one beside a valid one, which does no harm.
	ended, err := pki.NewAuthority("etcd-ca", time.Now().AddDate(-11, 0, 0))
	l.must(err)
	l.must(os.WriteFile(l.file("ca.crt"), append(ended.Certificate(), ca.Certificate()...), 0o600))
	l.healthy()
	l.must(os.WriteFile(l.file("ca.crt"), ended.Certificate(), 0o600))
	l.shows(diagnose.AuthorityExpired)
}

// foreign has a member trust another authority, and be certified by it.
func (l *lab) foreign(n string, ca *pki.Authority) {
	l.t.Helper()
	l.must(pki.WriteFile(l.file(n+"-ca.crt"), ca.Certificate()))
	for i := range l.cfg.Members {
		if m := &l.cfg.Members[i]; m.Name == n {
			m.Certificates.CA, m.Certificates.PeerCA = l.file(n+"-ca.crt"), l.file(n+"-ca.crt")
		}
	}
	l.certify(ca, n, "peer", -time.Hour, 24*365*time.Hour)
	l.certify(ca, n, "server", -time.Hour, 24*365*time.Hour)
	l.kill(n)
	l.start(n, append(l.tls(n), "--trusted-ca-file="+l.file(n+"-ca.crt"), "--peer-trusted-ca-file="+l.file(n+"-ca.crt"))...)
}

// TestCertificateNames: members that speak to one another at an address which
// their certificates do not name.
func TestCertificateNames(t *testing.T) {
	own := address(t)
	l, _ := newTLSLab(t)
	l.words = map[string]string{own: "192.0.2.1"}
	for i := range l.cfg.Members {
		m := &l.cfg.Members[i]
		m.PeerURLs[0] = strings.Replace(m.PeerURLs[0], "127.0.0.1", own, 1)
	}
	for _, m := range l.cfg.Members {
		l.start(m.Name, l.tls(m.Name)...)
	}
	l.eventually(diagnose.CertWrongName)
}

// address is one of this machine that is not of loopback.
func address(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

// TestBackups damages a real snapshot in every way that was seen.
func TestBackups(t *testing.T) {
	l := newLab(t).up()
	l.put("m1", 20)
	place := l.file("backups")
	l.must(os.Mkdir(place, 0o700))
	good := l.file("good.db")
	if out, err := l.ctl("m1", "snapshot", "save", good); err != nil {
		t.Fatal(out)
	}
	whole, err := os.ReadFile(good)
	l.must(err)
	l.cfg.Snapshots = []cluster.SnapshotPlace{{Host: "m1", Path: place}}
	flipped := append([]byte{}, whole...)
	flipped[len(flipped)/2] ^= 0xff
	for _, c := range []struct {
		name string
		file []byte
		want diagnose.Code
	}{
		{"whole", whole, ""},
		{"cut off", whole[:len(whole)-1000], diagnose.BackupUnusable},
		{"half", whole[:len(whole)/2/4096*4096], diagnose.BackupUnusable},
		{"flipped", flipped, diagnose.BackupUnusable},
		{"empty", nil, diagnose.BackupUnusable},
		{"text", []byte("not a snapshot"), diagnose.BackupUnusable},
		{"without digest", whole[:len(whole)-32], diagnose.BackupNoDigest},
	} {
		path := filepath.Join(place, "s.db")
		l.must(os.WriteFile(path, c.file, 0o600))
		facts := l.facts()
		d := diagnose.Diagnose(facts)
		got, count, unproven := diagnose.Code(""), 0, false
		for _, f := range d.Findings {
			switch {
			case f.Code == diagnose.BackupNeverProven:
				unproven = true
			case strings.HasPrefix(string(f.Code), "backup-") && f.Code != diagnose.BackupNone:
				got, count = f.Code, count+1
			}
		}
		if got != c.want || count > 1 || unproven != (c.want == "") { // what cannot be restored is not to be proven
			t.Errorf("%s: %v, want %q", c.name, d.Findings, c.want)
		}
		if c.want != "" {
			l.keep(c.want, causeOf(d), facts)
		}
		for _, k := range d.Candidates {
			if k.Kind == diagnose.FromSnapshot && (k.Integrity == diagnose.Unusable) != (c.want != "") {
				t.Errorf("%s: the candidate is %s", c.name, k.Integrity)
			}
		}
	}
	path := filepath.Join(place, "s.db")
	l.must(os.WriteFile(path, whole, 0o600))
	old := time.Now().Add(-14 * 24 * time.Hour)
	l.must(os.Chtimes(path, old, old))
	l.shows(diagnose.BackupStale)
	other := newLab(t)
	other.cfg.Members[0].Name = "stranger"
	other.cfg.Members[0].DataDir = filepath.Join(other.dir, "stranger")
	other.cfg.Members = other.cfg.Members[:1]
	other.start("stranger")
	other.await("stranger")
	if out, err := other.ctl("stranger", "snapshot", "save", other.dir+"/x.db"); err != nil {
		t.Fatal(out)
	}
	foreign, err := os.ReadFile(other.dir + "/x.db")
	l.must(err)
	l.must(os.WriteFile(path, foreign, 0o600))
	l.shows(diagnose.BackupOtherCluster)
}
