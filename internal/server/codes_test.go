package server

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// code is one code of a problem that the API answers.
type code struct{ name, kind, says string }

// answering are the packages whose faults reach a client of the API.
var answering = []string{
	"activity", "agentlink", "auth", "engine", "event", "fault", "front", "gateway", "host", "runtime", "server", "store", "template", "uploads", "workspace",
}

// unasked are files of those whose faults are of commands of wsd itself, and of its start.
var unasked = []string{"store/lock.go", "store/restore.go", "server/listen.go"}

// indirect are the places that make a fault whose code is no literal, as FILE EXPRESSION,
// with the codes that it may be. A new place is a failure until it is listed.
var indirect = map[string][]code{
	"server/query.go code": {
		{"unknown_parameter", "invalid", "there is no parameter … here"},
		{"repeated_parameter", "invalid", "parameter … is given … times"},
		{"parameter_invalid", "invalid", "…=… is not valid"},
	},
	"server/decode.go code": {
		{"duplicate_key", "invalid", "a member is given twice"},
		{"invalid_json", "invalid", "the body is not valid JSON near byte …"},
		{"unknown_field", "invalid", "a member is not known here"},
		{"wrong_type", "invalid", "a value has the wrong type or is out of range"},
	},
	"server/guard.go code": {
		{"ref_invalid", "invalid", "… is not the name or id of a workspace"},
		{"template_name_invalid", "invalid", "… is not the name of a template"},
		{"job_id_invalid", "invalid", "… is not the id of a job"},
	},
	"workspace/validate.go code": {
		{"name_too_long", "invalid", "the name has … characters, at most … are allowed"}, {"name_invalid", "invalid", "… is not a valid name"},
	},
	"runtime/docker/errors.go code": {
		{"engine_error", "internal", "the container engine could not …"},
		{"engine_disk_full", "storage_full", "the container engine could not …"},
		{"engine_conflict", "conflict", "the container engine could not …"},
		{"engine_refused", "invalid", "the container engine could not …"},
		{"engine_denied", "denied", "the container engine could not …"},
		{"engine_unsupported", "unsupported", "the container engine could not …"},
	},
	"agentlink/link.go e.Code": {
		{"refused", "conflict", "…"},
		{"no_terminal", "not_found", "there is no terminal of this name"},
		{"too_many_terminals", "limit", "…"},
		{"bad_terminal_name", "invalid", "…"},
		{"too_many_connections", "limit", "…"},
		{"command_not_found", "invalid", "…"},
		{"command_not_executable", "invalid", "…"},
		{"not_found", "not_found", "…"},
		{"denied", "denied", "…"},
		{"exists", "conflict", "…"},
		{"bad_path", "invalid", "…"},
		{"no_space", "limit", "…"},
		{"replaced", "conflict", "…"},
		{"too_slow", "conflict", "…"},
		{"bad_request", "invalid", "…"},
		{"watch_limit", "limit", "…"},
		{"agent_error", "internal", "…"},
	},
	"template/params.go wrong[0].Code":  {{"param_invalid", "invalid", "…"}, {"param_unknown", "invalid", "…"}},
	`engine/perform.go "timeout_"+name`: slices.Concat(timeouts("create", "initialize", "start"), timeouts(jobKinds()...)),
	`engine/perform.go "exited_early"`:  {{"exited_early", "conflict", "its main process ended with status … before it was ready"}},
}

func timeouts(names ...string) (list []code) {
	for _, name := range names {
		list = append(list, code{"timeout_" + name, "timeout", fmt.Sprintf("the phase %q took longer than …", name)})
	}
	return list
}

// jobKinds are those of jobs that ask the container engine for one thing.
func jobKinds() (names []string) {
	for _, k := range []workspace.JobKind{workspace.JobStop, workspace.JobPause, workspace.JobResume, workspace.JobResize, workspace.JobDelete} {
		names = append(names, string(k))
	}
	return names
}

// codes returns every code of a fault that the source makes, in order, each kind of it once.
func codes(t *testing.T) []code {
	t.Helper()
	found := map[string]code{}
	met := map[string]bool{}
	for _, name := range answering {
		err := filepath.WalkDir(filepath.Join("..", name), func(path string, _ os.DirEntry, err error) error {
			rel := strings.TrimPrefix(filepath.ToSlash(path), "../")
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || slices.Contains(unasked, rel) {
				return err
			}
			for _, c := range codesOf(t, path, rel, met) {
				if _, known := found[c.name+" "+c.kind]; !known {
					found[c.name+" "+c.kind] = c
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for place := range indirect {
		if !met[place] {
			t.Errorf("%s makes no fault any more", place)
		}
	}
	var list []code
	for _, c := range found {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b code) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind)) })
	return list
}

// codesOf returns those of one file, and notes in met which of indirect it met.
func codesOf(t *testing.T, path, rel string, met map[string]bool) (list []code) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 3 || !isFaultNew(call.Fun, rel) {
			return true
		}
		text := func(e ast.Expr) string {
			return string(src[fset.Position(e.Pos()).Offset:fset.Position(e.End()).Offset])
		}
		kind, literal := kindOf(strings.TrimPrefix(text(call.Args[0]), "fault."))
		name, named := literalOf(call.Args[1], src)
		if place := rel + " " + text(call.Args[1]); !literal || !named {
			met[place] = true
			if indirect[place] == nil {
				t.Errorf("%s: the code of a fault is no literal: list in this test what it may be", place)
			}
			list = append(list, indirect[place]...)
			return true
		}
		says, _ := literalOf(call.Args[2], nil)
		list = append(list, code{name, kind, verb.ReplaceAllString(says, "…")})
		return true
	})
	return list
}

// verb is one of fmt.
var verb = regexp.MustCompile(`%[-+# 0]*[0-9]*(\.[0-9]+)?[a-zA-Z]`)

func isFaultNew(fun ast.Expr, rel string) bool {
	if id, ok := fun.(*ast.Ident); ok {
		return id.Name == "New" && strings.HasPrefix(rel, "fault/")
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "fault" && sel.Sel.Name == "New"
}

// kindOf is the kind that an expression names.
func kindOf(expr string) (string, bool) {
	for _, k := range fault.Kinds() {
		if strings.ToUpper(expr[:1]) == expr[:1] && strings.EqualFold(expr, strings.ReplaceAll(string(k), "_", "")) {
			return string(k), true
		}
	}
	return "", false
}

// literalOf is the text of a literal, or of a constant that the same file declares.
func literalOf(e ast.Expr, src []byte) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		if named := regexp.MustCompile(`\b` + e.Name + ` += "([a-z_]+)"`).FindSubmatch(src); named != nil && src != nil {
			return string(named[1]), true
		}
	}
	return "", false
}

// codeTable is the table of every code. What a sentence leaves open is "…".
func codeTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| Code | Kind | Says |\n|---|---|---|\n")
	for _, c := range codes(t) {
		if c.kind == string(fault.Usage) { // never on the wire
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.name, c.kind, strings.ReplaceAll(cmp.Or(c.says, "…"), "|", "\\|"))
	}
	return b.String()
}
