package tui

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestOrders(t *testing.T) {
	for name, tt := range map[string]struct {
		keys []string
		want []string // verb and name
		line string
	}{
		"a running one stops":          {[]string{"t"}, []string{"stop api"}, "wsctl stop api"},
		"only what fits is sent":       {[]string{"a", "t", "<enter>"}, []string{"stop api", "stop new", "stop night-build", "stop shop"}, "wsctl stop api new night-build shop"},
		"a start is not for what runs": {[]string{"s"}, nil, ""},
		"marked ones":                  {[]string{"/", "docs", "<enter>", " ", "s"}, []string{"start docs"}, "wsctl start docs"},
		"a deletion is typed":          {[]string{"d", "api", "<enter>"}, []string{"delete api force"}, "wsctl delete api --force"},
		"another name deletes nothing": {[]string{"d", "shop", "<enter>"}, nil, ""},
		"esc deletes nothing":          {[]string{"d", "api", "<esc>"}, nil, ""},
		"a new name":                   {[]string{"m", "-two", "<enter>"}, []string{"rename api"}, "wsctl rename api api-two"},
		"a wrong name is not sent":     {[]string{"m", "_", "<enter>"}, nil, ""},
		"labels":                       {[]string{"L", "team=ops tier-", "<enter>"}, []string{"label api"}, "wsctl label api team=ops tier-"},
		"a hold":                       {[]string{"h", "<enter>"}, []string{"hold api"}, "wsctl hold api --for 1h"},
		"a hold with a time":           {[]string{"h", "2h", "<enter>"}, []string{"hold api"}, "wsctl hold api --for 2h"},
		"a hold with its reason":       {[]string{"h", "a demo", "<enter>"}, []string{"hold api"}, "wsctl hold api --for 1h --reason 'a demo'"},
		"a hold with both":             {[]string{"h", "30m a demo", "<enter>"}, []string{"hold api"}, "wsctl hold api --for 30m --reason 'a demo'"},
		"extended":                     {[]string{"e"}, []string{"extend api"}, "wsctl extend api"},
		"the palette does the same":    {[]string{":", "restart", "<enter>"}, []string{"restart api"}, "wsctl restart api"},
		"paused ones resume":           {[]string{"/", "night", "<enter>", "P"}, []string{"resume night-build"}, "wsctl resume night-build"},
		"a failed one restarts":        {[]string{"j", "r"}, []string{"restart billing-next"}, "wsctl restart billing-next"},
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

func TestSeveralAreInterruptedOnlyAfterAQuestion(t *testing.T) {
	for key, title := range map[string]string{"t": "stop 4 workspaces?", "r": "restart 3 workspaces?", "p": "pause 2 workspaces?"} {
		d := drive(t, 100, 24).snapshot(some()...).known().keys("a", key).shows(title).keys("<esc>")
		if d.prompt != nil || len(d.pending) != 0 {
			t.Errorf("%s: after esc %v is on its way", title, d.pending)
		}
	}
}

func TestTheEndOfAnOrderIsTold(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).keys("t").shows("› wsctl stop api")
	d.world.tell(Change{Put: []workspace.Workspace{ws("api", workspace.Stopping)}})
	d.shows("stopping")
	d.world.tell(Change{Put: []workspace.Workspace{ws("api", workspace.Stopped, later)}})
	d.shows("✓ api is stopped")
	d.time = d.time.Add(toastTime + time.Second)
	d.send(tickMsg{})
	if strings.Contains(d.View(), "✓") {
		t.Errorf("the toast stays:\n%s", d.View())
	}
}

// The end of an order is what is told of after it, and not what was on its way before.
func TestWhatWasSoBeforeAnOrderIsNotItsEnd(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	tell := func(w workspace.Workspace) {
		d.world.tell(Change{Put: []workspace.Workspace{w}})
		d.until("it is told", func() bool {
			return d.list.known[w.ID].w.Revision == w.Revision && d.list.known[w.ID].w.State == w.State
		})
	}
	d.keys("t").until("it is accepted", func() bool { return d.pending["wapi"].accepted })
	if tell(ws("api", workspace.Running, before)); strings.Contains(d.View(), "✓") {
		t.Errorf("that it runs is its stop:\n%s", d.View())
	}
	tell(ws("api", workspace.Stopped, later))
	d.shows("✓ api is stopped")

	d.keys("<esc>", "jjjjj").until("shop is selected", func() bool { return d.list.at == "wshop" })
	stop := Order{Verb: Stop, ID: "wshop", Name: "shop"}
	d.pending["wshop"] = pending{Order: stop} // it is on its way
	if tell(ws("shop", workspace.Stopped, later)); strings.Contains(d.View(), "✓ shop") {
		t.Errorf("it is told before it is known what was accepted:\n%s", d.View())
	}
	d.send(doneMsg{[]Order{stop}, []Accepted{{Revision: accepted}}, []error{nil}}).shows("✓ shop is stopped")
	if len(d.pending) != 0 {
		t.Errorf("still waits for %v", d.pending)
	}
}

func TestRefusalsAreTold(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.world.refuse = errDenied
	d.keys("a", "t", "<enter>").shows("4 of 4 refused").shows("[state]").shows("wait until it has stopped")
	if len(d.pending) != 0 {
		t.Errorf("still waits for %v", d.pending)
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
	if d.keys("<esc>", "a").shows("6 marked").keys("1").shows("demo for the team").keys("H").shows("not now: end its newest hold, because it is for one workspace and 6 are"); len(d.world.orders) > 1 {
		t.Errorf("with marks sent %+v", d.world.orders)
	}
	if len(d.world.orders) != 1 || d.world.orders[0].Verb != Release || d.world.orders[0].Text != "h1" {
		t.Errorf("sent %+v", d.world.orders)
	}
	if got := commandLine(d.world.orders); got != "wsctl hold api --rm h1" {
		t.Errorf("the equal command is %s", got)
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
	got := createLine(Draft{Create: api.Create{Name: "a", Image: "x y", Labels: map[string]string{"k": "it's"}, Command: []string{"sh", "-c", "a b"}}})
	if want := `wsctl create a --image 'x y' --label 'k=it'\''s' -- sh -c 'a b'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for d, want := range map[time.Duration]string{time.Hour: "1h", 90 * time.Minute: "1h30m", 30 * time.Minute: "30m", 90 * time.Second: "1m30s", 10 * time.Second: "10s"} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestPagesAreOpenedAndTheirAddressesCopied(t *testing.T) {
	var out bytes.Buffer
	d := drive(t, 100, 24, func(o *Options) { o.Out = &out }).snapshot(some()...).known()
	copied := func(url string) string { return "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(url)) + "\a" }
	for _, c := range []struct{ key, line, outcome, out string }{
		{"u", "› wsctl open api", "✓ opened api at http://api.localhost:7070/", ""},
		{"v", "› wsctl preview api", "✓ preview of api at http://preview.api.localhost:7070/", ""},
		{"y", "", "✓ copied http://api.localhost:7070/", copied("http://api.localhost:7070/")},
		{"Y", "", "✓ copied http://preview.api.localhost:7070/", copied("http://preview.api.localhost:7070/")},
	} {
		out.Reset()
		d.keys(c.key)
		if !strings.Contains(d.View(), c.line) {
			t.Errorf("%s does not tell %q:\n%s", c.key, c.line, d.View())
		}
		d.shows(c.outcome)
		if out.String() != c.out {
			t.Errorf("%s writes %q, want %q", c.key, out.String(), c.out)
		}
	}
	if !d.asked("open wapi")() || !d.asked("preview wapi")() {
		t.Error("they are not opened")
	}
	d.world.tell(Change{Link: &Link{Daemon: true, Engine: true, Since: noon}})
	d.until("nothing is served by name", func() bool { return d.link.Names == "" }).keys("y").shows("✓ copied http://127.0.0.1:8003/")
	d.world.tell(Change{Link: &Link{Daemon: true, Engine: true, Names: "127.0.0.1:7070", Since: noon}})
	d.until("it is again", func() bool { return d.link.Names != "" })
	d.keys(":", "preview").shows("preview in device frames").shows("copy its preview's address")
}

func TestAPreviewIsOfferedOnlyOfWhatHasAPort(t *testing.T) {
	var out bytes.Buffer
	portless := ws("api", workspace.Running, func(w *workspace.Workspace) { w.Port, w.Spec.Port = 0, 0 })
	d := drive(t, 100, 24, func(o *Options) { o.Out = &out }).snapshot(portless).known()
	d.keys("v").shows("not now: preview in device frames").keys("Y").shows("not now: copy its preview's address")
	if strings.Contains(d.View(), "preview.api") || strings.Contains(d.footer(), "v preview") || out.Len() > 0 {
		t.Errorf("it is offered: %q\n%s", out.String(), d.View())
	}
}

func TestAPreviewIsOfferedOnlyWhereNamesAreServed(t *testing.T) {
	d := drive(t, 100, 24).snapshot(some()...).known()
	if !strings.Contains(d.footer(), "v preview") {
		t.Errorf("it is not offered: %s", d.footer())
	}
	d.world.tell(Change{Link: &Link{Daemon: true, Engine: true, Since: noon}})
	d.until("the link is taken", func() bool { return d.link.Names == "" }).keys("v").shows("not now: preview in device frames, because workspaces are not served by name")
	if strings.Contains(d.footer(), "preview") || d.asked("preview wapi")() {
		t.Errorf("it is offered: %s", d.View())
	}
}

func TestWhatAPersonShouldKnowOfAnOrderStandsBelowIt(t *testing.T) {
	d := drive(t, 100, 24)
	d.world.notes = []string{"your ssh agent is lent to the clone"}
	d.snapshot(some()...).keys("a", "s").shows("› wsctl start billing-next docs").shows("   your ssh agent is lent to the clone")
	if strings.Contains(d.View(), "clone; ") {
		t.Errorf("it is told twice:\n%s", d.View())
	}
}

// Of several orders the ends that were bad are not hidden by those that were good.
func TestAFailureStaysUntilItIsRead(t *testing.T) {
	d := drive(t, 100, 24).snapshot(some()...).keys("a", "s").shows("› wsctl start billing-next docs")
	d.until("they are accepted", func() bool { return d.pending["wdocs"].accepted && d.pending["wbilling-next"].accepted })
	tell := func(w workspace.Workspace) {
		d.world.tell(Change{Put: []workspace.Workspace{w}})
		d.until("its end is known", func() bool { return d.pending[w.ID].ID == "" })
	}
	tell(ws("billing-next", workspace.Failed, crashed, later))
	if tell(ws("docs", workspace.Running, later)); !strings.Contains(d.View(), "✗ billing-next is failed") {
		t.Errorf("the failure is hidden:\n%s", d.View())
	}
	d.keys("<esc>", "g", "t").shows("› wsctl stop api").until("it is accepted", func() bool { return d.pending["wapi"].accepted })
	tell(ws("api", workspace.Stopped, later))
	d.shows("✓ api is stopped")
}

func TestFailuresThatFollowEachOtherAreCounted(t *testing.T) {
	d := drive(t, 100, 24).snapshot(some()...).keys("a", "s").shows("› wsctl start billing-next docs")
	d.until("they are accepted", func() bool { return d.pending["wdocs"].accepted && d.pending["wbilling-next"].accepted })
	d.world.tell(Change{Put: []workspace.Workspace{ws("billing-next", workspace.Failed, crashed, later)}})
	d.shows("✗ billing-next is failed")
	d.world.tell(Change{Put: []workspace.Workspace{ws("docs", workspace.Failed, crashed, later)}})
	d.shows("✗ 2 failed; the last: docs is failed: its command ended with status 1")
	d.shows("on docs enter shows more, and s tries again") // the cursor is on another
}

// At the end of the program what was refused has nobody to tell it to.
func TestARefusalAtTheEndOfTheProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := New(ctx, Options{Source: &world{}})
	cancel()
	o, err := Order{Verb: Stop, ID: "wapi"}, context.Canceled
	m.takeDone(doneMsg{[]Order{o, o}, make([]Accepted, 2), []error{err, err}})
	if m.toast != nil {
		t.Errorf("told: %+v", m.toast)
	}
}
