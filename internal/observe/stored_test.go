package observe

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/pki"
	"github.com/salvor-project/salvor/test/captured"
)

// object is one thing to be stored: where it is posted, and what.
type object struct{ path, body string }

// hazardousObjects are what an API server is given to store, by its own
// defaults and in its own encoding. What stands in the way of the others comes
// last.
func hazardousObjects() []object {
	meta := func(name string) string { return `"metadata":{"name":"` + name + `"}` }
	crd := func(group, kind, plural, more string) object {
		return object{"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fmt.Sprintf(`{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"%s.%s"},
			"spec":{"group":"%s","scope":"Namespaced","names":{"kind":"%s","plural":"%s"}%s,"versions":[{"name":"v1alpha1","served":true,"storage":true,
			"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`, plural, group, group, kind, plural, more)}
	}
	hook := func(name, selectors, resources string) string {
		return `{"name":"` + name + `","sideEffects":"None","admissionReviewVersions":["v1"],"clientConfig":{"service":{"namespace":"kruise","name":"hook"}},` + selectors + `
			"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["` + resources + `"]}]}`
	}
	const inNobody = `"namespaceSelector":{"matchLabels":{"nobody":"has-this"}},`
	const noPod = `"objectSelector":{"matchLabels":{"app":"another"}},`
	const notSystem = `"namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["kube-system"]}]},"matchConditions":[{"name":"c","expression":"true"}],`
	return []object{
		{"/api/v1/namespaces", `{"kind":"Namespace","apiVersion":"v1",` + meta("kruise") + `}`},
		{"/api/v1/nodes", `{"kind":"Node","apiVersion":"v1",` + meta("cp-1") + `}`},
		{"/api/v1/nodes", `{"kind":"Node","apiVersion":"v1",` + meta("ghost") + `}`},
		{"/api/v1/namespaces/default/serviceaccounts", `{"kind":"ServiceAccount","apiVersion":"v1",` + meta("default") + `}`},
		{"/api/v1/namespaces/default/pods", `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","labels":{"app":"web"}},"spec":{"nodeName":"cp-1","containers":[{"name":"c","image":"i"}]}}`},
		{"/api/v1/namespaces/default/services", `{"kind":"Service","apiVersion":"v1",` + meta("door") + `,"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}`},
		{"/api/v1/persistentvolumes", `{"kind":"PersistentVolume","apiVersion":"v1",` + meta("pv-1") + `,"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Delete",
			"claimRef":{"namespace":"default","name":"gone"},"csi":{"driver":"d","volumeHandle":"h"}}}`},
		{"/apis/storage.k8s.io/v1/volumeattachments", `{"kind":"VolumeAttachment","apiVersion":"storage.k8s.io/v1",` + meta("va-1") + `,"spec":{"attacher":"d","nodeName":"moved-away","source":{"persistentVolumeName":"pv-1"}}}`},
		{"/apis/batch/v1/namespaces/default/jobs", `{"kind":"Job","apiVersion":"batch/v1",` + meta("again") + `,"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}`},
		{"/apis/batch/v1/namespaces/default/cronjobs", `{"kind":"CronJob","apiVersion":"batch/v1",` + meta("nightly") + `,"spec":{"schedule":"0 3 * * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}}`},
		{"/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", `{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v2",` + meta("grow") + `,"spec":{"maxReplicas":9,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}],"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}}`},
		{"/apis/apps/v1/namespaces/kube-system/daemonsets", `{"kind":"DaemonSet","apiVersion":"apps/v1",` + meta("kube-proxy") + `,"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`},
		{"/api/v1/namespaces/kube-system/configmaps", `{"kind":"ConfigMap","apiVersion":"v1",` + meta("cilium-config") + `,"data":{"kvstore":"etcd"}}`},
		{"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1",` + meta("kube-scheduler") + `,"spec":{"holderIdentity":"gone-1_0f0e0d0c-0b0a-0908-0706-050403020100","renewTime":"2020-01-01T00:00:00.000000Z"}}`},
		{"/apis/apiregistration.k8s.io/v1/apiservices", `{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1",` + meta("v1beta1.metrics.example.com") + `,"spec":{"group":"metrics.example.com","version":"v1beta1","groupPriorityMinimum":100,"versionPriority":100,
			"insecureSkipTLSVerify":true,"service":{"namespace":"default","name":"nowhere"}}}`},
		crd("argoproj.io", "Application", "applications", ""),
		crd("example.com", "Gadget", "gadgets", ""),
		{"/api/v1/namespaces/default/configmaps", `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"orphan","ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"gone","uid":"0b7c7c0e-0000-4000-8000-000000000002"}]}}`},
		{"/apis/certificates.k8s.io/v1beta1/clustertrustbundles", `{"kind":"ClusterTrustBundle","apiVersion":"certificates.k8s.io/v1beta1",` + meta("bundle") + `,"spec":{"trustBundle":` + trusted() + `}}`},
		crd("example.com", "Widget", "widgets", `,"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"service":{"namespace":"kruise","name":"convert"}}}}`),
		{"/apis/argoproj.io/v1alpha1/namespaces/default/applications", `{"kind":"Application","apiVersion":"argoproj.io/v1alpha1",` + meta("site") + `,"spec":{"syncPolicy":{"automated":{}}}}`},
		{"/apis/argoproj.io/v1alpha1/namespaces/default/applications", `{"kind":"Application","apiVersion":"argoproj.io/v1alpha1",` + meta("by-hand") + `,"spec":{"syncPolicy":{}}}`},
		{"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", `{"kind":"ValidatingAdmissionPolicy","apiVersion":"admissionregistration.k8s.io/v1",` + meta("limits") + `,"spec":{"paramKind":{"apiVersion":"rules.example.com/v1","kind":"Limit"},
			"matchConstraints":{"resourceRules":[{"operations":["CREATE"],"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments"]}]},"validations":[{"expression":"true"}]}}`},
		{"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings", `{"kind":"ValidatingAdmissionPolicyBinding","apiVersion":"admissionregistration.k8s.io/v1",` + meta("limits") + `,"spec":{"policyName":"limits","validationActions":["Deny"],"paramRef":{"name":"x","parameterNotFoundAction":"Deny"}}}`},
		{"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", `{"kind":"MutatingWebhookConfiguration","apiVersion":"admissionregistration.k8s.io/v1",` + meta("kruise") + `,"webhooks":[` +
			strings.Join([]string{hook("all.kb.io", notSystem, "pods"), hook("none.kb.io", inNobody, "pods"), hook("other.kb.io", noPod, "pods")}, ",") + `]}`},
	}
}

// trusted is a certificate as JSON.
func trusted() string {
	ca, err := pki.NewAuthority("bundle", time.Now())
	if err != nil {
		return "null"
	}
	b, err := json.Marshal(string(ca.Certificate()))
	if err != nil {
		return "null"
	}
	return string(b)
}

// TestRealStoredHazards lets a real API server store what hurts after a restore and
// finds it in the db of its etcd at rest, and, while both live, what the API
// itself tells.
func TestRealStoredHazards(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newControl(t)
	c.cfg.Kubernetes.Nodes = []cluster.Node{{Host: "cp-1"}}
	c.write("/etc/kubernetes/super-admin.conf", []byte(c.tokenConfig(c.token)))
	c.frontProxy()
	c.serve("--endpoint-reconciler-type=lease", "--requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt", "--feature-gates=ClusterTrustBundle=true",
		"--runtime-config=certificates.k8s.io/v1beta1/clustertrustbundles=true")
	c.until("an API server that is ready", isReady)
	for _, o := range hazardousObjects() {
		var err error
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) { // a definition is served after a moment
			if err = c.post(o.path, o.body); err == nil || time.Now().After(end) {
				break
			}
		}
		if err != nil {
			t.Fatalf("store %s: %v", o.body, err)
		}
	}
	c.live()
	serving := c.node(context.Background())
	c.complaints()
	place := c.past()
	c.kill("kube-apiserver")
	if err := c.procs["etcd"].Process.Signal(syscall.SIGTERM); err != nil { // so that the db has everything
		t.Fatal(err)
	}
	_ = c.procs["etcd"].Wait()
	delete(c.procs, "etcd")
	rests := &running{known: make(chan struct{})}
	close(rests.known)
	_, h := c.data(t.Context(), cluster.Member{Name: "cp-1", Host: "cp-1", DataDir: filepath.Join(c.root, "var/lib/etcd")}, rests)
	if !h.OK {
		t.Fatal(h.Why)
	}
	for what, x := range map[string]struct {
		got  cluster.Names
		want string
	}{
		"policies": {h.Value.Policies, "limits (Limit of rules.example.com)"}, "aggregated": {h.Value.Aggregated, "v1beta1.metrics.example.com (default/nowhere)"},
		"converters": {h.Value.Converters, "widgets.example.com (kruise/convert)"}, "attachments": {h.Value.Attachments, "va-1 (pv-1 at moved-away)"},
		"GitOps": {h.Value.GitOps, "/registry/argoproj.io/applications/default/site"}, "autoscalers": {h.Value.Autoscalers, "/registry/horizontalpodautoscalers/default/grow"},
		"outside": {h.Value.External, "default/door (pending)"}, "volumes": {h.Value.Volumes, "pv-1"},
		"jobs": {h.Value.Jobs, "/registry/jobs/default/again"}, "cron jobs": {h.Value.CronJobs, "/registry/cronjobs/default/nightly"},
		"unreadable": {h.Value.Unreadable, ""}, "dangling": {h.Value.Dangling, "/registry/configmaps/default/orphan"}, "unserved": {h.Value.Unserved, "gadgets.example.com (v1alpha0)"}, "gone": {h.Value.Gone, ""}, "deleting": {h.Value.Deleting, "/registry/namespaces/kruise"},
	} {
		if got := strings.Join(x.got.First, " "); got != x.want {
			t.Errorf("%s: %q, want %q", what, got, x.want)
		}
	}
	if !slices.ContainsFunc(h.Value.Leases.First, func(s string) bool { return strings.HasPrefix(s, "kube-system/kube-scheduler (held by gone-1_") }) {
		t.Errorf("leases: %v", h.Value.Leases.First)
	}
	if w := h.Value.Webhooks; len(w) != 1 || w[0].Name != "all.kb.io" || w[0].Pods != 1 || !w[0].Own || w[0].Backend || !w[0].Conditions || slices.Contains(w[0].Namespaces.First, "kube-system") {
		t.Errorf("webhooks: %+v", w)
	}
	if !slices.Equal(h.Value.DataPlane, []string{"daemonsets/kube-system/kube-proxy"}) || len(h.Value.Stores) != 1 || !slices.Contains(h.Value.Admins, "Group/system:masters") ||
		len(h.Value.Pods["cp-1"]) != 1 || !slices.Equal(h.Value.Nodes, []string{"cp-1", "ghost"}) {
		t.Errorf("%+v", h.Value)
	}
	c.remember(serving, h)
	c.lose()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c.serviceAccount(key, &key.PublicKey)
	c.keepAs(captured.Fixture{Code: diagnose.HazardConverters, Cause: diagnose.DataDirLost, Also: []diagnose.Code{diagnose.HazardTokens, diagnose.HazardPolicies, diagnose.HazardUnserved,
		diagnose.HazardAggregated, diagnose.HazardHolders, diagnose.HazardNodes, diagnose.HazardAttachments, diagnose.HazardAutoscalers, diagnose.HazardGitOps, diagnose.HazardStores,
		diagnose.HazardExternal, diagnose.HazardPlane, diagnose.HazardDangling, diagnose.HazardKubelets}, Facts: c.whole(place)})
}

// past stores what an API server of today would not, and saves everything.
func (c *control) past() (place string) {
	c.t.Helper()
	c.store("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.example.com", "/registry/apiextensions.k8s.io/customresourcedefinitions/gadgets.example.com",
		`"storedVersions":["v1alpha1"]`, `"storedVersions":["v1alpha0","v1alpha1"]`)
	const lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
	c.body(http.MethodDelete, lease+"/kube-scheduler", "") // a scheduler of this machine has taken it over
	for _, o := range hazardousObjects() {
		if o.path == lease {
			c.body(http.MethodPost, o.path, o.body)
		}
	}
	secret, err := json.Marshal(c.tokenOf("default", "default"))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.post("/api/v1/namespaces/default/secrets", `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"legacy","annotations":{"kubernetes.io/service-account.name":"default"}},
		"type":"kubernetes.io/service-account-token","stringData":{"token":`+string(secret)+`}}`); err != nil {
		c.t.Fatal(err)
	}
	return c.snapshot("s.db")
}

// store puts an object that the API server gave back into etcd past it, with one
// text replaced.
func (c *control) store(path, key, from, to string) {
	c.t.Helper()
	b := string(c.body(http.MethodGet, path, ""))
	if !strings.Contains(b, from) {
		c.t.Fatalf("%s has no %s: %s", path, from, b)
	}
	c.ctl("put", key, "--", strings.Replace(b, from, to, 1))
}

// remember wants the three hazards of what clients remember told of a candidate:
// its db and objects, and the machine as it was while its API server served.
func (c *control) remember(serving cluster.NodeFacts, h cluster.Known[cluster.Hazards]) {
	c.t.Helper()
	s, err := datadir.InspectSnapshot(c.t.Context(), filepath.Join(c.root, "var/lib/etcd/member/snap/db"))
	if err != nil {
		c.t.Fatal(err)
	}
	s.Trailer, s.Hazards, s.Modified = cluster.TrailerGood, h, time.Now() // as a saved one
	m := cluster.Member{Name: "cp-1", Host: "cp-1", DataDir: "/var/lib/etcd", PeerURLs: s.DB.Value.Members[0].PeerURLs}
	f := cluster.Facts{At: time.Now(), Config: c.cfg}
	f.Config.Hosts, f.Config.Members = []cluster.Host{{Name: "cp-1", Via: cluster.ViaSSH}}, []cluster.Member{m}
	f.Hosts = []cluster.HostFacts{{Name: "cp-1", Reached: cluster.Is(cluster.HostInfo{Clock: time.Now()}), Node: serving, Snapshots: []cluster.SnapshotFacts{s},
		Members:   []cluster.MemberFacts{{Name: "cp-1", Process: cluster.Is(cluster.ProcessFacts{}), Disk: cluster.Is(cluster.DataDir{State: cluster.DirAbsent}), Live: cluster.Unknown[cluster.LiveMember]("refused")}},
		Witnesses: []cluster.WitnessFacts{{Path: "/w", Revision: cluster.Is(s.DB.Value.Revision + 7), At: time.Now()}}}}
	wants := func(codes ...diagnose.Code) {
		c.t.Helper()
		d := diagnose.Diagnose(f)
		got := map[diagnose.Code]string{}
		for _, x := range d.Findings {
			got[x.Code] = strings.Join(x.Evidence, "; ")
		}
		for _, code := range []diagnose.Code{diagnose.HazardRevision, diagnose.HazardCaches, diagnose.HazardKubelets} {
			if (got[code] != "") != slices.Contains(codes, code) {
				c.t.Errorf("%s: %q (%s)", code, got[code], d.Scenario)
			}
		}
		if e := got[diagnose.HazardKubelets]; e != "" && !strings.Contains(e, "node ghost is in the data and not in salvor.yaml") {
			c.t.Error(e)
		}
	}
	wants(diagnose.HazardRevision, diagnose.HazardCaches, diagnose.HazardKubelets)
	// Nothing is newer, no API server runs, every node is at hand and stopped.
	f.Hosts[0].Witnesses, f.Hosts[0].Node.APIServers = nil, nil
	f.Config.Kubernetes.Nodes = append(f.Config.Kubernetes.Nodes, cluster.Node{Host: "ghost"})
	wants()
}

// live wants what the API tells while it serves.
func (c *control) live() {
	c.t.Helper()
	var o cluster.APIObjects
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		n := c.node(context.Background())
		if !n.Objects.OK {
			continue
		}
		if o = n.Objects.Value; o.Unavailable.Value.Count > 0 {
			break
		}
	}
	for what, k := range map[string]struct {
		ok  bool
		why string
	}{"nodes": {o.Nodes.OK, o.Nodes.Why}, "endpoints": {o.Endpoints.OK, o.Endpoints.Why}, "claims": {o.LostClaims.OK, o.LostClaims.Why}, "namespaces": {o.Terminating.OK, o.Terminating.Why},
		"aggregated": {o.Unavailable.OK, o.Unavailable.Why}, "webhooks": {o.Closed.OK, o.Closed.Why}, "pods": {o.Pods.OK, o.Pods.Why}} {
		if !k.ok {
			c.t.Errorf("%s: %s", what, k.why)
		}
	}
	if o.Unavailable.Value.Count != 1 || !strings.HasPrefix(o.Unavailable.Value.First[0], "v1beta1.metrics.example.com: ") {
		c.t.Errorf("aggregated: %+v", o.Unavailable)
	}
	if len(o.Nodes.Value) != 2 || o.Nodes.Value[0].Ready || len(o.Pods.Value) != 1 || len(o.Closed.Value) != 3 || o.Closed.Value[0].Backend {
		b, _ := json.Marshal(o)
		c.t.Errorf("%s", b)
	}
	if !slices.Equal(o.Hooks.Value, []string{"all.kb.io", "none.kb.io", "other.kb.io"}) {
		c.t.Errorf("webhooks: %+v", o.Hooks)
	}
	for _, e := range o.Endpoints.Value {
		if net.ParseIP(e) == nil {
			c.t.Errorf("the endpoint %q is no address", e)
		}
	}
	found := diagnosed(c.master)
	for _, code := range []diagnose.Code{diagnose.NodesNotReady, diagnose.AggregatedAPIDown, diagnose.HookBackendDown} {
		if f := found[code]; len(f.Evidence) == 0 || f.Confidence != diagnose.Certain {
			c.t.Errorf("%s: %+v", code, f)
		}
	}
	// What only time brings about: a claim that is lost, a namespace that ends.
	client, err := kube.Open(filepath.Join(c.root, "etc/kubernetes/super-admin.conf"), "")
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	do := func(method, path, body string) {
		c.t.Helper()
		var in any
		if body != "" {
			in = json.RawMessage(body)
		}
		if _, err := client.Do(ctx, method, path, in, nil); err != nil {
			c.t.Fatal(err)
		}
	}
	do("POST", "/api/v1/namespaces/default/persistentvolumeclaims", `{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`)
	do("PATCH", "/api/v1/namespaces/default/persistentvolumeclaims/data/status", `{"status":{"phase":"Lost"}}`)
	do("DELETE", "/api/v1/namespaces/kruise", "")
	if lost, err := client.LostClaims(ctx); err != nil || !slices.Equal(lost, []string{"default/data"}) {
		c.t.Errorf("lost claims: %v %v", lost, err)
	}
	if ending, err := client.Terminating(ctx, time.Now().Add(time.Hour)); err != nil || !slices.Equal(ending, []string{"kruise"}) {
		c.t.Errorf("ending: %v %v", ending, err)
	}
	c.since("kruise", 10*time.Minute)
	c.keepAs(captured.Fixture{Code: diagnose.ClaimsLost, Cause: diagnose.LeaseUnrenewed, Also: []diagnose.Code{diagnose.LeaseUnrenewed, diagnose.NodesNotReady, diagnose.EndpointsStale, diagnose.NamespaceStuck,
		diagnose.HookBackendDown, diagnose.AggregatedAPIDown}, Facts: c.whole("")})
	// All nodes but one machine's: something they have in common.
	for _, n := range []string{"worker-1", "worker-2", "worker-3"} {
		do("POST", "/api/v1/nodes", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"`+n+`"}}`)
	}
	do("PATCH", "/api/v1/namespaces/default/persistentvolumeclaims/data/status", `{"status":{"phase":"Bound"}}`)
	c.keep(diagnose.NodesDown, diagnose.LeaseUnrenewed)
	for _, n := range []string{"worker-1", "worker-2", "worker-3"} {
		do("DELETE", "/api/v1/nodes/"+n, "")
	}
}

// since has a namespace be ending for longer than it is.
func (c *control) since(namespace string, more time.Duration) {
	c.t.Helper()
	var o struct {
		Metadata struct {
			Deleted time.Time `json:"deletionTimestamp"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(c.body(http.MethodGet, "/api/v1/namespaces/"+namespace, ""), &o); err != nil {
		c.t.Fatal(err)
	}
	stamp := func(t time.Time) string { return `"deletionTimestamp":"` + t.UTC().Format(time.RFC3339) + `"` }
	c.store("/api/v1/namespaces/"+namespace, "/registry/namespaces/"+namespace, stamp(o.Metadata.Deleted), stamp(o.Metadata.Deleted.Add(-more)))
}
