package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// headAfter is how long a stream without a first message holds its head back: until
// then an error of the backend still becomes a problem.
const headAfter = 500 * time.Millisecond

// stream writes one JSON object a line. Each line is flushed, with a deadline; the
// sender waits until it is taken, so nothing queues up here. A reader that does not
// take a line in time ends the stream.
type stream struct {
	ctx    context.Context // ends with the request, the server, or a failed write
	cancel context.CancelCauseFunc
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	ping   any // sent after silence; nil: nothing is

	turn   chan struct{} // full while somebody writes
	buf    bytes.Buffer
	quiet  *time.Timer
	begun  bool
	closed bool
	failed error // of a write
}

func (s *Server) newStream(c *call, ping any) *stream {
	st := &stream{s: s, w: c.w, r: c.r, ping: ping, turn: make(chan struct{}, 1)}
	st.ctx, st.cancel = context.WithCancelCause(c.ctx)
	st.turn <- struct{}{} // silence may not run before quiet is set
	st.quiet = time.AfterFunc(headAfter, st.silence)
	<-st.turn
	go func() {
		select {
		case <-s.closing:
			st.cancel(errShuttingDown())
		case <-st.ctx.Done():
		}
	}()
	return st
}

// send writes v; it is what a backend's yield is.
func (st *stream) send(v any) error {
	st.turn <- struct{}{}
	defer func() { <-st.turn }()
	return st.write(v)
}

func (st *stream) write(v any) error {
	if err := context.Cause(st.ctx); err != nil {
		return err
	}
	st.buf.Reset()
	if v != nil {
		if err := encode(&st.buf, v); err != nil {
			return fmt.Errorf("cannot encode a message: %w", err)
		}
	}
	if !st.begun {
		st.begun = true
		st.w.Header().Set("Content-Type", "application/x-ndjson")
		st.w.WriteHeader(http.StatusOK)
	}
	writeWithin(st.w, st.s.times.Write)
	_, err := st.w.Write(st.buf.Bytes())
	if err == nil {
		err = http.NewResponseController(st.w).Flush()
	}
	if err != nil {
		err = fmt.Errorf("the reader does not take a message: %w", err)
		st.failed = err
		st.cancel(err)
		return err
	}
	if st.buf.Cap() > 1<<20 {
		st.buf = bytes.Buffer{} // one large snapshot is no reason to keep its memory
	}
	st.quiet.Reset(st.s.times.Quiet)
	return nil
}

// silence runs when nothing was sent for a while: first it sends the head, later pings.
func (st *stream) silence() {
	select {
	case st.turn <- struct{}{}:
	default:
		return // somebody writes, so it is not silent
	}
	defer func() { <-st.turn }()
	switch {
	case st.closed:
	case !st.begun:
		_ = st.write(nil) // a failure has cancelled the stream
	case st.ping != nil:
		_ = st.write(st.ping) // as above
	}
}

// stop makes sure that nothing is written once the handler has returned, also after
// a panic.
func (st *stream) stop() {
	st.turn <- struct{}{}
	defer func() { <-st.turn }()
	st.closed = true
	st.quiet.Stop()
	st.cancel(context.Canceled)
}

// end says how the handler ends. Before the first line err is an answer of its own. After
// it, only the end of the peer or of the server is a proper end: err is the last line, as a
// problem, and then the connection is cut.
func (st *stream) end(err error) error {
	st.turn <- struct{}{}
	defer func() { <-st.turn }()
	switch {
	case !st.begun && err == nil:
		return st.write(nil)
	case !st.begun && st.s.isClosing():
		return errShuttingDown()
	case !st.begun:
		return err
	case st.failed == nil && (err == nil || st.ctx.Err() != nil):
		writeWithin(st.w, st.s.times.Write) // for the end of the body
		return nil
	}
	id := requestID(st.r)
	p := problemOf(err, id)
	if st.failed == nil && p.Kind == fault.Internal {
		st.s.log.Error("a stream failed", "request_id", id, "route", st.r.Pattern, "err", err)
	} else {
		st.s.log.Debug("a stream broke off", "request_id", id, "err", err)
	}
	_ = st.write(p) // fails where a write has failed
	return errAbort
}

// untilKicked ends the stream with a problem when its session is ended.
func (st *stream) untilKicked(lease activity.Lease) {
	select {
	case <-lease.Kicked():
		_ = st.send(problemOf(errKicked(), ""))
		st.cancel(errKicked())
	case <-st.ctx.Done():
	}
}

func (s *Server) watch(c *call) error {
	ref, err := c.refParam()
	if err != nil || c.r.Method == http.MethodHead {
		return err
	}
	files := c.query.bool("files")
	if files && ref == "" {
		return fault.New(fault.Invalid, "workspace_required", "files are watched in one workspace").
			WithHint("name it: ?workspace=REF").WithField("/workspace", "workspace_required", "")
	}
	st := s.newStream(c, api.Message{Type: "ping"})
	defer st.stop()
	if files {
		if err := s.backend.WatchFiles(st.ctx, c.actor, ref); err != nil {
			return st.end(err)
		}
	}
	err = s.backend.Watch(st.ctx, c.actor, c.query.number("after", -1), ref, func(m api.Message) error { return st.send(m) })
	return st.end(err)
}

func (s *Server) logs(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	o := workspace.LogOptions{Follow: c.query.bool("follow"), Since: c.query.time("since"), Tail: int(c.query.number("tail", -1))}
	if c.r.Method == http.MethodHead {
		return s.seen(c, ref)
	}
	st := s.newStream(c, nil)
	defer st.stop()
	if o.Follow && !c.query.bool("observe") {
		lease, err := s.lease(st.ctx, c, ref, activity.Logs, "")
		if err != nil {
			return err
		}
		defer lease.Close()
		go st.untilKicked(lease)
	}
	err = s.backend.Logs(st.ctx, c.actor, ref, o, func(l workspace.LogLine) error { return st.send(l) })
	return st.end(err)
}

// seen is the answer to HEAD of a stream: whether the caller may see the workspace.
func (s *Server) seen(c *call, ref string) error {
	_, err := s.backend.Workspace(c.ctx, c.actor, ref)
	return err
}

func (s *Server) events(c *call) error {
	ref, err := c.refParam()
	if err != nil {
		return err
	}
	limit := int(c.query.number("limit", defaultPage))
	list, err := s.backend.Events(c.ctx, c.actor, uint64(c.query.number("after", 0)), limit, ref)
	if err != nil {
		return err
	}
	l := api.EventList{Events: list}
	if len(list) >= limit {
		l.Next = list[len(list)-1].Seq
	}
	if l.Events == nil {
		l.Events = []event.Event{}
	}
	return s.reply(c, http.StatusOK, "", l)
}
