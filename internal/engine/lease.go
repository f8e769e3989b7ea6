package engine

import (
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
)

// lease is a session as its connection holds it. The lock of its room guards it.
type lease struct {
	engine  *Engine
	room    *room
	s       activity.Session
	trips   activity.RoundTrips
	vouched bool
	kicked  chan struct{}
	over    bool // kicked is closed
}

// ID implements activity.Lease.
func (l *lease) ID() string { return l.s.ID }

// Kicked implements activity.Lease.
func (l *lease) Kicked() <-chan struct{} { return l.kicked }

// Engage implements activity.Lease.
func (l *lease) Engage(kind activity.Evidence, what string) {
	now := time.Now()
	l.room.mu.Lock()
	ok := l.alive(now)
	if ok && kind.Engages() {
		l.s.LastInput = now
		l.s.Inputs++
	}
	l.room.mu.Unlock()
	if ok {
		l.room.engage(kind, l.s.User, clip(what), now)
	}
}

// Alive implements activity.Lease.
func (l *lease) Alive() {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	l.alive(time.Now())
}

// alive reports whether the lease lives, and that it does so now.
func (l *lease) alive(now time.Time) bool {
	if !l.s.Lost.IsZero() || l.room.sessions[l.s.ID] != l {
		return false
	}
	l.s.LastByte = now
	return true
}

// Trip implements activity.Lease.
func (l *lease) Trip(d time.Duration) activity.Quality {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	if l.alive(time.Now()) {
		l.s.Quality = l.trips.Add(d)
		l.s.SRTT = float64(l.trips.SRTT) / float64(time.Millisecond)
	}
	return l.s.Quality
}

// Missed implements activity.Lease.
func (l *lease) Missed() activity.Quality {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	if l.s.Lost.IsZero() {
		l.s.Quality = l.trips.Lose()
	}
	return l.s.Quality
}

// Grace implements activity.Lease.
func (l *lease) Grace() time.Duration {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	return l.room.policy.Grace
}

// Close implements activity.Lease.
func (l *lease) Close() {
	now := time.Now()
	l.room.mu.Lock()
	lost := l.room.lose(l, now)
	l.room.mu.Unlock()
	if lost {
		l.engine.left(l, now)
	}
}

// end tells the connection that it is over; the lock is held.
func (l *lease) end() {
	if !l.over {
		l.over = true
		close(l.kicked)
	}
}

// left tells of a session that is gone and has what follows from it written.
func (e *Engine) left(l *lease, now time.Time) {
	e.presence(event.SessionClosed, l, now, false)
	e.attendance.mark(l.room.id, now)
}

// presence signals that a session has come or gone.
func (e *Engine) presence(kind string, l *lease, now time.Time, resumed bool) {
	d := map[string]string{
		"session": l.s.ID, "user": l.s.User, "kind": string(l.s.Kind), "sessions": strconv.Itoa(l.room.connected()),
	}
	if resumed {
		d["resumed"] = "true"
	}
	e.signal(event.Signal{Time: now, Kind: kind, Workspace: l.room.id, Detail: d})
}
