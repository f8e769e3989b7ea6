package tui

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/workspace"
)

func TestThePaletteBeginsWithWhatBeginsSo(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).known().keys(":", "re")
	if found := d.palette.found(); len(found) < 3 || found[0].name != "restart" {
		t.Errorf("found %+v", found)
	}
	if d.keys("<enter>").palette != nil || d.pending["wapi"].Verb != Restart {
		t.Errorf("the first was not done: %+v", d.pending)
	}
}

func TestAPaletteThatFindsNothingDoesNothing(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).known().keys(":", "zzz", "<down>").shows("nothing that can be done now").keys("<enter>")
	if d.palette != nil || len(d.pending) > 0 {
		t.Errorf("after it pending are %+v", d.pending)
	}
}

// What was found by its name is never done to another workspace, nor to none.
func TestThePaletteIsForWhatWasChosen(t *testing.T) {
	for _, typed := range []string{"open a shell", "delete", "stop"} {
		t.Run(typed, func(t *testing.T) {
			d := drive(t, 100, 24).snapshot(ws("api", workspace.Running)).known().keys(":", typed)
			d.world.tell(Change{Gone: []string{"wapi"}})
			d.until("it is gone", func() bool { return len(d.list.known) == 0 }).keys("<enter>").shows("because what was chosen has changed")

			d = drive(t, 100, 24).snapshot(some()...).known().keys(":", typed)
			d.world.tell(Change{Gone: []string{"wapi"}})
			d.until("it is gone", func() bool { return d.list.known["wapi"] == nil }).keys("<enter>").shows("because what was chosen has changed")
			if d.prompt != nil || len(d.pending) > 0 {
				t.Errorf("done to %s: %+v", d.list.selected().w.Name, d.pending)
			}
		})
	}
}

func TestThePaletteDoesWhatCanBeDoneStill(t *testing.T) {
	d := drive(t, 100, 24)
	d.world.details = everything()
	d.snapshot(some()...).known().keys("1").shows("demo for the team").keys(":", "end its newest hold")
	d.world.details = Details{}
	d.world.tell(Change{Put: []workspace.Workspace{ws("api", workspace.Running)}})
	d.until("the hold is over", func() bool { return d.detail.got.Why == nil }).keys("<enter>").shows("not now: end its newest hold, because no hold of it is seen")

	d.keys("<esc>", ":", "pause")
	d.world.tell(Change{Put: []workspace.Workspace{ws("api", workspace.Stopping)}})
	d.shows("stopping").keys("<enter>").shows("not now: pause, because api is stopping")
}

// A list that does not fit says how much of it is below, and each of its lines is reached.
func TestListsSayThatMoreIsBelow(t *testing.T) {
	for key, n := range map[string]int{"C": len(columns()), ":": 0} {
		d := drive(t, 80, 12).snapshot(some()...).known().keys(key)
		if n == 0 {
			n = len(d.palette.all)
		}
		seen := map[string]bool{}
		for i := range n {
			lines := strings.Split(d.View(), "\n")
			at := slices.IndexFunc(lines, func(s string) bool { return strings.HasPrefix(s, " ▸ ") })
			if at < 0 {
				t.Fatalf("%s: line %d is not seen:\n%s", key, i, d.View())
			}
			seen[lines[at]] = true
			if more := strings.Contains(d.View(), " more\n"); i == 1 && !more || i == n-1 && more {
				t.Errorf("%s: at line %d more is told of: %v\n%s", key, i, more, d.View())
			}
			d.keys("<down>")
		}
		if len(seen) < n-1 { // the name of a list is always in it, and is not begun with
			t.Errorf("%s: %d lines of %d were reached", key, len(seen), n)
		}
	}
}
