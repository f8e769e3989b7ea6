package devcontainer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds of what is told.
const (
	maxNotes    = 100
	maxMistakes = 50
	maxLabel    = 100 // characters of a text for people
)

// reader turns a document into a result and collects notes and mistakes on the way.
type reader struct {
	in    Input
	doc   *document
	vars  *variables
	out   Result
	wrong []wrong

	image, waitFor            string
	build                     buildKeys
	remoteUser, containerUser string
	forwarded                 []int // ports, in the order of the file
	attributes                []portRule
	mountTarget               string // where the file expects the project, if it says
}

// wrong is a mistake and where it is.
type wrong struct {
	offset int
	field  fault.Field
}

func (r *reader) spec() *workspace.Spec { return &r.out.Spec }

// note adds what is not, or not quite, done; the same thing is told once.
func (r *reader) note(key, format string, args ...any) {
	n := workspace.Note{Key: cmp.Or(clean(key, maxLabel), "(a name without letters)"), Reason: clean(fmt.Sprintf(format, args...), 400)}
	if notes := &r.spec().Notes; len(*notes) < maxNotes && !slices.Contains(*notes, n) {
		*notes = append(*notes, n)
	}
}

// mistake refuses the file because of v.
func (r *reader) mistake(v *hujson.Value, key, format string, args ...any) {
	offset := 0
	if v != nil {
		offset = v.StartOffset
	}
	detail := fmt.Sprintf("%s: %s %s", r.doc.place(offset), clean(key, maxLabel), clean(fmt.Sprintf(format, args...), 400))
	if len(r.wrong) < maxMistakes {
		pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1", ".", "/").Replace(clean(key, maxLabel))
		r.wrong = append(r.wrong, wrong{offset, fault.Field{Pointer: pointer, Code: "devcontainer_invalid", Detail: detail}})
	}
}

// fault is every mistake, in the order of the file.
func (r *reader) fault() error {
	slices.SortStableFunc(r.wrong, func(a, b wrong) int { return cmp.Compare(a.offset, b.offset) })
	e := fault.New(fault.Invalid, "devcontainer_invalid", "")
	var sentences []string
	for _, w := range r.wrong {
		sentences = append(sentences, w.field.Detail)
		e.Fields = append(e.Fields, w.field)
	}
	e.Text = "devcontainer.json, " + strings.Join(sentences, "; ")
	return e.WithHint("see docs/devcontainer.md")
}

// text reads a text and puts its variables in.
func (r *reader) text(key string, v *hujson.Value, m mode) (string, bool) {
	l := literal(v)
	if l.Kind() != '"' {
		r.mistake(v, key, "must be text in quotes")
		return "", false
	}
	return r.expand(key, l.String(), m), true
}

// scalar is text, where a number or truth value is taken for its spelling.
func (r *reader) scalar(key string, v *hujson.Value, m mode) (string, bool) {
	switch literal(v).Kind() {
	case '0', 't', 'f':
		return string(literal(v)), true
	}
	return r.text(key, v, m)
}

// members returns the members of an object.
func (r *reader) members(key string, v *hujson.Value) []hujson.ObjectMember {
	o, ok := v.Value.(*hujson.Object)
	if !ok {
		r.mistake(v, key, "must be an object in { }")
		return nil
	}
	return o.Members
}

// elements returns the elements of an array.
func (r *reader) elements(key string, v *hujson.Value) []hujson.Value {
	a, ok := v.Value.(*hujson.Array)
	if !ok {
		r.mistake(v, key, "must be an array in [ ]")
		return nil
	}
	return a.Elements
}

// oneOf reads a text that is one of few.
func (r *reader) oneOf(key string, v *hujson.Value, choices ...string) string {
	s := literal(v).String()
	if literal(v).Kind() == '"' && slices.Contains(choices, s) {
		return s
	}
	all := strings.Join(choices, ", ")
	if near := nearest(s, choices); near != "" && literal(v).Kind() == '"' {
		r.mistake(v, key, "must be one of %s; did you mean %s?", all, near)
	} else {
		r.mistake(v, key, "must be one of %s", all)
	}
	return ""
}

// truth reads true or false.
func (r *reader) truth(key string, v *hujson.Value) bool {
	switch literal(v).Kind() {
	case 't':
		return true
	case 'f':
	default:
		r.mistake(v, key, "must be true or false")
	}
	return false
}

// plain reports whether s has neither control characters nor a backslash.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return isControl(c) || c == '\\' })
}

func isControl(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 }

// clean makes s fit to be shown: one line without control characters, at most most
// characters.
func clean(s string, most int) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case isControl(c):
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, ""))
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most]) + "…"
	}
	return s
}

// nearest returns the candidate that word was probably meant to be, or nothing.
func nearest(word string, candidates []string) string {
	return fault.Nearest(word, candidates, max(1, len(word)/4))
}
