package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
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
			statusLine(c.out, r, res.StatusCode)
			writeFields(c.out, res.Header, ofAnswer)
			line(c.out)
			if err := c.out.Flush(); err != nil {
				return nil, err
			}
		}
	}
}
