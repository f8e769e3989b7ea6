package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Engine is what rooms are made of. Every call decides whether the actor may.
type Engine interface {
	Workspace(ctx context.Context, a workspace.Actor, ref string) (workspace.Workspace, error)
	Workspaces(ctx context.Context, a workspace.Actor, f api.Filter) ([]workspace.Workspace, error)
	Watch(ctx context.Context, a workspace.Actor, after int64, ref string, yield func(api.Message) error) error
	Attend(ctx context.Context, a workspace.Actor, ref string, v activity.Visitor) (activity.Lease, error)
	Uses(ids ...string) map[string]api.Activity
	Usage(ctx context.Context, a workspace.Actor, ref string) (workspace.Usage, error)
}

// Options are what a Hub needs.
type Options struct {
	Engine  Engine
	Decode  func([]byte, any) error // strict JSON
	Problem func(error) api.Problem // words an error for a client
	Log     *slog.Logger
	Limits  Limits
}

// Hub is all rooms of one daemon. There is a room for each workspace that somebody is in,
// and one of everything for each user who looks at everything; both are remembered for a
// while after the last has left. One watch of the engine feeds all of them.
//
// A Hub is safe for concurrent use; Run has to run for anybody to be let in.
type Hub struct {
	engine  Engine
	decode  func([]byte, any) error
	problem func(error) api.Problem
	log     *slog.Logger
	limits  Limits
	census  census
	rounds  rounds
	ids     atomic.Uint64

	sampler *sampler

	wanted chan struct{} // closed at the first client: until then the engine is not watched
	want   sync.Once
	live   chan struct{} // closed when the watch has begun

	mu     sync.Mutex
	rooms  map[string]*room  // by workspace id, or lobbyKey
	owners map[string]string // of workspaces that were heard of, for signals, which name none
}

// NewHub returns a Hub in which nobody is.
func NewHub(o Options) *Hub {
	h := &Hub{
		engine: o.Engine, decode: o.Decode, problem: o.Problem, log: o.Log, limits: o.Limits.orDefault(),
		wanted: make(chan struct{}), live: make(chan struct{}),
		rooms: map[string]*room{}, owners: map[string]string{},
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.sampler = newSampler(o.Engine, h.limits.Sample)
	return h
}

var errRoomGone = errors.New("the room has just ended")

// begin makes sure that facts of the engine arrive.
func (h *Hub) begin(ctx context.Context) error {
	h.want.Do(func() { close(h.wanted) })
	ctx, cancel := context.WithTimeout(ctx, startIn)
	defer cancel()
	select {
	case <-h.live:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "gateway_not_ready", "the gateway does not get news of the engine yet").WithRetryAfter(time.Second)
	}
}

// lobbyKey is the room of all that a may see.
func lobbyKey(a workspace.Actor) string {
	if a.Admin {
		return api.AllRooms
	}
	return api.AllRooms + a.ID
}

// room returns the room of a key, made where there is none.
func (h *Hub) room(key, id string) *room {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[key]; r != nil {
		return r
	}
	var r *room
	r = newRoom(id, h.limits, func() { h.drop(key, r) })
	h.rooms[key] = r
	return r
}

// drop forgets a room in which nobody has been for a while.
func (h *Hub) drop(key string, r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[key] == r && r.fade() {
		delete(h.rooms, key)
	}
}

// end closes a room for good.
func (h *Hub) end(key, typ string, payload any) {
	h.mu.Lock()
	r := h.rooms[key]
	delete(h.rooms, key)
	h.mu.Unlock()
	if r != nil {
		r.close(typ, payload, time.Now())
	}
}

// entry is a client that asks for a seat.
type entry struct {
	actor workspace.Actor
	queue *queue
	peer  string
	join  api.Join
	types map[string]bool
}

// enter takes a seat in the room of a workspace, or of all.
func (h *Hub) enter(ctx context.Context, ref string, e entry) (*seat, error) {
	if err := h.begin(ctx); err != nil {
		return nil, err
	}
	s := &seat{queue: e.queue, actor: e.actor, types: e.types, sampler: h.sampler}
	key, id, joined := lobbyKey(e.actor), api.AllRooms, api.Joined{}
	if ref != api.AllRooms {
		w, err := h.engine.Workspace(ctx, e.actor, ref)
		if err != nil {
			return nil, err
		}
		h.know(w)
		key, id, joined.Name = w.ID, w.ID, w.Name
		if err := h.attend(ctx, s, w.ID, e); err != nil {
			return nil, err
		}
	} else if !e.join.Observe {
		return nil, fault.New(fault.Invalid, "observe_required", "the room of all workspaces can only be observed").WithHint(`send "observe": true`)
	}
	if s.lease != nil {
		joined.Session, joined.GraceMS = s.lease.ID(), s.lease.Grace().Milliseconds()
	}
	for {
		s.room = h.room(key, id)
		recovered, err := s.room.sit(s, e.join, joined, time.Now())
		if errors.Is(err, errRoomGone) {
			h.forget(key, s.room)
			continue
		}
		if err == nil && !recovered {
			err = h.snapshot(ctx, s)
		}
		if err != nil {
			s.leave()
			return nil, err
		}
		return s, nil
	}
}

// forget takes a room that has ended out of the way.
func (h *Hub) forget(key string, r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[key] == r {
		delete(h.rooms, key)
	}
}

// attend gets a lease for a client that does not only observe. One on a workspace that does
// not run counts once it does.
func (h *Hub) attend(ctx context.Context, s *seat, id string, e entry) error {
	if e.join.Observe {
		return nil
	}
	lease, err := h.engine.Attend(ctx, e.actor, id, activity.Visitor{Kind: activity.Gateway, Peer: e.peer, Resume: e.join.Session})
	if err != nil {
		return err
	}
	s.lease, s.over = lease, make(chan struct{})
	s.shown = api.Member{
		ID: "m" + strconv.FormatUint(h.ids.Add(1), 36), User: e.actor.ID, Since: time.Now(), Visible: true, Quality: activity.Stable,
	}
	return nil
}

// snapshot reads the state that a held seat begins with. The engine is asked after the
// seat was taken, so what it answers is no older than the frames that wait.
func (h *Hub) snapshot(ctx context.Context, s *seat) error {
	var snap api.Snapshot
	if s.room.id == api.AllRooms {
		list, err := h.engine.Workspaces(ctx, s.actor, api.Filter{})
		if err != nil {
			return err
		}
		h.know(list...)
		snap.Workspaces = h.withUse(list...)
	} else {
		w, err := h.engine.Workspace(ctx, s.actor, s.room.id)
		if err != nil {
			return err
		}
		snap.Workspace = &h.withUse(w)[0]
	}
	s.room.settle(s, snap, time.Now())
	return nil
}

// withUse adds how they are used to workspaces that were read.
func (h *Hub) withUse(list ...workspace.Workspace) []api.Live {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	uses := h.engine.Uses(ids...)
	out := make([]api.Live, len(list))
	for i := range list {
		out[i].Workspace = list[i]
		if u, ok := uses[list[i].ID]; ok {
			out[i].Activity = &u
		}
	}
	return out
}

// know remembers whose workspaces these are.
func (h *Hub) know(list ...workspace.Workspace) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range list {
		h.owners[list[i].ID] = list[i].Owner
	}
}

// lose gives up the seat of a connection that broke, and its lease, whose grace begins.
// Nothing is measured for it any more.
func (s *seat) lose() {
	s.sampler.look(s, nil)
	s.room.lose(s, time.Now())
	s.giveUp()
}

// leave gives up the seat and its lease for good. Nothing is measured for it any more.
func (s *seat) leave() {
	s.sampler.look(s, nil)
	if s.room != nil {
		s.room.stand(s, time.Now())
	}
	s.giveUp()
}

// giveUp ends the lease, once.
func (s *seat) giveUp() {
	if s.lease != nil {
		s.lease.Close()
		close(s.over)
	}
}

// Publish tells the room of a workspace what a tool inside says. The payload is passed on
// as it is; it has to be a JSON object within the limits, of a type that tools may use.
// Nobody is waited for; without a room nothing happens.
func (h *Hub) Publish(id, typ string, payload json.RawMessage) error {
	switch {
	case !slices.Contains(api.Relayed(), typ):
		return fault.New(fault.Invalid, "type_unknown", "%.40q is not a type that can be published", typ)
	case len(payload) > h.limits.PayloadBytes:
		return fault.New(fault.TooLarge, "payload_too_large", "the payload is longer than %d bytes", h.limits.PayloadBytes)
	}
	var object map[string]any
	if json.Unmarshal(payload, &object) != nil || object == nil {
		return fault.New(fault.Invalid, "payload_invalid", "the payload is not a JSON object")
	}
	n := news{typ: typ, time: time.Now(), body: payload}
	if typ == api.FrameBuildProgress {
		n.key = typ
	}
	h.mu.Lock()
	r := h.rooms[id]
	h.mu.Unlock()
	if r != nil {
		r.publish(n, nil)
	}
	return nil
}
