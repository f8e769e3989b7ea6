package gateway

import (
	"crypto/rand"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// room is what happens in one workspace, or in all of one visitor, in order.
//
// Its lock is held while a frame is encoded and put into the queue of each seat, and never
// while anything is waited for. So frames reach everybody in the same order, and a seat
// whose queue is full loses its place without anybody noticing but itself.
type room struct {
	id     string // of the workspace, or api.AllRooms
	limits Limits
	gone   func() // called without the lock when nobody has been in it for Limits.Room

	mu     sync.Mutex
	epoch  string
	seq    uint64
	ring   []*frame // the newest numbered frames
	bytes  int      // of ring
	latest []*frame // the newest of each key, oldest first
	seats  map[*seat]struct{}
	away   map[string]*absent // by session: members whose connection broke
	empty  *time.Timer        // nil: somebody is in it
	closed bool
}

// seat is one receiver in one room. The room's lock guards what is below it.
type seat struct {
	room    *room
	queue   *queue
	actor   workspace.Actor
	lease   activity.Lease // nil: it observes
	over    chan struct{}  // closed when the lease is given up; nil without one
	sampler *sampler       // nil: nothing was ever measured for it; the reader's of the connection
	types   map[string]bool
	shown   api.Member // ID "": not shown to others

	held    bool     // its snapshot is being read
	base    uint64   // number of the frame before those that wait
	pending []*frame // numbered ones that came meanwhile
}

func newRoom(id string, l Limits, gone func()) *room {
	return &room{id: id, limits: l, gone: gone, epoch: rand.Text()[:12], seats: map[*seat]struct{}{}, away: map[string]*absent{}}
}

func (s *seat) wants(typ string) bool { return s.types == nil || s.types[typ] || always(typ) }

// publish tells everybody in the room.
func (r *room) publish(n news, except *seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.spread(n, except)
	}
}

// spread makes the frame and puts it into every queue.
func (r *room) spread(n news, except *seat) {
	e := api.Frame{Type: n.typ, Workspace: r.id, Epoch: r.epoch, Time: n.time, Payload: n.body}
	if n.key == "" {
		r.seq++
		e.Seq = r.seq
	}
	f := encode(e)
	f.key = n.key
	if f.seq > 0 {
		f.id = frameID(r.epoch, f.seq)
		r.remember(f)
	}
	r.keep(f, n.forget)
	var lost []*seat
	for s := range r.seats {
		if s != except && s.wants(f.typ) && !s.offer(f) {
			lost = append(lost, s)
		}
	}
	for _, s := range lost {
		r.remove(s, n.time)
	}
}

func frameID(epoch string, seq uint64) string { return epoch + "-" + strconv.FormatUint(seq, 10) }

// offer puts f into the seat's queue, or keeps it until its snapshot is there.
func (s *seat) offer(f *frame) bool {
	switch {
	case !s.held:
		return s.queue.push(f)
	case f.key != "": // settle tells how such things are then
		return true
	}
	s.pending = append(s.pending, f)
	if len(s.pending) > s.queue.maxFrames {
		s.queue.overflow()
		return false
	}
	return true
}

func (r *room) remember(f *frame) {
	r.ring = append(r.ring, f)
	r.bytes += len(f.data)
	for len(r.ring) > r.limits.RingFrames || r.bytes > r.limits.RingBytes && len(r.ring) > 1 {
		r.bytes -= len(r.ring[0].data)
		r.ring[0] = nil
		r.ring = r.ring[1:]
	}
}

// keep holds the newest frame of each key for those who come later. Presence is told to
// them as a list, so its changes are not kept.
func (r *room) keep(f *frame, forget []string) {
	if f.key == "" && len(forget) == 0 {
		return
	}
	list := r.latest[:0:0]
	for _, old := range r.latest {
		if old.key != f.key && !slices.Contains(forget, old.key) {
			list = append(list, old)
		}
	}
	if f.key != "" && f.typ != api.FramePresence {
		list = append(list, f)
	}
	r.latest = list
}

// sit takes a seat in the room. Where the seat has missed nothing but what the room
// remembers it is given just that. Else it is held: the caller reads the state, which is
// then at least as new as the frame before those that wait, and calls settle.
func (r *room) sit(s *seat, j api.Join, joined api.Joined, now time.Time) (recovered bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false, errRoomGone
	}
	if len(r.seats) >= r.limits.PerRoom {
		return false, fault.New(fault.Limit, "room_full", "the room already has %d clients", len(r.seats)).WithRetryAfter(5 * time.Second)
	}
	if r.empty != nil {
		r.empty.Stop()
		r.empty = nil
	}
	known := r.welcome(s)
	missed, recovered := r.after(j)
	joined.Seq, joined.Recovered, joined.Member = r.seq, recovered, s.shown.ID
	r.seats[s] = struct{}{}
	s.queue.give(own(api.FrameJoined, r.id, r.epoch, now, joined))
	if recovered {
		for _, f := range missed {
			if s.wants(f.typ) {
				s.queue.give(f)
			}
		}
		r.acquaint(s, now)
	} else {
		s.held, s.base = true, r.seq
	}
	if s.shown.ID != "" && !known {
		r.tell(s, "join", now)
	}
	return recovered, nil
}

// after returns the frames that a client misses, and whether these are all.
func (r *room) after(j api.Join) ([]*frame, bool) {
	switch {
	case j.Epoch != r.epoch || j.Since > r.seq:
		return nil, false
	case j.Since == r.seq:
		return nil, true
	case len(r.ring) == 0 || r.ring[0].seq > j.Since+1:
		return nil, false
	}
	return r.ring[j.Since+1-r.ring[0].seq:], true
}

// settle gives a held seat its snapshot and what came meanwhile.
func (r *room) settle(s *seat, snap api.Snapshot, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, in := r.seats[s]; !in {
		return // it was told that it has left
	}
	s.held = false
	f := encode(api.Frame{Type: api.FrameSnapshot, Workspace: r.id, Epoch: r.epoch, Seq: s.base, Time: now, Payload: body(snap)})
	f.id = frameID(r.epoch, s.base)
	s.queue.give(f)
	for _, f := range s.pending {
		s.queue.give(f)
	}
	s.pending = nil
	r.acquaint(s, now)
}

// acquaint tells a seat how everything is that has no number.
func (r *room) acquaint(s *seat, now time.Time) {
	for _, f := range r.latest {
		if s.wants(f.typ) {
			s.queue.give(f)
		}
	}
	if r.id == api.AllRooms || !s.wants(api.FramePresence) {
		return
	}
	p := api.Presence{Event: "members"}
	for _, m := range r.members() {
		if len(p.Members) < maxMembers {
			p.Members = append(p.Members, m)
		} else {
			p.Others++
		}
	}
	s.queue.give(own(api.FramePresence, r.id, r.epoch, now, p))
}

// maxMembers is how many a list of presence names.
const maxMembers = 64

// tell tells the others of one member.
func (r *room) tell(s *seat, what string, now time.Time) { r.tellOf(s.shown, s, what, now) }

// tellOf tells everybody but one seat of a member.
func (r *room) tellOf(m api.Member, except *seat, what string, now time.Time) {
	n := news{typ: api.FramePresence, key: "presence/" + m.ID, time: now, body: body(api.Presence{Event: what, Member: &m})}
	if what == "leave" {
		n.forget = []string{cursorKey(m.ID)}
	}
	r.spread(n, except)
}

func cursorKey(member string) string { return "cursor/" + member }

// change alters how a seat is shown, and tells the others where that differs.
func (r *room) change(s *seat, now time.Time, do func(*api.Member)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, in := r.seats[s]; !in || s.shown.ID == "" {
		return
	}
	was := s.shown
	if do(&s.shown); s.shown != was {
		r.tell(s, "update", now)
	}
}

// subscribe limits what a seat gets from now on.
func (r *room) subscribe(s *seat, types map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.types = types
}

// stand gives up a seat and reports whether it had been one.
func (r *room) stand(s *seat, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.remove(s, now)
}

func (r *room) remove(s *seat, now time.Time) bool {
	if _, in := r.seats[s]; !in {
		return false
	}
	delete(r.seats, s)
	if s.shown.ID != "" {
		r.tell(s, "leave", now)
	}
	if len(r.seats) == 0 && !r.closed {
		r.empty = time.AfterFunc(r.limits.Room, r.gone)
	}
	return true
}

// review takes the seats of those away who may no longer see the workspace.
func (r *room) review(row workspace.Workspace, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.seats {
		if !s.actor.Owns(row) && r.remove(s, now) {
			s.queue.push(own(api.FrameLeft, r.id, r.epoch, now, api.Left{Reason: "denied"}))
		}
	}
}

// close ends the room with a last frame for everybody: left or resync.
func (r *room) close(typ string, payload any, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	if r.empty != nil {
		r.empty.Stop()
	}
	f := own(typ, r.id, r.epoch, now, payload)
	for s := range r.seats {
		s.queue.give(f)
	}
	clear(r.seats)
	r.ring, r.latest = nil, nil
	r.forgetAway()
}

// fade closes the room if nobody is in it.
func (r *room) fade() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seats) > 0 || r.empty == nil {
		return false
	}
	r.closed, r.ring, r.latest = true, nil, nil
	r.forgetAway()
	return true
}
