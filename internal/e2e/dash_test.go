package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// dash is the dashboard on a terminal.
type dash struct{ *tmux }

// keys presses named keys of tmux (Enter, Escape, Down) or types text.
func (d dash) keys(words ...string) dash {
	d.h.t.Helper()
	for _, w := range words {
		switch w {
		case "Enter", "Escape", "Down", "Left", "Right", "Tab", "C-u", "C-t", "C-c":
			d.do("send-keys", "-t", "x", w)
		default:
			d.do("send-keys", "-t", "x", "-l", w)
		}
	}
	return d
}

func (d dash) sees(text string) dash {
	d.h.t.Helper()
	d.shows(text)
	return d
}

// misses waits until the screen does not hold text any more.
func (d dash) misses(text string) dash {
	d.h.t.Helper()
	var screen string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if screen = d.do("capture-pane", "-p", "-t", "x"); !strings.Contains(screen, text) {
			return d
		}
	}
	d.h.t.Fatalf("the screen still shows %q:\n%s", text, screen)
	return d
}

// TestLookingIsNotUsing: a workspace stops under the eyes of a dashboard, whatever of it is
// shown, when it would have stopped without one.
func TestLookingIsNotUsing(t *testing.T) {
	t.Parallel() // it mostly waits
	h, _ := lived(t)
	h.create("looked", "--template", "static")
	begun := h.why("looked")
	d := dash{h.terminal()}
	d.types("wsctl dash")
	d.sees("looked").keys("Enter").sees("esc list").keys("2").sees("following")
	panes := []string{"1", "[Overview]", "3", "[Events]", "4", "[Sessions]", "5", "[Ports]", "6", "[Jobs]", "7", "[Graphs]", "8", "[Spec]", "2", "[Logs]"}
	for i := 0; ; i = (i + 2) % len(panes) {
		y := h.why("looked")
		if y.Workspace.State != workspace.Running {
			break
		}
		if len(y.Sessions) > 0 || len(y.Ledger) > len(begun.Ledger) || !y.Facts.Engaged.Equal(begun.Facts.Engaged) {
			t.Fatalf("the pane %s counts: level %s, sessions %+v, evidence %+v", panes[(i+len(panes)-1)%len(panes)], y.Level, y.Sessions, y.Ledger)
		}
		d.keys(panes[i]).sees(panes[i+1])
	}
	h.wantEnd(t, "looked", background)
	d.keys("1").sees("stopped")
}

// click presses and releases the left button at a column and a line, from 1, as a terminal
// reports it (xterm's mode 1006).
func (d dash) click(column, line int) dash {
	d.h.t.Helper()
	report := fmt.Sprintf("\x1b[<0;%d;%dM\x1b[<0;%d;%dm", column, line, column, line)
	var hex []string
	for _, b := range []byte(report) {
		hex = append(hex, fmt.Sprintf("%02x", b))
	}
	d.do(append([]string{"send-keys", "-t", "x", "-H"}, hex...)...)
	return d
}

// TestTheDashboardWhileThingsGoAway looks at an engine of its own that is killed and comes
// back, and at a wsd that is killed, is ended and comes back; and then does something with
// all workspaces and with the mouse.
func TestTheDashboardWhileThingsGoAway(t *testing.T) {
	e := wstest.StartPrivateEngine(t, true)
	home := t.TempDir()
	p := wstest.NewProcess(t, "WSD_DOCKER_HOST="+e.Host, "WSD_DOCKER_SPARE=1", "HOME="+home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_DATA_HOME=")
	p.Start(e.Inside()...)
	h := &house{Process: p, t: t, docker: e.Docker, home: home}
	for _, name := range []string{"one", "three", "two"} {
		h.create(name, "--template", "static")
	}
	d := dash{h.terminal()}
	d.types("wsctl dash")
	d.sees("3 running").sees("▸  one")

	e.Kill()
	d.sees("engine is away, as of").sees("three")
	e.Start()
	d.misses("is away").sees("3 running")

	d.keys("2").sees("following")
	h.Kill()
	d.sees("wsd is away, as of").sees("· wsd is away")
	h.Start(e.Inside()...)
	d.misses("is away").sees("· following").keys("Escape").sees("enter look").sees("3 running")
	h.Terminate()
	d.sees("wsd is away, as of").sees("three").keys("2").sees("· wsd is away")
	h.Start(e.Inside()...)
	d.misses("is away").sees("· following").keys("Escape").sees("enter look").sees("3 running")

	d.keys("a").sees("3 marked").keys("t").sees("stop 3 workspaces?").keys("Enter").sees("3 stopped")
	d.misses("3 marked").click(5, 4).sees("▸  three") // an escape just before a click would be read as a part of it
	d.click(5, 4).sees("esc list").click(strings.Index(" [Overview] 2Logs 3Events", "3Events")+2, 3).sees("[Events]").sees("running → stopping")
	d.keys("Escape").misses("esc list").click(5, 5).sees("▸  two").keys("s").sees("two is running at").sees("1 running  2 stopped")
}

func TestTheDashboard(t *testing.T) {
	h := newHouse(t)
	d := dash{h.terminal()}
	d.types("wsctl")
	d.sees("No workspaces yet")

	d.keys("n").sees("Static site").keys("demo").sees("wsctl create demo --template static")
	d.keys("Enter").sees("demo is running at http://127.0.0.1:")
	d.keys("2").sees("following").keys("3").sees("creating → initializing").keys("5").sees("httpd").keys("Escape").sees("enter look")

	d.keys("x").misses("enter look")
	d.types("echo in-$((40+2))")
	d.sees("in-42")
	d.types("exit")
	d.sees("back from the shell of demo")

	d.keys("h").sees("hold for how long").keys("Enter").sees("held for 1h").keys("1").sees("held        until").keys("H").sees("not held by that any more")
	d.misses("held        until").keys("Escape").sees("enter look")

	d.keys("t").sees("demo is stopped")
	h.ok("create", "other", "--stopped", "--label", "team=web")
	d.sees("other") // told, not asked for

	d.keys("/", "label:team=web", "Enter").sees("1 shown").misses("demo ").keys("Escape").sees("demo ")

	h.Kill()
	d.sees("wsd is away").sees("other")
	h.Start()
	d.misses("wsd is away").keys("g", "s").sees("demo is running at")

	d.keys("/", "other", "Enter").sees("1 shown").keys("d", "oth", "Enter").sees("type other to delete")
	d.keys("er", "Enter").sees("other is deleted").keys("q").sees("outer$ ")
	if got := h.ok("list", "-q"); got != "demo\n" {
		t.Errorf("left are %q", got)
	}
}
