package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// hostile is a server that answers one request as it likes, and with the second ends the
// caller's patience.
type hostile struct {
	answer func(w http.ResponseWriter, r *http.Request)
	leave  context.CancelCauseFunc
	asked  atomic.Int32
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.asked.Add(1) > 1 {
		h.leave(errors.New("enough"))
		return
	}
	h.answer(w, r)
}

// fuzzed returns a client of a server that answers once.
func fuzzed(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) (*Client, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(20*time.Second, func() { cancel(errors.New("the client does not come to an end")) })
	h := &hostile{answer: answer, leave: cancel}
	c, _ := serve(t, h)
	t.Cleanup(func() {
		timer.Stop()
		if cause := context.Cause(ctx); cause != nil && strings.Contains(cause.Error(), "does not come") {
			t.Error(cause)
		}
		cancel(nil)
	})
	return c, ctx
}

// isFault fails where a method returned an error that nobody can show to people.
func isFault(t *testing.T, err error) {
	t.Helper()
	var f *fault.Error
	if err != nil && (!errors.As(err, &f) || f.Code == "") {
		t.Errorf("not a fault: %#v", err)
	}
}

// Whatever lines a watch is sent: it yields at most one message for each, no fact twice,
// and ends with a fault.
func FuzzWatchLines(f *testing.F) {
	f.Add([]byte(`{"type":"hello","epoch":"a"}` + "\n" + `{"type":"snapshot","seq":7}` + "\n" + `{"type":"event","seq":8,"event":{}}` + "\n" + `{"type":"event","seq":8}` + "\n" + `{"type":"ping"}`))
	f.Add([]byte(`{"type":"resync"}` + "\n" + `{"code":"gone","kind":"gone","status":410}`))
	f.Add([]byte("\n\n{\"type\":\n\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, ctx := fuzzed(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
		yielded, last := 0, uint64(0)
		for m, err := range c.Watch(ctx, WatchOptions{}) {
			isFault(t, err)
			if err != nil {
				break
			}
			if yielded++; m.Type == "snapshot" {
				last = m.Seq
			} else if m.Type == "event" {
				if yielded > 1 && m.Seq <= last {
					t.Errorf("fact %d comes after %d", m.Seq, last)
				}
				last = m.Seq
			}
		}
		if most := 1 + bytes.Count(body, []byte("\n")); yielded > most {
			t.Errorf("%d messages of %d lines", yielded, most)
		}
	})
}

// The same for the lines of a log, which end with the stream.
func FuzzLogLines(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-02T03:04:05Z","stream":"stdout","text":"x"}` + "\n" + `{"code":"x","kind":"internal","status":500}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, ctx := fuzzed(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
		steps := 0
		for _, err := range c.Logs(ctx, "demo", workspace.LogOptions{Follow: true}) {
			isFault(t, err)
			steps++
		}
		if most := 2 + bytes.Count(body, []byte("\n")); steps > most {
			t.Errorf("%d steps of %d lines", steps, most)
		}
	})
}

// frames sends each line of script as one message, and what the peer says is thrown away.
func frames(w http.ResponseWriter, r *http.Request, protocol string, script []byte) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	go func() {
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
		}
	}()
	for line := range bytes.SplitSeq(script, []byte("\n")) {
		kind := websocket.MessageBinary
		if bytes.HasPrefix(line, []byte("{")) {
			kind = websocket.MessageText
		}
		if c.Write(ctx, kind, line) != nil {
			return
		}
	}
	_ = c.Close(websocket.StatusGoingAway, "")
}

// Whatever frames a subscription is sent: it yields at most one update for each and for
// each change of the link, numbered ones once and in order, and ends with a fault.
func FuzzSubscribeFrames(f *testing.F) {
	for _, script := range []string{
		`{"v":1,"type":"hello"}` + "\n" + `{"type":"joined","payload":{"session":"s1","member":"m1"}}` + "\n" + `{"type":"snapshot","epoch":"e","seq":3,"payload":{}}` + "\n" + `{"type":"workspace.updated","epoch":"e","seq":4}` + "\n" + `{"type":"workspace.updated","epoch":"e","seq":4}`,
		`{"type":"ping","payload":{"t":1}}` + "\n" + `{"type":"bye","payload":{"retry_after_ms":9223372036854775807}}`,
		`{"type":"resync","workspace":"demo"}` + "\n" + `{"type":"resync"}` + "\n" + `{"type":"left","payload":{"reason":"kicked"}}`,
		`{"type":"error","payload":{"re":"join","code":"x","kind":"limit","retryable":true}}` + "\n" + `{"type":"error","payload":{"re":"cursor"}}`,
		`{"type":"bye","payload":null}` + "\n" + `{"type":"joined"}`,
	} {
		f.Add([]byte(script))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		c, ctx := fuzzed(t, func(w http.ResponseWriter, r *http.Request) { frames(w, r, api.GatewayProtocol, script) })
		epoch, last, updates := "", uint64(0), 0
		for u, err := range c.Subscribe(ctx, SubscribeOptions{Workspace: "demo"}) {
			isFault(t, err)
			if err != nil {
				break
			}
			if updates++; u.Frame == nil && u.Link == Lost {
				break // after a pause it would come again
			}
			if u.Frame == nil || u.Frame.Seq == 0 || u.Frame.Type == api.FrameError || u.Frame.Type == api.FrameLeft {
				continue
			}
			if u.Frame.Type != api.FrameSnapshot && u.Frame.Epoch == epoch && u.Frame.Seq <= last && epoch != "" {
				t.Errorf("frame %d of %q comes after %d", u.Frame.Seq, epoch, last)
			}
			epoch, last = u.Frame.Epoch, u.Frame.Seq
		}
		if most := 2*(1+bytes.Count(script, []byte("\n"))) + 3; updates > most {
			t.Errorf("%d updates of %d lines", updates, most)
		}
	})
}

// Whatever a command's stream carries: no more comes out than went in, and it ends with a
// status or a fault.
func FuzzExecMessages(f *testing.F) {
	f.Add([]byte("\x01out\n\x02err\n" + `{"type":"session","session":"s"}` + "\n" + `{"type":"exit","code":3}`))
	f.Add([]byte(`{"type":"error"}`))
	f.Add([]byte(`{"type":"detached","problem":{"status":-1}}`))
	f.Add([]byte("\n\x07x\n{"))
	f.Fuzz(func(t *testing.T, script []byte) {
		c, ctx := fuzzed(t, func(w http.ResponseWriter, r *http.Request) { frames(w, r, api.ExecProtocol, script) })
		var out, errs bytes.Buffer
		_, err := c.Exec(ctx, "demo", api.ExecStart{}, ExecStreams{In: strings.NewReader("in"), Out: &out, Err: &errs, Session: func(string) {}, Notice: func(string) {}})
		isFault(t, err)
		if out.Len()+errs.Len() > len(script) {
			t.Errorf("%d bytes of output of %d", out.Len()+errs.Len(), len(script))
		}
	})
}

// Whatever bytes answer an ordinary call, HTTP or not, it ends with an answer or a fault.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"1\"\r\nContent-Length: 17\r\n\r\n{\"workspaces\":[]}"))
	f.Add([]byte("HTTP/1.1 503 X\r\nRetry-After: 99999999999999999999\r\nContent-Type: application/problem+json\r\n\r\n{\"code\":\"x\",\"kind\":\"y\"}"))
	f.Add([]byte("HTTP/1.1 304 Not Modified\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\n\r\n"))
	f.Add([]byte("SSH-2.0-x\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := New(Options{Socket: "/pipe", Retry: RetryPolicy{Attempts: 2, First: time.Microsecond, Max: time.Microsecond}, Dial: func(context.Context) (net.Conn, error) {
			mine, theirs := net.Pipe()
			go func() {
				go func() { _, _ = io.Copy(io.Discard, theirs) }()
				_, _ = theirs.Write(raw)
				_ = theirs.Close()
			}()
			return mine, nil
		}})
		defer c.Close()
		for range 2 { // the second may meet what the first has left behind
			_, err := c.Policies(t.Context())
			isFault(t, err)
		}
	})
}
