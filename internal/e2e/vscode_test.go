package e2e_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
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

// codeServer is the npm package whose lib/vscode is a build of VS Code's own remote server
// for the node of the test image, and codeModules what that needs of others to start.
const codeServer = "code-server@4.96.4"

var codeModules = []string{
	"@microsoft/1ds-core-js@3", "@microsoft/1ds-post-js@3", "@vscode/proxy-agent@0.27", "@vscode/deviceid@0.1",
	"@vscode/iconv-lite-umd@0.7", "@vscode/ripgrep@1.15", "@vscode/spdlog@0.15", "cookie@0.7", "jschardet@3.1.4", "minimist@1", "vscode-regexpp@3", "yauzl@3", "yazl@2",
}

// packVSCode makes an archive of the server, as an editor sends it. npm keeps what it has
// fetched, so a second run needs no registry.
func packVSCode(t *testing.T) (archive string) {
	t.Helper()
	dir := t.TempDir()
	archive = filepath.Join(dir, "server.tgz")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", `
npm pack --silent --prefer-offline "$1" >/dev/null
tar -xzf code-server-*.tgz --exclude='*.map' package/lib/vscode/out package/lib/vscode/package.json package/lib/vscode/product.json
cd package/lib/vscode
mv package.json ../server.json
echo '{"private":true}' >package.json
shift
npm install --silent --prefer-offline --no-audit --no-fund --ignore-scripts --legacy-peer-deps "$@"
mv ../server.json package.json
tar -czf ../../../server.tgz out node_modules package.json product.json`, "sh", codeServer)
	cmd.Args = append(cmd.Args, codeModules...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm cannot fetch VS Code's server; scripts/test.sh installs node and npm: %v\n%s", err, out)
	}
	return archive
}

// vscodeStart is what the editor's ssh extension runs: the server in the background, its
// log in a file, and the port that it says it listens on.
const vscodeStart = `
set -u
umask 077
DIR="$HOME/.vscode-server"
mkdir -p "$DIR/bin" && tar -xzf "$DIR/server.tgz" -C "$DIR/bin" || exit 1
echo hush >"$DIR/token"
node "$DIR/bin/out/server-main.js" --start-server --host=127.0.0.1 --port=0 --connection-token-file "$DIR/token" \
  --accept-server-license-terms --telemetry-level off --server-data-dir "$DIR/data" >"$DIR/log" 2>&1 </dev/null &
for i in $(seq 1 1200); do
  port=$(sed -n 's/^Extension host agent listening on //p' "$DIR/log") && [ -n "$port" ] && break
  sleep 0.05
done
[ -n "$port" ] || cat "$DIR/log" >&2
echo "$port"
`

// vscode is one connection of an editor to its server, in the protocol of
// src/vs/base/parts/ipc/common/ipc.net.ts: type, id, acknowledged id and length, then data.
type vscode struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

const vscodeControl = 2

// dialVSCode upgrades a connection to the server; token names the editor's session.
func dialVSCode(t *testing.T, address, host, token string, again bool) *vscode {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET /?reconnectionToken=%s&reconnection=%t&skipWebSocketFrames=true HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", token, again, host)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no upgrade: %+v %v", res, err)
	}
	return &vscode{t, conn, in}
}

func (v *vscode) say(message any) {
	v.t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		v.t.Fatal(err)
	}
	header := make([]byte, 13)
	header[0] = vscodeControl
	binary.BigEndian.PutUint32(header[9:], uint32(len(text)))
	if _, err := v.conn.Write(append(header, text...)); err != nil {
		v.t.Fatal(err)
	}
}

// hear returns the type and text of the next message that has one.
func (v *vscode) hear() (kind byte, text string) {
	v.t.Helper()
	for {
		header := make([]byte, 13)
		if _, err := io.ReadFull(v.in, header); err != nil {
			v.t.Fatalf("the server is silent: %v", err)
		}
		body := make([]byte, binary.BigEndian.Uint32(header[9:]))
		if _, err := io.ReadFull(v.in, body); err != nil {
			v.t.Fatalf("the server stops in a message: %v", err)
		}
		if len(body) > 0 {
			return header[0], string(body)
		}
	}
}

// What an editor connects for.
const (
	forManagement = 1
	forExtensions = 2
)

// join shakes hands as an editor does and returns the server's last word.
func (v *vscode) join(commit string, purpose int) string {
	v.t.Helper()
	v.say(map[string]any{"type": "auth", "auth": "hush", "data": "x"})
	if _, text := v.hear(); !strings.Contains(text, `"type":"sign"`) {
		v.t.Fatalf("the server answers %s", text)
	}
	v.say(map[string]any{
		"type": "connectionType", "commit": commit, "signedData": "x", "desiredConnectionType": purpose,
		"args": map[string]any{"language": "en"},
	})
	kind, text := v.hear()
	if kind != vscodeControl {
		v.t.Fatalf("the server answers with a message of type %d: %q", kind, text)
	}
	return text
}

// VS Code's own remote server, sent and started over ssh as its extension does it. The
// editor's connections go through a forwarded port, are taken up again after a cut, and the
// front door carries them as well.
func TestVSCodesOwnServerIsReachedOverSSHAndByTheFrontDoor(t *testing.T) {
	archive := packVSCode(t)
	h, door := doored(t)
	h.ordinary("s")
	h.ok("ssh-config", "--write")
	e := &editor{h, filepath.Join(h.home, ".ssh", "config")}
	h.run(nil, "ssh", "-F", e.config, h.host(), "mkdir -p ~/.vscode-server")
	h.run(nil, "scp", "-q", "-F", e.config, archive, h.host()+":.vscode-server/server.tgz")
	inside := strings.TrimSpace(h.run([]byte(vscodeStart), "ssh", "-F", e.config, "-T", h.host(), "sh"))
	t.Cleanup(func() {
		if t.Failed() {
			out, _, _ := h.Wsctl("exec", "s", "--", "sh", "-c", "cat .vscode-server/log; find .vscode-server/data/logs -type f -exec tail -n 20 {} +")
			t.Logf("the server's log: %s", out)
		}
	})

	local := freeAddress(t)
	tunnel := e.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-L", local+":127.0.0.1:"+inside, h.host())
	tunnel.Stderr = os.Stderr
	if err := tunnel.Start(); err != nil {
		t.Fatal(err)
	}
	cut := func() { _ = tunnel.Process.Kill(); _ = tunnel.Wait() }
	defer cut()
	var commit string
	wstest.Until(t, patience, "the server says its version", func(ctx context.Context) (ok bool) {
		text, err := fetched(ctx, http.DefaultClient, "http://"+local+"/version")
		commit = text
		return err == nil && len(text) == 40
	})
	const session, extensions = "6e6f7420-7265-616c-6c79-20612067756964", "6e6f7420-7265-616c-6c79-20612067756965"
	if got := dialVSCode(t, local, local, session, false).join(commit, forManagement); got != `{"type":"ok"}` {
		t.Errorf("a session begins with %s", got)
	}
	x := dialVSCode(t, local, local, extensions, false)
	if got := x.join(commit, forExtensions); !strings.Contains(got, "debugPort") && got != "{}" {
		t.Errorf("the host of extensions begins with %s", got)
	}
	if kind, text := x.hear(); kind == vscodeControl || text != "\x02" { // MessageType.Ready
		t.Errorf("the host of extensions says %d %q", kind, text)
	}

	cut() // a lid that closes
	_, port, _ := net.SplitHostPort(door)
	host := inside + ".s.localhost:" + port
	if got := dialVSCode(t, door, host, session, true).join(commit, forManagement); got != `{"type":"ok"}` {
		t.Errorf("by the front door the session goes on with %s", got)
	}
	if status, body, err := get(door, host); status != http.StatusForbidden {
		t.Errorf("a page without the token: %d %q %v", status, body, err) // the server's own answer
	}
}
