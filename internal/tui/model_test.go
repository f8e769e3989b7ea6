package tui

import (
	"errors"
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
