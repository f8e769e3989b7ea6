package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
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

func TestOrders(t *testing.T) {
	for name, tt := range map[string]struct {
		keys []string
		want []string // verb and name
		line string
	}{
		"a running one stops":          {[]string{"t"}, []string{"stop api"}, "wsctl stop api"},
		"only what fits is sent":       {[]string{"a", "t"}, []string{"stop api", "stop new", "stop night-build", "stop shop"}, "wsctl stop api new night-build shop"},
		"a start is not for what runs": {[]string{"s"}, nil, ""},
		"marked ones":                  {[]string{"/", "docs", "<enter>", " ", "s"}, []string{"start docs"}, "wsctl start docs"},
		"a deletion is typed":          {[]string{"d", "api", "<enter>"}, []string{"delete api force"}, "wsctl delete api --force"},
		"another name deletes nothing": {[]string{"d", "shop", "<enter>"}, nil, ""},
		"esc deletes nothing":          {[]string{"d", "api", "<esc>"}, nil, ""},
		"a new name":                   {[]string{"m", "-two", "<enter>"}, []string{"rename api"}, "wsctl rename api api-two"},
		"a wrong name is not sent":     {[]string{"m", "_", "<enter>"}, nil, ""},
		"labels":                       {[]string{"L", "team=ops tier-", "<enter>"}, []string{"label api"}, "wsctl label api team=ops tier-"},
		"a hold with its reason":       {[]string{"h", "a demo", "<enter>"}, []string{"hold api"}, "wsctl hold api --for 1h --reason 'a demo'"},
		"extended":                     {[]string{"e"}, []string{"extend api"}, "wsctl extend api"},
		"the palette does the same":    {[]string{":", "restart", "<enter>"}, []string{"restart api"}, "wsctl restart api"},
		"paused ones resume":           {[]string{"/", "night", "<enter>", "P"}, []string{"resume night-build"}, "wsctl resume night-build"},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 100, 24).snapshot(some()...).known().keys(tt.keys...)
			var got []string
			sent := func() bool {
				d.world.mu.Lock()
				defer d.world.mu.Unlock()
				got = nil
				for _, o := range d.world.orders {
					words := string(o.Verb) + " " + o.Name
					if o.Force {
						words += " force"
					}
					got = append(got, words)
				}
				slices.Sort(got)
				return len(got) >= len(tt.want)
			}
			if tt.line != "" {
				d.shows(tt.line)
			}
			d.until("the orders are sent", sent)
			if !slices.Equal(got, tt.want) {
				t.Errorf("sent %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheEndOfAnOrderIsTold(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).keys("t").shows("› wsctl stop api")
	d.world.tell(Change{Put: []workspace.Workspace{ws("api", workspace.Stopping)}})
	d.shows("stopping")
	d.world.tell(Change{Put: []workspace.Workspace{ws("api", workspace.Stopped)}})
	d.shows("✓ api is stopped")
	d.time = d.time.Add(toastTime + time.Second)
	d.send(tickMsg{})
	if strings.Contains(d.View(), "✓") {
		t.Errorf("the toast stays:\n%s", d.View())
	}
}

func TestRefusalsAreTold(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.world.refuse = errDenied
	d.keys("a", "t").shows("4 of 4 refused").shows("[state]").shows("wait until it has stopped")
	if len(d.pending) != 0 {
		t.Errorf("still waits for %v", d.pending)
	}
}

func TestCreate(t *testing.T) {
	d := drive(t, 100, 24).snapshot().keys("n").shows("Static site")
	d.keys("<left>", "<down>", "shop", "<down>", "<left>", "<ctrl+t>").shows("this would be shop from template go")
	d.keys("<enter>").shows("› wsctl create shop --template go --param version=1.25")
	d.until("both are asked for", func() bool {
		d.world.mu.Lock()
		defer d.world.mu.Unlock()
		return len(d.world.created) == 2 && d.form == nil
	})
	if got := d.world.created; len(got) != 2 || !got[0].DryRun || got[1].DryRun || got[1].Params["version"] != "1.25" || len(got[1].Params) != 1 {
		t.Errorf("created %+v", got)
	}
	d.world.tell(Change{Put: []workspace.Workspace{{ID: "wnew", Name: "shop", State: workspace.Running, Port: 8010}}})
	d.shows("✓ shop is running at http://127.0.0.1:8010/")
	if d.form != nil || d.list.selected().w.Name != "shop" {
		t.Error("the new one is not selected")
	}
}

func TestAFailedCreateKeepsTheForm(t *testing.T) {
	d := drive(t, 100, 24).snapshot().keys("n").shows("Static site")
	d.world.refuse = errDenied
	d.keys("<enter>").shows("✗ api is stopping").keys("<esc>")
	if d.form != nil {
		t.Error("the form stays")
	}
}

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

func TestStreamsFollowWhatIsSeen(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	asked := func(what string) func() bool {
		return func() bool {
			d.world.mu.Lock()
			defer d.world.mu.Unlock()
			return slices.Contains(d.world.asked, what)
		}
	}
	d.until("samples of what runs", asked("samples of wapi wnight-build wshop"))
	d.send(tea.BlurMsg{}).until("no samples while nobody looks", asked("samples of "))
	d.send(tea.FocusMsg{}).keys("2").until("samples of one", asked("samples of wapi")).until("logs", asked("logs wapi"))
	d.keys("3").until("no logs", asked("no logs")).until("events", asked("Events wapi"))
}

func TestHowTheyAreUsedIsToldPieceByPiece(t *testing.T) {
	d := drive(t, 80, 24)
	api1 := ws("api", workspace.Running, func(w *workspace.Workspace) { w.Revision = 7 })
	d.world.tell(Change{
		Reset: true, Put: []workspace.Workspace{api1},
		Use: map[string]api.Activity{"wapi": {Level: activity.Active, Sessions: 1, StopAt: noon.Add(time.Hour)}},
	})
	d.shows("active").shows("in 60 min (13:00)")
	d.world.tell(Change{Moved: &api.Use{Workspace: "wapi", Level: activity.Idle, StopAt: noon.Add(5 * time.Minute), Cause: activity.ByEngagement}})
	d.world.tell(Change{Signal: &event.Signal{Kind: event.SessionOpened, Workspace: "wapi", Detail: map[string]string{"sessions": "3"}}})
	d.shows("idle").shows("api stops in 5 min (12:05), because nobody uses it")
	if got := *d.list.known["wapi"].act; got.Sessions != 3 {
		t.Errorf("used as %+v", got)
	}
	d.world.tell(Change{Sample: &api.Sample{Workspace: "wapi", Usage: workspace.Usage{Time: noon, Memory: 5 << 20}, Activity: &api.Activity{Level: activity.Idle, Sessions: 2}}})
	d.shows("never").shows("5.0M")

	older := ws("api", workspace.Stopped, func(w *workspace.Workspace) { w.Revision = 6 })
	d.world.tell(Change{Put: []workspace.Workspace{older}})
	d.world.tell(Change{Put: []workspace.Workspace{ws("next", workspace.Stopped)}})
	d.shows("next")
	if d.list.known["wapi"].w.State != workspace.Running {
		t.Error("what is older than the snapshot has replaced it")
	}
	d.world.tell(Change{Put: []workspace.Workspace{ws("api", workspace.Running, func(w *workspace.Workspace) { w.Revision, w.Run = 8, "r2" })}})
	d.until("the next run is here", func() bool { return d.list.known["wapi"].w.Run == "r2" })
	if d.list.known["wapi"].act != nil {
		t.Error("a new run is used as the one before")
	}
}

func TestFlowsAreOfOneRunAndOneTime(t *testing.T) {
	r := &row{w: ws("api", workspace.Running)}
	at := func(s, in, out int) {
		r.sample(workspace.Usage{Time: noon.Add(time.Duration(s) * time.Second), Network: &workspace.Traffic{In: int64(in), Out: int64(out)}})
	}
	at(0, 1000, 1000)
	at(2, 1400, 1100)
	if got := r.use.network; got.in != 200 || got.out != 50 || !slices.Equal(got.all, []float64{250}) || len(r.use.disk.all) != 0 {
		t.Errorf("%+v and %+v", got, r.use.disk)
	}
	at(4, 0, 0) // it was counted anew
	at(6, 20, 0)
	if got := r.use.network.all; !slices.Equal(got, []float64{250, 10}) {
		t.Errorf("%v", got)
	}
	at(60, 1<<20, 0) // nobody looked meanwhile
	if got := r.use; len(got.network.all) != 0 || len(got.mem) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAFactRefreshesThePane(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.world.details = Details{Events: someEvents("wapi")}
	d.keys("3").shows("start completed")
	d.world.tell(Change{
		Put:    []workspace.Workspace{ws("api", workspace.Running)},
		Events: []event.Event{{Seq: 9, Time: noon, Kind: event.WorkspaceUpdated, Workspace: "wapi", Actor: "uid:7", Detail: map[string]string{"name": "x"}}},
	})
	d.shows("workspace.updated")
}

func TestFactsAndSamplesAreBounded(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	for range 3 * maxFacts {
		d.keepFacts(make([]event.Event, 3))
	}
	if len(d.facts) > 2*maxFacts+3 {
		t.Errorf("%d facts", len(d.facts))
	}
	r := d.list.known["wapi"]
	for i := range 5 * window {
		r.sample(workspace.Usage{Time: noon.Add(time.Duration(i) * time.Second)})
	}
	if len(r.use.mem) != window || cap(r.use.mem) > 2*window {
		t.Errorf("%d samples, room for %d", len(r.use.mem), cap(r.use.mem))
	}
	var n news
	for range 100 {
		n.add(Change{Events: make([]event.Event, 100)})
	}
	if len(n.events) > newsEvents {
		t.Errorf("%d facts wait", len(n.events))
	}
}

func TestTheEndOfTheWatchIsTold(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.send(parcel[news]{stream: d.watch, over: true, err: errors.New("x")})
	d.shows("wsd is away")
}

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

func TestAHoldIsEndedWhereItIsSeen(t *testing.T) {
	d := drive(t, 80, 24)
	d.world.details = everything()
	d.snapshot(some()...).known()
	if strings.Contains(d.footer(), "release") {
		t.Error("a hold is offered that nobody sees")
	}
	d.keys("1").shows("demo for the team").keys("H").shows("not held by that any more: api")
	if len(d.world.orders) != 1 || d.world.orders[0].Verb != Release || d.world.orders[0].Text != "h1" {
		t.Errorf("sent %+v", d.world.orders)
	}
	if got := commandLine(d.world.orders); got != "wsctl hold api --rm h1" {
		t.Errorf("the equal command is %s", got)
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
	click(strings.Index(d.detail.tabs(d.Model, 80), "6Jobs"), 2)
	if d.detail.pane != Jobs {
		t.Errorf("a click on a tab shows %s", d.detail.pane)
	}
	d.keys("<esc>").send(tea.MouseMsg{X: 1, Y: 3, Button: tea.MouseButtonWheelDown, Action: tea.MouseActionPress})
	if got := d.list.cursor; got != 5 {
		t.Errorf("the wheel moved to %d", got)
	}
}

func TestKeysOfADaemonThatIsAway(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.world.tell(Change{Link: &Link{Why: "gone", Since: noon}})
	d.shows("wsd is away").keys("t")
	if strings.Contains(d.footer(), "stop") || len(d.world.orders) > 0 {
		t.Errorf("orders are offered: %s", d.footer())
	}
}

func TestCommandLines(t *testing.T) {
	got := createLine(api.Create{Name: "a", Image: "x y", Labels: map[string]string{"k": "it's"}, Stopped: true})
	if want := `wsctl create a --image 'x y' --label 'k=it'\''s' --stopped`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for d, want := range map[time.Duration]string{time.Hour: "1h", 90 * time.Minute: "1h30m", 30 * time.Minute: "30m", 90 * time.Second: "1m30s", 10 * time.Second: "10s"} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
