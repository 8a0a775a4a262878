package arch

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// Budgets, as doc.go gives them.
const (
	maxFileLines     = 400
	maxFunctionLines = 80
	maxPackageFiles  = 12
)

// platform is the end of a file's name that chooses where it is built.
var platform = regexp.MustCompile(`(_(linux|darwin|windows|freebsd|unix|other|amd64|arm64))+\.go$`)

func budgets(all tree) (problems []string) {
	for _, p := range all.packages {
		subjects := map[string]bool{}
		for _, f := range p.files {
			if f.lines > maxFileLines {
				problems = append(problems, fmt.Sprintf("%s/%s has %d lines, %d are allowed: a longer file has more than one subject",
					p.path, f.name, f.lines, maxFileLines))
			}
			if f.test {
				continue // a table makes a test function long and no harder to read
			}
			if f.name != "doc.go" {
				subjects[platform.ReplaceAllString(f.name, ".go")] = true
			}
			problems = append(problems, longFunctions(all, f)...)
		}
		if len(subjects) > maxPackageFiles {
			problems = append(problems, fmt.Sprintf("%s has %d files beside doc.go and tests, %d are allowed: a newcomer cannot see what it is about",
				p.path, len(subjects), maxPackageFiles))
		}
	}
	return problems
}

func longFunctions(all tree, f file) (problems []string) {
	for _, declaration := range f.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		begin, end := all.fset.Position(function.Pos()), all.fset.Position(function.End())
		if lines := end.Line - begin.Line + 1; lines > maxFunctionLines {
			problems = append(problems, fmt.Sprintf("%s: %s has %d lines, %d are allowed: split it by what it decides",
				begin, function.Name.Name, lines, maxFunctionLines))
		}
	}
	return problems
}

func TestFilesFunctionsAndPackagesStayInTheirBudgets(t *testing.T) {
	many := map[string]string{}
	for i := range maxPackageFiles + 1 {
		many[fmt.Sprintf("f%d.go", i)] = "package p\n"
	}
	check(t, budgets, map[string]tree{
		"a long file":         invented(t, "p", "p", map[string]string{"a.go": "package p\n" + strings.Repeat("\n", 400)}),
		"a long test file":    invented(t, "p", "p", map[string]string{"a_test.go": "package p\n" + strings.Repeat("\n", 400)}),
		"a long function":     invented(t, "p", "p", map[string]string{"a.go": "package p\nfunc f() {" + strings.Repeat("\n", 80) + "}\n"}),
		"a package too large": invented(t, "p", "p", many),
	})
	variants := map[string]string{"doc.go": "package p\n"}
	for i := range maxPackageFiles {
		variants[fmt.Sprintf("f%d_linux.go", i)] = "package p\n"
		variants[fmt.Sprintf("f%d_other.go", i)] = "package p\n"
		variants[fmt.Sprintf("f%d_linux_test.go", i)] = "package p\n"
	}
	if problems := budgets(invented(t, "p", "p", variants)); len(problems) > 0 {
		t.Errorf("variants per platform and tests were counted as files: %v", problems)
	}
}

func comments(all tree) (problems []string) {
	for _, p := range all.packages {
		home, begin := "doc.go", "Package "+p.name+" "
		if p.name == "main" {
			home, begin = "main.go", "Command "
		}
		var found []string
		for _, f := range p.files {
			if f.Doc == nil || f.test {
				continue
			}
			found = append(found, f.name)
			if !strings.HasPrefix(f.Doc.Text(), begin) {
				problems = append(problems, fmt.Sprintf("%s/%s: the package comment must begin with %q, which is where go doc looks",
					p.path, f.name, begin))
			}
		}
		if len(found) != 1 || found[0] != home {
			problems = append(problems, fmt.Sprintf("%s has package comments in %v, want one in %s: "+
				"the idea of a package is told in one place", p.path, found, home))
		}
	}
	return problems
}

func TestEveryPackageHasOneCommentWhereAReaderLooks(t *testing.T) {
	const commented = "// Package p is one.\npackage p\n"
	check(t, comments, map[string]tree{
		"no comment":                    invented(t, "p", "p", map[string]string{"doc.go": "package p\n"}),
		"two comments":                  invented(t, "p", "p", map[string]string{"doc.go": commented, "a.go": commented}),
		"a comment in the wrong file":   invented(t, "p", "p", map[string]string{"a.go": commented}),
		"a comment that is none":        invented(t, "p", "p", map[string]string{"doc.go": "// Copyright.\npackage p\n"}),
		"a command without a comment":   invented(t, "p", "main", map[string]string{"main.go": "package main\n"}),
		"a comment for another package": invented(t, "p", "p", map[string]string{"doc.go": "// Package q is none.\npackage p\n"}),
	})
}

// endings are the calls that end the process, per package of the standard
// library.
var endings = map[string]*regexp.Regexp{
	"os":      regexp.MustCompile(`^Exit$`),
	"log":     regexp.MustCompile(`^Fatal`),
	"syscall": regexp.MustCompile(`^Exit$`),
}

func exits(all tree) (problems []string) {
	for _, p := range all.packages {
		for _, f := range p.files {
			if f.test {
				continue
			}
			ast.Inspect(f.File, func(n ast.Node) bool {
				if problem := exitAt(n); problem != "" && p.name != "main" {
					problems = append(problems, fmt.Sprintf("%s: %s", all.fset.Position(n.Pos()), problem))
				}
				if f, ok := n.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					problems = append(problems, fmt.Sprintf("%s: an init function: "+
						"what a package does must begin with a call one can see", all.fset.Position(n.Pos())))
				}
				return true
			})
		}
	}
	return problems
}

func exitAt(n ast.Node) string {
	selector, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	from, ok := selector.X.(*ast.Ident)
	if !ok || endings[from.Name] == nil || !endings[from.Name].MatchString(selector.Sel.Name) {
		return ""
	}
	return fmt.Sprintf("%s.%s outside a command: it skips the callers' deferred work; return an error", from.Name, selector.Sel.Name)
}

func TestOnlyCommandsEndTheProcessAndNothingRunsUncalled(t *testing.T) {
	check(t, exits, map[string]tree{
		"os.Exit in a library":   invented(t, "p", "p", map[string]string{"a.go": "package p\nimport \"os\"\nfunc f() { os.Exit(1) }\n"}),
		"log.Fatal in a library": invented(t, "p", "p", map[string]string{"a.go": "package p\nimport \"log\"\nfunc f() { log.Fatalf(\"\") }\n"}),
		"an init function":       invented(t, "p", "main", map[string]string{"a.go": "package main\nfunc init() {}\n"}),
	})
	command := invented(t, "p", "main", map[string]string{"a.go": "package main\nimport \"os\"\nfunc main() { os.Exit(1) }\n"})
	if problems := exits(command); len(problems) > 0 {
		t.Errorf("a command may end the process: %v", problems)
	}
}
