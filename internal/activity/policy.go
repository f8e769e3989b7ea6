package activity

import (
	"slices"
	"time"
)

// Policy is how patient the rule is.
type Policy struct {
	Name string

	Active     time.Duration // engaged within: level active
	Idle       time.Duration // engaged within: level idle; disconnected: how long after engagement it runs on
	Background time.Duration // connected: how long after engagement it runs on
	Grace      time.Duration // after the last connection ended nothing changes for so long

	WorkTail time.Duration // how long after the last work it runs on
	WorkCap  time.Duration // how long after the last engagement work may count

	MaxLifetime time.Duration // of one run, whatever happens; 0: none
	// Hours are when it may run though nobody uses it. Outside them it runs no longer than
	// Idle after the last engagement, whoever is connected and whatever works, unless it is
	// held; that applies to Never too.
	Hours Hours
	Eager bool // disconnected: the grace alone, unless work runs
	Never bool // it never stops by itself
}

// The names of the policies.
const (
	DefaultPolicy = "default"
	EagerPolicy   = "eager"
	RelaxedPolicy = "relaxed"
	NeverPolicy   = "never"
)

// Policies returns the named policies.
func Policies() []Policy {
	base := Policy{
		Name:   DefaultPolicy,
		Active: 2 * time.Minute, Idle: 10 * time.Minute, Background: 30 * time.Minute, Grace: 30 * time.Second,
		WorkTail: 30 * time.Minute, WorkCap: 6 * time.Hour,
	}
	eager, relaxed, never := base, base, base
	eager.Name, eager.Eager, eager.WorkTail = EagerPolicy, true, time.Minute
	relaxed.Name, relaxed.Idle, relaxed.Background, relaxed.WorkTail, relaxed.WorkCap = RelaxedPolicy, time.Hour, 4*time.Hour, time.Hour, 24*time.Hour
	never.Name, never.Never = NeverPolicy, true
	return []Policy{base, eager, relaxed, never}
}

// Named returns the policy of this name; the empty name is the default.
func Named(name string) (Policy, bool) {
	if name == "" {
		name = DefaultPolicy
	}
	all := Policies()
	i := slices.IndexFunc(all, func(p Policy) bool { return p.Name == name })
	if i < 0 {
		return Policy{}, false
	}
	return all[i], true
}

// Ceiling bounds what a user's policy may ask for. A zero member is no bound.
type Ceiling struct {
	Background, WorkCap, MaxLifetime, Hold time.Duration
	NoNever                                bool // the policy never is not allowed
}

// Under returns p within c.
func (p Policy) Under(c Ceiling) Policy {
	if c.NoNever {
		p.Never = false
	}
	p.Background = bounded(p.Background, c.Background)
	p.Idle = min(p.Idle, p.Background)
	p.Active = min(p.Active, p.Idle)
	p.WorkCap = bounded(p.WorkCap, c.WorkCap)
	if c.MaxLifetime > 0 && (p.MaxLifetime == 0 || p.MaxLifetime > c.MaxLifetime) {
		p.MaxLifetime = c.MaxLifetime
	}
	return p
}

func bounded(d, limit time.Duration) time.Duration {
	if limit > 0 {
		return min(d, limit)
	}
	return d
}
