package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/intent"
)

// Raw carries the bytes of one connection over a WebSocket of api.RawProtocol.
type Raw struct {
	Lease    activity.Lease // closed by Serve
	Inner    net.Conn       // closed by Serve; its CloseWrite, where it has one, ends a half
	Log      *slog.Logger
	Patience time.Duration // a peer may leave bytes or pings unread so long
}

// Serve upgrades and copies until both halves have ended or one side fails. It returns
// soon after leave is closed, or at once when ctx ends.
func (t Raw) Serve(ctx context.Context, leave <-chan struct{}, w http.ResponseWriter, r *http.Request) {
	defer t.Lease.Close()
	defer t.Inner.Close()
	var moves traffic
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:   []string{api.RawProtocol},
		OnPingReceived: func(context.Context, []byte) bool { return moves.waiting.Load() == 0 }, // as in Exec
	})
	if err != nil {
		t.Log.Debug("cannot upgrade to a WebSocket", "err", err)
		return // Accept has answered
	}
	defer conn.CloseNow() //nolint:errcheck // closed properly before, or beyond help
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	halves := make(chan error, 2)
	go func() { halves <- t.toInner(ctx, conn, &moves) }()
	go func() { halves <- t.toPeer(ctx, conn, &moves) }()
	go moves.watch(ctx, conn, t.Lease, t.Patience, cancel, nil)
	for range 2 {
		select {
		case err = <-halves:
		case <-leave:
			_ = conn.Close(websocket.StatusGoingAway, "wsd is shutting down")
			return
		case <-t.Lease.Kicked():
			_ = conn.Close(websocket.StatusPolicyViolation, kicked().Text)
			return
		case <-ctx.Done():
			return
		}
		if err != nil {
			t.Log.Debug("a connection ended early", "err", err)
			_ = conn.Close(websocket.StatusInternalError, "the connection has failed")
			return
		}
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// toInner returns nil once the peer has ended its half.
func (t Raw) toInner(ctx context.Context, conn *websocket.Conn, moves *traffic) error {
	var sniff intent.Sniffer
	for {
		kind, p, err := conn.Read(ctx)
		if err == nil {
			moves.heard.Add(1)
			t.Lease.Alive()
			if e, what, ok := sniff.Look(p, time.Now()); ok {
				t.Lease.Engage(e, what)
			}
		}
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", errPeerGone, err)
		case kind != websocket.MessageBinary:
			return errors.New("the peer sent text")
		case len(p) == 0:
			// Reading goes on, or pongs and the peer's goodbye would not be seen.
			go func() { _, _, _ = conn.Read(ctx) }()
			return closeWrite(t.Inner)
		}
		moves.waiting.Add(1)
		_, err = t.Inner.Write(p)
		moves.waiting.Add(-1)
		if err != nil {
			return err
		}
	}
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// toPeer returns nil once the inner side has ended its half.
func (t Raw) toPeer(ctx context.Context, conn *websocket.Conn, moves *traffic) error {
	buf := make([]byte, maxOutput)
	for {
		n, err := t.Inner.Read(buf)
		if n > 0 {
			if werr := t.write(ctx, conn, moves, buf[:n]); werr != nil {
				return werr
			}
		}
		if errors.Is(err, io.EOF) {
			return t.write(ctx, conn, moves, nil)
		}
		if err != nil {
			return err
		}
	}
}

func (t Raw) write(ctx context.Context, conn *websocket.Conn, moves *traffic, p []byte) error {
	moves.waiting.Add(1)
	defer moves.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, t.Patience)
	defer cancel()
	return conn.Write(ctx, websocket.MessageBinary, p)
}
