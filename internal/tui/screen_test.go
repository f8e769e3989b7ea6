package tui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

func TestOnlyLinesThatHaveChangedAreDrawn(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(nil, &out, false)
	if err := s.enter(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name, frame, want string
		before            func()
	}{
		{"all of the first", "a\n\nc", "\x1b[H\x1b[2J\x1b[1;1H\x1b[Ka\x1b[3;1H\x1b[Kc", nil},
		{"nothing of the same", "a\n\nc", "", nil},
		{"one line", "a\nb\nc", "\x1b[2;1H\x1b[Kb", nil},
		{"a line that is empty now", "\nb\nc", "\x1b[1;1H\x1b[K", nil},
		{"all where there are fewer, on a terminal that has shrunk", "\nb", "\x1b[H\x1b[2J\x1b[2;1H\x1b[Kb", nil},
		{"all where the terminal may show anything", "a\nb", "\x1b[H\x1b[2J\x1b[1;1H\x1b[Ka\x1b[2;1H\x1b[Kb", s.forget},
		{"nothing on a terminal that was given back", "x", "", s.leave},
		{"all on one that was taken again", "x", "\x1b[H\x1b[2J\x1b[1;1H\x1b[Kx", func() { _ = s.enter() }},
	} {
		if step.before != nil {
			step.before()
		}
		out.Reset()
		if s.draw(step.frame); out.String() != step.want {
			t.Errorf("%s: %q, want %q", step.name, out.String(), step.want)
		}
	}
}

// console is a terminal on which a dashboard runs.
type console struct {
	t         *testing.T
	keys, tty *os.File
	before    unix.Termios
	over      chan error

	mu      sync.Mutex
	written []byte
}

func newConsole(t *testing.T, source Source) *console {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close(); _ = tty.Close() })
	c := &console{t: t, keys: master, tty: tty, over: make(chan error, 1)}
	c.before = c.modes()
	c.resize(80, 24)
	go func() {
		for buf := make([]byte, 4096); ; {
			n, err := master.Read(buf)
			if err != nil {
				return // it ends with the terminal
			}
			c.mu.Lock()
			c.written = append(c.written, buf[:n]...)
			c.mu.Unlock()
		}
	}()
	go func() {
		c.over <- Run(t.Context(), Options{Source: source, In: tty, Out: tty, Theme: "none", Mouse: true})
	}()
	return c
}

func (c *console) modes() unix.Termios {
	m, err := unix.IoctlGetTermios(int(c.tty.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return *m
}

func (c *console) resize(cols, rows uint16) {
	if err := pty.Setsize(c.keys, &pty.Winsize{Cols: cols, Rows: rows}); err != nil {
		c.t.Fatal(err)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGWINCH) // it is not this process's terminal
}

func (c *console) types(keys string) {
	if _, err := c.keys.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// writes waits until text was written so often.
func (c *console) writes(text string, times int) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		n := bytes.Count(c.written, []byte(text))
		c.mu.Unlock()
		if n == times {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("%q is written %d times, want %d", text, n, times)
		}
	}
}

func TestATerminalIsGivenBackAsItWas(t *testing.T) {
	w := &world{ready: make(chan struct{})}
	c := newConsole(t, w)
	<-w.ready
	w.tell(Change{Reset: true, Put: some()})
	c.writes("\x1b[24;1H\x1b[K enter look", 1)
	if c.modes().Lflag&(unix.ICANON|unix.ECHO) != 0 {
		t.Error("keys are echoed, or taken line by line")
	}
	c.resize(100, 30)
	c.writes("\x1b[30;1H\x1b[K enter look", 1)
	c.types("x") // a visit
	c.writes("back from the shell of api", 1)
	c.writes(leaveMouse+leaveScreen, 1)
	c.writes(enterScreen+enterMouse, 2)
	c.types("q")
	select {
	case err := <-c.over:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not quit")
	}
	stacks := make([]byte, 1<<20)
	if stacks = stacks[:runtime.Stack(stacks, true)]; bytes.Contains(stacks, []byte("(*screen)")) {
		t.Errorf("what draws goes on:\n%s", stacks)
	}
	c.writes(leaveMouse+leaveScreen, 2)
	if c.modes() != c.before {
		t.Errorf("the terminal was %+v and is %+v", c.before, c.modes())
	}
}

// panics is a model with a bug.
type panics struct{ tea.Model }

func (panics) Update(tea.Msg) (tea.Model, tea.Cmd) { panic("a bug") }

func TestABugGivesTheTerminalBackBeforeItIsTold(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(nil, &out, false)
	_ = s.enter()
	defer func() {
		if r := recover(); r != "a bug" || !strings.HasSuffix(out.String(), leaveScreen) {
			t.Errorf("after %v was written %q", r, out.String())
		}
	}()
	shown{panics{}, s}.Update(nil)
}

func TestTheNewestFrameIsDrawn(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	s := newScreen(nil, writer, false)
	_ = s.enter()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.run(ctx) }()
	for range 1000 {
		s.show("old")
	}
	s.show("newest")
	var all []byte
	for buf := make([]byte, 4096); !bytes.Contains(all, []byte("newest")); {
		n, err := reader.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, buf[:n]...)
	}
	cancel()
	<-ended
	if n := bytes.Count(all, []byte("old")); n > 3 {
		t.Errorf("%d frames were drawn that nobody could see", n)
	}
}

// fading is a terminal that takes so many writes and no more.
type fading struct{ left int }

func (b *fading) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, errors.New("it is gone")
	}
	return len(p), nil
}

// A dashboard that cannot draw any more ends and says why, so that nobody types into nothing.
func TestATerminalThatCannotBeTakenBackEndsIt(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.screen = newScreen(nil, &fading{2}, false)
	if err := d.screen.enter(); err != nil {
		t.Fatal(err)
	}
	err := suspended{func() error { return nil }, d.screen}.Run()
	if d.send(visitMsg{what: "a shell", err: err}); !d.quit || d.lost == nil {
		t.Errorf("after %v it goes on", err)
	}
}

// A dashboard that cannot begin leaves the terminal as it was.
func TestATerminalIsGivenBackThoughItCannotBegin(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	c := &console{t: t, tty: tty}
	before := c.modes()
	if err := Run(t.Context(), Options{Source: &world{}, In: tty, Out: &fading{}, Theme: "none"}); err == nil {
		t.Fatal("it runs on nothing")
	}
	if c.modes() != before {
		t.Errorf("the terminal was %+v and is %+v", before, c.modes())
	}
}
