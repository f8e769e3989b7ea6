package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/runtime"
)

// session is one command and its peer. Three goroutines work on it: one reads the
// peer, one copies output, one pings; run waits for whichever ends first. Output
// waits for the peer and input waits for the process, so neither is ever queued.
type session struct {
	conn     *websocket.Conn
	ctx      context.Context
	cancel   context.CancelCauseFunc
	proc     runtime.Process
	stdin    io.WriteCloser // nil: not asked for
	patience time.Duration
	log      *slog.Logger
	decode   func([]byte, any) error

	lease   activity.Lease
	keys    intent.Keys
	typed   bool   // its input is typed by a person
	begun   string // the command that it has begun; "": it looks at one
	called  string // how input is called in the ledger
	watched bool   // somebody looks, who can be told something
	notices func(ctx context.Context, tell func(text string))

	refused chan error // what the peer did wrong; room for one
	traffic
}

var (
	errPeerGone = errors.New("the peer is gone")
	errLeaving  = errors.New("the server ends")
	errKicked   = errors.New("the session was ended")
)

// kicked is what a peer is told whose session was ended by somebody.
func kicked() *fault.Error {
	return fault.New(fault.Conflict, "kicked", "the session was ended by wsctl sessions --kick")
}

// protocolError is a message that a peer must not send.
type protocolError struct{ err error }

func (e *protocolError) Error() string { return e.err.Error() }

// status is the close code for it (RFC 6455, 7.4.1).
func (e *protocolError) status() websocket.StatusCode {
	if fault.Is(e.err, fault.TooLarge) {
		return websocket.StatusMessageTooBig
	}
	return websocket.StatusPolicyViolation
}

func (s *session) readFirst() ([]byte, error) {
	s.conn.SetReadLimit(maxStart)
	ctx, cancel := context.WithTimeout(s.ctx, startIn)
	defer cancel()
	kind, data, err := s.conn.Read(ctx)
	if err != nil {
		s.cancel(errPeerGone)
		return nil, fmt.Errorf("cannot read the first message: %w", err)
	}
	if kind != websocket.MessageText {
		return nil, fault.New(fault.Invalid, "start_required", "the first message has to be a text message that says what to run")
	}
	return data, nil
}

type outcome struct {
	code int
	err  error
}

// run moves bytes until the command ends, and returns its exit status.
func (s *session) run(leave <-chan struct{}) (int, error) {
	s.conn.SetReadLimit(maxMessage)
	if s.begun != "" {
		s.lease.Engage(activity.Ran, s.begun)
	}
	go s.input()
	go s.ping()
	if s.watched && s.notices != nil {
		go s.notices(s.ctx, func(text string) { _ = s.tell(api.ExecControl{Type: "notice", Text: text}) })
	}
	ended := make(chan outcome, 1)
	go func() {
		if err := s.proc.Copy(s.writer(api.StreamStdout), s.writer(api.StreamStderr)); err != nil {
			ended <- outcome{err: err}
			return
		}
		code, err := s.proc.Exit(s.ctx)
		ended <- outcome{code, err}
	}()
	select {
	case o := <-ended:
		return o.code, o.err
	case err := <-s.refused:
		return 0, &protocolError{err}
	case <-leave:
		return 0, errLeaving
	case <-s.lease.Kicked():
		return 0, errKicked
	case <-s.ctx.Done():
		return 0, errPeerGone
	}
}

// input reads the peer until it or the session ends.
func (s *session) input() {
	for {
		kind, data, err := s.conn.Read(s.ctx)
		if err != nil {
			s.cancel(fmt.Errorf("%w: %w", errPeerGone, err))
			return
		}
		s.heard.Add(1)
		s.lease.Alive()
		if kind == websocket.MessageText {
			err = s.control(data)
		} else {
			err = s.feed(data)
		}
		if err != nil {
			s.refused <- err
			return
		}
	}
}

// feed writes input. Once the process has closed its input, the rest is dropped, as
// with a pipe whose reader has gone.
func (s *session) feed(data []byte) error {
	switch {
	case len(data) == 0 || data[0] != api.StreamStdin:
		return fault.New(fault.Invalid, "stream_unknown", "a message names a stream that only the server writes")
	case s.stdin == nil:
		return fault.New(fault.Invalid, "stdin_closed", "the command was started without input")
	}
	if s.typed && s.keys.Typed(data[1:]) {
		s.lease.Engage(activity.Input, s.called)
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	if _, err := s.stdin.Write(data[1:]); err != nil {
		s.log.Debug("input is dropped", "err", err)
	}
	return nil
}

func (s *session) control(data []byte) error {
	if len(data) > maxControl {
		return fault.New(fault.TooLarge, "message_too_large", "a control message is longer than %d bytes", maxControl)
	}
	var m api.ExecControl
	if err := s.decode(data, &m); err != nil {
		return err
	}
	switch {
	case m.Type == "resize" && m.Cols > 0 && m.Rows > 0:
		ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
		defer cancel()
		if err := s.proc.Resize(ctx, m.Cols, m.Rows); err != nil {
			s.log.Debug("cannot resize a terminal", "err", err)
		}
	case m.Type == "eof" && s.stdin != nil:
		if err := s.stdin.Close(); err != nil {
			s.log.Debug("cannot close input", "err", err)
		}
	case m.Type == "eof":
	case m.Type == "signal":
		p, ok := s.proc.(runtime.Signaler)
		if !ok {
			return fault.New(fault.Invalid, "signal_unsupported", "the command of this workspace cannot be sent a signal").
				WithHint("restart the workspace: it runs without an agent that answers")
		}
		if err := p.Signal(s.ctx, m.Signal); err != nil {
			s.log.Debug("cannot send a signal", "err", err)
		}
	default:
		return fault.New(fault.Invalid, "control_unknown", "%.40q is not a control message", m.Type)
	}
	return nil
}

// ping looks after the peer. One that only stands still (a pager, Ctrl-Z) keeps its
// session until patience ends. While bytes wait, an empty piece of output shows whether the
// connection still stands.
func (s *session) ping() {
	s.watch(s.ctx, s.conn, s.lease, s.patience, s.cancel, func() error {
		return s.send(websocket.MessageBinary, []byte{api.StreamStdout})
	})
}

// writer sends one stream of output, each message in its turn.
func (s *session) writer(stream byte) io.Writer { return &output{s: s, buf: []byte{stream}} }

type output struct {
	s   *session
	buf []byte // the stream's byte, then the message
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		piece := p[n:min(len(p), n+maxOutput)]
		o.buf = append(o.buf[:1], piece...)
		if err := o.s.send(websocket.MessageBinary, o.buf); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

func (s *session) send(kind websocket.MessageType, data []byte) error {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(s.ctx, s.patience)
	defer cancel()
	if err := s.conn.Write(ctx, kind, data); err != nil {
		s.cancel(fmt.Errorf("%w: %w", errPeerGone, err))
		return err
	}
	return nil
}

func (s *session) problem(p api.Problem) api.ExecControl {
	return api.ExecControl{Type: "error", Problem: &p}
}

func (s *session) detached(p api.Problem) api.ExecControl {
	return api.ExecControl{Type: "detached", Problem: &p}
}

// finish sends the last message and closes the connection properly.
func (s *session) finish(m api.ExecControl) {
	if s.ctx.Err() == nil && s.tell(m) == nil {
		_ = s.conn.Close(websocket.StatusNormalClosure, "")
	}
}

// tell sends a control message. It may be called at any time.
func (s *session) tell(m api.ExecControl) error {
	data, err := json.Marshal(m)
	if err != nil {
		panic("gateway: a control message cannot fail to marshal: " + err.Error())
	}
	return s.send(websocket.MessageText, data)
}
