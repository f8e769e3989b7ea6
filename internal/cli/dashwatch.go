package cli

import (
	"context"
	"encoding/json"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/tui"
	"github.com/wsctl/wsctl/internal/workspace"
)

// dashWatch turns what the gateway says into what the dashboard is told. It belongs to the
// goroutine of the subscription.
type dashWatch struct {
	source *dashSource
	tell   func(tui.Change)
	link   tui.Link
}

func (w *dashWatch) take(ctx context.Context, u client.Update) {
	switch {
	case u.Link == client.Lost:
		w.set(tui.Link{Engine: w.link.Engine, Names: w.link.Names, Why: fault.From(u.Err).Text, Since: u.Since})
	case !w.link.Daemon:
		w.set(tui.Link{Daemon: true, Engine: w.link.Engine, Names: w.link.Names, Since: u.Since})
	}
	if u.Frame == nil {
		return
	}
	c, ok := changeOf(*u.Frame)
	if !ok {
		return
	}
	w.tell(c)
	if c.Reset { // the stream tells changes of the engine; how it is now has to be asked once
		if st, err := w.source.client.Status(ctx); err == nil {
			w.set(tui.Link{Daemon: true, Engine: st.Engine.Reachable, Names: st.Names, Why: st.Engine.Error, Since: w.source.f.Now()})
		}
	}
	for _, e := range c.Events {
		if e.Kind == event.EngineLost || e.Kind == event.EngineBack {
			w.set(tui.Link{Daemon: true, Engine: e.Kind == event.EngineBack, Names: w.link.Names, Since: e.Time})
		}
	}
}

// set tells how the way to the workspaces is, where that has changed.
func (w *dashWatch) set(l tui.Link) {
	if w.link.Daemon != l.Daemon || w.link.Engine != l.Engine || w.link.Names != l.Names {
		w.link = l
		w.tell(tui.Change{Link: &l})
	}
}

// sketchOf is what a table shows, as a snapshot that another will replace.
func sketchOf(list []api.Brief) tui.Change {
	c := tui.Change{Reset: true, Put: make([]workspace.Workspace, len(list)), Use: map[string]api.Activity{}}
	for i, b := range list {
		c.Put[i] = workspace.Workspace{
			ID: b.ID, Name: b.Name, Owner: b.Owner, Labels: b.Labels, State: b.State, Desired: b.Desired, Port: b.Port, Job: b.Job,
			CreatedAt: b.CreatedAt, Spec: workspace.Spec{Template: b.Template, Image: b.Image},
		}
		if b.Reason != "" {
			c.Put[i].Conditions = []workspace.Condition{{Type: workspace.Attention, Status: true, Reason: b.Reason}}
		}
		if b.Level != "" {
			c.Use[b.ID] = api.Activity{Level: b.Level, StopAt: b.StopAt, Sessions: b.Sessions}
		}
	}
	return c
}

// changeOf is one frame as the dashboard takes it; false: it says nothing of interest.
func changeOf(f api.Frame) (c tui.Change, ok bool) {
	switch f.Type {
	case api.FrameSnapshot:
		var snap api.Snapshot
		if !read(f, &snap) {
			return c, false
		}
		c = tui.Change{Reset: true, Put: make([]workspace.Workspace, len(snap.Workspaces)), Use: map[string]api.Activity{}}
		for i, live := range snap.Workspaces {
			c.Put[i] = live.Workspace
			if live.Activity != nil {
				c.Use[live.ID] = *live.Activity
			}
		}
		return c, true
	case api.FrameActivity:
		c.Moved = new(api.Use)
		return c, read(f, c.Moved)
	case api.FrameSample:
		c.Sample = new(api.Sample)
		return c, read(f, c.Sample)
	case api.FrameProgress, api.FramePortOpened, api.FramePortClosed, api.FrameSessionOpened, api.FrameSessionClosed:
		c.Signal = new(event.Signal)
		return c, read(f, c.Signal)
	case api.FrameState, api.FrameUpdated, api.FrameHealth, api.FrameDeleted, api.FrameJob, api.FrameWarning, api.FrameDaemon, api.FrameFact:
		return factOf(f)
	}
	return c, false
}

func read(f api.Frame, v any) bool { return json.Unmarshal(f.Payload, v) == nil }

func factOf(f api.Frame) (c tui.Change, ok bool) {
	var fact api.Fact
	if !read(f, &fact) {
		return c, false
	}
	c.Events = []event.Event{fact.Event}
	switch {
	case fact.Workspace != nil:
		c.Put = []workspace.Workspace{*fact.Workspace}
	case fact.Event.Kind == event.WorkspaceDeleted:
		c.Gone = []string{fact.Event.Workspace}
	}
	return c, true
}
