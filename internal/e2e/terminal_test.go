package e2e_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tmux is a terminal of 80 by 24 that a test can look at.
type tmux struct {
	h    *house
	sock string
}

func (h *house) terminal() *tmux {
	h.t.Helper()
	m := &tmux{h: h, sock: h.t.TempDir() + "/t"}
	m.do("new-session", "-d", "-x", "80", "-y", "24", "-s", "x", "bash", "--norc", "--noprofile")
	h.t.Cleanup(func() { _ = exec.Command("tmux", "-S", m.sock, "kill-server").Run() })
	return m
}

func (m *tmux) do(args ...string) string {
	m.h.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", m.sock, "-f", "/dev/null"}, args...)...)
	cmd.Env = append(m.h.path(), "TERM=xterm-256color", "PS1=outer$ ", "LANG=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.h.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// types sends text and the end of a line: ^J, which a shell takes also where a program that
// was killed has left the terminal raw.
func (m *tmux) types(line string) {
	m.do("send-keys", "-t", "x", "-l", line)
	m.do("send-keys", "-t", "x", "Enter")
}

// shows waits until the screen holds text.
func (m *tmux) shows(text string) {
	m.h.t.Helper()
	m.until(text, func(screen string) bool { return strings.Contains(screen, text) })
}

// prompts waits until a shell inside waits for a command, below all else on the screen.
func (m *tmux) prompts() {
	m.h.t.Helper()
	m.until("$", func(screen string) bool { return strings.HasSuffix(strings.TrimSpace(screen), "$") })
}

func (m *tmux) until(what string, shown func(screen string) bool) {
	m.h.t.Helper()
	var screen string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if screen = m.do("capture-pane", "-p", "-t", "x"); shown(screen) {
			return
		}
	}
	m.h.t.Fatalf("the screen never showed %q:\n%s", what, screen)
}

// killWsctl kills the wsctl on the terminal as a crash would.
func (m *tmux) killWsctl() {
	m.h.t.Helper()
	shell := strings.TrimSpace(m.do("display-message", "-p", "-t", "x", "#{pane_pid}"))
	out, err := exec.Command("sh", "-c", "cat /proc/"+shell+"/task/*/children").Output()
	pid, aerr := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || aerr != nil {
		m.h.t.Fatalf("wsctl is not on the terminal: %q %v", out, err)
	}
	if err := exec.Command("kill", "-9", fmt.Sprint(pid)).Run(); err != nil {
		m.h.t.Fatal(err)
	}
	m.shows("Killed") // keys that come before would be lost with it
}

func TestAShellSurvivesItsClientAndItsDaemon(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	m := h.terminal()
	m.types("wsctl shell t")
	m.types("echo first-$((40+2)); stty size")
	m.shows("first-42")
	m.shows("24 80")
	m.types("MARK=kept")
	m.killWsctl()
	m.types("stty sane; clear")
	m.types("wsctl shell t")
	m.shows("first-42") // the scrollback
	m.types("echo still-$MARK")
	m.shows("still-kept")

	h.Kill()
	h.Start()
	m.types("echo again-$MARK")
	m.shows("again-kept") // the same wsctl has come back by itself

	m.do("send-keys", "-t", "x", "Enter", "~", ".")
	m.shows("wsctl shell t") // how to come back
	m.types("wsctl terminals ls t")
	m.shows("main")
	m.types("clear; wsctl terminals kill t main && wsctl terminals ls t --json")
	m.shows(`"terminals": []`)
}

func TestAFullScreenProgramIsDrawnAgainAtAttach(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	m := h.terminal()
	m.types("wsctl shell t")
	m.types("printf 'gr\\303\\274n %s\\n' one two >f; vi f")
	m.shows("grün two")
	m.killWsctl()
	m.types("stty sane; clear; tput rmcup")
	m.do("resize-window", "-t", "x", "-x", "100", "-y", "30")
	m.types("wsctl shell t")
	m.shows("grün two")
	m.types(":q!")
	m.prompts() // a program that ends drops the keys that it has not read
	m.types("stty size")
	m.shows("30 100")
}

func TestTwoPeopleShareATerminal(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	one, two := h.terminal(), h.terminal()
	one.types("wsctl shell t")
	one.types("echo from-$((1+0))")
	one.shows("from-1")
	two.types("wsctl shell t --view")
	two.shows("from-1")
	two.types("echo never-$((6*7))")
	one.types("echo from-$((1+1))")
	two.shows("from-2")
	if screen := one.do("capture-pane", "-p", "-t", "x"); strings.Contains(screen, "never") {
		t.Errorf("a viewer typed:\n%s", screen)
	}
}
