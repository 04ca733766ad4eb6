package observe

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/test/captured"
)

// deleted takes a namespace and a custom resource definition away that a backup
// has, through the API as people do, and wants both told once they are gone.
func (c *control) deleted() {
	c.t.Helper()
	const namespaces, definitions = "/api/v1/namespaces", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	conf := filepath.Join(c.root, "etc/kubernetes/super-admin.conf")
	c.write("/etc/kubernetes/super-admin.conf", []byte(c.tokenConfig(c.token)))
	defer func() {
		if err := os.Remove(conf); err != nil {
			c.t.Error(err)
		}
	}()
	namespace := func(name string) {
		c.t.Helper()
		c.body(http.MethodPost, namespaces, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+name+`"}}`)
	}
	namespace("shop")
	namespace("ending") // and already being deleted when the backup is made
	c.body(http.MethodDelete, namespaces+"/ending", "")
	c.body(http.MethodPost, definitions, `{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"orders.example.com"},
		"spec":{"group":"example.com","scope":"Namespaced","names":{"kind":"Order","plural":"orders"},"versions":[{"name":"v1","served":true,"storage":true,
		"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`)
	place := c.snapshot("kept.db")
	namespace("made-since")
	both := []diagnose.Code{diagnose.NamespaceDeleted, diagnose.DefinitionDeleted}
	none := func(when string) {
		c.t.Helper()
		for _, code := range both {
			if d := diagnose.Diagnose(c.whole(place)); shown(d, code) {
				c.t.Errorf("%s: %s is told: %v", when, code, codesOf(d))
			}
		}
	}
	none("nothing is gone")
	c.body(http.MethodDelete, namespaces+"/shop", "")
	none("the namespace is still ending")
	for _, name := range []string{"shop", "ending"} { // as the namespace controller does at the end
		c.body(http.MethodPut, namespaces+"/"+name+"/finalize", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+name+`"},"spec":{"finalizers":[]}}`)
	}
	c.body(http.MethodDelete, definitions+"/orders.example.com", "")
	for end := time.Now().Add(30 * time.Second); c.ask(http.MethodGet, definitions+"/orders.example.com", "") == nil && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	f := c.whole(place)
	d := diagnose.Diagnose(f)
	for code, want := range map[diagnose.Code]string{diagnose.NamespaceDeleted: "the namespace shop;", diagnose.DefinitionDeleted: "the custom resource definition orders.example.com;"} {
		i := slices.IndexFunc(d.Findings, func(f diagnose.Finding) bool { return f.Code == code })
		if i < 0 || len(d.Findings[i].Evidence) != 1 || !strings.Contains(d.Findings[i].Evidence[0], want) || d.Findings[i].Confidence != diagnose.Possible {
			c.t.Errorf("%s: %v %+v", code, codesOf(d), f.Hosts[0].Node.Objects)
		}
	}
	if !slices.ContainsFunc(d.Allowed, func(a diagnose.Advice) bool { return a.Action == diagnose.ActExtract }) {
		c.t.Errorf("allowed: %+v", d.Allowed)
	}
	c.keepAs(captured.Fixture{Code: diagnose.NamespaceDeleted, Cause: diagnose.BackupIncomplete, Also: []diagnose.Code{diagnose.DefinitionDeleted, diagnose.BackupSameDisk, diagnose.BackupNeverProven}, Facts: f})
}
