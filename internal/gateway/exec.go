// Package gateway speaks WebSocket: it relays commands that run inside a workspace,
// terminals that are attached to, and plain connections, one session per connection.
//
// A session tells its lease what it shows of a person: keys that were typed, a command that
// was begun, requests that go through a plain connection. What a terminal answers by itself
// and what comes out show nothing.
//
// A session holds nothing that matters: bytes go straight from the peer to the
// process and back, each side waiting for the other, with one message in memory per
// direction. When the peer goes away the process's streams are given up; when the
// server ends the peer is told so (close code 1001). The package knows neither
// workspaces nor users: its caller has decided who may run what.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds of a session.
const (
	maxStart   = 1 << 20          // bytes of the first message
	maxMessage = 64<<10 + 1       // bytes of a later one: 64 KiB of input behind the stream's byte
	maxControl = 32 << 10         // bytes of a later text message
	maxOutput  = 32<<10 - 1       // bytes of output in one message; with the stream's byte 32 KiB, which every library reads
	startIn    = 10 * time.Second // for the first message
	pingEvery  = 20 * time.Second
	firstPing  = time.Second // so that the quality of a connection is known soon
)

// Exec runs commands for peers, or attaches them to terminals.
type Exec struct {
	// Start or Attach answers the first message; the other is nil.
	Start  func(context.Context, runtime.ExecSpec) (runtime.Process, error)
	Attach func(context.Context, api.TerminalStart) (runtime.Process, error)
	// Attend gives the session its lease once the command runs or the terminal is open;
	// resume is the lease that an earlier connection had.
	Attend func(ctx context.Context, resume string) (activity.Lease, error)
	Called string // how typed input is called in the ledger: "terminal main"
	// Notices calls tell with lines for whoever looks at the terminal, until ctx ends; nil: there are none.
	Notices  func(ctx context.Context, tell func(text string))
	Problem  func(error) api.Problem // words an error for the peer
	Decode   func([]byte, any) error // strict JSON
	Log      *slog.Logger
	Patience time.Duration // a peer may leave output or pings unread so long: a pager waits for a person
}

// CheckUpgrade reports what is missing for a WebSocket of this protocol.
func CheckUpgrade(r *http.Request, protocol string) *fault.Error {
	if !hasToken(r, "Connection", "upgrade") || !hasToken(r, "Upgrade", "websocket") || r.Header.Get("Sec-WebSocket-Version") != "13" {
		return fault.New(fault.Invalid, "upgrade_required", "this path speaks WebSocket (RFC 6455) only").
			WithHint("use wsctl, or a WebSocket client with subprotocol %s", protocol)
	}
	if !hasToken(r, "Sec-WebSocket-Protocol", protocol) {
		return fault.New(fault.Invalid, "subprotocol_required", "the WebSocket does not offer subprotocol %s", protocol)
	}
	return nil
}

func hasToken(r *http.Request, name, token string) bool {
	all := strings.Split(strings.Join(r.Header.Values(name), ","), ",")
	return slices.ContainsFunc(all, func(v string) bool { return strings.EqualFold(strings.TrimSpace(v), token) })
}

// Serve upgrades the connection and runs one command. It returns when the command or
// the peer is gone, soon after leave is closed, or at once when ctx ends.
func (e Exec) Serve(ctx context.Context, leave <-chan struct{}, w http.ResponseWriter, r *http.Request) {
	s := &session{patience: e.Patience, log: e.Log, decode: e.Decode, notices: e.Notices, refused: make(chan error, 1)}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{api.ExecProtocol},
		// A pong that has to wait behind output would end the session after 5 s.
		OnPingReceived: func(context.Context, []byte) bool { return s.waiting.Load() == 0 },
	})
	if err != nil {
		e.Log.Debug("cannot upgrade to a WebSocket", "err", err)
		return // Accept has answered
	}
	defer conn.CloseNow() //nolint:errcheck // closed properly before, or beyond help
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.conn, s.ctx, s.cancel = conn, ctx, cancel
	proc, resume, err := e.open(s)
	if err != nil {
		s.finish(s.problem(e.Problem(err)))
		return
	}
	defer proc.Close() //nolint:errcheck // it only gives up streams
	s.proc, s.stdin = proc, proc.Stdin()
	if err := e.attend(s, resume); err != nil {
		s.finish(s.problem(e.Problem(err)))
		return
	}
	defer s.lease.Close()
	code, err := s.run(leave)
	e.part(s, code, err)
}

// part tells the peer how it ended.
func (e Exec) part(s *session, code int, err error) {
	var wrong *protocolError
	var detached *runtime.DetachedError
	switch {
	case errors.As(err, &detached):
		s.finish(s.detached(e.Problem(detached.Err)))
	case errors.Is(err, errKicked):
		_ = s.proc.Close() // the process must not wait for the peer's goodbye
		m := s.problem(e.Problem(kicked()))
		if e.Attach != nil {
			m = s.detached(e.Problem(kicked()))
		}
		s.finish(m)
	case err == nil:
		s.finish(api.ExecControl{Type: "exit", Code: code})
	case errors.As(err, &wrong):
		_ = s.proc.Close()
		_ = s.conn.Close(wrong.status(), fault.From(wrong.err).Code)
	case errors.Is(err, errLeaving):
		_ = s.proc.Close()
		_ = s.conn.Close(websocket.StatusGoingAway, "wsd is shutting down")
	case s.ctx.Err() == nil:
		s.finish(s.problem(e.Problem(err)))
	default:
		e.Log.Debug("an exec session ended early", "err", context.Cause(s.ctx))
	}
}

// attend takes the lease of a session whose process is open. A terminal's is told to the
// peer, so that it can come back as the same one.
func (e Exec) attend(s *session, resume string) (err error) {
	if s.lease, err = e.Attend(s.ctx, resume); err != nil {
		return err
	}
	s.called = e.Called
	if e.Attach == nil {
		return nil
	}
	if s.typed && resume == "" { // else a program came back by itself
		s.lease.Engage(activity.Asked, "shell")
	}
	return s.tell(api.ExecControl{Type: "session", Session: s.lease.ID()})
}

// open reads the first message and does what it asks for. resume is the lease that the
// peer had before.
func (e Exec) open(s *session) (proc runtime.Process, resume string, err error) {
	data, err := s.readFirst()
	if err != nil {
		return nil, "", err
	}
	if e.Attach != nil {
		var start api.TerminalStart
		if err := e.Decode(data, &start); err != nil {
			return nil, "", err
		}
		if err := checkDir(start.Dir); err != nil {
			return nil, "", err
		}
		s.watched, s.typed = true, !start.View
		proc, err = e.Attach(s.ctx, start)
		return proc, start.Resume, err
	}
	var start api.ExecStart
	if err := e.Decode(data, &start); err != nil {
		return nil, "", err
	}
	spec, err := specOf(start)
	if err != nil {
		return nil, "", err
	}
	s.typed, s.begun = spec.TTY, spec.Command[0]
	proc, err = e.Start(s.ctx, spec)
	return proc, "", err
}

func checkDir(dir string) error {
	if len(dir) > 4096 || strings.ContainsRune(dir, 0) || (dir != "" && dir[0] != '/') {
		return fault.New(fault.Invalid, "dir_invalid", "the folder is not an absolute path").WithField("/dir", "dir_invalid", "")
	}
	return nil
}

// specOf checks a start message.
func specOf(start api.ExecStart) (runtime.ExecSpec, error) {
	spec := runtime.ExecSpec{Command: start.Command, Dir: start.Dir, TTY: start.TTY, Stdin: start.Stdin, Cols: start.Cols, Rows: start.Rows}
	if len(start.Command) == 0 {
		return spec, fault.New(fault.Invalid, "command_required", "no command is given").WithField("/command", "command_required", "")
	}
	if err := workspace.ValidateCommand(start.Command); err != nil {
		return spec, err
	}
	if err := workspace.ValidateEnv(start.Env); err != nil {
		return spec, err
	}
	if err := checkDir(start.Dir); err != nil {
		return spec, err
	}
	for k, v := range start.Env {
		spec.Env = append(spec.Env, k+"="+v)
	}
	slices.Sort(spec.Env)
	return spec, nil
}
