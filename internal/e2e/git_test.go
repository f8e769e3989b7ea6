package e2e_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/wstest"
)

// makeRepository makes the bare repository demo.git with a Makefile and returns its folder.
func makeRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	sh := func(script string) {
		cmd := exec.Command("sh", "-ec", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cannot make the repository: %v: %s", err, out)
		}
	}
	sh(`git init -q -b main work
printf 'all:\n\t@echo built by make\n' >work/Makefile
cd work && git add . && git -c user.name=a -c user.email=a@example.org commit -qm one
git checkout -q -b feature && echo two >two && git add . && git -c user.name=a -c user.email=a@example.org commit -qm two
cd .. && git clone -q --bare work demo.git`)
	_ = os.RemoveAll(work)
	return dir
}

// serveRepository makes a bare repository with a Makefile and serves it where
// containers reach it, and nobody else: on the host's side of the engine's bridge.
func serveRepository(t *testing.T, d wstest.Docker) (url string) {
	t.Helper()
	dir := makeRepository(t)
	bridge := bridgeAddress(t, d)
	l, err := net.Listen("tcp", net.JoinHostPort(bridge, "0"))
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cmd := exec.Command("git", "daemon", "--reuseaddr", "--export-all", "--listen="+bridge, "--port="+strconv.Itoa(port), "--base-path="+dir, dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// git runs the daemon as a child: end both.
		_ = exec.Command("sh", "-c", "for c in $(cat /proc/$0/task/*/children); do kill $c; done", strconv.Itoa(cmd.Process.Pid)).Run()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return "git://" + net.JoinHostPort(bridge, strconv.Itoa(port)) + "/demo.git"
}

// bridgeAddress is this machine's address on the engine's bridge.
func bridgeAddress(t *testing.T, d wstest.Docker) string {
	t.Helper()
	i, err := net.InterfaceByName(d.Run("network", "inspect", "bridge", "--format", `{{index .Options "com.docker.network.bridge.name"}}`))
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := i.Addrs()
	if err != nil || len(addrs) == 0 {
		t.Fatalf("the bridge has no address: %v", err)
	}
	ip, _, err := net.ParseCIDR(addrs[0].String())
	if err != nil {
		t.Fatal(err)
	}
	return ip.String()
}

func TestAClonedRepositoryIsBuiltInside(t *testing.T) {
	h := newHouse(t)
	url := serveRepository(t, h.docker)
	h.ordinary("t", "--git", url)
	if out := h.ok("exec", "t", "--", "make"); out != "built by make\n" {
		t.Errorf("make wrote %q", out)
	}
	h.ordinary("u", "--git", url, "--branch", "feature", "--depth", "1")
	if out := h.ok("exec", "u", "--", "sh", "-c", "cat two; git rev-list --count HEAD; git status --porcelain"); out != "two\n1\n" {
		t.Errorf("the branch holds %q", out)
	}
}

func TestAHostileRepositoryAddressIsRefusedBeforeAnythingIsMade(t *testing.T) {
	h := newHouse(t)
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"ext::sh -c touch% /tmp/x", "--upload-pack=touch /tmp/x", "fd::17", "file:///etc", "-oProxyCommand=x", "ssh://-oProxyCommand=x/y",
		"https://user:secret@example.org/x.git", "https://example.org/a\nb", "/etc", "",
	} {
		out, errs, status := h.Wsctl("create", "bad", "--image", image, "--git="+url)
		if status != 2 || strings.Contains(out+errs, "secret") {
			t.Errorf("%q: status %d: %s%s", url, status, out, errs)
		}
	}
	if out := h.ok("list", "--json"); strings.Contains(out, `"bad"`) {
		t.Errorf("something was made: %s", out)
	}
}
