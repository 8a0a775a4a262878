package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/wsload/wsload"

// A tree is the module's packages as source, for every platform at once.
type tree struct {
	fset     *token.FileSet
	packages []source
}

// source is one package. Its path is relative to the module.
type source struct {
	path, name string
	files      []file
}

type file struct {
	name  string
	test  bool
	lines int
	*ast.File
}

// load reads the packages that the go command finds in the module.
func load(t *testing.T) tree {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-json", "./...")
	list.Dir = filepath.Join("..", "..")
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	all := tree{fset: token.NewFileSet()}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct {
			ImportPath, Dir, Name                              string
			GoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal("go list:", err)
		}
		p := source{path: strings.TrimPrefix(listed.ImportPath, module+"/"), name: listed.Name}
		for _, names := range [][]string{listed.GoFiles, listed.IgnoredGoFiles, listed.TestGoFiles, listed.XTestGoFiles} {
			for _, name := range names {
				text, err := os.ReadFile(filepath.Join(listed.Dir, name))
				if err != nil {
					t.Fatal(err)
				}
				p.add(t, all.fset, name, string(text))
			}
		}
		all.packages = append(all.packages, p)
	}
}

// add parses text as a file of the package.
func (p *source) add(t *testing.T, fset *token.FileSet, name, text string) {
	t.Helper()
	parsed, err := parser.ParseFile(fset, filepath.Join(p.path, name), text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	p.files = append(p.files, file{
		name: name, test: strings.HasSuffix(name, "_test.go"),
		lines: strings.Count(text, "\n"), File: parsed,
	})
}

// invented is a package that is not there, to show that a rule can be broken.
func invented(t *testing.T, path, name string, files map[string]string) tree {
	t.Helper()
	all := tree{fset: token.NewFileSet()}
	p := source{path: path, name: name}
	for name, text := range files {
		p.add(t, all.fset, name, text)
	}
	all.packages = []source{p}
	return all
}

// check fails for every problem in the module, and unless the rule finds one
// in each of the inventions.
func check(t *testing.T, rule func(tree) []string, wrong map[string]tree) {
	t.Helper()
	for _, problem := range rule(load(t)) {
		t.Error(problem)
	}
	for name, invention := range wrong {
		if len(rule(invention)) == 0 {
			t.Errorf("the rule does not see what is wrong with %s", name)
		}
	}
}
