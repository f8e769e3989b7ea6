package gateway

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// conn is one client of the gateway. Two goroutines work for it: one reads what the
// client says, one writes what waits in its queue; each lease has a third, which waits for
// its end. Nobody else waits for the client: whoever has news puts it into the queue.
type conn struct {
	hub    *Hub
	ws     *websocket.Conn
	below  net.Conn // that ws speaks over: to close it ends at once what ws does, a goodbye too
	ctx    context.Context
	cancel context.CancelCauseFunc
	calm   context.Context // of reads and writes: each would watch over one that can end, and run does for all
	actor  workspace.Actor
	peer   string
	queue  *queue
	pen    sync.Mutex  // held by who writes: the writer, or a ping that finds nobody writing
	late   *time.Timer // closes the connection in which a write takes too long
	rate   bucket      // the reader's
	small  [64]byte    // the reader's: a message that fits makes no garbage

	mu     sync.Mutex
	seats  map[string]*seat // by id of the room
	pulse  pulse
	beat   *time.Timer // of tick
	idle   *time.Timer // nil: it is in a room
	hidden bool
	ended  bool // the client has said goodbye: its members do not come back
	over   bool
}

// pulse is what pings tell of a connection.
type pulse struct {
	out    bool  // the beat that is set looks whether a ping was answered; else it sends one
	asked  int64 // T of the ping that waits for its pong; 0: none does
	sent   time.Time
	heard  time.Time // when anything last came
	missed int       // pongs in a row
	last   int64     // T of the newest ping
}

// silentHidden is how long a page that nobody sees may leave pings unanswered: browsers
// wake the timers of hidden pages once a minute.
const silentHidden = 90 * time.Second

// Admit counts a client in before its connection is upgraded; leave counts it out.
func (h *Hub) Admit(a workspace.Actor) (leave func(), err error) {
	if err := h.census.enter(a, h.limits); err != nil {
		return nil, err
	}
	return func() { h.census.leave(a) }, nil
}

// Serve upgrades the connection of a client that was admitted, and returns: net/http's
// goroutine with all that it holds of the request would be a third of what a client costs.
// The client is served until it is gone, soon after leave is closed, or at once when ctx,
// which has to outlive the request, ends. Then done is called.
func (h *Hub) Serve(ctx context.Context, leave <-chan struct{}, w http.ResponseWriter, r *http.Request, a workspace.Actor, done func()) {
	below := &hijacked{ResponseWriter: w}
	ws, err := websocket.Accept(below, r, &websocket.AcceptOptions{Subprotocols: []string{api.GatewayProtocol}})
	if err != nil {
		h.log.Debug("cannot upgrade to a WebSocket", "err", err)
		done()
		return // Accept has answered
	}
	ws.SetReadLimit(int64(h.limits.MessageBytes))
	now := time.Now()
	c := &conn{
		hub: h, ws: ws, below: below.conn, actor: a, peer: "unix", rate: newBucket(h.limits.PerSecond, h.limits.Burst, now),
		seats: map[string]*seat{}, pulse: pulse{heard: now},
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.calm = context.WithoutCancel(ctx)
	c.late = time.AfterFunc(h.limits.Write, func() { _ = ws.CloseNow() })
	c.late.Stop()
	c.queue = newQueue(h.limits, c.tooSlow)
	c.queue.give(own(api.FrameHello, "", "", now, h.hello(a, now)))
	c.mu.Lock()
	c.beat = time.AfterFunc(firstBeat(now, h.limits.Ping), c.tick)
	c.idle = time.AfterFunc(h.limits.Idle, func() { c.bye(api.CloseIdle, "no room was joined", 0) })
	c.mu.Unlock()
	go c.run(leave, done)
}

// hijacked keeps the connection that is taken from net/http.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn = conn
	return conn, buffered, err
}

func (c *conn) run(leave <-chan struct{}, done func()) {
	defer done()
	defer context.AfterFunc(c.ctx, func() { _ = c.below.Close() })() // CloseNow would wait for a goodbye that has begun
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read()
	}()
	c.write(leave)
	c.cancel(nil)
	_ = c.ws.CloseNow() // it ends the reader, if the peer has not
	<-read
	c.leaveAll()
}

func (h *Hub) hello(a workspace.Actor, now time.Time) api.Hello {
	return api.Hello{
		Connection: rand.Text()[:12], User: a.ID, ServerTime: now, PingMS: h.limits.Ping.Milliseconds(),
		GraceMS: h.limits.Grace.Milliseconds(), MessageBytes: h.limits.MessageBytes, PerSecond: h.limits.PerSecond, Burst: h.limits.Burst,
	}
}

// read handles what the client sends, until it ends.
func (c *conn) read() {
	for {
		kind, data, err := c.receive()
		if err != nil {
			c.noteGoodbye(err)
			c.cancelUnlessEnding(err)
			return
		}
		now := time.Now()
		t, pong := plainPong(data)
		if !pong || !c.answered(t, now) {
			c.alive(now)
		}
		switch {
		case !c.rate.spend(now):
			c.bye(api.CloseRate, "too many messages", 5*time.Second)
			c.drain()
			return
		case kind != websocket.MessageText:
			c.bye(api.CloseBadFrame, "a binary message is no frame", 0)
			c.drain()
			return
		}
		if pong {
			continue
		}
		if err := c.aside(data, now); err != nil {
			c.bye(api.CloseBadFrame, clip(err.Error(), 100), 0)
			c.drain()
			return
		}
	}
}

// receive reads one message. What it returns is valid until the next call.
func (c *conn) receive() (websocket.MessageType, []byte, error) {
	kind, r, err := c.ws.Reader(c.calm)
	if err != nil {
		return 0, nil, err
	}
	n, err := io.ReadFull(r, c.small[:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return kind, c.small[:n], nil
	}
	if err != nil {
		return 0, nil, err
	}
	rest, err := io.ReadAll(r)
	return kind, slices.Concat(c.small[:], rest), err
}

// noteGoodbye notes that the client closed its connection because it has done with it.
func (c *conn) noteGoodbye(err error) {
	if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
		c.mu.Lock()
		c.ended = true
		c.mu.Unlock()
	}
}

// aside handles a frame on a stack of its own, which is given back: the reader's would stay
// twice as large for as long as the client stays.
func (c *conn) aside(data []byte, now time.Time) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil { // it ends this client, not wsd
				c.hub.log.Error("panic in a frame of the gateway", "panic", p, "stack", string(debug.Stack()))
				c.bye(websocket.StatusInternalError, "something went wrong inside wsd", 5*time.Second)
				done <- nil
			}
		}()
		done <- c.handle(data, now)
	}()
	return <-done
}

// drain goes on reading, without minding what comes, so that the client's own goodbye is
// seen. The writer ends it.
func (c *conn) drain() {
	for {
		if _, _, err := c.receive(); err != nil {
			return
		}
	}
}

// cancelUnlessEnding ends the writer when the peer is gone. A peer that answers our
// goodbye is what the writer waits for.
func (c *conn) cancelUnlessEnding(err error) {
	if !c.queue.isEnded() {
		c.cancel(fmt.Errorf("%w: %w", errPeerGone, err))
	}
}

// tooSlow is what a client that does not read is told last.
func (c *conn) tooSlow() []*frame {
	now := time.Now()
	return []*frame{
		own(api.FrameResync, "", "", now, struct{}{}),
		own(api.FrameBye, "", "", now, api.Bye{Code: api.CloseSlow, Reason: "too slow"}),
	}
}

// bye ends the connection after what waits was sent.
func (c *conn) bye(code websocket.StatusCode, reason string, retry time.Duration) {
	b := api.Bye{Code: int(code), Reason: reason, RetryAfterMS: retry.Milliseconds()}
	c.queue.end(code, reason, own(api.FrameBye, "", "", time.Now(), b))
}

// clip bounds the reason of a close frame, of which RFC 6455 allows 123 bytes.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
