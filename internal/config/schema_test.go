package config

import (
	"encoding"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
)

// schema is the part of JSON Schema that docs/salvor.schema.json uses.
type schema struct {
	Ref         string             `json:"$ref"`
	Defs        map[string]*schema `json:"$defs"`
	Type        string             `json:"type"`
	Description string             `json:"description"`
	Properties  map[string]*schema `json:"properties"`
	Additional  *bool              `json:"additionalProperties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	Enum        []string           `json:"enum"`
	Pattern     string             `json:"pattern"`
	Prefix      []*schema          `json:"prefixItems"`
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	var s schema
	if err := json.Unmarshal([]byte(read(t, "../../docs/salvor.schema.json")), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func (s *schema) resolve(t *testing.T, n *schema) *schema {
	t.Helper()
	for n.Ref != "" {
		d := s.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
		if d == nil {
			t.Fatalf("%s is not defined", n.Ref)
		}
		n = d
	}
	return n
}

func TestTheSchemaKnowsExactlyTheFieldsOfTheConfiguration(t *testing.T) {
	s := readSchema(t)
	var walk func(n *schema, typ reflect.Type, path string)
	walk = func(n *schema, typ reflect.Type, path string) {
		if n.Description == "" && path != "" && n.Ref == "" {
			t.Errorf("%s has no description", path)
		}
		n = s.resolve(t, n)
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			if n.Type != "string" {
				t.Errorf("%s is %q, want a string", path, n.Type)
			}
			return
		}
		switch typ.Kind() {
		case reflect.Struct:
			if n.Type != "object" || n.Additional == nil || *n.Additional {
				t.Errorf("%s: want an object without additional properties", path)
			}
			var fields, required []string
			for f := range typ.Fields() {
				fields = append(fields, yamlName(f))
				if !strings.Contains(f.Tag.Get("yaml"), "omitempty") {
					required = append(required, yamlName(f))
				}
				if p := n.Properties[yamlName(f)]; p != nil {
					walk(p, f.Type, path+"."+yamlName(f))
				}
			}
			var known []string
			for name := range n.Properties {
				known = append(known, name)
			}
			slices.Sort(fields)
			slices.Sort(known)
			if d := cmp.Diff(fields, known); d != "" {
				t.Errorf("fields of %s (-Go +schema):\n%s", path, d)
			}
			if typ != reflect.TypeFor[cluster.TLS]() { // its ca is needed once there is one
				slices.Sort(required)
				slices.Sort(n.Required)
				if d := cmp.Diff(required, n.Required); d != "" {
					t.Errorf("required fields of %s (-Go +schema):\n%s", path, d)
				}
			}
		case reflect.Slice:
			if n.Type != "array" || n.Items == nil {
				t.Fatalf("%s is %q, want an array with items", path, n.Type)
			}
			if typ.Elem().Kind() != reflect.String {
				walk(n.Items, typ.Elem(), path+"[]")
			}
		case reflect.String:
			if n.Type != "string" && len(n.Enum) == 0 {
				t.Errorf("%s is %q, want a string", path, n.Type)
			}
		case reflect.Int:
			if n.Type != "integer" {
				t.Errorf("%s is %q, want an integer", path, n.Type)
			}
		case reflect.Bool:
			if n.Type != "boolean" {
				t.Errorf("%s is %q, want a boolean", path, n.Type)
			}
		default:
			t.Errorf("%s: a %s is not expected", path, typ)
		}
	}
	walk(s, reflect.TypeFor[cluster.Config](), "")
}

func TestTheSchemasPatternsAgreeWithValidate(t *testing.T) {
	s := readSchema(t)
	for _, c := range []struct {
		def  string
		ok   func(string) bool
		text []string
	}{
		{"path", func(v string) bool { j := judge{}; return j.absolute(nil, v) }, []string{"/", "/a", "/var/lib/etcd", "/a/", "a/b", "", "."}},
		{"url", func(v string) bool { return wrongURL(v) == "" }, []string{"http://a:1", "https://10.0.0.1:2379", "https://[::1]:2379", "https://h",
			"ftp://h:1", "https://u:p@h:1", "https://h:1/x", "unix:///run/x.sock", "h:1"}},
		{"name", func(v string) bool { j := judge{}; j.name(nil, "x", v, map[string]int{}, 0); return len(j.bad) == 0 }, []string{"a", "etcd-1.x", "a b", "a=b", "", "a/b"}},
		{"address", func(v string) bool { _, err := cluster.ParseSSHAddress(v); return err == nil }, []string{"10.0.0.1", "root@cp-1", "a.b@cp-1.example:2222",
			"root@[fd00::1]:22", "fd00::1", "", "root@", "@h", "a b", "h:", "-h", "-oProxyCommand=x@h", "h/x", "ssh://h", "a;b", "$(x)@h"}},
		{"manifest", func(v string) bool { j := judge{}; j.manifest(nil, v); return len(j.bad) == 0 }, []string{"/m/etcd.yaml", "/m/a.yml", "/m/a.manifest", "/m/.a.yaml",
			"m/a.yaml", "/m/a.yaml.bak", "/m//a.yaml", "/a.json", "/m/a.yaml/", ""}},
		{"origin", func(v string) bool { j := judge{}; j.origin(nil, v); return len(j.bad) == 0 }, []string{"https://10.0.0.1:6443", "https://api.example", "https://[::1]:6443/",
			"http://h:1", "https://u:p@h:1", "https://h:1/x", "h:1", ""}},
		{"duration", func(v string) bool { var d cluster.Duration; return d.UnmarshalText([]byte(v)) == nil }, []string{"15m", "1h30m", "1.5h", "15", "x", ""}},
		{"span", func(v string) bool { var d cluster.Span; return d.UnmarshalText([]byte(v)) == nil }, []string{"7d", "1d12h", "5y", "12h", "7", "x", "", "d", "1h2d"}},
		{"bandwidth", func(v string) bool { var d cluster.Bandwidth; return d.UnmarshalText([]byte(v)) == nil }, []string{"20MiB", "500kB", "1GiB", "20", "MiB", "-1MB", ""}},
	} {
		pattern := regexp.MustCompile(s.Defs[c.def].Pattern)
		for _, v := range c.text {
			if got, want := pattern.MatchString(v), c.ok(v); got != want {
				t.Errorf("%s %q: the schema says %v, Validate %v", c.def, v, got, want)
			}
		}
	}
	unit := regexp.MustCompile(s.Defs["unit"].Pattern)
	for v, want := range map[string]bool{"etcd.service": true, "etcd@a": true, "/etcd": false, "-x": false} {
		if unit.MatchString(v) != want {
			t.Errorf("unit %q: the schema says %v", v, !want)
		}
	}
}

func TestTheDocumentNamesEveryFieldAndItsExamplesLoad(t *testing.T) {
	text := read(t, "../../docs/CONFIG.md")
	var paths func(typ reflect.Type, at string)
	paths = func(typ reflect.Type, at string) {
		switch typ.Kind() {
		case reflect.Pointer:
			paths(typ.Elem(), at)
		case reflect.Slice:
			if typ.Elem().Kind() == reflect.Struct {
				paths(typ.Elem(), at+"[]")
				return
			}
			fallthrough
		default:
			if !strings.Contains(text, "| `"+at+"` |") {
				t.Errorf("docs/CONFIG.md has no line for %s", at)
			}
		case reflect.Struct:
			for f := range typ.Fields() {
				paths(f.Type, strings.TrimPrefix(at+"."+yamlName(f), "."))
			}
		}
	}
	paths(reflect.TypeFor[cluster.Config](), "")
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(examples) != 5 {
		t.Fatalf("%d examples, want one for processes, one for systemd, one for machines over SSH, one for a control plane and one for a vault", len(examples))
	}
	for i, e := range examples {
		if _, err := Parse("example", []byte(e[1])); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
	}
	if _, err := os.Stat("../../docs/salvor.schema.json"); err != nil || !strings.Contains(text, "salvor.schema.json") {
		t.Errorf("the document does not name the schema: %v", err)
	}
}
