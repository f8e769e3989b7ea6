package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// feedPause is the rest before a watch that ended is begun again.
const feedPause = 200 * time.Millisecond

var errAgain = errors.New("the watch begins anew")

// feed is the one watch of the engine. It belongs to Run's goroutine.
type feed struct {
	hub   *Hub
	after int64 // number of the newest fact that was told; -1: none yet
	epoch string
	whole bool // this watch has no hole before what it tells: it gave a snapshot or the next fact
	told  bool // it has told of something
	begun bool
}

// Run hears what the engine tells and passes it on to the rooms, until ctx ends. It begins
// with the first client.
func (h *Hub) Run(ctx context.Context) {
	select {
	case <-h.wanted:
	case <-ctx.Done():
		return
	}
	measured := make(chan struct{})
	go func() {
		defer close(measured)
		h.sampler.run(ctx)
	}()
	defer func() { <-measured }()
	f := feed{hub: h, after: -1}
	for ctx.Err() == nil {
		f.whole, f.told = false, false
		err := h.engine.Watch(ctx, workspace.Actor{ID: workspace.Daemon, Admin: true}, f.after, "", f.take)
		if errors.Is(err, errAgain) && f.told { // we were slow
			continue
		}
		h.log.Debug("the watch of the engine ended", "err", err)
		t := time.NewTimer(feedPause)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// take handles one message of the watch.
func (f *feed) take(m api.Message) error {
	switch m.Type {
	case "hello":
		if f.epoch != "" && m.Epoch != f.epoch && f.after >= 0 { // another store: its numbers mean nothing
			f.after, f.epoch = -1, m.Epoch
			return errAgain
		}
		f.epoch = m.Epoch
	case "snapshot": // who joins reads for themselves
		if f.begun {
			f.hub.endAll()
		}
		f.after, f.whole = int64(m.Seq), true
	case "event":
		if int64(m.Seq) <= f.after {
			return nil
		}
		f.after, f.whole, f.told = int64(m.Seq), true, true
		f.hub.fact(m)
	case "signal":
		f.whole, f.told = true, true
		f.hub.signal(*m.Signal)
	case "resync":
		if !f.whole { // it is not that we were slow: the facts are gone
			f.after = -1
		}
		return errAgain
	}
	if !f.begun && f.after >= 0 {
		f.begun = true
		close(f.hub.live)
	}
	return nil
}

// endAll ends every room, also those that were made since the last fact: what they tell
// would have a hole.
func (h *Hub) endAll() {
	h.mu.Lock()
	rooms := h.rooms
	h.rooms = map[string]*room{}
	h.mu.Unlock()
	for _, r := range rooms {
		r.close(api.FrameResync, struct{}{}, time.Now())
	}
}

// frameOf names the frames of facts; others are api.FrameFact.
var frameOf = map[event.Kind]string{
	event.WorkspaceCreated: api.FrameState,
	event.WorkspaceState:   api.FrameState,
	event.WorkspaceUpdated: api.FrameUpdated,
	event.WorkspaceDeleted: api.FrameDeleted,
	event.JobRetried:       api.FrameJob,
	event.JobEnded:         api.FrameJob,
	event.EngineLost:       api.FrameDaemon,
	event.EngineBack:       api.FrameDaemon,
	event.DaemonStarted:    api.FrameDaemon,
	event.DaemonStopped:    api.FrameDaemon,
	event.ActivityLevel:    api.FrameActivity,
	event.ActivityWarning:  api.FrameWarning,
}

func typeOf(ev event.Event) string {
	if typ := frameOf[ev.Kind]; typ != "" {
		return typ
	}
	if ev.Kind == event.WorkspaceCondition && workspace.ConditionType(ev.Detail["type"]) == workspace.Ready {
		return api.FrameHealth
	}
	return api.FrameFact
}

// fact tells the rooms that a fact concerns. Nothing is encoded where nobody is.
func (h *Hub) fact(m api.Message) {
	ev := *m.Event
	h.mu.Lock()
	rooms := h.audience(ev)
	switch {
	case ev.Workspace == "":
	case ev.Kind == event.WorkspaceDeleted:
		delete(h.owners, ev.Workspace)
	case ev.Owner != "" && h.owners[ev.Workspace] != ev.Owner:
		h.owners[ev.Workspace] = ev.Owner
	}
	h.mu.Unlock()
	if len(rooms) == 0 {
		return
	}
	n := news{typ: typeOf(ev), time: ev.Time, body: body(api.Fact{Event: ev, Workspace: m.Workspace})}
	if n.typ == api.FrameActivity {
		n.key, n.body = activityKey(ev.Workspace), useOf(ev.Workspace, ev.Detail, "to")
	}
	n.forget = ended(ev)
	for _, r := range rooms {
		r.publish(n, nil)
		if m.Workspace != nil && r.id == m.Workspace.ID {
			r.review(*m.Workspace, ev.Time)
		}
	}
	if ev.Kind == event.WorkspaceDeleted {
		h.end(ev.Workspace, api.FrameLeft, api.Left{Reason: "deleted"})
	}
}

// audience are the rooms of a fact: its workspace's, its owner's and the admins' room of
// all. What tells of nobody concerns everybody. The caller holds the lock.
func (h *Hub) audience(ev event.Event) []*room {
	if ev.Workspace == "" && ev.Kind.Public() {
		all := make([]*room, 0, len(h.rooms))
		for _, r := range h.rooms {
			all = append(all, r)
		}
		return all
	}
	return h.present(ev.Workspace, ev.Owner)
}

// present are the rooms of a workspace in which somebody is or was.
func (h *Hub) present(id, owner string) []*room {
	keys := []string{id, api.AllRooms}
	if owner != "" {
		keys = append(keys, api.AllRooms+owner)
	}
	var list []*room
	for _, key := range keys {
		if r := h.rooms[key]; r != nil {
			list = append(list, r)
		}
	}
	return list
}

// signalOf names the frames of signals and says which of them have numbers.
var signalOf = map[string]struct {
	typ      string
	numbered bool
}{
	event.Progress:   {api.FrameProgress, false},
	event.PortOpened: {api.FramePortOpened, true},
	event.PortClosed: {api.FramePortClosed, true},

	event.SessionOpened: {api.FrameSessionOpened, true},
	event.SessionClosed: {api.FrameSessionClosed, true},
	event.StopMoved:     {api.FrameActivity, false},
}

func activityKey(id string) string { return api.FrameActivity + "/" + id }

// useOf reads the details of a fact or a signal about how a workspace is used.
func useOf(id string, detail map[string]string, level string) json.RawMessage {
	u := api.Use{Workspace: id, Level: activity.Level(detail[level]), From: activity.Level(detail["from"]), Cause: activity.Cause(detail["cause"])}
	if at, err := time.Parse(time.RFC3339Nano, detail["stop_at"]); err == nil {
		u.StopAt = at
	}
	return body(u)
}

// ended are the keys of what a fact ends, and nobody is to be told any more who comes later.
func ended(ev event.Event) []string {
	switch ev.Kind {
	case event.JobRetried, event.JobEnded:
		return []string{progressKey(ev.Workspace)}
	case event.WorkspaceDeleted:
		return []string{progressKey(ev.Workspace), activityKey(ev.Workspace)}
	case event.WorkspaceState:
		if to := workspace.State(ev.Detail["to"]); to != workspace.Running && to != workspace.Paused {
			return []string{activityKey(ev.Workspace)}
		}
	}
	return nil
}

func progressKey(id string) string { return api.FrameProgress + "/" + id }

// signal tells the rooms of a workspace what is never written down.
func (h *Hub) signal(s event.Signal) {
	kind, known := signalOf[s.Kind]
	if !known || s.Workspace == "" {
		return
	}
	h.mu.Lock()
	rooms := h.present(s.Workspace, h.owners[s.Workspace])
	h.mu.Unlock()
	if len(rooms) == 0 {
		return
	}
	n := news{typ: kind.typ, time: s.Time, body: body(s)}
	if !kind.numbered {
		n.key = kind.typ + "/" + s.Workspace // in the room of all each workspace has its own
	}
	if s.Kind == event.StopMoved {
		n.body = useOf(s.Workspace, s.Detail, "level")
	}
	for _, r := range rooms {
		r.publish(n, nil)
	}
}
