package intent

import "bytes"

// Keys tells what a person types into a terminal from what the terminal answers by itself:
// where its cursor is, which it is, which colours it has, that its window has the focus
// (ECMA-48; xterm's control sequences). The zero value is ready; one goroutine uses it.
type Keys struct {
	rest []byte // an answer that has not come whole
}

// maxAnswer bounds what is kept of an answer, in bytes. What is longer is no answer.
const maxAnswer = 4 << 10

// Typed takes the next piece and reports whether a person typed something of it.
func (k *Keys) Typed(piece []byte) bool {
	if len(k.rest) > 0 {
		piece = append(k.rest, piece...)
		k.rest = nil
	}
	for len(piece) > 0 {
		n, whole := answer(piece)
		switch {
		case n == 0:
			return true
		case !whole && len(piece) <= maxAnswer:
			k.rest = bytes.Clone(piece)
			return false
		case !whole:
			return true
		}
		piece = piece[n:]
	}
	return false
}

// answer returns how long the automatic answer is with which p begins; 0: it begins with
// none. whole is false where its end is not there yet. A lone escape is the key of that name.
func answer(p []byte) (n int, whole bool) {
	if len(p) < 2 || p[0] != 0x1b {
		return 0, true
	}
	switch p[1] {
	case ']', 'P', '_': // OSC, DCS, APC: colours, settings, versions, graphics
		return text(p)
	case '[':
		return control(p)
	}
	return 0, true
}

// text measures a sequence that ends with ST or BEL. Some keys with Alt begin like one (Alt-_ is
// of every shell): no answer holds a control character, such as the end of what is typed then.
func text(p []byte) (n int, whole bool) {
	for i := 2; i < len(p); i++ {
		switch {
		case p[i] == 0x07:
			return i + 1, true
		case p[i] == 0x1b && i+1 == len(p):
			return len(p), false
		case p[i] == 0x1b:
			return i + 2, true
		case p[i] < 0x20 || p[i] == 0x7f:
			return 0, true
		}
	}
	return len(p), false
}

// control measures a control sequence that is an answer. Keys and the mouse use others,
// but for a shifted F3, which looks like the place of the cursor.
func control(p []byte) (n int, whole bool) {
	i := 2
	for i < len(p) && p[i] >= 0x20 && p[i] <= 0x3f {
		i++
	}
	if i == len(p) {
		return len(p), false
	}
	private := i > 2 && (p[2] == '?' || p[2] == '>' || p[2] == '=')
	switch p[i] {
	case 'I', 'O': // focus in and out, which have no numbers
		if i == 2 {
			return i + 1, true
		}
	case 'R', 'n', 'x', 'y', 't': // cursor, state, parameters, modes, window
		if i > 2 {
			return i + 1, true
		}
	case 'c', 'u': // what it is, how it tells keys
		if private {
			return i + 1, true
		}
	}
	return 0, true
}
