package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// Ago says how long before now t was, in the largest fitting unit: "3 min ago".
// The zero time is "-"; a time ahead of now, as another clock may give, is "now".
func Ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	if d < time.Second {
		return "now"
	}
	return Span(d) + " ago"
}

// Span says a length of time in a unit of which there are some, rounded down: two hours
// less a second are 119 min, because 1 h would be half of it.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return count(d/time.Second, "s")
	case d < 2*time.Hour:
		return count(d/time.Minute, "min")
	case d < 2*day:
		return count(d/time.Hour, "h")
	case d < 60*day:
		return count(d/day, "days")
	case d < 730*day:
		return count(d/(30*day), "months")
	}
	return count(d/(365*day), "years")
}

func count(n time.Duration, unit string) string {
	return strconv.FormatInt(int64(n), 10) + " " + unit
}

// LocalTime writes a time of the API (RFC 3339) as people read a clock, here and to the
// second; any other text stays as it is.
func LocalTime(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s
	}
	return t.Local().Format(time.DateTime)
}

// Elapsed says how long something took, with the precision that helps: "240 ms",
// "1.2 s", "3 min 5 s".
func Elapsed(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// Bytes says a size: "512 MiB".
func Bytes(n int64) string { return workspace.FormatSize(n) }

// Limits says what a workspace may use, as far as it is set: a template may leave some to
// the settings.
func Limits(l workspace.Limits) string {
	var set []string
	switch {
	case l.CPUs == 1:
		set = append(set, "1 CPU")
	case l.CPUs > 0:
		set = append(set, Number(l.CPUs)+" CPUs")
	}
	if l.Memory > 0 {
		set = append(set, Bytes(l.Memory)+" memory")
	}
	if l.Pids > 0 {
		set = append(set, fmt.Sprintf("%d processes", l.Pids))
	}
	if len(set) < 3 {
		set = append(set, "else as in defaults.* of the settings")
	}
	return strings.TrimPrefix(strings.Join(set, ", "), "else ")
}

// Number formats a float without needless zeros.
func Number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
