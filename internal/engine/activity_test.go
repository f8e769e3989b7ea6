package engine

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// inUseBubble is inBubble with the default policy in force.
func inUseBubble(t *testing.T, change func(*Config), test func(r *rig)) {
	t.Helper()
	inBubble(t, func(r *rig) {
		r.tweak = func(c *Config) {
			c.Activity.Policy = activity.DefaultPolicy
			if change != nil {
				change(c)
			}
		}
		r.restart()
		test(r)
	})
}

func (r *rig) attend(name string, v activity.Visitor) activity.Lease {
	r.t.Helper()
	if v.Kind == "" {
		v.Kind = activity.Terminal
	}
	l, err := r.Attend(r.t.Context(), alice, name, v)
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

// vouched is a lease whose connection is known to be there.
func (r *rig) vouched(name string) activity.Lease {
	r.t.Helper()
	return r.attend(name, activity.Visitor{Vouched: true})
}

func (r *rig) why(name string) api.Why {
	r.t.Helper()
	y, err := r.Why(r.t.Context(), alice, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return y
}

func (r *rig) record(name string) activity.Record {
	r.t.Helper()
	w := r.get(name)
	var rec activity.Record
	err := r.store.View(func(tx *store.Tx) (err error) {
		rec, _, err = tx.Activity(w.ID)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return rec
}

// pass lets virtual time pass.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// facts are those of one kind, oldest first.
func (r *rig) facts(kind event.Kind) []event.Event {
	r.t.Helper()
	all, err := r.Events(r.t.Context(), root, 0, 100000, "")
	if err != nil {
		r.t.Fatal(err)
	}
	var out []event.Event
	for _, e := range all {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// wantUp fails unless the workspace runs for d from now, and has stopped soon after.
func (r *rig) wantUp(name string, d time.Duration) workspace.Workspace {
	r.t.Helper()
	r.pass(d - time.Second)
	r.want(name, workspace.Running)
	r.pass(8 * time.Second) // the second, and the look at it before
	w := r.want(name, workspace.Stopped)
	if w.Stop == nil || w.Stop.Detail == "" || w.Desired != workspace.WantStopped {
		r.t.Errorf("%s has stopped without evidence: %+v", name, w.Stop)
	}
	return w
}

func TestAWorkspaceStopsWhenNobodyUsesIt(t *testing.T) {
	for _, tt := range []struct {
		name  string
		use   func(r *rig)
		after time.Duration
		says  string
	}{
		{"never used since it was asked for", func(*rig) {}, 30 * time.Minute, "nobody has connected, last used at 2000-01-01T00:00:00Z (command start by uid:1000), which counts for 30 min"},
		{"connected, and nobody types", func(r *rig) { r.vouched("demo") }, 30 * time.Minute, "(command start by uid:1000), which counts for 30 min"},
		{"connected, and somebody has typed", func(r *rig) {
			l := r.vouched("demo")
			r.pass(10 * time.Minute)
			l.Engage(activity.Input, "terminal main")
		}, 30 * time.Minute, "(input terminal main by uid:1000), which counts for 30 min (policy default)"},
		{"disconnected after it was used", func(r *rig) {
			l := r.vouched("demo")
			l.Engage(activity.Input, "terminal main")
			r.pass(time.Minute)
			l.Close()
		}, 9 * time.Minute, "(input terminal main by uid:1000), which counts for 10 min"},
		{"disconnected long after it was used", func(r *rig) {
			l := r.vouched("demo")
			r.pass(20 * time.Minute)
			l.Close()
		}, 30 * time.Second, "the last connection ended at"},
		{"back within the grace", func(r *rig) {
			l := r.vouched("demo")
			r.pass(20 * time.Minute)
			l.Close()
			r.pass(20 * time.Second)
			r.vouched("demo")
		}, 10*time.Minute - 20*time.Second, "nobody has used it"},
		{"a lease without a sign of life", func(r *rig) {
			r.attend("demo", activity.Visitor{})
			r.pass(20 * time.Minute) // it has died long ago, and was over with its grace
		}, 0, ""},
		{"a command of a person", func(r *rig) {
			r.pass(20 * time.Minute)
			labels := map[string]*string{"a": ptr("b")}
			if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Labels: labels}); err != nil {
				r.t.Fatal(err)
			}
		}, 30 * time.Minute, "(command update by uid:1000)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inUseBubble(t, nil, func(r *rig) {
				r.create("demo")
				tt.use(r)
				if tt.after == 0 {
					if w := r.want("demo", workspace.Stopped); w.Stop.Reason != workspace.StoppedIdle {
						r.t.Errorf("stopped: %+v", w.Stop)
					}
					return
				}
				w := r.wantUp("demo", tt.after)
				if w.Stop.Reason != workspace.StoppedIdle || w.Stop.Actor != workspace.Daemon || !strings.Contains(w.Stop.Detail, tt.says) {
					r.t.Errorf("stopped: %+v", w.Stop)
				}
			})
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestAWarningComesBeforeEveryStopAndOnceForEach(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		r.pass(26 * time.Minute)
		if got := r.facts(event.ActivityWarning); len(got) != 1 || got[0].Detail["left"] != "5m0s" || got[0].Detail["cause"] != "engagement" {
			r.t.Fatalf("after 26 minutes: %+v", got)
		}
		l.Engage(activity.Input, "terminal main")
		r.pass(24 * time.Minute)
		if got := r.facts(event.ActivityWarning); len(got) != 1 {
			r.t.Errorf("after it was used again: %+v", got)
		}
		r.wantUp("demo", 6*time.Minute)
		got := r.facts(event.ActivityWarning)
		if len(got) != 3 || got[1].Detail["left"] != "5m0s" || got[2].Detail["left"] != "1m0s" {
			r.t.Errorf("in the end: %+v", got)
		}
	})
}

func TestTheWorstConnectionThatLivesIsTold(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		id := r.create("demo").ID
		want := func(when string, q activity.Quality) {
			r.t.Helper()
			if got := r.Uses(id)[id].Quality; got != q {
				r.t.Errorf("%s: %q, want %q", when, got, q)
			}
		}
		want("without a connection", "")
		good, bad := r.vouched("demo"), r.vouched("demo")
		good.Trip(time.Millisecond)
		want("before anything was measured", activity.Stable)
		bad.Trip(time.Millisecond)
		bad.Missed()
		want("one has missed an answer", activity.Unstable)
		bad.Missed()
		want("and another", activity.Poor)
		good.Trip(time.Millisecond)
		want("whatever the others do", activity.Poor)
		bad.Close()
		want("once it has gone", activity.Stable)
	})
}

func TestLevelsAreFacts(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		r.pass(11 * time.Minute)
		if u := r.Uses(r.get("demo").ID); len(u) != 1 || u[r.get("demo").ID].Level != activity.Background || u[r.get("demo").ID].Sessions != 1 {
			r.t.Errorf("used: %+v", u)
		}
		l.Engage(activity.Input, "x")
		r.pass(time.Second)
		if next := r.why("demo").Next; len(next) == 0 || next[0].Why != "nobody has used it for 2 min then" {
			r.t.Errorf("next: %+v", next)
		}
		l.Close()
		r.pass(31 * time.Second)
		var steps []string
		for _, f := range r.facts(event.ActivityLevel) {
			steps = append(steps, f.Detail["to"])
		}
		if got := strings.Join(steps, " "); got != "active idle background active disconnected" {
			r.t.Errorf("levels: %s", got)
		}
		if y := r.why("demo"); y.Level != activity.Disconnected || len(y.Next) == 0 || y.Next[len(y.Next)-1].What != "stop" {
			r.t.Errorf("why: %+v", y)
		}
		revision := r.get("demo").Revision
		r.pass(5 * time.Minute)
		if r.get("demo").Revision != revision {
			r.t.Error("a level changes the revision")
		}
	})
}

// Who looks learns how a run is used when it begins, though nobody does anything in it: by
// a signal, as no level has changed.
func TestTheFirstLevelOfARunIsTold(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		var all []api.Message
		stop := r.watch(-1, &all)
		r.create("demo")
		first := r.why("demo")
		r.command("demo", api.Restart)
		r.settle()
		second := r.why("demo")
		stop()
		var told, want []string
		for _, m := range all {
			if m.Signal != nil && m.Signal.Kind == event.StopMoved {
				told = append(told, m.Signal.Detail["level"]+" "+m.Signal.Detail["stop_at"])
			}
		}
		for _, y := range []api.Why{first, second} {
			want = append(want, string(y.Level)+" "+stamp(y.StopAt))
		}
		if !slices.Equal(told, want) {
			r.t.Errorf("told %q, want %q", told, want)
		}
	})
}

// A key that is pressed costs no turn: the record is written when the stop has moved by a
// twentieth of its way, or with a new kind of evidence.
func TestKeystrokesAreWrittenSeldom(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		r.pass(3 * time.Second)
		var writes int
		last := r.record("demo").Facts.Engaged
		for range 600 {
			l.Engage(activity.Input, "terminal main")
			r.pass(time.Second)
			if at := r.record("demo").Facts.Engaged; !at.Equal(last) {
				writes, last = writes+1, at
			}
		}
		if writes < 4 || writes > 12 {
			r.t.Errorf("ten minutes of typing were written %d times", writes)
		}
		if y := r.why("demo"); y.Facts.Engaged.Before(time.Now().Add(-2*time.Second)) || y.Ledger[len(y.Ledger)-1].Count != 600 {
			r.t.Errorf("why tells %+v of %v", y.Ledger, y.Facts.Engaged)
		}
		r.restart()
		if rec := r.record("demo"); rec.Ledger[len(rec.Ledger)-1].Count != 600 || rec.Facts.Sessions != 0 || rec.Facts.Disconnected.IsZero() {
			r.t.Errorf("after an orderly end: %+v", rec)
		}
	})
}

func TestALostSessionComesBackWithItsCounters(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		l.Engage(activity.Input, "x")
		l.Trip(10 * time.Millisecond)
		l.Close()
		l.Engage(activity.Input, "after the end")
		if s, _ := r.Sessions(r.t.Context(), alice, "demo"); len(s) != 1 || s[0].Lost.IsZero() || s[0].Inputs != 1 {
			r.t.Fatalf("lost: %+v", s)
		}
		r.pass(20 * time.Second)
		again := r.attend("demo", activity.Visitor{Resume: l.ID(), Vouched: true})
		again.Engage(activity.Input, "x")
		s, err := r.Sessions(r.t.Context(), alice, "")
		if err != nil || len(s) != 1 || s[0].ID != l.ID() || s[0].Inputs != 2 || s[0].Resumes != 1 || !s[0].Lost.IsZero() || s[0].SRTT != 10 {
			r.t.Errorf("back: %+v, %v", s, err)
		}
		again.Close()
		r.pass(31 * time.Second)
		if third := r.attend("demo", activity.Visitor{Resume: l.ID(), Vouched: true}); third.ID() == l.ID() {
			r.t.Error("it came back after the grace")
		}
		if s, _ := r.Sessions(r.t.Context(), bob, ""); len(s) != 0 {
			r.t.Errorf("another sees %+v", s)
		}
		_, err = r.Attend(r.t.Context(), bob, "demo", activity.Visitor{})
		r.wantCode(err, "workspace_not_found")
	})
}

func TestASilentLeaseDiesAndAKickedOneDoesNotComeBack(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		silent := r.attend("demo", activity.Visitor{})
		kicked := r.vouched("demo")
		for range 5 {
			r.pass(20 * time.Second)
			silent.Alive()
		}
		select {
		case <-silent.Kicked():
			r.t.Fatal("one that shows life has died")
		default:
		}
		r.pass(32 * time.Second)
		select {
		case <-silent.Kicked():
		default:
			r.t.Error("a silent one lives on")
		}
		r.wantCode(r.Kick(r.t.Context(), bob, "demo", kicked.ID()), "workspace_not_found")
		r.wantCode(r.Kick(r.t.Context(), alice, "demo", "sx"), "session_not_found")
		if err := r.Kick(r.t.Context(), alice, "demo", kicked.ID()); err != nil {
			r.t.Fatal(err)
		}
		<-kicked.Kicked()
		if l := r.attend("demo", activity.Visitor{Resume: kicked.ID()}); l.ID() == kicked.ID() {
			r.t.Error("it came back")
		}
		if f := r.facts(event.SessionKicked); len(f) != 1 || f[0].Actor != alice.ID {
			r.t.Errorf("told: %+v", f)
		}
	})
}

func TestSessionsOfAWorkspaceAreBounded(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		first := r.vouched("demo")
		for range maxRoomSessions - 1 {
			r.vouched("demo")
		}
		_, err := r.Attend(r.t.Context(), alice, "demo", activity.Visitor{})
		r.wantCode(err, "sessions_exhausted")
		first.Close() // one that is lost gives way
		r.vouched("demo")
		if r.attendance.total != maxRoomSessions {
			r.t.Errorf("%d are counted", r.attendance.total)
		}
	})
}

// Two come at the moment in which a run ends: the room that one has found is dropped, and
// the other makes a new one.
func TestAWorkspaceHasOneRoom(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		id := r.create("demo").ID
		found, _, err := r.roomOf(alice, "demo")
		if err != nil {
			r.t.Fatal(err)
		}
		r.attendance.drop(id, false)
		first := r.vouched("demo").(*lease)
		second := &lease{engine: r.Engine, room: found, vouched: true, kicked: make(chan struct{}), s: activity.Session{ID: "s2"}}
		if err := found.enter(second); err != nil {
			r.t.Fatal(err)
		}
		if first.room != second.room || r.attendance.find(id) != first.room || first.room.connected() != 2 {
			r.t.Errorf("%d are in the room of the workspace", r.attendance.find(id).connected())
		}
	})
}

func TestAKeyRightAfterALookRaisesTheLevelToo(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		l.Engage(activity.Input, "terminal main")
		r.pass(10*time.Minute + time.Second) // a look has just found it in the background
		if y := r.why("demo"); y.Level != activity.Background {
			r.t.Fatalf("it is %s", y.Level)
		}
		l.Engage(activity.Input, "terminal main")
		r.pass(3 * time.Second)
		if got := r.record("demo"); got.Level != activity.Active || time.Since(got.Facts.Engaged) > 4*time.Second {
			r.t.Errorf("after a key it is recorded as %s, engaged %v ago", got.Level, time.Since(got.Facts.Engaged))
		}
	})
}
