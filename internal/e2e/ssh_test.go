package e2e_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/wstest"
)

// sshHouse has a workspace s and the configuration that `wsctl ssh-config --write` made.
func sshHouse(t *testing.T) (h *house, config string) {
	t.Helper()
	h = newHouse(t)
	h.ordinary("s")
	h.ok("ssh-config", "--write")
	// OpenSSH takes the home folder from passwd, not from HOME.
	return h, filepath.Join(h.home, ".ssh", "config")
}

func (h *house) host() string { return "s.wsd" }

func TestOpenSSHsOwnProgramsWork(t *testing.T) {
	h, config := sshHouse(t)
	if out := h.run(nil, "ssh", "-F", config, h.host(), "echo out; id -u | grep -c ."); out != "out\n1\n" {
		t.Errorf("ssh wrote %q", out)
	}
	sent := make([]byte, 3<<20)
	_, _ = rand.Read(sent)
	if got := h.run(sent, "ssh", "-F", config, h.host(), "cat"); got != string(sent) {
		t.Errorf("of %d bytes %d came back", len(sent), len(got))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, sent, 0o640); err != nil {
		t.Fatal(err)
	}
	h.run(nil, "scp", "-q", "-F", config, file, h.host()+":by-scp")
	h.run(nil, "scp", "-q", "-F", config, h.host()+":by-scp", filepath.Join(dir, "back"))
	same(t, filepath.Join(dir, "back"), sent)
	h.run([]byte("put "+file+" by-sftp\nrename by-sftp moved\nget moved "+filepath.Join(dir, "sftp")+"\n"), "sftp", "-q", "-b", "-", "-F", config, h.host())
	same(t, filepath.Join(dir, "sftp"), sent)
	h.run(nil, "rsync", "-a", "-e", "ssh -F "+config, dir+"/", h.host()+":tree/")
	h.run(nil, "rsync", "-a", "-e", "ssh -F "+config, h.host()+":tree/", filepath.Join(dir, "rsync"))
	same(t, filepath.Join(dir, "rsync", "file"), sent)
}

func same(t *testing.T, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
		t.Errorf("%s holds %d bytes, want %d: %v", path, len(got), len(want), err)
	}
}

func TestSSHPassesTheExitStatus(t *testing.T) {
	h, config := sshHouse(t)
	for _, code := range []int{0, 1, 42, 255} {
		cmd := exec.Command("ssh", "-F", config, h.host(), fmt.Sprintf("exit %d", code))
		cmd.Env = h.path()
		if _, errs, status := wstest.Output(t, cmd); status != code {
			t.Errorf("exit %d became %d: %s", code, status, errs)
		}
	}
}

func TestSSHForwardsAPort(t *testing.T) {
	h, config := sshHouse(t)
	h.ok("exec", "s", "--", "sh", "-c", "echo through the tunnel >index.html")
	h.ok("exec", "s", "--", "sh", "-c", `node -e 'require("http").createServer((q,r)=>r.end("through the tunnel")).listen(4000,"127.0.0.1")' >/dev/null 2>&1 &`)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	local := l.Addr().String()
	_ = l.Close()
	cmd := exec.Command("ssh", "-F", config, "-N", "-o", "ExitOnForwardFailure=yes", "-L", local+":localhost:4000", h.host())
	cmd.Env = h.path()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	client := &http.Client{Timeout: 5 * time.Second}
	for end := time.Now().Add(patience); ; {
		res, err := client.Get("http://" + local + "/")
		if err == nil {
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if strings.Contains(string(body), "through the tunnel") {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("nothing came through the tunnel: %v", err)
		}
	}
}

func TestSSHSaysThatWsdIsGone(t *testing.T) {
	h, config := sshHouse(t)
	cmd := exec.Command("ssh", "-F", config, h.host(), "echo ready; sleep 1000")
	cmd.Env = h.path()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	h.Kill()
	_ = cmd.Wait()
	if !strings.Contains(errs.String(), "the connection to wsd broke [connection_lost]") {
		t.Errorf("ssh and its ProxyCommand say %q", errs.String())
	}
}

func TestSSHWakesAStoppedWorkspace(t *testing.T) {
	h, config := sshHouse(t)
	h.ok("stop", "s")
	if out := h.run(nil, "ssh", "-F", config, h.host(), "echo awake"); out != "awake\n" {
		t.Errorf("ssh wrote %q", out)
	}
}

// OpenSSH, git and node refuse to work for a user without a name.
func TestTheUserOfAnOrdinaryImageHasAName(t *testing.T) {
	h := newHouse(t)
	h.ordinary("s")
	if out := h.ok("exec", "s", "--", "sh", "-c", `whoami; node -p 'require("os").userInfo().homedir'; ssh -G example.org | grep ^user\ `); out != "workspace\n/workspace\nuser workspace\n" {
		t.Errorf("inside it is %q", out)
	}
	if out := h.ok("exec", "s", "--", "sh", "-c", `touch /etc/passwd 2>&1; grep -c ^root: /etc/passwd`); !strings.HasSuffix(out, "\n1\n") || !strings.Contains(out, "touch") {
		t.Errorf("the list of users is not the image's own, or can be written to: %q", out)
	}
}
