package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/salvor-project/salvor/internal/cluster"
)

// problem is one thing that is wrong with a configuration.
type problem struct {
	// path leads to the value: field names and list indices.
	path []any
	text string
	// line is known while fields are checked; later it is looked up.
	line int
}

func (p problem) Error() string {
	if len(p.path) == 0 {
		return p.text
	}
	return pathName(p.path) + ": " + p.text
}

func pathName(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch s := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, s)
		}
	}
	return b.String()
}

func at(path []any, more ...any) []any { return append(slices.Clone(path), more...) }

// lineOf finds the line of a problem's value, or of the nearest thing around
// it that the file holds.
func lineOf(root *yaml.Node, p problem) int {
	if p.line > 0 {
		return p.line
	}
	n, line := root, root.Line
	for _, step := range p.path {
		n = deref(n)
		next := (*yaml.Node)(nil)
		switch s := step.(type) {
		case int:
			if n.Kind == yaml.SequenceNode && s < len(n.Content) {
				next = n.Content[s]
				line = next.Line
			}
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == s {
					next, line = n.Content[i+1], n.Content[i].Line
				}
			}
		}
		if next == nil {
			return line
		}
		n = next
	}
	return line
}

func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// checkFields compares a document with the configuration's Go type: every
// field known, every value of the right kind.
func checkFields(root *yaml.Node) []problem {
	c := fieldCheck{}
	c.node(root, reflect.TypeFor[cluster.Config](), nil)
	return c.bad
}

type fieldCheck struct{ bad []problem }

func (c *fieldCheck) add(n *yaml.Node, path []any, format string, args ...any) {
	c.bad = append(c.bad, problem{path: path, text: fmt.Sprintf(format, args...), line: n.Line})
}

func (c *fieldCheck) node(n *yaml.Node, t reflect.Type, path []any) {
	n = deref(n)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Tag == "!!null" {
		return // as if it were not there
	}
	if text, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		c.text(n, text, path)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.mapping(n, t, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			c.add(n, path, "must be a list")
			return
		}
		for i, item := range n.Content {
			c.node(item, t.Elem(), at(path, i))
		}
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			c.add(n, path, "must be true or false")
		}
	case reflect.Int:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
			c.add(n, path, "must be a whole number")
		}
	case reflect.String:
		if n.Kind != yaml.ScalarNode {
			c.add(n, path, "must be a text, not a %s", kindName(n.Kind))
		}
	}
}

func (c *fieldCheck) text(n *yaml.Node, into encoding.TextUnmarshaler, path []any) {
	if n.Kind != yaml.ScalarNode {
		c.add(n, path, "must be a text, not a %s", kindName(n.Kind))
		return
	}
	if err := into.UnmarshalText([]byte(n.Value)); err != nil {
		c.add(n, path, "%s", err)
	}
}

func kindName(k yaml.Kind) string {
	if k == yaml.SequenceNode {
		return "list"
	}
	return "mapping"
}

func (c *fieldCheck) mapping(n *yaml.Node, t reflect.Type, path []any) {
	if n.Kind != yaml.MappingNode {
		c.add(n, path, "must be a mapping with the fields %s", strings.Join(fieldNames(t), ", "))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, twice := seen[key.Value]; twice {
			c.add(key, path, "field %q stands here again, first on line %d", key.Value, first)
			continue
		}
		seen[key.Value] = key.Line
		f, ok := fieldByName(t, key.Value)
		if !ok {
			c.add(key, path, "unknown field %q%s", key.Value, suggestion(key.Value, t))
			continue
		}
		c.node(value, f.Type, at(path, key.Value))
	}
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		names = append(names, yamlName(f))
	}
	return names
}

func fieldByName(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if yamlName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// suggestion names the nearest known field, or all of them when none is near.
func suggestion(name string, t reflect.Type) string {
	names := fieldNames(t)
	best, distance := "", len(name)/2+2
	for _, n := range names {
		if d := editDistance(plain(name), plain(n)); d < distance {
			best, distance = n, d
		}
	}
	if best != "" {
		return fmt.Sprintf(": did you mean %q?", best)
	}
	return ": known are " + strings.Join(names, ", ")
}

// plain drops what people write differently: data-dir, data_dir, DataDir.
func plain(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
