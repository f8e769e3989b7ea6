package template

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

var update = flag.Bool("update", false, "write the golden files anew")

// parse reads a template whose head is sound.
func parse(t *testing.T, text string) (Template, error) {
	t.Helper()
	return Parse([]byte("image = 'x'\n"+text), "demo", nil)
}

func must(t *testing.T, text string) Template {
	t.Helper()
	tpl, err := parse(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func TestEachBuiltinHasItsSpec(t *testing.T) {
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tpl := range c.List() {
		names = append(names, tpl.Name)
		spec, err := tpl.Resolve(Values{Workspace: "demo"})
		if err != nil {
			t.Fatalf("%s: %v", tpl.Name, err)
		}
		if tpl.Source != Builtin || tpl.Title == "" || tpl.Description == "" {
			t.Errorf("%s lacks a source, a title or a description: %+v", tpl.Name, tpl)
		}
		got, err := json.MarshalIndent(spec, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", tpl.Name+".json")
		if *update {
			if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got)+"\n" != string(want) {
			t.Errorf("%s differs; run with -update if that is right. Got:\n%s", path, got)
		}
	}
	if s := strings.Join(names, " "); s != "fullstack go node python rust shell static web" {
		t.Errorf("the built-in templates are %s", s)
	}
}

func TestTheTemplatesThatNeedNoRegistryAreMadeByWsd(t *testing.T) {
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	for name, offline := range map[string]bool{
		"static": true, "shell": true, "web": true, "node": false, "go": false, "python": false, "rust": false, "fullstack": false,
	} {
		tpl, err := c.Get(name)
		if err != nil || tpl.Offline() != offline {
			t.Errorf("%s: offline is %v, %v", name, tpl.Offline(), err)
		}
	}
}

func TestAPortThatIsAskedForReachesTheCommand(t *testing.T) {
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := c.Get("static")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := tpl.Resolve(Values{Workspace: "demo", Port: 9090})
	if err != nil {
		t.Fatal(err)
	}
	if last := spec.Command[len(spec.Command)-1]; last != "9090" || spec.Port != 9090 {
		t.Errorf("the command has port %s, the spec %d", last, spec.Port)
	}
	if _, err := tpl.Resolve(Values{Port: 70000}); !fault.HasCode(err, "port_invalid") {
		t.Errorf("an impossible port gives %v", err)
	}
}

func TestThePageNamesItsWorkspaceAndNothingElseIsFetched(t *testing.T) {
	spec := builtinSpec(t, "static", Values{Workspace: "my-app"})
	page := spec.Files[0].Content
	for _, want := range []string{"<h1>my-app</h1>", "<title>my-app</title>", "wsctl logs -f my-app", "prefers-color-scheme: dark", `name="viewport"`, `lang="en"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"${", "http://", "https://", "src=", "@import", "url(", "<script"} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %q", never)
		}
	}
}

func TestNoPageOfATemplateFetchesFromElsewhere(t *testing.T) {
	for _, name := range []string{"web", "fullstack"} {
		for _, f := range builtinSpec(t, name, Values{Workspace: "my-app"}).Files {
			if strings.HasSuffix(f.Path, "index.html") && !strings.Contains(f.Content, "<title>my-app</title>") {
				t.Errorf("%s of %s does not name its workspace", f.Path, name)
			}
			served := strings.HasPrefix(f.Path, "public/") || strings.HasPrefix(f.Path, "web/")
			for _, never := range []string{"http://", "https://", "@import", "url(", "innerHTML", "eval("} {
				if served && strings.Contains(f.Content, never) {
					t.Errorf("%s of %s has %q", f.Path, name, never)
				}
			}
		}
	}
}

func builtinSpec(t *testing.T, name string, v Values) workspace.Spec {
	t.Helper()
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := c.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := tpl.Resolve(v)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestPlaceholdersAreReplacedInOnePassAndNowhereElse(t *testing.T) {
	tpl := must(t, `
port = 80
title = "${who}"
command = ["run", "--for=${who}", "${n}", "$${who}", "$who", "a$", "${port}", "${workspace}"]
pre_stop = ["bye", "${who}"]
[env]
A = "${who} and ${who}"
B = "$$${who}"
[[params]]
name = "who"
default = "x"
[[params]]
name = "n"
type = "int"
default = 7
[[files]]
path = "a"
content = "${who}\n$${n}"
[[files]]
path = "b"
content = "${who} ${nothing}"
substitute = false
`)
	spec, err := tpl.Resolve(Values{Workspace: "demo", Params: map[string]string{"who": "${n}"}})
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"command":           {strings.Join(spec.Command, "|"), "run|--for=${n}|7|${who}|$who|a$|80|demo"},
		"pre_stop":          {strings.Join(spec.PreStop, "|"), "bye|${n}"},
		"env":               {spec.Env["A"], "${n} and ${n}"},
		"escaped env":       {spec.Env["B"], "$${who}"},
		"file":              {spec.Files[0].Content, "${n}\n${n}"},
		"file left as is":   {spec.Files[1].Content, "${who} ${nothing}"},
		"title is not text": {tpl.Title, "${who}"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	again, err := tpl.Spec(nil)
	if err != nil || again.Command[1] != "--for=x" {
		t.Errorf("the template was changed by its use: %q, %v", again.Command, err)
	}
}

func TestValuesThatLookLikeProgramsStayData(t *testing.T) { // security.md 4, row 89
	tpl := must(t, "command = ['echo', '${v}', 'a ${v} b']\nenv = { V = '${v}' }\n[[params]]\nname = 'v'\n[[files]]\npath = 'f'\ncontent = '<${v}>'")
	for _, v := range []string{"$(id)", "`id`", ";", "; rm -rf / #", "a\nb", "'", `"`, "${v}", "$${v}", "{{ .Env.X }}", "--flag", "%s", "\\", ""} {
		spec, err := tpl.Spec(map[string]string{"v": v})
		if err != nil {
			t.Fatalf("%q: %v", v, err)
		}
		if len(spec.Command) != 3 || spec.Command[1] != v || spec.Command[2] != "a "+v+" b" || spec.Env["V"] != v || spec.Files[0].Content != "<"+v+">" {
			t.Errorf("%q became %q, %q, %q", v, spec.Command, spec.Env, spec.Files[0].Content)
		}
	}
}

func TestNothingOfTheHostCanBeNamed(t *testing.T) { // security.md 4, row 85
	for _, text := range []string{"${localEnv:AWS_SECRET}", "${env:HOME}", "${HOME}", "${}", "${ who}", "${who:-x}", "${who", "${WHO}", "${who\n}", "${${who}}", "${containerEnv:X}"} {
		for _, where := range []string{
			"command = ['a', '''%s''']", "pre_stop = ['''%s''']", "env = { A = '''%s''' }", "files = [{ path = 'a', content = '''%s''' }]",
			"remote_env = { A = '''%s''' }", "health = ['a', '''%s''']", "idle_probe = ['a', '''%s''']",
			"hooks = [{ phase = 'post_start', command = ['a', '''%s'''] }]",
		} {
			_, err := parse(t, strings.Replace(where, "%s", text, 1)+"\n[[params]]\nname = 'who'\n")
			if f := fieldOf(err, "param_undeclared"); f == nil {
				t.Errorf("%q in %s: got %v", text, where, err)
			}
		}
	}
	// A template language is text like any other.
	tpl := must(t, `command = ["a", "{{ .Env.X }}", "{{ call .F }}", "{{ range $i := seq 1000000000 }}"]`)
	spec, err := tpl.Spec(nil)
	if err != nil || spec.Command[1] != "{{ .Env.X }}" {
		t.Errorf("got %q, %v", spec.Command, err)
	}
}

func TestTextParametersMayNotBecomeShellPrograms(t *testing.T) {
	const params = "\n[[params]]\nname = 'v'\n[[params]]\nname = 'n'\ntype = 'int'\n"
	for _, bad := range []string{
		"command = ['sh', '-c', 'echo ${v}']", "command = ['/bin/bash', '-lc', '${v}']", "pre_stop = ['dash', '-e', '-c', 'x ${n} ${v}']",
		"command = ['sh', '-c', '--', '${v}']", "command = ['sh', '-c', '-e', '${v}']", "command = ['bash', '-c', '+x', '--', '${v}']",
		"command = ['env', 'sh', '-c', '${v}']", "command = ['timeout', '5', '/bin/sh', '-c', '${v}']", "command = ['${v}', '-c', '${v}']",
		"command = ['bash', '-o', 'pipefail', '-c', '${v}']", "command = ['bash', '--rcfile', 'x', '-c', '${v}']",
		"health = ['sh', '-c', '${v}']", "idle_probe = ['sh', '-c', '${v}']", "hooks = [{ phase = 'on_create', command = ['sh', '-c', '${v}'] }]",
	} {
		if _, err := parse(t, bad+params); fieldOf(err, "param_in_shell") == nil {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	for _, good := range []string{
		"command = ['sh', '-c', 'echo \"$1\"', 'sh', '${v}']", "command = ['sh', '-c', 'sleep ${n}; echo ${port} ${workspace}']",
		"command = ['sh', '-c', '-e', '--', 'echo \"$1\"', 'sh', '-c', '${v}']",
		"command = ['env', '-c', '${v}']", "command = ['sh', 'script', '${v}']",
	} {
		if _, err := parse(t, good+params); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func fieldOf(err error, code string) *fault.Field {
	var e *fault.Error
	if !errors.As(err, &e) {
		return nil
	}
	for i := range e.Fields {
		if e.Fields[i].Code == code {
			return &e.Fields[i]
		}
	}
	return nil
}

func TestParametersAreChecked(t *testing.T) {
	tpl := must(t, `
[[params]]
name = "s"
[[params]]
name = "n"
type = "int"
[[params]]
name = "b"
type = "bool"
[[params]]
name = "o"
options = ["one", "two"]
[[params]]
name = "on"
type = "int"
options = [1, 2]
default = 2
`)
	for _, p := range tpl.Params {
		if want := map[string]string{"s": "", "n": "0", "b": "false", "o": "one", "on": "2"}[p.Name]; p.Default != want {
			t.Errorf("the default of %s is %q, want %q", p.Name, p.Default, want)
		}
	}
	for _, c := range []struct{ name, key, value, code string }{
		{"text", "s", "any", ""},
		{"text with a NUL", "s", "a\x00b", "param_invalid"},
		{"text that is not UTF-8", "s", "\xff", "param_invalid"},
		{"text that is too long", "s", strings.Repeat("a", 4097), "param_invalid"},
		{"the longest text", "s", strings.Repeat("a", 4096), ""},
		{"a number", "n", "-12", ""},
		{"a fraction", "n", "1.5", "param_invalid"},
		{"a number with a plus", "n", "+1", "param_invalid"},
		{"a number with zeros before", "n", "007", "param_invalid"},
		{"a number in hexadecimal", "n", "0x1", "param_invalid"},
		{"2^63", "n", "9223372036854775808", "param_invalid"},
		{"no number", "n", "", "param_invalid"},
		{"true", "b", "true", ""},
		{"yes", "b", "yes", "param_invalid"},
		{"1", "b", "1", "param_invalid"},
		{"True", "b", "True", "param_invalid"},
		{"an option", "o", "two", ""},
		{"no option", "o", "three", "param_invalid"},
		{"an option of numbers", "on", "1", ""},
		{"none of numbers", "on", "3", "param_invalid"},
		{"an unknown name", "z", "1", "param_unknown"},
		{"a name that templates have anyway", "workspace", "x", "param_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tpl.Spec(map[string]string{c.key: c.value})
			if c.code == "" && err != nil || c.code != "" && !fault.HasCode(err, c.code) {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := tpl.Spec(map[string]string{"n": "x", "b": "x", "zz": "x"})
	var e *fault.Error
	if !errors.As(err, &e) || len(e.Fields) != 3 {
		t.Errorf("three mistakes are told as %v", err)
	}
}

func TestFilesOfTheFolderAreTakenAsTheyAreUnlessAsked(t *testing.T) {
	folder := fstest.MapFS{
		"files/run.sh":       {Data: []byte("echo ${HOME}\n"), Mode: 0o755},
		"files/web/app.js":   {Data: []byte("`${x}`"), Mode: 0o644},
		"files/web/page":     {Data: []byte("<${workspace}>"), Mode: 0o600},
		"files/.hidden/.env": {Data: []byte("A=1"), Mode: 0o600},
	}
	tpl, err := Parse([]byte("image='x'\n[[files]]\npath='web/page'\nsubstitute=true\n[[files]]\npath='web/app.js'\nmode=0o640\n"), "demo", folder)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := tpl.Resolve(Values{Workspace: "w"})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(spec.Files)
	want := `[{"path":".hidden/.env","content":"A=1"},{"path":"run.sh","mode":493,"content":"echo ${HOME}\n"},` +
		`{"path":"web/app.js","mode":416,"content":"` + "`${x}`" + `"},{"path":"web/page","content":"\u003cw\u003e"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	folder["files/web/bad"] = &fstest.MapFile{Data: []byte("\xff\xfe")}
	if _, err := Parse([]byte("image='x'"), "demo", folder); fieldOf(err, "files_unreadable") == nil {
		t.Errorf("a file that is not text gives %v", err)
	}
}
