package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// rig is a hub over a fake engine, reached by real sockets.
type rig struct {
	t     testing.TB
	fake  *fake
	hub   *Hub
	leave chan struct{}
	end   context.CancelFunc // of all that the hub serves
	url   string
}

func newRig(t testing.TB, l Limits) *rig {
	t.Helper()
	r := &rig{t: t, fake: newFake(), leave: make(chan struct{})}
	r.hub = NewHub(Options{Engine: r.fake, Decode: strict, Problem: problem, Log: slog.New(slog.DiscardHandler), Limits: l})
	ctx, cancel := context.WithCancel(context.Background())
	r.end = cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.hub.Run(ctx)
	}()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a := workspace.Actor{ID: req.Header.Get("User"), Admin: req.Header.Get("User") == root.ID}
		out, err := r.hub.Admit(a)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTooManyRequests)
			return
		}
		r.hub.Serve(ctx, r.leave, w, req, a, out)
	}))
	r.url = srv.URL
	t.Cleanup(func() {
		cancel()
		srv.CloseClientConnections()
		srv.Close()
		<-done
	})
	return r
}

// strict is encoding/json without unknown members; the server's own decoder is stricter.
func strict(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fault.New(fault.Invalid, "invalid_json", "it is not JSON of this form")
	}
	return nil
}

func problem(err error) api.Problem {
	f := fault.From(err)
	return api.Problem{Code: f.Code, Detail: f.Text, Hint: f.Hint}
}

// peer is one client.
type peer struct {
	t    testing.TB
	ctx  context.Context
	conn *websocket.Conn
}

func (r *rig) dial(a workspace.Actor) *peer {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, _, err := websocket.Dial(ctx, r.url, &websocket.DialOptions{
		Subprotocols: []string{api.GatewayProtocol}, HTTPHeader: http.Header{"User": {a.ID}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	conn.SetReadLimit(1 << 24)
	p := &peer{r.t, ctx, conn}
	r.t.Cleanup(func() { cancel(); _ = conn.CloseNow() })
	if f := p.next(); f.Type != api.FrameHello {
		r.t.Fatalf("the first frame is %s", f.Type)
	}
	return p
}

func (p *peer) send(typ, ref string, payload any) {
	p.t.Helper()
	f := api.Frame{V: 1, Type: typ, Workspace: ref}
	if payload != nil {
		f.Payload = body(payload)
	}
	if err := p.conn.Write(p.ctx, websocket.MessageText, body(f)); err != nil {
		p.t.Fatal(err)
	}
}

// read waits for the next frame. How long all of them take is nobody's business: a busy
// machine is slow.
func (p *peer) read() (api.Frame, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var f api.Frame
	_, data, err := p.conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	return f, err
}

func (p *peer) next() api.Frame {
	p.t.Helper()
	f, err := p.read()
	if err != nil {
		p.t.Fatalf("no frame came: %v", err)
	}
	return f
}

// until reads up to the first frame of a type.
func (p *peer) until(typ string) api.Frame {
	p.t.Helper()
	for {
		if f := p.next(); f.Type == typ {
			return f
		} else if f.Type == api.FrameError {
			p.t.Fatalf("refused: %s", f.Payload)
		}
	}
}

// join enters a room and returns what it was told up to the list of who is there.
func (p *peer) join(ref string, j api.Join) (api.Joined, []api.Frame) {
	p.t.Helper()
	p.send(api.FrameJoin, ref, j)
	joined := of[api.Joined](p.t, p.until(api.FrameJoined))
	var list []api.Frame
	for {
		f := p.next()
		list = append(list, f)
		if f.Type == api.FramePresence || ref == api.AllRooms && f.Type == api.FrameSnapshot {
			return joined, list
		}
	}
}

// gone reads to the end and returns the last frame and the close code.
func (p *peer) gone() (last api.Frame, code websocket.StatusCode) {
	p.t.Helper()
	for {
		f, err := p.read()
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				p.t.Fatal("the connection stands")
			}
			return last, websocket.CloseStatus(err)
		}
		last = f
	}
}

func of[T any](t testing.TB, f api.Frame) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(f.Payload, &v); err != nil {
		t.Fatalf("the payload of %s: %v", f.Type, err)
	}
	return v
}

func typesOf(list []api.Frame) []string {
	var types []string
	for _, f := range list {
		types = append(types, f.Type)
	}
	return slices.Clip(types)
}

// eventually waits for a real condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}
