package previewcheck

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/wsctl/wsctl/internal/api"
)

// Words of a finding's status, as those of doctor.
const (
	statusOK   = "ok"
	statusWarn = "warn"
	statusFail = "fail"
)

// report collects what was found.
type report struct{ api.PreviewCheck }

// add takes one finding. Its words may quote a workspace, and are bounded all together too.
func (r *report) add(c api.Check) {
	c.Detail, c.Hint = shorten(c.Detail, maxSentence), shorten(c.Hint, maxSentence)
	r.Checks = append(r.Checks, c)
}

func (r *report) ok(name, format string, args ...any) {
	r.add(api.Check{Name: name, Status: statusOK, Detail: fmt.Sprintf(format, args...)})
}

// warn tells of something that hot replacement works with; code is its stable word.
func (r *report) warn(name, code, hint, format string, args ...any) {
	r.add(api.Check{Name: name, Code: code, Status: statusWarn, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

// fail tells of something without whose end hot replacement does not work.
func (r *report) fail(name, code, hint, format string, args ...any) {
	r.add(api.Check{Name: name, Code: code, Status: statusFail, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *report) done() api.PreviewCheck {
	r.Works = !slices.ContainsFunc(r.Checks, func(c api.Check) bool { return c.Status == statusFail })
	return r.PreviewCheck
}

// Bounds of text, in runes.
const (
	quoted      = 120        // what is quoted of a workspace in one place
	maxSentence = 5 * quoted // what is said in one place
)

// clip makes text of a workspace one short line without anything that a terminal obeys.
func clip(s string) string { return shorten(s, quoted) }

// shorten is clip to so many runes.
func shorten(s string, most int) string {
	s = strings.ToValidUTF8(s, "?")
	var b strings.Builder
	n := 0
	for _, r := range strings.TrimSpace(s) {
		if n++; n > most {
			return b.String() + "…"
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
