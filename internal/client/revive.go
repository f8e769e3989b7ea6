package client

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/wsctl/wsctl/internal/fault"
)

// reviver meets a daemon that dies in the very moment of a client's first request:
// whoever looked saw its socket accept a connection, and then nobody answers. The
// daemon is started again and the request repeated, if that cannot do harm. Once
// anything was answered a lost daemon stays lost: somebody may have stopped it.
type reviver struct {
	next     http.RoundTripper
	revive   func(context.Context) error // nil: never
	answered atomic.Bool
}

// RoundTrip implements http.RoundTripper.
func (r *reviver) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err == nil {
		r.answered.Store(true)
		return resp, nil
	}
	var never *dialError
	safe := errors.As(err, &never) || repeatable(req) && (req.Body == nil || req.GetBody != nil)
	if r.revive == nil || r.answered.Load() || req.Context().Err() != nil || !safe {
		return nil, err
	}
	if err := r.revive(req.Context()); err != nil {
		return nil, &openError{fault.From(err)}
	}
	if req, err = rewound(req); err != nil {
		return nil, err
	}
	return r.next.RoundTrip(req)
}

// CloseIdleConnections lets http.Client reach the transport.
func (r *reviver) CloseIdleConnections() {
	if t, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
