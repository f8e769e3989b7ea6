package gateway

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// counts are how often each workspace was measured for each user.
func (f *fake) counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.measured)
}

func TestSamplesAreOfWhatIsLookedAtAndMayBeSeen(t *testing.T) {
	r := newRig(t, Limits{Sample: 5 * time.Millisecond})
	one, two := r.fake.add("one", alice), r.fake.add("two", alice)
	theirs := r.fake.add("theirs", mallet)
	p := r.dial(alice)
	p.join(api.AllRooms, api.Join{Observe: true, Types: []string{api.FrameState}}) // what was asked for comes in any case
	p.send(api.FrameSamples, api.AllRooms, api.Samples{Workspaces: []string{one.ID, theirs.ID, "gone"}})
	for last := int64(0); last < 3; {
		f := p.until(api.FrameSample)
		s := of[api.Sample](t, f)
		if s.Workspace != one.ID || s.Usage.Pids <= last || f.Seq != 0 || f.Workspace != api.AllRooms {
			t.Fatalf("got %+v %s after %d", f, f.Payload, last)
		}
		last = s.Usage.Pids
	}
	p.send(api.FrameSamples, api.AllRooms, api.Samples{Workspaces: []string{two.ID}})
	eventually(t, "the other is measured", func() bool { return r.fake.counts()[alice.ID+" "+two.ID] > 0 })
	before := r.fake.counts()[alice.ID+" "+one.ID]
	eventually(t, "the other is measured again", func() bool { return r.fake.counts()[alice.ID+" "+two.ID] > 3 })
	if now := r.fake.counts()[alice.ID+" "+one.ID]; now > before {
		t.Errorf("what nobody looks at any more was measured %d times", now-before)
	}
	for key := range r.fake.counts() {
		if strings.HasSuffix(key, theirs.ID) {
			t.Errorf("%s was measured", key)
		}
	}
}

func TestOneMeasurementServesEveryClientOfAUser(t *testing.T) {
	r := newRig(t, Limits{Sample: time.Hour})
	w := r.fake.add("one", alice)
	lobby, room := r.dial(alice), r.dial(alice)
	lobby.join(api.AllRooms, api.Join{Observe: true})
	room.join("one", api.Join{})
	lobby.send(api.FrameSamples, api.AllRooms, api.Samples{Workspaces: []string{w.ID}})
	first := of[api.Sample](t, lobby.until(api.FrameSample))
	room.send(api.FrameSamples, "one", api.Samples{Workspaces: []string{w.ID, w.ID}})
	room.send(api.FramePing, "", api.Ping{T: 1})
	room.until(api.FramePong) // it looks
	if n := r.fake.counts()[alice.ID+" "+w.ID]; n != 1 || first.Usage.Pids != 1 {
		t.Errorf("measured %d times", n)
	}
	r.fake.lease(0).read(func(l *lease) {
		if len(l.engaged) > 0 {
			t.Errorf("to look is taken for use: %v", l.engaged)
		}
	})
}

func TestWhoIsGoneIsNotMeasuredFor(t *testing.T) {
	r := newRig(t, Limits{Sample: time.Millisecond})
	w := r.fake.add("one", alice)
	ends := map[string]func(p *peer){
		"the connection breaks":   func(p *peer) { _ = p.conn.CloseNow() },
		"the room is left":        func(p *peer) { p.send(api.FrameLeave, api.AllRooms, nil) },
		"nothing is looked at":    func(p *peer) { p.send(api.FrameSamples, api.AllRooms, api.Samples{}) },
		"the room is joined anew": func(p *peer) { p.send(api.FrameJoin, api.AllRooms, api.Join{Observe: true}) },
	}
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		p := r.dial(alice)
		p.join(api.AllRooms, api.Join{Observe: true})
		p.send(api.FrameSamples, api.AllRooms, api.Samples{Workspaces: []string{w.ID}})
		p.until(api.FrameSample)
		ends[name](p)
		eventually(t, name+" ends the samples", func() bool {
			r.hub.sampler.mu.Lock()
			defer r.hub.sampler.mu.Unlock()
			return len(r.hub.sampler.looks) == 0
		})
	}
}

func TestRefusedSamples(t *testing.T) {
	r := newRig(t, Limits{Samples: 2})
	r.fake.add("one", alice)
	w := r.fake.add("two", alice)
	p := r.dial(alice)
	refused := func(ref, code string, ids ...string) {
		t.Helper()
		p.send(api.FrameSamples, ref, api.Samples{Workspaces: ids})
		for {
			f := p.next()
			if f.Type == api.FrameError {
				if got := of[api.FrameProblem](t, f); got.Code != code || got.Re != api.FrameSamples {
					t.Errorf("%v in %s: %+v, want %s", ids, ref, got, code)
				}
				return
			}
		}
	}
	refused(api.AllRooms, "not_joined", w.ID)
	p.join(api.AllRooms, api.Join{Observe: true})
	p.join("one", api.Join{})
	refused(api.AllRooms, "samples_too_many", "a", "b", "c")
	refused(api.AllRooms, "samples_invalid", "")
	refused(api.AllRooms, "samples_invalid", strings.Repeat("x", 65))
	refused("one", "samples_invalid", w.ID)
}

// TestTheRhythmOfSamples turns the clock: newly looked at is measured at once, then every so
// often, together; and never while nobody looks.
func TestTheRhythmOfSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		one, two := f.add("one", alice), f.add("two", alice)
		p := newSampler(f, 2*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go p.run(ctx)
		s := &seat{actor: alice, room: newRoom(api.AllRooms, DefaultLimits(), func() {}), queue: newQueue(DefaultLimits(), nil), sampler: p}
		expect := func(when string, a, b int) {
			t.Helper()
			synctest.Wait()
			if got := f.counts(); got[alice.ID+" "+one.ID] != a || got[alice.ID+" "+two.ID] != b {
				t.Errorf("%s: %v, want %d and %d", when, got, a, b)
			}
		}
		time.Sleep(time.Hour)
		expect("while nobody looks", 0, 0)
		p.look(s, []string{one.ID})
		expect("at once", 1, 0)
		time.Sleep(time.Second)
		p.look(s, []string{one.ID, two.ID})
		expect("only what is new", 1, 1)
		time.Sleep(time.Second)
		expect("after two seconds", 2, 1)
		time.Sleep(time.Second)
		expect("two seconds after it was new", 2, 2)
		f.commit(two.ID, event.WorkspaceState, func(w *workspace.Workspace) { w.State = workspace.Stopped })
		time.Sleep(10 * time.Second)
		expect("what does not run is passed over", 7, 2)
		if frames, _ := s.queue.size(); frames != 2 {
			t.Errorf("%d frames wait for who does not read, want the newest of each", frames)
		}
		s.leave()
		time.Sleep(time.Hour)
		expect("after the last has gone", 7, 2)
	})
}
