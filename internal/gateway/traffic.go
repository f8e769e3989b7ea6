package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/activity"
)

// traffic is what moves over the connection of a session. A peer whose own message waits cannot
// send its pong: wsctl leaves the ping unanswered then, others give up after a while.
type traffic struct {
	waiting atomic.Int32  // goroutines that wait for either side to take bytes
	heard   atomic.Uint64 // messages of the peer
}

// watch asks the peer whether it is there, until ctx ends, and ends the session with cancel
// once it has not answered for the whole of patience. While bytes wait, probe is called instead,
// if it is not nil; it sends what needs no answer.
func (t *traffic) watch(ctx context.Context, conn *websocket.Conn, lease activity.Lease, patience time.Duration, cancel context.CancelCauseFunc, probe func() error) {
	next := time.NewTimer(firstPing)
	defer next.Stop()
	heard := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		next.Reset(pingEvery)
		if probe != nil && t.waiting.Load() > 0 {
			if probe() != nil {
				return // and the session ends
			}
			heard = time.Now()
			continue
		}
		err := t.pinged(ctx, conn, lease)
		switch {
		case err == nil:
			heard = time.Now()
		case !errors.Is(err, context.DeadlineExceeded) || time.Since(heard) > patience:
			cancel(fmt.Errorf("%w: %w", errPeerGone, err))
			return
		}
	}
}

// pinged pings the peer, and tells the lease how long the answer took. A peer that has written
// meanwhile is there without one.
func (t *traffic) pinged(ctx context.Context, conn *websocket.Conn, lease activity.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, pingEvery)
	defer cancel()
	before, asked := t.heard.Load(), time.Now()
	err := conn.Ping(ctx)
	switch {
	case err == nil:
		lease.Trip(time.Since(asked))
	case !errors.Is(err, context.DeadlineExceeded):
	case t.waiting.Load() > 0 || t.heard.Load() != before:
		return nil
	default:
		lease.Missed()
	}
	return err
}
