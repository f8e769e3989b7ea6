package applet

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func quiet() Streams { return Streams{Out: io.Discard, Err: io.Discard} }

func FuzzOptions(f *testing.F) {
	for _, seed := range []string{"-a\x00-bvalue\x00x", "--all\x00--long=v", "--\x00-a", "-", "-b", "--long", "-ab"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, joined string) {
		args := strings.Split(joined, "\x00")
		o := parse(quiet(), append([]string{"x"}, args...), "ab:", map[string]string{"all": "a", "long": "b"})
		for name := range o.set {
			if name != "a" && name != "b" {
				t.Fatalf("%q gives the unknown option %q", args, name)
			}
		}
		if len(o.rest) > len(args) {
			t.Fatalf("%q gives more operands than words: %q", args, o.rest)
		}
	})
}

func FuzzMode(f *testing.F) {
	for _, seed := range []string{"644", "u+x", "go-w,a=r", "+X", "u=g", "=,", "a", "99999"} {
		f.Add(seed, uint32(0o644), true)
	}
	f.Fuzz(func(t *testing.T, text string, old uint32, dir bool) {
		change, err := parseMode(text, 0o022)
		if err != nil {
			return
		}
		if got := change(old&modeBits, dir); got > modeBits {
			t.Fatalf("%q turns %o into %o", text, old, got)
		}
		if got := unixMode(goMode(old & modeBits)); got != old&modeBits {
			t.Fatalf("%o comes back as %o", old&modeBits, got)
		}
	})
}

func FuzzSet(f *testing.F) {
	for _, seed := range []string{"a-z", `\n\0\777`, "[:upper:]x", "z-a", "a-", `\-`, "-", "é-ü", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 64 {
			return
		}
		set := expandSet(text)
		if text != "" && len(set) == 0 {
			t.Fatalf("%q is empty", text)
		}
	})
}

func FuzzQuotedWords(f *testing.F) {
	for _, seed := range []string{"a b", `"a b" c`, `'a'"b"`, `a\ b`, `"`, "\\", "\x9d\x9d \xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words, err := splitQuoted(text)
		if err == nil && !strings.ContainsAny(text, "\"'\\") && !slices.Equal(words, blankFields(text)) {
			t.Fatalf("%q becomes %q", text, words)
		}
	})
}

func blankFields(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' })
}

func FuzzRanges(f *testing.F) {
	for _, seed := range []string{"1", "1-3,5", "-2", "3-", "0", "-", "a", "1--2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		r, err := parseRanges(list)
		if err != nil {
			return
		}
		parts := []string{"a", "b", "c"}
		if got := r.pick(parts); len(got) > len(parts) {
			t.Fatalf("%q picks %q", list, got)
		}
	})
}

// What a basic expression escapes must mean itself, whatever stands around it.
func FuzzBasicRegexp(f *testing.F) {
	for _, seed := range []string{"a+b", `\(a\)`, "[]+]", "*a", `a\{2\}`, `\`, "[[:digit:]]("} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		got := basicRegexp(pattern)
		if !strings.ContainsAny(pattern, `\[*.^$`) && got != regexp.QuoteMeta(pattern) && !strings.Contains(pattern, "]") {
			t.Fatalf("%q becomes %q", pattern, got)
		}
	})
}

func FuzzProcessStat(f *testing.F) {
	f.Add("12 (a b) c) S 1 " + strings.Repeat("0 ", 30))
	f.Add("12 () ")
	f.Add(")(")
	f.Fuzz(func(t *testing.T, line string) {
		_, fields, ok := parseStat(line)
		if ok && len(fields) < 22 {
			t.Fatalf("%q has %d fields", line, len(fields))
		}
	})
}

func FuzzDateFormat(f *testing.F) {
	for _, seed := range []string{"%Y-%m-%d", "%", "%:z", "%%", "%q", "a%nb"} {
		f.Add(seed)
	}
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	f.Fuzz(func(t *testing.T, format string) {
		if got := strftime(format, at); !strings.Contains(format, "%") && got != format {
			t.Fatalf("%q becomes %q", format, got)
		}
	})
}
