package gateway

import (
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// presence reads what the next frame of presence says.
func (p *peer) presence() api.Presence {
	p.t.Helper()
	return of[api.Presence](p.t, p.until(api.FramePresence))
}

// quiet wants no presence before the next fact, which it makes.
func (r *rig) quiet(p *peer, w workspace.Workspace) {
	r.t.Helper()
	r.fake.commit(w.ID, event.WorkspaceUpdated, nil)
	for {
		f := p.next()
		if f.Type == api.FramePresence {
			r.t.Fatalf("the others are told %s", f.Payload)
		}
		if f.Type == api.FrameUpdated {
			return
		}
	}
}

// unseated waits until only so many clients sit in the room.
func (r *rig) unseated(w workspace.Workspace, left int) {
	r.t.Helper()
	eventually(r.t, "the broken connection is noticed", func() bool {
		ro := r.hub.room(w.ID, w.ID)
		ro.mu.Lock()
		defer ro.mu.Unlock()
		return len(ro.seats) == left
	})
}

func TestWhoComesBackWithinTheGraceNeverLeft(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	watcher, p := r.dial(alice), r.dial(alice)
	watcher.join("one", api.Join{})
	first, _ := p.join("one", api.Join{})
	if got := watcher.presence(); got.Event != "join" || got.Member.ID != first.Member {
		t.Fatalf("told %+v", got)
	}
	_ = p.conn.CloseNow()
	r.unseated(w, 1)
	r.quiet(watcher, w)
	third := r.dial(alice)
	_, told := third.join("one", api.Join{Observe: true})
	if list := of[api.Presence](t, told[len(told)-1]); len(list.Members) != 2 {
		t.Errorf("within the grace there are %+v", list.Members)
	}
	back := r.dial(alice)
	again, told := back.join("one", api.Join{Session: first.Session})
	if again.Member != first.Member || again.Session != first.Session {
		t.Errorf("it came back as %+v, was %+v", again, first)
	}
	if list := of[api.Presence](t, told[len(told)-1]); len(list.Members) != 2 {
		t.Errorf("then there are %+v", list.Members)
	}
	r.quiet(watcher, w)
}

func TestWhoComesBackBeforeItsOldConnectionIsKnownToBeDeadNeverLeft(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	watcher, p := r.dial(alice), r.dial(alice)
	watcher.join("one", api.Join{})
	first, _ := p.join("one", api.Join{})
	watcher.presence()
	back := r.dial(alice)
	if again, _ := back.join("one", api.Join{Session: first.Session}); again.Member != first.Member {
		t.Errorf("it came back as %+v, was %+v", again, first)
	}
	close(r.fake.lease(1).kicked) // as the engine does with the old lease
	if _, code := p.gone(); code != api.CloseKicked {
		t.Errorf("the old connection is closed with %d", code)
	}
	r.unseated(w, 2)
	r.quiet(watcher, w)
}

func TestWhoDoesNotComeBackHasLeftAfterTheGrace(t *testing.T) {
	r := newRig(t, Limits{Grace: time.Hour}) // what hello says is not what counts
	r.fake.grace = 50 * time.Millisecond
	r.fake.add("one", alice)
	watcher, p := r.dial(alice), r.dial(alice)
	watcher.join("one", api.Join{})
	first, _ := p.join("one", api.Join{})
	if first.GraceMS != 50 {
		t.Errorf("joined tells of a grace of %d ms", first.GraceMS)
	}
	watcher.presence()
	lost := time.Now()
	_ = p.conn.CloseNow()
	if got := watcher.presence(); got.Event != "leave" || got.Member.ID != first.Member || time.Since(lost) < 50*time.Millisecond {
		t.Errorf("after %v told %+v", time.Since(lost), got)
	}
	back := r.dial(alice)
	if again, _ := back.join("one", api.Join{Session: first.Session}); again.Member == first.Member {
		t.Error("it came back as the member that had left")
	}
	if got := watcher.presence(); got.Event != "join" {
		t.Errorf("told %+v", got)
	}
}

func TestWhoSaysGoodbyeHasLeftAtOnce(t *testing.T) {
	r := newRig(t, Limits{})
	r.fake.add("one", alice)
	watcher := r.dial(alice)
	watcher.join("one", api.Join{})
	for name, end := range map[string]func(*peer){
		"leave": func(p *peer) { p.send(api.FrameLeave, "one", nil) },
		"close": func(p *peer) { _ = p.conn.Close(websocket.StatusNormalClosure, "") },
	} {
		p := r.dial(alice)
		first, _ := p.join("one", api.Join{})
		watcher.presence()
		end(p)
		if got := watcher.presence(); got.Event != "leave" || got.Member.ID != first.Member {
			t.Errorf("%s: told %+v", name, got)
		}
	}
}

// beats answers pings and returns how long after one another they were sent, by wsd's clock.
func (p *peer) beats(n int) (gaps []time.Duration) {
	p.t.Helper()
	var last time.Time
	for len(gaps) < n {
		f := p.until(api.FramePing)
		if !last.IsZero() {
			gaps = append(gaps, f.Time.Sub(last))
		}
		last = f.Time
		p.send(api.FramePong, "", api.Ping{T: of[api.Ping](p.t, f).T})
	}
	return gaps
}

func TestPingsComeFasterWhileAConnectionIsUnstableAndSeen(t *testing.T) {
	const slow, fast = 2 * time.Second, 20 * time.Millisecond
	for _, tt := range []struct {
		name    string
		quality activity.Quality
		hidden  bool
		slow    bool
	}{
		{"stable", activity.Stable, false, true},
		{"unstable", activity.Unstable, false, false},
		{"poor", activity.Poor, false, false},
		{"unstable and hidden", activity.Unstable, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Limits{Ping: slow, Hurry: fast, Pong: time.Hour})
			r.fake.add("one", alice)
			p := r.dial(alice)
			p.join("one", api.Join{})
			r.fake.lease(0).read(func(l *lease) { l.quality = tt.quality })
			if tt.hidden {
				p.send(api.FrameVisibility, "one", api.Visibility{Visible: false, InputAgeMS: -1})
			}
			least := slow
			for _, gap := range p.beats(2) {
				least = min(least, gap)
			}
			if (least > slow/2) != tt.slow {
				t.Errorf("the shortest time between two pings was %v", least)
			}
		})
	}
}

// What a connection sends while another takes over its session is refused or told as its
// member's, never as half of each; the race detector judges.
func TestASessionIsTakenOverFromAConnectionThatStillTalks(t *testing.T) {
	r := newRig(t, Limits{PerSecond: 10_000, Burst: 10_000})
	r.fake.add("one", alice)
	watcher, p := r.dial(alice), r.dial(alice)
	watcher.join("one", api.Join{})
	first, _ := p.join("one", api.Join{})
	talked := make(chan struct{})
	go func() {
		defer close(talked)
		for i := range 200 {
			if p.conn.Write(p.ctx, websocket.MessageText, body(api.Frame{Type: api.FrameCursor, Workspace: "one", Payload: body(api.Cursor{Line: i})})) != nil {
				return
			}
		}
	}()
	watcher.until(api.FrameCursor)
	back := r.dial(alice)
	back.join("one", api.Join{Session: first.Session})
	<-talked
	back.send(api.FrameCursor, "one", api.Cursor{File: "last"})
	for {
		c := of[api.Cursor](t, watcher.until(api.FrameCursor))
		if c.Member != first.Member {
			t.Fatalf("told of member %q, want %q", c.Member, first.Member)
		}
		if c.File == "last" {
			return
		}
	}
}
