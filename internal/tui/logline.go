package tui

import (
	"strings"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/render"
)

// lineBytes bounds what is kept of one line.
const lineBytes = 4 << 10

// logLine is one line, safe for a terminal.
type logLine struct {
	text string
	err  bool // from stderr
	even int  // its columns, where each character has one; 0: some have not
}

func newLogLine(text string, err bool) logLine {
	line := logLine{text: clean(text), err: err}
	for _, c := range line.text {
		if c >= utf8.RuneSelf && render.Width(string(c)) != 1 {
			line.even = 0
			break
		}
		line.even++
	}
	return line
}

// clean makes one line safe. Colours, which dev servers write on every line, are left
// out; every other control sequence is shown as an escape. "…" ends a line that is cut.
func clean(s string) string {
	end := ""
	if n := lineBytes; len(s) > n {
		for n > lineBytes-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s, end = s[:n], "…"
	}
	s = strings.ReplaceAll(s, "\t", "    ")
	if strings.Contains(s, "\x1b[") {
		s = withoutColours(s)
	}
	return strings.Clone(render.EscapeLine(strings.TrimSuffix(s, "\r"))) + end
}

// withoutColours drops sequences of the form ESC [ digits m (ECMA-48 SGR).
func withoutColours(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		rest := strings.TrimLeft(s[i+2:], "0123456789;:")
		if strings.HasPrefix(rest, "m") {
			s = rest[1:]
			continue
		}
		b.WriteByte('\x1b')
		s = s[i+1:]
	}
}

// head is the longest beginning of s that fits width columns, at least one character.
func head(s string, width int) string {
	used := 0
	for i, c := range s {
		if used += render.Width(string(c)); used > width && i > 0 {
			return s[:i]
		}
	}
	return s
}
