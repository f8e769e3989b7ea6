package client

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// Error is an error that wsd answered with. It unwraps to Fault, so fault.From and
// fault.Is see kind, code, hint and fields; Problem is the body as it came.
type Error struct {
	Problem api.Problem
	Fault   *fault.Error
}

// Error gives the sentence for people.
func (e *Error) Error() string { return e.Fault.Error() }

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Fault }

// RequestID returns the id under which wsd logged what led to err, or "".
func RequestID(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Problem.RequestID
	}
	return ""
}

// NewProblemError returns the error for a problem body, however it came.
func NewProblemError(p api.Problem) *Error {
	if p.Kind == "" {
		p.Kind = fault.KindOfStatus(p.Status)
	}
	if p.Code == "" {
		p.Code = string(p.Kind)
	}
	if p.Detail == "" {
		p.Detail = "wsd answered with status " + strconv.Itoa(p.Status)
	}
	return &Error{Problem: p, Fault: &fault.Error{
		Kind: p.Kind, Code: p.Code, Text: p.Detail, Hint: p.Hint, Fields: p.Errors,
	}}
}

// decodeError reads the error out of an answer that is not a success.
func decodeError(resp *http.Response) error {
	p := api.Problem{Status: resp.StatusCode, RequestID: resp.Header.Get(api.HeaderRequestID)}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && (media == "application/problem+json" || media == "application/json") {
		var got api.Problem
		if json.Unmarshal(raw, &got) == nil && got.Code != "" {
			got.Status = resp.StatusCode
			if got.RequestID == "" {
				got.RequestID = p.RequestID
			}
			p = got
		}
	}
	if p.Code == "" {
		p.Title = http.StatusText(resp.StatusCode)
		p.Retryable = fault.ClassOf(fault.KindOfStatus(resp.StatusCode)).Retryable
	}
	e := NewProblemError(p)
	e.Fault.RetryAfter = retryAfter(resp)
	return e
}

// retryAfterMax is the longest pause that wsd may ask for; a longer one is no answer.
const retryAfterMax = time.Hour

// retryAfter reads Retry-After in seconds (RFC 9110, 10.2.3); 0 when absent or odd.
// The form with a date is not used on a local socket.
func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || n < 0 || n > int(retryAfterMax/time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}

// silent is the fault for a wsd that takes a request and says nothing: it hangs, was stopped
// by a signal, or waits for the machine.
func silent(socket string, waited time.Duration) *fault.Error {
	return fault.New(fault.Timeout, "daemon_silent", "wsd has not answered on %s for %s", socket, waited).
		WithHint("see what it does with `wsctl daemon logs`, and whether its process is stopped or the machine is out of memory")
}

// unreachable words why nobody answered on the socket.
func unreachable(socket string, err error) *fault.Error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fault.New(fault.Denied, "socket_denied", "you may not use the socket %s", socket).
			WithHint("it belongs to another user; set WSD_SOCKET to your own").WithCause(err)
	case errors.Is(err, syscall.EINVAL) || len(socket) > 107: // sun_path, unix(7)
		return fault.New(fault.Usage, "socket_too_long", "the socket's path is longer than 107 bytes").
			WithHint("set WSD_SOCKET to a shorter path").WithCause(err)
	}
	return fault.New(fault.Unavailable, "daemon_unreachable", "wsd does not answer on %s", socket).
		WithHint("start it with `wsctl daemon start`, or look at `wsctl daemon logs`").WithCause(err)
}

// absent reports whether nobody listens on the socket at all.
func absent(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}
