package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// withImage copies a built-in template into dir, made from the ordinary image, which has
// node as well.
func withImage(t *testing.T, dir, name string) {
	t.Helper()
	image, err := debian()
	if err != nil {
		t.Fatalf("cannot make the test image: %v", err)
	}
	to := filepath.Join(dir, name)
	if err := os.CopyFS(to, os.DirFS(filepath.Join("..", "template", "builtin", name))); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(to, "template.toml")
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^image = .*$`).ReplaceAll(text, fmt.Appendf(nil, "image = %q", image))
	if err := os.WriteFile(manifest, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// page asks a workspace for a path of its own port.
func page(w workspace.Workspace, path string) (int, string) {
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", w.Port, path))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

func TestTheBuiltInTemplatesDoWhatTheySay(t *testing.T) {
	dir := t.TempDir()
	withImage(t, dir, "node")
	withImage(t, dir, "fullstack")
	h := newHouse(t, "WSD_TEMPLATES="+dir)
	for name, pages := range map[string]map[string]string{
		"web":       {"/": "<title>my-web</title>", "/js/list.js": "A list that stays in the browser"},
		"node":      {"/": "Hello from Node.js"},
		"fullstack": {"/": "<title>my-fullstack</title>", "/api/health": `{"ok":true}`},
	} {
		w := h.create("my-"+name, "--template", name, "--memory", "512MiB")
		for path, want := range pages {
			if status, body := page(w, path); status != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s of %s answers %d %.200q", path, name, status, body)
			}
		}
	}
}

func TestATemplateOfOnesOwnBuildsItsImageAndRunsItsHooks(t *testing.T) {
	dir := t.TempDir()
	h := newHouse(t, "WSD_TEMPLATES="+filepath.Join(dir, "templates"))
	h.ok("template", "new", "mine", "--dir", dir)
	for name, text := range map[string]string{
		"mine/template.toml": `
command = ["httpd", "--dir", "/workspace/public", "--port", "${port}"]
port = 8080
[build]
args = { WHO = "${who}" }
[[params]]
name = "who"
[[hooks]]
phase = "on_create"
command = ["sh", "-c", "cat /who > public/who"]
`,
		"mine/build/Dockerfile": "FROM wsd:base\nARG WHO\nRUN echo \"made for $WHO\" > /who\n",
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.ok("template", "import", filepath.Join(dir, "mine"))
	w := h.create("shop", "--template", "mine", "--param", "who=ann")
	deadline := time.Now().Add(patience)
	for {
		status, body := page(w, "/who")
		if status == http.StatusOK && body == "made for ann\n" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("/who answers %d %q", status, body)
		}
	}
}
