package workspace

import "strings"

// Selector is one condition on a label: key=value, key!=value, or key (present).
type Selector struct {
	Key, Value string
	Not        bool // with Exact: the value must differ or be absent
	Exact      bool // false: only presence counts
}

// ParseSelector reads key=value, key!=value or key.
func ParseSelector(s string) (Selector, error) {
	var sel Selector
	k, v, eq := strings.Cut(s, "=")
	sel.Key, sel.Value, sel.Exact = k, v, eq
	if eq && strings.HasSuffix(k, "!") {
		sel.Key, sel.Not = strings.TrimSuffix(k, "!"), true
	}
	return sel, ValidateLabel(sel.Key, sel.Value)
}

// Match reports whether labels satisfy s.
func (s Selector) Match(labels map[string]string) bool {
	v, ok := labels[s.Key]
	switch {
	case !s.Exact:
		return ok
	case s.Not:
		return !ok || v != s.Value
	}
	return ok && v == s.Value
}
