package tui

import (
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

func TestToastsHaveAnotherLineWhereThereIsRoom(t *testing.T) {
	long := strings.Repeat("word ", 25) + "end"
	for _, c := range []struct {
		rows  int
		whole bool
	}{{24, true}, {12, false}} {
		d := drive(t, 80, c.rows).snapshot(some()...)
		d.fail("", fault.New(fault.Conflict, "long", "%s", long).WithHint("%s", long))
		if n := strings.Count(strings.Join(strings.Fields(d.View()), " "), long); (n == 2) != c.whole || !c.whole && !strings.Contains(d.View(), "…") {
			t.Errorf("%d lines tell it whole %d times:\n%s", c.rows, n, d.View())
		}
		fits(t, d.View(), 80, c.rows)
	}
	if got := fewLines(strings.Repeat("x", 50), 10, 2); len(got) != 2 || plainWidth(got[1]) > 10 || !strings.HasSuffix(got[1], "…") {
		t.Errorf("%q", got)
	}
}
