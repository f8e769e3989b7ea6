package gateway

import (
	"runtime"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
)

// fill commits n facts of a workspace.
func (r *rig) fill(id string, n int) {
	for range n {
		r.fake.commit(id, event.WorkspaceUpdated, nil)
	}
}

func TestWhoComesBackGetsExactlyWhatWasMissed(t *testing.T) {
	r := newRig(t, Limits{RingFrames: 100})
	w := r.fake.add("one", alice)
	stays := r.dial(alice)
	_, told := stays.join("one", api.Join{})
	epoch := told[0].Epoch
	r.fill(w.ID, 150)
	for seq := uint64(1); seq <= 150; seq++ {
		if f := stays.until(api.FrameUpdated); f.Seq != seq {
			t.Fatalf("frame %d has the number %d", seq, f.Seq)
		}
	}
	for _, tt := range []struct {
		name  string
		join  api.Join
		first uint64 // missed frames begin here; 0: a snapshot
	}{
		{"nothing was missed", api.Join{Epoch: epoch, Since: 150}, 151},
		{"ten were missed", api.Join{Epoch: epoch, Since: 140}, 141},
		{"all that the room remembers", api.Join{Epoch: epoch, Since: 50}, 51},
		{"more than the room remembers", api.Join{Epoch: epoch, Since: 49}, 0},
		{"another epoch", api.Join{Epoch: "before", Since: 140}, 0},
		{"a number of the future", api.Join{Epoch: epoch, Since: 151}, 0},
		{"no number at all", api.Join{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := r.dial(alice)
			joined, told := p.join("one", tt.join)
			if joined.Recovered != (tt.first > 0) || (told[0].Type == api.FrameSnapshot) != (tt.first == 0) {
				t.Fatalf("%+v, then %v", joined, typesOf(told))
			}
			want := tt.first
			for _, f := range told {
				if f.Type == api.FrameUpdated {
					if f.Seq != want {
						t.Fatalf("got %d, want %d", f.Seq, want)
					}
					want++
				}
			}
			if tt.first > 0 && want != 151 {
				t.Errorf("the last one is %d", want-1)
			}
			if tt.first == 0 && told[0].Seq != 150 {
				t.Errorf("the snapshot continues at %d", told[0].Seq)
			}
		})
	}
}

func TestASessionIsResumedByItsID(t *testing.T) {
	r := newRig(t, Limits{})
	r.fake.add("one", alice)
	p := r.dial(alice)
	joined, _ := p.join("one", api.Join{})
	_ = p.conn.CloseNow()
	again, _ := r.dial(alice).join("one", api.Join{Session: joined.Session})
	if v := r.fake.lease(1).visitor; again.Session != joined.Session || v.Resume != joined.Session || v.Kind != "gateway" {
		t.Errorf("joined %+v as %+v", again, v)
	}
}

func TestWhenTheEnginesNumbersBeginAnewEverybodyJoinsAgain(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	p := r.dial(alice)
	_, told := p.join("one", api.Join{})
	r.fill(w.ID, 3)
	for range 3 {
		p.until(api.FrameUpdated)
	}
	r.fake.mu.Lock()
	r.fake.epoch, r.fake.events = "restored", nil
	r.fake.mu.Unlock()
	r.fake.bus.Close() // every watch ends; later ones end at once, until there is a bus again
	p.until(api.FrameResync)
	r.fake.mu.Lock()
	r.fake.bus = event.Bus[api.Message]{}
	r.fake.mu.Unlock()
	joined, again := p.join("one", api.Join{Epoch: told[0].Epoch, Since: 3})
	if joined.Recovered || again[0].Epoch == told[0].Epoch {
		t.Errorf("%+v in epoch %s", joined, again[0].Epoch)
	}
	eventually(t, "facts arrive again", func() bool {
		r.fill(w.ID, 1)
		return r.seq(w.ID) > 0
	})
	p.until(api.FrameUpdated)
}

// What happens while nobody watches the engine is not missed by who joins meanwhile.
func TestWhoJoinsBetweenTwoWatchesMissesNothing(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	r.dial(alice).join("one", api.Join{})
	r.fake.mu.Lock()
	r.fake.gate, r.fake.epoch = make(chan struct{}), "restored"
	r.fake.mu.Unlock()
	r.fake.bus.Close() // the watch ends; the next one is told of another store
	r.fake.mu.Lock()
	r.fake.bus = event.Bus[api.Message]{}
	watches := r.fake.watches
	r.fake.mu.Unlock()
	eventually(t, "the watch is to begin from the start", func() bool {
		r.fake.mu.Lock()
		defer r.fake.mu.Unlock()
		return r.fake.watches > watches
	})
	p := r.dial(alice)
	p.join("one", api.Join{})
	r.fill(w.ID, 1)
	close(r.fake.gate)
	for {
		if f := p.next(); f.Type == api.FrameResync || f.Type == api.FrameUpdated {
			return
		}
	}
}

// A client may join as often as it likes and read nothing: what it was given before and has
// not taken is not given twice.
func TestWhoJoinsARoomAgainAndAgainIsGivenItOnce(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	r.dial(alice).join("one", api.Join{}) // the room remembers what comes
	c := deaf(t.Context(), r.hub)
	defer c.leaveAll()
	room := r.hub.room(w.ID, w.ID)
	r.fill(w.ID, 50)
	eventually(t, "the facts are told", func() bool { return r.seq(w.ID) == 50 })
	join := api.Join{Epoch: room.epoch}
	enter := func(after string) (frames, bytes int) {
		t.Helper()
		if err := c.join(api.Frame{Workspace: "one", Payload: body(join)}); err != nil {
			t.Fatal(after, err)
		}
		return c.queue.size()
	}
	frames, bytes := enter("at first")
	if frames < 50 {
		t.Fatalf("it was given %d frames", frames)
	}
	for range 20 {
		if n, b := enter("again"); n != frames || b > bytes+100 { // times and numbers differ in length
			t.Fatalf("joined again it has %d frames, %d bytes; at first %d, %d", n, b, frames, bytes)
		}
	}
	for range 20 {
		if err := c.leave(api.Frame{Workspace: "one"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		enter("after it has left")
	}
	if n, _ := c.queue.size(); n != frames+20 { // and that it has left, each time
		t.Errorf("in the end it has %d frames, at first %d", n, frames)
	}
}

func TestWhoLeavesARoomLeavesNothingRunning(t *testing.T) {
	r := newRig(t, Limits{})
	r.fake.add("one", alice)
	r.dial(alice).join("one", api.Join{})
	c := deaf(t.Context(), r.hub)
	defer c.leaveAll()
	const times = 100
	before := runtime.NumGoroutine()
	for range times {
		if err := c.join(api.Frame{Workspace: "one"}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "only one lease is watched", func() bool { return runtime.NumGoroutine() < before+times/2 })
}
