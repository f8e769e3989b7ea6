package template

import "strings"

// piece is text, or the name of a parameter where ref is set.
type piece struct {
	text string
	ref  bool
}

// notClosed ends the name of a placeholder without its brace; no parameter has a space in its name.
const notClosed = " (not closed)"

// split cuts s at its placeholders: `${name}` is one, `$${` stands for the two
// characters `${` themselves, and a dollar before anything else is just that.
// A placeholder that is not closed on its line becomes a name that nothing has.
func split(s string) []piece {
	var out []piece
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			return append(out, piece{text: s})
		}
		if i > 0 && s[i-1] == '$' {
			out = append(out, piece{text: s[:i-1] + "${"})
			s = s[i+2:]
			continue
		}
		out = append(out, piece{text: s[:i]})
		rest := s[i+2:]
		end := strings.IndexAny(rest, "}\n")
		switch {
		case end < 0:
			return append(out, piece{text: rest + notClosed, ref: true})
		case rest[end] == '\n':
			out, s = append(out, piece{text: rest[:end] + notClosed, ref: true}), rest[end:]
			continue
		}
		out, s = append(out, piece{text: rest[:end], ref: true}), rest[end+1:]
	}
}

// names returns the placeholders of s in order.
func names(s string) []string {
	var out []string
	for _, p := range split(s) {
		if p.ref {
			out = append(out, p.text)
		}
	}
	return out
}

// substitute puts values in place of placeholders, in one pass: what a value
// holds is never looked at again. Every name has been checked when the template
// was read.
func substitute(s string, values map[string]string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	var b strings.Builder
	for _, p := range split(s) {
		if p.ref {
			b.WriteString(values[p.text])
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}
