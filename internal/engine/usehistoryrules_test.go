package engine

import (
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

// let lets time pass and looks at what has become of everything.
func (h *useHistory) let(d time.Duration) {
	for d > 0 && !h.t.Failed() {
		step := min(d, time.Second)
		if !slices.ContainsFunc(h.all, func(u *used) bool { return !u.over }) {
			step = d // all have stopped, and nothing may start one
		}
		h.pass(step)
		d -= step
		for _, u := range h.all {
			h.look(u)
		}
	}
}

func (h *useHistory) look(u *used) {
	now := time.Now()
	for i := 0; i < len(u.leases); i++ { // silent ones die
		if v := u.leases[i]; v.silent && now.Sub(v.last) >= activity.LeaseLife {
			if u.leases = append(u.leases[:i], u.leases[i+1:]...); len(u.leases) == 0 {
				u.left = v.last.Add(activity.LeaseLife)
			}
			i--
		}
	}
	if u.over {
		return
	}
	w := h.get(u.id)
	switch {
	case w.State == workspace.Running && w.Run == u.run:
		if until := h.latest(u); now.After(until) {
			h.t.Errorf("%s still runs at %v, and was to stop by %v", u.name, now, until)
		}
	case w.Stop != nil && w.Stop.Run == u.run:
		u.over = true
		h.stoppedRightly(u, w)
	default:
		h.t.Errorf("%s is %s, run %s, stop %+v; its run was %s", u.name, w.State, w.Run, w.Stop, u.run)
	}
}

// stoppedRightly fails where a stop came too early or says too little.
func (h *useHistory) stoppedRightly(u *used, w workspace.Workspace) {
	at := w.Stop.Time
	h.note("%s: stopped: %s", u.name, w.Stop.Detail)
	early := func(what string, until time.Time) {
		if at.Before(until) {
			h.t.Errorf("%s was stopped at %v, and %s until %v: %s", u.name, at, what, until, w.Stop.Detail)
		}
	}
	outside := w.Stop.Reason == workspace.StoppedHours
	if w.Stop.Reason != workspace.StoppedIdle && !outside || !strings.Contains(w.Stop.Detail, "(policy default)") || w.Desired != workspace.WantStopped {
		h.t.Errorf("%s has stopped for %+v", u.name, w.Stop)
	}
	for _, until := range u.held {
		early("was held", until)
	}
	early("had just come back", h.woke.Add(brisk.Grace))
	there := len(u.leases) > 0 || u.left.IsZero() || !at.After(u.left) // who left in the very instant of the stop was there when it was decided
	switch {
	case outside:
		if !there {
			early("was left", u.left.Add(brisk.Grace))
		}
		end := u.hours.Closes(u.engaged.Add(brisk.Idle))
		if end.IsZero() {
			h.t.Errorf("%s has no hours, and has stopped: %s", u.name, w.Stop.Detail)
		}
		early("was used or within its hours", end)
		return
	case there:
		early("was used", u.engaged.Add(brisk.Background))
	default:
		early("was left", u.left.Add(brisk.Grace))
		early("was used", u.engaged.Add(brisk.Idle))
	}
	if h.works && at.Sub(h.began) > checkTime {
		early("worked", u.engaged.Add(brisk.WorkCap))
	}
}

// latest is when u has to have stopped if nothing happens.
func (h *useHistory) latest(u *used) time.Time {
	engaged := latest(u.engaged, h.shifted).Add(u.gift)
	until := engaged.Add(brisk.Background)
	if len(u.leases) == 0 && !u.left.IsZero() {
		until = latest(engaged.Add(brisk.Idle), latest(u.left.Add(time.Second), h.shifted).Add(brisk.Grace))
	}
	until = latest(until, h.woke.Add(brisk.Grace))
	worked := h.worked
	if h.works {
		worked = time.Now()
	}
	if work := latest(worked, h.shifted).Add(brisk.WorkTail); !worked.IsZero() {
		limit := engaged.Add(brisk.WorkCap)
		if limit.Before(work) {
			work = limit
		}
		until = latest(until, work)
	}
	if end := u.hours.Closes(latest(engaged.Add(brisk.Idle), latest(u.left.Add(time.Second), h.shifted).Add(brisk.Grace))); !end.IsZero() && end.Before(until) {
		until = latest(end, h.woke.Add(brisk.Grace))
	}
	for _, t := range u.held {
		until = latest(until, t)
	}
	if !h.shaky.IsZero() {
		until = latest(until, h.shaky.Add(checkBound))
	}
	if h.engine {
		return time.Now().Add(time.Hour)
	}
	return until.Add(time.Second + checkPause + askTime + time.Second)
}

// end lets everything end: what is left has to stop.
func (h *useHistory) end() {
	h.toggleEngine(false)
	h.work(false)
	for _, u := range h.all {
		for len(u.leases) > 0 {
			h.drop(u)
		}
	}
	h.let(25 * time.Minute)
	for _, u := range h.all {
		if w := h.get(u.name); w.State != workspace.Stopped && !h.t.Failed() {
			h.t.Errorf("in the end %s is %s", u.name, w.State)
		}
	}
}
