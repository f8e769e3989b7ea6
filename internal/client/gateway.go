package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// Bounds of a subscription.
const (
	gatewayFirst   = 250 * time.Millisecond // ceiling of the first delay; it doubles
	gatewayMax     = 20 * time.Second       // ceiling of every delay
	gatewayHealthy = 30 * time.Second       // after so long a connection counts as a good one
	gatewayGoodbye = time.Second
	gatewaySilence = 45 * time.Second // wsd asks every 15 s
	gatewayMessage = 64 << 20         // bytes of one frame; a snapshot of everything is the longest
	gatewayPoll    = 5 * time.Second
	gatewayWaited  = time.Millisecond // a read of what is there already takes less
	gatewayRetry   = 6                // polls, then the socket is tried again
)

// Link is how a subscription gets its news.
type Link string

// The links.
const (
	Live    Link = "live"    // over the socket, as it happens
	Polling Link = "polling" // by asking again and again: wsd refuses the socket
	Lost    Link = "lost"    // not at all: what is known is stale, and Since tells for how long
)

// Update is one step of a subscription: a frame, or without one that the link has changed.
type Update struct {
	Link  Link
	Since time.Time // of the link
	Err   error     // why it is not live
	Frame *api.Frame
}

// SubscribeOptions choose a room.
type SubscribeOptions struct {
	Workspace string           // reference; "": everything visible, which can only be observed
	Observe   bool             // do not keep the workspace in use
	Types     []string         // of frames; nil: all
	Send      <-chan api.Frame // frames for wsd, sent while the link is live and dropped otherwise; may be nil
	Samples   *Interest        // whose samples wsd is to send; nil: nobody's
	Poll      time.Duration    // between two questions where the socket is refused; 0: 5 s
	NoPoll    bool             // where the socket is refused ask for nothing but the socket: the link is Lost
	// Pace is how long a reader that has caught up rests before it looks at the socket again,
	// so that what comes meanwhile wakes it once and not frame by frame; 0: not at all. A
	// frame that comes alone is yielded at once, and a burst is read without a rest.
	Pace time.Duration
}

// Subscribe yields what happens in a room, over as many connections as it takes.
//
// A snapshot comes first, and again whenever frames were missed that wsd no longer has; it
// replaces what the reader knew. Numbered frames come once each, in order, between two
// snapshots without a gap. What the protocol itself needs (hello, joined, pings, resync,
// bye) is used up here. A lost connection is made again after a random delay that grows to
// 20 s; a session is resumed. The sequence ends with one error: ctx's end, a refusal that
// asking again cannot change, or that the workspace was deleted or the session ended. A
// reader that is too slow is told by wsd to start over, and never holds up others.
func (c *Client) Subscribe(ctx context.Context, o SubscribeOptions) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		if o.Workspace == "" {
			o.Workspace, o.Observe = api.AllRooms, true
		}
		if o.Poll <= 0 {
			o.Poll = gatewayPoll
		}
		s := subscription{client: c, options: o, yield: yield, link: Lost, since: time.Now()}
		if err := s.run(ctx); err != nil && !errors.Is(err, errReaderGone) {
			yield(Update{Link: Lost, Since: s.since, Err: err}, err)
		}
	}
}

// subscription is what outlives a connection. It belongs to one goroutine.
type subscription struct {
	client  *Client
	options SubscribeOptions
	yield   func(Update, error) bool

	link    Link
	since   time.Time
	cause   error
	epoch   string
	last    uint64 // number of the newest frame, in epoch
	session string
	etag    string // of the last poll
	given   uint64 // frames yielded
}

// endedError ends one connection.
type endedError struct {
	code  websocket.StatusCode // how wsd closed it; -1: it broke
	retry time.Duration        // as wsd asked for; 0: it did not
	cause error
}

func (e *endedError) Error() string { return e.cause.Error() }
func (e *endedError) Unwrap() error { return e.cause }

func (s *subscription) run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		begun := time.Now()
		err := s.connect(ctx)
		switch {
		case errors.Is(err, errReaderGone):
			return err
		case ctx.Err() != nil:
			return fault.From(context.Cause(ctx))
		case refused(err) && !s.options.NoPoll:
			if err := s.poll(ctx, err); err != nil {
				return err
			}
			attempt = -1
			continue
		case permanent(err) && !refused(err):
			return err
		}
		if time.Since(begun) >= gatewayHealthy {
			attempt = 0
		}
		if err := s.note(Lost, err); err != nil {
			return err
		}
		if err := pause(ctx, reconnectIn(err, attempt)); err != nil {
			return fault.From(err)
		}
	}
}

// reconnectIn draws a delay from 0 to a ceiling that doubles ("full jitter"), so that the
// clients of a wsd that was restarted do not come at once. One that said that it ends is
// asked soon; what wsd asked for is waited for in any case.
func reconnectIn(err error, attempt int) time.Duration {
	ceiling := gatewayMax
	if attempt < 7 {
		ceiling = min(gatewayMax, gatewayFirst<<max(attempt, 0))
	}
	delay := rand.N(ceiling + 1)
	var ended *endedError
	if errors.As(err, &ended) {
		if attempt == 0 && (ended.code == websocket.StatusGoingAway || ended.code == websocket.StatusServiceRestart) {
			delay = 0
		}
		delay += ended.retry
	}
	return delay
}

// refused reports whether wsd lives and has no socket for us.
func refused(err error) bool {
	return fault.HasCode(err, "path_not_found") || fault.HasCode(err, "upgrade_required") || fault.Is(err, fault.Limit)
}

// note tells the reader that the link has changed.
func (s *subscription) note(l Link, cause error) error {
	if s.link == l && (s.cause == nil) == (cause == nil) {
		return nil
	}
	if s.link != l {
		s.since = time.Now()
	}
	s.link, s.cause = l, cause
	return s.give(nil)
}

func (s *subscription) give(f *api.Frame) error {
	if f != nil {
		s.given++
	}
	if !s.yield(Update{Link: s.link, Since: s.since, Err: s.cause, Frame: f}, nil) {
		return errReaderGone
	}
	return nil
}

// connect reads one connection to its end.
func (s *subscription) connect(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	defer cancel(nil)
	unwatch := context.AfterFunc(parent, func() { cancel(context.Cause(parent)) })
	defer unwatch()
	silence := time.AfterFunc(gatewaySilence, func() { cancel(errors.New("wsd fell silent")) })
	defer silence.Stop()
	conn, err := s.client.upgrade(ctx, "/v1/ws", api.GatewayProtocol)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(gatewayMessage)
	w := &wire{conn: conn, ctx: ctx}
	unwatch()
	defer context.AfterFunc(parent, func() {
		w.goodbye()
		cancel(context.Cause(parent))
	})()
	if err := s.join(w); err != nil {
		return err
	}
	go w.relay(s.options.Send)
	if i := s.options.Samples; i != nil {
		go i.relay(w, s.options.Workspace)
	}
	for {
		asked := time.Now()
		_, data, err := conn.Read(ctx)
		if err != nil {
			return s.broken(err, w.retry)
		}
		caughtUp := time.Since(asked) >= gatewayWaited
		silence.Reset(gatewaySilence)
		var f api.Frame
		if err := json.Unmarshal(data, &f); err != nil {
			return badAnswer(err)
		}
		before := s.given
		if err := s.take(w, f); err != nil {
			if errors.Is(err, errReaderGone) {
				w.goodbye()
			}
			return err
		}
		if caughtUp && s.given > before && s.options.Pace > 0 {
			_ = pause(ctx, s.options.Pace) // the next read tells that ctx has ended
		}
	}
}

// broken words the end of a connection.
func (s *subscription) broken(err error, retry time.Duration) error {
	code := websocket.CloseStatus(err)
	if code == api.CloseKicked {
		return fault.New(fault.Conflict, "session_kicked", "somebody ended this session").WithHint("start it again if that was not meant")
	}
	return &endedError{code: code, retry: retry, cause: connectionLost(err)}
}

// join asks for the room, from where the last connection ended.
func (s *subscription) join(w *wire) error {
	j := api.Join{Epoch: s.epoch, Since: s.last, Session: s.session, Observe: s.options.Observe, Types: s.options.Types}
	if err := w.send(api.FrameJoin, s.options.Workspace, j); err != nil {
		return s.broken(err, 0)
	}
	return nil
}

// take handles one frame.
func (s *subscription) take(w *wire, f api.Frame) error {
	switch f.Type {
	case api.FrameHello, api.FramePong:
		return nil
	case api.FramePing:
		return w.answer(f)
	case api.FrameJoined:
		var j api.Joined
		if err := json.Unmarshal(f.Payload, &j); err != nil {
			return badAnswer(err)
		}
		s.session = j.Session
		if i := s.options.Samples; i != nil { // the new seat looks at nothing
			i.poke()
		}
		return s.note(Live, nil)
	case api.FrameResync:
		s.epoch, s.last = "", 0
		if f.Workspace == "" {
			return nil // bye follows
		}
		return s.join(w)
	case api.FrameBye:
		var b api.Bye
		if err := json.Unmarshal(f.Payload, &b); err != nil {
			return badAnswer(err)
		}
		w.retry = 0
		if b.RetryAfterMS > 0 && b.RetryAfterMS <= retryAfterMax.Milliseconds() {
			w.retry = time.Duration(b.RetryAfterMS) * time.Millisecond
		}
		return nil
	case api.FrameError:
		return s.problem(f)
	case api.FrameLeft:
		return s.left(f)
	case api.FrameSnapshot:
		s.epoch, s.last = f.Epoch, f.Seq
	default:
		if f.Seq > 0 {
			if f.Epoch == s.epoch && f.Seq <= s.last {
				return nil
			}
			s.epoch, s.last = f.Epoch, f.Seq
		}
	}
	return s.give(&f)
}

// problem ends the connection where it is the join that was refused.
func (s *subscription) problem(f api.Frame) error {
	var p api.FrameProblem
	if err := json.Unmarshal(f.Payload, &p); err != nil {
		return badAnswer(err)
	}
	if p.Re != api.FrameJoin {
		return s.give(&f)
	}
	return NewProblemError(api.Problem{Code: p.Code, Kind: p.Kind, Detail: p.Detail, Hint: p.Hint, Retryable: p.Retryable})
}

// left gives the reader the frame and ends the subscription.
func (s *subscription) left(f api.Frame) error {
	var l api.Left
	if err := json.Unmarshal(f.Payload, &l); err != nil {
		return badAnswer(err)
	}
	if err := s.give(&f); err != nil {
		return err
	}
	switch l.Reason {
	case "kicked":
		return fault.New(fault.Conflict, "session_kicked", "somebody ended this session").WithHint("start it again if that was not meant")
	case "denied":
		return fault.New(fault.Denied, "room_denied", "you may no longer see the workspace")
	}
	return fault.New(fault.NotFound, "workspace_deleted", "the workspace was deleted")
}

// wire is one open connection.
type wire struct {
	conn  *socket
	ctx   context.Context
	retry time.Duration // of bye
}

func (w *wire) send(typ, workspace string, payload any) error {
	p, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	return w.write(api.Frame{V: 1, Type: typ, Workspace: workspace, Payload: p})
}

func (w *wire) write(f api.Frame) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return w.conn.Write(w.ctx, websocket.MessageText, b)
}

// answer sends the pong of a ping. That it cannot be sent is seen by the reader.
func (w *wire) answer(f api.Frame) error {
	var p api.Ping
	if err := json.Unmarshal(f.Payload, &p); err != nil {
		return badAnswer(err)
	}
	_ = w.send(api.FramePong, "", api.Ping{T: p.T})
	return nil
}

// goodbye tells wsd that this client does not come back, so that others see it leave at
// once. A wsd that does not answer is not waited for long.
func (w *wire) goodbye() {
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = w.conn.Close(websocket.StatusNormalClosure, "")
	}()
	select {
	case <-told:
	case <-time.After(gatewayGoodbye):
	}
}

// relay sends what the caller has to say, until the connection ends.
func (w *wire) relay(frames <-chan api.Frame) {
	for {
		select {
		case <-w.ctx.Done():
			return
		case f, ok := <-frames:
			if !ok || w.write(f) != nil {
				return
			}
		}
	}
}
