package engine

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/workspace"
)

// keysArrive is how long a key that passes wsd needs at most to its terminal inside.
const keysArrive = time.Second

// sshConn is a connection of ssh. What its client types passes wsd encrypted, so bytes of
// the client say only that there may be keys among them: the agent is asked soon after when
// a terminal of ssh was last typed into. Where no bytes come nobody asks anything.
//
// There is one question at a time, and between two a pause that grows while they show
// nothing: keepalives of a client cost one in half of the time that is "active".
type sshConn struct {
	net.Conn
	engine *Engine
	w      workspace.Workspace
	user   string

	mu      sync.Mutex
	pending bool          // a question is under way, or waits for its time
	next    time.Time     // not before
	pause   time.Duration // to the question after the next
}

// Write carries bytes of the client.
func (c *sshConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.stir(time.Now())
	}
	return n, err
}

// CloseWrite ends the client's half, where the connection inside has halves.
func (c *sshConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// stir has the agent be asked, unless it will be anyway.
func (c *sshConn) stir(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending {
		return
	}
	c.pending = true
	at := latest(now.Add(keysArrive), c.next)
	c.engine.spawn(func() {
		if pause(c.engine.ctx, time.Until(at)) {
			c.ask(c.engine.ctx)
		}
	})
}

// ask asks the agent once and says when it may be asked again.
func (c *sshConn) ask(ctx context.Context) {
	typed := false
	report, _, err := c.engine.question(ctx, c.w)
	if err == nil {
		typed = c.engine.sawTyping(c.w, c.user, report)
	} else if ctx.Err() == nil {
		c.engine.log.Debug("cannot ask who types over ssh", "workspace", c.w.Name, "err", err)
	}
	least, most := typingPauses(c.engine.policy(c.w))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = false
	c.pause = min(max(2*c.pause, least), most)
	if typed {
		c.pause = least
	}
	c.next = time.Now().Add(c.pause)
}

// typingPauses are the shortest and the longest pause between two questions: somebody who
// goes on typing is never taken for idle.
func typingPauses(p activity.Policy) (least, most time.Duration) {
	return min(p.Active/8, 15*time.Second), p.Active / 2
}

// sawTyping folds what a report tells of keys over ssh into what is known of the use of w;
// it reports whether there were any since the last time that a person was seen.
func (e *Engine) sawTyping(w workspace.Workspace, user string, r agentapi.Report) bool {
	var f findings
	for _, tty := range r.Ttys {
		f.typed(tty)
	}
	ro := e.attendance.find(w.ID)
	if ro == nil || f.input.IsZero() || f.input.After(time.Now()) {
		return false
	}
	ro.mu.Lock()
	fresh := ro.run == w.Run && f.input.After(ro.engaged)
	if fresh {
		ro.credit(activity.SSH, user, f.input)
	}
	ro.mu.Unlock()
	if fresh {
		ro.engage(activity.Input, user, f.where, f.input)
	}
	return fresh
}

// credit tells the one live session of its kind and user that it was typed into. Where there are
// several, nobody knows which it was. The lock is held.
func (ro *room) credit(kind activity.ClientKind, user string, at time.Time) {
	var one *lease
	for _, l := range ro.sessions {
		if l.s.Kind != kind || l.s.User != user || !l.s.Lost.IsZero() {
			continue
		}
		if one != nil {
			return
		}
		one = l
	}
	if one != nil {
		one.s.LastInput = at
		one.s.Inputs++
	}
}
