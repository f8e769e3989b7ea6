package front

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/preview"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Time-outs of the door for names. There is none on a whole request: streams last.
const (
	headTime    = 10 * time.Second       // for a request's head once it has begun, and for a new connection until then
	idleTime    = 2 * time.Minute        // between two requests
	unread      = 500 * time.Millisecond // how long what a client still sends is taken after an answer that ends the connection
	unreadBytes = 256 << 10              // and how much of it
	lateBody    = 50 * time.Millisecond  // how long a body may go on after the whole answer
)

// Why a caller's connection ends.
var (
	errKicked = errors.New("the session of this client was ended with wsctl sessions --kick")
	errGone   = errors.New("the client has gone")
)

// caller is a connection by name. One goroutine serves it, one request after the other; a
// second one reads it while an answer is awaited that does not come at once, or while a
// body is sent. A caller has at most one connection inside, of its own: what comes over it
// can only be taken for an answer to this client.
type caller struct {
	door  *Door
	house House
	outer net.Conn
	from  string // the client's address, as X-Forwarded-For has it

	*buffers
	limit io.LimitedReader // of outer, for heads
	visit *visit
	asked bool        // there has been a request
	owed  bool        // of the last request a part of the body has not been read
	begun atomic.Bool // an answer has been begun, and is not whole

	ctx context.Context //nolint:containedctx // its cause says why the connection ends
	end context.CancelCauseFunc

	mu    sync.Mutex
	inner *inner // nil: none
	aside *aside // who else reads in now; nil: nobody
	late  late
}

// buffers are the memory of a caller. The next one has it when all its goroutines have ended.
type buffers struct {
	in     *bufio.Reader // of what the client sends
	out    *bufio.Writer // to the client
	head   []byte        // of the request that is sent, with as much of its body as had come
	answer *bufio.Reader // of what the server says
}

// answerRoom is for a head and what a buffer holds of a body, so that they go in one piece.
const answerRoom = 8 << 10

func newBuffers() *buffers {
	return &buffers{in: bufio.NewReader(nil), out: bufio.NewWriterSize(nil, answerRoom), answer: bufio.NewReader(nil)}
}

// call serves a connection by name until it ends.
func (d *Door) call(ctx context.Context, house House, outer net.Conn) {
	b, _ := d.buffers.Get().(*buffers)
	if b == nil {
		b = newBuffers()
	}
	defer d.buffers.Put(b)
	c := &caller{door: d, house: house, outer: outer, from: hostOf(outer.RemoteAddr()), buffers: b}
	c.limit.R = outer
	b.in.Reset(&c.limit)
	b.out.Reset(outer)
	c.ctx, c.end = context.WithCancelCause(ctx)
	defer c.end(nil)
	defer context.AfterFunc(c.ctx, c.cut)()
	defer outer.Close()
	defer c.late.stop()
	defer c.drop() // what is not spared, after a panic too
	for c.exchange() {
	}
	c.spare()
}

// cut ends both connections at once. Of a kicked client only the inside is cut while it can
// still be told so.
func (c *caller) cut() {
	c.mu.Lock()
	if c.inner != nil {
		abort(c.inner.Conn)
	}
	c.mu.Unlock()
	switch {
	case c.begun.Load():
		abort(c.outer)
	case !errors.Is(context.Cause(c.ctx), errKicked):
		_ = c.outer.Close()
	}
}

// exchange serves the next request and reports whether there may be another.
func (c *caller) exchange() bool {
	r, page := c.next()
	if page != nil {
		c.owed = true // whatever it is
		return c.show(&http.Request{ProtoMajor: 1, ProtoMinor: 1, Close: true}, page)
	}
	if r == nil {
		return false
	}
	c.owed = r.ContentLength != 0
	defer c.alone()
	at, err := parseHost(r.Host)
	if err != nil {
		return c.show(r, c.astray(r, err))
	}
	if at.preview {
		return c.preview(r, at.name)
	}
	if goesOn, answered := c.ownPath(r); answered {
		return goesOn
	}
	return c.askInside(r, at)
}

// askInside has the workspace answer r.
func (c *caller) askInside(r *http.Request, at route) bool {
	to, page := c.find(r, at)
	if page != nil {
		return c.show(r, page)
	}
	framed := c.door.isFramed(r, to.workspace.ID)
	if framed {
		preview.AskPlainly(r.Header)
	}
	c.attend(to.workspace)
	defer c.visit.leave()
	c.visit.request(r)
	res, err := c.ask(r, to) //nolint:bodyclose // it is read to its end, or the connection is closed
	if err != nil {
		return c.failed(r, to, err)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return c.switches(res)
	}
	if framed {
		return c.replyFramed(r, res, shellOf(r.Host, at.name))
	}
	return c.reply(r, res)
}

// next reads the head of the next request. It returns a page for one that is none, and
// neither when there is no more.
func (c *caller) next() (*http.Request, *preview.Page) {
	wait := c.door.headTime
	if c.asked {
		wait = idleTime
	}
	c.limit.N = maxHead
	_ = c.outer.SetReadDeadline(time.Now().Add(wait))
	if _, err := c.in.Peek(1); err != nil {
		return nil, nil
	}
	if c.asked && !wholeHead(c.in) {
		_ = c.outer.SetReadDeadline(time.Now().Add(c.door.headTime))
	}
	c.asked = true
	r, err := http.ReadRequest(c.in)
	spent := c.limit.N <= 0
	c.limit.N = math.MaxInt64
	switch {
	case err == nil:
		return r, wrong(r)
	case spent:
		return nil, malformed(http.StatusRequestHeaderFieldsTooLarge, "the head of the request is too large")
	case isLost(err):
		return nil, nil
	}
	return nil, malformed(http.StatusBadRequest, "that is no request of HTTP/1.1")
}

// isLost reports whether err is of the connection, not of what came over it.
func isLost(err error) bool {
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded, net.ErrClosed} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var op *net.OpError
	return errors.As(err, &op)
}

// attend begins a visit for the next exchange.
func (c *caller) attend(w workspace.Workspace) {
	if c.visit.again(w.ID, w.Run) {
		return
	}
	c.visit = c.door.guests.enter(c.ctx, c.house, w, activity.HTTP, c.from, func() { c.end(errKicked) })
}

// aside is the goroutine that reads a caller's connection while the other awaits an answer.
type aside struct {
	sent  chan struct{} // closed once the whole body is sent; nil: there is none
	over  chan struct{}
	whole bool // sent is closed; to be read once over is
}

// soon is how long an answer may take before somebody looks whether the client still
// waits: until then that would cost more than the answer.
const soon = 50 * time.Millisecond

// late finds the exchanges that take long. Its timer is not set for each of them, which
// would wake the poller each time, but goes on by itself while there are any.
type late struct {
	timer    *time.Timer // nil: there was no exchange yet
	running  bool
	exchange uint64 // the number of the last one
	seen     uint64 // what the timer saw of it
	awaited  bool   // its answer is not whole
}

func (l *late) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

// await begins to wait for an answer. Until alone is called, in is read aside only.
func (c *caller) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.late
	l.exchange++
	l.awaited = true
	switch {
	case l.running:
		return
	case l.timer == nil:
		l.timer = time.AfterFunc(soon, c.tick)
	default:
		l.timer.Reset(soon)
	}
	l.running = true
}

// tick looks whether the exchange that it saw last time goes on still.
func (c *caller) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.late
	if l.seen != l.exchange {
		l.seen = l.exchange
		l.timer.Reset(soon)
		return
	}
	l.running = false
	if l.awaited {
		c.watching()
	}
}

// watch has somebody notice when the client goes away.
func (c *caller) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watching()
}

// watching is watch for who holds mu. It does nothing when somebody looks already.
func (c *caller) watching() {
	if c.aside != nil {
		return
	}
	a := &aside{over: make(chan struct{})}
	c.aside = a
	_ = c.outer.SetReadDeadline(time.Time{})
	go func() {
		defer close(a.over)
		c.door.contained(c.outer, c.lookOut)
	}()
}

// lookOut waits for the client's next byte, and ends the connection if none can come.
func (c *caller) lookOut() {
	if _, err := c.in.Peek(c.in.Buffered() + 1); err != nil && isLost(err) && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.end(errGone)
	}
}

// upload sends the body of r aside.
func (c *caller) upload(r *http.Request, to net.Conn) {
	c.alone() // somebody looks out when the way inside took long
	a := &aside{over: make(chan struct{}), sent: make(chan struct{})}
	c.mu.Lock()
	c.aside = a
	c.mu.Unlock()
	_ = c.outer.SetReadDeadline(time.Time{})
	go func() {
		defer close(a.over)
		c.door.contained(c.outer, func() { c.pass(r, to, a) })
	}()
}

// pass sends the body of r, and then watches whether the client is there still.
func (c *caller) pass(r *http.Request, to net.Conn, a *aside) {
	send := asItIs(to)
	if r.ContentLength < 0 {
		send = inChunks(to, nil)
	}
	read, written := pour(send, r.Body)
	switch {
	case written != nil: // the server wants no more of it; what it answers is on its way
		_, _ = io.Copy(io.Discard, r.Body)
	case errors.Is(read, os.ErrDeadlineExceeded): // nor does anybody else
		return
	case read != nil: // without its end it must not look whole
		c.end(errGone)
		return
	default:
		a.whole = true
		close(a.sent)
	}
	c.lookOut()
}

// alone ends what is done aside. A body that is on its way is owed then.
func (c *caller) alone() {
	c.mu.Lock()
	a := c.aside
	c.aside, c.late.awaited = nil, false
	c.mu.Unlock()
	if a == nil {
		return
	}
	if a.sent != nil {
		late := time.NewTimer(lateBody)
		defer late.Stop()
		select {
		case <-a.sent:
		case <-late.C:
			c.drop() // who sends it may wait for a server that reads no more
		case <-a.over:
		}
	}
	_ = c.outer.SetReadDeadline(time.Unix(1, 0))
	<-a.over
	if a.whole {
		c.owed = false
	}
}

// finish ends the connection after an answer. It returns false.
func (c *caller) finish() bool {
	drain(c.outer)
	return false
}

// drain ends what is sent to a client, and takes what that still sends, for a while: closing
// before would take the answer away that it has not read yet (RFC 9112, 9.6).
func drain(client net.Conn) {
	if half, ok := client.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = client.SetReadDeadline(time.Now().Add(unread))
		_, _ = io.CopyN(io.Discard, client, unreadBytes)
	}
}
