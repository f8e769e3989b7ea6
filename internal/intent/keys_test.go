package intent

import (
	"bytes"
	"testing"
)

func TestWhatIsTyped(t *testing.T) {
	for _, c := range []struct {
		what   string
		pieces []string
		want   bool
	}{
		{"a letter", []string{"a"}, true},
		{"Ctrl-C", []string{"\x03"}, true},
		{"Escape", []string{"\x1b"}, true},
		{"Alt and a letter", []string{"\x1bb"}, true},
		{"an arrow", []string{"\x1b[A"}, true},
		{"an arrow of an application", []string{"\x1bOA"}, true},
		{"F5", []string{"\x1b[15~"}, true},
		{"a key in kitty's way", []string{"\x1b[97;5u"}, true},
		{"the mouse", []string{"\x1b[<35;20;10M"}, true},
		{"a paste", []string{"\x1b[200~text\x1b[201~"}, true},
		{"nothing", []string{""}, false},
		{"where the cursor is", []string{"\x1b[12;40R"}, false},
		{"the focus", []string{"\x1b[I", "\x1b[O"}, false},
		{"what it is", []string{"\x1b[?62;22c\x1b[>41;380;0c"}, false},
		{"its state", []string{"\x1b[0n"}, false},
		{"a mode", []string{"\x1b[?2026;2$y"}, false},
		{"the size of its window", []string{"\x1b[8;24;80t"}, false},
		{"how it tells keys", []string{"\x1b[?1u"}, false},
		{"a colour", []string{"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\"}, false},
		{"a colour, older", []string{"\x1b]11;rgb:1e1e/1e1e/1e1e\x07"}, false},
		{"its version", []string{"\x1bP>|xterm(380)\x1b\\"}, false},
		{"an answer in pieces", []string{"\x1b[12", ";4", "0R"}, false},
		{"a colour in pieces", []string{"\x1b]11;rgb:1e", "1e/1e1e/1e1e\x1b", "\\"}, false},
		{"Alt and a sign that begins an answer, then a line", []string{"\x1b_", "l", "s", "\r"}, true},
		{"such a sign, then one taken back", []string{"\x1bP", "l", "\x7f"}, true},
		{"an answer and a letter", []string{"\x1b[12;40Rq"}, true},
		{"an answer in pieces, then a letter", []string{"\x1b[12", ";40R", "q"}, true},
	} {
		var k Keys
		got := false
		for _, p := range c.pieces {
			got = k.Typed([]byte(p)) || got
		}
		if got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x1b[12;40Rq"))
	f.Add([]byte("\x1b]11;x\x1b\\"))
	f.Fuzz(func(t *testing.T, p []byte) {
		var k Keys
		typed := k.Typed(p)
		if len(p) > 0 && !bytes.ContainsRune(p, 0x1b) && !typed {
			t.Errorf("%q was not typed", p)
		}
		if len(k.rest) > maxAnswer {
			t.Errorf("%d bytes are kept", len(k.rest))
		}
	})
}
