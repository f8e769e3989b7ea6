package serve

import "bytes"

// scrollback is how much output of a terminal is kept for who comes later, in bytes.
const scrollback = 256 << 10

// history is the newest output of a terminal, and the modes that it has set. One
// goroutine at a time may use it.
type history struct {
	kept  []byte
	modes modes
}

// add appends output.
func (h *history) add(p []byte) {
	h.modes.scan(p)
	h.kept = append(h.kept, p...)
	if len(h.kept) > 2*scrollback { // rarely, so that most output is not moved
		h.kept = append(h.kept[:0], h.kept[len(h.kept)-scrollback:]...)
	}
}

// replay is what a new screen has to be given so that it looks like the others: the lines
// that are kept, from a line's beginning, then the modes. A program that draws the whole
// screen is not replayed, its lines would be nonsense at another size: the screen is
// given empty, and the program is told to draw again.
func (h *history) replay() []byte {
	kept := h.kept[max(0, len(h.kept)-scrollback):]
	if len(kept) < len(h.kept) || len(h.kept) >= scrollback {
		if i := bytes.IndexByte(kept, '\n'); i >= 0 {
			kept = kept[i+1:]
		}
	}
	var out []byte
	if h.modes.alternate() {
		if i := lastAlternate(kept); i >= 0 {
			out = append(out, kept[:i]...)
		}
		out = append(out, "\x1b[?1049h\x1b[2J\x1b[H"...)
	} else {
		out = append(out, kept...)
	}
	return h.modes.appendTo(out)
}

// lastAlternate is where the last sequence begins that switches to the alternate screen.
func lastAlternate(p []byte) int {
	at := -1
	for _, seq := range []string{"\x1b[?1049h", "\x1b[?1047h", "\x1b[?47h"} {
		at = max(at, bytes.LastIndex(p, []byte(seq)))
	}
	return at
}

// modes are the private modes of a terminal (DECSET, "ESC [ ? n ; n h") that were
// switched away from their default and that a program does not set again when it draws
// anew. The zero value is a terminal that was just switched on.
type modes struct {
	on    [len(watched)]bool // as watched; for 25, the cursor: hidden
	state scanState
	num   int
	nums  []int
}

// watched are those modes: cursor keys, the cursor, alternate screens, mouse reports,
// focus reports and bracketed paste (xterm's control sequences).
var watched = [...]int{1, 25, 47, 1047, 1049, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 2004}

type scanState uint8

const (
	scanText scanState = iota
	scanEscape
	scanBracket
	scanNumbers
)

// maxNumbers bounds the parameters of one sequence.
const maxNumbers = 16

// scan follows output; a sequence may be cut anywhere between two calls.
func (m *modes) scan(p []byte) {
	for len(p) > 0 {
		if m.state == scanText {
			i := bytes.IndexByte(p, 0x1b)
			if i < 0 {
				return
			}
			p, m.state = p[i+1:], scanEscape
			continue
		}
		m.step(p[0])
		p = p[1:]
	}
}

func (m *modes) step(c byte) {
	switch {
	case c == 0x1b:
		m.state = scanEscape
	case m.state == scanEscape && c == '[':
		m.state = scanBracket
	case m.state == scanEscape && c == 'c': // a full reset
		*m = modes{}
	case m.state == scanBracket && c == '?':
		m.state, m.num, m.nums = scanNumbers, 0, m.nums[:0]
	case m.state == scanNumbers && c >= '0' && c <= '9':
		m.num = min(m.num*10+int(c-'0'), 1<<20)
	case m.state == scanNumbers && c == ';' && len(m.nums) < maxNumbers:
		m.nums, m.num = append(m.nums, m.num), 0
	case m.state == scanNumbers && (c == 'h' || c == 'l'):
		m.set(append(m.nums, m.num), c == 'h')
		m.state = scanText
	default:
		m.state = scanText
	}
}

func (m *modes) set(nums []int, on bool) {
	for _, n := range nums {
		for i, w := range watched {
			if n == w {
				m.on[i] = on != (n == 25)
			}
		}
	}
}

// alternate tells whether a program draws the whole screen.
func (m *modes) alternate() bool {
	for i, n := range watched {
		if m.on[i] && (n == 47 || n == 1047 || n == 1049) {
			return true
		}
	}
	return false
}

// appendTo appends the sequences that bring a fresh terminal into these modes, but for
// the alternate screen.
func (m *modes) appendTo(out []byte) []byte {
	for i, n := range watched {
		if !m.on[i] || n == 47 || n == 1047 || n == 1049 {
			continue
		}
		out = append(out, "\x1b[?"...)
		out = appendInt(out, n)
		if n == 25 {
			out = append(out, 'l')
		} else {
			out = append(out, 'h')
		}
	}
	return out
}

func appendInt(out []byte, n int) []byte {
	if n >= 10 {
		out = appendInt(out, n/10)
	}
	return append(out, byte('0'+n%10))
}
