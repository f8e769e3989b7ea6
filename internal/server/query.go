package server

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
)

// kind is how the text of a query parameter is read.
type kind string

const (
	boolean kind = "boolean" // true or false
	number  kind = "integer"
	instant kind = "time" // RFC 3339
	text    kind = "text"
)

// param is one query parameter of a route: what is accepted and what the OpenAPI
// document says of it.
type param struct {
	name  string
	kind  kind
	doc   string
	many  bool     // may be repeated, and each value may be a list with commas
	words []string // the only values, for text
	min   int64    // of a number
	max   int64    // of a number; larger ones are cut down to it when clamp, else refused
	clamp bool
}

// query holds parameters that were checked against the route's.
type query struct{ values url.Values }

// parseQuery refuses what the route does not know, what is given twice and what
// has the wrong form.
func parseQuery(raw string, params []param) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, fault.New(fault.Invalid, "query_invalid", "the query cannot be read").WithCause(err)
	}
	for name, given := range values {
		i := slices.IndexFunc(params, func(p param) bool { return p.name == name })
		if i < 0 {
			return query{}, queryFault("unknown_parameter", name, "there is no parameter %.60q here", name)
		}
		p := params[i]
		if len(given) > 1 && !p.many {
			return query{}, queryFault("repeated_parameter", name, "parameter %s is given %d times", name, len(given))
		}
		if p.many {
			given = splitCommas(given)
			values[name] = given
		}
		for j, v := range given {
			if given[j], err = p.check(v); err != nil {
				return query{}, err
			}
		}
	}
	return query{values}, nil
}

func splitCommas(values []string) []string {
	var all []string
	for _, v := range values {
		all = append(all, strings.Split(v, ",")...)
	}
	return all
}

// check returns v in its final form, numbers clamped.
func (p param) check(v string) (string, error) {
	switch p.kind {
	case boolean:
		if v != "true" && v != "false" {
			return "", queryFault("parameter_invalid", p.name, "%s=%.40q is neither true nor false", p.name, v)
		}
	case number:
		return p.checkNumber(v)
	case instant:
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
			return "", queryFault("parameter_invalid", p.name, "%s=%.40q is not a time like 2030-01-31T12:00:00Z", p.name, v)
		}
	case text:
		if v == "" || len(v) > 512 || (p.words != nil && !slices.Contains(p.words, v)) {
			return "", p.refuseText(v)
		}
	}
	return v, nil
}

func (p param) refuseText(v string) error {
	f := queryFault("parameter_invalid", p.name, "%s=%.40q is not valid", p.name, v)
	if p.words != nil {
		return f.WithHint("one of %s", strings.Join(p.words, ", "))
	}
	return f
}

func (p param) checkNumber(v string) (string, error) {
	n, err := strconv.ParseInt(v, 10, 64)
	if errors.Is(err, strconv.ErrRange) && n > 0 {
		err = nil // ParseInt has cut it down to the largest already
	}
	if err == nil && n > p.max && p.clamp {
		n = p.max
	}
	if err != nil || n < p.min || n > p.max {
		return "", queryFault("parameter_invalid", p.name, "%s=%.40q is not a number from %d to %d", p.name, v, p.min, p.max)
	}
	return strconv.FormatInt(n, 10), nil
}

func queryFault(code, name, format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, code, format, args...).WithField("?"+name, code, "")
}

func (q query) has(name string) bool { return q.values.Has(name) }

func (q query) text(name string) string { return q.values.Get(name) }

func (q query) list(name string) []string { return q.values[name] }

func (q query) bool(name string) bool { return q.values.Get(name) == "true" }

// number returns the parameter, or def when it is absent.
func (q query) number(name string, def int64) int64 {
	if !q.has(name) {
		return def
	}
	n, _ := strconv.ParseInt(q.values.Get(name), 10, 64) // checked by parseQuery
	return n
}

// time returns the parameter, or the zero time when it is absent.
func (q query) time(name string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, q.values.Get(name)) // checked by parseQuery
	return t
}
