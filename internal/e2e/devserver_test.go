package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

// An idle dev server whose page a browser holds open, in front or behind another tab: a
// socket for hot replacement and polling, and nobody. It stops as if nobody were there, and
// the page that was left open does not bring it back.
func TestAnOpenTabOfADevServerKeepsNothingRunning(t *testing.T) {
	t.Parallel() // it mostly waits
	h, door := lived(t)
	_, port, _ := net.SplitHostPort(door)
	code, err := os.ReadFile(filepath.Join("testdata", "devserver.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"front", "behind"} {
		h.ordinary(name, "--", "node", "--input-type=module", "-e", string(code))
	}
	browse(t, "http://behind.localhost:"+port+"/?open=http://front.localhost:"+port+"/")
	for name, want := range map[string]string{"front": "1 sockets, hidden: false", "behind": "1 sockets, hidden: true"} {
		t.Run(name, func(t *testing.T) {
			h.tab(t, door, name, want)
			y := h.why(name)
			if len(y.Sessions) == 0 || y.Sessions[0].Kind != activity.HTTP {
				t.Errorf("the browser is no session: %+v", y.Sessions)
			}
		})
	}
	for _, name := range []string{"front", "behind"} {
		t.Run(name+" stops", func(t *testing.T) { h.wantEnd(t, name, background) })
	}
	time.Sleep(3 * time.Second) // the pages ask all the time
	for _, name := range []string{"front", "behind"} {
		if w := h.why(name).Workspace; w.State != workspace.Stopped {
			t.Errorf("a page that was left open made %s %s", name, w.State)
		}
	}
}

// tab waits until the dev server says so of the browser. It is asked as a page asks, which is
// no use.
func (h *house) tab(t *testing.T, door, name, want string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(door)
	var got string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if got = answerTo(t, door, name+".localhost:"+port, "/tab", "Sec-Fetch-Mode: cors"); got == want {
			return
		}
		if y := h.why(name); y.Workspace.State != workspace.Running {
			t.Fatalf("%s is %s: %+v", name, y.Workspace.State, y.Workspace.Stop)
		}
	}
	t.Fatalf("the dev server says %q, want %q", got, want)
}
