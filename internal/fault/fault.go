// Package fault is the error that every layer shares.
//
// An Error has a Kind (one of a dozen classes, which fixes the HTTP status and
// the exit status), a Code (a stable snake_case word that scripts match on), one
// sentence for people and a hint that says what to do next. Text never holds
// engine output, paths of the host or stack traces beyond what the user gave.
//
// Layers wrap causes as `cannot X: %w`; the outermost Error decides what the
// user sees, so a layer adds an Error only where it knows better than the one
// below. Anything that is not an Error is Internal: it is logged with the
// request id and shown as such, never raw.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is the class of an error. The zero value is Internal.
type Kind string

// The kinds. Status and exit status of each stand in the table below.
const (
	Internal     Kind = "internal"     // a bug or an unexpected failure of ours
	Invalid      Kind = "invalid"      // the request is wrong; the same one fails again
	NotFound     Kind = "not_found"    // no such object, or not visible to the caller
	Gone         Kind = "gone"         // it existed and was deleted
	Conflict     Kind = "conflict"     // taken, busy, or not allowed in this state
	Stale        Kind = "stale"        // If-Match did not match
	Precondition Kind = "precondition" // If-Match is missing where it is required
	Denied       Kind = "denied"       // the caller may not do this
	Limit        Kind = "limit"        // a quota, rate or range is used up
	Timeout      Kind = "timeout"      // a phase or a wait took too long
	Unavailable  Kind = "unavailable"  // daemon or engine cannot be reached now
	Unsupported  Kind = "unsupported"  // this host or engine cannot enforce or do it
	TooLarge     Kind = "too_large"    // the request body or a field is too large
	MediaType    Kind = "media_type"   // wrong Content-Type
	Method       Kind = "method"       // no such method on this path
	StorageFull  Kind = "storage_full" // no space left for the daemon's state
	Interrupted  Kind = "interrupted"  // the person pressed Ctrl-C
	Usage        Kind = "usage"        // wrong command line; never on the wire
)

// Class is what a Kind means outside the program.
type Class struct {
	HTTP      int  // status of the response (RFC 9110, RFC 4918, RFC 6585)
	Exit      int  // exit status of wsctl
	Retryable bool // the same request may succeed later
}

// classes is the one truth for HTTP and exit statuses.
var classes = map[Kind]Class{
	Internal:     {500, 1, false},
	Invalid:      {400, 2, false},
	NotFound:     {404, 3, false},
	Gone:         {410, 3, false},
	Conflict:     {409, 4, false},
	Stale:        {412, 4, true},
	Precondition: {428, 4, false},
	Denied:       {403, 6, false},
	Limit:        {429, 7, true},
	Timeout:      {504, 8, true},
	Unavailable:  {503, 5, true},
	Unsupported:  {422, 2, false},
	TooLarge:     {413, 2, false},
	MediaType:    {415, 2, false},
	Method:       {405, 2, false},
	StorageFull:  {507, 7, true},
	Interrupted:  {499, 130, false},
	Usage:        {400, 2, false},
}

// ClassOf returns the class of k; an unknown kind is treated as Internal.
func ClassOf(k Kind) Class {
	if c, ok := classes[k]; ok {
		return c
	}
	return classes[Internal]
}

// Kinds returns every kind, for tables in documents and tests.
func Kinds() []Kind {
	return []Kind{
		Internal, Invalid, NotFound, Gone, Conflict, Stale, Precondition, Denied, Limit, Timeout,
		Unavailable, Unsupported, TooLarge, MediaType, Method, StorageFull, Interrupted, Usage,
	}
}

// KindOfStatus is the inverse of Class.HTTP, for clients that got a status and
// no kind. Unknown 4xx are Invalid, everything else unknown is Internal.
func KindOfStatus(status int) Kind {
	for _, k := range Kinds() {
		if k != Usage && classes[k].HTTP == status {
			return k
		}
	}
	if status >= 400 && status < 500 {
		return Invalid
	}
	return Internal
}

// Field names one wrong value of a request by its JSON pointer (RFC 6901) or flag.
type Field struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail,omitempty"`
}

// Error is the shared error. Values are immutable after they are returned.
type Error struct {
	Kind       Kind
	Code       string        // stable, snake_case
	Text       string        // one sentence, no trailing period needed
	Hint       string        // what to do next, optional
	RetryAfter time.Duration // > 0 where waiting helps
	Fields     []Field       // which values are wrong, optional
	Err        error         // cause, for logs only
}

// New returns an Error whose text is the formatted sentence.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Text: fmt.Sprintf(format, args...)}
}

// Error gives the sentence, and the cause for logs.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Text + ": " + e.Err.Error()
	}
	return e.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithHint returns a copy that says what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithCause returns a copy that keeps err for logs.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// WithRetryAfter returns a copy that tells when to try again.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// WithField returns a copy with one more wrong value named.
func (e *Error) WithField(pointer, code, detail string) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{pointer, code, detail})
	return &c
}

// From returns err as an Error. A context's end becomes Timeout or Interrupted;
// anything else unknown becomes Internal with the cause kept. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return New(Timeout, "timeout", "the operation took too long").WithCause(err)
	case errors.Is(err, context.Canceled):
		return New(Interrupted, "interrupted", "interrupted").WithCause(err)
	}
	return New(Internal, "internal", "internal error").WithCause(err)
}

// Is reports whether err is an Error of kind k.
func Is(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}

// HasCode reports whether err is an Error with this code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
