package cli

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/workspace"
)

// screen is wsctl on a terminal of its own, and what it has written there.
type screen struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	mu   sync.Mutex
	text strings.Builder
	done chan struct{}
}

// onTerminal starts wsctl on a terminal of cols by rows.
func onTerminal(t *testing.T, h *host, cols, rows uint16, env []string, args ...string) *screen {
	t.Helper()
	cmd := h.command(args...)
	cmd.Env = append(cmd.Env, env...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: cols, Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, cmd: cmd, tty: tty, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = tty.Close() })
	return s
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// shows waits until the terminal shows a match.
func (s *screen) shows(pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(20 * time.Second); !re.MatchString(s.String()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the terminal never showed %q:\n%q", pattern, s.String())
		}
	}
}

func (s *screen) types(keys string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for the end and returns the exit status.
func (s *screen) ends() int {
	s.t.Helper()
	err := s.cmd.Wait()
	<-s.done
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

func testHost(t *testing.T) *host {
	t.Helper()
	return newHost(t.Fatal, t.Cleanup)
}

func (h *host) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.command(args...).Output()
	if err != nil {
		t.Fatalf("wsctl %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

func TestProgressOnATerminal(t *testing.T) {
	h := testHost(t)
	s := onTerminal(t, h, 80, 24, nil, "create", "demo")
	if status := s.ends(); status != 0 {
		t.Fatalf("status %d: %s", status, s)
	}
	for _, want := range []string{`starting wsd in the background`, `✓.* asking for a workspace +\S*\d+(\.\d)? m?s`, `demo is running at http://127\.0\.0\.1:\d+/\r\n$`} {
		if !regexp.MustCompile(want).MatchString(s.String()) {
			t.Errorf("nothing matches %s in %q", want, s)
		}
	}
	if !strings.Contains(s.String(), "\r\x1b[K") {
		t.Errorf("no line was rewritten: %q", s)
	}
}

func TestPlainTerminals(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo", "--label", "note="+strings.Repeat("long ", 30))
	escape := regexp.MustCompile(`\x1b\[`)
	colour := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	for name, tt := range map[string]struct {
		env            []string
		escape, colour bool
	}{
		"an ordinary terminal":   {nil, true, true},
		"TERM=dumb is plain":     {[]string{"TERM=dumb"}, false, false},
		"NO_COLOR has no colour": {[]string{"NO_COLOR=1"}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := onTerminal(t, h, 60, 24, tt.env, "restart", "demo")
			if status := s.ends(); status != 0 || escape.MatchString(s.String()) != tt.escape || colour.MatchString(s.String()) != tt.colour {
				t.Errorf("status %d, %q", status, s)
			}
			s = onTerminal(t, h, 64, 24, tt.env, "list")
			if status := s.ends(); status != 0 || colour.MatchString(s.String()) != tt.colour {
				t.Errorf("status %d, %q", status, s)
			}
			for _, line := range strings.Split(colour.ReplaceAllString(s.String(), ""), "\r\n") {
				if n := len([]rune(line)); n > 64 {
					t.Errorf("a line of %d columns on a terminal of 64: %s", n, line)
				}
			}
			if !strings.Contains(s.String(), "…") {
				t.Errorf("the long label is not cut: %q", s)
			}
		})
	}
	s := onTerminal(t, h, 20, 5, nil, "list")
	if status := s.ends(); status != 0 {
		t.Errorf("a terminal of 20 by 5: status %d, %q", status, s)
	}
}

// The library of the dashboard asks the terminal for its colours while the program is
// loaded, and waits for the answer, unless it is kept from that.
func TestNoCommandAsksTheTerminal(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo", "--stopped")
	for _, args := range [][]string{{"list"}, {"version"}, {"--help"}} {
		s := onTerminal(t, h, 80, 24, []string{"CI="}, args...)
		if status := s.ends(); status != 0 || strings.Contains(s.String(), "\x1b]") || strings.Contains(s.String(), "\x1b[6n") {
			t.Errorf("%v: status %d, %q", args, status, s)
		}
	}
}

func TestDashOnATerminal(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo")
	for name, args := range map[string][]string{"wsctl alone": nil, "with a filter": {"dash", "state:running"}} {
		t.Run(name, func(t *testing.T) {
			s := onTerminal(t, h, 80, 24, nil, args...)
			s.shows(`demo`)
			s.types("q")
			if status := s.ends(); status != 0 || strings.Contains(s.String(), "\x1b]11") {
				t.Errorf("status %d, %q", status, s)
			}
		})
	}
	s := onTerminal(t, h, 80, 24, nil, "dash")
	s.shows("demo")
	s.types("\x03")
	if status := s.ends(); status != 0 {
		t.Errorf("Ctrl-C quits with %d", status)
	}
	s = onTerminal(t, h, 80, 24, []string{"TERM=dumb"}, "dash")
	if status := s.ends(); status != 2 || !strings.Contains(s.String(), "not_a_terminal") && !strings.Contains(s.String(), "needs a terminal") {
		t.Errorf("status %d, %q", status, s)
	}
	s = onTerminal(t, h, 80, 24, []string{"TERM=dumb"})
	if status := s.ends(); status != 0 || !strings.Contains(s.String(), "wsctl --help") {
		t.Errorf("wsctl alone on a dumb terminal: status %d, %q", status, s)
	}
}

func TestDeleteAsksOnATerminal(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo")
	s := onTerminal(t, h, 80, 24, nil, "delete", "demo")
	s.shows(`demo is still running\. Delete with all files\? \[y/N\] $`)
	s.types("n\r")
	if status := s.ends(); status != 130 || !strings.Contains(s.String(), "nothing was deleted") {
		t.Errorf("declined: status %d, %q", status, s)
	}
	h.must(t, "show", "demo")
	s = onTerminal(t, h, 80, 24, nil, "delete", "demo")
	s.shows(`\[y/N\] $`)
	s.types("y\r")
	if status := s.ends(); status != 0 || !strings.Contains(s.String(), "demo is deleted") {
		t.Errorf("agreed: status %d, %q", status, s)
	}
	h.must(t, "create", "next", "--stopped")
	s = onTerminal(t, h, 80, 24, nil, "delete", "next")
	if status := s.ends(); status != 0 || strings.Contains(s.String(), "[y/N]") {
		t.Errorf("a stopped one: status %d, %q", status, s)
	}
}

func TestExecOnATerminal(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo")
	s := onTerminal(t, h, 80, 24, nil, "exec", "-t", "demo", "--", "cat")
	for !rawMode(t, s.tty) { // before it, the terminal itself would take the Ctrl-C
		time.Sleep(5 * time.Millisecond)
	}
	s.types("typed\x03more")
	s.shows("typed\x03more")
	if got := s.String(); strings.Count(got, "typed") != 1 {
		t.Errorf("what is typed is echoed twice: %q", got)
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if status := s.ends(); status != 130 {
		t.Errorf("status %d, want 130", status)
	}
}

// rawMode reports whether the terminal passes Ctrl-C on as a byte (termios(3), ISIG).
func rawMode(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ISIG == 0
}

func TestDeleteTellsWhatIsLost(t *testing.T) {
	plain := workspace.Workspace{Name: "demo"}
	shared := workspace.Workspace{Name: "here", Spec: workspace.Spec{Source: &workspace.Source{Kind: workspace.SourceBind, Path: "/home/ann/x\x1b[2J"}}}
	for want, ws := range map[string][]workspace.Workspace{
		"demo is still running. Delete with all files?":                                                             {plain},
		"here is still running. Delete it? Your folder /home/ann/x\\x1b[2J stays as it is.":                         {shared},
		"2 workspaces (demo, here) are still running. Delete with all files, but for your folders that they share?": {plain, shared},
	} {
		if got := deleteQuestion(ws); got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
	}
}

// What is read word by word is broken at words, and what is copied is not cut.
func TestNarrowTerminals(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo", "--", "serve", "--one-long-argument", "--another-long-argument")
	colour := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"facts":    {[]string{"show", "demo"}, `(?m)^command      serve --one-long-argument\r\n             --another-long-argument\r$`},
		"why":      {[]string{"why", "demo"}, `(?m)^demo is running, \w+ \(policy\r\ndefault\)\r$`},
		"doctor":   {[]string{"doctor"}, `(?m)^ok    settings: [^\r]*\r\n      \S`},
		"jobs":     {[]string{"jobs", "ls"}, `(?m)^j[a-z2-7]{12}  \S+  demo `},
		"settings": {[]string{"config", "explain"}, `(?m)^activity\.max_lifetime `},
		"policies": {[]string{"policy"}, `(?m)^relaxed `},
		"counts":   {[]string{"jobs", "stats"}, `(?m)^provision .* COMPLETED|^KIND .* COMPLETED  FAILED  MEAN\r$`},
	} {
		t.Run(name, func(t *testing.T) {
			s := onTerminal(t, h, 40, 24, nil, tt.args...)
			s.ends()
			text := colour.ReplaceAllString(s.String(), "")
			if !regexp.MustCompile(tt.want).MatchString(text) {
				t.Errorf("nothing matches %s in:\n%s", tt.want, text)
			}
			for line := range strings.SplitSeq(text, "\r\n") {
				if n := len([]rune(line)); n > 40 && strings.Contains(strings.TrimSpace(line[13:]), " ") {
					t.Errorf("a line of %d columns on a terminal of 40: %s", n, line)
				}
			}
		})
	}
}
