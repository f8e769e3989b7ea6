package server

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// Bounds of text in a problem, in runes: whatever a request smuggles into an error
// comes back no longer than this.
const (
	maxDetail = 400
	maxField  = 200
)

const problemType = "application/problem+json"

// statusFault is a fault whose HTTP status is more exact than that of its kind,
// such as 408 for a body that never came.
type statusFault struct {
	status int
	fault  *fault.Error
}

func (e *statusFault) Error() string { return e.fault.Error() }
func (e *statusFault) Unwrap() error { return e.fault }

// problemOf words err for people and scripts. An Internal error keeps its code but
// shows a general sentence only; the caller logs the rest.
func problemOf(err error, requestID string) api.Problem {
	f := fault.From(err)
	class := fault.ClassOf(f.Kind)
	p := api.Problem{
		Type: "https://wsctl.dev/errors/" + f.Code, Title: http.StatusText(class.HTTP), Status: class.HTTP,
		Detail: clean(f.Text, maxDetail), Code: f.Code, Kind: f.Kind, Hint: clean(f.Hint, maxDetail),
		Retryable: class.Retryable, RequestID: requestID,
	}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, fault.Field{
			Pointer: clean(field.Pointer, maxField), Code: field.Code, Detail: clean(field.Detail, maxField),
		})
	}
	if f.Kind == fault.Internal {
		p.Detail = "something went wrong inside wsd"
		p.Hint = "look for request " + requestID + " in `wsctl daemon logs`"
		p.Errors = nil
	}
	var s *statusFault
	if errors.As(err, &s) {
		p.Status, p.Title = s.status, http.StatusText(s.status)
	}
	if p.Title == "" {
		p.Title = "Request Interrupted" // 499 is nobody's standard
	}
	return p
}

// clean bounds text and takes out what a terminal or a log could act on.
func clean(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n > limit+1:
			return -1
		case n == limit+1:
			return '…'
		case unicode.IsPrint(r):
			return r
		}
		return '\uFFFD'
	}, s)
}

// retryAfter gives the header's value in whole seconds, rounded up; "" for none.
func retryAfter(err error) string {
	d := fault.From(err).RetryAfter
	if d <= 0 {
		return ""
	}
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

// fail answers with err as a problem and logs what is not the caller's doing.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	id := requestID(r)
	if s.isClosing() && fault.Is(fault.From(err), fault.Interrupted) {
		err = errShuttingDown()
	}
	p := problemOf(err, id)
	if p.Kind == fault.Internal {
		s.log.Error("request failed", "request_id", id, "route", r.Pattern, "err", err)
	}
	body, jsonErr := json.Marshal(p)
	if jsonErr != nil {
		panic("server: a problem of plain strings cannot fail to marshal: " + jsonErr.Error())
	}
	h := w.Header()
	for _, name := range []string{"ETag", "Location", "Content-Disposition", "Content-Length"} {
		h.Del(name)
	}
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	if v := retryAfter(err); v != "" {
		h.Set("Retry-After", v)
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(body, '\n')) // the peer may be gone: nobody is left to tell
	}
}

func errShuttingDown() error {
	return fault.New(fault.Unavailable, "shutting_down", "wsd is shutting down").WithRetryAfter(time.Second)
}
