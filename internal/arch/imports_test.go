package arch

import (
	"fmt"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// table maps a package, or "any test", to what it may import.
type table map[string][]string

// readTable reads the table in this package's comment, the lines with "<-".
func readTable(t *testing.T) table {
	t.Helper()
	doc, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	rows := table{}
	for line := range strings.Lines(doc.Doc.Text()) {
		name, list, ok := strings.Cut(line, "<-")
		if !ok || !strings.HasPrefix(line, "\t") {
			continue
		}
		for item := range strings.SplitSeq(list, ",") {
			rows[strings.TrimSpace(name)] = append(rows[strings.TrimSpace(name)], strings.TrimSpace(item))
		}
	}
	if len(rows) < 10 {
		t.Fatalf("doc.go: %d rows read of the import table", len(rows))
	}
	return rows
}

// problems lists the imports of a tree that the table does not allow.
func (rows table) problems(all tree) (problems []string) {
	for _, p := range all.packages {
		if rows[p.path] == nil {
			problems = append(problems, p.path+" is not in the import table of internal/arch/doc.go: "+
				"say there what it may import, and what for")
			continue
		}
		for _, f := range p.files {
			for _, spec := range f.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					problems = append(problems, err.Error())
				} else if reason := rows.forbids(p.path, f.test, path); reason != "" {
					problems = append(problems, fmt.Sprintf("%s: import of %s: %s", all.fset.Position(spec.Pos()), path, reason))
				}
			}
		}
	}
	return problems
}

// forbids returns why a package must not import path, "" if it may.
func (rows table) forbids(importer string, test bool, path string) string {
	own, inside := strings.CutPrefix(path, module+"/")
	allowed := slices.Clone(rows[importer])
	if test {
		allowed = append(allowed, rows["any test"]...)
		allowed = append(allowed, importer) // from its external tests
	}
	switch first, _, _ := strings.Cut(path, "/"); {
	case inside && (slices.Contains(allowed, own) || slices.Contains(allowed, "everything")):
		return ""
	case inside:
		return fmt.Sprintf("%s may import %s. Imports point one way, so that a package "+
			"can be read and tested without what stands above it", importer, strings.Join(allowed, ", "))
	case !strings.Contains(first, "."): // the standard library
		return ""
	}
	if slices.ContainsFunc(allowed, within(path)) {
		return ""
	}
	var owners []string
	for owner, list := range rows {
		if slices.ContainsFunc(list, within(path)) {
			owners = append(owners, owner)
		}
	}
	slices.Sort(owners)
	return fmt.Sprintf("its owner is %s. A dependency has one owner, so that it can be replaced in one place "+
		"and does not reach those who import the public packages", strings.Join(append(owners, "nobody")[:max(len(owners), 1)], ", "))
}

// within reports whether path is a package of a module.
func within(path string) func(module string) bool {
	return func(module string) bool { return path == module || strings.HasPrefix(path, module+"/") }
}

func TestImportsFollowTheTable(t *testing.T) {
	imports := func(path string) map[string]string {
		return map[string]string{"a.go": "package p\nimport _ \"" + path + "\"\n"}
	}
	check(t, readTable(t).problems, map[string]tree{
		"an import from above":                  invented(t, "stats", "p", imports(module+"/runner")),
		"an import between neighbours":          invented(t, "internal/wire", "p", imports(module+"/scenario")),
		"a test package in the product":         invented(t, "runner", "p", imports(module+"/internal/memnet")),
		"a test library in the product":         invented(t, "runner", "p", imports("go.uber.org/goleak")),
		"a dependency of another package":       invented(t, "runner", "p", imports("github.com/spf13/viper")),
		"a package below such a dependency":     invented(t, "stats", "p", imports("github.com/coder/websocket/wsjson")),
		"a dependency nobody owns":              invented(t, "cmd/wsload", "p", imports("example.com/new")),
		"a module whose name begins like one":   invented(t, "runner", "p", imports("github.com/coder/websocketish")),
		"a package that is not in the table":    invented(t, "internal/util", "p", map[string]string{"a.go": "package p\n"}),
		"a test that imports a package above":   invented(t, "stats", "p", map[string]string{"a_test.go": "package p\nimport _ \"" + module + "/runner\"\n"}),
		"a file of another platform with viper": invented(t, "internal/wire", "p", map[string]string{"a_plan9.go": "package p\nimport _ \"github.com/spf13/viper\"\n"}),
	})
}
