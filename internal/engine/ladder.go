package engine

import (
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// ladder takes w down a step when it is used less, where the configuration says so, and
// back up when somebody uses it again. from is the level before.
func (e *Engine) ladder(t *turn, w *workspace.Workspace, r *activity.Record, from activity.Level) error {
	if r.Step == "" && e.cfg.Activity.Throttle == 0 && !e.cfg.Activity.Pause {
		return nil
	}
	_, busy, err := openJob(t, w.ID)
	if err != nil {
		return err
	}
	switch {
	case r.Step == activity.Paused && w.State == workspace.Running && !busy: // somebody has resumed it
		return e.unthrottle(t, w, r)
	case r.Level == activity.Active && r.Step != "", isHeld(*r) && r.Step == activity.Paused:
		return e.stepUp(t, w, r, busy)
	case busy || w.State != workspace.Running:
	case from == "": // it has just begun
	default:
		if why := e.stepDown(*w, *r); why != "" {
			c, p := *w, e.policy(*w)
			t.after(func() { e.checkSoon(c, p, why) })
		}
	}
	return nil
}

// stepDown is the step that is next for w at its level; "": none. Before each a look has to
// show that nothing works there.
func (e *Engine) stepDown(w workspace.Workspace, r activity.Record) purpose {
	switch {
	case r.Level == activity.Background && e.cfg.Activity.Pause && r.Step != activity.Paused && !isHeld(r):
		return forPause
	case (r.Level == activity.Idle || r.Level == activity.Background) && r.Step == "" && e.throttles(w):
		return forThrottle
	}
	return ""
}

// isHeld reports whether r, as it was last looked at, is held: what is held runs.
func isHeld(r activity.Record) bool { return len(r.Holds) > 0 }

// concludeStep takes w down a step unless something works there, or somebody has come back.
func (e *Engine) concludeStep(t *turn, w *workspace.Workspace, r activity.Record, p activity.Policy, f findings, why purpose) error {
	before := r
	e.sight(t, w, &r, p)
	v := e.verdict(p, r, t.now)
	at := r
	at.Level = v.Level
	if w.State != workspace.Running || e.stepDown(*w, at) != why {
		return e.judge(t, w, r, true)
	}
	if len(f.work) == 0 {
		step := e.freeze
		if why == forThrottle {
			step = e.throttle
		}
		if err := step(t, w, &r); err != nil {
			return err
		}
	}
	r.StopAt, r.Cause = v.StopAt, v.Cause
	if err := e.keep(t, *w, before, r, p); err != nil {
		return err
	}
	return e.nextLook(t, w, r, p, v)
}

func (e *Engine) throttles(w workspace.Workspace) bool {
	return e.cfg.Activity.Throttle > 0 && e.cfg.Activity.Throttle < w.Spec.Limits.CPUs
}

func (e *Engine) stepUp(t *turn, w *workspace.Workspace, r *activity.Record, busy bool) error {
	if w.State == workspace.Paused {
		if busy && w.Desired == workspace.WantRunning {
			return nil // on its way
		}
		w.Desired = workspace.WantRunning
		return e.assign(t, w, workspace.JobResume, workspace.Daemon)
	}
	if r.Step == activity.Paused && busy { // the pause has not come through, or the resume is being done
		if w.Desired == workspace.WantPaused {
			w.Desired = workspace.WantRunning
			return e.assign(t, w, workspace.JobResume, workspace.Daemon)
		}
		return nil
	}
	if busy {
		return nil // a resize: its end looks again
	}
	return e.unthrottle(t, w, r)
}

// unthrottle gives w its cores back, if they were taken.
func (e *Engine) unthrottle(t *turn, w *workspace.Workspace, r *activity.Record) error {
	r.Step = ""
	if r.Cores == 0 {
		return nil
	}
	r.Cores = 0
	pendLimits(t, w, limitsResized)
	return e.assign(t, w, workspace.JobResize, workspace.Daemon)
}

// throttle takes cores from w, which nobody uses and where nothing works.
func (e *Engine) throttle(t *turn, w *workspace.Workspace, r *activity.Record) error {
	r.Step, r.Cores = activity.Throttled, e.cfg.Activity.Throttle
	pendLimits(t, w, limitsResized)
	return e.assign(t, w, workspace.JobResize, workspace.Daemon)
}

// freeze pauses w, which nobody uses and where nothing works.
func (e *Engine) freeze(t *turn, w *workspace.Workspace, r *activity.Record) error {
	r.Step = activity.Paused
	w.Desired = workspace.WantPaused
	return e.assign(t, w, workspace.JobPause, workspace.Daemon)
}

// ladderAt is when to look again whether w can be taken down a step.
func (e *Engine) ladderAt(w workspace.Workspace, r activity.Record, p activity.Policy, now time.Time) time.Time {
	if e.stepDown(w, r) == "" {
		return time.Time{}
	}
	return now.Add(max(spanOf(p), time.Second))
}

// limitsOf is what w may use now.
func (e *Engine) limitsOf(w workspace.Workspace) workspace.Limits {
	l := w.Spec.Limits
	_ = e.cfg.Store.View(func(tx *store.Tx) error {
		if r, ok, err := tx.Activity(w.ID); ok && err == nil && r.Run == w.Run && r.Cores != 0 {
			l.CPUs = min(l.CPUs, r.Cores)
		}
		return nil
	})
	return l
}
