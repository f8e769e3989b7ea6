package cli

import (
	"context"
	"strings"
)

// keyReader reads keys until ctx ends.
type keyReader struct {
	ctx  context.Context
	keys <-chan []byte
	rest []byte
}

func (k *keyReader) Read(p []byte) (int, error) {
	if len(k.rest) == 0 {
		select {
		case k.rest = <-k.keys:
		case <-k.ctx.Done():
			return 0, k.ctx.Err()
		}
	}
	n := copy(p, k.rest)
	k.rest = k.rest[n:]
	return n, nil
}

// escape is what a person asks this program for, in the middle of their keys.
type escape uint8

const (
	escapeNone escape = iota
	escapeLeave
	escapeHelp
)

// escapes finds escapes at the beginning of lines, as OpenSSH's client does. The zero
// value stands at the beginning of a line.
type escapes struct {
	inLine bool // something was typed since the last Enter
	tilde  bool // a tilde at the beginning of a line is held back
}

// scan returns the keys to pass on. After an escape the rest of p is dropped.
func (e *escapes) scan(p []byte) (keys []byte, what escape) {
	keys = make([]byte, 0, len(p)+1)
	for _, c := range p {
		if e.tilde {
			e.tilde = false
			switch c {
			case '.':
				return keys, escapeLeave
			case '?':
				e.inLine = false
				return keys, escapeHelp
			case '~':
				keys, e.inLine = append(keys, '~'), true
				continue
			}
			keys = append(keys, '~')
		} else if c == '~' && !e.inLine {
			e.tilde = true
			continue
		}
		keys = append(keys, c)
		e.inLine = !strings.ContainsRune("\r\n\x03\x15", rune(c))
	}
	return keys, escapeNone
}
