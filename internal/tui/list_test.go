package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func names(d *driver) string {
	var out []string
	for _, r := range d.list.shown {
		out = append(out, r.w.Name)
	}
	return strings.Join(out, " ")
}

func TestFilter(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).known()
	for text, want := range map[string]string{
		"":                          "api billing-next docs new night-build shop",
		"state:run":                 "api shop",
		"-state:run":                "billing-next docs new night-build",
		"label:team=web":            "api shop",
		"label:team=web label:tier": "api",
		"-label:team":               "billing-next docs new night-build",
		"ne":                        "billing-next new",
		"NE state:failed":           "billing-next",
		"level:back":                "api shop",
		"owner:1000 template:GO":    "api billing-next docs new night-build shop",
		"nothing":                   "",
	} {
		d.list.filter = parseFilter(text)
		d.list.arrange()
		if got := names(d); got != want {
			t.Errorf("%q shows %q, want %q", text, got, want)
		}
	}
}

func TestSorts(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).known()
	d.list.known["wshop"].act.StopAt = noon.Add(time.Minute)
	for column, first := range map[string]string{"NAME": "api", "STATE": "new", "STOPS IN": "shop", "AGE": "new", "LEVEL": "api"} {
		d.list.sort = column
		d.list.arrange()
		if got := d.list.shown[0].w.Name; got != first {
			t.Errorf("by %s the first is %s, want %s", column, got, first)
		}
	}
	for range 20 {
		d.keys("o")
	}
	d.keys("O")
}

func TestTheCursorStaysOnItsWorkspace(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).keys("<down>", "<down>")
	if got := d.list.selected().w.Name; got != "docs" {
		t.Fatalf("selected %s", got)
	}
	d.world.tell(Change{Put: []workspace.Workspace{ws("aaa", workspace.Running)}})
	d.shows("aaa")
	if got := d.list.selected().w.Name; got != "docs" {
		t.Errorf("after a new one is selected %s", got)
	}
	d.world.tell(Change{Gone: []string{"wdocs"}})
	d.until("docs is gone", func() bool { return d.list.known["wdocs"] == nil })
	if r := d.list.selected(); r == nil || r.w.Name != "new" {
		t.Errorf("after its end is selected %+v", r)
	}
}

func TestColumnsAreChosen(t *testing.T) {
	heading := func(d *driver) string { return strings.Join(strings.Fields(strings.Split(d.View(), "\n")[1]), " ") }
	d := drive(t, 80, 24, func(o *Options) { o.Columns = []string{"owner", "age"} }).snapshot(some()...).known()
	if got := heading(d); got != "NAME↓ AGE OWNER" {
		t.Errorf("the columns are %s", got)
	}
	d.keys("C", " ", "<esc>").shows("keep them with --columns state,age,owner")
	if got := heading(d); got != "NAME↓ STATE AGE OWNER" {
		t.Errorf("with one more the columns are %s", got)
	}
	for cols := 20; cols < 200; cols++ {
		d.width = cols
		d.layout()
		fits(t, d.View(), cols, 24)
	}
	d.width = 40
	d.keys("C", "jjjjjjjjjjjj", " ").shows("no room for it").keys("a", "<esc>").shows("columns as they fit")
	if got := heading(d); got != "NAME↓ STATE STOPS IN" {
		t.Errorf("without a choice the columns are %s", got)
	}
}

// The list says levels and states in the words of wsctl list; a column that cut one would
// need another word.
func TestTheWordsOfColumnsFit(t *testing.T) {
	m := drive(t, 80, 24).Model
	width := map[string]int{}
	for _, c := range columns() {
		width[c.title] = c.width
	}
	for _, level := range []activity.Level{activity.Active, activity.Idle, activity.Background, activity.Disconnected} {
		r := &row{w: ws("a", workspace.Running), act: &api.Activity{Level: level}}
		if word, _ := levelCell(m, r); word != string(level) || len(word) > width["LEVEL"] {
			t.Errorf("the level %s is shown as %q in %d columns", level, word, width["LEVEL"])
		}
	}
	for _, state := range workspace.States() {
		if len(state) > width["STATE"] {
			t.Errorf("the state %s does not fit", state)
		}
	}
}
