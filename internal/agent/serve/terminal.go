package serve

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// queue is how many pieces of output wait for one viewer. A writer that is slower holds up
// the terminal, as a slow line does, but once and for patience at most; who only views never
// does.
const (
	queue    = 64
	patience = 10 * time.Second
)

// terminal is a pseudo-terminal that the agent holds. Its reader goroutine owns the
// output side; mu guards the rest. A viewer's own goroutine writes to its connection, so
// that one who does not read holds up nobody else for longer than patience.
type terminal struct {
	name    string
	argv    []string
	cmd     *command
	created time.Time

	mu         sync.Mutex
	past       history
	viewers    map[*viewer]struct{}
	ended      bool // the command has, and viewers were told
	cols, rows uint16
	lastIn     time.Time
	lastOut    time.Time
}

// viewer is one connection that is attached.
type viewer struct {
	link       *link
	view       bool
	cols, rows uint16
	out        chan []byte
	end        chan agentapi.Control // how it ends; room for one
	gone       chan struct{}         // closed when the connection has ended
}

func newViewer(l *link, start agentapi.TerminalStart) *viewer {
	return &viewer{
		link: l, view: start.View, cols: start.Cols, rows: start.Rows,
		out: make(chan []byte, queue), end: make(chan agentapi.Control, 1), gone: make(chan struct{}),
	}
}

// leave tells v how it ends, if nothing did before.
func (v *viewer) leave(c agentapi.Control) {
	select {
	case v.end <- c:
	default:
	}
}

func detached(code, text string) agentapi.Control {
	return agentapi.Control{Type: "detached", Error: &agentapi.Error{Code: code, Text: text}}
}

// read carries output to history and viewers until the command has ended.
func (t *terminal) read() {
	buf := make([]byte, copySize)
	for {
		select {
		case <-t.cmd.Ended(): // what it left in the background may hold the terminal open
			_ = t.cmd.pty.SetReadDeadline(time.Now().Add(outputGrace))
		default:
		}
		n, err := t.cmd.pty.Read(buf)
		if n > 0 {
			t.tell(append([]byte(nil), buf[:n]...))
		}
		if err != nil {
			return
		}
	}
}

// tell gives p to everybody who is attached.
func (t *terminal) tell(p []byte) {
	t.mu.Lock()
	t.past.add(p)
	t.lastOut = time.Now()
	viewers := make([]*viewer, 0, len(t.viewers))
	for v := range t.viewers {
		viewers = append(viewers, v)
	}
	t.mu.Unlock()
	for _, v := range viewers {
		if !v.take(p) {
			v.leave(detached("too_slow", "the connection was too slow for the output"))
			t.remove(v) // it is told once it reads again; until then it holds up nobody
		}
	}
}

// take queues p for v. It returns false where v is too slow.
func (v *viewer) take(p []byte) bool {
	select {
	case v.out <- p:
		return true
	default:
	}
	if v.view {
		return false
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v.out <- p:
	case <-v.gone:
	case <-timer.C:
		return false
	}
	return true
}

// attach serves v until it leaves, its connection ends or the command does.
func (t *terminal) attach(v *viewer) {
	t.mu.Lock()
	replay := t.past.replay()
	redraw := t.past.modes.alternate()
	t.viewers[v] = struct{}{}
	if t.ended { // meanwhile
		v.leave(t.exit())
	}
	t.fit(redraw)
	t.mu.Unlock()
	defer t.remove(v)
	go func() {
		defer close(v.gone)
		t.input(v)
	}()
	out := v.link.writer(agentapi.Stdout)
	if _, err := out.Write(replay); err != nil {
		return
	}
	for {
		select {
		case p := <-v.out:
			if _, err := out.Write(p); err != nil {
				return
			}
		case c := <-v.end:
			for range len(v.out) { // what came before the end
				if _, err := out.Write(<-v.out); err != nil {
					return
				}
			}
			_ = v.link.control(c)
			return
		case <-v.gone:
			return
		}
	}
}

func (t *terminal) remove(v *viewer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.viewers, v)
	t.fit(false)
}

// input takes what v types, until its connection ends.
func (t *terminal) input(v *viewer) {
	for {
		kind, p, err := v.link.frames.Next()
		if err != nil {
			return
		}
		if v.view {
			continue
		}
		var c agentapi.Control
		t.mu.Lock()
		switch {
		case kind == agentapi.Stdin:
			t.lastIn = time.Now()
		case kind == agentapi.Ctl && json.Unmarshal(p, &c) == nil && c.Type == "resize":
			v.cols, v.rows = c.Cols, c.Rows
			t.fit(false)
		}
		t.mu.Unlock()
		if c.Type != "resize" && !t.cmd.take(v.link, kind, p) {
			return
		}
	}
}

// fit gives the terminal the size of its smallest writer; without one it keeps its own.
// redraw makes the program draw again even where the size stays. The caller holds mu.
func (t *terminal) fit(redraw bool) {
	var cols, rows uint16
	for v := range t.viewers {
		if v.view || v.cols == 0 || v.rows == 0 {
			continue
		}
		if cols == 0 || v.cols < cols {
			cols = v.cols
		}
		if rows == 0 || v.rows < rows {
			rows = v.rows
		}
	}
	if cols == 0 {
		cols, rows = t.cols, t.rows
	}
	if cols == t.cols && rows == t.rows {
		if !redraw {
			return
		}
		// A program that finds its old size again may not draw: let it see another one.
		_ = resize(t.cmd.pty, cols, rows+1)
	}
	t.cols, t.rows = cols, rows
	_ = resize(t.cmd.pty, cols, rows)
}

// detach sends everybody away but the one who comes.
func (t *terminal) detach() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for v := range t.viewers {
		v.leave(detached("replaced", "somebody attached instead of everybody else"))
	}
}

// over tells everybody that the command has ended.
func (t *terminal) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	for v := range t.viewers {
		v.leave(t.exit())
	}
}

func (t *terminal) exit() agentapi.Control {
	return agentapi.Control{Type: "exit", Code: t.cmd.Status()}
}

// facts is what a list says of it.
func (t *terminal) facts() agentapi.Terminal {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := agentapi.Terminal{
		Name: t.name, Command: t.argv, PID: t.cmd.PID, Cols: t.cols, Rows: t.rows, Viewers: len(t.viewers),
		CreatedAt: t.created, LastInput: t.lastIn, LastOutput: t.lastOut, Foreground: t.foreground(),
	}
	for v := range t.viewers {
		if !v.view {
			out.Writers++
		}
	}
	return out
}

// foreground is the name of the job in the foreground, "" for the terminal's own command.
func (t *terminal) foreground() string {
	raw, err := t.cmd.pty.SyscallConn()
	if err != nil {
		return ""
	}
	group := 0
	_ = raw.Control(func(fd uintptr) { group, _ = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) }) //nolint:gosec // a file descriptor
	if group <= 0 || group == t.cmd.PID {
		return ""
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(group) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

// kill hangs the terminal up, and kills its command when that runs on.
func (t *terminal) kill() {
	t.cmd.Signal(syscall.SIGHUP)
	t.cmd.Signal(syscall.SIGCONT) // one that is stopped has to see it
	select {
	case <-t.cmd.Ended():
	case <-time.After(2 * time.Second):
		t.cmd.Signal(syscall.SIGKILL)
	}
}
