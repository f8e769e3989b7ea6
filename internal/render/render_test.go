package render

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	tests := []struct{ name, in, cell, line string }{
		{"plain text stays", "hello, world", "hello, world", "hello, world"},
		{"letters of any script stay", "naïve 日本 🎉", "naïve 日本 🎉", "naïve 日本 🎉"},
		{"a tab stays in a line only", "a\tb", `a\tb`, "a\tb"},
		{"a newline cannot begin a line", "a\nb\r", `a\nb\r`, `a\nb\r`},
		{"a colour is shown, not done", "\x1b[31mred", `\x1b[31mred`, `\x1b[31mred`},
		{"a title cannot be set", "\x1b]0;x\a", `\x1b]0;x\x07`, `\x1b]0;x\x07`},
		{"an 8-bit control is one too", "\u009b31m", `\x9b31m`, `\x9b31m`},
		{"text cannot be turned around", "a\u202eb\u2066", `a\u202eb\u2066`, `a\u202eb\u2066`},
		{"nothing invisible hides", "a\u200bb\ufeff", `a\u200bb\ufeff`, `a\u200bb\ufeff`},
		{"a tag character is named in full", "\U000e0041", `\U000e0041`, `\U000e0041`},
		{"a broken byte is shown", "a\xffb", `a\xffb`, `a\xffb`},
		{"a true replacement character stays", "\ufffd", "\ufffd", "\ufffd"},
		{"NUL and DEL are shown", "\x00\x7f", `\x00\x7f`, `\x00\x7f`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Escape(tt.in); got != tt.cell {
				t.Errorf("Escape gives %q, want %q", got, tt.cell)
			}
			if got := EscapeLine(tt.in); got != tt.line {
				t.Errorf("EscapeLine gives %q, want %q", got, tt.line)
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"a", "\x1b[2J", "\u202e", "\xff\xfe", "a\tb\n", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := EscapeLine(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q becomes invalid %q", s, got)
		}
		for _, r := range got {
			if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)) {
				t.Errorf("%q lets %U through", s, r)
			}
		}
		if EscapeLine(got) != got {
			t.Errorf("%q is escaped twice", s)
		}
		if strings.Contains(Escape(s), "\t") {
			t.Errorf("%q: a cell has a tab", s)
		}
	})
}

func TestTable(t *testing.T) {
	table := func(width int) string {
		x := Table{Header: []string{"NAME", "STATE", "LABELS"}, Width: width}
		x.Row("demo", "running", "note=a rather long label with many words")
		x.Row("日本", "stopped", "")
		x.Row("evil\x1b[2J", "failed", "x")
		var b bytes.Buffer
		if err := x.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := "NAME         STATE    LABELS\n" +
		"demo         running  note=a rather long label with many words\n" +
		"日本         stopped\n" +
		`evil\x1b[2J  failed   x` + "\n"
	if got := table(0); got != want {
		t.Errorf("without a terminal:\n%s\nwant\n%s", got, want)
	}
	for _, width := range []int{120, 66, 50, 40, 30} {
		for _, line := range strings.Split(table(width), "\n") {
			if Width(line) > width {
				t.Errorf("a line of %d columns for a terminal of %d: %s", Width(line), width, line)
			}
		}
	}
	if got := table(50); !strings.Contains(got, "…") || !strings.Contains(got, "running") {
		t.Errorf("the widest column is not the one that is cut:\n%s", got)
	}
	if got := table(5); !strings.Contains(got, "demo") {
		t.Errorf("a terminal of 5 columns shows\n%s", got)
	}
}

func TestColourTakesNoRoom(t *testing.T) {
	x := Table{Header: []string{"A", "B"}, Palette: Palette{On: true}}
	x.Rows = [][]Cell{{{"running", Good}, {Text: "x"}}, {{"no", Bad}, {Text: "y"}}}
	var b bytes.Buffer
	if err := x.Write(&b); err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(b.String(), "")
	if plain != "A        B\nrunning  x\nno       y\n" || plain == b.String() {
		t.Errorf("got %q", b.String())
	}
}

func TestUnits(t *testing.T) {
	now := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Hour: "now", 0: "now", 999 * time.Millisecond: "now", time.Second: "1 s ago", 59 * time.Second: "59 s ago",
		3 * time.Minute: "3 min ago", 90 * time.Minute: "90 min ago", 2 * time.Hour: "2 h ago", 47 * time.Hour: "47 h ago", 50 * time.Hour: "2 days ago",
		70 * 24 * time.Hour: "2 months ago", 800 * 24 * time.Hour: "2 years ago",
	} {
		if got := Ago(now, now.Add(-d)); got != want {
			t.Errorf("%s before is %q, want %q", d, got, want)
		}
	}
	if got := Ago(now, time.Time{}); got != "-" {
		t.Errorf("never is %q", got)
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 300 << 20: "300 MiB", 2 << 30: "2 GiB", 1 << 62: "4 EiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{240 * time.Millisecond: "240 ms", 1234 * time.Millisecond: "1.2 s", 185 * time.Second: "3 min 5 s", 2*time.Hour + time.Minute: "2 h 1 min"} {
		if got := Elapsed(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// terminal collects what is written; the progress draws from its own goroutine.
type terminal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (w *terminal) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

// screen returns the lines that are left after every rewriting.
func (w *terminal) screen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for line := range strings.SplitSeq(w.b.String(), "\n") {
		if i := strings.LastIndex(line, "\r\x1b[K"); i >= 0 {
			line = line[i+len("\r\x1b[K"):]
		}
		lines = append(lines, line)
	}
	return lines
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &terminal{}
		p := NewProgress(w, false, Palette{}, func() int { return 60 })
		p.Stage("getting the image", "")
		time.Sleep(1200 * time.Millisecond)
		p.Stage("getting the image", "12 MiB of 80 MiB")
		synctest.Wait()
		if got := w.screen(); len(got) != 1 || got[0] != "· getting the image 12 MiB of 80 MiB 1.2 s" {
			t.Errorf("the current line is %q", got)
		}
		time.Sleep(300 * time.Millisecond)
		p.Stage("starting it", "")
		time.Sleep(250 * time.Millisecond)
		p.Close(true)
		p.Close(false) // only the first counts
		p.Stage("after the end", "")
		time.Sleep(time.Second)
		want := []string{"✓ getting the image                 1.5 s", "✓ starting it                       250 ms", ""}
		got := w.screen()
		if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != "" {
			t.Errorf("left on the screen: %q\nwant %q", got, want)
		}
	})
}

func TestProgressOnNarrowAndDumbTerminals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &terminal{}
		p := NewProgress(w, false, Palette{}, func() int { return 20 })
		p.Stage("a stage with a very long name\x1b[2J", "and a detail")
		time.Sleep(time.Second)
		p.Close(false)
		for _, line := range w.screen() {
			if Width(line) > 20 || strings.Contains(line, "\x1b[2J") {
				t.Errorf("on 20 columns: %q", line)
			}
		}
		w = &terminal{}
		p = NewProgress(w, true, Palette{}, func() int { return 80 })
		p.Stage("one", "")
		p.Stage("one", "more")
		p.Stage("two", "")
		p.Close(true)
		if got := w.b.String(); got != "one...\ntwo...\n" {
			t.Errorf("a dumb terminal shows %q", got)
		}
		var none *Progress
		none.Stage("nothing", "")
		none.Close(true)
		none.Abandon()
	})
}

func TestATableLeavesOutColumnsForWhichThereIsNoRoom(t *testing.T) {
	for width, want := range map[int]string{
		0:  "NAME  PEAK     MEMORY   CPU\ndemo  4.1 MiB  2.6 MiB  1 %\n",
		27: "NAME  PEAK     MEMORY   CPU\ndemo  4.1 MiB  2.6 MiB  1 %\n",
		26: "NAME  MEMORY   CPU\ndemo  2.6 MiB  1 %\n",
		17: "NAME  MEMORY  CPU\ndemo  2.6 M…  1 %\n",
		14: "NAME  MEMORY\ndemo  2.6 MiB\n",
		3:  "NAME\ndemo\n",
	} {
		table := Table{Header: []string{"NAME", "PEAK", "MEMORY", "CPU"}, Width: width, Spare: []string{"PEAK", "NONE"}}
		table.Row("demo", "4.1 MiB", "2.6 MiB", "1 %")
		var b strings.Builder
		if err := table.Write(&b); err != nil || b.String() != want {
			t.Errorf("in %d columns %v\n%swant\n%s", width, err, b.String(), want)
		}
		if len(table.Header) != 4 {
			t.Error("the table itself was changed")
		}
	}
}

func TestLooseColumnsGiveWayBeforeAnyOther(t *testing.T) {
	for width, want := range map[int]string{
		80: "NAME          ERROR                            URL\na-name-of-13  it is wrong and wrong and wrong  127.0.0.1:8000\n",
		52: "NAME          ERROR                   URL\na-name-of-13  it is wrong and wrong…  127.0.0.1:8000\n",
		42: "NAME          ERROR         URL\na-name-of-13  it is wrong…  127.0.0.1:8000\n",
		41: "ERROR                      URL\nit is wrong and wrong an…  127.0.0.1:8000\n",
		28: "ERROR         URL\nit is wrong…  127.0.0.1:8000\n",
	} {
		table := Table{Header: []string{"NAME", "ERROR", "URL"}, Width: width, Loose: []string{"ERROR", "NONE"}, Spare: []string{"NAME"}}
		table.Row("a-name-of-13", "it is wrong and wrong and wrong", "127.0.0.1:8000")
		var out strings.Builder
		if err := table.Write(&out); err != nil || out.String() != want {
			t.Errorf("in %d columns %v\n%swant\n%s", width, err, out.String(), want)
		}
	}
}
