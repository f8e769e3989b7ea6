package engine

import (
	"context"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

const (
	tendEvery  = time.Second      // between two looks at silent leases and at the clock
	stallLimit = 30 * time.Second // without a heartbeat: the machine slept, or the daemon stood still
	backLimit  = time.Second      // a clock that went back further was set
)

// heart notices that time has passed in which the daemon did not run, or that the clock
// was set: by the wall and by the monotonic clock, of which the second stands still while
// the machine sleeps. Its methods are safe for concurrent use.
type heart struct {
	mu   sync.Mutex
	last time.Time
	woke time.Time // when it last ran again; before it the past is no reason to stop anything
	told bool      // the tender has still to look at everything
}

// beat notes that the daemon runs at now. It reports whether it had not for a while.
func (h *heart) beat(now time.Time) (stalled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wall, mono := now.Round(0).Sub(h.last.Round(0)), now.Sub(h.last)
	first := h.last.IsZero()
	h.last = now
	if first {
		return false
	}
	stalled = max(wall, mono) > stallLimit
	if stalled {
		h.woke = now
	}
	if stalled || wall < -backLimit {
		h.told = true
	}
	return stalled
}

// since is when the daemon or the machine last came back.
func (h *heart) since() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.woke
}

// begin says that the daemon runs from now on.
func (h *heart) begin(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last, h.woke = now, now
}

// jumped reports once that everything has to be looked at again.
func (h *heart) jumped() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := h.told
	h.told = false
	return told
}

// pulse is a heartbeat; after a while without any, sessions get a fresh grace first.
func (e *Engine) pulse(now time.Time) {
	if !e.heart.beat(now) {
		return
	}
	e.log.Warn("the machine slept or wsd stood still: sessions get a fresh grace")
	for _, ro := range e.attendance.list() {
		ro.forgive(now)
	}
}

// tend ends silent leases, forgets those that did not come back, and has the loop write
// what evidence has changed. It works until ctx ends.
func (e *Engine) tend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	flush := time.NewTimer(0)
	defer flush.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.sweep(ctx)
		case <-e.attendance.wake:
		case <-flush.C:
		}
		now := time.Now()
		ids, next := e.attendance.ripe(now)
		if len(ids) > 0 {
			e.write(ctx, ids)
		}
		if !next.IsZero() {
			flush.Reset(max(next.Sub(now), 0))
		}
	}
}

// sweep looks at the clock and at every lease.
func (e *Engine) sweep(ctx context.Context) {
	now := time.Now()
	e.pulse(now)
	if e.heart.jumped() {
		if err := e.do(ctx, e.lookAtAll); err != nil && ctx.Err() == nil {
			e.log.Error("cannot look at what runs after the clock has jumped", "err", err)
		}
	}
	for _, ro := range e.attendance.all() {
		died, forgotten := ro.reap(now)
		for _, l := range died {
			e.log.Debug("a lease has died", "session", l.s.ID, "workspace", ro.id)
			e.left(l, now)
		}
		if len(forgotten) > 0 { // holds may have ended with them
			e.attendance.mark(ro.id, now)
		}
	}
}

// write has the loop look at workspaces of which memory knows more than the rows. What
// cannot be written now is tried again.
func (e *Engine) write(ctx context.Context, ids []string) {
	err := e.do(ctx, func(t *turn) error {
		for _, id := range ids {
			if err := e.refresh(t, id, false); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || ctx.Err() != nil {
		return
	}
	e.log.Error("cannot write how workspaces are used", "err", err, "again_in", storeFloor)
	for _, id := range ids {
		e.attendance.mark(id, time.Now().Add(storeFloor))
	}
}

// lookAtAll asks the rule about everything that has a level: the rows of deadlines are
// times of a clock that has jumped since.
func (e *Engine) lookAtAll(t *turn) error {
	for _, level := range activity.Levels() {
		for _, id := range t.ActivityAt(level) {
			if err := e.refresh(t, id, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// recoverActivity brings records into the shape of a fresh start. Nobody is connected any
// more: who was has from now the grace to return. What a crash may have kept from being
// written is given back.
func (e *Engine) recoverActivity(t *turn) error {
	e.heart.begin(t.now)
	clean, err := endedInOrder(t.Tx)
	if err != nil {
		return err
	}
	for w, err := range t.Workspaces() {
		if err != nil || w.State != workspace.Running && w.State != workspace.Paused {
			continue // a damaged row is told of by those who read it
		}
		r, ok, err := t.Activity(w.ID)
		if err != nil {
			return err
		}
		if !ok || r.Run != w.Run { // an older program kept none: its life begins now
			r = e.freshRecord(t, w, r)
			r.Facts.ReadyAt = t.now
		}
		if r.Facts.Sessions > 0 {
			r.Facts.Sessions, r.Facts.Disconnected = 0, t.now
		}
		if !clean && !r.Facts.Engaged.IsZero() {
			p := e.policy(w)
			r.Facts.Engaged = r.Facts.Engaged.Add(p.Background/movedEnough + pauseOf(p))
			if r.Facts.Engaged.After(t.now) {
				r.Facts.Engaged = t.now
			}
		}
		if err := t.PutActivity(r); err != nil {
			return err
		}
		e.uses.set(r)
		if err := t.PutDeadline(store.Deadline{At: t.now, Kind: store.DeadlineActivity, Key: w.ID}); err != nil {
			return err
		}
	}
	return nil
}

// endedInOrder reports whether the last thing that was written is the daemon's farewell.
func endedInOrder(tx *store.Tx) (bool, error) {
	last := tx.LastSeq()
	if last == 0 {
		return true, nil
	}
	facts, err := tx.Events(last-1, 1, nil)
	if unreadable(err) {
		return false, nil
	}
	return len(facts) == 1 && facts[0].Kind == event.DaemonStopped, err
}

// flushActivity writes what memory knows, at the end.
func (e *Engine) flushActivity(t *turn) error {
	for _, ro := range e.attendance.list() {
		w, err := t.Workspace(ro.id)
		if err != nil {
			continue // deleted, or damaged
		}
		r, ok, err := t.Activity(ro.id)
		if err != nil {
			return err
		}
		if !ok || r.Run != w.Run || !counts(w, r) {
			continue
		}
		e.sight(t, &w, &r, e.policy(w))
		if err := t.PutActivity(r); err != nil {
			return err
		}
	}
	return nil
}
