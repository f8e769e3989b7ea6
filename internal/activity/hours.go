package activity

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours are the running hours of a week. Outside them nothing is stopped that is used or
// held, but what is neither stops sooner; see Policy.Hours. They never start anything.
//
// The clock on the wall of one time zone decides: an instant is within them if that clock
// then shows a time of one of their ranges. So an hour that daylight saving leaves out
// never comes, and one that it repeats comes twice.
//
// The zero value has no end. Values do not change; two that are == are the same hours.
type Hours struct {
	text string
	week *timetable // nil: no end
}

// timetable is the open part of a week.
type timetable struct {
	zone *time.Location
	open []span // in order, with gaps between them, at least one
}

// span is a part of a week, counted from Monday 00:00 by the clock on the wall: from from
// up to, and without, to.
type span struct{ from, to time.Duration }

const (
	aDay  = 24 * time.Hour
	aWeek = 7 * aDay
)

// HoursForm says how hours are written, as the end of "must be ...".
const HoursForm = "ranges of days and times, such as Mon-Fri 08:00-19:00, Sat 10:00-14:00 Europe/Berlin, or always"

// always stands for hours without an end.
const always = "always"

const (
	maxHoursText = 200 // bytes
	wholeDay     = "00:00-24:00"
)

// ParseHours reads hours as people write them: ranges with commas between, then the name
// of a time zone (IANA), without which it is that of this process. A range is days, such as
// Mon-Fri or Sat Sun, and two times; it goes on to the next day where the second time is
// not later than the first. A range without days has those of the range before it, and the
// first one has every day. "always" is the zero value.
func ParseHours(text string) (Hours, error) {
	if len(text) > maxHoursText {
		return Hours{}, fmt.Errorf("running hours have at most %d bytes", maxHoursText)
	}
	if strings.EqualFold(strings.TrimSpace(text), always) {
		return Hours{}, nil
	}
	table, days := &timetable{zone: time.Local}, everyDay
	var shown []string
	items := strings.Split(text, ",")
	for i, item := range items {
		r, zone, err := parseRange(item, days)
		if err != nil {
			return Hours{}, err
		}
		if zone != "" && i < len(items)-1 {
			return Hours{}, fmt.Errorf("%.40q follows a range that is not the last: one time zone, at the end, is for all of them", zone)
		}
		if zone != "" {
			if table.zone, err = parseZone(zone); err != nil {
				return Hours{}, err
			}
			zone = " " + zone
		}
		shown = append(shown, r.text(days)+zone)
		table.open = append(table.open, r.spans()...)
		days = r.days
	}
	table.merge()
	return Hours{text: strings.Join(shown, ", "), week: table}, nil
}

// String is h as ParseHours reads it.
func (h Hours) String() string { return cmp.Or(h.text, always) }

// IsZero reports whether h has no end.
func (h Hours) IsZero() bool { return h.text == "" }

// MarshalText implements encoding.TextMarshaler.
func (h Hours) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads hours to be shown to people: they need not mean anything to this
// program, and Closes takes them for hours without an end.
func (h *Hours) UnmarshalText(b []byte) error {
	*h = Hours{text: string(b)}
	return nil
}

// Closes returns the first instant that is not before t and outside of h; zero: there is
// none.
func (h Hours) Closes(t time.Time) time.Time {
	if h.week == nil || h.week.whole() {
		return time.Time{}
	}
	for {
		wall := t.In(h.week.zone)
		left := h.week.left(wall)
		_, changed := wall.ZoneBounds()
		end := t.Add(left)
		if left == 0 || changed.IsZero() || end.Before(changed) {
			return end
		}
		t = changed.In(t.Location()) // the clock on the wall is set there: look again
	}
}

// whole reports whether every time of the week is open.
func (w *timetable) whole() bool { return w.open[0] == span{0, aWeek} }

// left is for how long w stays open from wall on if nobody sets the clock; 0: it is not
// open. Some time of the week is not.
func (w *timetable) left(wall time.Time) time.Duration {
	at := sinceMonday(wall)
	for _, s := range w.open {
		switch {
		case at < s.from:
			return 0
		case at >= s.to:
			continue
		case s.to == aWeek && w.open[0].from == 0:
			return aWeek - at + w.open[0].to
		}
		return s.to - at
	}
	return 0
}

func sinceMonday(wall time.Time) time.Duration {
	hour, minute, second := wall.Clock()
	return time.Duration(mondayFirst(wall.Weekday()))*aDay + time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
		time.Duration(second)*time.Second + time.Duration(wall.Nanosecond())
}

func mondayFirst(d time.Weekday) int { return (int(d) + 6) % 7 }

// merge brings what is open into order and joins what touches.
func (w *timetable) merge() {
	slices.SortFunc(w.open, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	joined := w.open[:1]
	for _, s := range w.open[1:] {
		if last := &joined[len(joined)-1]; s.from <= last.to {
			last.to = max(last.to, s.to)
		} else {
			joined = append(joined, s)
		}
	}
	w.open = joined
}

// days is a set of days of the week; Monday is bit 0.
type days uint8

const everyDay days = 1<<7 - 1

var dayNames = [7]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// hoursRange is one range of the text.
type hoursRange struct {
	days     days
	from, to time.Duration // of a day; to may be in the next one
	times    string
}

// parseRange reads "[DAYS...] FROM-TO [ZONE]"; unsaid are the days of a range without any.
func parseRange(item string, unsaid days) (r hoursRange, zone string, err error) {
	words := strings.Fields(item)
	at := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, ":") })
	switch {
	case at < 0:
		return r, "", fmt.Errorf("%.60q has no times: say from when until when, such as 08:00-19:00", strings.TrimSpace(item))
	case len(words) > at+2:
		return r, "", fmt.Errorf("%.60q is too much after %s: a comma begins the next range", strings.Join(words[at+1:], " "), clip(words[at]))
	case len(words) == at+2:
		zone = words[at+1]
	}
	for _, w := range words[:at] {
		set, err := parseDays(w)
		if err != nil {
			return r, "", err
		}
		r.days |= set
	}
	r.days = cmp.Or(r.days, unsaid)
	r.from, r.to, err = parseTimes(words[at])
	r.times = clockText(r.from) + "-" + clockText(r.to)
	if r.to <= r.from {
		r.to += aDay
	}
	return r, zone, err
}

func clip(s string) string { return s[:min(len(s), 40)] }

// parseDays reads a day, or the first and the last of some days in a row.
func parseDays(word string) (set days, err error) {
	first, last, isRange := strings.Cut(word, "-")
	from, err := parseDay(first)
	if err != nil || !isRange {
		return 1 << from, err
	}
	to, err := parseDay(last)
	for d := from; ; d = (d + 1) % 7 {
		if set |= 1 << d; d == to {
			return set, err
		}
	}
}

func parseDay(word string) (int, error) {
	d := slices.IndexFunc(dayNames[:], func(name string) bool { return strings.EqualFold(name, word) })
	if d < 0 {
		return 0, fmt.Errorf("%.40q is not a day: there are %s", word, strings.Join(dayNames[:], ", "))
	}
	return d, nil
}

// parseTimes reads two times of a day; the second may be 24:00.
func parseTimes(word string) (from, to time.Duration, err error) {
	first, last, ok := strings.Cut(word, "-")
	if !ok {
		return 0, 0, fmt.Errorf("%.40q is not a range of times: write both with a dash between, such as 08:00-19:00", word)
	}
	if from, err = parseClock(first); err != nil {
		return 0, 0, err
	}
	if to, err = parseClock(last); err != nil {
		return 0, 0, err
	}
	switch {
	case from == aDay:
		return 0, 0, errors.New("no range begins at 24:00: that is 00:00 of the next day")
	case from == to:
		return 0, 0, fmt.Errorf("%.40q lasts no time: the whole day is %s", word, wholeDay)
	}
	return from, to, nil
}

// parseClock reads a time of the day with one or two digits of hours and two of minutes.
func parseClock(word string) (time.Duration, error) {
	hours, minutes, _ := strings.Cut(word, ":")
	h, err1 := strconv.ParseUint(hours, 10, 8)
	m, err2 := strconv.ParseUint(minutes, 10, 8)
	at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if err1 != nil || err2 != nil || len(hours) > 2 || len(minutes) != 2 || m >= 60 || at > aDay {
		return 0, fmt.Errorf("%.40q is not a time of the day from 00:00 to 24:00", word)
	}
	return at, nil
}

func parseZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("there is no time zone %.40q: write UTC or a name such as Europe/Berlin, or leave it out for the zone of wsd", name)
	}
	return zone, nil
}

// spans are the parts of the week that r opens.
func (r hoursRange) spans() []span {
	var out []span
	for d := range dayNames {
		if r.days&(1<<d) == 0 {
			continue
		}
		s := span{time.Duration(d)*aDay + r.from, time.Duration(d)*aDay + r.to}
		if s.to > aWeek {
			out = append(out, span{0, s.to - aWeek})
			s.to = aWeek
		}
		out = append(out, s)
	}
	return out
}

// text is r as it is written behind a range with the days before.
func (r hoursRange) text(before days) string {
	if r.days == before {
		return r.times
	}
	return r.days.String() + " " + r.times
}

func clockText(at time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(at.Hours()), int(at.Minutes())%60)
}

// String is the set as parseDays reads its words.
func (s days) String() string {
	var words []string
	for d := 0; d < 7; d++ {
		if s&(1<<d) == 0 {
			continue
		}
		first := d
		for d < 6 && s&(1<<(d+1)) != 0 {
			d++
		}
		word := dayNames[first]
		if d > first {
			word += "-" + dayNames[d]
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}
