package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

func TestInterruptOnlyStopsWatching(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo")
	s := onTerminal(t, h, 80, 24, nil, "wait", "demo", "--for", "stopped")
	s.shows("waiting for demo to be stopped")
	s.types("\x03")
	if status := s.ends(); status != 130 {
		t.Errorf("status %d, want 130: %q", status, s)
	}
	if got := h.must(t, "list", "-q", "--state", "running"); got != "demo\n" {
		t.Errorf("after Ctrl-C these run: %q", got)
	}
}

func TestSizesFollowTheWindow(t *testing.T) {
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer terminal.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := sizes(ctx, terminal)
	if err := pty.Setsize(master, &pty.Winsize{Cols: 132, Rows: 43}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-got:
		if s != [2]uint16{132, 43} {
			t.Errorf("got %v", s)
		}
	case <-time.After(20 * time.Second):
		t.Error("the new size was never told")
	}
}

// TestStreamsFollow starts every stream that goes on, lets things happen, and
// interrupts them.
func TestStreamsFollow(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo")
	tests := []struct {
		name string
		args []string
		want string // a member that the last line has after something happened
	}{
		{"events", []string{"events", "-f", "--after", "0", "--json"}, `"kind":"workspace.state".*"to":"paused"`},
		{"the list", []string{"list", "--watch", "--json"}, `"state":"paused"`},
		{"one workspace", []string{"show", "demo", "--watch", "--json"}, `"state":"paused"`},
		{"why", []string{"why", "demo", "-w", "--json"}, `"state":"paused"`},
		{"sessions", []string{"sessions", "--watch", "--json"}, `"sessions":\[\]`},
		{"jobs", []string{"jobs", "ls", "--watch", "--json"}, `"kind":"delete","workspace":"[^"]*","name":"second"`},
		{"leased ports", []string{"ports", "--watch", "--json"}, `"name":"second"`},
		{"the log", []string{"logs", "demo", "-f", "--json"}, `"text":`},
		{"stats", []string{"stats", "-f", "--json"}, `"samples":\[\{"workspace":"demo"`},
		{"wsd's log", []string{"daemon", "logs", "-f", "--json"}, `"text":`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := h.stream(t, tt.args...)
			found := make(chan bool, 1)
			go func() { found <- s.finds(t, tt.want) }()
			// What happens before the stream has begun is not told, so it happens again.
			for told := false; !told; {
				h.must(t, "pause", "demo")
				h.must(t, "resume", "demo")
				h.must(t, "create", "second", "--stopped")
				h.must(t, "delete", "second")
				select {
				case told = <-found:
					if !told {
						t.Fatalf("the stream ended without %s", tt.want)
					}
				default:
				}
			}
			_ = s.cmd.Process.Signal(os.Interrupt)
			_ = s.cmd.Wait()
			if status := s.cmd.ProcessState.ExitCode(); status != 130 {
				t.Errorf("status %d, want 130", status)
			}
		})
	}
}

// On a terminal a picture that is watched stands at one place, fits, and its notes too.
func TestAWatchedListIsDrawnInPlace(t *testing.T) {
	h := testHost(t)
	s := onTerminal(t, h, 90, 8, nil, "list", "--watch")
	s.shows("no workspaces yet")
	for i := range 9 {
		h.must(t, "create", fmt.Sprintf("w%d", i), "--stopped")
	}
	s.shows("(?s)\x1b\\[\\?7l\x1b\\[H\x1b\\[K\\S*NAME.*\n\x1b\\[Kw3 .*\n\x1b\\[K\\S*… 4 more lines.*\n\x1b\\[\\?7h\x1b\\[J$") // 10 lines on 8, of which one says so and one is the cursor's
	s.types("\x03")
	if status := s.ends(); status != 130 {
		t.Errorf("status %d, want 130", status)
	}
}

func TestTheStatusOfWsdIsWatched(t *testing.T) {
	h := testHost(t)
	s := onTerminal(t, h, 100, 20, nil, "daemon", "status", "--watch")
	s.shows("wsd does not answer")
	h.must(t, "create", "w", "--stopped")
	s.shows(`(?s)process \d+, up.*stopped\S* +1`)
	h.stop()
	s.shows(`(?s)process.*wsd does not answer`)
	h.must(t, "list")
	s.shows(`(?s)process.*wsd does not answer.*process \d+, up`)
	s.types("\x03")
	if status := s.ends(); status != 130 {
		t.Errorf("status %d, want 130", status)
	}
}

// stream is wsctl that goes on, and what it writes.
type stream struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// streamTime is after what time a stream is killed, which ends its lines.
const streamTime = 40 * time.Second

// stream starts wsctl, which is killed when the test ends or after streamTime.
func (h *host) stream(t *testing.T, args ...string) *stream {
	t.Helper()
	cmd := h.command(args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(streamTime, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		late.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s := &stream{cmd, bufio.NewScanner(out)}
	s.lines.Buffer(nil, 1<<20)
	return s
}

// finds reads lines of JSON until one matches, and goes on reading in the background
// so that the writer does not block.
func (s *stream) finds(t *testing.T, pattern string) bool {
	re := regexp.MustCompile(pattern)
	for s.lines.Scan() {
		if !json.Valid(s.lines.Bytes()) {
			t.Errorf("not one object a line: %s", s.lines.Text())
		}
		if re.MatchString(s.lines.Text()) {
			go func() {
				for s.lines.Scan() {
				}
			}()
			return true
		}
	}
	return false
}

func TestInterruptEndsAQuestion(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo")
	project := t.TempDir()
	file := `{"image": "wsd:base", "postCreateCommand": "true", "remoteEnv": {"H": "${localEnv:HOME}"}}`
	if err := os.WriteFile(filepath.Join(project, ".devcontainer.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args   []string
		prompt string
	}{
		"for consent": {[]string{"create", "app", "--from", project, "--devcontainer"}, `(?s)in the workspace:.*true.*of yours there:\s+HOME\s+Let it\? \[y/N\] $`},
		"of a delete": {[]string{"delete", "demo"}, `files\? \[y/N\] $`},
		"of a secret": {[]string{"secret", "set", "TOKEN"}, `not shown\): $`},
		"of the tour": {[]string{"tour"}, `ends the tour `},
	} {
		t.Run(name, func(t *testing.T) {
			s := onTerminal(t, h, 80, 24, nil, tt.args...)
			s.shows(tt.prompt)
			if name == "of a secret" {
				for echoes(t, s.tty) { // the question is there a moment before the terminal is silent
					time.Sleep(5 * time.Millisecond)
				}
			}
			s.types("\x03")
			s.shows(`wsctl:.* (interrupted|the tour has ended early)`)
			if status := s.ends(); status != 130 || !echoes(t, s.tty) {
				t.Errorf("status %d, want 130: %q", status, s)
			}
		})
	}
}

// echoes reports whether the terminal shows what is typed (termios(3), ECHO).
func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func TestWhatIsWatchedMayBeRenamed(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "alpha")
	for _, command := range []string{"show", "why"} {
		t.Run(command, func(t *testing.T) {
			s := onTerminal(t, h, 80, 24, nil, command, "alpha", "--watch")
			s.shows(`alpha`)
			h.must(t, "rename", "alpha", "omega")
			s.shows(`omega`)
			h.must(t, "rename", "omega", "alpha")
			s.shows(`(?s)omega.*alpha`)
			s.types("\x03")
			if status := s.ends(); status != 130 {
				t.Errorf("status %d, want 130: %q", status, s)
			}
		})
	}
}
