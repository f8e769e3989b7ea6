package gateway

import (
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

// absent is a member whose connection broke. Until its grace is over it is shown as it was:
// who comes back with the same session never left.
type absent struct {
	member api.Member
	grace  *time.Timer
}

// lose gives up a seat whose connection broke. Its member is told to have left once the
// grace of its session is over.
func (r *room) lose(s *seat, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, in := r.seats[s]; !in {
		return
	}
	if s.lease == nil || s.shown.ID == "" || r.closed || len(r.away) >= r.limits.PerRoom {
		r.remove(s, now)
		return
	}
	m, session := s.shown, s.lease.ID()
	s.shown.ID = "" // nobody is told of the seat's end
	r.remove(s, now)
	a := &absent{member: m}
	a.grace = time.AfterFunc(s.lease.Grace(), func() { r.parted(session, a) })
	r.away[session] = a
}

// parted tells that a member did not come back.
func (r *room) parted(session string, a *absent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.away[session] != a {
		return
	}
	delete(r.away, session)
	r.tellOf(a.member, nil, "leave", time.Now())
}

// welcome lets a seat go on as the member that its session was, and reports whether there
// was one: away, or still seated over a connection that is not known to be dead.
func (r *room) welcome(s *seat) bool {
	if s.lease == nil || s.shown.ID == "" {
		return false
	}
	session := s.lease.ID()
	if a := r.away[session]; a != nil {
		a.grace.Stop()
		delete(r.away, session)
		s.shown = a.member
		return true
	}
	for other := range r.seats {
		if other.lease != nil && other.shown.ID != "" && other.lease.ID() == session {
			s.shown, other.shown = other.shown, api.Member{}
			return true
		}
	}
	return false
}

// member is as whom a seat is shown; "": it is not. Another connection may go on as it.
func (r *room) member(s *seat) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.shown.ID
}

// members are those who are shown; the lock is held.
func (r *room) members() []api.Member {
	var list []api.Member
	for s := range r.seats {
		if s.shown.ID != "" {
			list = append(list, s.shown)
		}
	}
	for _, a := range r.away {
		list = append(list, a.member)
	}
	return list
}

// forgetAway ends every grace: the room has ended.
func (r *room) forgetAway() {
	for _, a := range r.away {
		a.grace.Stop()
	}
	clear(r.away)
}
