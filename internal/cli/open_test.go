package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// aBrowser is a program that does what a shell is told, with the address as $1.
func aBrowser(t *testing.T, does string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+does+"\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return path
}

// aFifo is a named pipe that is read and written with a deadline.
func aFifo(t *testing.T) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // to open either end alone waits for the other
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return f
}

// A browser that stays in the foreground goes on when wsctl has ended, and its terminal with it.
func TestABrowserThatStaysIsOpenedAndOutlivesWsctl(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo", "--stopped")
	goOn, went := aFifo(t), aFifo(t)
	browser := aBrowser(t, `read word <"`+goOn.Name()+`"; echo "$word $1" >"`+went.Name()+`"`)
	s := onTerminal(t, h, 80, 24, []string{"BROWSER=" + browser}, "open", "demo", "--json")
	s.shows(`"opened": true`)
	if status := s.ends(); status != 0 {
		t.Fatalf("status %d: %s", status, s)
	}
	_ = s.tty.Close()
	if _, err := goOn.WriteString("shown\n"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 200)
	n, err := went.Read(buf)
	if got := string(buf[:n]); err != nil || !strings.HasPrefix(got, "shown http://demo.localhost:") {
		t.Errorf("the browser ended with wsctl: %q, %v", got, err)
	}
}

func TestABrowserThatFailsHasOpenedNothing(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo", "--stopped")
	for does, want := range map[string]string{"exit 0": `"opened": true`, "exit 3": `"opened": false`} {
		cmd := h.command("open", "demo", "--json")
		cmd.Env = append(cmd.Env, "BROWSER="+aBrowser(t, does))
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("of a browser that does %q: %s %v", does, out, err)
		}
	}
}

// TestKeysOfTheDashboardDoWhatTheirCommandsDo holds u and v of the dashboard against open and
// preview.
func TestKeysOfTheDashboardDoWhatTheirCommandsDo(t *testing.T) {
	const door = "127.0.0.1:7070"
	for name, tt := range map[string]struct {
		port          int
		names         string
		open, preview string // the address, or the code of the refusal
	}{
		"served by name": {8080, door, "http://demo.localhost:7070/", "http://preview.demo.localhost:7070/"},
		"without a port": {0, door, "no_port", "no_port"},
		"not by name":    {8080, "", "no_names", "no_names"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			f := newFactory(Streams{Out: &out, Env: func(string) string { return "" }})
			f.settings, f.client = &Settings{}, aPlace(t, tt.port, tt.names)
			s := newDashSource(f, f.client)
			outcome := func(url string, err error) string {
				if err != nil && !fault.HasCode(err, "no_browser") {
					return fault.From(err).Code
				}
				return url
			}
			command := func(err error) string {
				_ = f.flush()
				defer out.Reset()
				return outcome(strings.TrimSpace(out.String()), err)
			}
			if key, cmd := outcome(s.Open(t.Context(), "w1")), command(runOpen(t.Context(), f, &openOptions{Name: "demo"})); key != tt.open || cmd != tt.open {
				t.Errorf("u is %s, open is %s, want %s", key, cmd, tt.open)
			}
			if key, cmd := outcome(s.Preview(t.Context(), "w1")), command(runPreview(t.Context(), f, &previewOptions{Name: "demo"})); key != tt.preview || cmd != tt.preview {
				t.Errorf("v is %s, preview is %s, want %s", key, cmd, tt.preview)
			}
		})
	}
}

// aPlace is a client of a wsd that has one workspace, with port inside, and serves names.
func aPlace(t *testing.T, port int, names string) *client.Client {
	t.Helper()
	wsd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/v1/status" {
			_ = json.NewEncoder(w).Encode(api.Status{Names: names})
			return
		}
		_ = json.NewEncoder(w).Encode(workspace.Workspace{ID: "w1", Name: "demo", State: workspace.Running, Desired: workspace.WantRunning, Spec: workspace.Spec{Port: port}})
	}))
	t.Cleanup(wsd.Close)
	c := client.New(client.Options{Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", wsd.Listener.Addr().String())
	}})
	t.Cleanup(c.Close)
	return c
}
