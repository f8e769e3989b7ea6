// Package csp reads the Content-Security-Policy of pages (W3C CSP level 3, 2.2). It is
// pure: it says what a page's policies are, and its callers what follows from that.
package csp

import (
	"slices"
	"strings"
)

// Policy is the directives of one policy that count, in their order: none has the name of
// another.
type Policy []Directive

// Directive is a name in lower case and its values as they were written.
type Directive struct {
	Name   string
	Values []string
}

// Parse reads the values of a page's Content-Security-Policy headers. Each may be a list of
// policies; those without a directive that counts are left out. As in a browser, the first
// directive of a name counts, and none with a character beyond ASCII does.
func Parse(headers []string) []Policy {
	var policies []Policy
	for _, header := range headers {
		for text := range strings.SplitSeq(header, ",") {
			if p := parse(text); len(p) > 0 {
				policies = append(policies, p)
			}
		}
	}
	return policies
}

func parse(text string) (p Policy) {
	for token := range strings.SplitSeq(text, ";") {
		fields := strings.FieldsFunc(token, isSpace)
		if len(fields) == 0 || strings.ContainsFunc(token, isForeign) {
			continue
		}
		name := strings.ToLower(fields[0])
		if _, again := p.Get(name); !again {
			p = append(p, Directive{Name: name, Values: fields[1:]})
		}
	}
	return p
}

// isSpace reports whether r is ASCII white space (WHATWG Infra).
func isSpace(r rune) bool { return strings.ContainsRune("\t\n\f\r ", r) }

func isForeign(r rune) bool { return r > '\x7f' }

// Get is the directive of a name, which is in lower case, and whether there is one.
func (p Policy) Get(name string) (Directive, bool) {
	i := slices.IndexFunc(p, func(d Directive) bool { return d.Name == name })
	if i < 0 {
		return Directive{}, false
	}
	return p[i], true
}

// With is the policy with d in place of the directive of its name, or behind the others.
func (p Policy) With(d Directive) Policy {
	changed := slices.Clone(p)
	if i := slices.IndexFunc(p, func(o Directive) bool { return o.Name == d.Name }); i >= 0 {
		changed[i] = d
		return changed
	}
	return append(changed, d)
}

// String is the policy as a header has it.
func (p Policy) String() string {
	words := make([]string, len(p))
	for i, d := range p {
		words[i] = d.String()
	}
	return strings.Join(words, "; ")
}

// String is the directive as a policy has it.
func (d Directive) String() string {
	return strings.Join(append([]string{d.Name}, d.Values...), " ")
}

// Has reports whether one of the values is word, in whatever case.
func (d Directive) Has(word string) bool {
	return slices.ContainsFunc(d.Values, func(v string) bool { return strings.EqualFold(v, word) })
}
