package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wsctl/wsctl/internal/wstest"
)

// serverStart is what an editor's remote extension does first: a script over standard
// input that looks at the machine, unpacks a server that was sent before, starts it in the
// background and prints where it listens. The last line is read when the editor ends.
const serverStart = `
set -u
echo "d3a0: start"
umask 077
DIR="$HOME/.editor-server"
mkdir -p "$DIR/bin"
[ "$(uname -s)" = Linux ] && [ -n "$(uname -m)" ] && [ "$(id -u)" -gt 0 ] || { echo "unsupported"; exit 1; }
command -v tar >/dev/null && command -v wget >/dev/null || command -v curl >/dev/null || echo "no download"
tar -xzf "$DIR/server.tgz" -C "$DIR/bin" || { echo "cannot unpack"; exit 1; }
node "$DIR/bin/server.js" "$DIR/server.sock" >"$DIR/log" 2>&1 </dev/null &
echo "$!" >"$DIR/pid"
for i in $(seq 1 400); do
  line=$(grep -m1 '^listening on ' "$DIR/log") && break
  sleep 0.05
done
echo "d3a0: listeningOn==${line#listening on }=="
read -r goodbye
`

// server is a small editor's server: HTTP and an upgraded connection, on a port of the
// loopback and on a unix socket.
const server = `
const http = require("http");
const answer = (q, r) => { r.setHeader("Content-Type", "text/plain"); r.end(q.url === "/big" ? Buffer.alloc(3 << 20, "x") : process.pid + " " + q.url); };
const upgrade = (q, s) => { s.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); s.on("error", () => {}); s.pipe(s); };
const tcp = http.createServer(answer).on("upgrade", upgrade);
http.createServer(answer).on("upgrade", upgrade).listen(process.argv[2]);
tcp.listen(0, "127.0.0.1", () => console.log("listening on 127.0.0.1:" + tcp.address().port));
`

// editor is an editor at one end of ssh.
type editor struct {
	*house
	config string
}

// newEditor sends the server by scp, as an editor does where nothing can be downloaded.
func newEditor(t *testing.T) *editor {
	t.Helper()
	h, config := sshHouse(t)
	e := &editor{h, config}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server.js"), []byte(server), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run(nil, "tar", "-czf", filepath.Join(dir, "server.tgz"), "-C", dir, "server.js")
	h.run(nil, "ssh", "-F", config, h.host(), "mkdir -p ~/.editor-server")
	h.run(nil, "scp", "-q", "-F", config, filepath.Join(dir, "server.tgz"), h.host()+":.editor-server/")
	return e
}

// ssh is a command of OpenSSH's client.
func (e *editor) ssh(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(e.t.Context(), "ssh", append([]string{"-F", e.config}, args...)...)
	cmd.Env = e.path()
	return cmd
}

// connect starts the server and returns its address inside, a client that goes through the
// connection's own SOCKS proxy, and what ends the connection.
func (e *editor) connect() (server string, through *http.Client, cmd *exec.Cmd) {
	e.t.Helper()
	socks := freeAddress(e.t)
	_, port, _ := net.SplitHostPort(socks)
	cmd = e.ssh("-T", "-D", port, "-o", "ConnectTimeout=15", e.host(), "sh")
	in, err := cmd.StdinPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := io.WriteString(in, serverStart); err != nil {
		e.t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if _, rest, ok := strings.Cut(lines.Text(), "listeningOn=="); ok {
			server = strings.TrimSuffix(rest, "==")
			break
		}
	}
	if server == "" {
		e.t.Fatalf("the server does not start: %q", said)
	}
	proxy := &url.URL{Scheme: "socks5", Host: socks}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	e.t.Cleanup(transport.CloseIdleConnections)
	return server, &http.Client{Transport: transport}, cmd
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// fetched returns what the server says, or the error.
func fetched(ctx context.Context, c *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// echoes upgrades a connection to the server and has a line echoed.
func echoes(t *testing.T, c *http.Client, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	res, err := c.Do(req)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no upgrade: %v %v", res, err)
	}
	both, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatal("the upgraded connection goes one way")
	}
	defer both.Close()
	if _, err := io.WriteString(both, "typed\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(both).ReadString('\n'); line != "typed\n" {
		t.Errorf("echoed %q, %v", line, err)
	}
}

// The server that an editor starts over ssh is reached through that connection, and is
// still the same when the connection was cut and made again.
func TestAnEditorsServerIsStartedOverSSH(t *testing.T) {
	e := newEditor(t)
	at, through, cmd := e.connect()
	first, err := fetched(t.Context(), through, "http://"+at+"/first")
	if err != nil || !strings.HasSuffix(first, " /first") {
		t.Fatalf("through the proxy: %q, %v", first, err)
	}
	if big, err := fetched(t.Context(), through, "http://"+at+"/big"); err != nil || len(big) != 3<<20 {
		t.Errorf("of 3 MiB came %d bytes, %v", len(big), err)
	}
	echoes(t, through, "http://"+at+"/")
	pid, _, _ := strings.Cut(first, " ")
	_ = cmd.Process.Kill() // a lid that closes
	_ = cmd.Wait()
	local := filepath.Join(t.TempDir(), "editor.sock")
	again := e.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-L", local+":/workspace/.editor-server/server.sock", e.host())
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Process.Kill(); _ = again.Wait() }()
	unix := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", local)
	}}}
	defer unix.CloseIdleConnections()
	var second string
	wstest.Until(t, patience, "the socket is forwarded", func(ctx context.Context) bool {
		second, err = fetched(ctx, unix, "http://editor/second")
		return err == nil
	})
	if second != pid+" /second" {
		t.Errorf("after the connection was cut the server is %q, want %s: %v", second, pid, err)
	}
	echoes(t, unix, "http://editor/")
}

// An editor makes one connection and opens everything else inside it.
func TestManySessionsShareOneSSHConnection(t *testing.T) {
	e := newEditor(t)
	dir := t.TempDir()
	control := filepath.Join(dir, "control")
	agent := startSSHAgent(t, dir)
	e.run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "key of a test", "-f", filepath.Join(dir, "key"))
	e.run(nil, "env", "SSH_AUTH_SOCK="+agent, "ssh-add", "-q", filepath.Join(dir, "key"))
	master := e.ssh("-N", "-A", "-M", "-S", control, e.host())
	master.Env = append(master.Env, "SSH_AUTH_SOCK="+agent)
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = master.Process.Kill(); _ = master.Wait() }()
	wstest.Until(t, patience, "the connection is there", func(context.Context) bool {
		return e.ssh("-S", control, "-O", "check", e.host()).Run() == nil
	})
	shared := func(args ...string) (string, string, int) {
		cmd := e.ssh(append([]string{"-S", control}, args...)...)
		cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+agent)
		return wstest.Output(t, cmd)
	}
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			if out, errs, status := shared(e.host(), fmt.Sprintf("sleep 0.2; echo %d; exit %d", i, i)); status != i || out != fmt.Sprintf("%d\n", i) {
				t.Errorf("session %d: status %d: %q %s", i, status, out, errs)
			}
		})
	}
	group.Wait()
	if out, errs, status := shared("-A", e.host(), "ssh-add -l"); status != 0 || !strings.Contains(out, "key of a test") {
		t.Errorf("the ssh agent: status %d: %s%s", status, out, errs)
	}
	at, _, _ := e.connect()
	_, port, _ := net.SplitHostPort(at)
	local := freeAddress(t)
	if _, errs, status := shared("-O", "forward", "-L", local+":localhost:"+port, e.host()); status != 0 {
		t.Fatalf("a forwarding is refused: %s", errs)
	}
	if got, err := fetched(t.Context(), http.DefaultClient, "http://"+local+"/x"); err != nil || !strings.HasSuffix(got, " /x") {
		t.Errorf("through a forwarding that came later: %q, %v", got, err)
	}
	if _, errs, status := shared("-O", "cancel", "-L", local+":localhost:"+port, e.host()); status != 0 {
		t.Errorf("it cannot be taken back: %s", errs)
	}
	remote := freeAddress(t)
	l, err := net.Listen("tcp", remote)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "from outside") }))
	}() //nolint:gosec // a test
	back, errs, status := shared("-O", "forward", "-R", "0:"+remote, e.host())
	if status != 0 {
		t.Fatalf("a forwarding back is refused: %s", errs)
	}
	if out := e.ok("exec", "s", "--", "node", "-e", `fetch("http://127.0.0.1:`+strings.TrimSpace(back)+`/").then(r=>r.text()).then(t=>console.log(t))`); out != "from outside\n" {
		t.Errorf("back through the connection: %q", out)
	}
}

// What a person ran in the foreground does not go on without them.
func TestACommandOfSSHEndsWithItsConnection(t *testing.T) {
	h, config := sshHouse(t)
	e := &editor{h, config}
	for name, args := range map[string][]string{"pipes": {"-T"}, "a terminal": {"-tt"}} {
		t.Run(name, func(t *testing.T) {
			cmd := e.ssh(append(args, e.host(), "sleep 4242")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			runs := func(context.Context) bool {
				_, _, status := h.Wsctl("exec", "s", "--", "pgrep", "-f", "sleep 4242$")
				return status == 0
			}
			wstest.Until(t, patience, "it runs", runs)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			wstest.Until(t, patience, "it has ended", func(ctx context.Context) bool { return !runs(ctx) })
		})
	}
}
