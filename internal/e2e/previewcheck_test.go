package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

// givesFile puts a file of testdata into a workspace.
func (h *house) givesFile(name, file, to string) {
	h.t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", file))
	if err != nil {
		h.t.Fatal(err)
	}
	h.ok("cp", path, name+":"+to)
}

// says waits until a file inside has a word, or tells of a program that has ended.
func (h *house) says(name, file, word string) {
	h.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		text := h.ok("exec", name, "--", "cat", file)
		if strings.Contains(text, word) {
			return
		}
		if strings.Contains(text, "Node.js v") || time.Now().After(end) {
			h.t.Fatalf("%s does not say %q: %s", file, word, text)
		}
	}
}

// check is what `wsctl preview --check` finds; the exit status has to fit.
func (h *house) check(name string, port int) (found api.PreviewCheck) {
	h.t.Helper()
	out, errs, status := h.Wsctl("preview", name, "--check", "--json", "--port", strconv.Itoa(port))
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		h.t.Fatalf("port %d: status %d: %s%s", port, status, out, errs)
	}
	if want := map[bool]int{true: 0, false: 1}[found.Works]; status != want {
		h.t.Errorf("port %d: exit status %d: %s", port, status, out)
	}
	return found
}

// Real dev servers, as they are and with what goes wrong with them behind a proxy.
func TestALookFindsWhatIsWrongWithRealDevServers(t *testing.T) {
	t.Parallel() // it mostly waits
	h, door := doored(t)
	h.ordinary("site", "--port", "5173", "--env", "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt", "--memory", "1g")
	h.givesFile("site", "preview/servers.mjs", "/tmp/servers.mjs")
	script, err := os.ReadFile(filepath.Join("testdata", "preview", "servers.sh"))
	if err != nil {
		t.Fatal(err)
	}
	h.ok("exec", "site", "--", "sh", "-ec", string(script))
	h.says("site", "/tmp/servers.log", "all listen")
	_, front, _ := net.SplitHostPort(door)
	for _, tt := range []struct {
		name       string
		port       int
		kind, code string // code "": it works
		says       string
	}{
		{"Vite", 5173, "vite", "", "ws://site.localhost:" + front + "/ opens (101)"},
		{"Vite with ws.clientPort", 5174, "vite", "client_port", "or set it to " + front},
		{"Vite with hmr.protocol", 5175, "vite", "client_protocol", "server.ws.protocol"},
		{"Vite with ws.port", 5176, "vite", "hmr_port", "24999"},
		{"Vite as middleware", 5177, "vite", "hmr_port", "server.ws.server"},
		{"a proxy that changes nothing", 5178, "vite", "", "opens (101)"},
		{"a proxy that changes the host of upgrades", 5179, "vite", "host_refused", "the page answers 200, and the upgrade of ws://5179.site.localhost:" + front + "/ 400: Host not allowed"},
		{"a proxy that changes every host", 5180, "", "host_refused", "server.allowedHosts"},
		{"a proxy without upgrades", 5181, "vite", "not_upgraded", "ws: true"},
		{"webpack-dev-server", 8081, "webpack", "client_port", "auto://0.0.0.0:0/ws"},
		{"webpack-dev-server with an address of the page", 8082, "webpack", "", "/ws opens (101)"},
		{"esbuild", 8083, "", "host_refused", "esbuild serves localhost"},
		{"nothing", 8084, "", "not_listening", "5173 (node)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := h.check("site", tt.port)
			last, kind := found.Checks[len(found.Checks)-1], ""
			if found.Server != nil {
				kind = found.Server.Kind
			}
			if last.Code != tt.code || kind != tt.kind || found.Works != (tt.code == "") {
				t.Errorf("%s %s, want %s %s: %+v", kind, last.Code, tt.kind, tt.code, found.Checks)
			}
			if !strings.Contains(last.Detail+" "+last.Hint, tt.says) {
				t.Errorf("it says %q, %q, without %q", last.Detail, last.Hint, tt.says)
			}
		})
	}
	for _, s := range h.why("site").Sessions {
		if s.User == "front-door" {
			t.Errorf("looks have made a session: %+v", s)
		}
	}
}

// In a real browser, behind the door: a module of webpack's is replaced in place, and what the
// page holds is kept. A look says that it works while it does.
func TestHotReplacementOfWebpackKeepsThePage(t *testing.T) {
	t.Parallel() // it mostly waits
	h, door := doored(t)
	w, tab := h.devServer(t, door, "", filepath.Join("preview", "webpack.sh"))
	load := tab.load()
	if found := h.check(w.Name, 5173); !found.Works || found.Server.Kind != "webpack" {
		t.Errorf("a look finds %+v", found)
	}
	begun := time.Now()
	const times = 10
	for v := range times {
		h.writes(w, fmt.Sprintf("export const version = %d;", v+1))
		tab.shows(fmt.Sprintf("version %d", v+1))
	}
	t.Logf("from a write to the page's word, with both ways there: %v each", (time.Since(begun) / times).Round(time.Millisecond))
	if got := tab.load(); got != load {
		t.Error("the page was loaded anew")
	}
}
