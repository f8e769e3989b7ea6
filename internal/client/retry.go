package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wsctl/wsctl/internal/api"
)

// RetryPolicy bounds repetitions. Delay n is drawn uniformly from 0 to
// min(First*2^n, Max) ("full jitter"), unless the answer names a Retry-After.
type RetryPolicy struct {
	Attempts int           // in all, the first included; 1: never repeat
	First    time.Duration // ceiling of the first delay
	Max      time.Duration // ceiling of every delay
	Patience time.Duration // a longer Retry-After is handed to the caller at once
}

// DefaultRetry fits a person who waits: a daemon that is being restarted is met
// again, one that is away for long is reported within about two seconds.
var DefaultRetry = RetryPolicy{Attempts: 4, First: 200 * time.Millisecond, Max: 2 * time.Second, Patience: 2 * time.Second}

// backOff returns the delays of p. The library draws from interval*(1±factor);
// with factor 1 and half the ceiling that is the full range from 0 to the ceiling.
func (p RetryPolicy) backOff() *backoff.ExponentialBackOff {
	b := &backoff.ExponentialBackOff{
		InitialInterval:     p.First / 2,
		MaxInterval:         p.Max / 2,
		RandomizationFactor: 1,
		Multiplier:          2,
	}
	b.Reset()
	return b
}

// retrier repeats a request whose repetition cannot do harm.
type retrier struct {
	next   http.RoundTripper
	policy RetryPolicy
}

func newRetrier(next http.RoundTripper, p RetryPolicy) *retrier { return &retrier{next, p} }

// RoundTrip implements http.RoundTripper.
func (r *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	delays := r.policy.backOff()
	for attempt := 1; ; attempt++ {
		resp, err := r.next.RoundTrip(req)
		if attempt >= r.policy.Attempts || !r.again(req, resp, err) {
			return resp, err
		}
		delay := delays.NextBackOff()
		if resp != nil {
			if after := retryAfter(resp); after > 0 {
				delay = after
			}
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
			_ = resp.Body.Close()
		}
		if err := pause(req.Context(), delay); err != nil {
			return nil, err
		}
		if req, err = rewound(req); err != nil {
			return nil, err
		}
	}
}

// again decides whether one more attempt is both safe and useful.
func (r *retrier) again(req *http.Request, resp *http.Response, err error) bool {
	if req.Context().Err() != nil || (req.Body != nil && req.GetBody == nil) {
		return false
	}
	if err != nil {
		var open *openError
		var never *dialError
		if errors.As(err, &open) {
			return false
		}
		return repeatable(req) || errors.As(err, &never)
	}
	full := resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" // else a quota, which stays
	busy := resp.StatusCode == http.StatusServiceUnavailable || full
	return busy && repeatable(req) && retryAfter(resp) <= r.policy.Patience
}

// repeatable reports whether the same request twice is the same as once
// (RFC 9110, 9.2.2), or wsd will recognise the second one by its key.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return true
	}
	return req.Header.Get(api.HeaderIdempotencyKey) != ""
}

func rewound(req *http.Request) (*http.Request, error) {
	if req.GetBody == nil {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body = body
	return req, nil
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
