package activity

import (
	"reflect"
	"testing"
	"time"
)

// What is read as hours is written so that it is read as the same hours, and they close at
// an instant that is outside of them, whatever the calendar is like then.
func FuzzHours(f *testing.F) {
	for _, text := range []string{
		"always", "Mon-Fri 08:00-19:00", "sat-tue 22:00-6:00, 7:00-24:00 Europe/Berlin", "00:00-24:00", "Mon 00:00-00:01,Sun 23:59-0:00 UTC",
		"Fri 12:00-24:00, Sat Sun 00:00-24:00 Australia/Lord_Howe", "8-19", "Mon,Tue", "24:00-24:00 Local",
	} {
		f.Add(text, int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		h, err := ParseHours(text)
		if err != nil {
			if !reflect.DeepEqual(h, Hours{}) {
				t.Fatalf("%q is refused and read: %+v", text, h)
			}
			return
		}
		again, err := ParseHours(h.String())
		if err != nil || again.String() != h.String() {
			t.Fatalf("%q is written as %q and read back as %q, %v", text, h, again, err)
		}
		if (h.week == nil) != (again.week == nil) || h.week != nil && !reflect.DeepEqual(h.week.open, again.week.open) {
			t.Fatalf("%q is written as %q, which are other hours", text, h)
		}
		from := time.Unix(unix%(1<<37), 0) // some 4,000 years either way
		end := h.Closes(from)
		switch {
		case end.IsZero() && h.week != nil && !h.week.whole():
			t.Fatalf("%s never close", h)
		case end.IsZero():
		case end.Before(from):
			t.Fatalf("%s from %s close at %s", h, from, end)
		case !h.Closes(end).Equal(end):
			t.Fatalf("%s close at %s, and are open then", h, end)
		}
	})
}

// Any facts under any policy have a verdict that keeps what the rule promises.
func FuzzDecide(f *testing.F) {
	minute := int64(time.Minute)
	f.Add("Mon-Fri 08:00-19:00 UTC", int8(1), uint8(0), 5*minute, 4*minute, int64(0), int64(0), 40*minute, 2*minute, 8*minute, 20*minute, minute/2, 30*minute, 300*minute, int64(0))
	f.Add("always", int8(0), uint8(1), 5*minute, int64(0), 90*minute, 6*minute, 7*minute, 2*minute, 8*minute, 20*minute, minute/2, 30*minute, 300*minute, 60*minute)
	f.Fuzz(func(t *testing.T, hours string, sessions int8, flags uint8, engaged, worked, held, left, at, active, idle, background, grace, tail, limit, life int64) {
		h, err := ParseHours(hours)
		if err != nil {
			return
		}
		span := func(n int64) time.Duration { return time.Duration(n&(1<<51-1)) % (30 * aDay) } // as settings may have it
		p := Policy{Active: span(active), Grace: span(grace), WorkTail: span(tail), WorkCap: span(limit), MaxLifetime: span(life), Eager: flags&1 != 0, Never: flags&2 != 0, Hours: h}
		p.Idle = p.Active + span(idle)
		p.Background = p.Idle + span(background)
		moment := func(n int64) time.Time {
			if n == 0 {
				return time.Time{}
			}
			return t0.Add(time.Duration(n % int64(400*aDay)))
		}
		facts := Facts{ReadyAt: t0, StartedAt: t0, Sessions: int(sessions & 3), Engaged: moment(engaged), Worked: moment(worked), HeldUntil: moment(held)}
		if facts.Sessions == 0 {
			facts.Disconnected = moment(left)
		}
		if flags&4 != 0 {
			facts.ReadyAt = time.Time{}
		}
		now := t0.Add(time.Duration(at % int64(400*aDay)))
		v := Decide(p, facts, now)
		if v != Decide(p, facts, now) {
			t.Fatal("the same facts have two verdicts")
		}
		if !v.Next.IsZero() && !v.Next.After(now) {
			t.Fatalf("next is not later: %+v", v)
		}
		known := facts.until(now)
		promised(t, p, known, v, now)
	})
}

// promised fails where v breaks what the rule says to people.
func promised(t *testing.T, p Policy, f Facts, v Verdict, now time.Time) {
	t.Helper()
	if v.Due(now) == v.StopAt.After(now) && !v.StopAt.IsZero() || v.StopAt.IsZero() && v.Cause != ByPolicy {
		t.Fatalf("%+v says two things", v)
	}
	if !v.Due(now) || v.Cause == ByLifetime {
		return
	}
	switch {
	case f.HeldUntil.After(now):
		t.Fatalf("stopped while held: %+v", v)
	case p.Never && p.Hours.IsZero():
		t.Fatalf("stopped although nothing stops it: %+v", v)
	case !p.Eager && !f.Engaged.IsZero() && now.Sub(f.Engaged) < p.Idle:
		t.Fatalf("stopped soon after somebody used it: %+v", v)
	case f.Sessions == 0 && !f.Disconnected.IsZero() && now.Sub(f.Disconnected) < p.Grace:
		t.Fatalf("stopped within the grace: %+v", v)
	case f.Sessions > 0 && !f.Engaged.IsZero() && now.Sub(f.Engaged) < p.Background && p.Hours.IsZero():
		t.Fatalf("stopped under somebody who is there: %+v", v)
	}
}
