package devcontainer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"github.com/wsctl/wsctl/internal/fault"
)

// Bounds of the text.
const (
	maxText  = 256 << 10 // bytes
	maxDepth = 32        // the deepest key that is read needs 4
)

// document is a parsed file.
type document struct {
	text   []byte
	object *hujson.Object
}

// parse reads JSON with comments and trailing commas. A name may be there once only:
// whoever reads the file and whoever runs it must see the same value.
func parse(text string) (*document, error) {
	switch text = strings.TrimPrefix(text, "\ufeff"); {
	case len(text) > maxText:
		return nil, fault.New(fault.TooLarge, "devcontainer_too_large", "devcontainer.json has %d bytes, at most %d are allowed", len(text), maxText).
			WithHint("move long scripts into files of the project")
	case !utf8.ValidString(text):
		return nil, syntax("devcontainer.json is not UTF-8 text").WithHint("save it as UTF-8")
	}
	d := &document{text: []byte(text)}
	if at := tooDeep(text); at >= 0 {
		return nil, syntax("devcontainer.json, %s: more than %d brackets are open", d.place(at), maxDepth).WithHint("close some of them")
	}
	v, err := hujson.Parse(d.text)
	if err != nil {
		return nil, d.syntaxFault(err)
	}
	object, ok := v.Value.(*hujson.Object)
	if !ok {
		return nil, syntax("devcontainer.json, %s: it is not an object", d.place(v.StartOffset)).WithHint("begin with { and end with }")
	}
	d.object = object
	return d, d.unique(&v, "")
}

func syntax(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "devcontainer_syntax", format, args...)
}

// position is how the parser begins its sentences; it has no type for them.
var position = regexp.MustCompile(`^hujson: line (\d+), column (\d+): `)

func (d *document) syntaxFault(err error) error {
	const hint = "it is JSON with // and /* */ comments: check commas, quotes and brackets near that place"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return syntax("devcontainer.json, %s: it ends too early", d.place(len(d.text))).WithHint("a bracket or quote is not closed")
	}
	sentence, at := err.Error(), ""
	if m := position.FindStringSubmatch(sentence); m != nil {
		sentence, at = sentence[len(m[0]):], "line "+m[1]+", column "+m[2]
		if line, lineErr := strconv.Atoi(m[1]); lineErr == nil && line > 1 {
			return syntax("devcontainer.json, %s: %s", at, clean(sentence, maxText)).WithHint("%s, or at the end of the line above", hint)
		}
	}
	return syntax("devcontainer.json, %s: %s", at, clean(sentence, maxText)).WithHint(hint)
}

// place is where the byte at offset n is, counted from 1.
func (d *document) place(n int) string {
	before := d.text[:min(n, len(d.text))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return "line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column)
}

// unique refuses an object that has a name twice, however deep. What is for editors is
// theirs to judge.
func (d *document) unique(v *hujson.Value, pointer string) error {
	switch x := v.Value.(type) {
	case *hujson.Array:
		for i := range x.Elements {
			if err := d.unique(&x.Elements[i], pointer+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	case *hujson.Object:
		seen := map[string]bool{}
		for i := range x.Members {
			key := name(x.Members[i])
			at := pointer + "/" + clean(key, 80)
			if seen[key] {
				return fault.New(fault.Invalid, "devcontainer_duplicate_key", "devcontainer.json, %s: %s is given twice",
					d.place(x.Members[i].Name.StartOffset), strings.TrimPrefix(at, "/")).
					WithHint("leave one of them").WithField(at, "devcontainer_duplicate_key", "")
			}
			seen[key] = true
			if pointer == "" && forEditors(key) {
				continue
			}
			if err := d.unique(&x.Members[i].Value, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// tooDeep returns where more than maxDepth brackets are open, outside of strings and
// comments, or -1. It comes before the parser, which calls itself for each.
func tooDeep(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case strings.HasPrefix(text[i:], "//"):
			i = skipTo(text, i, "\n")
		case strings.HasPrefix(text[i:], "/*"):
			i = skipTo(text, i+2, "*/") + 1
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

func skipTo(text string, from int, end string) int {
	if from > len(text) {
		return len(text)
	}
	if n := strings.Index(text[from:], end); n >= 0 {
		return from + n
	}
	return len(text)
}

// get returns the value of a key at the top, or nil.
func (d *document) get(key string) *hujson.Value { return member(d.object, key) }

func member(o *hujson.Object, key string) *hujson.Value {
	for i := range o.Members {
		if name(o.Members[i]) == key {
			return &o.Members[i].Value
		}
	}
	return nil
}

func name(m hujson.ObjectMember) string { return literal(&m.Name).String() }

// literal returns v where it is no array and no object, else nothing.
func literal(v *hujson.Value) hujson.Literal {
	l, _ := v.Value.(hujson.Literal)
	return l
}

func isNull(v *hujson.Value) bool { return literal(v).Kind() == 'n' }

// isEmpty reports whether v says nothing: false, "", [] or {}.
func isEmpty(v *hujson.Value) bool {
	switch x := v.Value.(type) {
	case *hujson.Object:
		return len(x.Members) == 0
	case *hujson.Array:
		return len(x.Elements) == 0
	}
	return string(literal(v)) == "false" || string(literal(v)) == `""`
}

// hash is Hash. Marshalling sorts names, and numbers keep their spelling.
func (d *document) hash() string {
	said := map[string]any{}
	for _, key := range consentKeys {
		v := d.get(key)
		if v == nil || isNull(v) {
			continue
		}
		plain := v.Clone()
		plain.Standardize()
		dec := json.NewDecoder(bytes.NewReader(plain.Pack()))
		dec.UseNumber()
		var x any
		_ = dec.Decode(&x) // the parser took it, so it is JSON
		said[key] = x
	}
	canonical, _ := json.Marshal(said) // maps, slices and text have no way to fail
	sum := sha256.Sum256(append([]byte(consentVersion), canonical...))
	return hex.EncodeToString(sum[:])
}
