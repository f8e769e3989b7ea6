package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/gateway"
	"github.com/wsctl/wsctl/internal/wstest"
)

// npmWS is the client library that strangers use.
const npmWS = "ws@8.18.3"

// withWS returns a folder in which npm's ws is installed. npm keeps what it has fetched,
// so a second run needs no registry.
func withWS(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs node and npm")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", npmWS)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm cannot install %s; scripts/test.sh installs node and npm: %v\n%s", npmWS, err, out)
	}
	return dir
}

// script is a program for Node.js that takes words and prints JSON objects.
type script struct {
	t     *testing.T
	in    io.Writer
	lines chan map[string]any
}

func runScript(t *testing.T, dir, name string, args ...string) *script {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "gateway", name))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{path}, args...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &script{t, in, make(chan map[string]any, 1000)}
	go func() {
		defer close(s.lines)
		for l := bufio.NewScanner(out); l.Scan(); {
			var o map[string]any
			if json.Unmarshal(l.Bytes(), &o) == nil {
				s.lines <- o
			}
		}
	}()
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return s
}

func (s *script) say(word string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, word+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// next returns the next object that has a key.
func (s *script) next(key string) map[string]any {
	s.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case o, ok := <-s.lines:
			if !ok {
				s.t.Fatalf("the script ended before it printed %s", key)
			}
			if o["error"] != nil || o["broken"] != nil {
				s.t.Fatalf("the script was told %v", o)
			}
			if _, has := o[key]; has {
				return o
			}
		case <-limit:
			s.t.Fatalf("the script never printed %s", key)
		}
	}
}

// visit joins as somebody else, until the function that it returns is called.
func visit(t *testing.T, d *wstest.Daemon, ref string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	there, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		told := false
		for u, err := range d.Subscribe(ctx, client.SubscribeOptions{Workspace: ref}) {
			if err != nil {
				return
			}
			if u.Frame != nil && u.Frame.Type == api.FramePresence && !told {
				told = true
				close(there)
			}
		}
	}()
	<-there
	return func() { cancel(); <-done }
}

func scriptsOf(t *testing.T, d *wstest.Daemon) map[string][]string {
	served := filepath.Join(t.TempDir(), "client.mjs")
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.Config.Socket)
	}}}
	resp, err := c.Get("http://wsd/v1/client.js")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != string(gateway.Script) || resp.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Fatalf("the module is served as %s, %v", resp.Header.Get("Content-Type"), err)
	}
	if err := os.WriteFile(served, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string][]string{"stranger.mjs": nil, "module.mjs": {served}}
}

// What docs/gateway.md says is enough for a client in another language, and the module
// that wsd serves does the same by itself.
func TestClientsInJavaScriptJoinSeeOthersDropAndResume(t *testing.T) {
	dir := withWS(t)
	d := wstest.Start(t)
	scripts := scriptsOf(t, d)
	for name, more := range scripts {
		t.Run(name, func(t *testing.T) {
			w, err := d.Create(t.Context(), api.Create{Name: name[:len(name)-4], Image: "wsd:base"}, "")
			if err != nil {
				t.Fatal(err)
			}
			s := runScript(t, dir, name, append([]string{d.Config.Socket, w.Name}, more...)...)
			joined := s.next("joined")
			if joined["recovered"] != false || joined["session"] == nil || s.next("snapshot")["snapshot"] != w.Name {
				t.Fatalf("joined with %v", joined)
			}
			if p := s.next("presence"); p["presence"] != "members" || len(p["members"].([]any)) != 1 {
				t.Fatalf("there are %v", p)
			}
			leave := visit(t, d, w.Name)
			if p := s.next("presence"); p["presence"] != "join" || p["member"] == joined["member"] {
				t.Fatalf("who came is %v", p)
			}
			leave()
			for s.next("presence")["presence"] != "leave" {
			}
			last := relabel(t, d, w.Name, 1, s)
			s.say("drop")
			if name == "stranger.mjs" {
				s.next("closed")
			} else {
				for s.next("link")["link"] != "lost" {
				}
			}
			relabel(t, d, w.Name, 5, nil)
			if name == "stranger.mjs" { // the module comes back by itself
				s.say("back")
			}
			again := s.next("joined")
			if again["recovered"] != true || again["session"] != joined["session"] {
				t.Fatalf("it came back as %v, before: %v", again, joined)
			}
			for updates := 0; updates < 5; last++ {
				f := s.next("frame")
				if f["seq"] != last+1 {
					t.Fatalf("frame %v follows %v", f, last)
				}
				if f["frame"] == api.FrameUpdated {
					updates++
				}
			}
			s.say("act")
			s.say("end")
		})
	}
}

// relabel makes n facts; with a script it returns the number of the last frame that came.
func relabel(t *testing.T, d *wstest.Daemon, ref string, n int, s *script) (last float64) {
	t.Helper()
	for i := range n {
		value := time.Now().Format("150405.000000000") + string(rune('a'+i))
		w, err := d.Workspace(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Update(t.Context(), ref, w.Revision, api.Update{Labels: map[string]*string{"change": &value}}); err != nil {
			t.Fatal(err)
		}
	}
	for s != nil {
		if f := s.next("frame"); f["frame"] == api.FrameUpdated {
			return f["seq"].(float64)
		}
	}
	return 0
}
