package e2e_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/wsctl/wsctl/internal/wstest"
)

// person is somebody with a house, whose key for a git server is in an ssh agent alone.
type person struct {
	*house
	agent  string // socket
	public ssh.PublicKey
}

func newPerson(t *testing.T) *person {
	t.Helper()
	p := &person{house: newHouse(t)}
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	p.agent = startSSHAgent(t, dir)
	p.run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	p.run(nil, "env", "SSH_AUTH_SOCK="+p.agent, "ssh-add", "-q", key)
	text, err := os.ReadFile(key + ".pub")
	if err == nil {
		p.public, _, _, _, err = ssh.ParseAuthorizedKey(text)
	}
	if err == nil {
		err = os.Remove(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func startSSHAgent(t *testing.T, dir string) (socket string) {
	t.Helper()
	socket = filepath.Join(dir, "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	wstest.Until(t, patience, "the ssh agent listens", func(context.Context) bool { _, err := os.Stat(socket); return err == nil })
	return socket
}

// wsctl is a command of the person's, with an ssh agent unless that is "".
func (p *person) wsctl(agent string, args ...string) *exec.Cmd {
	cmd := p.Command("wsctl", args...)
	cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+agent)
	return cmd
}

// clone is the command that makes a workspace from a repository.
func (p *person) clone(agent, name, url string) *exec.Cmd {
	p.t.Helper()
	image, err := debian()
	if err != nil {
		p.t.Fatal(err)
	}
	return p.wsctl(agent, "create", name, "--image", image, "--profile", "writable", "--memory", "512m", "--git", url)
}

// knows replaces what the person's known_hosts says of the server.
func (p *person) knows(g *gitServer, key gossh.PublicKey) {
	p.t.Helper()
	file := filepath.Join(p.home, ".ssh", "known_hosts")
	line := "[" + g.host + "]:" + g.port + " " + string(gossh.MarshalAuthorizedKey(key))
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(line), 0o600)); err != nil {
		p.t.Fatal(err)
	}
}

// gitServer serves a private repository by ssh where containers reach it.
type gitServer struct {
	url, host, port string
	key             gossh.PublicKey
	logins          atomic.Int32
	asked           chan struct{} // told of each connection; room for many
	gate            chan struct{} // a connection goes on when it is closed
}

func newKey(t *testing.T) gossh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// serveOverSSH lets in who has the key allowed. It is shut until g.gate is closed.
func serveOverSSH(t *testing.T, d wstest.Docker, allowed ssh.PublicKey) *gitServer {
	t.Helper()
	dir, signer := makeRepository(t), newKey(t)
	l, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t, d), "0"))
	if err != nil {
		t.Fatal(err)
	}
	g := &gitServer{key: signer.PublicKey(), asked: make(chan struct{}, 64), gate: make(chan struct{})}
	g.host, g.port, _ = net.SplitHostPort(l.Addr().String())
	g.url = "ssh://git@" + l.Addr().String() + "/demo.git"
	server := &ssh.Server{
		HostSigners: []ssh.Signer{signer},
		ConnCallback: func(_ ssh.Context, conn net.Conn) net.Conn {
			g.asked <- struct{}{}
			<-g.gate
			return conn
		},
		PublicKeyHandler: func(ctx ssh.Context, key ssh.PublicKey) bool {
			return ctx.User() == "git" && ssh.KeysEqual(key, allowed)
		},
		Handler: func(s ssh.Session) {
			g.logins.Add(1)
			cmd := exec.Command("git", "upload-pack", filepath.Join(dir, "demo.git"))
			cmd.Stdin, cmd.Stdout, cmd.Stderr = s, s, s.Stderr()
			if s.RawCommand() != "git-upload-pack '/demo.git'" || cmd.Run() != nil {
				_ = s.Exit(1)
			}
		},
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return g
}

func (g *gitServer) open() *gitServer { close(g.gate); return g }

func TestAPrivateRepositoryIsClonedWithTheSSHAgentOfWhoAsks(t *testing.T) {
	p := newPerson(t)
	g := serveOverSSH(t, p.docker, p.public).open()
	p.knows(g, g.key)
	out, errs, status := wstest.Output(t, p.clone(p.agent, "lent", g.url))
	if status != 0 || !strings.Contains(errs, "lent to the clone") || strings.Contains(errs, "known_hosts") {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	if g.logins.Load() == 0 {
		t.Fatal("nobody logged in")
	}
	if out := p.ok("exec", "lent", "--", "make"); out != "built by make\n" {
		t.Errorf("make wrote %q", out)
	}
	// Neither the agent nor the host keys are there afterwards.
	left := p.ok("exec", "lent", "--", "sh", "-c", `git status --porcelain; ls -A /tmp /run/secrets | grep -v :; find / -xdev -type s 2>/dev/null; echo "agent=$SSH_AUTH_SOCK"; ls -d /workspace/.ssh 2>/dev/null; true`)
	if strings.TrimSpace(left) != "agent=" {
		t.Errorf("left inside: %q", left)
	}
	_, errs, status = wstest.Output(t, p.wsctl(p.agent, "exec", "lent", "--", "env", "GIT_SSH_COMMAND=ssh -o StrictHostKeyChecking=no", "git", "fetch"))
	if status == 0 || !strings.Contains(errs, "Permission denied") {
		t.Errorf("later the key can be used: status %d: %s", status, errs)
	}
}

func TestACloneWithoutTheRightKeyFailsInWords(t *testing.T) {
	p := newPerson(t)
	g := serveOverSSH(t, p.docker, p.public).open()
	other := startSSHAgent(t, t.TempDir())
	tests := []struct {
		name, agent string
		known       gossh.PublicKey
		code, hint  string
	}{
		{"no agent", "", g.key, "git_denied", "wsctl lends the agent to the clone"},
		{"an agent that is gone", filepath.Join(t.TempDir(), "gone"), g.key, "git_denied", "wsctl lends the agent to the clone"},
		{"an agent without the key", other, g.key, "git_denied", "ssh-add -l"},
		{"a server that is another one", p.agent, newKey(t).PublicKey(), "git_host_key", "ssh-keygen -R"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.knows(g, tt.known)
			name := "x" + string(rune('a'+i))
			_, errs, status := wstest.Output(t, p.clone(tt.agent, name, g.url))
			if status != 6 || !strings.Contains(errs, "["+tt.code+"]") || !strings.Contains(errs, tt.hint) {
				t.Errorf("status %d: %s", status, errs)
			}
			p.ok("delete", name, "--force")
		})
	}
	if g.logins.Load() > 0 {
		t.Error("somebody was let in")
	}
}

func TestAnUnknownHostKeyIsTakenWithAWarning(t *testing.T) {
	p := newPerson(t)
	g := serveOverSSH(t, p.docker, p.public).open()
	_, errs, status := wstest.Output(t, p.clone(p.agent, "lent", g.url))
	if status != 0 || !strings.Contains(errs, "known_hosts has no key of ["+g.host+"]:"+g.port) {
		t.Fatalf("status %d: %s", status, errs)
	}
}

func TestAWsdThatRestartsInTheMiddleIsLentTheAgentAgain(t *testing.T) {
	p := newPerson(t)
	g := serveOverSSH(t, p.docker, p.public)
	cmd := p.clone(p.agent, "lent", g.url)
	done := make(chan error, 1)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- cmd.Wait() }()
	<-g.asked
	p.Kill()
	p.Start()
	<-g.asked
	g.open()
	if err := <-done; err != nil {
		t.Errorf("create: %v", err)
	}
	if out := p.ok("exec", "lent", "--", "make"); out != "built by make\n" {
		t.Errorf("make wrote %q", out)
	}
}

func TestAWsctlThatIsKilledTakesItsAgentAlongAndStartTriesAgain(t *testing.T) {
	p := newPerson(t)
	g := serveOverSSH(t, p.docker, p.public)
	cmd := p.clone(p.agent, "lent", g.url)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-g.asked
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	g.open()
	_, errs, status := wstest.Output(t, p.wsctl("", "wait", "lent", "--for", "ready"))
	if status == 0 || !strings.Contains(p.ok("show", "lent"), "ssh agent") {
		t.Errorf("status %d: %s, and it shows %s", status, errs, p.ok("show", "lent"))
	}
	if _, errs, status := wstest.Output(t, p.wsctl(p.agent, "start", "lent")); status != 0 {
		t.Fatalf("start: status %d: %s", status, errs)
	}
	if out := p.ok("exec", "lent", "--", "make"); out != "built by make\n" {
		t.Errorf("make wrote %q", out)
	}
}

// A clone that was denied is tried again from the dashboard as by wsctl start: with what the
// person's ssh agent has by then.
func TestTheDashboardStartsACloneAgainWithTheSSHAgent(t *testing.T) {
	p := newPerson(t)
	g := serveOverSSH(t, p.docker, p.public).open()
	p.knows(g, g.key)
	for _, name := range []string{"late", "later"} {
		if _, errs, status := wstest.Output(t, p.clone("", name, g.url)); status != 6 {
			t.Fatalf("%s without an agent: status %d: %s", name, status, errs)
		}
	}
	d := dash{p.terminal()}
	d.types("SSH_AUTH_SOCK=" + p.agent + " wsctl dash")
	d.sees("2 failed").keys("s").sees("1 running") // what is told meanwhile may be gone before anybody looks
	d.keys("Down", "r").sees("2 running")
	for _, name := range []string{"late", "later"} {
		if out := p.ok("exec", name, "--", "make"); out != "built by make\n" {
			t.Errorf("in %s make wrote %q", name, out)
		}
	}
}
