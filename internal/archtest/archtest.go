// Package archtest keeps the shape of the code by tests: who may import whom,
// where a foreign library is named, who reads the clock, how long files and
// functions grow, that every package says what it is for.
//
// The rules are functions from parsed files to violations, the tables beside them
// say what is allowed and why. Nothing in the programs imports this package. An
// exception without a reason, or one that is no longer needed, is a violation too.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of the module whose tree is checked.
const Module = "github.com/wsctl/wsctl"

// File is one parsed Go file.
type File struct {
	Path  string // relative to the module, with slashes
	Lines int
	tree  *ast.File
	fset  *token.FileSet
}

// Violation is one place that breaks a rule.
type Violation struct {
	Rule    string // name of the rule
	Subject string // PATH, PATH:Function or a package: what an exception names
	Line    int    // 0 where there is none
	Problem string
}

// String is the violation as a line of a test's output.
func (v Violation) String() string {
	if v.Line == 0 {
		return fmt.Sprintf("%s: %s [%s]", v.Subject, v.Problem, v.Rule)
	}
	return fmt.Sprintf("%s (line %d): %s [%s]", v.Subject, v.Line, v.Problem, v.Rule)
}

// Parse reads one Go file; name is its path in the module.
func Parse(name string, src []byte) (File, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return File{}, fmt.Errorf("cannot parse %s: %w", name, err)
	}
	return File{Path: name, Lines: strings.Count(string(src), "\n"), tree: tree, fset: fset}, nil
}

// Tree parses every Go file of the module in root; other modules inside it,
// testdata and folders whose name begins with a dot or an underscore are left out,
// as the go command does.
func Tree(root string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(root, p, d.Name())
		}
		if filepath.Ext(p) != ".go" {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f, err := Parse(filepath.ToSlash(rel), src)
		files = append(files, f)
		return err
	})
	return files, err
}

func skip(root, p, name string) error {
	if p == root {
		return nil
	}
	if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

// Dir is the folder of f, which names its package: "internal/store".
func (f File) Dir() string { return path.Dir(f.Path) }

// Package is Dir without internal/, as the tables write it: "store".
func (f File) Package() string { return strings.TrimPrefix(f.Dir(), "internal/") }

// Test reports whether f is built only for tests.
func (f File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Generated reports whether f says that a program wrote it.
func (f File) Generated() bool { return ast.IsGenerated(f.tree) }

func (f File) line(p token.Pos) int { return f.fset.Position(p).Line }

// imports returns what f imports, by path, with the line.
func (f File) imports() map[string]int {
	out := map[string]int{}
	for _, spec := range f.tree.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			out[p] = f.line(spec.Pos())
		}
	}
	return out
}

// localName is the name by which f calls the package of this path; empty where it
// does not import it.
func (f File) localName(importPath string) string {
	for _, spec := range f.tree.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

// Apply runs every rule and takes the excepted violations out. Exceptions without
// a reason, and those that excuse nothing, are violations themselves.
func Apply(files []File, rules []Rule, exceptions []Exception) []Violation {
	var out []Violation
	used := make([]bool, len(exceptions))
	for _, rule := range rules {
		for _, v := range rule.Check(files) {
			v.Rule = rule.Name
			i := slices.IndexFunc(exceptions, func(e Exception) bool { return e.Rule == v.Rule && e.Subject == v.Subject })
			if i < 0 {
				out = append(out, v)
			} else {
				used[i] = true
			}
		}
	}
	for i, e := range exceptions {
		if !used[i] {
			out = append(out, Violation{Rule: e.Rule, Subject: e.Subject, Problem: "the exception excuses nothing: remove it"})
		}
		if len(strings.Fields(e.Why)) < 4 {
			out = append(out, Violation{Rule: e.Rule, Subject: e.Subject, Problem: "the exception has no reason"})
		}
	}
	slices.SortFunc(out, func(a, b Violation) int {
		if c := strings.Compare(a.Subject, b.Subject); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return out
}
