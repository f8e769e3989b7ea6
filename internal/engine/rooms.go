package engine

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/fault"
)

// Bounds of what is attended. Sessions that are lost and may come back count.
const (
	maxRoomSessions = 512
	maxSessions     = 20_000
)

// ledgerEvery is how long a new kind of evidence may wait to be written.
const ledgerEvery = 5 * time.Second

// attendance is who is connected to which workspace, and the evidence that has not been
// written yet. It lives in memory: the record has what a later life of the daemon needs.
//
// Its methods, and those of rooms and leases, are safe for concurrent use and never wait
// for the loop, the store or the container engine. The loop reads it in its turns; what a
// turn has written is told to it only after the commit.
type attendance struct {
	mu    sync.Mutex
	rooms map[string]*room // by id of the workspace
	total int              // sessions
	dirty map[string]time.Time
	wake  chan struct{} // tells the tender that dirty has grown
}

func newAttendance() *attendance {
	return &attendance{rooms: map[string]*room{}, dirty: map[string]time.Time{}, wake: make(chan struct{}, 1)}
}

// room is one workspace that somebody attends, or that evidence came from.
type room struct {
	id  string
	all *attendance

	mu       sync.Mutex
	sessions map[string]*lease // live ones, and lost ones within the grace
	live     int
	policy   activity.Policy // as last known
	run      string          // to which the evidence below belongs
	engaged  time.Time
	worked   time.Time
	gone     time.Time // when the last live session ended; zero while there is one or never was
	ledger   activity.Ledger
	fresh    bool      // the ledger has a line that the record has not
	quiet    time.Time // an engagement before it moves nothing that is worth a write
	stepped  bool      // the ladder took it down: the next engagement is urgent
	reapAt   time.Time // no lease dies and no grace ends before
	raises   bool      // the next engagement raises the level, if only once quiet is over
}

// find returns the room of a workspace, or nil.
func (a *attendance) find(id string) *room {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rooms[id]
}

// open returns the room of a workspace and makes it where there is none, with what its
// record says.
func (a *attendance) open(id string, r activity.Record, p activity.Policy) *room {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ro := a.rooms[id]; ro != nil {
		return ro
	}
	ro := &room{
		id: id, all: a, sessions: map[string]*lease{}, policy: p, run: r.Run, engaged: r.Facts.Engaged, worked: r.Facts.Worked,
		gone: r.Facts.Disconnected, ledger: slices.Clone(r.Ledger), stepped: r.Step != "", raises: r.Level != activity.Active,
	}
	a.rooms[id] = ro
	return ro
}

// drop forgets a room that nobody attends.
func (a *attendance) drop(id string, always bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ro := a.rooms[id]
	if ro == nil {
		return
	}
	ro.mu.Lock()
	n := len(ro.sessions)
	ro.mu.Unlock()
	if n > 0 && !always {
		return
	}
	a.total -= n
	delete(a.rooms, id)
	delete(a.dirty, id)
}

// mark has the tender look at a workspace, not before at. An earlier wish wins.
func (a *attendance) mark(id string, at time.Time) {
	a.mu.Lock()
	old, ok := a.dirty[id]
	if !ok || at.Before(old) {
		a.dirty[id] = at
	}
	a.mu.Unlock()
	if !ok || at.Before(old) {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// ripe takes what is to be looked at by now, and tells when the next is.
func (a *attendance) ripe(now time.Time) (ids []string, next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, at := range a.dirty {
		if !at.After(now) {
			ids = append(ids, id)
			delete(a.dirty, id)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	slices.Sort(ids)
	return ids, next
}

// all returns every room, in any order.
func (a *attendance) all() []*room {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]*room, 0, len(a.rooms))
	for _, ro := range a.rooms {
		out = append(out, ro)
	}
	return out
}

// list returns every room, in order of id.
func (a *attendance) list() []*room {
	out := a.all()
	slices.SortFunc(out, func(x, y *room) int { return cmp.Compare(x.id, y.id) })
	return out
}

// enter adds l to the room, or says that there is no place. The one that was lost longest
// ago makes room. Where the room was dropped since it was found, and another made, that one
// is entered: a workspace has one.
func (ro *room) enter(l *lease) error {
	ro.all.mu.Lock()
	defer ro.all.mu.Unlock()
	if other := ro.all.rooms[ro.id]; other != nil {
		ro, l.room = other, other
	}
	ro.mu.Lock()
	defer ro.mu.Unlock()
	if len(ro.sessions) >= maxRoomSessions || ro.all.total >= maxSessions {
		if !ro.forgetOne() {
			return fault.New(fault.Limit, "sessions_exhausted", "there are too many connections to this workspace, or to wsd").
				WithHint("see them with `wsctl sessions`, and close what is not needed").WithRetryAfter(activity.LeaseLife)
		}
	}
	ro.all.total++
	ro.all.rooms[ro.id] = ro // it may have been dropped since it was found
	ro.sessions[l.s.ID] = l
	ro.reapAt = time.Time{}
	ro.live++
	ro.gone = time.Time{}
	return nil
}

// forgetOne drops the lost session that has waited longest; both locks are held.
func (ro *room) forgetOne() bool {
	var oldest *lease
	for _, l := range ro.sessions {
		if !l.s.Lost.IsZero() && (oldest == nil || l.s.Lost.Before(oldest.s.Lost)) {
			oldest = l
		}
	}
	if oldest == nil {
		return false
	}
	delete(ro.sessions, oldest.s.ID)
	ro.all.total--
	return true
}

// lose notes that l is over; it may come back within the grace. It reports whether it was
// live until now. The lock is held.
func (ro *room) lose(l *lease, now time.Time) bool {
	if ro.sessions[l.s.ID] != l || !l.s.Lost.IsZero() {
		return false
	}
	l.s.Lost, ro.reapAt = now, time.Time{}
	if ro.live--; ro.live == 0 {
		ro.gone = now
	}
	return true
}

// ripe reports whether reap may find something.
func (ro *room) ripe(now time.Time) bool {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	return !now.Before(ro.reapAt)
}

// reap ends leases that have been silent for too long and forgets the lost ones whose
// grace is over. It returns those of either.
func (ro *room) reap(now time.Time) (died, forgotten []*lease) {
	if !ro.ripe(now) {
		return nil, nil
	}
	ro.all.mu.Lock()
	defer ro.all.mu.Unlock()
	ro.mu.Lock()
	defer ro.mu.Unlock()
	for id, l := range ro.sessions {
		switch {
		case l.s.Lost.IsZero() && !l.vouched && now.Sub(l.s.LastByte) >= activity.LeaseLife:
			ro.lose(l, now)
			l.end()
			died = append(died, l)
		case !l.s.Lost.IsZero() && now.Sub(l.s.Lost) >= ro.policy.Grace:
			delete(ro.sessions, id)
			ro.all.total--
			forgotten = append(forgotten, l)
		}
	}
	ro.reapAt = now.Add(activity.LeaseLife)
	for _, l := range ro.sessions {
		switch {
		case !l.s.Lost.IsZero():
			ro.reapAt = earliest(ro.reapAt, l.s.Lost.Add(ro.policy.Grace))
		case !l.vouched:
			ro.reapAt = earliest(ro.reapAt, l.s.LastByte.Add(activity.LeaseLife))
		}
	}
	return died, forgotten
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// forgive gives every lease a fresh life, and those that are lost a fresh grace: the
// machine or the daemon has not run for a while.
func (ro *room) forgive(now time.Time) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	for _, l := range ro.sessions {
		l.s.LastByte = now
		if !l.s.Lost.IsZero() {
			l.s.Lost = now
		}
	}
	if !ro.gone.IsZero() {
		ro.gone = now
	}
}

func (ro *room) has(session string) bool {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	return ro.sessions[session] != nil
}

// view returns the sessions, oldest first.
func (ro *room) view() []activity.Session {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	out := make([]activity.Session, 0, len(ro.sessions))
	for _, l := range ro.sessions {
		out = append(out, l.s)
	}
	slices.SortFunc(out, func(a, b activity.Session) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (ro *room) connected() int {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	return ro.live
}

// worst is the quality of the worst connection that lives; "": there is none.
func (ro *room) worst() activity.Quality {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	order := []activity.Quality{"", activity.Stable, activity.Unstable, activity.Poor}
	at := 0
	for _, l := range ro.sessions {
		if l.s.Lost.IsZero() {
			at = max(at, slices.Index(order, l.s.Quality))
		}
	}
	return order[at]
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
