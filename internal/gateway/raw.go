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

	"github.com/wsctl/wsctl/internal/api"
)

// Raw carries the bytes of one connection over a WebSocket of api.RawProtocol.
type Raw struct {
	Inner    net.Conn // closed by Serve; its CloseWrite, where it has one, ends a half
	Log      *slog.Logger
	Patience time.Duration // a peer may leave bytes or pings unread so long
}

// Serve upgrades and copies until both halves have ended or one side fails. It returns
// soon after leave is closed, or at once when ctx ends.
func (t Raw) Serve(ctx context.Context, leave <-chan struct{}, w http.ResponseWriter, r *http.Request) {
	defer t.Inner.Close()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{api.RawProtocol}})
	if err != nil {
		t.Log.Debug("cannot upgrade to a WebSocket", "err", err)
		return // Accept has answered
	}
	defer conn.CloseNow() //nolint:errcheck // closed properly before, or beyond help
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	halves := make(chan error, 2)
	go func() { halves <- t.toInner(ctx, conn) }()
	go func() { halves <- t.toPeer(ctx, conn) }()
	go t.ping(ctx, conn, cancel)
	for range 2 {
		select {
		case err = <-halves:
		case <-leave:
			_ = conn.Close(websocket.StatusGoingAway, "wsd is shutting down")
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
func (t Raw) toInner(ctx context.Context, conn *websocket.Conn) error {
	for {
		kind, p, err := conn.Read(ctx)
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
		if _, err := t.Inner.Write(p); err != nil {
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
func (t Raw) toPeer(ctx context.Context, conn *websocket.Conn) error {
	buf := make([]byte, maxOutput)
	for {
		n, err := t.Inner.Read(buf)
		if n > 0 {
			if werr := t.write(ctx, conn, buf[:n]); werr != nil {
				return werr
			}
		}
		if errors.Is(err, io.EOF) {
			return t.write(ctx, conn, nil)
		}
		if err != nil {
			return err
		}
	}
}

func (t Raw) write(ctx context.Context, conn *websocket.Conn, p []byte) error {
	ctx, cancel := context.WithTimeout(ctx, t.Patience)
	defer cancel()
	return conn.Write(ctx, websocket.MessageBinary, p)
}

// ping ends a session whose peer has not answered for the whole of Patience.
func (t Raw) ping(ctx context.Context, conn *websocket.Conn, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for heard := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pctx, done := context.WithTimeout(ctx, pingEvery)
		err := conn.Ping(pctx)
		done()
		if err == nil {
			heard = time.Now()
		} else if !errors.Is(err, context.DeadlineExceeded) || time.Since(heard) > t.Patience {
			cancel(fmt.Errorf("%w: %w", errPeerGone, err))
			return
		}
	}
}
