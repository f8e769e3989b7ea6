package gateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
)

// pipes is a listener of connections in memory, which a bubble of synctest can wait for.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// A client may read all and never answer a goodbye, for which the WebSocket waits 5 s.
func TestAGoodbyeThatIsNotAnsweredDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(Options{Engine: newFake(), Decode: strict, Problem: problem, Log: slog.New(slog.DiscardHandler)})
		ctx, end := context.WithCancel(context.Background())
		go hub.Run(ctx)
		leave, gone := make(chan struct{}), false
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // pipes
			hub.Serve(ctx, leave, w, r, alice, func() { gone = true })
		})}
		listener := make(pipes)
		go func() { _ = server.Serve(listener) }()
		mine, theirs := net.Pipe()
		listener <- theirs
		go func() {
			_, _ = io.WriteString(mine, "GET / HTTP/1.1\r\nHost: wsd\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
			_, _ = io.Copy(io.Discard, mine)
		}()
		synctest.Wait()
		close(leave)
		synctest.Wait()
		if gone {
			t.Error("nobody waits for an answer to the goodbye")
		}
		end()
		synctest.Wait() // no time goes by
		if !gone {
			t.Error("the client is still served after the end")
		}
		_ = server.Close()
	})
}
