package tui

import (
	"slices"
	"testing"
)

// An answer is for those of whom the question was asked, whatever is selected by then.
func TestAnAnswerIsForThoseOfWhomWasAsked(t *testing.T) {
	for key, answer := range map[string]string{"h": "a demo", "L": "team=ops", "m": "-two", "d": "api"} {
		t.Run(key, func(t *testing.T) {
			d := drive(t, 80, 24).snapshot(some()...).known().keys(key, answer)
			d.world.tell(Change{Gone: []string{"wapi"}})
			d.until("it is gone", func() bool { return d.list.known["wapi"] == nil }).keys("<enter>")
			var got []Order
			d.until("it is sent", func() bool {
				d.world.mu.Lock()
				defer d.world.mu.Unlock()
				got = slices.Clone(d.world.orders)
				return len(got) > 0
			})
			if len(got) != 1 || got[0].ID != "wapi" {
				t.Errorf("sent %+v", got)
			}
		})
	}
}

func TestALabelNeedsAValueOrADash(t *testing.T) {
	d := drive(t, 100, 24).snapshot(some()...).keys("L", "bad label", "<enter>").shows(`"bad" is neither KEY=VALUE nor KEY-`)
	d.keys("<ctrl+u>", "-", "<enter>").shows(`"" is not a label key`)
	if d.prompt == nil || len(d.world.orders) > 0 {
		t.Errorf("sent %+v", d.world.orders)
	}
}
