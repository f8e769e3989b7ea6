package engine

import (
	"context"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Attend gives a connection to a workspace its session. A lease that is not vouched for
// dies without a sign of life for activity.LeaseLife. One that was lost comes back with
// its counters, within the grace, for the same user and kind of connection.
func (e *Engine) Attend(_ context.Context, a workspace.Actor, ref string, v activity.Visitor) (activity.Lease, error) {
	ro, w, err := e.roomOf(a, ref)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	l := &lease{engine: e, room: ro, vouched: v.Vouched, kicked: make(chan struct{})}
	l.s = activity.Session{
		ID: workspace.NewID(workspace.PrefixSession), Workspace: w.ID, User: a.ID, Kind: v.Kind, Peer: clip(v.Peer),
		Since: now, LastByte: now, Quality: activity.Stable,
	}
	resumed := ro.resume(l, v.Resume, now)
	if !resumed {
		if err := ro.enter(l); err != nil {
			return nil, err
		}
		ro = l.room
	}
	if v.Kind != activity.HTTP { // those come and go with each client
		e.log.Debug("a session begins", "session", l.s.ID, "workspace", w.Name, "kind", v.Kind, "user", a.ID, "resumed", resumed)
	}
	e.presence(event.SessionOpened, l, now, resumed)
	if ro.connected() == 1 {
		e.attendance.mark(ro.id, now)
	}
	return l, nil
}

// roomOf returns the room of a workspace that a may see, made where there is none.
func (e *Engine) roomOf(a workspace.Actor, ref string) (*room, workspace.Workspace, error) {
	var w workspace.Workspace
	var rec activity.Record
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		if w, err = visible(tx, a, ref); err != nil {
			return err
		}
		rec, _, err = tx.Activity(w.ID)
		return err
	})
	if err != nil {
		return nil, w, err
	}
	return e.attendance.open(w.ID, rec, e.policy(w)), w, nil
}

// resume lets l go on with the session id, if it is one of the same user and kind that is
// lost, or that its old connection still holds: who comes back knows better.
func (ro *room) resume(l *lease, id string, now time.Time) bool {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	old := ro.sessions[id]
	if id == "" || old == nil || old.s.User != l.s.User || old.s.Kind != l.s.Kind {
		return false
	}
	peer := l.s.Peer
	l.s, l.trips = old.s, old.trips
	l.s.Peer, l.s.LastByte = peer, now
	l.s.Resumes++
	if !old.s.Lost.IsZero() {
		l.s.Lost = time.Time{}
		ro.live++
		ro.gone = time.Time{}
	}
	old.end()
	ro.sessions[id] = l
	ro.reapAt = time.Time{}
	return true
}

// Sessions returns those of one workspace, or with ref "" of all that a may see.
func (e *Engine) Sessions(ctx context.Context, a workspace.Actor, ref string) ([]activity.Session, error) {
	out := []activity.Session{}
	if ref != "" {
		w, err := e.Workspace(ctx, a, ref)
		if err != nil {
			return nil, err
		}
		if ro := e.attendance.find(w.ID); ro != nil {
			out = ro.view()
		}
		return out, nil
	}
	for _, ro := range e.attendance.list() {
		if w, err := e.row(ro.id); err == nil && a.Owns(w) {
			out = append(out, ro.view()...)
		}
	}
	return out, nil
}

// Kick ends a session: its connection is told, and it cannot be resumed.
func (e *Engine) Kick(ctx context.Context, a workspace.Actor, ref, id string) error {
	return e.do(ctx, func(t *turn) error {
		w, err := visible(t.Tx, a, ref)
		if err != nil {
			return err
		}
		ro := e.attendance.find(w.ID)
		var l *lease
		if ro != nil {
			l = ro.lease(id)
		}
		if l == nil {
			return fault.New(fault.NotFound, "session_not_found", "there is no session %.60q at workspace %s", id, w.Name).
				WithHint("see them with `wsctl sessions %s`", w.Name)
		}
		t.after(func() { e.expel(l, t.now) })
		return t.tell(&w, a.ID, event.SessionKicked, map[string]string{"session": id, "user": l.s.User, "kind": string(l.s.Kind)})
	})
}

func (ro *room) lease(id string) *lease {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	return ro.sessions[id]
}

// expel takes l out of its room for good.
func (e *Engine) expel(l *lease, now time.Time) {
	ro := l.room
	ro.all.mu.Lock()
	ro.mu.Lock()
	there := ro.sessions[l.s.ID] == l
	live := ro.lose(l, now)
	l.end()
	if there {
		delete(ro.sessions, l.s.ID)
		ro.all.total--
	}
	ro.mu.Unlock()
	ro.all.mu.Unlock()
	if live {
		e.left(l, now)
	} else if there {
		e.attendance.mark(ro.id, now) // a hold may have ended with it
	}
}
