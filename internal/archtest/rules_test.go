package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// source is a file that breaks no rule, with body in it.
func source(pkg, imports, body string) string {
	return "// Package " + pkg + " is an example.\npackage " + pkg + "\n\n" + imports + "\n" + body + "\n"
}

func TestEveryRuleCanFail(t *testing.T) {
	long := func(n int) string { return "func f() {\n" + strings.Repeat("\t_ = 1\n", n-2) + "}\n" }
	for _, c := range []struct {
		name, rule, path, src string
		want                  string // part of the only violation; empty: none
	}{
		{"a leaf imports another package", "imports", "internal/fault/a.go", source("fault", `import "github.com/wsctl/wsctl/internal/workspace"`, ""), "fault may not import workspace"},
		{"the store imports the engine", "imports", "internal/store/a.go", source("store", `import x "github.com/wsctl/wsctl/internal/engine"`, ""), "store may not import engine"},
		{"a driver imports the other driver", "imports", "internal/runtime/docker/a.go", source("docker", `import "github.com/wsctl/wsctl/internal/runtime/memory"`, ""), "may not import runtime/memory"},
		{"the store imports what it may", "imports", "internal/store/a.go", source("store", `import "github.com/wsctl/wsctl/internal/event"`, ""), ""},
		{"a test imports more", "imports", "internal/store/a_test.go", source("store", `import "github.com/wsctl/wsctl/internal/engine"`, ""), ""},
		{"a package without a row", "imports", "internal/helpers/a.go", source("helpers", "", ""), "no row"},
		{"the engine names docker", "libraries", "internal/engine/a.go", source("engine", `import "github.com/docker/docker/client"`, ""), "belongs to runtime/docker"},
		{"a test names docker", "libraries", "internal/engine/a_test.go", source("engine", `import "github.com/docker/docker/client"`, ""), ""},
		{"a library whose name only begins alike", "libraries", "internal/engine/a.go", source("engine", `import "github.com/docker/docker-credentials"`, ""), ""},
		{"a test outside the store names bbolt", "libraries", "internal/engine/a_test.go", source("engine", `import "go.etcd.io/bbolt"`, ""), "belongs to store"},
		{"the daemon names viper", "libraries", "internal/daemon/a.go", source("daemon", `import "github.com/spf13/viper"`, ""), "belongs to config"},
		{"the client names cobra", "libraries", "internal/client/a.go", source("client", `import "github.com/spf13/cobra"`, ""), "belongs to cli"},
		{"the server names websocket", "libraries", "internal/server/a.go", source("server", `import "github.com/coder/websocket"`, ""), "belongs to gateway"},
		{"the cli names bubbletea", "libraries", "internal/cli/a.go", source("cli", `import "github.com/charmbracelet/bubbletea"`, ""), "belongs to tui"},
		{"a pure package reads the clock", "clock", "internal/event/a.go", source("event", `import "time"`, "var t = time.Now()"), "time.Now reads the clock"},
		{"it takes the function itself", "clock", "internal/event/a.go", source("event", `import "time"`, "var now = time.Now"), "time.Now reads the clock"},
		{"it calls time by another name", "clock", "internal/event/a.go", source("event", `import clock "time"`, "var t = clock.Since"), "time.Since reads the clock"},
		{"the config sleeps", "clock", "internal/config/a.go", source("config", `import "time"`, "func f() { time.Sleep(1) }"), "time.Sleep waits"},
		{"the api starts a timer", "clock", "internal/api/a.go", source("api", `import "time"`, "var t = time.AfterFunc"), "time.AfterFunc waits"},
		{"the engine begins a context", "clock", "internal/engine/a.go", source("engine", `import "context"`, "var c = context.Background()"), "context.Background begins a context"},
		{"the store waits, as it may", "clock", "internal/store/a.go", source("store", `import "time"`, "func f() { time.Sleep(1) }"), ""},
		{"a variable is named time", "clock", "internal/event/a.go", source("event", "", "type x struct{ Now int }\nfunc f(time x) int { return time.Now }"), ""},
		{"a test reads the clock", "clock", "internal/event/a_test.go", source("event", `import "time"`, "var t = time.Now()"), ""},
		{"no package comment", "package-doc", "internal/event/a.go", "package event\n", "no file has the package comment"},
		{"a comment that says nothing of the package", "package-doc", "internal/event/a.go", "// Facts.\npackage event\n", `does not begin with "Package event "`},
		{"a command's comment", "package-doc", "cmd/wsd/main.go", "// Command wsd is the daemon.\npackage main\n", ""},
		{"an init function", "no-init", "internal/event/a.go", source("event", "", "func init() {}"), "init()"},
		{"a method named init", "no-init", "internal/event/a.go", source("event", "", "type x int\nfunc (x) init() {}"), ""},
		{"a file of 401 lines", "file-size", "internal/event/a.go", source("event", "", strings.Repeat("// line\n", 396)), "401 lines"},
		{"a test of 401 lines", "file-size", "internal/event/a_test.go", source("event", "", strings.Repeat("// line\n", 396)), ""},
		{"a test of 601 lines", "file-size", "internal/event/a_test.go", source("event", "", strings.Repeat("// line\n", 596)), "601 lines"},
		{"a generated file of 401 lines", "file-size", "internal/event/a.go", "// Code generated by x. DO NOT EDIT.\n\n" + source("event", "", strings.Repeat("// line\n", 396)), ""},
		{"a function of 60 lines", "func-size", "internal/event/a.go", source("event", "", long(60)), ""},
		{"a function of 61 lines", "func-size", "internal/event/a.go", source("event", "", long(61)), "61 lines"},
		{"a test function of 151 lines", "func-size", "internal/event/a_test.go", source("event", "", long(151)), "151 lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse(c.path, []byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			var got []Violation
			for _, v := range Apply([]File{f}, Rules(), nil) {
				if v.Rule == c.rule {
					got = append(got, v)
				}
			}
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("unexpected: %v", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0].String(), c.want)):
				t.Errorf("got %v, want one with %q", got, c.want)
			}
		})
	}
}

func TestTwoPackageCommentsAreOneTooMany(t *testing.T) {
	a, _ := Parse("internal/event/a.go", []byte("// Package event is one.\npackage event\n"))
	b, _ := Parse("internal/event/b.go", []byte("// Package event is two.\npackage event\n"))
	if got := packageDocs([]File{a, b}); len(got) != 1 || !strings.Contains(got[0].Problem, "more than one") {
		t.Errorf("got %v", got)
	}
}

func TestExceptionsNeedAReasonAndAUse(t *testing.T) {
	f, _ := Parse("internal/event/a.go", []byte(source("event", "", "func init() {}")))
	files := []File{f}
	good := Exception{"no-init", "internal/event/a.go", "the library wants to be told before main runs"}
	if got := Apply(files, Rules(), []Exception{good}); len(got) != 0 {
		t.Errorf("a good exception leaves %v", got)
	}
	bad := good
	bad.Why = "needed"
	if got := Apply(files, Rules(), []Exception{bad}); len(got) != 1 || !strings.Contains(got[0].Problem, "no reason") {
		t.Errorf("without a reason: %v", got)
	}
	stale := good
	stale.Subject = "internal/event/b.go"
	if got := Apply(files, Rules(), []Exception{good, stale}); len(got) != 1 || !strings.Contains(got[0].Problem, "excuses nothing") {
		t.Errorf("without a use: %v", got)
	}
}

func TestForbiddenWordsAreFoundInAnyTextFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	word := strings.Join(Words[0].Parts, "")
	write("docs/a.md", "one\ntwo "+word+"/x\n")
	write("internal/testdata/b.json", word)
	write(".git/config", word)
	write("nested/.git", "gitdir: "+word)
	write("bin/wsd", word)
	write("c.bin", "\x00"+word)
	write("d.go", "clean\n")
	got, err := ForbiddenWords(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Subject != "docs/a.md" || got[0].Line != 2 || got[1].Subject != "internal/testdata/b.json" {
		t.Errorf("got %v", got)
	}
}

func TestEveryRowOfEveryTableHasAReason(t *testing.T) {
	check := func(what, why string) {
		t.Helper()
		if len(strings.Fields(why)) < 2 {
			t.Errorf("%s has no reason", what)
		}
	}
	for _, r := range Imports {
		check("imports of "+r.Package, r.Why)
	}
	for _, l := range Libraries {
		check("library "+l.Prefix, l.Why)
	}
	for _, c := range Clocks {
		check("clock of "+c.Package, c.Why)
	}
	for _, w := range Words {
		check("word "+w.Parts[1], w.Why)
	}
}
