package workspace

import (
	"math"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

// The numbers are those of the catalogue of bad inputs in docs/bad-input.md.
func TestNames(t *testing.T) {
	for _, c := range []struct{ what, name, code string }{
		{"1 empty", "", "name_required"},
		{"2 one character", "a", ""},
		{"2 forty characters", strings.Repeat("a", 40), ""},
		{"2 forty-one characters", strings.Repeat("a", 41), "name_too_long"},
		{"2 two hundred characters", strings.Repeat("a", 200), "name_too_long"},
		{"4 path", "a/../../etc", "name_invalid"},
		{"4 escaped path", "a%2f..", "name_invalid"},
		{"4 NUL", "a\x00b", "name_invalid"},
		{"4 newline", "a\nb", "name_invalid"},
		{"4 newline at the end", "ab\n", "name_invalid"},
		{"5 composed letter", "\u00e9", "name_invalid"},
		{"5 combining letter", "e\u0301", "name_invalid"},
		{"5 Cyrillic a", "\u0430", "name_invalid"},
		{"5 full width", "\uff41", "name_invalid"},
		{"5 zero width joiner", "a\u200db", "name_invalid"},
		{"5 right-to-left override", "a\u202eb", "name_invalid"},
		{"5 emoji", "\U0001f600", "name_invalid"},
		{"7 reads as a port's host", "ws--8000", "name_invalid"},
		{"8 upper case", "Foo", "name_invalid"},
		{"dash first", "-a", "name_invalid"},
		{"dash last", "a-", "name_invalid"},
		{"dot", "a.b", "name_invalid"},
		{"plain", "my-app-2", ""},
	} {
		t.Run(c.what, func(t *testing.T) { wantCode(t, ValidateName(c.name), c.code) })
	}
}

func TestUpperCaseNameHintsAtLowerCase(t *testing.T) {
	if f := fault.From(ValidateName("My-App")); !strings.Contains(f.Hint, `"my-app"`) {
		t.Errorf("the hint is %q", f.Hint)
	}
}

func TestLimitRanges(t *testing.T) {
	good := Limits{CPUs: 1, Memory: 1 << 30, Pids: 512}
	for _, c := range []struct {
		what   string
		change func(*Limits)
		code   string
	}{
		{"plain", func(*Limits) {}, ""},
		{"68 negative cpus", func(l *Limits) { l.CPUs = -1 }, "cpus_invalid"},
		{"68 no cpus", func(l *Limits) { l.CPUs = 0 }, "cpus_invalid"},
		{"68 too many cpus", func(l *Limits) { l.CPUs = 1e9 }, "cpus_invalid"},
		{"68 cpus not a number", func(l *Limits) { l.CPUs = math.NaN() }, "cpus_invalid"},
		{"68 infinite cpus", func(l *Limits) { l.CPUs = math.Inf(1) }, "cpus_invalid"},
		{"68 a sliver of a cpu", func(l *Limits) { l.CPUs = 0.0001 }, "cpus_invalid"},
		{"68 one byte", func(l *Limits) { l.Memory = 1 }, "memory_invalid"},
		{"68 negative memory", func(l *Limits) { l.Memory = -1 }, "memory_invalid"},
		{"68 too much memory", func(l *Limits) { l.Memory = math.MaxInt64 }, "memory_invalid"},
		{"one process", func(l *Limits) { l.Pids = 1 }, "pids_invalid"},
		{"too many processes", func(l *Limits) { l.Pids = 1 << 20 }, "pids_invalid"},
	} {
		t.Run(c.what, func(t *testing.T) {
			l := good
			c.change(&l)
			wantCode(t, ValidateLimits(l), c.code)
		})
	}
}

func TestVariables(t *testing.T) {
	for _, c := range []struct{ what, key, value, code string }{
		{"71 no key", "", "x", "env_invalid"},
		{"71 dash in key", "A-B", "x", "env_invalid"},
		{"71 digit first", "1A", "x", "env_invalid"},
		{"71 value with =", "A", "b=c", ""},
		{"71 value with newline", "A", "b\nc", ""},
		{"71 loader variable", "LD_PRELOAD", "/x.so", ""},
		{"71 empty path", "PATH", "", ""},
		{"71 a megabyte", "A", strings.Repeat("x", 1<<20), "env_too_large"},
		{"NUL", "A", "b\x00c", "env_invalid"},
		{"not text", "A", "\xff", "env_invalid"},
	} {
		t.Run(c.what, func(t *testing.T) { wantCode(t, ValidateEnv(map[string]string{c.key: c.value}), c.code) })
	}
}

func TestImages(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct{ what, ref, code string }{
		{"plain", "debian", ""},
		{"tag", "debian:12", ""},
		{"registry with port", "localhost:5000/team/app:1.2", ""},
		{"digest", "debian" + digest, ""},
		{"ours", "wsd:base", ""},
		{"empty", "", "image_invalid"},
		{"73 bad digest", "x@sha256:bad", "image_invalid"},
		{"73 address", "HTTP://example.org/x", "image_invalid"},
		{"73 blank", "a b", "image_invalid"},
		{"73 only a tag", ":latest", "image_invalid"},
		{"option", "--privileged", "image_invalid"},
		{"two slashes", "a//b", "image_invalid"},
		{"newline", "a\nb", "image_invalid"},
		{"long", strings.Repeat("a", 300), "image_invalid"},
	} {
		t.Run(c.what, func(t *testing.T) { wantCode(t, ValidateImage(c.ref), c.code) })
	}
}

func TestSelectors(t *testing.T) {
	labels := map[string]string{"team": "web", "empty": ""}
	for text, want := range map[string]bool{
		"team": true, "other": false, "team=web": true, "team=api": false, "team!=api": true, "team!=web": false,
		"other!=x": true, "empty=": true, "empty": true, "team=": false,
	} {
		s, err := ParseSelector(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if s.Match(labels) != want {
			t.Errorf("%s: got %v", text, !want)
		}
	}
	for _, text := range []string{"", "=x", "!=x", "a b", "-a"} {
		if _, err := ParseSelector(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, ok := range map[string]bool{"90s": true, "1h30m": true, "0s": true, "0": false, "5": false, "1h1": false, "": false, "1e9h": false} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzValidators(f *testing.F) {
	f.Add("my-app")
	f.Add("a--b")
	f.Fuzz(func(t *testing.T, s string) {
		if ValidateName(s) == nil && (len(s) == 0 || len(s) > MaxName || strings.ToLower(s) != s || strings.ContainsAny(s, "./\\ \n\x00")) {
			t.Errorf("%q is taken for a name", s)
		}
		if ValidateImage(s) == nil && strings.ContainsAny(s, " \n\t\x00'\"$`") {
			t.Errorf("%q is taken for an image", s)
		}
		if sel, err := ParseSelector(s); err == nil && sel.Key == "" {
			t.Errorf("%q is taken for a selector", s)
		}
	})
}

func TestMadeUpNamesAreValid(t *testing.T) {
	for range 500 {
		if name := MadeUpName(); ValidateName(name) != nil {
			t.Fatalf("%q is not valid", name)
		}
	}
	if id := NewID(PrefixRun); !ValidID(PrefixRun, id) || ValidID(PrefixJob, id) {
		t.Errorf("%q is not told apart", id)
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	got := ""
	if err != nil {
		got = fault.From(err).Code
	}
	if got != code {
		t.Errorf("got code %q (%v), want %q", got, err, code)
	}
}
