package engine

import (
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

// note folds one piece of evidence; the lock is held. It is on the path of every key that
// is pressed: no allocation where the same person does the same again.
func (ro *room) note(kind activity.Evidence, who, what string, now time.Time) {
	if kind.Engages() {
		if now.After(ro.engaged) {
			ro.engaged = now
		}
	} else if now.After(ro.worked) {
		ro.worked = now
	}
	for i := len(ro.ledger) - 1; i >= 0 && i >= len(ro.ledger)-3; i-- {
		if o := &ro.ledger[i]; o.Kind == kind && o.Who == who && o.What == what {
			o.Last = now
			o.Count++
			return
		}
	}
	ro.ledger = ro.ledger.Add(activity.Entry{Kind: kind, Who: who, What: what, First: now, Last: now})
	ro.fresh = true
}

// engage folds an engagement and has it written where that is worth it.
func (ro *room) engage(kind activity.Evidence, who, what string, now time.Time) {
	ro.mu.Lock()
	was := ro.fresh
	ro.note(kind, who, what, now)
	urgent := ro.stepped
	worth := urgent || !now.Before(ro.quiet)
	news, later := ro.fresh && !was, ro.quiet
	raises := ro.raises
	if worth {
		ro.quiet = now.Add(pauseOf(ro.policy)) // until the turn has said better
	}
	ro.mu.Unlock()
	switch {
	case worth:
		ro.all.mark(ro.id, now)
	case raises:
		ro.all.mark(ro.id, later)
	case news:
		ro.all.mark(ro.id, now.Add(ledgerEvery))
	}
}

// pauseOf is the least time between two writes of what an engagement moves.
func pauseOf(p activity.Policy) time.Duration { return min(2*time.Second, p.Idle/20) }

// merge folds what memory knows of w's run into its record.
func (ro *room) merge(r *activity.Record, w workspace.Workspace) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	r.Facts.Sessions = ro.live
	if ro.run == w.Run {
		r.Facts.Engaged = latest(r.Facts.Engaged, ro.engaged)
		r.Facts.Worked = latest(r.Facts.Worked, ro.worked)
		r.Ledger = slices.Clone(ro.ledger)
	}
	switch {
	case ro.live > 0:
		r.Facts.Disconnected = time.Time{}
	case ro.run == w.Run:
		r.Facts.Disconnected = latest(r.Facts.Disconnected, ro.gone)
	}
}

// written tells the room that its facts are in r, and that an engagement before quiet
// moves nothing.
func (ro *room) written(r activity.Record, p activity.Policy, quiet time.Time, all bool) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	if ro.run != r.Run {
		ro.run, ro.engaged, ro.worked = r.Run, r.Facts.Engaged, r.Facts.Worked
		ro.gone, ro.ledger = r.Facts.Disconnected, slices.Clone(r.Ledger)
	}
	ro.reapAt = time.Time{} // the grace may be another
	ro.policy, ro.quiet, ro.stepped, ro.raises = p, quiet, r.Step != "", r.Level != activity.Active
	if all {
		ro.fresh = false
	}
}

// within takes times of the future back to now: a clock was set back.
func (ro *room) within(now time.Time) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	for _, t := range []*time.Time{&ro.engaged, &ro.worked, &ro.gone} {
		if t.Round(0).After(now) {
			*t = now
		}
	}
}
