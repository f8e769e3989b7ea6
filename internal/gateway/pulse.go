package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
)

// firstBeat is how long after its hello a client is asked for the first time. Clients that come
// together, as all do when wsd is restarted, are not all asked at the same moment ever after:
// the round trips of a crowd tell of the crowd.
func firstBeat(now time.Time, every time.Duration) time.Duration {
	return together(now, every-rand.N(every*4/5+1)) //nolint:gosec // jitter
}

// tick does what the beat was set for.
func (c *conn) tick() {
	c.mu.Lock()
	out := c.pulse.out
	c.mu.Unlock()
	if out {
		c.check()
	} else {
		c.ask()
	}
}

// ask sends a ping. Whether it was answered is looked at after Limits.Pong.
func (c *conn) ask() {
	if f := c.newPing(time.Now()); f != nil && !c.sendAside(f) {
		c.queue.give(f)
	}
}

// newPing notes that a ping is sent; nil: there is nobody left to ask.
func (c *conn) newPing(now time.Time) *frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return nil
	}
	p := &c.pulse
	p.last = max(p.last+1, now.UnixMilli()) // it tells a late pong from an early one
	p.asked, p.sent, p.out = p.last, now, true
	c.beat.Reset(c.hub.limits.Pong)
	return pingFrame(p.asked, now)
}

// check looks whether the ping was answered. Two that were not end the connection, unless
// nobody sees the page: then the connection itself is asked, whose answer browsers give
// without waking the page.
func (c *conn) check() {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	missed, pause := c.pulse.asked != 0, c.hub.limits.Ping
	if missed {
		c.pulse.missed++
		pause = c.pace(activity.Unstable)
	}
	c.pulse.out = false
	c.beat.Reset(max(0, pause-c.hub.limits.Pong))
	hidden, silent := c.hidden, time.Since(c.pulse.heard)
	gone := missed && c.pulse.missed >= 2 && (!hidden || silent > silentHidden)
	c.mu.Unlock()
	switch {
	case gone:
		c.bye(api.CloseSilent, "pings were not answered", 0)
	case missed && hidden:
		c.knock()
	}
	if !missed {
		return
	}
	for _, s := range c.present(nil) {
		if s.lease != nil {
			c.rated(s, s.lease.Missed())
		}
	}
}

// knock keeps the leases of a hidden page alive while its connection stands.
func (c *conn) knock() {
	ctx, cancel := context.WithTimeout(c.ctx, c.hub.limits.Pong)
	defer cancel()
	if c.ws.Ping(ctx) != nil {
		return
	}
	for _, s := range c.present(nil) {
		if s.lease != nil {
			s.lease.Alive()
		}
	}
}

// answered takes a pong, and reports whether it answers the last ping: one that nobody asked
// for, or that comes a second time, tells nothing.
func (c *conn) answered(t int64, now time.Time) bool {
	c.mu.Lock()
	if t == 0 || t != c.pulse.asked {
		c.mu.Unlock()
		return false
	}
	c.pulse.asked, c.pulse.missed, c.pulse.heard = 0, 0, now
	trip := now.Sub(c.pulse.sent)
	c.mu.Unlock()
	worst := activity.Stable
	var few [4]*seat
	for _, s := range c.present(few[:0]) {
		if s.lease == nil {
			continue
		}
		q := s.lease.Trip(trip)
		if c.rated(s, q); q != activity.Stable {
			worst = q
		}
	}
	c.next(worst, trip)
	return true
}

// pace is how long after a ping the next one follows; the lock is held. While a connection
// is unstable pings come faster, so that it is known sooner what becomes of it; a page that
// nobody sees has no time for them.
func (c *conn) pace(q activity.Quality) time.Duration {
	if q == activity.Stable || c.hidden {
		return c.hub.limits.Ping
	}
	return min(c.hub.limits.Hurry, c.hub.limits.Ping)
}

// next sets the time of the next ping after one that was answered within trip: nothing has to
// look whether it was.
func (c *conn) next(q activity.Quality, trip time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || !c.beat.Stop() { // check is about to set it
		return
	}
	c.pulse.out = false
	now := time.Now()
	if wait := together(now, max(0, c.pace(q)-trip)); wait < patient {
		c.beat.Reset(wait)
	} else {
		c.hub.rounds.add(now.Add(wait), c)
	}
}

// patient is what may happen a second sooner.
const patient = 3 * time.Second

// together moves what is to happen d from now to the next full second, where d is long: what
// many connections do at the same time costs less than one wake-up for each.
func together(now time.Time, d time.Duration) time.Duration {
	if d < patient {
		return d
	}
	return d.Truncate(time.Second) - now.Sub(now.Truncate(time.Second))
}

// rated shows the quality of a connection to the room.
func (c *conn) rated(s *seat, q activity.Quality) {
	s.room.change(s, time.Now(), func(m *api.Member) { m.Quality = q })
}
