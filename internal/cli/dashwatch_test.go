package cli

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/tui"
	"github.com/wsctl/wsctl/internal/workspace"
)

func frameOf(t *testing.T, typ string, payload any) api.Frame {
	t.Helper()
	b, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return api.Frame{V: 1, Type: typ, Workspace: api.AllRooms, Payload: b}
}

func TestWhatTheGatewaySaysIsWhatTheDashboardIsTold(t *testing.T) {
	one := workspace.Workspace{ID: "w1", Name: "one", State: workspace.Running}
	fact := func(kind event.Kind, w *workspace.Workspace) api.Fact {
		return api.Fact{Event: event.Event{Seq: 3, Kind: kind, Workspace: "w1"}, Workspace: w}
	}
	for name, tt := range map[string]struct {
		frame api.Frame
		holds func(tui.Change) bool
	}{
		"a snapshot with how they are used": {
			frameOf(t, api.FrameSnapshot, api.Snapshot{Workspaces: []api.Live{{Workspace: one, Activity: &api.Activity{Level: activity.Idle}}, {Workspace: workspace.Workspace{ID: "w2", State: workspace.Stopped}}}}),
			func(c tui.Change) bool {
				return c.Reset && len(c.Put) == 2 && c.Put[0].Name == "one" && len(c.Use) == 1 && c.Use["w1"].Level == activity.Idle
			},
		},
		"a state": {
			frameOf(t, api.FrameState, fact(event.WorkspaceState, &one)),
			func(c tui.Change) bool {
				return len(c.Put) == 1 && c.Put[0].ID == "w1" && len(c.Events) == 1 && !c.Reset
			},
		},
		"its end": {
			frameOf(t, api.FrameDeleted, fact(event.WorkspaceDeleted, nil)),
			func(c tui.Change) bool { return len(c.Gone) == 1 && c.Gone[0] == "w1" && len(c.Put) == 0 },
		},
		"how it is used": {
			frameOf(t, api.FrameActivity, api.Use{Workspace: "w1", Level: activity.Idle}),
			func(c tui.Change) bool {
				return c.Moved != nil && c.Moved.Workspace == "w1" && c.Moved.Level == activity.Idle
			},
		},
		"a sample": {
			frameOf(t, api.FrameSample, api.Sample{Workspace: "w1", Usage: workspace.Usage{Pids: 4}}),
			func(c tui.Change) bool {
				return c.Sample != nil && c.Sample.Workspace == "w1" && c.Sample.Usage.Pids == 4
			},
		},
		"a session": {
			frameOf(t, api.FrameSessionOpened, event.Signal{Kind: event.SessionOpened, Workspace: "w1", Detail: map[string]string{"sessions": "2"}}),
			func(c tui.Change) bool { return c.Signal != nil && c.Signal.Detail["sessions"] == "2" },
		},
	} {
		if c, ok := changeOf(tt.frame); !ok || !tt.holds(c) {
			t.Errorf("%s: %v %+v", name, ok, c)
		}
	}
	for name, f := range map[string]api.Frame{
		"an unknown type":      frameOf(t, "dance", map[string]int{"a": 1}),
		"an error":             frameOf(t, api.FrameError, api.FrameProblem{Code: "type_unknown"}),
		"a payload of no kind": {Type: api.FrameState, Payload: json.RawMessage(`[1]`)},
	} {
		if c, ok := changeOf(f); ok {
			t.Errorf("%s tells %+v", name, c)
		}
	}
}

func TestASketchIsTheListAsATableShowsIt(t *testing.T) {
	w := workspace.Workspace{
		ID: "w1", Name: "one", Owner: "uid:1", State: workspace.Running, Desired: workspace.WantRunning, Port: 8001, Job: "j1",
		Labels: map[string]string{"a": "b"}, CreatedAt: time.Unix(1, 0), Spec: workspace.Spec{Template: "go"},
		Conditions: []workspace.Condition{{Type: workspace.Attention, Status: true, Reason: "crash_loop"}},
	}
	use := api.Activity{Level: activity.Idle, StopAt: time.Unix(9, 0), Sessions: 2}
	want := api.BriefOf(w).With(&use)
	c := sketchOf([]api.Brief{want})
	got := api.BriefOf(c.Put[0])
	u := c.Use["w1"]
	got = got.With(&u)
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if !c.Reset || string(a) != string(b) {
		t.Errorf("of %s stays %s", a, b)
	}
}

func TestTheLinkIsToldWhereItChanges(t *testing.T) {
	var told []tui.Link
	w := dashWatch{source: &dashSource{}, link: tui.Link{Daemon: true, Engine: true}, tell: func(c tui.Change) {
		if c.Link != nil {
			told = append(told, *c.Link)
		}
	}}
	since := time.Unix(100, 0).UTC()
	engine := func(kind event.Kind) client.Update {
		f := frameOf(t, api.FrameDaemon, api.Fact{Event: event.Event{Kind: kind, Time: since}})
		return client.Update{Link: client.Live, Frame: &f}
	}
	gone := client.Update{Link: client.Lost, Since: since, Err: fault.New(fault.Unavailable, "connection_lost", "the connection to wsd broke")}
	for _, u := range []client.Update{
		{Link: client.Live}, engine(event.EngineLost), gone, gone, {Link: client.Live, Since: since}, engine(event.EngineLost), engine(event.EngineBack),
	} {
		w.take(t.Context(), u)
	}
	want := []tui.Link{
		{Daemon: true, Since: since}, {Why: "the connection to wsd broke", Since: since}, {Daemon: true, Since: since}, {Daemon: true, Engine: true, Since: since},
	}
	if len(told) != len(want) {
		t.Fatalf("told %+v", told)
	}
	for i := range want {
		if told[i] != want[i] {
			t.Errorf("told %+v, want %+v", told[i], want[i])
		}
	}
}
