package template

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// everything has every key that says what happens inside.
const everything = `
dir = "/workspace/app"
user = "1000:1000"
restart = "on_failure"
wake = "off"
policy = "relaxed"
hours = "Mon-Fri 08:00-19:00 Europe/Berlin"
health = ["wget", "-qO-", "http://localhost:${port}/"]
idle_probe = ["test", "!", "-e", "/workspace/${lock}"]
remote_env = { EDITOR = "${editor}" }
port = 3000

[[ports]]
port = 9229
label = "debugger"
protocol = "tcp"
on_open = "silent"

[[hooks]]
phase = "on_create"
name = "dependencies"
command = ["npm", "ci", "--prefix", "${lock}"]
timeout = "5m"

[[hooks]]
phase = "on_create"
command = ["after"]

[[hooks]]
phase = "on_create"
command = ["beside"]
group = 1
await = false

[[hooks]]
phase = "post_start"
command = ["hello"]

[[secrets]]
name = "API_KEY"
required = true
description = "Key of the service."

[[mounts]]
kind = "volume"
source = "cache"
target = "/workspace/.cache"
read_only = true

[[mounts]]
kind = "tmpfs"
target = "/scratch"

[[params]]
name = "lock"
default = "lock"

[[params]]
name = "editor"
default = "vi"
`

func TestATemplateSaysAllThatASpecHolds(t *testing.T) {
	spec, err := must(t, everything).Spec(map[string]string{"editor": "${lock}"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/spec/everything.json"
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

func TestMistakesOfWhatIsInsideAreNamed(t *testing.T) {
	for _, c := range []struct{ name, text, code, detail string }{
		{"a relative folder", "dir = 'app'", "dir_invalid", "absolute path"},
		{"a user with a space", "user = 'a b'", "user_invalid", "not a user"},
		{"no such way to restart", "restart = 'sometimes'", "value_unknown", "never, on_failure, always"},
		{"no such way to wake", "wake = 'maybe'", "value_unknown", "on, off"},
		{"a policy with a space", "policy = 'a b'", "policy_invalid", "name of a policy"},
		{"hours of no day", "hours = 'Mox 08:00-19:00'", "hours_invalid", "\"Mox\" is not a day"},
		{"a dash in remote_env", "remote_env = { 'A-B' = '1' }", "env_invalid", "A-B"},
		{"an empty first word of a check", "health = ['']", "command_invalid", ""},
		{"port 0 among ports", "ports = [{ port = 0 }]", "port_invalid", "0 is not"},
		{"a port twice", "ports = [{ port = 1 }, { port = 1 }]", "port_twice", "port 1"},
		{"no such protocol", "ports = [{ port = 1, protocol = 'udp' }]", "value_unknown", "http, https, tcp"},
		{"no such way to open", "ports = [{ port = 1, on_open = 'shout' }]", "value_unknown", "notify, open, silent, ignore"},
		{"an escape in a label", "ports = [{ port = 1, label = \"\\u001b[0m\" }]", "text_invalid", "label"},
		{"no such phase", "hooks = [{ phase = 'later', command = ['a'] }]", "phase_unknown", "on_create, update_content"},
		{"a hook without a command", "hooks = [{ phase = 'on_create' }]", "command_required", ""},
		{"a hook that is a line", "hooks = [{ phase = 'on_create', command = 'make' }]", "template_syntax", "line 2"},
		{"a hook that takes no time", "hooks = [{ phase = 'on_create', command = ['a'], timeout = '0s' }]", "timeout_invalid", "hooks.0.timeout"},
		{"a group below 0", "hooks = [{ phase = 'on_create', command = ['a'], group = -1 }]", "group_invalid", "0 to"},
		{"a secret that is a path", "secrets = [{ name = '../b' }]", "secret_name_invalid", "../b"},
		{"a secret twice", "secrets = [{ name = 'A' }, { name = 'A' }]", "secret_twice", "A"},
		{"a folder of the host", "mounts = [{ kind = 'bind', source = '/', target = '/host' }]", "mount_refused", "volume, tmpfs"},
		{"a volume that is a path", "mounts = [{ kind = 'volume', source = '/etc', target = '/x' }]", "volume_invalid", "/etc"},
		{"a mount over the files", "mounts = [{ kind = 'tmpfs', target = '/workspace' }]", "mount_refused", "the files"},
		{"a mount in /proc", "mounts = [{ kind = 'tmpfs', target = '/proc/x' }]", "mount_refused", "needs that place"},
		{"two mounts at one place", "mounts = [{ kind = 'tmpfs', target = '/x' }, { kind = 'tmpfs', target = '/x' }]", "mount_refused", "two mounts"},
		{"a tmpfs with a source", "mounts = [{ kind = 'tmpfs', source = 'x', target = '/x' }]", "mount_refused", "no source"},
		{"65 hooks", strings.Repeat("[[hooks]]\nphase = 'on_create'\ncommand = ['a']\n", 65), "too_many", "at most 64"},
		{"an image and a build", "[build]\ncontent = 'FROM x'", "image_and_build", "leave one"},
		{"an unknown key of a hook", "[[hooks]]\nwhen = 'now'", "key_unknown", "line 3, column 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			if err == nil {
				t.Fatal("it is accepted")
			}
			if f := fieldOf(err, c.code); f != nil && strings.Contains(f.Detail, c.detail) {
				return
			}
			t.Errorf("want %s with %q, got %+v", c.code, c.detail, fault.From(err))
		})
	}
}

func TestABuildIsMadeOfTheFolderBesideIt(t *testing.T) {
	folder := fstest.MapFS{
		"build/Dockerfile":    {Data: []byte("FROM debian:12\nCOPY bin /opt/bin\nARG WHO=${who}\n")},
		"build/bin/tool":      {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		"files/hello":         {Data: []byte("hi")},
		"template.toml":       {},
		"somewhere/else/file": {},
	}
	const text = "[build]\ntarget = 'dev'\nargs = { WHO = '${who}' }\n[[params]]\nname = 'who'\n"
	tpl, err := Parse([]byte(text), "demo", folder)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := tpl.Spec(map[string]string{"who": "ann"})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(tpl.Context())
	if b := spec.Build; spec.Image != "" || b == nil || b.Context != hex.EncodeToString(sum[:]) || b.Dockerfile != "Dockerfile" || b.Target != "dev" || b.Args["WHO"] != "ann" {
		t.Errorf("got image %q and build %+v", spec.Image, b)
	}
	var got []string
	for r := tar.NewReader(bytes.NewReader(tpl.Context())); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(r)
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name+" "+string(data))
	}
	want := []string{"-rw-r--r-- Dockerfile FROM debian:12\nCOPY bin /opt/bin\nARG WHO=${who}\n", "-rwxr-xr-x bin/tool #!/bin/sh\n"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("the context is %q, want %q", got, want)
	}
	again, err := Parse([]byte(text), "demo", folder)
	if err != nil || !bytes.Equal(again.Context(), tpl.Context()) {
		t.Errorf("the same folder gives other bytes, %v", err)
	}
}

func TestABuildFromOursNeedsNoRegistry(t *testing.T) {
	for text, want := range map[string]bool{
		"FROM wsd:base": true,
		"from wsd:base as a\nRUN x\nFROM scratch\nCOPY --from=a /x /\nCOPY --from=0 /y /\nCOPY --from=1 /y /": true,
		"FROM wsd:base AS a\nFROM A": true, "# FROM debian\nFROM --platform=linux/amd64 wsd:base": true,
		"FROM debian:12": false, "FROM wsd:base\nFROM debian:12": false, "FROM $BASE": false, "ARG B=wsd:base\nFROM ${B}": false,
		"FROM wsd:base\nCOPY --from=debian:12 /x /": false, "FROM wsd:base AS a\nCOPY --from=1 /x /": false, "RUN x": false, "": false,
	} {
		tpl, err := Parse(fmt.Appendf(nil, "[build]\ncontent = %q", text), "demo", nil)
		if err != nil || tpl.Offline() != want {
			t.Errorf("%q: offline is %t, %v", text, tpl.Offline(), err)
		}
	}
}

func TestMistakesOfABuildAreNamed(t *testing.T) {
	folder := fstest.MapFS{"build/Dockerfile": {Data: []byte("FROM x")}}
	for _, c := range []struct {
		name, text, code string
		folder           fs.FS
	}{
		{"nothing to build", "[build]", "content_required", nil},
		{"another Dockerfile", "[build]\ndockerfile = 'Other'", "content_required", folder},
		{"a Dockerfile outside", "[build]\ndockerfile = '../Dockerfile'", "unsafe_path", folder},
		{"a Dockerfile twice", "[build]\ncontent = 'FROM y'", "file_twice", folder},
		{"a stage that is an option", "[build]\ntarget = '--x'", "target_invalid", folder},
		{"a link in the folder", "[build]", "files_unreadable", fstest.MapFS{"build/Dockerfile": {Data: []byte("x"), Mode: fs.ModeSymlink}}},
		{"an argument with a dash", "[build]\nargs = { 'a-b' = '' }", "env_invalid", folder},
	} {
		if _, err := Parse([]byte(c.text), "demo", c.folder); fieldOf(err, c.code) == nil {
			t.Errorf("%s gives %v", c.name, err)
		}
	}
	if tpl, err := Parse([]byte("[build]\ncontent = 'FROM wsd:base'\ndockerfile = 'ops/Dev'"), "demo", nil); err != nil || len(tpl.Context()) == 0 {
		t.Errorf("a Dockerfile in the text gives %v", err)
	}
}

func TestAChangeOfAFolderCountsAtTheNextQuestion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "templates")
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	image := func() string {
		tpl, err := c.Get("mine")
		if err != nil {
			return err.Error()
		}
		spec, _ := tpl.Spec(nil)
		return spec.Image
	}
	for _, want := range []string{"debian:12", "debian:13"} {
		if err := os.WriteFile(filepath.Join(dir, "mine.toml"), []byte("image = '"+want+"'"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := image(); got != want {
			t.Errorf("the image is %q, want %q", got, want)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get("mine"); !fault.HasCode(err, "template_not_found") {
		t.Errorf("a template that is gone gives %v", err)
	}
}

// packed makes a zip archive of files.
func packed(t *testing.T, files fs.FS) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	if err := w.AddFS(files); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAFolderCanComeAsAnArchive(t *testing.T) {
	tpl, err := ParseArchive(packed(t, fstest.MapFS{
		"template.toml":    {Data: []byte("title = 'T'\n[build]\n")},
		"files/a/b":        {Data: []byte("x"), Mode: 0o755},
		"build/Dockerfile": {Data: []byte("FROM x")},
	}), "demo")
	if err != nil || tpl.Title != "T" || len(tpl.spec.Files) != 1 || tpl.spec.Files[0].Mode != 0o755 || tpl.spec.Build == nil {
		t.Fatalf("got %+v, %v", tpl, err)
	}
	big := bytes.Repeat([]byte("a"), workspace.MaxFiles+1)
	for name, c := range map[string]struct {
		data []byte
		code string
	}{
		"no archive":          {[]byte("image = 'x'"), "archive_invalid"},
		"no manifest":         {packed(t, fstest.MapFS{"files/a": {}}), "template_missing"},
		"a manifest in a dir": {packed(t, fstest.MapFS{"demo/template.toml": {}}), "template_missing"},
		"a bomb":              {packed(t, fstest.MapFS{"template.toml": {Data: []byte("image = 'x'")}, "files/a": {Data: big}}), "template_invalid"},
		"a manifest too long": {packed(t, fstest.MapFS{"template.toml": {Data: bytes.Repeat([]byte("#"), maxManifest+1)}}), "template_too_large"},
	} {
		if _, err := ParseArchive(c.data, "demo"); !fault.HasCode(err, c.code) {
			t.Errorf("%s gives %v", name, err)
		}
	}
}
