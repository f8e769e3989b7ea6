package template

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

// folder writes files, by path, into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTemplatesOfOnesOwnJoinTheBuiltinOnes(t *testing.T) {
	dir := folder(t, map[string]string{
		"site/template.toml":    "image = 'nginx'",
		"site/files/index.html": "hello",
		"one.toml":              "image = 'debian:12'",
		"static/template.toml":  "image = 'mine'",
		"README.md":             "no template", ".git/template.toml": "image = 'x'", "Bad_Name.toml": "image = 'x'", "empty/x": "",
	})
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, tpl := range c.List() {
		all = append(all, tpl.Name)
	}
	if s := strings.Join(all, " "); s != "fullstack go node one python rust shell site static web" {
		t.Errorf("the catalogue has %s", s)
	}
	site, err := c.Get("site")
	if err != nil || site.Source != filepath.Join(dir, "site/template.toml") {
		t.Fatalf("%+v, %v", site, err)
	}
	spec, err := site.Spec(nil)
	if err != nil || spec.Template != "site" || len(spec.Files) != 1 || spec.Files[0].Content != "hello" {
		t.Errorf("%+v, %v", spec, err)
	}
	if own, err := c.Get("static"); err != nil || own.Offline() || own.Source == Builtin {
		t.Errorf("one's own template does not hide the built-in one: %+v, %v", own, err)
	}
}

func TestABrokenTemplateIsListedWithItsErrorAndHidesNoOther(t *testing.T) {
	dir := folder(t, map[string]string{
		"good.toml": "image = 'x'", "bad.toml": "image = 'x'\ncolour = 1", "other.toml": "name = 'another'\nimage = 'x'",
		"dir/template.toml/x": "a folder where a file should be",
	})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.toml"), 0o600); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("image = 'x'"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link.toml")); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get("good"); err != nil {
		t.Error(err)
	}
	listed := map[string]bool{}
	for _, tpl := range c.List() {
		listed[tpl.Name] = tpl.Err != nil
	}
	for name, code := range map[string]string{
		"bad": "template_syntax", "other": "template_invalid", "dir": "template_unreadable", "pipe": "template_unreadable", "link": "template_unreadable",
	} {
		tpl, err := c.Get(name)
		if !fault.HasCode(err, code) || !listed[name] {
			t.Errorf("%s: got %v, listed %v", name, err, listed[name])
		}
		if _, err := tpl.Spec(nil); err == nil {
			t.Errorf("%s can be used", name)
		}
	}
}

func TestOnlyOrdinaryFilesAreTakenFromTheFolder(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a link out of the folder":     func(p string) error { return os.Symlink("/etc/passwd", p) },
		"a link inside the folder":     func(p string) error { return os.Symlink("ok", p) },
		"a pipe that nobody writes to": func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"a/template.toml": "image = 'x'", "a/files/ok": "1"})
			if err := spoil(filepath.Join(dir, "a/files/spoilt")); err != nil {
				t.Fatal(err)
			}
			c, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Get("a"); fieldOf(err, "files_unreadable") == nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNoFolderIsNoError(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
	if _, err := Load(filepath.Join(folder(t, map[string]string{"f": ""}), "f")); !fault.HasCode(err, "templates_unreadable") {
		t.Errorf("a file in its place gives %v", err)
	}
}

func TestAnUnknownNameIsToldWithThoseThatExist(t *testing.T) {
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get("nodejs")
	if e := fault.From(err); e.Kind != fault.NotFound || !strings.Contains(e.Hint, "fullstack, go, node, python, rust, shell, static, web") {
		t.Errorf("got %+v", e)
	}
}
