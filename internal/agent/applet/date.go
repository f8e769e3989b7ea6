package applet

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// date prints the time; it cannot set it.
func date(s Streams, args []string) int {
	o := parse(s, args, "ud:IRr:", map[string]string{"utc": "u", "date": "d", "iso-8601": "I", "rfc-email": "R", "reference": "r"})
	if o.failed || len(o.rest) > 1 {
		return usage(s, "date [-u] [-d TIME | -r FILE] [-I | -R | +FORMAT]")
	}
	t, err := moment(o)
	if err != nil {
		return fail(s, "date", "%v", err)
	}
	if o.has("u") {
		t = t.UTC()
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	switch {
	case o.has("I") && (o.set["I"] == "seconds" || o.set["I"] == "s"):
		format = "%Y-%m-%dT%H:%M:%S%:z"
	case o.has("I"):
		format = "%Y-%m-%d"
	case o.has("R"):
		format = "%a, %d %b %Y %H:%M:%S %z"
	case len(o.rest) == 1 && strings.HasPrefix(o.rest[0], "+"):
		format = o.rest[0][1:]
	case len(o.rest) == 1:
		return fail(s, "date", "the time cannot be set here")
	}
	fmt.Fprintln(s.Out, strftime(format, t))
	return 0
}

func moment(o options) (time.Time, error) {
	if file, ok := o.set["r"]; ok {
		return modified(file)
	}
	text, ok := o.set["d"]
	if !ok || text == "now" {
		return time.Now(), nil
	}
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseInt(seconds, 10, 64)
		return time.Unix(n, 0), err
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot understand the time %q; write @SECONDS or 2006-01-02 15:04:05", text)
}

// layouts are the conversions of strftime that time.Format can say.
func layouts(letter byte) (string, bool) {
	layout, ok := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'H': "15", 'I': "03",
		'j': "002", 'm': "01", 'M': "04", 'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
		'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'r': "03:04:05 PM", 'c': "Mon Jan _2 15:04:05 2006",
		'x': "01/02/06", 'X': "15:04:05",
	}[letter]
	return layout, ok
}

func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if strings.HasPrefix(format[i:], ":z") {
			b.WriteString(t.Format("-07:00"))
			i++
			continue
		}
		b.WriteString(conversion(format[i], t))
	}
	return b.String()
}

func conversion(letter byte, t time.Time) string {
	if layout, ok := layouts(letter); ok {
		return t.Format(layout)
	}
	switch letter {
	case 's':
		return strconv.FormatInt(t.Unix(), 10)
	case 'N':
		return fmt.Sprintf("%09d", t.Nanosecond())
	case 'u':
		return strconv.Itoa((int(t.Weekday())+6)%7 + 1)
	case 'w':
		return strconv.Itoa(int(t.Weekday()))
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case '%':
		return "%"
	}
	return "%" + string(letter)
}

func modified(file string) (time.Time, error) {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
