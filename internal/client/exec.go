package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// execFrame is the size of one message of standard input, in bytes.
const execFrame = 32 << 10

// execMessage bounds one message from wsd, in bytes.
const execMessage = 4 << 20

// ExecStreams are the ends of a command run inside a workspace.
type ExecStreams struct {
	In       io.Reader // nil: no standard input
	Out, Err io.Writer
	Resize   <-chan [2]uint16 // columns, rows; may be nil
	Signals  <-chan string    // names such as INT; may be nil
	// Session is told which session it is, and Notice a line that whoever looks is to
	// see. Both may be nil, and are called between writes of output.
	Session, Notice func(string)
}

// Exec runs a command inside a workspace and returns its exit status. It ends when
// the command does, when ctx ends (which hangs up: wsd then ends the command), or
// with an error. A Read of s.In that blocks may outlive Exec.
func (c *Client) Exec(ctx context.Context, ref string, start api.ExecStart, s ExecStreams) (int, error) {
	return c.session(ctx, workspacePath(ref, "/exec"), start, &execution{streams: s, ends: true})
}

// AttachTerminal attaches to a terminal of a workspace, which is started where it sleeps,
// and returns the exit status of the terminal's command. It ends when that does, when ctx
// ends (which leaves the terminal as it is), or with an error: a *DetachedError where wsd
// has ended the look at a terminal that lives on. With start.View s.In has to be nil. The end
// of s.In is told to nobody: the shell would take it for the end of its work.
func (c *Client) AttachTerminal(ctx context.Context, ref, name string, start api.TerminalStart, s ExecStreams) (int, error) {
	return c.session(ctx, workspacePath(ref, "/terminals/"+url.PathEscape(name)), start, &execution{streams: s})
}

// socket is a WebSocket whose reader does not wait for its writers. A pong has to, and a
// write that waits for the other side, which may wait for us to read, would never end: no
// ping is answered while there is one.
type socket struct {
	*websocket.Conn
	writing atomic.Int32 // writes on their way
}

// Write is that of websocket.Conn.
func (s *socket) Write(ctx context.Context, typ websocket.MessageType, b []byte) error {
	s.writing.Add(1)
	defer s.writing.Add(-1)
	return s.Conn.Write(ctx, typ, b)
}

// upgrade opens a WebSocket.
func (c *Client) upgrade(ctx context.Context, path, protocol string) (*socket, error) {
	req, err := c.request(ctx, call{method: "GET", path: path})
	if err != nil {
		return nil, err
	}
	s := &socket{}
	conn, resp, err := websocket.Dial(ctx, req.URL.String(), &websocket.DialOptions{
		HTTPClient: c.streams, HTTPHeader: req.Header, Subprotocols: []string{protocol},
		OnPingReceived: func(context.Context, []byte) bool { return s.writing.Load() == 0 },
	})
	if err != nil {
		if resp != nil && resp.StatusCode >= 300 && resp.Body != nil {
			return nil, decodeError(resp)
		}
		return nil, c.connection(ctx, err)
	}
	conn.SetReadLimit(execMessage)
	s.Conn = conn
	return s, nil
}

// session runs one command, or one look at a terminal.
func (c *Client) session(ctx context.Context, path string, start any, e *execution) (int, error) {
	conn, err := c.upgrade(ctx, path, api.ExecProtocol)
	if err != nil {
		return 0, err
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.conn = conn
	if err := e.writeText(ctx, start); err != nil {
		return 0, c.connection(ctx, err)
	}
	if e.streams.In != nil {
		go e.sendInput(ctx)
	}
	if e.streams.Resize != nil {
		go e.sendSizes(ctx)
	}
	if e.streams.Signals != nil {
		go e.sendSignals(ctx)
	}
	code, err := e.receive(ctx)
	if IsOutput(err) {
		return 0, err
	}
	return code, c.connection(ctx, err)
}

// execution is one open exec. The goroutine of Exec reads; writers take turns,
// because a WebSocket message must not be interleaved with another.
type execution struct {
	conn    *socket
	streams ExecStreams
	ends    bool // the end of the input is told
	mu      sync.Mutex
}

func (e *execution) write(ctx context.Context, typ websocket.MessageType, b []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conn.Write(ctx, typ, b)
}

func (e *execution) writeText(ctx context.Context, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.write(ctx, websocket.MessageText, b)
}

// sendInput ends with an eof message where that is told, also when the input fails: the
// command must not wait for what cannot come.
func (e *execution) sendInput(ctx context.Context) {
	buf := make([]byte, 1+execFrame)
	buf[0] = api.StreamStdin
	for {
		n, err := e.streams.In.Read(buf[1:])
		if n > 0 {
			if e.write(ctx, websocket.MessageBinary, buf[:1+n]) != nil {
				return
			}
		}
		if err != nil {
			if e.ends {
				_ = e.writeText(ctx, api.ExecControl{Type: "eof"})
			}
			return
		}
	}
}

func (e *execution) sendSizes(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-e.streams.Resize:
			if !ok || e.writeText(ctx, api.ExecControl{Type: "resize", Cols: size[0], Rows: size[1]}) != nil {
				return
			}
		}
	}
}

func (e *execution) sendSignals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case name, ok := <-e.streams.Signals:
			if !ok || e.writeText(ctx, api.ExecControl{Type: "signal", Signal: name}) != nil {
				return
			}
		}
	}
}

func (e *execution) receive(ctx context.Context) (int, error) {
	for {
		typ, b, err := e.conn.Read(ctx)
		if err != nil {
			return 0, err
		}
		if typ == websocket.MessageText {
			var m api.ExecControl
			if err := json.Unmarshal(b, &m); err != nil {
				return 0, badAnswer(err)
			}
			e.told(m)
			if done, code, err := ended(m); done {
				_ = e.conn.Close(websocket.StatusNormalClosure, "")
				return code, err
			}
			continue
		}
		if err := e.output(b); err != nil {
			return 0, err
		}
	}
}

// told passes on what is said beside the output. What is not known is left alone.
func (e *execution) told(m api.ExecControl) {
	switch {
	case m.Type == "session" && e.streams.Session != nil:
		e.streams.Session(m.Session)
	case m.Type == "notice" && e.streams.Notice != nil:
		e.streams.Notice(m.Text)
	}
}

func (e *execution) output(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	w := e.streams.Out
	if b[0] == api.StreamStderr {
		w = e.streams.Err
	}
	if _, err := w.Write(b[1:]); err != nil {
		return &OutputError{err}
	}
	return nil
}

func ended(m api.ExecControl) (bool, int, error) {
	switch m.Type {
	case "exit":
		return true, m.Code, nil
	case "detached":
		if m.Problem == nil {
			m.Problem = &api.Problem{Kind: fault.Conflict, Code: "detached", Detail: "the terminal was detached"}
		}
		return true, 0, &DetachedError{NewProblemError(*m.Problem)}
	case "error":
		if m.Problem != nil {
			return true, 0, NewProblemError(*m.Problem)
		}
		return true, 0, fault.New(fault.Internal, "exec_failed", "the command could not be run")
	}
	return false, 0, nil
}

// DetachedError says why a look at a terminal has ended although the terminal lives on.
type DetachedError struct{ Err error }

func (e *DetachedError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *DetachedError) Unwrap() error { return e.Err }

// OutputError is a failure to write what a command printed, such as a closed pipe.
type OutputError struct{ Err error }

func (e *OutputError) Error() string { return "cannot write output: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OutputError) Unwrap() error { return e.Err }

// IsOutput reports whether err is an OutputError.
func IsOutput(err error) bool { var o *OutputError; return errors.As(err, &o) }
