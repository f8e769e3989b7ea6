package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/workspace"
)

// A real Vite in a real browser's tab: saving files in an editor and clicking keep the
// workspace running; hot replacement of what a program writes, its socket and its
// heartbeats do not, nor does the tab bring it back.
func TestATabOfViteIsUsedByWhoSavesAndClicks(t *testing.T) {
	t.Parallel() // it mostly waits
	h, door := lived(t)
	w, tab := h.vite(t, door, "")
	edit := make(chan api.Frame)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	go func() {
		for range client.New(client.Options{Socket: h.Socket}).Subscribe(ctx, client.SubscribeOptions{Workspace: w.Name, Send: edit}) { //nolint:revive // it only sends
		}
	}()
	version := 0
	replaced := func() {
		version++
		h.writes(w, fmt.Sprintf("export const version = %d;", version))
		tab.shows("version " + fmt.Sprint(version))
	}
	replaced()
	load := tab.load()
	h.ok("hold", w.Name, "--rm", h.why(w.Name).Holds[0].ID)

	saved, _ := json.Marshal(api.FileChange{Paths: []string{"site/version.js"}, Kind: "saved"})
	h.every(t, w.Name, time.Second, background+2*time.Second, func() {
		select {
		case edit <- api.Frame{V: 1, Type: api.FrameFileChange, Workspace: w.ID, Payload: saved}:
		case <-time.After(patience):
			t.Fatal("the editor is not connected")
		}
		replaced()
	})
	h.lastUsedBy(t, w.Name, activity.FileSaved, "site/version.js")
	if got := tab.load(); got != load {
		t.Error("a module was not replaced in place: the page was loaded anew")
	}
	h.every(t, w.Name, time.Second, background+2*time.Second, func() { tab.click() })
	h.lastUsedBy(t, w.Name, activity.Navigation, "GET /next")
	leave()

	used := h.settled(w.Name) // the last click arrives in its time
	for range 3 {
		replaced() // nobody has said that this is a person's
	}
	if got := h.why(w.Name).Facts.Engaged; got.After(used.Add(time.Second)) {
		t.Errorf("what a program wrote counts as use, %v after the last click", got.Sub(used))
	}
	if got := tab.text(); strings.HasPrefix(got, "sockets 0 ") { // there may be more: the browser keeps the page before
		t.Fatalf("the tab holds %q", got)
	}
	h.wantEnd(t, w.Name, background)
	time.Sleep(3 * time.Second) // Vite's client asks every second whether the server is back
	if w := h.why(w.Name).Workspace; w.State != workspace.Stopped {
		t.Errorf("a tab that was left open made it %s", w.State)
	}
}

// In the frame of the preview page modules are replaced as they are in a tab.
func TestViteReplacesModulesInThePreviewPage(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w, tab := h.vite(t, door, "preview.")
	page := tab.browser.attach("preview." + w.Name)
	page.wait(`document.title`, "dev - preview") // what wsd adds to the page is there
	load := tab.load()
	for version := 1; version <= 5; version++ {
		h.writes(w, fmt.Sprintf("export const version = %d;", version))
		tab.shows(fmt.Sprint("version ", version))
	}
	if got := tab.load(); got != load {
		t.Error("a module was not replaced in place: the page was loaded anew")
	}
}

// vite makes a workspace with a Vite project, held for now, and a tab in which it is open,
// under the host of its name with before in front of it.
func (h *house) vite(t *testing.T, door, before string) (workspace.Workspace, *viteTab) {
	t.Helper()
	return h.devServer(t, door, before, "vite.sh")
}

// devServer is vite with another script, whose server tells the same.
func (h *house) devServer(t *testing.T, door, before, file string) (workspace.Workspace, *viteTab) {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	w := h.ordinary("vite", "--port", "5173", "--env", "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt", "--memory", "1g")
	h.ok("hold", w.Name, "--for", "10m")
	h.ok("exec", w.Name, "--", "sh", "-ec", string(script))
	_, port, _ := net.SplitHostPort(door)
	tab := &viteTab{t: t, door: door, host: w.Name + ".localhost:" + port}
	for end := time.Now().Add(patience); !strings.HasPrefix(tab.text(), "sockets 0"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the dev server does not answer: %s", h.ok("exec", w.Name, "--", "cat", "/tmp/vite.log"))
		}
	}
	tab.browser = browse(t, "http://"+before+tab.host+"/")
	tab.shows("version 0")
	return w, tab
}

// writes changes the module from outside of wsd, as a program inside would.
func (h *house) writes(w workspace.Workspace, text string) {
	h.t.Helper()
	id := h.docker.Run("ps", "-q", "--filter", "label=wsd.workspace="+w.ID, "--filter", "label=wsd.role=workspace")
	h.docker.Run("exec", id, "sh", "-c", `echo "$1" >/workspace/site/.new && mv /workspace/site/.new /workspace/site/version.js`, "sh", text)
}

// settled returns when the workspace was last used once nothing more of that arrives.
func (h *house) settled(name string) time.Time {
	h.t.Helper()
	for used := h.why(name).Facts.Engaged; ; {
		time.Sleep(time.Second)
		before := used
		if used = h.why(name).Facts.Engaged; used.Equal(before) {
			return used
		}
	}
}

func (h *house) lastUsedBy(t *testing.T, name string, kind activity.Evidence, what string) {
	t.Helper()
	ledger := h.why(name).Ledger
	var last activity.Entry
	for _, e := range ledger {
		if e.Kind.Engages() && !e.Last.Before(last.Last) {
			last = e
		}
	}
	if last.Kind != kind || last.What != what {
		t.Errorf("it was last used by %+v, want %s %s", last, kind, what)
	}
}

// viteTab is a tab of a browser, and what the dev server knows of it.
type viteTab struct {
	t          *testing.T
	door, host string
	browser    *browser
	devtools   *devtools
}

// text is asked for as a page asks, which is no use.
func (v *viteTab) text() string { return answerTo(v.t, v.door, v.host, "/tab", "Sec-Fetch-Mode: cors") }

func (v *viteTab) shows(want string) {
	v.t.Helper()
	got := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got = v.text(); strings.HasSuffix(got, " "+want) {
			return
		}
	}
	v.t.Fatalf("the tab tells %q, want %q", got, want)
}

// load is which load of the page the tab shows.
func (v *viteTab) load() string {
	v.t.Helper()
	words := strings.Fields(v.text())
	if len(words) < 4 {
		v.t.Fatalf("the tab tells %q", words)
	}
	return words[3]
}

// click presses the mouse on the link that fills the page.
func (v *viteTab) click() {
	v.t.Helper()
	if v.devtools == nil {
		v.devtools = v.browser.attach(v.host)
	}
	v.devtools.click(50, 50)
}
