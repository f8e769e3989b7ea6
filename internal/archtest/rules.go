package archtest

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
)

// Rule is one property of the whole tree.
type Rule struct {
	Name  string
	Check func([]File) []Violation
}

// Rules returns every rule that looks at Go files.
func Rules() []Rule {
	return []Rule{
		{"imports", imports},
		{"libraries", libraries},
		{"clock", clock},
		{"package-doc", packageDocs},
		{"no-init", noInit},
		{"file-size", fileSize},
		{"func-size", funcSize},
	}
}

func imports(files []File) []Violation {
	var out []Violation
	for _, f := range files {
		if f.Test() {
			continue
		}
		i := slices.IndexFunc(Imports, func(r Row) bool { return r.Package == f.Package() })
		if i < 0 {
			out = append(out, Violation{Subject: f.Dir(), Problem: "the package has no row in the table of imports: add one, with its reason"})
			continue
		}
		for _, p := range slices.Sorted(maps.Keys(f.imports())) {
			rest, ours := strings.CutPrefix(p, Module+"/")
			rest = strings.TrimPrefix(rest, "internal/")
			may := Imports[i].May
			if ours && !slices.Contains(may, rest) && !slices.Contains(may, anything) {
				out = append(out, Violation{
					Subject: f.Path, Line: f.imports()[p],
					Problem: fmt.Sprintf("%s may not import %s (%s)", f.Package(), rest, Imports[i].Why),
				})
			}
		}
	}
	return out
}

func libraries(files []File) []Violation {
	var out []Violation
	for _, f := range files {
		for p, line := range f.imports() {
			for _, lib := range Libraries {
				if !within(p, lib.Prefix) || slices.Contains(lib.In, f.Package()) || f.Test() && lib.Tests {
					continue
				}
				out = append(out, Violation{
					Subject: f.Path, Line: line,
					Problem: fmt.Sprintf("%s belongs to %s (%s)", lib.Prefix, strings.Join(lib.In, ", "), lib.Why),
				})
			}
		}
	}
	return out
}

// within reports whether the import path p is prefix or below it.
func within(p, prefix string) bool {
	rest, ok := strings.CutPrefix(p, prefix)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(prefix, "/"))
}

// use is what a function of the standard library does with time.
type use struct {
	pkg     string
	names   []string
	allowed func(Clock) bool
	what    string
}

var uses = []use{
	{"time", []string{"Now", "Since", "Until"}, func(c Clock) bool { return c.Now }, "reads the clock"},
	{"time", []string{"Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}, func(c Clock) bool { return c.Wait }, "waits"},
	{"context", []string{"Background", "TODO"}, func(c Clock) bool { return c.Background }, "begins a context"},
}

func clock(files []File) []Violation {
	var out []Violation
	for _, f := range files {
		if f.Test() {
			continue
		}
		var may Clock
		if i := slices.IndexFunc(Clocks, func(c Clock) bool { return c.Package == f.Package() }); i >= 0 {
			may = Clocks[i]
		}
		for _, u := range uses {
			if !u.allowed(may) {
				out = append(out, f.calls(u)...)
			}
		}
	}
	return out
}

// calls finds the places where f names one of the functions of u.
func (f File) calls(u use) []Violation {
	var out []Violation
	local := f.localName(u.pkg)
	ast.Inspect(f.tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if ok && local != "" && x.Name == local && slices.Contains(u.names, sel.Sel.Name) {
			out = append(out, Violation{
				Subject: f.Path, Line: f.line(n.Pos()),
				Problem: fmt.Sprintf("%s.%s %s, which package %s may not: take it as an argument", u.pkg, sel.Sel.Name, u.what, f.Package()),
			})
		}
		return true
	})
	return out
}

func packageDocs(files []File) []Violation {
	docs, names := map[string][]File{}, map[string]string{}
	for _, f := range files {
		if f.Test() {
			continue
		}
		names[f.Dir()] = f.tree.Name.Name
		if f.tree.Doc != nil {
			docs[f.Dir()] = append(docs[f.Dir()], f)
		}
	}
	var out []Violation
	for dir, name := range names {
		want := "Package " + name + " "
		if name == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		switch list := docs[dir]; {
		case len(list) == 0:
			out = append(out, Violation{Subject: dir, Problem: "no file has the package comment: what is its job, its contract, what may it not do?"})
		case len(list) > 1:
			out = append(out, Violation{Subject: dir, Problem: "more than one file has a package comment"})
		case !strings.HasPrefix(list[0].tree.Doc.Text(), want):
			out = append(out, Violation{Subject: dir, Problem: fmt.Sprintf("the package comment does not begin with %q", want)})
		}
	}
	return out
}

func noInit(files []File) []Violation {
	var out []Violation
	for _, f := range files {
		for _, d := range f.tree.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				out = append(out, Violation{Subject: f.Path, Line: f.line(fn.Pos()), Problem: "init() runs unseen: write a list or a call instead"})
			}
		}
	}
	return out
}

func fileSize(files []File) []Violation {
	var out []Violation
	for _, f := range files {
		most := MaxFile
		if f.Test() {
			most = MaxTestFile
		}
		if f.Lines > most && !f.Generated() {
			out = append(out, Violation{Subject: f.Path, Problem: fmt.Sprintf("%d lines, at most %d: split it by noun", f.Lines, most)})
		}
	}
	return out
}

func funcSize(files []File) []Violation {
	var out []Violation
	for _, f := range files {
		if f.Generated() {
			continue
		}
		most := MaxFunc
		if f.Test() {
			most = MaxTestFunc
		}
		for _, d := range f.tree.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			if n := f.line(fn.End()) - f.line(fn.Pos()) + 1; n > most {
				out = append(out, Violation{
					Subject: f.Path + ":" + fn.Name.Name, Line: f.line(fn.Pos()),
					Problem: fmt.Sprintf("%d lines, at most %d", n, most),
				})
			}
		}
	}
	return out
}
