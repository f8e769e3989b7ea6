package activity

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// t0 is when every run in these tests became ready.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(d time.Duration) time.Time { return t0.Add(d) }

func named(t *testing.T, name string) Policy {
	t.Helper()
	p, ok := Named(name)
	if !ok {
		t.Fatalf("there is no policy %q", name)
	}
	return p
}

func TestDecide(t *testing.T) {
	const m = time.Minute
	ready := Facts{ReadyAt: t0, StartedAt: t0}
	with := func(change func(*Facts)) Facts { f := ready; change(&f); return f }
	tests := []struct {
		name   string
		policy string
		facts  Facts
		now    time.Duration
		level  Level
		stop   time.Duration // 0: never
		cause  Cause
		next   time.Duration // 0: never
	}{
		{"nobody ever came", "", ready, m, Disconnected, 30 * m, ByReady, 2 * m},
		{"somebody looks and does nothing", "", with(func(f *Facts) { f.Sessions = 1 }), m, Active, 30 * m, ByReady, 2 * m},
		{"somebody typed a minute ago", "", with(func(f *Facts) { f.Sessions, f.Engaged = 1, at(5*m) }), 6 * m, Active, 35 * m, ByEngagement, 7 * m},
		{"somebody typed two minutes ago", "", with(func(f *Facts) { f.Sessions, f.Engaged = 1, at(5*m) }), 7 * m, Idle, 35 * m, ByEngagement, 15 * m},
		{"somebody typed ten minutes ago", "", with(func(f *Facts) { f.Sessions, f.Engaged = 1, at(5*m) }), 15 * m, Background, 35 * m, ByEngagement, 35 * m},
		{"a lid was closed just now", "", with(func(f *Facts) { f.Engaged, f.Disconnected = at(5*m), at(6*m) }), 6*m + 20*time.Second, Active, 15 * m, ByEngagement, 6*m + 30*time.Second},
		{"a lid is closed for longer than the grace", "", with(func(f *Facts) { f.Engaged, f.Disconnected = at(5*m), at(6*m) }), 7 * m, Disconnected, 15 * m, ByEngagement, 15 * m},
		{"a forgotten tab was closed", "", with(func(f *Facts) { f.Engaged, f.Disconnected = at(5*m), at(25*m) }), 25 * m, Background, 25*m + 30*time.Second, ByGrace, 25*m + 30*time.Second},
		{"a build goes on at lunch", "", with(func(f *Facts) { f.Sessions, f.Engaged, f.Worked = 1, at(5*m), at(34*m) }), 34 * m, Background, 64 * m, ByWork, 64 * m},
		{"a build goes on without anybody", "", with(func(f *Facts) { f.Engaged, f.Disconnected, f.Worked = at(5*m), at(6*m), at(34*m) }), 34 * m, Disconnected, 64 * m, ByWork, 64 * m},
		{"work for six hours is enough", "", with(func(f *Facts) { f.Engaged, f.Disconnected, f.Worked = at(5*m), at(6*m), at(364*m) }), 364 * m, Disconnected, 365 * m, ByWork, 365 * m},
		{"it is held", "", with(func(f *Facts) { f.HeldUntil = at(120 * m) }), 40 * m, Disconnected, 120 * m, ByHold, 120 * m},
		{"a hold does not shorten", "", with(func(f *Facts) { f.HeldUntil = at(2 * m) }), m, Disconnected, 30 * m, ByReady, 2 * m},
		{"eager and gone", "eager", with(func(f *Facts) { f.Engaged, f.Disconnected = at(5*m), at(6*m) }), 6 * m, Active, 6*m + 30*time.Second, ByGrace, 6*m + 30*time.Second},
		{"eager and at work", "eager", with(func(f *Facts) { f.Engaged, f.Disconnected, f.Worked = at(5*m), at(6*m), at(9*m) }), 9 * m, Disconnected, 10 * m, ByWork, 10 * m},
		{"never", "never", ready, 1000 * m, Disconnected, 0, ByPolicy, 0},
		{"the clock was set back", "", with(func(f *Facts) { f.Sessions, f.Engaged = 1, at(90*m) }), 10 * m, Active, 40 * m, ByEngagement, 12 * m},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Decide(named(t, tt.policy), tt.facts, at(tt.now))
			want := Verdict{Level: tt.level, Cause: tt.cause}
			if tt.stop != 0 {
				want.StopAt = at(tt.stop)
			}
			if tt.next != 0 {
				want.Next = at(tt.next)
			}
			if got != want {
				t.Errorf("\ngot  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestALifetimeEndsWhateverHolds(t *testing.T) {
	for _, name := range []string{"", "never"} {
		p := named(t, name)
		p.MaxLifetime = time.Hour
		f := Facts{ReadyAt: t0, StartedAt: t0, Sessions: 1, Engaged: at(59 * time.Minute), HeldUntil: at(9 * time.Hour)}
		if v := Decide(p, f, at(59*time.Minute)); v.StopAt != at(time.Hour) || v.Cause != ByLifetime {
			t.Errorf("%q: %+v", name, v)
		}
	}
}

func TestACeilingIsKept(t *testing.T) {
	p := named(t, NeverPolicy).Under(Ceiling{Background: 5 * time.Minute, WorkCap: time.Hour, MaxLifetime: 2 * time.Hour, NoNever: true})
	if p.Never || p.Background != 5*time.Minute || p.Idle != 5*time.Minute || p.Active != 2*time.Minute || p.WorkCap != time.Hour || p.MaxLifetime != 2*time.Hour {
		t.Errorf("got %+v", p)
	}
	if free := named(t, ""); free.Under(Ceiling{}) != free {
		t.Error("no ceiling changes a policy")
	}
}

// facts draws any facts around t0.
func facts(t *rapid.T) Facts {
	span := func(name string) time.Time {
		if rapid.Bool().Draw(t, name+" is set") {
			return at(time.Duration(rapid.Int64Range(0, int64(12*time.Hour)).Draw(t, name)))
		}
		return time.Time{}
	}
	f := Facts{ReadyAt: t0, StartedAt: t0, Sessions: rapid.IntRange(0, 2).Draw(t, "sessions"), Engaged: span("engaged"), Worked: span("worked"), HeldUntil: span("held")}
	if f.Sessions == 0 {
		f.Disconnected = span("disconnected")
	}
	return f
}

// anyPolicy draws a policy, with hours that end around t0 more often than not.
func anyPolicy(t *rapid.T) Policy {
	p := rapid.SampledFrom(Policies()).Draw(t, "policy")
	if rapid.Bool().Draw(t, "has hours") {
		text, _ := drawHours(t)
		h, err := ParseHours(text + " UTC")
		if err != nil {
			t.Fatal(err)
		}
		p.Hours = h
	}
	return p
}

func TestNeverStoppedWhileInUse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, f := anyPolicy(t), facts(t)
		now := at(time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "now")))
		v := Decide(p, f, now)
		if !v.Due(now) {
			return
		}
		f = f.until(now)
		outside := !p.Hours.IsZero() && (v.Cause == ByHours || v.Cause == ByHold)
		switch {
		case p.Never && !outside:
			t.Fatal("stopped although the policy never stops")
		case now.Before(f.HeldUntil):
			t.Fatal("stopped while held")
		case outside && now.Sub(f.used()) < p.Idle:
			t.Fatal("stopped outside its hours soon after engagement")
		case !outside && f.Sessions > 0 && now.Sub(f.Engaged) < p.Background:
			t.Fatal("stopped while somebody connected was engaged")
		case !p.Eager && !f.Engaged.IsZero() && now.Sub(f.Engaged) < p.Idle && f.Disconnected.IsZero():
			t.Fatal("stopped soon after engagement")
		case !f.Disconnected.IsZero() && now.Sub(f.Disconnected) < p.Grace:
			t.Fatal("stopped within the grace")
		}
	})
}

func TestEverythingEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, f := anyPolicy(t), facts(t)
		if p.Never && p.Hours.Closes(t0).IsZero() {
			return
		}
		last := t0
		for _, e := range []time.Time{f.Engaged, f.Worked, f.HeldUntil, f.Disconnected} {
			if e.After(last) {
				last = e
			}
		}
		end := last.Add(max(p.Background, p.WorkTail, p.Grace))
		if p.Never {
			end = p.Hours.Closes(end)
		}
		if v := Decide(p, f, end); !v.Due(end) {
			t.Fatalf("it runs on after everything ended: %+v", v)
		}
	})
}

// Whoever asks again at Next, and only then, misses no change.
func TestNothingChangesBeforeNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, f := anyPolicy(t), facts(t)
		now := at(12*time.Hour + time.Duration(rapid.Int64Range(0, int64(8*time.Hour)).Draw(t, "now")))
		v := Decide(p, f, now)
		gap := 8 * time.Hour
		if !v.Next.IsZero() {
			if !v.Next.After(now) {
				t.Fatalf("next is not later: %+v", v)
			}
			gap = v.Next.Sub(now)
		}
		between := now.Add(time.Duration(rapid.Int64Range(0, int64(gap)-1).Draw(t, "between")))
		if w := Decide(p, f, between); w.Level != v.Level || w.StopAt != v.StopAt || w.Due(between) != v.Due(now) {
			t.Fatalf("%+v became %+v at %s, before next", v, w, between)
		}
	})
}

func TestQuality(t *testing.T) {
	var r RoundTrips
	if r.Quality() != Stable {
		t.Error("a new connection is not taken for stable")
	}
	steps := []struct {
		name  string
		trip  time.Duration // 0: lost
		times int
		want  Quality
	}{
		{"short trips", 20 * time.Millisecond, 10, Stable},
		{"one is lost", 0, 1, Unstable},
		{"two in a row are lost", 0, 1, Poor},
		{"it answers again", 20 * time.Millisecond, 1, Stable},
		{"long trips", 400 * time.Millisecond, 20, Unstable},
		{"nearly as long trips: no flapping", 220 * time.Millisecond, 40, Unstable},
		{"short trips again", 20 * time.Millisecond, 60, Stable},
		{"very long trips", 3 * time.Second, 20, Poor},
	}
	for _, s := range steps {
		var got Quality
		for range s.times {
			if s.trip == 0 {
				got = r.Lose()
			} else {
				got = r.Add(s.trip)
			}
		}
		if got != s.want || r.Quality() != got {
			t.Errorf("%s: %s, want %s (srtt %s, var %s)", s.name, got, s.want, r.SRTT, r.Var)
		}
	}
}
