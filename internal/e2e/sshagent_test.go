package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/wstest"
)

// The keys of a person stay on their machine, and can be used inside.
func TestAnSSHAgentIsForwarded(t *testing.T) {
	h, config := sshHouse(t)
	dir := t.TempDir()
	key, socket := filepath.Join(dir, "key"), filepath.Join(dir, "agent")
	h.run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "key of a test", "-f", key)
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = agent.Process.Kill(); _ = agent.Wait() }()
	wstest.Until(t, patience, "the ssh agent listens", func(context.Context) bool { _, err := os.Stat(socket); return err == nil })
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Env = append(h.path(), "SSH_AUTH_SOCK="+socket)
		out, errs, status := wstest.Output(t, cmd)
		if status != 0 {
			t.Fatalf("%s %q: status %d: %s%s", name, args, status, out, errs)
		}
		return out
	}
	run("ssh-add", "-q", key)
	if out := run("ssh", "-A", "-F", config, h.host(), "ssh-add -l"); !strings.Contains(out, "key of a test") {
		t.Errorf("inside there is %q", out)
	}
	if out := run("ssh", "-F", config, h.host(), "ssh-add -l 2>&1 || true"); strings.Contains(out, "key of a test") {
		t.Errorf("not asked for, inside there is %q", out)
	}
}

// What somebody does over ssh is as much use of a workspace as what they do in a terminal.
func TestTheAgentSeesTerminalsOfSSH(t *testing.T) {
	h, config := sshHouse(t)
	cmd := exec.Command("ssh", "-tt", "-F", config, h.host(), "sleep 300; read x")
	cmd.Env = h.path()
	term, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = term.Close(); _ = cmd.Wait() }()
	report := func() (r agentapi.Report) {
		out := h.ok("exec", "s", "--", "node", "-e", `require("http").get({socketPath:"`+agentapi.Socket+`",path:"`+agentapi.PathReport+`"},r=>r.pipe(process.stdout))`)
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v: %q", err, out)
		}
		return r
	}
	seen := func(interactive bool) func(context.Context) bool {
		return func(context.Context) bool {
			return slices.ContainsFunc(report().Ttys, func(y agentapi.Tty) bool { return y.Interactive == interactive && y.Terminal == "" })
		}
	}
	wstest.Until(t, patience, "a command that works on it", seen(false))
	h.ok("exec", "s", "--", "pkill", "sleep")
	wstest.Until(t, patience, "a shell that waits for a line", seen(true))
}
