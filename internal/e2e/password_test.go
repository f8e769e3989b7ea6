package e2e_test

import (
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/wstest"
)

// serveWithPassword serves a repository over HTTP to alice alone, where containers reach it.
func serveWithPassword(t *testing.T, d wstest.Docker, password string) (url string) {
	t.Helper()
	dir := makeRepository(t)
	core, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	git := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
	}
	l, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t, d), "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, given, _ := r.BasicAuth(); user != "alice" || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		git.ServeHTTP(w, r)
	}))
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s.URL + "/demo.git"
}

// remembers is a person's git that has this password of alice's stored for url.
func (h *house) remembers(url, password string) {
	h.t.Helper()
	scheme, host, _ := strings.Cut(url, "://")
	host, _, _ = strings.Cut(host, "/")
	store := filepath.Join(h.home, ".git-credentials")
	if err := os.WriteFile(store, []byte(scheme+"://alice:"+password+"@"+host+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.run(nil, "git", "config", "--global", "credential.helper", "store")
}

func TestACloneThatWasDeniedIsTriedAgainWithTheCredentialOfTheDay(t *testing.T) {
	h := newHouse(t)
	url := serveWithPassword(t, h.docker, "right-4711")
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	h.remembers(url, "wrong-4711")
	_, errs, status := h.Wsctl("create", "demo", "--image", image, "--profile", "writable", "--memory", "512m", "--git", url)
	if status != 6 || !strings.Contains(errs, "[git_denied]") || !strings.Contains(errs, "wsctl start demo") {
		t.Fatalf("with a wrong password: status %d: %s", status, errs)
	}
	if _, errs, status := h.Wsctl("start", "demo"); status != 6 || !strings.Contains(errs, "[git_denied]") {
		t.Fatalf("still with a wrong password: status %d: %s", status, errs)
	}
	h.Kill() // whatever wsd remembers is gone
	h.Start()
	h.remembers(url, "right-4711")
	h.ok("start", "demo")
	if out := h.ok("exec", "demo", "--", "make"); out != "built by make\n" {
		t.Errorf("make wrote %q", out)
	}
	left := h.ok("exec", "demo", "--", "sh", "-c", "ls -A /run/secrets; grep -r -e -4711 /workspace /run/secrets /tmp 2>/dev/null; true")
	if left != "" {
		t.Errorf("left inside: %q", left)
	}
	// Hashes have digits of their own, but no dash.
	for _, told := range [][]string{{"show", "demo", "--json"}, {"events", "--json"}, {"jobs", "ls", "--json"}, {"logs", "demo"}} {
		if out := h.ok(told...); strings.Contains(out, "-4711") {
			t.Errorf("wsctl %s tells the password: %s", strings.Join(told, " "), out)
		}
	}
	h.ok("restart", "demo") // nothing is cloned any more, and nothing is asked for
}
