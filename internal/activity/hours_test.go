package activity

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func mustHours(t testing.TB, text string) Hours {
	t.Helper()
	h, err := ParseHours(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHoursAreReadAndWrittenBack(t *testing.T) {
	for given, want := range map[string]string{
		"always":                              "always",
		" Always ":                            "always",
		"8:00-19:00":                          "08:00-19:00",
		"mon-fri 08:00-19:00":                 "Mon-Fri 08:00-19:00",
		"Mon Wed fri 08:00-19:00":             "Mon Wed Fri 08:00-19:00",
		"Sat-Mon 00:00-24:00":                 "Mon Sat-Sun 00:00-24:00",
		"Mon-Sun 00:00-24:00":                 "00:00-24:00",
		"22:00-06:00":                         "22:00-06:00",
		"Mon-Fri 08:00-12:00,13:00-17:00":     "Mon-Fri 08:00-12:00, 13:00-17:00",
		"Mon 08:00-12:00, Mon 13:00-17:00":    "Mon 08:00-12:00, 13:00-17:00",
		"Mon 08:00-12:00, Mon-Sun 1:00-2:00":  "Mon 08:00-12:00, Mon-Sun 01:00-02:00",
		"  Mon-Fri  8:00-19:00  Asia/Tokyo  ": "Mon-Fri 08:00-19:00 Asia/Tokyo",
		"8:00-19:00,20:00-21:00 UTC":          "08:00-19:00, 20:00-21:00 UTC",
	} {
		h := mustHours(t, given)
		if h.String() != want || h.IsZero() != (want == always) {
			t.Errorf("%q is %q, want %q", given, h, want)
		}
		if again := mustHours(t, h.String()); again.String() != want {
			t.Errorf("%q is read back as %q", want, again)
		}
	}
}

func TestWhatAreNoHoursIsRefusedWithWhatIsWrong(t *testing.T) {
	for given, says := range map[string]string{
		"":                                       `"" has no times`,
		"Mon-Fri":                                `"Mon-Fri" has no times: say from when until when`,
		"Mon-Fri 8-19":                           "has no times",
		"Mox 08:00-19:00":                        `"Mox" is not a day: there are Mon, Tue`,
		"Mon-Fry 08:00-19:00":                    `"Fry" is not a day`,
		"Mon- 08:00-19:00":                       `"" is not a day`,
		"08:00":                                  `"08:00" is not a range of times`,
		"08:00 - 19:00":                          "is too much after 08:00",
		"08:00-19:00 20:00-21:00 22:00-23:00":    "a comma begins the next range",
		"08:60-19:00":                            `"08:60" is not a time of the day`,
		"08:00-24:01":                            `"24:01" is not a time of the day`,
		"+8:00-19:00":                            `"+8:00" is not a time of the day`,
		"08:0-19:00":                             `"08:0" is not a time of the day`,
		"08:00-08:00":                            "the whole day is 00:00-24:00",
		"24:00-01:00":                            "that is 00:00 of the next day",
		"08:00-19:00,":                           `"" has no times`,
		"08:00-19:00 Europe/Berln":               `there is no time zone "Europe/Berln"`,
		"08:00-19:00 Local":                      "leave it out",
		"08:00-19:00 ../../etc/passwd":           "there is no time zone",
		"08:00-09:00 UTC, 10:00-11:00 UTC":       "one time zone, at the end",
		strings.Repeat("Mon ", 60) + "1:00-2:00": "at most 200 bytes",
	} {
		if h, err := ParseHours(given); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v; want %s", given, h, err, says)
		}
	}
}

func TestWhenHoursClose(t *testing.T) {
	for _, tt := range []struct{ name, hours, from, want string }{
		{"always", "always", "2026-03-02T12:00:00Z", "never"},
		{"all of the week in pieces", "Mon-Fri 00:00-24:00, Sat 00:00-12:00, 12:00-24:00, Sun 00:00-24:00 UTC", "2026-03-02T12:00:00Z", "never"},
		{"inside", "Mon-Fri 08:00-19:00 UTC", "2026-03-02T12:00:00Z", "2026-03-02T19:00:00Z"},
		{"at the first instant", "Mon-Fri 08:00-19:00 UTC", "2026-03-02T08:00:00Z", "2026-03-02T19:00:00Z"},
		{"just before", "Mon-Fri 08:00-19:00 UTC", "2026-03-02T07:59:59.999Z", "2026-03-02T07:59:59.999Z"},
		{"at the end", "Mon-Fri 08:00-19:00 UTC", "2026-03-02T19:00:00Z", "2026-03-02T19:00:00Z"},
		{"at the weekend", "Mon-Fri 08:00-19:00 UTC", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"},
		{"ranges that touch", "08:00-12:00, 12:00-19:00, 18:00-20:00 UTC", "2026-03-02T09:00:00Z", "2026-03-02T20:00:00Z"},
		{"a lunch between", "08:00-12:00, 13:00-19:00 UTC", "2026-03-02T09:00:00Z", "2026-03-02T12:00:00Z"},
		{"over midnight", "Mon 22:00-06:00 UTC", "2026-03-02T23:00:00Z", "2026-03-03T06:00:00Z"},
		{"after midnight", "Mon 22:00-06:00 UTC", "2026-03-03T01:00:00Z", "2026-03-03T06:00:00Z"},
		{"the night after", "Mon 22:00-06:00 UTC", "2026-03-04T01:00:00Z", "2026-03-04T01:00:00Z"},
		{"over the end of the week", "Sun 22:00-06:00 UTC", "2026-03-01T23:00:00Z", "2026-03-02T06:00:00Z"},
		{"from Friday to Monday", "Fri 12:00-24:00, Sat Sun 00:00-24:00, Mon 00:00-08:00 UTC", "2026-02-27T13:00:00Z", "2026-03-02T08:00:00Z"},
		{"of another zone", "Mon 08:00-19:00 Asia/Tokyo", "2026-03-01T23:30:00Z", "2026-03-02T10:00:00Z"},
		// In Berlin 02:00 becomes 03:00 on 2026-03-29, and 03:00 becomes 02:00 on 2026-10-25.
		{"a night that lacks an hour", "22:00-06:00 Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T04:00:00Z"},
		{"an end in the hour that is left out", "22:00-02:30 Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T01:00:00Z"},
		{"a beginning in it", "02:30-03:30 Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"},
		{"hours that are left out", "Sun 02:10-02:50 Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T00:59:59Z"},
		{"a night with an hour more", "22:00-06:00 Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T05:00:00Z"},
		{"an end when the clock is set back", "22:00-03:00 Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T02:00:00Z"},
		{"an end in the hour that comes twice", "22:00-02:30 Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z"},
		{"in its second coming", "22:00-02:30 Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, err := time.Parse(time.RFC3339Nano, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			got := "never"
			if end := mustHours(t, tt.hours).Closes(from); !end.IsZero() {
				got = end.UTC().Format(time.RFC3339Nano)
			}
			if got != tt.want {
				t.Errorf("%s from %s close at %s, want %s", tt.hours, tt.from, got, tt.want)
			}
		})
	}
}

// rawRange is a range as the test understands it, apart from the parser.
type rawRange struct {
	days     [7]bool // Sunday first, as in time.Weekday
	from, to int     // minutes of the day
}

// shows reports whether the clock on the wall shows a time of r.
func (r rawRange) shows(wall time.Time) bool {
	minute := wall.Hour()*60 + wall.Minute()
	today, yesterday := r.days[wall.Weekday()], r.days[(wall.Weekday()+6)%7]
	if r.from < r.to {
		return today && minute >= r.from && minute < r.to
	}
	return today && minute >= r.from || yesterday && minute < r.to
}

// drawHours draws hours and what they mean.
func drawHours(t *rapid.T) (text string, ranges []rawRange) {
	var items []string
	for range rapid.IntRange(1, 3).Draw(t, "ranges") {
		var r rawRange
		var words []string
		for d := range 7 {
			if rapid.Bool().Draw(t, "day") {
				r.days[d] = true
				words = append(words, time.Weekday(d).String()[:3])
			}
		}
		if len(words) == 0 {
			r.days, words = [7]bool{true, true, true, true, true, true, true}, []string{"Tue-Mon"}
		}
		r.from = rapid.IntRange(0, 24*60-1).Draw(t, "from")
		r.to = rapid.IntRange(0, 24*60).Filter(func(m int) bool { return m != r.from }).Draw(t, "to")
		span := func(m int) string { return clockText(time.Duration(m) * time.Minute) }
		items = append(items, strings.Join(append(words, span(r.from)+"-"+span(r.to)), " "))
		ranges = append(ranges, r)
	}
	return strings.Join(items, ", "), ranges
}

// The clock on the wall alone decides, minute for minute, also where it is set.
func TestHoursCloseAtTheFirstMinuteThatTheClockShowsOutside(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		text, ranges := drawHours(t)
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		h, err := ParseHours(text + " " + name)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(0, 15*365*24*60).Draw(t, "minute")*60, 0).Add(40 * 365 * aDay)
		if rapid.Bool().Draw(t, "near a change of the clock") {
			if _, change := from.In(zone).ZoneBounds(); !change.IsZero() {
				from = change.Add(-time.Duration(rapid.IntRange(0, 30*60).Draw(t, "before")) * time.Minute)
			}
		}
		open := func(at time.Time) bool {
			for _, r := range ranges {
				if r.shows(at.In(zone)) {
					return true
				}
			}
			return false
		}
		end := h.Closes(from)
		last := from.Add(15 * aDay)
		if end.IsZero() {
			end = last
		} else if open(end) {
			t.Fatalf("%s from %s: %s is not outside", h, from.UTC(), end.UTC())
		}
		for at := from; at.Before(end) && at.Before(last); at = at.Add(time.Minute) {
			if !open(at) {
				t.Fatalf("%s from %s: closed already at %s, not first at %s", h, from.UTC(), at.UTC(), end.UTC())
			}
		}
	})
}

func TestOutsideItsHoursOnlyPeopleAndHoldsCount(t *testing.T) {
	const m = time.Minute
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday
	hour := func(h, minute int) time.Time {
		return noon.Add(time.Duration(h-12)*time.Hour + time.Duration(minute)*m)
	}
	for _, tt := range []struct {
		name   string
		policy string
		facts  Facts
		stop   time.Time
		cause  Cause
	}{
		{"the hours end first", "relaxed", Facts{ReadyAt: hour(9, 0), Sessions: 1, Engaged: hour(17, 30)}, hour(19, 0), ByHours},
		{"the policy is over before", "", Facts{ReadyAt: hour(9, 0), Sessions: 1, Engaged: hour(17, 30)}, hour(18, 0), ByEngagement},
		{"somebody used it just before the end", "", Facts{ReadyAt: hour(9, 0), Sessions: 1, Engaged: hour(18, 55)}, hour(19, 5), ByHours},
		{"somebody goes on after the end", "", Facts{ReadyAt: hour(9, 0), Sessions: 1, Engaged: hour(21, 0)}, hour(21, 10), ByHours},
		{"somebody was last there just before the hours begin", "", Facts{ReadyAt: hour(7, 0), Sessions: 1, Engaged: hour(7, 55)}, hour(8, 25), ByEngagement},
		{"started outside and never used", "", Facts{ReadyAt: hour(22, 0)}, hour(22, 10), ByHours},
		{"work goes on after the end", "", Facts{ReadyAt: hour(9, 0), Sessions: 1, Engaged: hour(17, 30), Worked: hour(18, 59)}, hour(19, 0), ByHours},
		{"who left may come back", "", Facts{ReadyAt: hour(9, 0), Engaged: hour(18, 45), Disconnected: hour(18, 59).Add(50 * time.Second), Worked: hour(18, 59)}, hour(19, 0).Add(20 * time.Second), ByHours},
		{"eager is sooner still", "eager", Facts{ReadyAt: hour(9, 0), Engaged: hour(18, 57), Disconnected: hour(18, 58)}, hour(18, 58).Add(30 * time.Second), ByGrace},
		{"held beyond the end", "", Facts{ReadyAt: hour(9, 0), Sessions: 1, Engaged: hour(18, 30), HeldUntil: hour(21, 0)}, hour(21, 0), ByHold},
		{"used while it was held", "", Facts{ReadyAt: hour(9, 0), Sessions: 1, Engaged: hour(20, 55), HeldUntil: hour(21, 0)}, hour(21, 5), ByHours},
		{"held into the next hours", "relaxed", Facts{ReadyAt: hour(9, 0), Sessions: 1, Engaged: hour(18, 30), HeldUntil: hour(24+10, 0)}, hour(24+10, 0), ByHold},
		{"never, within the hours", "never", Facts{ReadyAt: hour(9, 0)}, hour(19, 0), ByHours},
		{"never, and held", "never", Facts{ReadyAt: hour(9, 0), HeldUntil: hour(20, 0)}, hour(20, 0), ByHold},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := named(t, tt.policy)
			p.Hours = mustHours(t, "Mon-Fri 08:00-19:00 UTC")
			if tt.policy == "relaxed" {
				p.Idle = 10 * m
			}
			if v := Decide(p, tt.facts, hour(24*7, 0)); !v.StopAt.Equal(tt.stop) || v.Cause != tt.cause {
				t.Errorf("stops at %s by %s, want %s by %s", v.StopAt, v.Cause, tt.stop, tt.cause)
			}
		})
	}
}

// With hours a workspace stops in the first minute in which it would stop without them, or
// which is outside of them and in which nobody has used it for Idle. A hold delays either.
func TestHoursStopInTheFirstMinuteOutsideThatNobodyUses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(Policies()).Draw(t, "policy")
		p.Grace = time.Minute
		text, ranges := drawHours(t)
		h, err := ParseHours(text + " UTC")
		if err != nil {
			t.Fatal(err)
		}
		start := t0.Truncate(time.Minute)
		at := func(name string) time.Time {
			if !rapid.Bool().Draw(t, name+" is set") {
				return time.Time{}
			}
			return start.Add(time.Duration(rapid.IntRange(0, 36*60).Draw(t, name)) * time.Minute)
		}
		f := Facts{ReadyAt: start, StartedAt: start, Sessions: rapid.IntRange(0, 1).Draw(t, "sessions"), Engaged: at("engaged"), Worked: at("worked"), HeldUntil: at("held")}
		if f.Sessions == 0 {
			f.Disconnected = at("disconnected")
		}
		last := start.Add(9 * aDay)
		unheld := f
		unheld.HeldUntil = time.Time{}
		without := Decide(p, unheld, last)
		p.Hours = h
		with := Decide(p, f, last)
		stops := func(now time.Time) bool {
			inside := false
			for _, r := range ranges {
				inside = inside || r.shows(now)
			}
			free := !now.Before(f.used().Add(p.Idle)) && (f.Disconnected.IsZero() || !now.Before(f.Disconnected.Add(p.Grace)))
			return without.Due(now) || !inside && free
		}
		want := start
		for !stops(want) {
			if want = want.Add(time.Minute); want.After(last) {
				if !with.StopAt.IsZero() && !with.StopAt.After(last) {
					t.Fatalf("%s: it stops at %s, and was not to", h, with.StopAt)
				}
				return
			}
		}
		if f.HeldUntil.After(want) {
			want = f.HeldUntil
		}
		if !with.StopAt.Equal(want) {
			t.Fatalf("%s: it stops at %s (%s), and was to at %s", h, with.StopAt, with.Cause, want)
		}
	})
}

func TestALifetimeEndsWithinTheHoursToo(t *testing.T) {
	p := named(t, NeverPolicy)
	p.Hours, p.MaxLifetime = mustHours(t, "00:00-24:00"), time.Hour
	if v := Decide(p, Facts{ReadyAt: t0, StartedAt: t0}, t0); v.StopAt != at(time.Hour) || v.Cause != ByLifetime {
		t.Errorf("got %+v", v)
	}
}

func TestHoursTravelAsTextAndDecideNothingWhereTheyArrive(t *testing.T) {
	p := named(t, "")
	if raw, _ := json.Marshal(p); strings.Contains(string(raw), "hours") {
		t.Errorf("a policy without hours tells of some: %s", raw)
	}
	p.Hours = mustHours(t, "mon-fri 8:00-19:00 UTC")
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var got Policy
	if err := json.Unmarshal(raw, &got); err != nil || got.Hours.String() != "Mon-Fri 08:00-19:00 UTC" {
		t.Errorf("%s became %q, %v", raw, got.Hours, err)
	}
	if end := got.Hours.Closes(t0); !end.IsZero() {
		t.Errorf("they close at %s", end)
	}
}
