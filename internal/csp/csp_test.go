package csp

import (
	"reflect"
	"strings"
	"testing"
)

func TestPoliciesAreReadAsBrowsersDo(t *testing.T) {
	for _, c := range []struct {
		what    string
		headers []string
		want    []string
	}{
		{"no header", nil, nil},
		{"nothing in it", []string{"", " ; ,;,\t"}, nil},
		{"a name without values", []string{"script-src"}, []string{"script-src"}},
		{"names in any case, values as they are", []string{"Script-SRC 'Self' A.example"}, []string{"script-src 'Self' A.example"}},
		{"all of ASCII's white space", []string{"\tscript-src\t'self'\f*\r\n ;img-src\n*"}, []string{"script-src 'self' *; img-src *"}},
		{"a space beyond ASCII is none", []string{"script-src\v'self'"}, []string{"script-src\v'self'"}},
		{"the first of a name counts", []string{"script-src 'self'; SCRIPT-SRC 'none'; img-src *"}, []string{"script-src 'self'; img-src *"}},
		{"in each policy", []string{"script-src 'self', script-src 'none'"}, []string{"script-src 'self'", "script-src 'none'"}},
		{"several headers", []string{"a b", "c d,e"}, []string{"a b", "c d", "e"}},
		{"beyond ASCII", []string{"img-src é; script-src *; script-src\u00a0x"}, []string{"script-src *"}},
	} {
		var got []string
		for _, p := range Parse(c.headers) {
			got = append(got, p.String())
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestDirectivesAreFoundByName(t *testing.T) {
	p := Parse([]string{"default-src 'self'; Frame-Ancestors 'None' b.example"})[0]
	d, ok := p.Get("frame-ancestors")
	if !ok || d.String() != "frame-ancestors 'None' b.example" || !d.Has("'none'") || d.Has("b") {
		t.Errorf("%v %v", d, ok)
	}
	if d, ok := p.Get("script-src"); ok || d.Has("'self'") {
		t.Errorf("%v %v", d, ok)
	}
}

// FuzzParse asserts that what is written is what was read.
func FuzzParse(f *testing.F) {
	f.Add("frame-ancestors 'none', script-src\t'self'; SCRIPT-SRC *;;")
	f.Add("\v\x00 \u00a0;é,,\f")
	f.Fuzz(func(t *testing.T, header string) {
		var written []string
		policies := Parse([]string{header})
		for _, p := range policies {
			written = append(written, p.String())
		}
		if again := Parse([]string{strings.Join(written, ", ")}); !reflect.DeepEqual(again, policies) {
			t.Errorf("%q: %q became %q", header, policies, again)
		}
	})
}
