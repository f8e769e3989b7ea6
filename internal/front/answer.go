package front

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/preview"
)

// reply passes res on, which is the answer to r.
func (c *caller) reply(r *http.Request, res *http.Response) bool {
	return c.passOn(r, res, c.measured)
}

// replyFramed is reply into a frame of the preview page at the origin shell.
func (c *caller) replyFramed(r *http.Request, res *http.Response, shell string) bool {
	if !preview.Inject(res, shell) {
		return c.reply(r, res)
	}
	return c.passOn(r, res, func(int64) error { return c.unmeasured(asItIs(c.out), res.Body) })
}

// passOn passes res on; measured sends a body whose length is known.
func (c *caller) passOn(r *http.Request, res *http.Response, measured func(n int64) error) bool {
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
		err = measured(res.ContentLength)
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
	statusLine(c.out, r, res.StatusCode)
	writeFields(c.out, res.Header, ofAnswer)
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
	line(c.out, "HTTP/1.1 101 Switching Protocols")
	writeFields(c.out, res.Header, ofAnswer)
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
	if err != nil {
		abort(c.outer)
	} else {
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
	h, body := page.Answer(intent.Navigates(r))
	return c.tell(r, page.Status, h, body)
}

// tell answers r with what is the door's own.
func (c *caller) tell(r *http.Request, status int, h http.Header, body []byte) bool {
	c.alone()
	goesOn := !r.Close && !c.owed && c.ctx.Err() == nil
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	statusLine(c.out, r, status)
	_ = h.Write(c.out)
	if status != http.StatusNoContent {
		line(c.out, "Content-Length: ", strconv.Itoa(len(body)))
	}
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
