// Package render writes what people and scripts read: tables that fit the
// terminal, relative times, sizes, progress, and JSON.
//
// The rules of the output, kept here so that every command has the same ones:
//
//   - stdout carries the result and nothing else; stderr carries progress, notes
//     and the one line of an error. With --json stdout is JSON and stderr is empty.
//   - Text that came from a workspace, an engine or a file is escaped before it
//     reaches a terminal, so it cannot move the cursor, change a title or lie about
//     its direction.
//   - Colour only adds; nothing is said by colour alone. None with NO_COLOR, with
//     TERM=dumb, or where the stream is not a terminal.
//
// The package decides nothing and asks nobody: it takes values and writers.
package render

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns s safe for one cell or sentence on a terminal: control characters,
// invalid bytes and characters that change the direction or are invisible become
// visible escapes. Printable text, also beyond ASCII, stays as it is.
func Escape(s string) string { return escape(s, false) }

// EscapeLine is Escape for a line of output: a tab stays a tab.
func EscapeLine(s string) string { return escape(s, true) }

func escape(s string, tab bool) string {
	if clean(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\t' && tab, safe(r) && !(r == utf8.RuneError && n == 1):
			b.WriteString(s[i : i+n])
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + hex(uint64(s[i]), 2))
		default:
			b.WriteString(named(r))
		}
		i += n
	}
	return b.String()
}

// clean is the quick way out for plain ASCII.
func clean(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// safe reports whether r may reach a terminal. unicode.IsPrint refuses controls,
// formats (bidirectional overrides, zero-width characters) and private use.
func safe(r rune) bool { return r == ' ' || unicode.IsPrint(r) }

func named(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	if r < 0x100 {
		return `\x` + hex(uint64(r), 2)
	}
	if r < 0x10000 {
		return `\u` + hex(uint64(r), 4)
	}
	return `\U` + hex(uint64(r), 8)
}

func hex(v uint64, digits int) string {
	s := strconv.FormatUint(v, 16)
	return strings.Repeat("0", max(0, digits-len(s))) + s
}

// Quote makes s one word of a POSIX shell. What a terminal must not get has to be escaped
// before.
func Quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
