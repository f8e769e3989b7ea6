package tui

import (
	"fmt"
	"strings"
	"testing"

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
