package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// public are the packages whose API other modules may use.
var public = []string{"scenario", "runner", "stats"}

// compiled imports the module's packages from what the go command built.
func compiled(t *testing.T) types.Importer {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Export",
		"./scenario", "./runner", "./stats", "./internal/memnet")
	list.Dir = filepath.Join("..", "..")
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	exports := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct{ ImportPath, Export string }
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal("go list:", err)
		}
		exports[listed.ImportPath] = listed.Export
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
}

// leaks lists the places where the API of p mentions an internal type.
func leaks(p *types.Package) []string {
	w := walk{home: p, seen: map[types.Type]bool{}}
	for _, name := range p.Scope().Names() {
		object := p.Scope().Lookup(name)
		if object.Exported() {
			w.visit(object.Type(), p.Name()+"."+name)
		}
	}
	return w.found
}

// walk goes through the types that a user of home meets.
type walk struct {
	home  *types.Package
	seen  map[types.Type]bool
	found []string
}

func (w *walk) visit(t types.Type, at string) {
	if t == nil || w.seen[t] {
		return
	}
	w.seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		w.visitNamed(t.Obj(), at)
		w.visit(t.Rhs(), at)
	case *types.Named:
		for argument := range t.TypeArgs().Types() {
			w.visit(argument, at)
		}
		if w.visitNamed(t.Obj(), at) {
			w.visit(t.Underlying(), at)
			w.visitMethods(t, at)
		}
	case *types.Struct:
		for field := range t.Fields() {
			if field.Exported() || field.Embedded() {
				w.visit(field.Type(), at+"."+field.Name())
			}
		}
	case *types.Interface:
		for method := range t.Methods() {
			w.visit(method.Type(), at+"."+method.Name())
		}
		for embedded := range t.EmbeddedTypes() {
			w.visit(embedded, at)
		}
	case *types.Signature:
		w.visitAll(t.Params(), at)
		w.visitAll(t.Results(), at)
		for parameter := range t.TypeParams().TypeParams() {
			w.visit(parameter.Constraint(), at)
		}
	case *types.Map:
		w.visit(t.Key(), at)
		w.visit(t.Elem(), at)
	case *types.Union:
		for term := range t.Terms() {
			w.visit(term.Type(), at)
		}
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		w.visit(t.Elem(), at)
	}
}

func (w *walk) visitAll(variables *types.Tuple, at string) {
	for variable := range variables.Variables() {
		w.visit(variable.Type(), at)
	}
}

// visitNamed notes an internal type and reports whether the walk goes on
// inside, which it does for the package's own types.
func (w *walk) visitNamed(name *types.TypeName, at string) bool {
	if name.Pkg() == nil || name.Pkg() == w.home {
		return true
	}
	if path := name.Pkg().Path(); strings.HasPrefix(path, module) && strings.Contains(path+"/", "/internal/") {
		w.found = append(w.found, fmt.Sprintf("%s mentions %s.%s: a caller outside the module cannot name it, "+
			"so the public packages keep it to themselves", at, path, name.Name()))
	}
	return false
}

func (w *walk) visitMethods(t *types.Named, at string) {
	methods := types.NewMethodSet(types.NewPointer(t)) // with promoted ones
	for method := range methods.Methods() {
		if method.Obj().Exported() {
			w.visit(method.Type(), at+"."+method.Obj().Name())
		}
	}
}

func TestThePublicAPIMentionsNoInternalType(t *testing.T) {
	built := compiled(t)
	for _, name := range public {
		p, err := built.Import(module + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, leak := range leaks(p) {
			t.Error(leak)
		}
	}
	for name, declaration := range map[string]string{
		"a variable":               "var V memnet.Options",
		"an alias":                 "type A = memnet.Options",
		"a field":                  "type S struct { F []*memnet.Options }",
		"an embedded type":         "type S struct { memnet.Options }",
		"a field of a hidden type": "type hidden struct { F memnet.Options }; func F() hidden { return hidden{} }",
		"a parameter":              "func F(func(map[string]memnet.Options)) {}",
		"a method":                 "type S int; func (S) M() (f memnet.Options) { return }",
		"an interface":             "type I interface { M(chan memnet.Options) }",
		"a constraint":             "func F[T interface { memnet.Options }](T) {}",
		"a type argument":          "type G[T any] struct{}; var V G[memnet.Options]",
	} {
		if len(leaks(typeCheck(t, declaration, built))) == 0 {
			t.Errorf("the rule does not see an internal type in %s", name)
		}
	}
	harmless := typeCheck(t, "type S struct { f memnet.Options }; func f(memnet.Options) {}; func F() S { return S{} }", built)
	if found := leaks(harmless); len(found) > 0 {
		t.Errorf("what is not exported is no API: %v", found)
	}
}

// typeCheck makes a package of one declaration that may use internal/memnet.
func typeCheck(t *testing.T, declaration string, built types.Importer) *types.Package {
	t.Helper()
	fset := token.NewFileSet()
	text := "package invented\nimport \"" + module + "/internal/memnet\"\n" + declaration + "\n"
	f, err := parser.ParseFile(fset, "invented.go", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	checker := types.Config{Importer: built}
	p, err := checker.Check(module+"/invented", fset, []*ast.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
