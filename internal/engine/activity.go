package engine

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// uses is what answers tell of the use of workspaces, as of the last committed record, so
// that a list needs to read none. Its methods are safe for concurrent use.
type uses struct {
	mu   sync.RWMutex
	rows map[string]api.Activity
}

func (u *uses) set(r activity.Record) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if r.Level == "" {
		delete(u.rows, r.Workspace)
		return
	}
	if u.rows == nil {
		u.rows = map[string]api.Activity{}
	}
	u.rows[r.Workspace] = api.Activity{
		Level: r.Level, StopAt: r.StopAt.UTC().Round(0), Cause: r.Cause, HeldUntil: r.Facts.HeldUntil, Step: r.Step,
	}
}

func (u *uses) drop(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.rows, id)
}

func (u *uses) get(id string) (api.Activity, bool) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	a, ok := u.rows[id]
	return a, ok
}

// Uses tells how workspaces are used that the caller has read already. What does not run
// is absent.
func (e *Engine) Uses(ids ...string) map[string]api.Activity {
	out := make(map[string]api.Activity, len(ids))
	for _, id := range ids {
		if a, ok := e.uses.get(id); ok {
			if ro := e.attendance.find(id); ro != nil {
				a.Sessions, a.Quality = ro.connected(), ro.worst()
			}
			out[id] = a
		}
	}
	return out
}

// counts reports whether the rule decides about w: what runs, and what the ladder has
// paused. What a person has paused waits for that person.
func counts(w workspace.Workspace, r activity.Record) bool {
	return w.State == workspace.Running || w.State == workspace.Paused && r.Step == activity.Paused
}

// followRows makes the records agree with the rows that a turn has written: each run has
// a record of its own, and what does not run has no level and no deadline. It is done for
// every turn, so that none can forget it.
func (e *Engine) followRows(t *turn) error {
	for _, id := range slices.Sorted(maps.Keys(t.rows)) {
		w := t.rows[id].Clone()
		r, err := e.recordOf(t, w)
		if err != nil {
			return err
		}
		if counts(w, r) {
			err = e.judge(t, &w, r, true)
		} else if _, gerr := t.Workspace(id); gerr == nil {
			err = e.rest(t, w, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recordOf returns the record of w's present run, which may be a fresh one.
func (e *Engine) recordOf(t *turn, w workspace.Workspace) (activity.Record, error) {
	r, ok, err := t.Activity(w.ID)
	if err != nil {
		return r, err
	}
	if !ok || r.Run != w.Run {
		r = e.freshRecord(t, w, r)
	}
	if w.State == workspace.Running && r.Facts.ReadyAt.IsZero() {
		r.Facts.ReadyAt = latest(w.ReadyAt, w.StartedAt)
	}
	return r, nil
}

// freshRecord begins the record of a run. Holds last until their end. Who asked for the
// start is a person who uses it.
func (e *Engine) freshRecord(t *turn, w workspace.Workspace, before activity.Record) activity.Record {
	r := activity.Record{Workspace: w.ID, Run: w.Run, Facts: activity.Facts{StartedAt: w.StartedAt}, Holds: before.Holds, Cores: before.Cores}
	j, open, err := openJob(t, w.ID)
	who := j.Actor
	if w.Stop != nil && w.Stop.Detail == detailRestart && w.Stop.Actor != "" {
		who = w.Stop.Actor // the daemon only carries on with it
	}
	if err == nil && open && who != workspace.Daemon {
		r.Facts.Engaged = t.now
		r.Ledger = r.Ledger.Add(activity.Entry{Kind: activity.Asked, Who: who, What: "start", First: t.now, Last: t.now})
	}
	return r
}

// rest is what becomes of the record when w does not run: what is known of the last run
// stays, for those who ask why it stopped. A container keeps what it was given: its next
// start gives it back its cores.
func (e *Engine) rest(t *turn, w workspace.Workspace, r activity.Record) error {
	e.fold(&r, w)
	r.Level, r.StopAt, r.Cause, r.Warned, r.WarnedLeft, r.Check = "", time.Time{}, "", time.Time{}, 0, nil
	if w.State != workspace.Paused {
		if r.Cores != 0 {
			pendLimits(t, &w, limitsFailed)
			if err := t.put(&w); err != nil {
				return err
			}
		}
		r.Step, r.Cores = "", 0
	}
	if err := t.PutActivity(r); err != nil {
		return err
	}
	t.after(func() {
		e.uses.set(r)
		if ro := e.attendance.find(w.ID); ro != nil {
			ro.written(r, e.policy(w), time.Time{}, true)
		}
		if w.State == workspace.Stopped || w.State == workspace.Failed {
			e.attendance.drop(w.ID, false)
			e.checks.forget(w.ID)
		}
	})
	return t.DropDeadline(store.DeadlineActivity, w.ID)
}

// fold adds what memory knows to r.
func (e *Engine) fold(r *activity.Record, w workspace.Workspace) {
	r.Facts.Sessions = 0
	if ro := e.attendance.find(w.ID); ro != nil {
		ro.merge(r, w)
	}
}

// dueActivity looks at a workspace whose row is due.
func (e *Engine) dueActivity(t *turn, id string) error { return e.refresh(t, id, false) }

// refresh asks the rule about one workspace.
func (e *Engine) refresh(t *turn, id string, force bool) error {
	w, err := t.Workspace(id)
	if err != nil {
		t.after(func() { e.attendance.drop(id, true); e.uses.drop(id) })
		return nil //nolint:nilerr // it was deleted, or cannot be read by anybody
	}
	r, err := e.recordOf(t, w)
	if err != nil || !counts(w, r) {
		return err
	}
	w = w.Clone()
	return e.judge(t, &w, r, force)
}

// judge folds what memory knows into r, asks the rule, tells and writes what follows, and
// sets the row for the next time. Where the stop is due a look at the workspace is begun;
// the stop itself is promised by conclude.
func (e *Engine) judge(t *turn, w *workspace.Workspace, r activity.Record, force bool) error {
	before := r
	p := e.policy(*w)
	ended, err := e.endHolds(t, w, &r, p)
	if err != nil {
		return err
	}
	e.sight(t, w, &r, p)
	v := e.verdict(p, r, t.now)
	r.StopAt, r.Cause = v.StopAt, v.Cause
	if err := e.relevel(t, w, &r, v); err != nil {
		return err
	}
	if !v.Due(t.now) && e.stepDown(*w, r) == "" {
		r.Check = nil // nothing is to be looked for any more
	}
	warned, err := e.warn(t, w, &r)
	if err != nil {
		return err
	}
	write := force || ended || warned || worthWriting(before, r, t.now)
	if write {
		if err := e.keep(t, *w, before, r, p); err != nil {
			return err
		}
	} else {
		r.StopAt = before.StopAt // as it stands in the row
		e.afterLook(t, w.ID, before, p)
	}
	if v.Due(t.now) {
		t.after(func() { e.checkSoon(*w, p, forStop) })
	}
	return e.nextLook(t, w, r, p, v)
}

// sight brings r up to t.now: what memory knows, and no fact of the future.
func (e *Engine) sight(t *turn, w *workspace.Workspace, r *activity.Record, p activity.Policy) {
	if ro := e.attendance.find(w.ID); ro != nil {
		ro.within(t.now)
	}
	e.fold(r, *w)
	for _, at := range []*time.Time{&r.Facts.ReadyAt, &r.Facts.StartedAt, &r.Facts.Disconnected, &r.Facts.Engaged, &r.Facts.Worked} {
		if at.After(t.now) {
			*at = t.now
		}
		*at = at.Round(0)
	}
	r.Facts.HeldUntil = time.Time{}
	for _, h := range r.Holds {
		r.Facts.HeldUntil = latest(r.Facts.HeldUntil, h.Until)
	}
}

// verdict is the rule's, but nothing stops before a grace that began when the daemon or
// the machine came back: who was cut off has to be able to return.
func (e *Engine) verdict(p activity.Policy, r activity.Record, now time.Time) activity.Verdict {
	v := activity.Decide(p, r.Facts, now)
	if mercy := e.heart.since().Add(p.Grace); !v.StopAt.IsZero() && v.StopAt.Before(mercy) && v.Cause != activity.ByLifetime {
		v.StopAt = mercy.Round(0)
	}
	return v
}

// relevel records a new level and takes the ladder along.
func (e *Engine) relevel(t *turn, w *workspace.Workspace, r *activity.Record, v activity.Verdict) error {
	from := r.Level
	r.Level = v.Level
	if from != v.Level && from != "" {
		err := t.tell(w, workspace.Daemon, event.ActivityLevel, map[string]string{
			"from": string(from), "to": string(v.Level), "stop_at": stamp(v.StopAt), "cause": string(v.Cause),
		})
		if err != nil {
			return err
		}
	}
	return e.ladder(t, w, r, from)
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// movedEnough is which part of the way to the stop it has to move to be written again.
const movedEnough = 20

// worthWriting reports whether r tells more than the row does. Keystrokes move the stop
// all the time; a crash may lose a twentieth of that, which recoverActivity gives back.
func worthWriting(row, r activity.Record, now time.Time) bool {
	switch moved := r.StopAt.Sub(row.StopAt); {
	case row.Level != r.Level, row.Cause != r.Cause, row.StopAt.IsZero() != r.StopAt.IsZero(), row.Step != r.Step, (row.Check == nil) != (r.Check == nil),
		(row.Facts.Sessions == 0) != (r.Facts.Sessions == 0), row.Facts.Disconnected.IsZero() != r.Facts.Disconnected.IsZero():
		return true
	case moved < 0, moved > 0 && moved >= r.StopAt.Sub(now)/movedEnough:
		return true
	}
	return !slices.EqualFunc(row.Ledger, r.Ledger, func(a, b activity.Entry) bool {
		return a.Kind == b.Kind && a.Who == b.Who && a.What == b.What && a.First.Equal(b.First)
	})
}

// keep writes r and has memory and readers follow after the commit.
func (e *Engine) keep(t *turn, w workspace.Workspace, before, r activity.Record, p activity.Policy) error {
	if err := t.PutActivity(r); err != nil {
		return err
	}
	first := before.Level == "" // which is no fact
	if first || before.Level == r.Level && !before.StopAt.Equal(r.StopAt) {
		t.messages = append(t.messages, api.Message{Type: "signal", Signal: &event.Signal{
			Time: t.now, Kind: event.StopMoved, Workspace: w.ID,
			Detail: map[string]string{"level": string(r.Level), "stop_at": stamp(r.StopAt), "cause": string(r.Cause)},
		}})
	}
	t.after(func() { e.uses.set(r) })
	e.afterLook(t, w.ID, r, p)
	return nil
}

// afterLook tells the room after the commit what stands in the row.
func (e *Engine) afterLook(t *turn, id string, row activity.Record, p activity.Policy) {
	now := t.now
	t.after(func() {
		ro := e.attendance.find(id)
		if ro == nil {
			return
		}
		quiet := now.Add(pauseOf(p))
		if row.Level == activity.Active { // else an engagement changes the level
			quiet = latest(quiet, row.Facts.Engaged.Add(p.Idle/movedEnough))
		}
		ro.written(row, p, quiet, true)
	})
}

// nextLook sets the row at which w is looked at again, though nothing happens until then.
func (e *Engine) nextLook(t *turn, w *workspace.Workspace, r activity.Record, p activity.Policy, v activity.Verdict) error {
	var next time.Time
	for _, at := range []time.Time{v.Next, v.StopAt, e.nextWarning(v.StopAt, t.now), e.sampleAt(p, v.StopAt), e.ladderAt(*w, r, p, t.now), e.holdLook(r, p)} {
		if at.After(t.now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if v.Due(t.now) { // a check runs: its end sets the row, and this one only if it never comes
		next = t.now.Add(checkBound)
	} else if !v.StopAt.IsZero() && !t.now.Before(e.sampleAt(p, v.StopAt)) {
		t.after(func() { e.sampleSoon(*w) })
	}
	if next.IsZero() {
		return t.DropDeadline(store.DeadlineActivity, w.ID)
	}
	return t.PutDeadline(store.Deadline{At: next, Kind: store.DeadlineActivity, Key: w.ID})
}
