package tui

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/term"
)

// frameGap is the least time between two frames that are drawn.
const frameGap = 16 * time.Millisecond

// What a terminal is told where the dashboard begins and where it ends (xterm's private
// modes): another screen, no cursor, no wrapping, pasted text in brackets, and where the focus is.
const (
	enterScreen = "\x1b[?1049h\x1b[H\x1b[2J\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[?1004h"
	leaveScreen = "\x1b[?1004l\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"
	enterMouse  = "\x1b[?1002h\x1b[?1006h" // buttons and dragging, in decimal
	leaveMouse  = "\x1b[?1006l\x1b[?1002l"
)

// screen draws frames on a terminal, as far as they differ from the last one. It stands in
// for bubbletea's renderer, which looks forty times a second whether there is something to
// draw: that is most of what an idle dashboard would cost, and a key would be seen later.
//
// Any goroutine may show a frame and none waits for the terminal: one goroutine, run, draws
// the newest. A frame that comes while one is drawn, or soon after, replaces what waits.
type screen struct {
	in    *os.File // nil: nothing is typed on a terminal
	out   io.Writer
	mouse bool
	ready chan struct{} // holds one token while a frame waits

	waiting struct {
		sync.Mutex
		frame string
	}

	mu    sync.Mutex // of the terminal
	open  bool
	raw   *term.State // before
	drawn []string    // what is on it; nil: nothing that is known
}

func newScreen(in io.Reader, out io.Writer, mouse bool) *screen {
	s := &screen{out: out, mouse: mouse, ready: make(chan struct{}, 1)}
	s.in, _ = in.(*os.File)
	return s
}

// show hands over a frame.
func (s *screen) show(frame string) {
	s.waiting.Lock()
	s.waiting.frame = frame
	s.waiting.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// run draws until ctx ends.
func (s *screen) run(ctx context.Context) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-s.ready:
		case <-ctx.Done():
			return
		}
		s.waiting.Lock()
		frame := s.waiting.frame
		s.waiting.Unlock()
		s.draw(frame)
		rest.Reset(frameGap)
		select {
		case <-rest.C:
		case <-ctx.Done():
			return
		}
	}
}

// draw writes the lines of a frame that are not on the terminal yet.
func (s *screen) draw(frame string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return
	}
	lines := strings.Split(frame, "\n")
	var b strings.Builder
	if len(lines) != len(s.drawn) {
		s.drawn = nil // of another size; where lines that are gone have been, the terminal may have none
	}
	if s.drawn == nil {
		b.WriteString("\x1b[H\x1b[2J")
	}
	for i, line := range lines {
		if i >= len(s.drawn) && line == "" || i < len(s.drawn) && line == s.drawn[i] {
			continue
		}
		fmt.Fprintf(&b, "\x1b[%d;1H\x1b[K%s", i+1, line)
	}
	s.drawn = lines
	if b.Len() > 0 {
		_, _ = io.WriteString(s.out, b.String()) // a terminal that is gone ends the input
	}
}

// enter takes the terminal. What is on it is not known from then on.
func (s *screen) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		return nil
	}
	if s.in != nil && term.IsTerminal(int(s.in.Fd())) {
		raw, err := term.MakeRaw(int(s.in.Fd()))
		if err != nil {
			return err
		}
		s.raw = raw
	}
	s.open, s.drawn = true, nil
	modes := enterScreen
	if s.mouse {
		modes += enterMouse
	}
	_, err := io.WriteString(s.out, modes)
	return err
}

// leave gives the terminal back as it was. It may be called more than once.
func (s *screen) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return
	}
	s.open = false
	modes := leaveScreen
	if s.mouse {
		modes = leaveMouse + modes
	}
	_, _ = io.WriteString(s.out, modes)
	if s.raw != nil {
		_ = term.Restore(int(s.in.Fd()), s.raw)
	}
}

// forget says that the terminal may show anything.
func (s *screen) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drawn = nil
}

// size is how large the terminal is; not ok where there is none.
func (s *screen) size() (msg tea.WindowSizeMsg, ok bool) {
	f, isFile := s.out.(interface{ Fd() uintptr })
	if !isFile {
		return msg, false
	}
	cols, rows, err := term.GetSize(int(f.Fd()))
	return tea.WindowSizeMsg{Width: cols, Height: rows}, err == nil
}

// watchSize tells when the terminal is not as large as it was any more, until ctx ends.
func (s *screen) watchSize(ctx context.Context, was tea.WindowSizeMsg, tell func(tea.Msg)) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	defer signal.Stop(changed)
	for {
		if size, ok := s.size(); ok && size != was {
			was = size
			s.forget() // a terminal moves what is on it
			tell(size)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// shown is a model whose frames a screen draws.
type shown struct {
	tea.Model
	screen *screen
}

// Update implements tea.Model. A bug gives the terminal back before it is told.
func (s shown) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	defer s.telling()
	_, cmd := s.Model.Update(msg)
	return s, cmd
}

// View implements tea.Model.
func (s shown) View() string {
	defer s.telling()
	s.screen.show(s.Model.View())
	return ""
}

func (s shown) telling() {
	if r := recover(); r != nil {
		s.screen.leave()
		panic(r)
	}
}
