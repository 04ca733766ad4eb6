package config

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/pki"
)

// issue writes a certificate and its key and gives the certificate's path.
func issue(t *testing.T, a *pki.Authority, use pki.Use, dir, name string, until time.Time) (cert, key string) {
	t.Helper()
	p, err := a.Issue(pki.Request{Use: use, CommonName: name, Hosts: []string{"127.0.0.1", "localhost"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until})
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(dir, name+".crt"), string(p.Cert)), write(t, filepath.Join(dir, name+".key"), string(p.Key))
}

func authority(t *testing.T, dir string) (*pki.Authority, string) {
	t.Helper()
	a, err := pki.NewAuthority("etcd-ca", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a, write(t, filepath.Join(dir, "ca.crt"), string(a.Certificate()))
}

func hostname(t *testing.T) string {
	t.Helper()
	h, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// trio is three etcd members with TLS, each told in another way.
type trio struct {
	dir, pki  string
	procs     table
	members   []cluster.Member
	processes []*exec.Cmd
}

func startTrio(t *testing.T) trio {
	dir := t.TempDir()
	r := trio{dir: dir, pki: filepath.Join(dir, "pki"), procs: newTable(t)}
	a, ca := authority(t, r.pki)
	next := time.Now().Add(time.Hour)
	cert, key := issue(t, a, pki.Server, r.pki, "server", next)
	issue(t, a, pki.Client, r.pki, "client", next)
	etcd, ports := etcdBinary(t), freePorts(t, 6)
	url := func(i int) string { return "https://127.0.0.1:" + ports[i] }
	list := fmt.Sprintf("m1=%s,m2=%s,m3=%s", url(1), url(3), url(5))
	tls := []string{
		"cert-file", cert, "key-file", key, "trusted-ca-file", ca, "client-cert-auth", "true",
		"peer-cert-file", cert, "peer-key-file", key, "peer-trusted-ca-file", ca, "peer-client-cert-auth", "true",
	}
	for i, name := range []string{"m1", "m2", "m3"} {
		c, p := url(2*i), url(2*i+1)
		set := append([]string{
			"name", name, "listen-client-urls", c, "advertise-client-urls", c, "listen-peer-urls", p,
			"initial-advertise-peer-urls", p, "initial-cluster", list,
		}, tls...)
		log := filepath.Join(dir, name+".log")
		argv, env := []string{etcd}, []string(nil)
		m := cluster.Member{Name: name, Host: hostname(t), DataDir: filepath.Join(dir, name+".etcd"), ClientURLs: []string{c}, PeerURLs: []string{p},
			Certificates: cluster.MemberCertificates{Server: cert, Peer: cert, CA: ca, PeerCA: ca}}
		switch name {
		case "m1": // flags, relative default data dir, a WAL of its own
			m.WALDir = filepath.Join(dir, "wal-1")
			for j := 0; j < len(set); j += 2 {
				argv = append(argv, "--"+set[j]+"="+set[j+1])
			}
			argv = append(argv, "-wal-dir", "wal-1")
		case "m2": // environment, with things in it that do not belong in a file
			env = []string{"ETCD_ROOT_PASSWORD=geheim", "AWS_SECRET_ACCESS_KEY=geheim", "GOGC=200"}
			for j := 0; j < len(set); j += 2 {
				env = append(env, envName(set[j])+"="+set[j+1])
			}
		case "m3": // a file
			m.DataDir = filepath.Join(dir, "three")
			argv = append(argv, "--config-file", write(t, filepath.Join(dir, "m3.yaml"), asFile(set, m.DataDir)))
		}
		r.processes = append(r.processes, r.procs.start(log, dir, env, argv...))
		kept, _ := neededEnv(env)
		m.Run = cluster.Supervisor{Process: &cluster.Process{Command: argv, Env: kept, Dir: dir, Log: log}}
		r.members = append(r.members, m)
	}
	for i := range 3 {
		awaitPort(t, "127.0.0.1:"+ports[2*i], filepath.Join(dir, fmt.Sprintf("m%d.log", i+1)))
	}
	awaitMembership(t, r.members)
	return r
}

// asFile writes etcd's configuration file.
func asFile(set []string, dataDir string) string {
	top, client, peer := "data-dir: "+dataDir+"\n", "client-transport-security:\n", "peer-transport-security:\n"
	for j := 0; j < len(set); j += 2 {
		name, value := set[j], set[j+1]
		switch {
		case strings.HasPrefix(name, "peer-"):
			peer += "  " + strings.TrimPrefix(name, "peer-") + ": " + value + "\n"
		case strings.Contains(name, "-file") || strings.Contains(name, "cert-auth"):
			client += "  " + name + ": " + value + "\n"
		default:
			top += name + ": " + value + "\n"
		}
	}
	return top + client + peer
}

// awaitMembership waits until every db names three members.
func awaitMembership(t *testing.T, members []cluster.Member) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ready := 0
		for _, m := range members {
			d := discovery{members: []*member{{dataDir: m.DataDir, wal: m.WALDir}}}
			if err := d.inspect(t.Context()); err == nil && d.members[0].disk.DB.OK {
				n := 0
				for _, e := range d.members[0].disk.DB.Value.Members {
					if len(e.ClientURLs) > 0 {
						n++
					}
				}
				if n == len(members) {
					ready++
				}
			}
		}
		if ready == len(members) {
			return
		}
	}
	t.Fatal("the members did not agree on their membership")
}

func TestDiscoverReadsRunningMembersAndThenTheirDisks(t *testing.T) {
	r := startTrio(t)
	root := t.TempDir()
	o := Options{Name: "trial", StateDir: filepath.Join(r.dir, "state"), Root: root, Proc: r.procs.path, Snapshots: []string{r.dir}}
	found, err := Discover(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	client := cluster.TLS{CA: filepath.Join(r.pki, "ca.crt"), Cert: filepath.Join(r.pki, "client.crt"), Key: filepath.Join(r.pki, "client.key")}
	want := cluster.Config{
		Cluster: "trial", Hosts: []cluster.Host{{Name: hostname(t), Via: cluster.ViaLocal, StateDir: o.StateDir}},
		Members: r.members, Client: client, Snapshots: []cluster.SnapshotPlace{{Host: hostname(t), Path: r.dir}},
	}
	if d := cmp.Diff(want, found.Config); d != "" {
		t.Errorf("configuration (-want +got):\n%s", d)
	}
	if err := Validate(found.Config); err != nil || len(found.Questions) > 0 {
		t.Errorf("not valid: %v, questions %q", err, found.Questions)
	}
	if w := strings.Join(found.Warnings, "\n"); strings.Count(w, "\n") != 0 || !strings.Contains(w, "ETCD_ROOT_PASSWORD") || strings.Contains(w, "geheim") {
		t.Errorf("warnings %q: want only the one about ETCD_ROOT_PASSWORD, without its value", found.Warnings)
	}
	if text, err := Render(found.Config, nil); err != nil || strings.Contains(string(text), "geheim") {
		t.Errorf("a secret got into the file: %v", err)
	}

	// Of two, nothing is left but a data dir; the third is gone.
	for _, c := range r.processes {
		kill(t, c)
	}
	o.Proc = newTable(t).path
	o.DataDirs = []string{r.members[1].DataDir, r.members[2].DataDir}
	found, err = Discover(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range found.Config.Members {
		got = append(got, fmt.Sprint(m.Name, m.DataDir, m.ClientURLs, m.PeerURLs))
	}
	var names []string
	for _, m := range r.members[1:] {
		names = append(names, fmt.Sprint(m.Name, m.DataDir, m.ClientURLs, m.PeerURLs))
	}
	if d := cmp.Diff(names, got); d != "" {
		t.Errorf("members from their disks (-want +got):\n%s", d)
	}
	for _, want := range []string{"m2: run: nothing", "m3: run: nothing", "member m1 of this cluster", "client.ca"} {
		if !strings.Contains(strings.Join(found.Questions, "\n"), want) {
			t.Errorf("no question %q in %q", want, found.Questions)
		}
	}
}

func TestDiscoverTellsEmbeddedEtcdFromProgramsWithItsFlags(t *testing.T) {
	dir, procs, ports := t.TempDir(), newTable(t), freePorts(t, 4)
	flags := func(data, client, peer string) []string {
		return []string{"--name", data, "--data-dir", filepath.Join(dir, data), "--listen-client-urls", "http://127.0.0.1:" + client,
			"--advertise-client-urls", "http://127.0.0.1:" + client, "--listen-peer-urls", "http://127.0.0.1:" + peer,
			"--initial-advertise-peer-urls", "http://127.0.0.1:" + peer, "--initial-cluster", data + "=http://127.0.0.1:" + peer}
	}
	e := procs.start(filepath.Join(dir, "log"), dir, nil, append([]string{self(t), "embedded"}, flags("e", ports[0], ports[1])...)...)
	procs.start(filepath.Join(dir, "log2"), dir, nil, append([]string{self(t), "impostor"}, flags("i", ports[2], ports[3])...)...)
	awaitPort(t, "127.0.0.1:"+ports[0], filepath.Join(dir, "log"))

	o := Options{Root: t.TempDir(), Proc: procs.path, StateDir: "/var/lib/salvor"}
	found, err := Discover(t.Context(), o)
	// An embedder is known by the files that it holds open, and it opens its
	// port before them.
	for end := time.Now().Add(20 * time.Second); errors.Is(err, ErrNothing) && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
		found, err = Discover(t.Context(), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []FoundMember{{Name: "e", PID: e.Process.Pid, Source: "process", Data: cluster.DirData}}
	if d := cmp.Diff(want, found.Members); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := found.Config.Members[0].Run.Process.Command[:2]; got[0] != self(t) || got[1] != "embedded" {
		t.Errorf("command begins with %q", got)
	}
	if err := Validate(found.Config); err != nil {
		t.Error(err)
	}

	// Units beside it: one for the same data dir, one that never ran.
	o.Root = unpack(t, fmt.Sprintf(`
-- etc/systemd/system/etcd.service --
[Service]
ExecStart=/usr/bin/etcd --name e --data-dir %s/e
-- etc/systemd/system/etcd-events.service --
[Service]
ExecStart=/usr/bin/etcd --name never --data-dir %s/never --initial-advertise-peer-urls http://127.0.0.1:%s
`, dir, dir, ports[1]))
	found, err = Discover(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, found.Members); d != "" {
		t.Errorf("beside units (-want +got):\n%s", d)
	}
	for _, want := range []string{"runs on it outside of the unit", "left out: never"} {
		if !strings.Contains(strings.Join(found.Warnings, "\n"), want) {
			t.Errorf("no warning %q in %q", want, found.Warnings)
		}
	}

	// A second cluster on the machine has to be chosen.
	two := procs.start(filepath.Join(dir, "log3"), dir, nil, append([]string{etcdBinary(t)}, flags("f", ports[2], ports[3])...)...)
	awaitPort(t, "127.0.0.1:"+ports[2], filepath.Join(dir, "log3"))
	if _, err := Discover(t.Context(), o); err == nil || !strings.Contains(err.Error(), "belong to 2 clusters") {
		t.Errorf("error %v; want one about two clusters", err)
	}
	o.DataDirs = []string{filepath.Join(dir, "f")}
	found, err = Discover(t.Context(), o)
	if err != nil || len(found.Members) != 1 || found.Members[0].PID != two.Process.Pid {
		t.Errorf("found %+v, %v; want only f", found.Members, err)
	}
}

func TestDiscoverSaysThatThereIsNothing(t *testing.T) {
	o := Options{Root: t.TempDir(), Proc: newTable(t).path}
	if _, err := Discover(t.Context(), o); !errors.Is(err, ErrNothing) {
		t.Errorf("error %v, want ErrNothing", err)
	}
	o.DataDirs = []string{t.TempDir()}
	if _, err := Discover(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is no data dir") {
		t.Errorf("error %v: want that an empty folder is no data dir", err)
	}
}
