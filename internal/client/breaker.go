package client

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/wsctl/wsctl/internal/fault"
)

// The breaker opens after this many connection failures in a row and lets one
// request through again after the pause.
const (
	breakerFailures = 5
	breakerPause    = 5 * time.Second
)

// breaker keeps a long-lived client from hammering a daemon that is not there.
// Only failures of the connection count: an answer of any status, 503 included,
// proves that wsd lives.
type breaker struct {
	next http.RoundTripper
	cb   *gobreaker.CircuitBreaker[*http.Response]
}

func newBreaker(next http.RoundTripper) *breaker {
	return &breaker{next, gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
		Name:        "wsd",
		MaxRequests: 1,
		Timeout:     breakerPause,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
		IsExcluded: func(err error) bool {
			return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		},
	})}
}

// RoundTrip implements http.RoundTripper.
func (b *breaker) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.cb.Execute(func() (*http.Response, error) { return b.next.RoundTrip(req) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, &openError{fault.New(fault.Unavailable, "daemon_unreachable",
			"wsd has not answered several times in a row").WithRetryAfter(breakerPause).
			WithHint("look at `wsctl daemon status` and `wsctl daemon logs`").WithCause(err)}
	}
	return resp, err
}

// openError marks a request that was not even tried.
type openError struct{ fault *fault.Error }

func (e *openError) Error() string { return e.fault.Error() }
func (e *openError) Unwrap() error { return e.fault }
