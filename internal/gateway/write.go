package gateway

import (
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// write sends what waits, until the queue or the connection ends.
func (c *conn) write(leave <-chan struct{}) {
	for {
		select {
		case <-c.queue.wake:
		case <-leave:
			leave = nil // once
			c.bye(websocket.StatusGoingAway, "wsd is shutting down", time.Second)
		case <-c.ctx.Done():
			return
		}
		if over, err := c.empty(); err != nil {
			c.hub.log.Debug("a client of the gateway is gone", "err", err)
			return
		} else if over {
			code, reason := c.queue.goodbye()
			_ = c.ws.Close(code, reason) // the peer may be gone
			return
		}
	}
}

// empty sends all that waits; over once there will be nothing more.
func (c *conn) empty() (over bool, err error) {
	c.pen.Lock()
	defer c.pen.Unlock()
	for {
		f, over := c.queue.take()
		if f == nil {
			return over, nil
		}
		if err := c.send(f.data); err != nil {
			return false, err
		}
	}
}

// sendAside sends f without the writer, if nothing waits and nobody writes. To wake the writer
// costs as much as a ping.
func (c *conn) sendAside(f *frame) (sent bool) {
	if !c.pen.TryLock() {
		return false
	}
	defer c.pen.Unlock()
	if !c.queue.isIdle() {
		return false
	}
	if err := c.send(f.data); err != nil {
		c.cancel(fmt.Errorf("%w: %w", errPeerGone, err))
	}
	return true
}

// send writes one message; the pen is held.
func (c *conn) send(data []byte) error {
	c.late.Reset(c.hub.limits.Write)
	defer c.late.Stop()
	return c.ws.Write(c.calm, websocket.MessageText, data)
}
