package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestKeysThatComeTogether(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("jj/label:team=web state:run")})
	if got := names(d); got != "api shop" || d.prompt == nil {
		t.Errorf("shown are %s", got)
	}
	d.keys("<esc>").send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("td"), Paste: true})
	if d.prompt != nil || len(d.pending) > 0 {
		t.Error("pasted text is taken for keys")
	}
	d.keys("/").send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("shop"), Paste: true})
	if got := names(d); got != "shop" {
		t.Errorf("after pasting a filter shown are %s", got)
	}
}

// What is typed after a key that opens a shell is meant for the shell.
func TestWhatIsTypedAheadForAVisitIsNoAction(t *testing.T) {
	for name, begin := range map[string][]string{"a shell": {"x"}, "a command": {"X", "ls", "<enter>"}} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 80, 24).snapshot(some()...).known()
			d.keys(begin[:len(begin)-1]...)
			if name == "a shell" {
				d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("xtd")})
			} else {
				d.keys("<enter>")
			}
			if d.keys("pd", "<enter>"); d.prompt != nil || d.inside || len(d.pending) > 0 {
				t.Errorf("pending are %+v, inside %v", d.pending, d.inside)
			}
			if d.send(visitMsg{what: name}).keys("t"); d.pending["wapi"].Verb != Stop {
				t.Errorf("keys after it do nothing: %+v", d.pending)
			}
		})
	}
}

func TestAPageIsWhatIsSeen(t *testing.T) {
	for _, size := range sizes {
		for _, pane := range []string{"2", "3"} {
			t.Run(fmt.Sprintf("pane %s at %dx%d", pane, size[0], size[1]), func(t *testing.T) {
				d := drive(t, size[0], size[1])
				for i := range 200 {
					text := fmt.Sprintf("n=%03d.", i)
					d.world.lines = append(d.world.lines, workspace.LogLine{Text: text})
					d.world.details.Events = append(d.world.details.Events, event.Event{Seq: uint64(i), Time: noon, Kind: event.Kind(text), Workspace: "wapi"})
				}
				d.snapshot(some()...).keys(pane).shows("n=199.").keys("g")
				all := map[string]bool{}
				look := func() (seen int) {
					screen := d.View()
					for i := range 200 {
						if text := fmt.Sprintf("n=%03d.", i); strings.Contains(screen, text) {
							all[text] = true
							seen++
						}
					}
					return seen
				}
				pages := 1
				for room := look(); !strings.Contains(d.View(), map[string]string{"2": "n=199.", "3": "n=000."}[pane]); pages++ {
					if d.keys("<pgdown>"); pages > 200/max(1, room-2)+1 {
						t.Fatalf("the end is not reached in %d pages of %d", pages, room)
					}
					look()
				}
				if len(all) != 200 {
					t.Errorf("%d of 200 lines were seen", len(all))
				}
			})
		}
	}
}

func TestQuestionsFitEveryTerminal(t *testing.T) {
	for _, size := range [][2]int{{20, 5}, {40, 12}, {80, 24}} {
		for _, keys := range []string{"d", "m", "L", "h", "X", "F", "/", "ad"} {
			d := drive(t, size[0], size[1]).snapshot(some()...).known().keys(keys, "漢字 1234567890")
			fits(t, d.View(), size[0], size[1])
			if last := d.View(); size[0] >= 40 && !strings.Contains(last, "67890") {
				t.Errorf("%s at %v: what was typed is not seen:\n%s", keys, size, last)
			}
		}
	}
}

func TestTheHelpIsReadToItsEndOnASmallTerminal(t *testing.T) {
	d := drive(t, 40, 12).snapshot(some()...).keys("?").shows("↑↓ more")
	seen := map[string]bool{}
	for range 60 {
		for line := range strings.Lines(d.View()) {
			seen[strings.TrimSpace(line)] = true
		}
		d.keys("<down>")
	}
	for _, line := range d.helpLines() {
		if !seen[strings.TrimSpace(line)] {
			t.Errorf("never seen: %s", line)
		}
	}
	if d.keys("x"); d.help {
		t.Error("another key does not end it")
	}
}

func TestEscapeIsNotSpentOnGoodNews(t *testing.T) {
	for bad, want := range map[bool]string{false: "", true: "api"} {
		d := drive(t, 80, 24).snapshot(some()...).keys("/", "api", "<enter>")
		d.toast = &toast{sign: "·", text: "news", bad: bad, until: noon.Add(time.Hour)}
		d.keys("<esc>")
		if d.list.filter.text != want {
			t.Errorf("bad %v: the filter is %q, want %q", bad, d.list.filter.text, want)
		}
	}
}

func TestMouse(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	click := func(x, y int) {
		d.send(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	}
	click(5, 4)
	if got := d.list.selected().w.Name; got != "docs" || d.inside {
		t.Fatalf("a click chose %s", got)
	}
	click(5, 4)
	if !d.inside {
		t.Fatal("a click on what is chosen does not enter it")
	}
	for _, cols := range []int{80, 60} { // long tabs, and short ones
		d.width = cols
		for i, pane := range Panes() {
			x := strings.Index(strings.Split(d.View(), "\n")[2], fmt.Sprint(i+1))
			if x < 0 {
				continue // it is in brackets
			}
			for _, in := range []int{0, 2} {
				d.keys("8", "1")
				if i == 0 {
					d.keys("8")
				}
				x = strings.Index(strings.Split(d.View(), "\n")[2], fmt.Sprint(i+1))
				if click(x+in, 2); d.detail.pane != pane {
					t.Errorf("on %d columns a click on the tab of %s shows %s", cols, pane, d.detail.pane)
				}
			}
		}
	}
	if d.width = 30; !strings.Contains(d.View(), "of 8 ›") {
		t.Fatalf("tabs fit 30 columns:\n%s", d.View())
	}
	before := d.detail.pane
	if click(12, 2); d.detail.pane != before {
		t.Errorf("a click where no tab is shows %s", d.detail.pane)
	}
	d.width = 80
	d.keys("<esc>").send(tea.MouseMsg{X: 1, Y: 3, Button: tea.MouseButtonWheelDown, Action: tea.MouseActionPress})
	if got := d.list.cursor; got != 5 {
		t.Errorf("the wheel moved to %d", got)
	}
}

// On a narrow terminal a question stands on a line of its own, so that what is to be typed is seen.
func TestAQuestionIsReadOnANarrowTerminal(t *testing.T) {
	d := drive(t, 40, 12).snapshot(some()...).known().keys("d").shows("delete it with all files? type api:").keys("x", "<enter>")
	d.shows("type api to delete, or press esc")
}

func TestWhatNeedsWsdIsNotDoneWithoutIt(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).known()
	d.link.Daemon = false
	for _, a := range workActions() {
		if needs := strings.Contains(needsWsd, a.key); needs == (a.key == "U") || needs && a.can(d.Model) {
			t.Errorf("%s, %s: needs wsd %v, can be done %v", a.key, a.name, needs, a.can(d.Model))
		}
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
		"the detail":    {func(d *driver) { d.world.tell(Change{Link: &Link{}}); d.shows("wsd is away").keys("1", " ") }, "not now: mark, to act on several, because it is for the list"},
		"its use":       {func(d *driver) { d.list.known["wapi"].act = nil; d.keys("h") }, "not now: hold, because nothing is known of its use yet"},
		"nothing older": {func(d *driver) { d.world.tell(Change{Link: &Link{}}); d.shows("wsd is away").keys("2", "N") }, "not now: search on towards older lines"},
		"not forwarded": {func(d *driver) { d.world.tell(Change{Link: &Link{}}); d.shows("wsd is away").keys("U") }, "not now: stop forwarding"},
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
