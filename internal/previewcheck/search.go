package previewcheck

import (
	"regexp"
	"strings"
)

// A bundle may have many megabytes, and patterns cost much for each byte; words do not. So
// patterns are tried only around words that they contain.
const (
	maxAddress = 2048 // bytes behind a word that a pattern sees
	maxLead    = 256  // and before it
	maxTries   = 32   // places at which one pattern is tried: pages may be made to cost
)

// near returns the groups of the first match of r around one of the first places of word in
// text; nil: there is none.
func near(text, word string, r *regexp.Regexp) []string {
	for from, try := 0, 0; try < maxTries; try++ {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return nil
		}
		i += from
		if m := r.FindStringSubmatch(text[max(0, i-maxLead):min(len(text), i+maxAddress)]); m != nil {
			return m
		}
		from = i + len(word)
	}
	return nil
}

// group is the first group that near finds; "": none.
func group(text, word string, r *regexp.Regexp) string {
	if m := near(text, word, r); m != nil {
		return m[1]
	}
	return ""
}
