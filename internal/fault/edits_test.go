package fault

import (
	"strings"
	"testing"
)

func TestEditsAreCounted(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		a, b       string
		most, want int
	}{
		{"", "", 2, 0},
		{"a", "", 2, 1},
		{"", "ab", 2, 2},
		{"abc", "abc", 2, 0},
		{"abc", "acb", 2, 2},
		{"kitten", "sitting", 2, 3},
		{"abc", "xyz", 2, 3},
		{"abcdef", "a", 2, 3},
		{"abcdef", "a", 9, 5},
		{long, "a", 20, 21},
	} {
		if got := Edits(c.a, c.b, c.most); got != c.want {
			t.Errorf("from %.20q to %.20q with at most %d: %d, want %d", c.a, c.b, c.most, got, c.want)
		}
	}
}

func TestTheNearestIsFound(t *testing.T) {
	names := []string{"go", "node", "static", "Static"}
	for word, want := range map[string]string{"statik": "static", "STATIC": "static", "nod": "node", "zzzz": "", "": ""} {
		if got := Nearest(word, names, 1); got != want {
			t.Errorf("for %q: %q, want %q", word, got, want)
		}
	}
}
