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

// A hold that ends with a command is not told as one that ends at a time; what was seen is told
// in the words of wsctl why.
func TestAHoldAndWhatWasSeenAreToldAsWsctlWhyTellsThem(t *testing.T) {
	d := drive(t, 100, 24)
	d.world.details = everything()
	d.world.details.Why.Holds[0].Session = "s1"
	d.snapshot(some()...).known().keys("1").shows("held        while its command runs by uid:1000: demo for the team")
	d.shows("typed terminal main by uid:1000, 41 times")
}
