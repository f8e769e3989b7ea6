package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// dash is the dashboard on a terminal.
type dash struct{ *tmux }

// keys presses named keys of tmux (Enter, Escape, Down) or types text.
func (d dash) keys(words ...string) dash {
	d.h.t.Helper()
	for _, w := range words {
		switch w {
		case "Enter", "Escape", "Down", "Left", "Right":
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

func TestTheDashboard(t *testing.T) {
	h := newHouse(t)
	d := dash{h.terminal()}
	d.types("wsctl")
	d.sees("No workspaces yet")

	d.keys("n").sees("Static site").keys("Down", "demo").sees("wsctl create demo --template static")
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
