package engine

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds of holds.
const (
	maxHolds  = 16 // of one workspace
	maxReason = 200
)

// Hold keeps a workspace running until the hold ends, at the latest at the ceiling.
func (e *Engine) Hold(ctx context.Context, a workspace.Actor, ref string, req api.HoldRequest) (activity.Hold, error) {
	if err := e.checkHold(req); err != nil {
		return activity.Hold{}, err
	}
	var h activity.Hold
	err := e.do(ctx, func(t *turn) error {
		w, err := upOf(t, a, ref)
		if err != nil {
			return err
		}
		if ro := e.attendance.find(w.ID); req.Session != "" && (ro == nil || !ro.has(req.Session)) {
			return fault.New(fault.NotFound, "session_not_found", "there is no session %.60q at workspace %s", req.Session, w.Name).
				WithHint("see them with `wsctl sessions %s`, or hold it without a session", w.Name)
		}
		h, err = e.addHold(t, &w, a.ID, req)
		return err
	})
	return h, err
}

func (e *Engine) checkHold(req api.HoldRequest) error {
	most := e.cfg.Activity.longestHold()
	switch {
	case req.For < 0:
		return fault.New(fault.Invalid, "hold_invalid", "a hold cannot last %s", req.For).WithHint("write how long, such as 2h")
	case req.For.Std() > most:
		return fault.New(fault.Invalid, "hold_too_long", "a hold may last %s at most", spoken(most)).WithHint("ask for less, and again before it ends")
	case utf8.RuneCountInString(req.Reason) > maxReason || req.Reason != printable(req.Reason):
		return fault.New(fault.Invalid, "reason_invalid", "a reason has at most %d visible characters", maxReason).WithHint("shorten it")
	}
	return nil
}

// upOf resolves ref to a workspace that runs, or is about to.
func upOf(t *turn, a workspace.Actor, ref string) (workspace.Workspace, error) {
	w, err := visible(t.Tx, a, ref)
	if err != nil {
		return w, err
	}
	switch w.State {
	case workspace.Running, workspace.Paused, workspace.Initializing, workspace.Creating:
		return w.Clone(), nil
	}
	return w, fault.New(fault.Conflict, "state", "workspace %s is %s, so there is nothing to keep running", w.Name, w.State).
		WithHint("start it with `wsctl start %s`", w.Name)
}

// addHold writes a hold and what follows from it.
func (e *Engine) addHold(t *turn, w *workspace.Workspace, actor string, req api.HoldRequest) (activity.Hold, error) {
	r, err := e.recordOf(t, *w)
	if err != nil {
		return activity.Hold{}, err
	}
	if len(r.Holds) >= maxHolds {
		return activity.Hold{}, fault.New(fault.Limit, "holds_exhausted", "workspace %s has %d holds already", w.Name, maxHolds).
			WithHint("see them with `wsctl why %s`, and end what is not needed", w.Name)
	}
	length := req.For.Std()
	if length == 0 {
		length = e.cfg.Activity.longestHold()
	}
	h := activity.Hold{
		ID: workspace.NewID(workspace.PrefixHold), Reason: req.Reason, Actor: actor,
		CreatedAt: t.now.Round(0), Until: t.now.Add(length).Round(0), Session: req.Session,
	}
	r.Holds = append(slices.Clone(r.Holds), h)
	detail := map[string]string{"hold": h.ID, "until": stamp(h.Until)}
	if h.Reason != "" {
		detail["reason"] = h.Reason
	}
	if h.Session != "" {
		detail["session"] = h.Session
	}
	if err := t.tell(w, actor, event.ActivityHold, detail); err != nil {
		return h, err
	}
	return h, e.rejudge(t, w, r)
}

// rejudge writes r, whose holds have changed, and what follows where the rule decides.
func (e *Engine) rejudge(t *turn, w *workspace.Workspace, r activity.Record) error {
	if counts(*w, r) {
		return e.judge(t, w, r, true)
	}
	return t.PutActivity(r)
}

// Unhold ends a hold.
func (e *Engine) Unhold(ctx context.Context, a workspace.Actor, ref, id string) error {
	return e.do(ctx, func(t *turn) error {
		w, err := visible(t.Tx, a, ref)
		if err != nil {
			return err
		}
		w = w.Clone()
		r, err := e.recordOf(t, w)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.Holds, func(h activity.Hold) bool { return h.ID == id })
		if i < 0 {
			return fault.New(fault.NotFound, "hold_not_found", "there is no hold %.60q of workspace %s", id, w.Name).
				WithHint("see them with `wsctl why %s`", w.Name)
		}
		r.Holds = slices.Delete(slices.Clone(r.Holds), i, i+1)
		if err := t.tell(&w, a.ID, event.ActivityUnhold, map[string]string{"hold": id, "why": "asked"}); err != nil {
			return err
		}
		return e.rejudge(t, &w, r)
	})
}

// endHolds takes out of r what is over, by time or with its session.
func (e *Engine) endHolds(t *turn, w *workspace.Workspace, r *activity.Record, p activity.Policy) (ended bool, err error) {
	var left []activity.Hold
	for _, h := range r.Holds {
		why := ""
		switch ro := e.attendance.find(w.ID); {
		case !h.Until.After(t.now):
			why = "time"
		case h.Session != "" && (ro == nil || !ro.has(h.Session)) && !t.now.Before(e.heart.since().Add(p.Grace)):
			why = "session"
		default:
			left = append(left, h)
			continue
		}
		ended = true
		if err := t.tell(w, workspace.Daemon, event.ActivityUnhold, map[string]string{"hold": h.ID, "why": why}); err != nil {
			return true, err
		}
	}
	r.Holds = left
	return ended, nil
}

// holdLook is when the next hold ends by itself, as far as that is known.
func (e *Engine) holdLook(r activity.Record, p activity.Policy) time.Time {
	var first time.Time
	for _, h := range r.Holds {
		at := h.Until
		if mercy := e.heart.since().Add(p.Grace); h.Session != "" && mercy.Before(at) && e.sessionless(r.Workspace, h.Session) {
			at = mercy
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

func (e *Engine) sessionless(id, session string) bool {
	ro := e.attendance.find(id)
	return ro == nil || !ro.has(session)
}

// Extend says that somebody still uses a workspace, and with For that it is to run at
// least so much longer.
func (e *Engine) Extend(ctx context.Context, a workspace.Actor, ref string, req api.Extend) (api.Why, error) {
	hold := api.HoldRequest{For: req.For, Reason: "extended"}
	if err := e.checkHold(hold); err != nil {
		return api.Why{}, err
	}
	err := e.do(ctx, func(t *turn) error {
		w, err := upOf(t, a, ref)
		if err != nil {
			return err
		}
		r, err := e.recordOf(t, w)
		if err != nil {
			return err
		}
		p := e.policy(w)
		ro := e.attendance.open(w.ID, r, p)
		ro.mu.Lock()
		ro.note(activity.Asked, a.ID, "extend", t.now)
		ro.mu.Unlock()
		if req.For > 0 {
			_, err = e.addHold(t, &w, a.ID, hold)
		} else {
			err = e.rejudge(t, &w, r)
		}
		if err != nil {
			return err
		}
		now, _, err := t.Activity(w.ID)
		if err != nil {
			return err
		}
		return t.tell(&w, a.ID, event.ActivityExtended, map[string]string{"for": req.For.String(), "stop_at": stamp(now.StopAt)})
	})
	if err != nil {
		return api.Why{}, err
	}
	return e.Why(ctx, a, ref)
}

// used folds a command of a person.
func (e *Engine) used(id, who, what string, now time.Time) {
	if who == workspace.Daemon {
		return
	}
	if ro := e.attendance.find(id); ro != nil {
		ro.engage(activity.Asked, who, what, now)
		return
	}
	e.spawn(func() {
		if ro, _, err := e.roomOf(workspace.Actor{ID: workspace.Daemon, Admin: true}, id); err == nil {
			ro.engage(activity.Asked, who, what, now)
		}
	})
}
