package template

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestEveryMistakeIsNamed(t *testing.T) {
	for _, c := range []struct{ name, text, code, detail string }{
		{"an unknown key", "\nimgae = 'x'", "key_unknown", `line 3, column 1: "imgae" is not a key of a template`},
		{"an unknown key in a table", "[limits]\ncpu = 1", "key_unknown", `line 3, column 1: "limits.cpu"`},
		{"an unknown key in a list", "[[params]]\nname = 'a'\nsecret = true", "key_unknown", "line 4, column 1"},
		{"a key that asks for more rights", "privileged = true\ncap_add = ['ALL']", "key_unknown", "privileged"},
		{"a value of another type", "port = 'x'", "template_syntax", "line 2, column 8"},
		{"a duration without a unit", "timeouts = { start = 5 }", "template_syntax", "line 2"},
		{"a duration in words", "timeouts = { start = 'soon' }", "duration_invalid", "soon"},
		{"a key twice", "port = 1\nport = 2", "template_syntax", "line 3"},
		{"an open string", "title = 'x", "template_syntax", "line 2"},
		{"numbers in env", "env = { A = 1 }", "template_syntax", "line 2"},
		{"a name that no workspace may have", "name = 'A/b'", "name_invalid", "A/b"},
		{"a control character in the title", "title = \"\\u001b[31m\"", "text_invalid", "control"},
		{"no such ready check", "ready = 'http'", "ready_unknown", "use port or process"},
		{"ready by a port that is not there", "ready = 'port'", "port_required", "needs a port"},
		{"port 0", "port = 0", "port_invalid", "0 is not"},
		{"a port beyond all", "port = 65536", "port_invalid", "65536"},
		{"no such profile", "profile = 'privileged'", "profile_unknown", "use strict, writable or admin"},
		{"no CPU", "limits.cpus = 0", "cpus_invalid", "0"},
		{"CPUs that are no number", "limits.cpus = nan", "cpus_invalid", "NaN"},
		{"memory without a unit", "limits.memory = '512'", "size_invalid", "512"},
		{"memory that is too little", "limits.memory = '1MiB'", "memory_invalid", ""},
		{"too many processes", "limits.pids = 40000", "pids_invalid", "40000"},
		{"a time-out of zero", "timeouts.stop = '0s'", "timeout_invalid", "timeouts.stop = 0s must be 1s to 24h"},
		{"a negative time-out", "timeouts.create = '-1h'", "timeout_invalid", "timeouts.create"},
		{"an absurd time-out", "timeouts.pre_stop = '25h'", "timeout_invalid", "timeouts.pre_stop"},
		{"a variable with a dash", "env = { 'A-B' = '1' }", "env_invalid", "A-B"},
		{"an empty first word", "command = ['']", "command_invalid", ""},
		{"a parameter without a name", "[[params]]\ntype = 'int'", "param_invalid", ""},
		{"a parameter in capitals", "[[params]]\nname = 'Port'", "param_invalid", "Port"},
		{"a parameter of an unknown type", "[[params]]\nname = 'a'\ntype = 'list'", "param_invalid", "list"},
		{"a parameter twice", "[[params]]\nname = 'a'\n[[params]]\nname = 'a'", "param_twice", "a"},
		{"a parameter that is there anyway", "[[params]]\nname = 'port'", "param_reserved", "port"},
		{"a default of another type", "[[params]]\nname = 'a'\ntype = 'int'\ndefault = '1'", "param_invalid", "not of type int"},
		{"a default that is no option", "[[params]]\nname = 'a'\noptions = ['x']\ndefault = 'y'", "param_invalid", "must be one of x"},
		{"options of another type", "[[params]]\nname = 'a'\noptions = [1]", "param_invalid", "option"},
		{"options of a truth value", "[[params]]\nname = 'a'\ntype = 'bool'\noptions = [true]", "param_invalid", "option"},
		{"a file outside", file("../x"), "unsafe_path", ".."},
		{"a file outside on a detour", file("a/../../x"), "unsafe_path", ".."},
		{"an absolute file", file("/etc/passwd"), "unsafe_path", "relative"},
		{"a file with an empty part", file("a//b"), "unsafe_path", "empty"},
		{"a folder", file("a/"), "unsafe_path", "empty"},
		{"the workspace itself", file("."), "unsafe_path", "names no file"},
		{"no path", file(""), "unsafe_path", "names no file"},
		{"a path with a newline", file(`a\nb`), "unsafe_path", "character"},
		{"a path with an escape", file(`a\u001bb`), "unsafe_path", "character"},
		{"a path of another system", file(`C:\\x`), "unsafe_path", "character"},
		{"a path that is too long", file(strings.Repeat("a/", 600) + "b"), "unsafe_path", "too long"},
		{"a part that is too long", file(strings.Repeat("a", 256)), "unsafe_path", "too long"},
		{"a file that is also a folder", file("a") + "\n" + file("a/b"), "unsafe_path", "a is both"},
		{"a file twice", file("a") + "\n" + file("a"), "file_twice", "a"},
		{"a file without content", "[[files]]\npath = 'a'", "content_required", "a"},
		{"a mode in decimal", "[[files]]\npath = 'a'\ncontent = ''\nmode = 755", "mode_invalid", "0o"},
		{"a mode with setuid", "[[files]]\npath = 'a'\ncontent = ''\nmode = 0o4755", "mode_invalid", "0o777"},
		{"a negative mode", "[[files]]\npath = 'a'\ncontent = ''\nmode = -1", "template_syntax", ""},
		{"an undeclared parameter", "command = ['x', '${y}']", "param_undeclared", "y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			if err == nil {
				t.Fatal("it is accepted")
			}
			if f := fieldOf(err, c.code); f != nil && strings.Contains(f.Detail+f.Pointer, c.detail) {
				return
			}
			if e := fault.From(err); e.Code != c.code || !strings.Contains(e.Text, c.detail) {
				t.Errorf("want %s with %q, got %+v", c.code, c.detail, e)
			}
		})
	}
}

// file is a row of [[files]]; path is written as in a basic string.
func file(path string) string { return "[[files]]\npath = \"" + path + "\"\ncontent = ''" }

func TestAnImageIsNeeded(t *testing.T) {
	for _, text := range []string{"", "image = ''", "image = 'HTTP://x'", "image = 'a b'", "image = '-x'", "image = '${x}'"} {
		if _, err := Parse([]byte(text), "demo", nil); fieldOf(err, "image_invalid") == nil {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestSizesAreBounded(t *testing.T) {
	if _, err := Parse([]byte("#"+strings.Repeat("x", 5<<20)), "demo", nil); !fault.Is(err, fault.TooLarge) {
		t.Errorf("5 MiB give %v", err)
	}
	half := strings.Repeat("a", workspace.MaxFiles/2)
	text := "[[files]]\npath='%s'\ncontent='" + half + "'\n"
	if _, err := parse(t, fmt.Sprintf(text+text, "x", "y")); !fault.HasCode(err, "files_too_large") {
		t.Errorf("files beyond the bound give %v", err)
	}
	tpl := must(t, "[[params]]\nname='p'\n[[files]]\npath='a'\ncontent='"+strings.Repeat("${p}", 100)+"'\n")
	if _, err := tpl.Spec(map[string]string{"p": strings.Repeat("x", 4096)}); !fault.HasCode(err, "files_too_large") {
		t.Errorf("files that grow beyond the bound give %v", err)
	}
	for name, deep := range map[string]string{
		"lists": "x = " + strings.Repeat("[", 10_001), "tables": "x = " + strings.Repeat("{a=", 10_001), "keys": strings.Repeat("a.", 100_000) + "b = 1",
	} {
		_, err := Parse([]byte(deep), "demo", nil)
		if !fault.Is(err, fault.Invalid) || len(err.Error()) > 400 {
			t.Errorf("deep %s give %.400v", name, err)
		}
	}
}

func TestAMessageTellsAllMistakesInTheSameOrder(t *testing.T) {
	const text = "port = 0\nprofile = 'x'\nready = 'y'\nenv = { A = '${q}', B = '${r}' }\ncommand = ['${s}']\n"
	_, first := parse(t, text)
	for range 20 {
		if _, err := parse(t, text); err.Error() != first.Error() {
			t.Fatalf("two orders:\n%v\n%v", first, err)
		}
	}
	if n := len(fault.From(first).Fields); n != 6 {
		t.Errorf("%d mistakes are named: %v", n, first)
	}
}

func FuzzParse(f *testing.F) {
	c, err := Load("")
	if err != nil {
		f.Fatal(err)
	}
	for _, t := range c.List() {
		text, err := builtin.ReadFile("builtin/" + t.Name + "/" + manifestName)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "v")
	}
	f.Add([]byte("image = 'x'\n"+everything), "${a}")
	f.Add([]byte("image='x'\ncommand=['${a}','$${a}','$$${a}','${']\n[[params]]\nname='a'\n"), "${a}")
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		tpl, err := Parse(text, "demo", nil)
		if err != nil {
			if e := fault.From(err); e.Kind != fault.Invalid && e.Kind != fault.TooLarge {
				t.Fatalf("kind %s: %v", e.Kind, err)
			}
			return
		}
		params := map[string]string{}
		for _, p := range tpl.Params {
			params[p.Name] = value
		}
		spec, err := tpl.Spec(params)
		if err != nil {
			return
		}
		total := 0
		for _, file := range spec.Files {
			if pathProblem(file.Path) != "" || file.Mode > 0o777 {
				t.Errorf("file %q, mode %o", file.Path, file.Mode)
			}
			total += len(file.Content)
		}
		if checkInside(&spec) != nil || (spec.Image == "") != (spec.Build != nil) {
			t.Errorf("a spec that nothing would accept: %+v", spec)
		}
		if total > workspace.MaxFiles || workspace.ValidateEnv(spec.Env) != nil || workspace.ValidateCommand(spec.Command) != nil || len(spec.Command) != len(tpl.spec.Command) {
			t.Errorf("a spec that nothing would accept: %+v", spec)
		}
	})
}

func FuzzSubstitute(f *testing.F) {
	for _, s := range []string{"${a}", "$${a}", "$$${a}", "${", "${a\n}", "a$", "${a${b}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all := map[string]string{}
		for _, n := range names(s) {
			if strings.HasSuffix(n, notClosed) {
				return
			}
			all[n] = "${" + n + "}"
		}
		if strings.Contains(s, "$${") {
			return
		}
		// A value is put in as it is, so putting in the placeholders changes nothing.
		if got := substitute(s, all); got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}
