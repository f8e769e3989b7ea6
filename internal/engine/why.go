package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Why tells all that decides about the life of a workspace. It changes nothing.
func (e *Engine) Why(_ context.Context, a workspace.Actor, ref string) (api.Why, error) {
	now := time.Now()
	var w workspace.Workspace
	var r activity.Record
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		if w, err = visible(tx, a, ref); err != nil {
			return err
		}
		var ok bool
		if r, ok, err = tx.Activity(w.ID); !ok || r.Run != w.Run {
			r = activity.Record{Workspace: w.ID, Run: w.Run, Holds: r.Holds}
		}
		return err
	})
	if err != nil {
		return api.Why{}, err
	}
	p := e.policy(w)
	y := api.Why{
		Now: now.UTC().Round(0), Workspace: w, Policy: api.PolicyOf(p), Sessions: []activity.Session{}, Holds: []activity.Hold{},
		Ledger: activity.Ledger{}, Next: []api.Transition{}, Step: r.Step,
	}
	e.fold(&r, w)
	if ro := e.attendance.find(w.ID); ro != nil {
		y.Sessions = ro.view()
	}
	for _, h := range r.Holds {
		r.Facts.HeldUntil = latest(r.Facts.HeldUntil, h.Until)
	}
	y.Facts, y.Holds, y.Ledger = r.Facts, append(y.Holds, r.Holds...), append(y.Ledger, r.Ledger...)
	if counts(w, r) {
		v := e.verdict(p, r, now)
		y.Level, y.StopAt, y.Cause = v.Level, v.StopAt, v.Cause
		y.Next = append(y.Next, e.ahead(p, r, v, now)...)
	}
	return y, nil
}

// ahead is what will happen if nothing does, in order of time.
func (e *Engine) ahead(p activity.Policy, r activity.Record, v activity.Verdict, now time.Time) []api.Transition {
	var out []api.Transition
	add := func(at time.Time, what, format string, args ...any) {
		if at.After(now) && (v.StopAt.IsZero() || !at.After(v.StopAt)) {
			out = append(out, api.Transition{At: at.UTC().Round(0), What: what, Why: fmt.Sprintf(format, args...)})
		}
	}
	used := latest(r.Facts.ReadyAt, r.Facts.Engaged)
	connected := r.Facts.Sessions > 0
	quiet := r.Facts.Disconnected.Add(p.Grace)
	if connected || !r.Facts.Disconnected.IsZero() {
		if at := used.Add(p.Active); connected || at.Before(quiet) {
			add(at, string(activity.Idle), "nobody has used it for %s then", spoken(p.Active))
			if e.cfg.Activity.Throttle > 0 {
				add(at, "throttle", "it is idle then and gets %g cores", e.cfg.Activity.Throttle)
			}
		}
		if at := used.Add(p.Idle); connected || at.Before(quiet) {
			add(at, string(activity.Background), "nobody has used it for %s then", spoken(p.Idle))
			if e.cfg.Activity.Pause {
				add(at, "pause", "it is in the background then, and is frozen unless something works")
			}
		}
	}
	if !connected && !r.Facts.Disconnected.IsZero() {
		add(quiet, string(activity.Disconnected), "the last connection ended %s before", spoken(p.Grace))
	}
	for _, h := range r.Holds {
		add(h.Until, "hold_ends", "the hold of %s ends%s", h.Actor, because(h.Reason))
	}
	for _, d := range e.cfg.Activity.warnings() {
		if !v.StopAt.IsZero() {
			add(v.StopAt.Add(-d), "warning", "it is going to stop %s later", spoken(d))
		}
	}
	if !v.StopAt.IsZero() {
		stop := api.Transition{At: v.StopAt.UTC().Round(0), What: "stop", Why: causeOf(p, r, v.Cause)}
		if r.Check != nil {
			stop.At = latest(stop.At, r.Check.Again.UTC())
			stop.Why += fmt.Sprintf("; looking at it has failed %d times: %s", r.Check.Failures, r.Check.Error)
		}
		out = append(out, stop)
	}
	slices.SortStableFunc(out, func(a, b api.Transition) int { return a.At.Compare(b.At) })
	return out
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// causeOf says in one sentence why a stop is at its time.
func causeOf(p activity.Policy, r activity.Record, c activity.Cause) string {
	f := r.Facts
	switch c {
	case activity.ByHold:
		return fmt.Sprintf("held until %s", clock(f.HeldUntil))
	case activity.ByWork:
		return fmt.Sprintf("work was last seen at %s%s, which counts for %s, and at most %s after it was last used",
			clock(f.Worked), lastOf(r.Ledger, false), spoken(p.WorkTail), spoken(p.WorkCap))
	case activity.ByGrace:
		return fmt.Sprintf("the last connection ended at %s%s", clock(f.Disconnected), lastUse(r))
	case activity.ByReady:
		return fmt.Sprintf("nobody has used it since it was ready at %s", clock(f.ReadyAt))
	case activity.ByLifetime:
		return fmt.Sprintf("it began at %s, and no run may last longer than %s", clock(f.StartedAt), spoken(p.MaxLifetime))
	case activity.ByHours:
		return fmt.Sprintf("outside its running hours (%s), and nobody has used it for %s%s", p.Hours, spoken(p.Idle), sinceUse(r))
	case activity.ByEngagement:
		if f.Sessions == 0 && f.Disconnected.IsZero() {
			return fmt.Sprintf("nobody has connected%s, which counts for %s", lastUse(r), spoken(p.Background))
		}
		if f.Sessions == 0 {
			return fmt.Sprintf("nobody is connected%s, which counts for %s", lastUse(r), spoken(p.Idle))
		}
		return fmt.Sprintf("nobody has used it%s, which counts for %s", lastUse(r), spoken(p.Background))
	}
	return "nothing stops it"
}

// evidenceOf is the sentence of a stop: by which fact, and which policy.
func evidenceOf(p activity.Policy, r activity.Record) string {
	return causeOf(p, r, r.Cause) + " (policy " + p.Name + ")"
}

// sinceUse says since when nobody has used it.
func sinceUse(r activity.Record) string {
	if r.Facts.Engaged.Before(r.Facts.ReadyAt) {
		return " since it was ready at " + clock(r.Facts.ReadyAt)
	}
	return lastUse(r)
}

func lastUse(r activity.Record) string {
	if r.Facts.Engaged.IsZero() {
		return ", and nobody has used it"
	}
	return ", last used at " + clock(r.Facts.Engaged) + lastOf(r.Ledger, true)
}

// lastOf names the newest line of the ledger that engages, or that is work.
func lastOf(l activity.Ledger, engages bool) string {
	var last activity.Entry
	for _, x := range l {
		if x.Kind.Engages() == engages && !x.Last.Before(last.Last) {
			last = x
		}
	}
	if last.Kind == "" {
		return ""
	}
	out := " (" + string(last.Kind)
	if last.What != "" {
		out += " " + last.What
	}
	if engages && last.Who != "" {
		out += " by " + last.Who
	}
	return out + ")"
}

func clock(at time.Time) string { return at.UTC().Truncate(time.Second).Format(time.RFC3339) }

// spoken words a duration in full seconds as people say it: "1 h 30 min". What is shorter
// than a second is said as Go does.
func spoken(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	var parts []string
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / u.of; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
		}
		d %= u.of
	}
	return strings.Join(parts, " ")
}
