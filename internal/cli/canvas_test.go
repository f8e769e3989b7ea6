package cli

import (
	"strings"
	"testing"
)

func TestANoticeDoesNotScrollAProgramThatHasTheScreen(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"at a prompt", "$ ", "\a\r\n\x1b[7m it stops \x1b[m\r\n"},
		{"in an editor", "\x1b[?1049h\x1b[Htext", "\a\x1b7\x1b[H\x1b[7m it stops \x1b[m\x1b8"},
		{"after an editor", "\x1b[?1049htext\x1b[?1049l$ ", "\a\r\n\x1b[7m it stops \x1b[m\r\n"},
	} {
		var b strings.Builder
		s := canvas{out: &b}
		_, _ = s.Write([]byte(c.output))
		s.notice("it stops")
		if got := strings.TrimPrefix(b.String(), c.output); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
