package say

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// source is one package of the module as text: what it says, and its string
// constants by type.
type source struct {
	dir    string
	fset   *token.FileSet
	files  []*ast.File
	consts map[string]string            // name → value
	typed  map[string]map[string]string // type → name → value
}

// readSources parses every package of the module, without its tests.
func readSources(t *testing.T) map[string]*source {
	t.Helper()
	out := map[string]*source{}
	for _, root := range []string{filepath.Join("..", "..", "internal"), filepath.Join("..", "..", "cmd")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			dir := filepath.Dir(path)
			if out[dir] == nil {
				out[dir] = &source{dir: dir, fset: token.NewFileSet(), consts: map[string]string{}, typed: map[string]map[string]string{}}
			}
			f, err := parser.ParseFile(out[dir].fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			out[dir].files = append(out[dir].files, f)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range out {
		s.readConsts()
	}
	return out
}

func (s *source) readConsts() {
	s.each(func(n ast.Node) {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Names) != len(v.Values) {
			return
		}
		for i, name := range v.Names {
			lit, ok := v.Values[i].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				continue
			}
			s.consts[name.Name] = value
			if typ, ok := v.Type.(*ast.Ident); ok {
				if s.typed[typ.Name] == nil {
					s.typed[typ.Name] = map[string]string{}
				}
				s.typed[typ.Name][name.Name] = value
			}
		}
	})
}

func (s *source) each(f func(ast.Node)) {
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if n != nil {
				f(n)
			}
			return true
		})
	}
}

// function is a declared or named function with its parameters.
type function struct {
	name     string
	receiver string
	params   []string
	variadic bool
	body     *ast.BlockStmt
}

func (s *source) functions() []function {
	var out []function
	s.each(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				f := newFunction(n.Name.Name, n.Type, n.Body)
				if n.Recv != nil {
					f.receiver = typeName(n.Recv.List[0].Type)
				}
				out = append(out, f)
			}
		case *ast.AssignStmt:
			for i, r := range n.Rhs {
				lit, ok := r.(*ast.FuncLit)
				if name, is := n.Lhs[min(i, len(n.Lhs)-1)].(*ast.Ident); ok && is {
					out = append(out, newFunction(name.Name, lit.Type, lit.Body))
				}
			}
		}
	})
	return out
}

func newFunction(name string, typ *ast.FuncType, body *ast.BlockStmt) function {
	f := function{name: name, body: body}
	for _, field := range typ.Params.List {
		_, f.variadic = field.Type.(*ast.Ellipsis)
		for _, n := range field.Names {
			f.params = append(f.params, n.Name)
		}
	}
	return f
}

func typeName(e ast.Expr) string {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// use is one place that speaks: the key, or its beginning when the rest is
// only known at run time, and the number of arguments, -1 when not known.
type use struct {
	key   string
	whole bool
	args  int
	where string
}

// part is a piece of a key: text, a parameter of the function around it, or
// something that only run time knows.
type part struct {
	text  string
	param int // -1: text
	open  bool
}

// speaker is a function that makes a Text of its parameters: say.New itself,
// and everything that wraps it.
type speaker struct {
	name  string
	key   []part
	first int // index of the first argument of the sentence
	fixed int // its number of arguments, -1 when they are those from first on
}

// uses finds every sentence that a package says, through its wrappers.
func (s *source) uses() []use {
	speakers := []speaker{{name: "New", key: []part{{param: 0}}, first: 1, fixed: -1}}
	known := map[string]bool{}
	fns := s.functions()
	for {
		var out []use
		grown := false
		for _, f := range fns {
			s.calls(f, func(call *ast.CallExpr, name string) {
				for _, sp := range speakers {
					if sp.name != name {
						continue
					}
					u, wrapper, isWrapper := s.resolve(f, call, sp)
					if !isWrapper {
						out = append(out, u)
						continue
					}
					id := wrapper.name + "|" + s.fset.Position(call.Pos()).String() + "|" + sp.name
					if !known[id] {
						known[id], grown = true, true
						speakers = append(speakers, wrapper)
					}
				}
			})
		}
		if !grown {
			return out
		}
	}
}

// calls visits the calls in a function's own body; those in named functions
// inside it belong to these.
func (s *source) calls(f function, visit func(*ast.CallExpr, string)) {
	ast.Inspect(f.body, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Rhs) == 1 {
			if _, lit := a.Rhs[0].(*ast.FuncLit); lit {
				return false
			}
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fun := call.Fun.(type) {
		case *ast.Ident:
			visit(call, fun.Name)
		case *ast.SelectorExpr:
			x, isID := fun.X.(*ast.Ident)
			if fun.Sel.Name != "New" || isID && x.Name == "say" {
				visit(call, fun.Sel.Name)
			}
		}
		return true
	})
}

func (s *source) resolve(f function, call *ast.CallExpr, sp speaker) (use, speaker, bool) {
	var key []part
	for _, p := range sp.key {
		if p.open || p.param < 0 {
			key = append(key, p)
			continue
		}
		if p.param >= len(call.Args) {
			key = append(key, part{open: true, param: -1})
			continue
		}
		key = append(key, s.parts(f, call.Args[p.param])...)
	}
	args := sp.fixed
	if args < 0 {
		args = len(call.Args) - sp.first
		if call.Ellipsis.IsValid() {
			args = -1
		}
	}
	for _, p := range key {
		if p.param >= 0 {
			w := speaker{name: f.name, key: key, first: len(f.params) - 1, fixed: args}
			return use{}, w, true
		}
	}
	u := use{whole: true, args: args, where: s.fset.Position(call.Pos()).String()}
	for _, p := range key {
		if p.open {
			u.whole = false
			break
		}
		u.key += p.text
	}
	return u, speaker{}, false
}

// parts takes an expression apart that makes a key.
func (s *source) parts(f function, e ast.Expr) []part {
	switch e := e.(type) {
	case *ast.BasicLit:
		if v, err := strconv.Unquote(e.Value); err == nil {
			return []part{{text: v, param: -1}}
		}
	case *ast.BinaryExpr:
		return append(s.parts(f, e.X), s.parts(f, e.Y)...)
	case *ast.Ident:
		for i, p := range f.params {
			if p == e.Name {
				return []part{{param: i}}
			}
		}
		if v, ok := s.consts[e.Name]; ok {
			return []part{{text: v, param: -1}}
		}
	case *ast.CallExpr:
		if id, ok := e.Fun.(*ast.Ident); ok && id.Name == "string" && len(e.Args) == 1 {
			return s.parts(f, e.Args[0])
		}
	}
	return []part{{open: true, param: -1}}
}
