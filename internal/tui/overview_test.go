package tui

import (
	"slices"
	"strings"
	"testing"
)

// Why something has failed is the first thing that is told of it.
func TestTheEndIsToldFirst(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).keys("j", "1")
	d.until("it is fetched", func() bool { return d.detail.loaded })
	screen := d.View()
	order := []int{strings.Index(screen, "its command ended with status 1"), strings.Index(screen, "no such table"), strings.Index(screen, "by name"), strings.Index(screen, "limits")}
	if order[0] < 0 || !slices.IsSorted(order) {
		t.Errorf("they are at %v:\n%s", order, screen)
	}
	golden(t, "pane-overview-failed", screen)
}
