package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// shell serves exec: it echoes standard input to stdout and its length to stderr,
// then ends with the status that the first argument names.
func shell(end api.ExecControl) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{api.ExecProtocol}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(1 << 20)
		var start api.ExecStart
		if wsjson.Read(r.Context(), conn, &start) != nil {
			return
		}
		for start.Stdin {
			typ, b, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if typ == websocket.MessageText {
				if strings.Contains(string(b), `"eof"`) {
					break
				}
				continue
			}
			_ = conn.Write(r.Context(), websocket.MessageBinary, append([]byte{api.StreamStdout}, b[1:]...))
		}
		_ = conn.Write(r.Context(), websocket.MessageBinary, []byte("\x02"+strings.Join(start.Command, "|")))
		_ = wsjson.Write(r.Context(), conn, end)
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
}

func TestExec(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 20000)
	tests := []struct {
		name    string
		handler http.Handler
		in      io.Reader
		status  int
		code    string
		out     string
	}{
		{"the status of the command is returned", shell(api.ExecControl{Type: "exit", Code: 42}), nil, 42, "", ""},
		{"input reaches the command and comes back whole", shell(api.ExecControl{Type: "exit"}), strings.NewReader(big), 0, "", big},
		{"an input that fails ends like one that is over", shell(api.ExecControl{Type: "exit", Code: 1}), io.MultiReader(strings.NewReader("x"), failing{}), 1, "", "x"},
		{"an error after the start is a fault", shell(api.ExecControl{Type: "error", Problem: &api.Problem{Status: 404, Code: "command_not_found", Kind: fault.NotFound, Detail: "no sh"}}), nil, 0, "command_not_found", ""},
		{"a refusal before the start is a fault", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, 409, "state") }), nil, 0, "state", ""},
		{"a connection that breaks is not an exit", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{api.ExecProtocol}})
			if err == nil {
				_ = conn.CloseNow()
			}
		}), nil, 0, "connection_lost", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := serve(t, tt.handler)
				var out, errOut bytes.Buffer
				start := api.ExecStart{Command: []string{"sh", "-c"}, Stdin: tt.in != nil}
				status, err := c.Exec(t.Context(), "demo", start, ExecStreams{In: tt.in, Out: &out, Err: &errOut})
				if tt.code != "" {
					if !fault.HasCode(err, tt.code) {
						t.Fatalf("got %v, want %s", err, tt.code)
					}
					return
				}
				if err != nil || status != tt.status || out.String() != tt.out || errOut.String() != "sh|-c" {
					t.Errorf("status %d, %d bytes out, %q err, %v", status, out.Len(), errOut.String(), err)
				}
			})
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestExecEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{api.ExecProtocol}})
			if err != nil {
				return
			}
			for err == nil {
				_, _, err = conn.Read(r.Context())
			}
			close(hung)
		}))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { synctest.Wait(); cancel() }()
		_, err := c.Exec(ctx, "demo", api.ExecStart{Command: []string{"sleep"}}, ExecStreams{Out: io.Discard, Err: io.Discard})
		if !fault.Is(err, fault.Interrupted) {
			t.Errorf("got %v, want interrupted", err)
		}
		<-hung // the server sees the hang-up
	})
}

func TestExecReportsClosedOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := serve(t, shell(api.ExecControl{Type: "exit"}))
		_, err := c.Exec(t.Context(), "demo", api.ExecStart{Command: []string{"yes"}, Stdin: true},
			ExecStreams{In: strings.NewReader("x"), Out: closed{}, Err: io.Discard})
		if !IsOutput(err) || fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v, want an output error, and nothing of the connection", err)
		}
	})
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A person leaves a terminal, or theirs is closed: what runs in it must not take that for the
// end of its input.
func TestWhoLeavesATerminalEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{api.ExecProtocol}})
			if err != nil {
				return
			}
			defer conn.CloseNow()
			for {
				_, b, err := conn.Read(r.Context())
				if err != nil {
					return
				}
				said = append(said, string(b))
			}
		}))
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.AttachTerminal(ctx, "demo", "main", api.TerminalStart{}, ExecStreams{In: strings.NewReader("ls")})
		}()
		synctest.Wait() // the input is over, and everything is said
		leave()
		<-done
		synctest.Wait()
		if len(said) != 2 || said[1] != "\x00ls" {
			t.Errorf("after its start the terminal is told %q", said[1:])
		}
	})
}

// Both sides may wait for the other to read. A ping that comes then must not keep the client
// from it.
func TestAPingDoesNotHoldUpWhatComes(t *testing.T) {
	for _, protocol := range []string{api.ExecProtocol, api.RawProtocol} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				blocked, over := make(chan struct{}), make(chan struct{})
				defer close(over)
				c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}})
					if err != nil {
						return
					}
					defer conn.CloseNow()
					if protocol == api.ExecProtocol {
						_, _, _ = conn.Read(r.Context()) // the start
					}
					<-blocked
					go conn.Ping(r.Context())    //nolint:errcheck // nothing is read here
					time.Sleep(time.Millisecond) // until it has been sent
					_ = conn.Write(r.Context(), websocket.MessageBinary, []byte("\x01out"))
					<-over
				}))
				heard := make(chan []byte, 1)
				out := writerFunc(func(p []byte) (int, error) { heard <- bytes.Clone(p); return len(p), nil })
				ctx, leave := context.WithCancel(t.Context())
				failed := make(chan error, 1)
				go func() {
					if protocol == api.ExecProtocol {
						_, err := c.Exec(ctx, "demo", api.ExecStart{Command: []string{"cat"}, Stdin: true}, ExecStreams{In: endless{}, Out: out, Err: io.Discard})
						failed <- err
						return
					}
					raw, err := c.Forward(ctx, "demo", 80)
					if err == nil {
						err = raw.Relay(endless{}, out)
					}
					failed <- err
				}()
				synctest.Wait() // nothing more can be written
				close(blocked)
				select {
				case p := <-heard:
					if !bytes.HasSuffix(p, []byte("out")) {
						t.Errorf("heard %q", p)
					}
				case err := <-failed:
					t.Fatalf("it ended with %v", err)
				}
				leave()
				<-failed
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
