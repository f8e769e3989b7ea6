package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestLogsAreBounded(t *testing.T) {
	d := drive(t, 80, 24)
	for i := range 20_000 {
		d.world.lines = append(d.world.lines, workspace.LogLine{Text: fmt.Sprintf("%d %s", i, strings.Repeat("x", 9000))})
	}
	d.snapshot(some()...).keys("2").shows("19999 xxx")
	l := &d.detail.logs
	if len(l.ring) > ringLines || l.bytes > ringBytes || l.dropped == 0 {
		t.Errorf("%d lines of %d bytes are kept, %d dropped", len(l.ring), l.bytes, l.dropped)
	}
	if cap(l.ring) > 3*ringLines {
		t.Errorf("room for %d lines", cap(l.ring))
	}
}

func TestLogsAreReadWhileTheyGrow(t *testing.T) {
	d := drive(t, 80, 24)
	for i := range 100 {
		d.world.lines = append(d.world.lines, workspace.LogLine{Text: fmt.Sprintf("line %02d.", i)})
	}
	d.snapshot(some()...).keys("2").shows("line 99.").keys("/", "line 50", "<enter>").shows("▸line 50.")
	if strings.Contains(d.View(), "line 51.") {
		t.Errorf("the match is not at the bottom:\n%s", d.View())
	}
	var more lines
	more.put(workspace.LogLine{Text: "line 100."})
	d.send(parcel[lines]{stream: d.detail.logs.stream, got: more})
	if !strings.Contains(d.View(), "▸line 50.") || strings.Contains(d.View(), "line 51.") {
		t.Errorf("what is read has moved:\n%s", d.View())
	}
	d.keys("f").shows("line 100.").keys("&", "line 7", "<enter>").shows(`10 of 101 lines with "line 7"`)
}

// What is read at the top of what is kept goes, and what is the oldest then is read.
func TestTheTopOfABusyLogIsNeverBlank(t *testing.T) {
	d := drive(t, 80, 24)
	for i := range 100 {
		d.world.lines = append(d.world.lines, workspace.LogLine{Text: fmt.Sprintf("line %d.", i)})
	}
	d.snapshot(some()...).keys("2").shows("line 99.").keys("g").shows("line 0.")
	for i := range 10 {
		var more lines
		for j := range waitLines {
			more.put(workspace.LogLine{Text: fmt.Sprintf("more %d.", i*waitLines+j)})
		}
		d.send(parcel[lines]{stream: d.detail.logs.stream, got: more})
	}
	if top := d.detail.logs.ring[0].text; !strings.Contains(d.View(), " "+top) {
		t.Errorf("the oldest, %s, is not seen:\n%s", top, d.View())
	}
}

// A stream of lines ends with wsd, whatever it says; the pane goes on with the next one.
func TestLogsGoOnWhenWsdIsBack(t *testing.T) {
	away, back := Change{Link: &Link{Engine: true, Why: "gone"}}, Change{Link: &Link{Daemon: true, Engine: true}}
	for name, lose := range map[string]func(*driver){
		"after a while": func(d *driver) {
			d.world.tell(away)
			d.shows("· wsd is away")
			d.world.tell(back)
		},
		"at once": func(d *driver) {
			var n news
			n.add(away)
			n.add(back)
			d.send(parcel[news]{stream: d.watch, got: n})
		},
		"the engine": func(d *driver) {
			d.world.tell(Change{Link: &Link{Daemon: true}})
			d.shows("engine is away")
			d.world.tell(back)
		},
	} {
		for end, err := range map[string]error{"an error": fault.New(fault.Unavailable, "connection_lost", "it broke"), "an end": nil} {
			t.Run(name+" with "+end, func(t *testing.T) {
				d := drive(t, 80, 24)
				d.world.lines = output()
				d.snapshot(some()...).keys("2").shows("6 lines · following").keys("&", "GET", "<enter>").shows("1 of 6 lines")
				d.send(parcel[lines]{stream: d.detail.logs.stream, over: true, err: err})
				lose(d)
				d.until("it is asked for again", func() bool {
					d.world.mu.Lock()
					defer d.world.mu.Unlock()
					return len(slices.DeleteFunc(slices.Clone(d.world.asked), func(s string) bool { return s != "logs wapi" })) == 2
				})
				d.shows(`1 of 6 lines with "GET" · following`)
			})
		}
	}
}

func TestASearchThatFindsNothingSaysSo(t *testing.T) {
	d := drive(t, 80, 24)
	d.world.lines = output()
	d.snapshot(some()...).keys("2").until("there is output", func() bool { return len(d.detail.logs.ring) == len(d.world.lines) })
	d.keys("/", "zebra", "<enter>").shows(`no line above this one has "zebra"`)
	d.keys("/").keys("<ctrl+u>", "GET", "<enter>").shows("▸")
	d.keys("N").shows(`no older line has "GET"`).keys("n").shows(`no newer line has "GET"`)
}

// What a broken line pushes off the screen is reached row by row, up to the oldest.
func TestEveryRowOfBrokenLinesIsReached(t *testing.T) {
	d := drive(t, 40, 16)
	long := ""
	for i := range 100 {
		long += fmt.Sprintf("word%02d ", i)
	}
	for _, text := range []string{"the first", long, "the last"} {
		d.world.lines = append(d.world.lines, workspace.LogLine{Text: text})
	}
	d.snapshot(some()...).keys("2").shows("3 lines · following").keys("w").shows("the last")
	seen := d.View()
	for range 40 {
		d.keys("k")
		seen += d.View()
	}
	for i := range 100 {
		if word := fmt.Sprintf("word%02d", i); !strings.Contains(strings.ReplaceAll(seen, "\n ", ""), word) {
			t.Fatalf("%s was never seen; the top is:\n%s", word, d.View())
		}
	}
	if d.shows("the first").shows("1 newer below"); strings.Contains(d.View(), "the last") {
		t.Errorf("not at the top:\n%s", d.View())
	}
	d.keys("w").shows("the last").keys("w", "&", "word", "<enter>", "k").shows("· goes on")
	d.keys("f").shows("lines with \"word\" · following")
}

// What is read stays at the bottom when lines are broken and when the terminal changes.
func TestWhatIsReadStaysWhenLinesAreBroken(t *testing.T) {
	d := drive(t, 80, 24)
	for i := range 100 {
		d.world.lines = append(d.world.lines, workspace.LogLine{Text: fmt.Sprintf("line %02d. %s", i, strings.Repeat("x", 90))})
	}
	d.snapshot(some()...).keys("2").shows("line 99.").keys("/", "line 50.", "<enter>").shows("▸line 50.")
	for _, change := range []func(){
		func() { d.keys("w") },
		func() { d.send(tea.WindowSizeMsg{Width: 50, Height: 24}) },
		func() {
			var more lines
			more.put(workspace.LogLine{Text: strings.Repeat("y", 200)})
			d.send(parcel[lines]{stream: d.detail.logs.stream, got: more})
		},
	} {
		change()
		if s := d.View(); !strings.Contains(s, "▸line 50.") || strings.Contains(s, "line 51.") {
			t.Errorf("what is read has moved:\n%s", s)
		}
	}
	d.keys("/", "<ctrl+u>", "line 49.", "<enter>").shows("▸line 49.").keys("N").shows("no older line")
}

func TestALineThatIsCutSaysSo(t *testing.T) {
	if got := clean(strings.Repeat("漢", lineBytes)); !strings.HasSuffix(got, "漢…") || strings.Contains(got, `\x`) {
		t.Errorf("%q", got[len(got)-20:])
	}
	if got := clean(strings.Repeat("x", lineBytes)); strings.Contains(got, "…") {
		t.Error("a whole line says that it is cut")
	}
}

// Rows are counted as they are drawn, whatever a line is of.
func TestRowsAreCountedAsTheyAreDrawn(t *testing.T) {
	for _, text := range []string{"", "a", strings.Repeat("ab ", 40), strings.Repeat("é", 81), strings.Repeat("漢a", 50), strings.Repeat("e\u0301", 90), strings.Repeat("x", 2*lineBytes)} {
		for _, width := range []int{1, 2, 39, 40, 80} {
			l := logs{wrap: true, width: width}
			if line := newLogLine(text, false); l.rows(line) != len(l.parts(line.text)) {
				t.Errorf("%d columns: %d rows are counted of %.20q, %d are drawn", width, l.rows(line), text, len(l.parts(line.text)))
			}
		}
	}
}

// BenchmarkLogsAtTheTop is one frame of as many long lines as are kept, broken, read at their top.
func BenchmarkLogsAtTheTop(b *testing.B) {
	m := New(b.Context(), Options{Source: &world{}, Theme: "none", dimensions: [2]int{80, 24}})
	l := &m.detail.logs
	for l.bytes < ringBytes && len(l.ring) < ringLines {
		line := newLogLine(strings.Repeat("x", 800), false)
		l.ring, l.bytes = append(l.ring, line), l.bytes+len(line.text)
	}
	l.wrap = true
	l.view(m, 80, 20)
	l.move(-1 << 30)
	for b.Loop() {
		l.move(0)
		l.view(m, 80, 20)
	}
}
