package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/pki"
	"github.com/salvor-project/salvor/test/captured"
	"github.com/salvor-project/salvor/test/etcds"
)

// whole are the facts of the machine with its etcd, of snapshots in a folder when
// one is named, and of other machines beside it.
func (c *control) whole(place string, beside ...master) cluster.Facts {
	ctx := context.Background()
	m := cluster.Member{Name: "default", Host: c.host, DataDir: filepath.Join(c.root, "var/lib/etcd"), ClientURLs: []string{"http://127.0.0.1:" + strconv.Itoa(c.etcdPort)},
		PeerURLs: []string{c.peer}, Run: cluster.Supervisor{Process: &cluster.Process{Command: []string{"etcd"}}}}
	cfg := cluster.Config{Hosts: c.cfg.Hosts, Members: []cluster.Member{m}, Kubernetes: c.cfg.Kubernetes}
	if place != "" {
		cfg.Snapshots = []cluster.SnapshotPlace{{Host: c.host, Path: place}}
	}
	h := c.asConfigured(cfg).facts()
	for i := range h.Node.Places {
		h.Node.Places[i].Path = filepath.Join(c.root, h.Node.Places[i].Path)
	}
	h.Members = []cluster.MemberFacts{c.member(ctx, m, cluster.TLS{})}
	var objects []*datadir.Objects
	h.Snapshots, objects = snapshots(ctx, cfg, c.host)
	c.snapshotHazards(ctx, h.Snapshots, objects)
	f := cluster.Facts{At: time.Now(), Hosts: []cluster.HostFacts{h}, Config: cfg}
	for _, b := range beside {
		f.Config.Hosts = append(f.Config.Hosts, cluster.Host{Name: b.host, Via: cluster.ViaSSH})
		f.Hosts = append(f.Hosts, b.facts())
	}
	return f
}

// asConfigured is the machine as a configuration has it whose paths are those of
// this machine.
func (c *control) asConfigured(cfg cluster.Config) master {
	m := c.master
	m.cfg.Members, m.cfg.Snapshots = slices.Clone(cfg.Members), slices.Clone(cfg.Snapshots)
	for i := range m.cfg.Members {
		m.cfg.Members[i].DataDir = c.outside(m.cfg.Members[i].DataDir)
	}
	for i := range m.cfg.Snapshots {
		m.cfg.Snapshots[i].Path = c.outside(m.cfg.Snapshots[i].Path)
	}
	return m
}

// keep makes a fixture of what is there now, and wants its root cause; no code
// stands for nothing wrong.
func (c *control) keep(code, cause diagnose.Code) {
	c.t.Helper()
	c.keepAs(captured.Fixture{Code: code, Cause: cause, Facts: c.whole("")})
}

func (c *control) keepAs(x captured.Fixture) {
	c.t.Helper()
	d := diagnose.Diagnose(x.Facts)
	if x.Code != "" {
		for _, code := range append([]diagnose.Code{x.Code}, x.Also...) {
			if !shown(d, code) {
				c.t.Errorf("%s is not found: %v", code, codesOf(d))
			}
		}
	}
	if x.Code != "" && (d.Cause == nil || d.Cause.Code != x.Cause) || x.Code == "" && d.Cause != nil {
		c.t.Errorf("the root cause of %q is %+v, not %q: %v", x.Code, d.Cause, x.Cause, codesOf(d))
	}
	if x.Code == "" {
		return // no kubelet, no runtime: not the picture of health
	}
	host, err := os.Hostname()
	if err != nil {
		c.t.Fatal(err)
	}
	names := map[string]string{c.root: "", "(of " + host + ")": "(of machine)", filepath.Dir(c.program): "/usr/local/bin", filepath.Dir(etcds.Path(c.t, etcds.V3_7)): "/usr/local/bin"}
	for _, m := range c.beside {
		names[m.root] = ""
	}
	captured.Keep(c.t, x, captured.Where{Variant: "apiserver", Redact: Redact, Names: names})
}

func shown(d diagnose.Diagnosis, code diagnose.Code) bool {
	return slices.ContainsFunc(d.Findings, func(f diagnose.Finding) bool { return f.Code == code && len(f.Evidence) > 0 })
}

// codesOf tells the findings of a diagnosis in short.
func codesOf(d diagnose.Diagnosis) []string {
	var out []string
	for _, f := range d.Findings {
		out = append(out, fmt.Sprintf("%s of %s %v", f.Code, f.Subject, f.CausedBy))
	}
	return out
}

// TestRealHazards writes objects through a real API server that hurt when they
// are put back, takes a snapshot, and loses everything else.
func TestRealHazards(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newControl(t)
	c.serve("--encryption-provider-config=/etc/kubernetes/enc/encryption.yaml", "--endpoint-reconciler-type=lease")
	c.until("an API server that is ready", isReady)
	for _, o := range hurting(authority(t).Certificate()) {
		if err := c.post(o.path, o.body); err != nil {
			t.Fatalf("%s: %v", o.path, err)
		}
	}
	if err := c.ask(http.MethodDelete, "/api/v1/namespaces/default/configmaps/held", ""); err != nil {
		t.Fatal(err)
	}
	// What kubeadm gives an administrator, and nothing in the data that knows of it.
	if err := c.ask(http.MethodDelete, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/cluster-admin", ""); err != nil {
		t.Fatal(err)
	}
	c.administrator("kubeadm:cluster-admins")
	place := c.snapshot("first.db")
	// The namespace that every cluster has once for all its life, of another.
	c.ctl("del", "/registry/namespaces/kube-system")
	if err := c.post("/api/v1/namespaces", `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system"}}`); err != nil {
		t.Fatal(err)
	}
	c.snapshot("second.db")
	c.lose()
	// Another key under the same name.
	c.write("/etc/kubernetes/enc/encryption.yaml", []byte(otherEncryption))
	want := []diagnose.Code{diagnose.HazardEncryption, diagnose.HazardAuthority, diagnose.HazardLeases, diagnose.HazardVolumes,
		diagnose.HazardJobs, diagnose.HazardDeleting, diagnose.HazardEssentials, diagnose.HazardAdmin, diagnose.HazardSystem, diagnose.BackupSameDisk, diagnose.BackupIncomplete}
	f := c.whole(place)
	got := map[diagnose.Code]bool{}
	d := diagnose.Diagnose(f)
	for _, x := range d.Findings {
		got[x.Code] = true
	}
	for _, code := range append(want, diagnose.HazardWebhook) {
		if !got[code] {
			t.Errorf("%s is not found: %+v", code, f.Hosts[0].Snapshots)
		}
	}
	if d.Scenario != diagnose.AllLost || d.Level.Data != diagnose.D2 {
		t.Errorf("%s %s", d.Scenario, d.Level)
	}
	c.keepAs(captured.Fixture{Code: diagnose.HazardWebhook, Cause: diagnose.DataDirLost, Also: want, Facts: f})
	c.lands(f.Hosts[0].Snapshots[0])
}

// lands looks at a snapshot as one that has just come: the same is found, and the
// objects are read again once the machine has another key.
func (c *control) lands(want cluster.SnapshotFacts) {
	if err := c.land(context.Background(), want.Path, datadir.Arrived{}); err != nil {
		c.t.Fatal(err)
	}
	got, ok := c.landed(want.Path)
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		c.t.Errorf("landed %v: %s", ok, diff)
	}
	c.write("/etc/kubernetes/enc/encryption.yaml", []byte(strings.Replace(otherEncryption, "YmJi", "Y2Nj", 1)))
	if got, ok := c.landed(want.Path); !ok || got.Hazards.OK || got.SHA256 != want.SHA256 {
		c.t.Errorf("with another key: landed %v, %+v", ok, got)
	}
}

// ctl runs etcdctl, and gives what it says.
func (c *control) ctl(args ...string) string {
	c.t.Helper()
	out, err := exec.Command(etcds.Program(c.t, etcds.V3_7, "etcdctl"), append([]string{"--endpoints=http://127.0.0.1:" + strconv.Itoa(c.etcdPort)}, args...)...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("etcdctl %v: %v: %s", args, err, out)
	}
	return string(out)
}

// snapshot saves one of the living etcd in the machine's place for them.
func (c *control) snapshot(name string) (place string) {
	c.t.Helper()
	place = filepath.Join(c.root, "backups")
	if err := os.MkdirAll(place, 0o700); err != nil {
		c.t.Fatal(err)
	}
	c.ctl("snapshot", "save", filepath.Join(place, name))
	return place
}

// lose ends everything that runs and takes the data away.
func (c *control) lose() {
	c.t.Helper()
	c.kill("kube-apiserver")
	c.kill("etcd")
	if err := os.RemoveAll(filepath.Join(c.root, "var/lib/etcd")); err != nil {
		c.t.Fatal(err)
	}
}

// administrator makes the kubeconfig of a group.
func (c *control) administrator(group string) {
	c.t.Helper()
	p, err := c.ca.Issue(pki.Request{Use: pki.Client, CommonName: "kubernetes-admin", Organizations: []string{group}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(year)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.kubeconfig("admin", "https://127.0.0.1:"+strconv.Itoa(c.port), p)
}

const otherEncryption = `kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: key1, secret: YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=}]}
`

// posted is an object with where it is posted.
type posted struct{ path, body string }

// hurting are objects that hurt after a restore.
func hurting(otherCA []byte) []posted {
	ca, err := json.Marshal(string(otherCA))
	if err != nil {
		return nil
	}
	const pod = `"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"c"}]}}`
	return []posted{
		{"/api/v1/namespaces/kube-system/configmaps", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kube-root-ca.crt"},"data":{"ca.crt":` + string(ca) + `}}`},
		{"/api/v1/namespaces/default/secrets", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"sealed"},"data":{"a":"Yg=="}}`},
		{"/api/v1/persistentvolumes", `{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pv-1","annotations":{"pv.kubernetes.io/provisioned-by":"csi.lab.invalid"}},
			"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Delete",
			"claimRef":{"namespace":"default","name":"gone","uid":"0b7c7c0e-0000-4000-8000-000000000001"},"csi":{"driver":"csi.lab.invalid","volumeHandle":"v"}}}`},
		{"/apis/batch/v1/namespaces/default/cronjobs", `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"bill"},"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{` + pod + `}}}}`},
		{"/apis/batch/v1/namespaces/default/jobs", `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"migrate"},"spec":{` + pod + `}}`},
		{"/api/v1/namespaces/default/configmaps", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"held","finalizers":["lab.invalid/hold"]}}`},
		{"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":"policy"},
			"webhooks":[{"name":"policy.lab.invalid","failurePolicy":"Fail","sideEffects":"None","admissionReviewVersions":["v1"],
			"clientConfig":{"service":{"namespace":"policy","name":"policy","path":"/"}},
			"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]}]}`},
	}
}
