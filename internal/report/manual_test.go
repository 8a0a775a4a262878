package report

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/wsload/wsload/stats"
)

func TestTheManualHasEveryWordAndNumberOfTheReport(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "teardown.md"))
	if err != nil {
		t.Fatal(err)
	}
	// Lines are wrapped in it where they are not in a table.
	manual := strings.Join(strings.Fields(string(raw)), " ")
	var words []string
	for c := range stats.Class(stats.NumClasses) {
		words = append(words, "| `"+c.String()+"` |")
	}
	for ph := range stats.Phase(stats.NumPhases) {
		words = append(words, "`"+ph.String()+"`")
	}
	for cause := range stats.Cause(stats.NumCauses) {
		words = append(words, "| `"+cause.String()+"` |")
	}
	for f := range stats.Flag(stats.NumFlags) {
		words = append(words, "| `"+f.String()+"` |")
	}
	for _, row := range throwing() {
		words = append(words, row.what)
	}
	words = append(words, vocabulary(t)...)
	limits := "at"
	for i, tooth := range comb() {
		switch at := fmt.Sprintf("%.0f", tooth.from.Seconds()); {
		case i == 0:
			limits += " " + at
		case i == len(comb())-1:
			limits += " and " + at + " s"
		case tooth.to > tooth.from:
			limits += fmt.Sprintf(", %s to %.0f", at, tooth.to.Seconds())
		default:
			limits += ", " + at
		}
	}
	words = append(words, limits, fmt.Sprintf("at least %d samples and one in %d of the row's", peakLeast, peakShare))
	for _, word := range words {
		if !strings.Contains(manual, word) {
			t.Errorf("docs/teardown.md does not have %q", word)
		}
	}
}

// vocabulary reads the words of a mix entry out of the source of the scenario,
// as the manual writes them: what is added there is missed here.
func vocabulary(t *testing.T) (words []string) {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join("..", "..", "scenario", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int)
	add := func(kind, form, word string) {
		found[kind]++
		words = append(words, fmt.Sprintf(form, word))
	}
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				constants(n, add)
			case *ast.TypeSpec:
				if fields, ok := n.Type.(*ast.StructType); ok && n.Name.Name == "Trigger" {
					for _, f := range fields.Fields.List {
						key := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("key")
						add("Trigger", "| `%s` |", key)
					}
				}
			}
			return true
		})
	}
	for kind, least := range map[string]int{
		"Mode": 10, "Trigger": 5, "Violate": 4, "When": 4, "How": 2, "Payload": 14, "badCodes": 10,
	} {
		if found[kind] < least {
			t.Errorf("found %d words of %s in the source, and there are at least %d", found[kind], kind, least)
		}
	}
	return words
}

// constants adds the words that a declaration gives a kind of key.
func constants(spec *ast.ValueSpec, add func(kind, form, word string)) {
	forms := map[string]string{
		"Mode": "| `%s` |", "When": "| `%s` |", "Violate": "`%s`", "How": "`how: %s`", "Payload": "`%s`",
	}
	kind, _ := spec.Type.(*ast.Ident)
	for i, value := range spec.Values {
		switch value := value.(type) {
		case *ast.BasicLit:
			if kind != nil && forms[kind.Name] != "" {
				word, _ := strconv.Unquote(value.Value)
				if word == "each" {
					word = "payload: each"
				}
				add(kind.Name, forms[kind.Name], word)
			}
		case *ast.CompositeLit:
			if spec.Names[i].Name != "badCodes" {
				continue
			}
			for _, code := range value.Elts {
				add("badCodes", "`code-%s`", code.(*ast.BasicLit).Value)
			}
		}
	}
}
