package tui

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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
	d.list.known["wapi"].w.Labels["Stage"] = "Prod"
	for text, want := range map[string]string{
		"":                          "api billing-next docs new night-build shop",
		"state:run":                 "api shop",
		"-state:run":                "billing-next docs new night-build",
		"label:team=web":            "api shop",
		"label:team=web label:tier": "api",
		"label:stage=PROD":          "api",
		"label:tea":                 "",
		"-label:team":               "billing-next docs new night-build",
		"ne":                        "billing-next new",
		"NE state:failed":           "billing-next",
		"level:back":                "api shop",
		"owner:1000 template:GO":    "api billing-next docs new night-build shop",
		"nothing":                   "",
	} {
		d.list.setFilter(parseFilter(text))
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

// What is chosen stays where it is when the filter would not let it through any more: a key
// that follows is for it, and not for its neighbour.
func TestWhatIsChosenStaysThoughTheFilterHidesItsLike(t *testing.T) {
	becomes := func(d *driver, name string, state workspace.State) {
		d.world.tell(Change{Put: []workspace.Workspace{ws(name, state)}})
		d.until(name+" is "+string(state), func() bool { return d.list.known["w"+name].w.State == state })
	}
	for name, tt := range map[string]struct {
		keys, after []string
		shown, left string // then, and once it is not chosen any more
	}{
		"the selected one":                 {nil, []string{"<down>"}, "api shop", "shop"},
		"one that is looked at":            {[]string{"<enter>"}, []string{"<esc>", "<down>"}, "api shop", "shop"},
		"a marked one":                     {[]string{" "}, []string{"<esc>"}, "api shop", "shop"},
		"not one that is not chosen":       {[]string{"<down>"}, nil, "shop", "shop"},
		"not where the filter comes after": {nil, []string{"/", " ", "<enter>"}, "api shop", "shop"},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 80, 24).snapshot(some()...).known().keys("/", "state:run", "<enter>").keys(tt.keys...)
			becomes(d, "api", workspace.Stopping)
			if got := names(d); got != tt.shown {
				t.Errorf("shown are %s, want %s", got, tt.shown)
			}
			if d.keys(tt.after...); names(d) != tt.left {
				t.Errorf("then shown are %s, want %s", names(d), tt.left)
			}
		})
	}
	d := drive(t, 80, 24).snapshot(some()...).known().keys("/", "state:run", "<enter>", "<enter>", "r")
	becomes(d, "api", workspace.Stopping)
	if d.keys("t").shows("not now: stop, because api is stopping"); !d.inside || d.detail.id != "wapi" {
		t.Errorf("inside %v of %s", d.inside, d.detail.id)
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

// A list that takes news one by one is in the same order, with the same counts, as one that
// is arranged anew.
func TestNewsLeaveTheListInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	states := workspace.States()
	for _, how := range []struct{ sort, filter string }{{"NAME", ""}, {"NAME", "state:run"}, {"STATE", ""}, {"STOPS IN", "-level:idle"}, {"MEMORY", ""}, {"AGE", "label:team=t1"}} {
		l := newList()
		l.sort, l.filter, l.reverse = how.sort, parseFilter(how.filter), how.sort == "AGE"
		for step := range 2000 {
			var n news
			w := ws(fmt.Sprintf("box-%02d", r.IntN(40)), states[r.IntN(len(states))], labelled(fmt.Sprintf("team=t%d", r.IntN(3))))
			w.Revision, w.Name = uint64(step), w.Name+strings.Repeat("x", r.IntN(3))
			switch r.IntN(10) {
			case 0:
				n.add(Change{Gone: []string{w.ID}})
			case 1, 2:
				u := workspace.Usage{Time: noon.Add(time.Duration(step) * time.Second), Memory: int64(r.IntN(1000))}
				n.add(Change{Sample: &api.Sample{Workspace: w.ID, Usage: u}})
			case 3, 4:
				n.add(Change{Moved: &api.Use{Workspace: w.ID, Level: activity.Levels()[r.IntN(3)], StopAt: noon.Add(time.Duration(r.IntN(100)) * time.Minute)}})
			case 5:
				w.Revision = 0 // it comes late
				fallthrough
			default:
				n.add(Change{Put: []workspace.Workspace{w}})
			}
			l.take(n, noon)
			got, counts := slices.Clone(l.shown), maps.Clone(l.counts)
			maps.DeleteFunc(counts, func(_ workspace.State, n int) bool { return n == 0 })
			if l.arrange(); !slices.Equal(got, l.shown) || !maps.Equal(counts, l.counts) {
				t.Fatalf("by %s with %q, step %d: %v is not in order", how.sort, how.filter, step, n)
			}
		}
	}
}

func TestAListThatDoesNotFitSaysWhereYouAre(t *testing.T) {
	d := drive(t, 80, 24).snapshot(many(200)...).keys("G").shows("200 of 200").keys("k").shows("199 of 200")
	if d.snapshot(some()...).known(); strings.Contains(d.View(), " of 6") {
		t.Errorf("all are seen:\n%s", d.View())
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

// Only what is on the screen is measured, so an order by what is used says what it is of.
func TestAnOrderByWhatIsUsedSaysOfWhat(t *testing.T) {
	for n, told := range map[int]bool{5: false, 100: true} {
		d := drive(t, 100, 24).snapshot(many(n)...).known()
		for d.list.sort != "MEMORY" {
			d.keys("o")
		}
		d.shows("sorted by memory")
		if got := strings.Contains(d.View(), "of those that were on the screen"); got != told {
			t.Errorf("of %d it is told: %v", n, got)
		}
	}
}
