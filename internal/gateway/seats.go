package gateway

import (
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
)

// The seats of a connection: one in each room that it is in, guarded by conn.mu.

// leaveAll ends every seat, after which nothing more is put into the queue.
func (c *conn) leaveAll() {
	c.mu.Lock()
	c.over = true
	seats, ended := c.seats, c.ended
	c.seats = nil
	c.beat.Stop()
	if c.idle != nil {
		c.idle.Stop()
	}
	c.mu.Unlock()
	for _, s := range seats {
		if ended {
			s.leave()
		} else {
			s.lose()
		}
	}
}

// present adds the seats of the connection to list.
func (c *conn) present(list []*seat) []*seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.seats {
		list = append(list, s)
	}
	return list
}

// alive tells the leases that the client lives.
func (c *conn) alive(now time.Time) {
	c.mu.Lock()
	c.pulse.heard = now
	c.mu.Unlock()
	var few [4]*seat
	for _, s := range c.present(few[:0]) {
		if s.lease != nil {
			s.lease.Alive()
		}
	}
}

// watch waits for the end of a seat's lease, which ends the seat, and the connection if it
// has no other: whoever was kicked is not to come back by itself.
func (c *conn) watch(s *seat) {
	select {
	case <-s.lease.Kicked():
	case <-s.over:
		return
	}
	if !c.holds(s) {
		return
	}
	c.mu.Lock()
	silent := time.Since(c.pulse.heard) > activity.LeaseLife*9/10
	c.mu.Unlock()
	if silent { // the lease died before two pings went unanswered
		c.bye(api.CloseSilent, "pings were not answered", 0)
		return
	}
	why := "kicked"
	if _, err := c.hub.engine.Workspace(c.ctx, c.actor, s.room.id); err != nil {
		why = "deleted"
	}
	if !c.quit(s) {
		return
	}
	c.queue.push(own(api.FrameLeft, s.room.id, "", time.Now(), api.Left{Reason: why}))
	if why == "kicked" && len(c.present(nil)) == 0 {
		c.bye(api.CloseKicked, "the session was ended", 0)
	}
}

func (c *conn) holds(s *seat) bool { return c.sits(s.room.id) == s }

// keep adds a seat. It reports false when the connection has ended meanwhile.
func (c *conn) keep(s *seat) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.seats[s.room.id] = s
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
	return true
}

// sits is the seat in a room, or nil.
func (c *conn) sits(id string) *seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seats[id]
}

// quit gives up a seat for good, and what waits of its room. It reports false where it was
// given up before, or is nil.
func (c *conn) quit(s *seat) bool {
	if s == nil || !c.part(s) {
		return false
	}
	s.leave()
	c.queue.forget(s.room.id)
	return true
}

// part takes a seat off the list. It reports false where it is not on it.
func (c *conn) part(s *seat) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seats[s.room.id] != s {
		return false
	}
	delete(c.seats, s.room.id)
	if len(c.seats) == 0 && c.idle == nil && !c.over {
		c.idle = time.AfterFunc(c.hub.limits.Idle, func() { c.bye(api.CloseIdle, "no room was joined", 0) })
	}
	return true
}
