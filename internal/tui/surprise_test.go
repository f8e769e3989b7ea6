package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// The keys are never for another workspace than the one that is looked at.
func TestWhatIsDeletedUnderYouIsLeft(t *testing.T) {
	for name, gone := range map[string]Change{
		"it is told of":          {Gone: []string{"wdocs"}, Events: []event.Event{{Kind: event.WorkspaceDeleted, Workspace: "wdocs", Actor: "uid:7"}}},
		"it is missed meanwhile": {Reset: true, Put: some()[:2]},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 80, 24).snapshot(some()...).known().keys("jj", "8").shows("docs  stopped")
			d.world.tell(gone)
			d.shows("docs was deleted").shows("enter look")
			if d.inside {
				t.Errorf("inside of %s", d.list.selected().w.Name)
			}
			if by := strings.Contains(d.View(), "by uid:7"); by != (len(gone.Events) > 0) {
				t.Errorf("who did it is told: %v", by)
			}
		})
	}
}

func TestAnotherOnesEndLeavesYouWhereYouAre(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).known().keys("jj", "8").shows("docs  stopped")
	d.world.tell(Change{Gone: []string{"wapi"}})
	d.until("it is gone", func() bool { return d.list.known["wapi"] == nil })
	if !d.inside || d.toast != nil {
		t.Errorf("the detail is left:\n%s", d.View())
	}
}

func TestAKeyThatDoesNothingNowSaysWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(*driver)
		want string
	}{
		"a state":       {func(d *driver) { d.keys("s") }, "not now: start, because api is running"},
		"several":       {func(d *driver) { d.keys("  ", "x") }, "not now: open a shell, because it is for one workspace and 2 are marked"},
		"no wsd":        {func(d *driver) { d.world.tell(Change{Link: &Link{Engine: true}}); d.shows("wsd is away").keys("t") }, "not now: stop, because wsd is away"},
		"no engine":     {func(d *driver) { d.world.tell(Change{Link: &Link{Daemon: true}}); d.shows("engine is away").keys("n") }, "not now: create a workspace, because the engine is away"},
		"no workspaces": {func(d *driver) { d.snapshot().keys("d") }, "not now: delete, with all files, because no workspace is chosen"},
		"no hold":       {func(d *driver) { d.keys("H") }, "not now: end its newest hold, because no hold of it is seen; 1 shows those that there are"},
		"no reason":     {func(d *driver) { d.keys("U") }, "not now: stop forwarding"},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 100, 24).snapshot(some()...).known()
			tt.do(d)
			if got := strings.TrimRight(d.status()[0], " "); got != " · "+tt.want {
				t.Errorf("told is %q", got)
			}
		})
	}
}

func TestPanesSayThatMoreIsBelow(t *testing.T) {
	d := drive(t, 40, 12).snapshot(some()...).known().keys("8")
	var more int
	if _, err := fmt.Sscanf(strings.TrimSpace(strings.Split(d.View(), "\n")[9]), "↓ %d lines more", &more); err != nil || more < 2 {
		t.Fatalf("nothing is said (%v):\n%s", err, d.View())
	}
	d.keys("j")
	if !strings.Contains(d.View(), fmt.Sprintf("↓ %d line", more-1)) {
		t.Errorf("after %d:\n%s", more, d.View())
	}
	d.keys("G")
	if s := d.View(); strings.Contains(s, "more") || !strings.Contains(s, "revision") {
		t.Errorf("at its end:\n%s", s)
	}
}

func TestAListThatDoesNotFitSaysWhereYouAre(t *testing.T) {
	d := drive(t, 80, 24).snapshot(many(200)...).keys("G").shows("200 of 200").keys("k").shows("199 of 200")
	if d.snapshot(some()...).known(); strings.Contains(d.View(), " of 6") {
		t.Errorf("all are seen:\n%s", d.View())
	}
}

func TestPanesOfAWsdThatIsAwaySaySo(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.world.tell(Change{Link: &Link{Why: "gone", Since: noon}})
	d.shows("wsd is away").keys("3").shows("wsd is away; this is asked for when it is back")
	d.keys("2").shows("what was written is asked for when it is back").shows("0 lines · wsd is away")
}

func TestASearchThatFindsNothingSaysSo(t *testing.T) {
	d := drive(t, 80, 24)
	d.world.lines = output()
	d.snapshot(some()...).keys("2").until("there is output", func() bool { return len(d.detail.logs.ring) == len(d.world.lines) })
	d.keys("/", "zebra", "<enter>").shows(`no line above this one has "zebra"`)
	d.keys("/").keys("<ctrl+u>", "GET", "<enter>").shows("▸")
	d.keys("N").shows(`no older line has "GET"`).keys("n").shows(`no newer line has "GET"`)
}

func TestLinesThatArePastedIntoAFieldAreApart(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).keys("/")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("state:run\nlabel:team\x1b[2J\ttier"), Paste: true})
	if got := d.prompt.input.value(); got != "state:run label:team[2J tier" {
		t.Errorf("typed is %q", got)
	}
}

func TestAFieldShowsThatItsBeginningIsCutOff(t *testing.T) {
	in := newInput(strings.Repeat("0123456789", 3))
	if got := in.view(newTheme("none"), 12); got != "…123456789▏" || plainWidth(got) > 12 {
		t.Errorf("%q", got)
	}
	in.set("0123456")
	if got := in.view(newTheme("none"), 12); got != "0123456▏" {
		t.Errorf("%q", got)
	}
}

func TestALabelNeedsAValueOrADash(t *testing.T) {
	d := drive(t, 100, 24).snapshot(some()...).keys("L", "bad label", "<enter>").shows(`"bad" is neither KEY=VALUE nor KEY-`)
	if d.prompt == nil || len(d.world.orders) > 0 {
		t.Errorf("sent %+v", d.world.orders)
	}
}

func TestFactsAreToldInWords(t *testing.T) {
	for want, e := range map[string]event.Event{
		"active → idle, stops at 2030-03-01 12:30:00": {Kind: event.ActivityLevel, Detail: map[string]string{"from": "active", "to": "idle", "stop_at": "2030-03-01T12:30:00Z", "cause": "work"}, Result: "ok"},
		"labels=changed":                       {Kind: event.WorkspaceUpdated, Detail: map[string]string{"labels": "changed", "template": ""}, Result: "ok"},
		"registry_unreachable, again in 2.5 s": {Kind: event.JobRetried, Detail: map[string]string{"code": "registry_unreachable", "in": "2.513s", "job": "j1"}, Result: "ok"},
		"a=b denied":                           {Kind: event.WorkspaceUpdated, Detail: map[string]string{"a": "b"}, Result: "denied"},
	} {
		if got := eventText(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The columns of use stand where they are while the first workspace begins.
func TestColumnsStandStillWhileTheFirstOneBegins(t *testing.T) {
	heading := func(d *driver) string { return strings.Split(d.View(), "\n")[1] }
	d := drive(t, 80, 24).snapshot(ws("demo", workspace.Creating))
	before := heading(d)
	if d.known(); heading(d) != before || !strings.Contains(before, "STOPS IN") {
		t.Errorf("%s\n%s", before, heading(d))
	}
	d.world.tell(Change{Put: []workspace.Workspace{ws("demo", workspace.Running)}})
	d.shows("running")
	if d.known(); heading(d) != before {
		t.Errorf("%s\n%s", before, heading(d))
	}
}

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

// What the table of jobs cuts of the newest failure stands below it.
func TestTheNewestFailureOfAJobIsToldWhole(t *testing.T) {
	d := drive(t, 80, 24)
	d.world.details = everything()
	failed := d.world.details.Jobs[1]
	failed.Code, failed.Error, failed.Hint = "registry_unreachable", "the registry of the image no-such-image-xyz:1 did not answer in time", "look whether this machine is online"
	d.world.details.Jobs = []workspace.Job{d.world.details.Jobs[0], failed}
	d.snapshot(some()...).keys("6").shows("did not answer").shows("hint        look whether this machine is online")
	if s := strings.Join(strings.Fields(d.View()), " "); !strings.Contains(s, failed.Error+" [registry_unreachable]") {
		t.Errorf("the error is cut:\n%s", d.View())
	}
}

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
