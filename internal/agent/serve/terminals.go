package serve

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// maxTerminals bounds the terminals of one workspace; each keeps up to twice scrollback.
const maxTerminals = 16

// terminals are the terminals by name. mu guards the map, not what is in it.
type terminals struct {
	mu     sync.Mutex
	byName map[string]*terminal
}

func (ts *terminals) get(name string) (*terminal, bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t, ok := ts.byName[name]
	return t, ok
}

func (ts *terminals) list() []agentapi.Terminal {
	ts.mu.Lock()
	all := make([]*terminal, 0, len(ts.byName))
	for _, t := range ts.byName {
		all = append(all, t)
	}
	ts.mu.Unlock()
	out := make([]agentapi.Terminal, 0, len(all))
	for _, t := range all {
		out = append(out, t.facts())
	}
	slices.SortFunc(out, func(a, b agentapi.Terminal) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (ts *terminals) hangup() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.byName {
		t.cmd.Signal(hangup)
	}
}

// validTerminal tells whether a terminal may have this name.
func validTerminal(name string) bool {
	if name == "" || len(name) > 32 || strings.ContainsRune("._-", rune(name[0])) {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

func (s *Server) listTerminals(w http.ResponseWriter, _ *http.Request) { answer(w, s.terminals.list()) }

func (s *Server) killTerminal(w http.ResponseWriter, r *http.Request) {
	t, ok := s.terminals.get(r.URL.Query().Get("name"))
	if !ok {
		refuse(w, http.StatusNotFound, "no_terminal", "there is no terminal of this name")
		return
	}
	t.kill()
	<-t.cmd.Ended()
	s.forget(t)
	w.WriteHeader(http.StatusNoContent)
}

// attach connects one viewer with a terminal, which is made where there is none.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if !validTerminal(name) {
		refuse(w, http.StatusBadRequest, "bad_terminal_name", "a terminal's name has 1 to 32 of a-z, 0-9, '.', '_', '-' and begins with a letter or digit")
		return
	}
	conn, ok := s.upgrade(w, r, agentapi.UpgradeFrames)
	if !ok {
		return
	}
	defer conn.Close()
	l := newLink(conn)
	var start agentapi.TerminalStart
	if !l.first(&start) {
		return
	}
	t, problem := s.terminal(name, start)
	if problem != nil {
		l.fail(problem.Code, problem.Text)
		return
	}
	if start.Detach {
		t.detach()
	}
	_ = l.control(agentapi.Control{Type: "started", PID: t.cmd.PID})
	t.attach(newViewer(l, start))
}

// terminal returns the terminal of this name; it makes it where there is none and start
// allows that.
func (s *Server) terminal(name string, start agentapi.TerminalStart) (*terminal, *agentapi.Error) {
	s.terminals.mu.Lock()
	defer s.terminals.mu.Unlock()
	if t, ok := s.terminals.byName[name]; ok {
		return t, nil
	}
	if start.Attach {
		return nil, &agentapi.Error{Code: "no_terminal", Text: "there is no terminal of this name"}
	}
	if len(s.terminals.byName) >= maxTerminals {
		return nil, &agentapi.Error{Code: "too_many_terminals", Text: "the workspace has 16 terminals, the most that it may have"}
	}
	start.TTY = true
	c, err := s.begin(start.ExecStart)
	if err != nil {
		e := startError(start.Command, err)
		return nil, &e
	}
	t := &terminal{
		name: name, argv: start.Command, cmd: c, created: time.Now(), viewers: map[*viewer]struct{}{},
		cols: max(start.Cols, 1), rows: max(start.Rows, 1),
	}
	if start.Cols == 0 || start.Rows == 0 {
		t.cols, t.rows = 80, 24
	}
	s.terminals.byName[name] = t
	go func() {
		t.read()
		<-c.Ended()
		s.forget(t)
		t.over()
		c.close()
	}()
	return t, nil
}

// forget makes the name of t free, if t still has it.
func (s *Server) forget(t *terminal) {
	s.terminals.mu.Lock()
	defer s.terminals.mu.Unlock()
	if s.terminals.byName[t.name] == t {
		delete(s.terminals.byName, t.name)
	}
}
