package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/auth"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// errAbort ends an answer that has begun and cannot be finished: the connection is
// cut, so that the client does not take a part for the whole.
var errAbort = errors.New("answer cut off")

// call is one request on its way through a handler.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context
	actor workspace.Actor
	query query
	body  []byte // nil without a body
}

// outer wraps the mux with what every request passes.
func (s *Server) outer(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = withRequestID(r)
		begun := time.Now()
		rec := &recorder{ResponseWriter: w, within: s.times.Write}
		h := w.Header()
		h.Set(api.HeaderVersion, api.Version)
		h.Set(api.HeaderRequestID, requestID(r))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		defer s.finish(rec, r, begun)
		if err := s.admit(rec, r); err != nil {
			s.fail(rec, r, err)
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			s.unmatched(mux, rec, r)
			return
		}
		mux.ServeHTTP(rec, r)
	})
}

// admit decides on a request by its head alone.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) error {
	if _, ok := auth.ActorFrom(r.Context()); !ok {
		return fault.New(fault.Denied, "peer_unknown", "the peer cannot be identified")
	}
	if s.isClosing() {
		w.Header().Set("Connection", "close")
		return errShuttingDown()
	}
	return guard(w, r)
}

// finish logs the request and turns a panic into a 500 of this request only.
func (s *Server) finish(rec *recorder, r *http.Request, begun time.Time) {
	p := recover()
	if p == nil && rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	actor, _ := auth.ActorFrom(r.Context())
	s.log.Debug("request", "request_id", requestID(r), "method", clean(r.Method, 20), "route", r.Pattern,
		"status", rec.status, "actor", actor.ID, "took", time.Since(begun).Round(time.Microsecond))
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares in the same way
		panic(p)
	}
	s.log.Error("panic in a handler", "request_id", requestID(r), "route", r.Pattern, "panic", p, "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	rec.Header().Set("Connection", "close")
	s.fail(rec, r, fault.New(fault.Internal, "internal", "panic"))
}

// unmatched answers for paths and methods that no route has, and OPTIONS for all.
func (s *Server) unmatched(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	probe := &recorder{ResponseWriter: discard{http.Header{}}}
	mux.ServeHTTP(probe, r)
	if probe.status != http.StatusMethodNotAllowed {
		s.fail(w, r, fault.New(fault.NotFound, "path_not_found", "there is nothing on this path").
			WithHint("see GET /v1/openapi.json for all paths"))
		return
	}
	w.Header().Set("Allow", probe.Header().Get("Allow")+", OPTIONS")
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.fail(w, r, errMethod(r.Method))
}

// serve returns the handler of one row of the table.
func (s *Server) serve(row route) func(huma.Context) {
	return func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		c := &call{w: w, r: r, ctx: r.Context()}
		err := s.prepare(row, c)
		if err == nil {
			if !row.stream {
				var cancel context.CancelFunc
				c.ctx, cancel = context.WithTimeout(c.ctx, s.times.Handle)
				defer cancel()
			}
			err = row.handle(s, c)
		}
		if errors.Is(err, errAbort) {
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	}
}

func (s *Server) prepare(row route, c *call) (err error) {
	if c.actor, err = allowed(row.access, c.r); err != nil {
		return err
	}
	if c.query, err = parseQuery(c.r.URL.RawQuery, row.params); err != nil {
		return err
	}
	if row.body.raw {
		return checkMedia(c.r.Header.Values("Content-Type"), row.body.media)
	}
	if row.body.media != "" {
		c.body, err = s.readBody(c, row.body)
	}
	return err
}

// readBody reads a whole body of at most MaxBody bytes within its time.
func (s *Server) readBody(c *call, want body) ([]byte, error) {
	if c.r.ContentLength == 0 && want.optional {
		return nil, nil
	}
	if err := checkMedia(c.r.Header.Values("Content-Type"), want.media); err != nil {
		return nil, err
	}
	tooLarge := fault.New(fault.TooLarge, "body_too_large", "the body is longer than %d bytes", MaxBody)
	if c.r.ContentLength > MaxBody {
		c.w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	rc := http.NewResponseController(c.w)
	_ = rc.SetReadDeadline(time.Now().Add(s.times.Body)) // unsupported by recorders in tests
	var buf bytes.Buffer
	_, err := buf.ReadFrom(http.MaxBytesReader(c.w, c.r.Body, MaxBody))
	if err == nil {
		_ = rc.SetReadDeadline(time.Time{})
		return buf.Bytes(), nil
	}
	c.w.Header().Set("Connection", "close")
	var max *http.MaxBytesError
	switch {
	case errors.As(err, &max):
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &statusFault{
			http.StatusRequestTimeout,
			fault.New(fault.Timeout, "body_timeout", "the body did not come within %v", s.times.Body),
		}
	}
	return nil, bodyFault(err)
}

// bodyFault words why a body could not be read to its end, which is the client's doing.
func bodyFault(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "body_incomplete", "the body ended early")
	}
	return fault.New(fault.Invalid, "body_unreadable", "the body cannot be read").WithCause(err)
}

// incoming is a body that the backend reads.
type incoming struct{ io.Reader }

func (b incoming) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = bodyFault(err)
	}
	return n, err
}

// checkMedia wants exactly one Content-Type, and that one: a form in a web page can
// send others without asking anybody.
func checkMedia(given []string, want string) error {
	if len(given) == 1 {
		media, params, err := mime.ParseMediaType(given[0])
		charset := params["charset"]
		if err == nil && media == want && (charset == "" || charset == "utf-8" || charset == "UTF-8") {
			return nil
		}
	}
	return fault.New(fault.MediaType, "media_type", "the body has to be %s", want).WithHint("send Content-Type: %s", want)
}

// decode reads the body into v, strictly.
func (s *Server) decode(c *call, v any) error { return s.api.Unmarshal("application/json", c.body, v) }

// reply answers with v as JSON. A read with If-None-Match of the same tag gets 304;
// tag "" means that the bytes make the tag, noTag that there is none.
func (s *Server) reply(c *call, status int, tag string, v any) error {
	var buf bytes.Buffer
	if err := s.api.Marshal(&buf, "application/json", v); err != nil {
		return fault.New(fault.Internal, "internal", "cannot encode the answer").WithCause(err)
	}
	h := c.w.Header()
	if s.backend.Stale() {
		h.Set(api.HeaderStale, "true")
	}
	read := c.r.Method == http.MethodGet || c.r.Method == http.MethodHead
	if tag == "" && read {
		tag = bodyTag(buf.Bytes())
	}
	if tag != "" && tag != noTag {
		h.Set("ETag", tag)
		h.Set("Cache-Control", "private, no-cache")
		if read && unchanged(c.r, tag) {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(buf.Len())) // the reader then takes as much memory and no more
	c.w.WriteHeader(status)
	_, _ = c.w.Write(buf.Bytes()) // the peer may be gone: nobody is left to tell
	return nil
}

// noTag is for answers that change with every look.
const noTag = "-"
