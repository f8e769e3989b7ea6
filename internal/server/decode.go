package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/wsctl/wsctl/internal/fault"
)

// maxDepth bounds the nesting of a request's JSON; the deepest request needs 3.
const maxDepth = 64

// decode reads one JSON object into the struct that v points to and refuses what
// encoding/json lets pass: duplicate, unknown and differently cased names, invalid
// UTF-8, anything after the object. Errors are Invalid faults with a stable code
// and the JSON pointer of the value.
func decode(data []byte, v any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return fault.New(fault.Invalid, "body_required", "the request has no body").
			WithHint("send a JSON object, {} at least")
	}
	if !utf8.Valid(data) {
		return fault.New(fault.Invalid, "invalid_utf8", "the body is not valid UTF-8")
	}
	if tooDeep(data, maxDepth) {
		return fault.New(fault.Invalid, "too_deep", "the body is nested more than %d levels deep", maxDepth)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	switch kind := dec.PeekKind(); kind {
	case '{', jsontext.KindInvalid:
	default:
		return wrongType("", "the body is not a JSON object")
	}
	if err := jsonv2.UnmarshalDecode(dec, v, jsonv2.RejectUnknownMembers(true)); err != nil {
		return decodeFault(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "trailing_data", "there is something after the JSON object")
	}
	return nil
}

func decodeFault(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		if errors.Is(syntax.Err, jsontext.ErrDuplicateName) {
			return fieldFault("duplicate_key", string(syntax.JSONPointer), "a member is given twice")
		}
		return fieldFault("invalid_json", string(syntax.JSONPointer), "the body is not valid JSON near byte %d", syntax.ByteOffset)
	}
	var semantic *jsonv2.SemanticError
	if errors.As(err, &semantic) {
		if errors.Is(semantic.Err, jsonv2.ErrUnknownName) {
			return fieldFault("unknown_field", string(semantic.JSONPointer), "a member is not known here")
		}
		var f *fault.Error
		if errors.As(semantic.Err, &f) { // a type of ours that knows better
			return f.WithField(string(semantic.JSONPointer), f.Code, "")
		}
		return wrongType(string(semantic.JSONPointer), "a value has the wrong type or is out of range")
	}
	return fault.New(fault.Invalid, "invalid_json", "the body is not valid JSON").WithCause(err)
}

func wrongType(pointer, text string) error { return fieldFault("wrong_type", pointer, "%s", text) }

// fieldFault names the member both in the sentence and in the list of fields.
func fieldFault(code, pointer, format string, args ...any) error {
	f := fault.New(fault.Invalid, code, format, args...)
	if pointer != "" {
		f.Text += ": " + clean(pointer, 80)
	}
	return f.WithField(pointer, code, "").WithHint("see GET /v1/openapi.json for what is expected")
}

// tooDeep reports whether arrays and objects nest deeper than limit. It looks at
// brackets outside of strings only, so it is right for valid JSON and harmless for
// the rest, which the decoder refuses.
func tooDeep(data []byte, limit int) bool {
	depth, inString, escaped := 0, false, false
	for _, b := range data {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = b == '\\'
			inString = b != '"'
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			if depth++; depth > limit {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}

// encode writes v as one line of JSON.
func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // nothing of ours is ever put into a page, and nosniff is set
	return e.Encode(v)
}
