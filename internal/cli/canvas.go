package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/wsctl/wsctl/internal/render"
)

// canvas is a screen that is cleared before the first output where it is dirty. It notices
// whether a program has taken the whole screen, so that a notice does not scroll it.
type canvas struct {
	out   io.Writer
	dirty bool
	whole bool // a program draws on the alternate screen (xterm's mode 1049 and its elders)
}

var (
	takesScreen = [][]byte{[]byte("\x1b[?1049h"), []byte("\x1b[?1047h"), []byte("\x1b[?47h")}
	givesScreen = [][]byte{[]byte("\x1b[?1049l"), []byte("\x1b[?1047l"), []byte("\x1b[?47l")}
)

func (s *canvas) Write(p []byte) (int, error) {
	if s.dirty {
		s.dirty = false
		if _, err := io.WriteString(s.out, "\x1b[m\x1b[H\x1b[2J"); err != nil {
			return 0, err
		}
	}
	took, gave := -1, -1
	for i := range takesScreen {
		took = max(took, bytes.LastIndex(p, takesScreen[i]))
		gave = max(gave, bytes.LastIndex(p, givesScreen[i]))
	}
	if took != gave {
		s.whole = took > gave
	}
	return s.out.Write(p)
}

// notice shows a line that is no output of the terminal: on lines of its own, or where a
// program has the whole screen on its first line, without moving the program's cursor.
func (s *canvas) notice(text string) {
	text = render.EscapeLine(text)
	if s.whole {
		_, _ = fmt.Fprintf(s.out, "\a\x1b7\x1b[H\x1b[7m %s \x1b[m\x1b8", text)
		return
	}
	_, _ = fmt.Fprintf(s.out, "\a\r\n\x1b[7m %s \x1b[m\r\n", text)
}
