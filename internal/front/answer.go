package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/preview"
)

// ask sends r inside and returns the head of its answer. A request that met the end of a
// connection that was kept is sent again over a new one, if it may be.
func (c *caller) ask(r *http.Request, to destination) (*http.Response, error) {
	if c.owed {
		c.alone() // in is read here
	}
	upgrade := ""
	if r.ContentLength == 0 && r.ProtoAtLeast(1, 1) {
		upgrade = upgradeOf(r.Header)
	}
	c.head = appendRequest(c.head, r, c.from, upgrade)
	if err := c.appendBody(r); err != nil {
		return nil, err
	}
	c.await()
	for {
		kept, err := c.reach(to)
		if err != nil {
			return nil, err
		}
		var res *http.Response
		if err = c.send(r); err == nil {
			if res, err = c.hear(r, upgrade); err == nil {
				return res, nil
			}
		}
		if !kept || c.inner.got || !isSafe(r.Method) || r.ContentLength != 0 || c.ctx.Err() != nil {
			return nil, err
		}
		c.drop()
	}
}

// isSafe reports whether a request of this method may be made twice (RFC 9110, 9.2.1).
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions || method == http.MethodTrace
}

// appendBody lets a body that has come whole go with its head.
func (c *caller) appendBody(r *http.Request) error {
	n := r.ContentLength
	if n <= 0 || n > int64(c.in.Buffered()) {
		return nil
	}
	at := len(c.head)
	c.head = append(c.head, make([]byte, n)...)
	_, err := io.ReadFull(r.Body, c.head[at:])
	c.owed = err != nil
	return err
}

// reach has inner lead to to. kept: it has been used before, and may end at any time.
func (c *caller) reach(to destination) (kept bool, err error) {
	if c.inner != nil && c.inner.to.is(to) && c.inner.isQuiet() {
		c.inner.begin()
		return true, nil
	}
	c.drop()
	for {
		conn := c.door.spares.take(keyOf(to, c.from))
		if conn == nil {
			break
		}
		if err := c.hold(conn, to); err != nil {
			return false, err
		}
		if c.inner.isQuiet() {
			return true, nil
		}
		c.drop()
	}
	conn, err := c.house.Reach(c.ctx, to.workspace.ID, to.workspace.Run, to.port)
	if err != nil {
		return false, err
	}
	return false, c.hold(conn, to)
}

// hold makes conn the connection inside.
func (c *caller) hold(conn net.Conn, to destination) error {
	i := newInner(conn, to, c.answer)
	i.begin()
	c.mu.Lock()
	c.inner = i
	c.mu.Unlock()
	if c.ctx.Err() != nil { // cut may not have seen it
		c.drop()
		return context.Cause(c.ctx)
	}
	return nil
}

// drop closes the connection inside, if there is one.
func (c *caller) drop() {
	if i := c.release(); i != nil {
		_ = i.Close()
	}
}

// spare leaves the connection inside to the next of the client's.
func (c *caller) spare() {
	i := c.release()
	switch {
	case i == nil:
	case i.isQuiet():
		c.door.spares.put(keyOf(i.to, c.from), i.Conn)
	default:
		_ = i.Close()
	}
}

// release takes the connection inside away, out of the reach of cut.
func (c *caller) release() *inner {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.inner
	c.inner = nil
	return i
}

// send sends the head, and has the body follow.
func (c *caller) send(r *http.Request) error {
	if _, err := c.inner.Write(c.head); err != nil {
		return err
	}
	if c.owed {
		c.upload(r, c.inner.Conn)
	}
	return nil
}

// hear reads heads until that of the final answer. Those before it are passed on.
func (c *caller) hear(r *http.Request, upgrade string) (*http.Response, error) {
	for {
		res, err := http.ReadResponse(c.inner.in, r) //nolint:bodyclose // it is read to its end, or the connection is closed
		if err != nil {
			return nil, err
		}
		switch {
		case res.StatusCode == http.StatusSwitchingProtocols:
			if upgrade == "" || !strings.EqualFold(upgrade, upgradeOf(res.Header)) {
				return nil, errors.New("the server switches to a protocol that nobody asked for")
			}
			return res, nil
		case res.StatusCode < 100 || res.StatusCode > 999:
			return nil, fmt.Errorf("the server answers with status %d", res.StatusCode)
		case res.StatusCode >= 200:
			c.inner.headEnds()
			return res, nil
		case r.ProtoAtLeast(1, 1): // others do not know them
			removeHopByHop(res.Header)
			statusLine(c.out, r, res.StatusCode)
			_ = res.Header.WriteSubset(c.out, framing)
			line(c.out)
			if err := c.out.Flush(); err != nil {
				return nil, err
			}
		}
	}
}

// reply passes res on, which is the answer to r.
func (c *caller) reply(r *http.Request, res *http.Response) bool {
	c.begun.Store(true)
	empty := r.Method == http.MethodHead || res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified
	endless := !empty && res.ContentLength < 0 && !r.ProtoAtLeast(1, 1) // it ends with the connection
	goesOn := !r.Close && !endless
	c.replyHead(r, res, empty, goesOn)
	var err error
	switch {
	case empty:
		err = c.out.Flush()
	case res.ContentLength >= 0:
		err = c.measured(res.ContentLength)
	case endless:
		err = c.unmeasured(asItIs(c.out), res.Body)
	default:
		err = c.unmeasured(inChunks(c.out, func() http.Header { return res.Trailer }), res.Body)
	}
	if err != nil {
		defer c.drop()
		c.door.log.Debug("an answer is not whole", "workspace", c.inner.to.workspace.ID, "port", c.inner.to.port, "err", err)
		abort(c.outer)
		return false
	}
	c.begun.Store(false)
	if res.Close {
		c.drop()
	}
	return c.over(goesOn)
}

// replyHead writes the head of an answer. Its body is framed by the door, whatever the
// server said, so that a client cannot take it for another than the door does.
func (c *caller) replyHead(r *http.Request, res *http.Response, empty, goesOn bool) {
	removeHopByHop(res.Header)
	statusLine(c.out, r, res.StatusCode)
	_ = res.Header.WriteSubset(c.out, framing)
	switch {
	case r.Method == http.MethodHead && res.ContentLength >= 0, !empty && res.ContentLength >= 0:
		line(c.out, "Content-Length: ", strconv.FormatInt(res.ContentLength, 10))
	case !empty && r.ProtoAtLeast(1, 1):
		line(c.out, "Transfer-Encoding: chunked")
		for name := range res.Trailer {
			line(c.out, "Trailer: ", name)
		}
	}
	connection(c.out, r, goesOn)
	line(c.out)
}

// measured passes on a body of n bytes. What is there already goes with the head; the rest
// is moved by the kernel alone, where it can.
func (c *caller) measured(n int64) error {
	i := c.inner
	here := int(min(n, int64(i.in.Buffered())))
	p, _ := i.in.Peek(here)
	_, _ = c.out.Write(p)
	_, _ = i.in.Discard(here)
	n -= int64(here)
	if room := c.out.AvailableBuffer(); n > 0 && cap(room) > 0 {
		p = room[:i.glance(room[:min(n, int64(cap(room)))])]
		_, _ = c.out.Write(p)
		n -= int64(len(p))
	}
	if err := c.out.Flush(); err != nil || n == 0 {
		return err
	}
	_, err := io.CopyN(c.outer, i.Conn, n)
	return err
}

// unmeasured passes on a body as it comes. Its head does not wait for it.
func (c *caller) unmeasured(to pieceWriter, body io.Reader) error {
	if c.inner.in.Buffered() == 0 {
		if err := c.out.Flush(); err != nil {
			return err
		}
	}
	return errors.Join(pour(atOnce(c.out, to), body))
}

// over ends an exchange whose answer is whole.
func (c *caller) over(goesOn bool) bool {
	c.alone()
	if c.owed {
		c.drop() // it waits for the rest
		return c.finish()
	}
	return goesOn
}

// switches carries what follows an answer that agrees to another protocol.
func (c *caller) switches(res *http.Response) bool {
	c.alone()
	c.begun.Store(true)
	i, protocol := c.inner, upgradeOf(res.Header)
	removeHopByHop(res.Header)
	line(c.out, "HTTP/1.1 101 Switching Protocols")
	_ = res.Header.WriteSubset(c.out, framing)
	line(c.out, "Connection: Upgrade")
	line(c.out, "Upgrade: ", protocol)
	line(c.out)
	said, _ := i.in.Peek(i.in.Buffered())
	_, _ = c.out.Write(said)
	err := c.out.Flush()
	if err == nil {
		said, _ = c.in.Peek(c.in.Buffered())
		_, err = i.Write(said)
	}
	if err == nil {
		err = c.outer.SetReadDeadline(time.Time{})
	}
	if err == nil {
		relay(c.outer, i.Conn, nil, c.door.linger)
	}
	c.drop()
	return false
}

// failed answers a request that could not be carried.
func (c *caller) failed(r *http.Request, to destination, err error) bool {
	c.door.log.Debug("cannot carry a request", "workspace", to.workspace.ID, "port", to.port, "err", err)
	c.drop()
	page := problem(to.workspace, err)
	switch {
	case errors.Is(context.Cause(c.ctx), errKicked):
		page.Status, page.Text, page.Hint = http.StatusServiceUnavailable, errKicked.Error(), "ask again for a new one"
	case c.ctx.Err() != nil:
		return false // nobody is there to be told
	case errors.Is(err, syscall.ECONNREFUSED):
		page = unheard(c.ctx, c.house, to.workspace, to.port)
	}
	return c.show(r, page)
}

// show answers r with a page.
func (c *caller) show(r *http.Request, page *preview.Page) bool {
	c.alone()
	goesOn := !r.Close && !c.owed && c.ctx.Err() == nil
	h, body := page.Answer(intent.Navigates(r))
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	statusLine(c.out, r, page.Status)
	_ = h.Write(c.out)
	line(c.out, "Content-Length: ", strconv.Itoa(len(body)))
	connection(c.out, r, goesOn)
	line(c.out)
	if r.Method != http.MethodHead {
		_, _ = c.out.Write(body)
	}
	if c.out.Flush() != nil {
		return false
	}
	return c.over(goesOn)
}
