package tui

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

func (d *driver) asked(what string) func() bool {
	return func() bool {
		d.world.mu.Lock()
		defer d.world.mu.Unlock()
		return slices.Contains(d.world.asked, what)
	}
}

func TestAPortIsForwardedUntilItIsStopped(t *testing.T) {
	d := drive(t, 120, 24).snapshot(some()...)
	d.keys("F", "15432:5432").shows("wsctl forward api 15432:5432")
	d.keys("<enter>").shows("✓ 127.0.0.1:15432 leads to port 5432 of api").shows("⇄ 1 forwarded port")
	if !d.asked("forward wapi 15432:5432")() {
		t.Errorf("asked %q", d.world.asked)
	}
	d.keys("F", "15432:80", "<enter>").shows("port 15432 is forwarded already").keys("<esc>")
	d.keys("5").shows("FORWARDED").shows("127.0.0.1:15432").keys("1").shows("127.0.0.1:15432 to port 5432").keys("<esc>")
	d.keys("F", "9229", "<enter>").shows("⇄ 2 forwarded ports")
	d.keys("q").shows("quit, and end 2 forwarded ports?").keys("<esc>")
	d.keys("U").shows("5432, 9229").keys("<backspace>", "<backspace>", "<backspace>", "5432", "<enter>").shows("⇄ 1 forwarded port")
	d.until("the first is not carried", d.asked("no forward wapi 5432"))
	d.world.tell(Change{Gone: []string{"wapi"}})
	d.until("the second ends with its workspace", d.asked("no forward wapi 9229"))
	if d.keys("q"); !d.quit {
		t.Error("q asks although nothing is forwarded")
	}
}

// What is missing when wsd is back has gone as if its end had been told.
func TestWhatEndedWhileWsdWasAwayIsLetGo(t *testing.T) {
	d := drive(t, 120, 24).snapshot(some()...)
	d.keys("F", "9229", "<enter>").shows("⇄ 1 forwarded port").keys("d", "api", "<enter>").until("it is sent", func() bool { return d.pending["wapi"].accepted })
	d.snapshot(some()[1:]...).until("the forward ends with its workspace", d.asked("no forward wapi 9229"))
	if d.shows("✓ api is deleted"); len(d.held) > 0 || len(d.pending) > 0 {
		t.Errorf("held are %+v, pending %+v", d.held, d.pending)
	}
}

func TestAForwardThatCannotBeginIsTold(t *testing.T) {
	d := drive(t, 120, 24).snapshot(some()...)
	d.world.refuse = fault.New(fault.Conflict, "port_in_use", "port 80 cannot be had").WithHint("choose another")
	d.keys("F", "80", "<enter>").shows("✗ wsctl forward api 80: port 80 cannot be had [port_in_use]").shows("choose another")
	if len(d.held) != 0 {
		t.Errorf("held are %+v", d.held)
	}
}

func TestPortPairs(t *testing.T) {
	for text, want := range map[string]PortPair{"5432": {5432, 5432}, "1:2": {1, 2}, "0:9": {0, 9}, "": {}, "0": {}, "1:0": {}, "x": {}, "1:2:3": {}, "70000": {}, "-1": {}} {
		p, err := parsePair(text)
		if (err == nil) != (want.Remote != 0) || err == nil && p != want {
			t.Errorf("%q is %v, %v", text, p, err)
		}
	}
}

func TestACommandLineInside(t *testing.T) {
	for line, want := range map[string]string{
		"make test":       "wsctl exec api -t -- make test",
		"ls | wc -l":      "wsctl exec api -t -- sh -c 'ls | wc -l'",
		"echo $HOME":      "wsctl exec api -t -- sh -c 'echo $HOME'",
		"grep 'a b' file": `wsctl exec api -t -- sh -c 'grep '\''a b'\'' file'`,
	} {
		if got := execLine("api", line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	d := drive(t, 120, 24).snapshot(some()...).keys("X", "<enter>").shows("type a command, such as ls -l").keys("make test").shows("wsctl exec api -t -- make test")
	if d.prompt == nil {
		t.Fatal("the question is gone")
	}
}

func TestAfterAVisit(t *testing.T) {
	status3 := exec.Command("sh", "-c", "exit 3").Run()
	for name, tt := range map[string]struct {
		msg  visitMsg
		want []string
	}{
		"a command that ended well":  {visitMsg{what: "ls in api", own: true}, []string{"✓ back from ls in api"}},
		"a command that failed":      {visitMsg{what: "ls in api", again: "wsctl exec api -t -- ls", own: true, err: status3}, []string{"✗ ls in api ended with status 3", "wsctl exec api -t -- ls"}},
		"a shell with a last status": {visitMsg{what: "the shell of api", again: "wsctl shell api", err: status3}, []string{"· back from the shell of api, which ended with status 3", "wsctl shell api"}},
		"a program that is missing":  {visitMsg{what: "the shell of api", err: errors.New("gone")}, []string{"✗ the shell of api: "}},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 100, 24).snapshot(some()...).send(tt.msg)
			for _, want := range tt.want {
				if !strings.Contains(d.View(), want) {
					t.Errorf("no %q:\n%s", want, d.View())
				}
			}
		})
	}
}
