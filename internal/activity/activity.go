// Package activity is the one rule that says how much a workspace is used and when it is
// to stop. It is pure: facts and the time go in, a Verdict comes out; the same facts and
// time always give the same one.
//
// Two clocks run apart. Engagement is what a person did: it moves the level. Work is what
// goes on by itself, a build or a busy process: it delays the stop, within a cap, and never
// moves the level. A connection alone is neither: it only decides which of the two
// deadlines applies. Outside of running hours neither work nor a connection counts, only
// engagement and holds do. Time that goes backwards never shortens a life: a fact of the
// future counts as now.
//
// All times are absolute, durations positive. A zero time means that it never happened, a
// zero duration of a Policy that this step does not exist.
package activity

import "time"

// Level is how much a person uses a workspace.
type Level string

// The levels, from the most used to the least.
const (
	Active       Level = "active"       // engaged within Policy.Active
	Idle         Level = "idle"         // engaged within Policy.Idle
	Background   Level = "background"   // connected, not engaged for longer
	Disconnected Level = "disconnected" // nobody is connected and the grace is over
)

// Levels returns every level in order.
func Levels() []Level { return []Level{Active, Idle, Background, Disconnected} }

// Facts is what is known of one run of a workspace.
type Facts struct {
	ReadyAt   time.Time `json:"ready_at,omitzero"`   // when the run could be used
	StartedAt time.Time `json:"started_at,omitzero"` // when it began, for Policy.MaxLifetime

	Sessions     int       `json:"sessions"`              // leases that live
	Disconnected time.Time `json:"disconnected,omitzero"` // when the last lease ended; zero while there is one or never was
	Engaged      time.Time `json:"engaged,omitzero"`      // last engagement
	Worked       time.Time `json:"worked,omitzero"`       // when work was last seen
	HeldUntil    time.Time `json:"held_until,omitzero"`   // end of the latest hold; zero: none
}

// Cause names the fact that a stop time follows from.
type Cause string

// The causes.
const (
	ByHold       Cause = "hold"         // it is held until then
	ByEngagement Cause = "engagement"   // so long after somebody last used it
	ByWork       Cause = "work"         // so long after work was last seen
	ByGrace      Cause = "grace"        // so long after the last connection ended
	ByReady      Cause = "never_used"   // so long after it became ready, and nobody came
	ByLifetime   Cause = "max_lifetime" // no run may last longer
	ByHours      Cause = "hours"        // outside the running hours nobody has used it for Policy.Idle
	ByPolicy     Cause = "never"        // the policy never stops it
)

// Verdict is what follows from facts at one time.
type Verdict struct {
	Level  Level
	StopAt time.Time // zero: never
	Cause  Cause
	// Next is when the Level or the rule has to be asked again, though nothing happens
	// until then; zero: never. It is later than the time that was asked about.
	Next time.Time
}

// Due reports whether the workspace is to stop at now.
func (v Verdict) Due(now time.Time) bool { return !v.StopAt.IsZero() && !now.Before(v.StopAt) }

// Decide applies p to f at now.
func Decide(p Policy, f Facts, now time.Time) Verdict {
	f = f.until(now)
	v := Verdict{Level: level(p, f, now)}
	v.StopAt, v.Cause = stopTime(p, f)
	v.Next = next(p, f, v, now)
	return v
}

// until takes facts of the future for facts of now: a clock was set back.
func (f Facts) until(now time.Time) Facts {
	for _, t := range []*time.Time{&f.ReadyAt, &f.StartedAt, &f.Disconnected, &f.Engaged, &f.Worked} {
		if t.After(now) {
			*t = now
		}
	}
	return f
}

func level(p Policy, f Facts, now time.Time) Level {
	if f.Sessions == 0 && (f.Disconnected.IsZero() || !now.Before(f.Disconnected.Add(p.Grace))) {
		return Disconnected
	}
	quiet := now.Sub(f.used())
	switch {
	case f.used().IsZero(), quiet >= p.Idle:
		return Background
	case quiet >= p.Active:
		return Idle
	}
	return Active
}

// used is the last engagement, or the moment from which there could have been one.
func (f Facts) used() time.Time {
	if f.Engaged.Before(f.ReadyAt) {
		return f.ReadyAt
	}
	return f.Engaged
}

// stopTime is the absolute time at which the run ends unless something happens before.
func stopTime(p Policy, f Facts) (time.Time, Cause) {
	at, cause := p.unbounded(f)
	if end := p.outside(f); !end.IsZero() && (cause == ByPolicy || end.Before(at)) {
		at, cause = end, ByHours
	}
	if f.HeldUntil.After(at) && cause != ByPolicy {
		at, cause = f.HeldUntil, ByHold
	}
	if p.MaxLifetime > 0 && !f.StartedAt.IsZero() {
		if end := f.StartedAt.Add(p.MaxLifetime); cause == ByPolicy || end.Before(at) {
			return end, ByLifetime
		}
	}
	return at, cause
}

// outside is the first time outside the running hours at which f is not used: nobody has
// engaged for Idle, and who left may not come back within the grace. Work and connections
// count for nothing then. It is zero where the hours have no end.
func (p Policy) outside(f Facts) time.Time {
	free := f.used().Add(p.Idle)
	if quiet := f.graceEnd(p); f.Sessions == 0 && quiet.After(free) {
		free = quiet
	}
	return p.Hours.Closes(free)
}

// unbounded is the stop time without holds, hours and an end of life.
func (p Policy) unbounded(f Facts) (time.Time, Cause) {
	if p.Never {
		return time.Time{}, ByPolicy
	}
	at, cause := f.used().Add(p.Background), ByEngagement
	if f.Engaged.Before(f.ReadyAt) || f.Engaged.IsZero() {
		cause = ByReady
	}
	if f.Sessions == 0 && !f.Disconnected.IsZero() {
		at, cause = f.Disconnected.Add(p.Grace), ByGrace
		if t := f.Engaged.Add(p.Idle); !f.Engaged.IsZero() && !p.Eager && t.After(at) {
			at, cause = t, ByEngagement
		}
	}
	if work := p.workUntil(f); work.After(at) {
		return work, ByWork
	}
	return at, cause
}

// workUntil is how far work alone carries: WorkTail beyond the last that was seen, and
// never further than WorkCap beyond the last sign of a person.
func (p Policy) workUntil(f Facts) time.Time {
	if f.Worked.IsZero() {
		return time.Time{}
	}
	until := f.Worked.Add(p.WorkTail)
	if limit := f.used().Add(p.WorkCap); limit.Before(until) {
		return limit
	}
	return until
}

// next is the first time after now at which the verdict differs.
func next(p Policy, f Facts, v Verdict, now time.Time) time.Time {
	var first time.Time
	for _, t := range []time.Time{
		v.StopAt, f.used().Add(p.Active), f.used().Add(p.Idle), f.graceEnd(p),
	} {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func (f Facts) graceEnd(p Policy) time.Time {
	if f.Disconnected.IsZero() {
		return time.Time{}
	}
	return f.Disconnected.Add(p.Grace)
}
