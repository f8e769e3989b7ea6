package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// patience bounds every wait for something that must happen; a busy machine is slow.
const patience = time.Minute

func TestMain(m *testing.M) {
	code := m.Run()
	wstest.RemoveBinaries()
	os.Exit(code)
}

// debian is the name of the ordinary image; it is made when it is missing.
var debian = sync.OnceValues(func() (string, error) {
	cmd := exec.Command(filepath.Join("..", "..", "scripts", "testimage.sh"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	lines := strings.Fields(string(out))
	if err != nil || len(lines) == 0 {
		return "", err
	}
	return lines[len(lines)-1], nil
})

// house is a daemon on the machine's engine, with a home folder of its own.
type house struct {
	*wstest.Process
	t      *testing.T
	docker wstest.Docker
	home   string
}

func newHouse(t *testing.T, env ...string) *house {
	t.Helper()
	d := wstest.LocalDocker(t)
	home := t.TempDir()
	p := d.NewProcess(t, append([]string{"WSD_DOCKER_SPARE=1", "HOME=" + home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_DATA_HOME="}, env...)...)
	p.Start()
	return &house{Process: p, t: t, docker: d, home: home}
}

// ordinary creates a workspace of the ordinary image with more arguments of create.
func (h *house) ordinary(name string, args ...string) workspace.Workspace {
	h.t.Helper()
	image, err := debian()
	if err != nil {
		h.t.Fatalf("cannot make the test image: %v", err)
	}
	return h.create(append([]string{name, "--image", image, "--profile", "writable", "--memory", "512m"}, args...)...)
}

// create runs `wsctl create` and returns what it made.
func (h *house) create(args ...string) workspace.Workspace {
	h.t.Helper()
	out := h.ok(append([]string{"create", "--json"}, args...)...)
	var w workspace.Workspace
	if err := json.Unmarshal([]byte(out), &w); err != nil {
		h.t.Fatalf("create printed %q: %v", out, err)
	}
	return w
}

// ok runs wsctl, wants status 0 and returns its standard output.
func (h *house) ok(args ...string) string {
	h.t.Helper()
	out, errs, status := h.Wsctl(args...)
	if status != 0 {
		h.t.Fatalf("wsctl %s: status %d: %s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// run runs a foreign program in the house's environment and wants status 0.
func (h *house) run(stdin []byte, name string, args ...string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*patience)
	defer cancel()
	path, err := exec.LookPath(name)
	if err != nil {
		h.t.Fatalf("%s is missing; `make test` installs it", name)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = h.path()
	cmd.Stdin = bytes.NewReader(stdin)
	out, errs, status := wstest.Output(h.t, cmd)
	if status != 0 {
		h.t.Fatalf("%s %s: status %d: %s%s", name, strings.Join(args, " "), status, out, errs)
	}
	return out
}

// path is the environment in which wsctl and wsd are found by name.
func (h *house) path() []string {
	env := h.Command("wsctl").Env
	return append(env, "PATH="+wstest.Binaries(h.t)+":"+os.Getenv("PATH"))
}
