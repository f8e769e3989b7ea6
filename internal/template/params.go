package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/fault"
)

// Param is one declared parameter.
type Param struct {
	Name        string
	Type        ParamType
	Default     string
	Options     []string // the only values allowed; empty: any of the type
	Description string
}

// ParamType says which values a parameter takes.
type ParamType string

// The types of parameters.
const (
	String ParamType = "string" // text of at most 4096 bytes, without NUL
	Int    ParamType = "int"    // a whole number of 64 bits, in decimal
	Bool   ParamType = "bool"   // true or false
)

// Bounds of parameters.
const (
	maxParams     = 64
	maxParamName  = 40
	maxParamValue = 4096 // bytes
)

// zero is the default of a parameter that names none.
func (t ParamType) zero() string {
	return map[ParamType]string{Int: "0", Bool: "false"}[t]
}

// accepts reports whether s is a value of the type, in its only spelling.
func (t ParamType) accepts(s string) bool {
	switch t {
	case String:
		return len(s) <= maxParamValue && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
	case Int:
		n, err := strconv.ParseInt(s, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == s
	case Bool:
		return s == "true" || s == "false"
	}
	return false
}

// check returns why s is no value for p, or nothing.
func (p Param) check(s string) string {
	switch {
	case !p.Type.accepts(s):
		return map[ParamType]string{
			String: fmt.Sprintf("must be text of at most %d bytes without NUL", maxParamValue),
			Int:    "must be a whole number",
			Bool:   "must be true or false",
		}[p.Type]
	case len(p.Options) > 0 && !slices.Contains(p.Options, s):
		return "must be one of " + strings.Join(p.Options, ", ")
	}
	return ""
}

// values returns the value of every name that t may use.
func (t Template) values(v Values) (map[string]string, error) {
	values := map[string]string{nameWorkspace: v.Workspace, namePort: strconv.Itoa(t.spec.Port)}
	if v.Workspace == "" {
		values[nameWorkspace] = nameWorkspace
	}
	if v.Port != 0 {
		values[namePort] = strconv.Itoa(v.Port)
	}
	var wrong []fault.Field
	for _, p := range t.Params {
		value, given := v.Params[p.Name]
		if !given {
			value = p.Default
		}
		if problem := p.check(value); problem != "" {
			wrong = append(wrong, fault.Field{
				Pointer: "/params/" + p.Name, Code: "param_invalid",
				Detail: fmt.Sprintf("parameter %s = %.80q %s", p.Name, value, problem),
			})
		}
		values[p.Name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(v.Params)) {
		if !slices.ContainsFunc(t.Params, func(p Param) bool { return p.Name == name }) {
			wrong = append(wrong, fault.Field{
				Pointer: "/params", Code: "param_unknown",
				Detail: fmt.Sprintf("template %s has no parameter %.60q", t.Name, name),
			})
		}
	}
	if len(wrong) > 0 {
		return nil, t.paramFault(wrong)
	}
	return values, nil
}

func (t Template) paramFault(wrong []fault.Field) error {
	err := fault.New(fault.Invalid, wrong[0].Code, "%s", sentences(wrong))
	err.Fields = wrong
	if len(t.Params) == 0 {
		return err.WithHint("it takes no parameters")
	}
	known := make([]string, len(t.Params))
	for i, p := range t.Params {
		known[i] = p.Name
	}
	return err.WithHint("its parameters are %s", strings.Join(known, ", "))
}

func sentences(fields []fault.Field) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Detail
	}
	return strings.Join(out, "; ")
}
