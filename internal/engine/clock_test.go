package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestTheHeartNoticesSleepAndAClockThatWasSet(t *testing.T) {
	begin := time.Now()
	for _, tt := range []struct {
		name            string
		next            time.Time
		stalled, jumped bool
	}{
		{"a second later", begin.Add(time.Second), false, false},
		{"half a minute later", begin.Add(30 * time.Second), false, false},
		{"the daemon stood still", begin.Add(31 * time.Second), true, true},
		{"the machine slept: the monotonic clock did not", begin.Round(0).Add(time.Hour), true, true},
		{"set back a little", begin.Round(0).Add(-time.Second), false, false},
		{"set back", begin.Round(0).Add(-time.Hour), false, true},
	} {
		var h heart
		h.begin(begin)
		if stalled := h.beat(tt.next); stalled != tt.stalled || h.jumped() != tt.jumped || h.jumped() {
			t.Errorf("%s: stalled %t", tt.name, stalled)
		}
		if woke := h.since().Equal(tt.next); woke != tt.stalled {
			t.Errorf("%s: came back at %v", tt.name, h.since())
		}
	}
}

// stall holds the loop, and the tender that waits for it, for d.
func (r *rig) stall(d time.Duration) {
	r.t.Helper()
	done := make(chan error)
	go func() {
		done <- r.do(r.t.Context(), func(*turn) error {
			time.Sleep(100 * time.Millisecond) // until the tender waits
			r.attendance.mark("nobody", time.Now())
			time.Sleep(d)
			return nil
		})
	}()
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

func TestAfterAStallSessionsGetAFreshGraceAndNothingStopsAtOnce(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		for _, name := range []string{"used", "left", "never"} {
			r.create(name)
		}
		l := r.attend("used", activity.Visitor{})
		l.Engage(activity.Input, "x")
		r.attend("left", activity.Visitor{}).Close()
		r.stall(8 * time.Hour)
		r.pass(20 * time.Second)
		for _, name := range []string{"used", "left", "never"} {
			r.want(name, workspace.Running)
		}
		select {
		case <-l.Kicked():
			r.t.Error("the lease has died of the stall")
		default:
		}
		l.Engage(activity.Input, "x")
		if n := len(r.facts(event.ActivityWarning)); n != 3 {
			r.t.Errorf("%d warnings after the stall", n)
		}
		r.pass(20 * time.Second)
		r.want("used", workspace.Running)
		r.want("left", workspace.Stopped)
		r.want("never", workspace.Stopped)
	})
}

func TestARestartOfWsdCountsSessionsAsDisconnectedAtItsStart(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		r.vouched("demo")
		r.pass(20 * time.Minute)
		r.shutdown()
		time.Sleep(5 * time.Minute)
		r.start()
		rec := r.record("demo")
		if rec.Facts.Sessions != 0 || time.Since(rec.Facts.Disconnected) > time.Second {
			r.t.Fatalf("recorded: %+v", rec.Facts)
		}
		r.pass(25 * time.Second)
		r.vouched("demo") // within the grace
		r.wantUp("demo", 30*time.Minute-25*time.Minute-25*time.Second)
	})
}

func TestAfterACrashClocksErrOnTheSideOfStayingUp(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		r.pass(10 * time.Minute)
		l.Engage(activity.Input, "x")
		r.pass(10 * time.Second)
		l.Engage(activity.Input, "x") // too soon to be written
		engaged, written := time.Now(), r.record("demo").Facts
		r.shutdown()
		r.unwrite(written) // as a kill would have left it
		r.start()
		if got := r.record("demo").Facts.Engaged; got.Before(engaged) {
			r.t.Errorf("engaged at %v, after the crash %v", engaged, got)
		}
	})
}

// unwrite takes back what the daemon wrote at its end.
func (r *rig) unwrite(f activity.Facts) {
	r.t.Helper()
	db, err := store.Open(r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	err = db.Update(func(tx *store.Tx) error {
		for w, err := range tx.Workspaces() {
			if err != nil {
				return err
			}
			rec, _, err := tx.Activity(w.ID)
			if err != nil {
				return err
			}
			rec.Facts = f
			if err := tx.PutActivity(rec); err != nil {
				return err
			}
		}
		_, err := tx.Append(event.Event{Time: time.Now(), Kind: event.JobRetried}) // no farewell in the end
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// shift moves every time of every record, as a clock does that was set back by d.
func (r *rig) shift(d time.Duration) {
	r.t.Helper()
	err := r.do(r.t.Context(), func(t *turn) error {
		for w, err := range t.Workspaces() {
			if err != nil {
				return err
			}
			rec, ok, err := t.Activity(w.ID)
			if err != nil || !ok {
				return err
			}
			for _, at := range []*time.Time{&rec.Facts.Engaged, &rec.Facts.ReadyAt, &rec.Facts.StartedAt, &rec.Facts.Disconnected, &rec.Facts.Worked, &rec.StopAt} {
				if !at.IsZero() {
					*at = at.Add(d)
				}
			}
			if err := t.PutActivity(rec); err != nil {
				return err
			}
			if at, ok, _ := t.Deadline(store.DeadlineActivity, w.ID); ok {
				if err := t.PutDeadline(store.Deadline{At: at.Add(d), Kind: store.DeadlineActivity, Key: w.ID}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, ro := range r.attendance.list() {
		ro.mu.Lock()
		ro.engaged, ro.worked = ro.engaged.Round(0).Add(d), ro.worked.Round(0).Add(d)
		ro.mu.Unlock()
	}
	r.heart.mu.Lock()
	r.heart.last = r.heart.last.Round(0).Add(d)
	r.heart.mu.Unlock()
	r.pass(2 * time.Second)
}

func TestAClockThatWasSetBackNeitherShortensALifeNorKeepsItForEver(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		r.vouched("demo").Engage(activity.Input, "x")
		r.pass(10 * time.Minute)
		r.shift(24 * time.Hour)
		r.pass(29 * time.Minute)
		r.want("demo", workspace.Running)
		r.pass(2 * time.Minute)
		r.want("demo", workspace.Stopped)
	})
}

func TestWhatRanBeforeRecordsWereKeptIsNotStoppedByAnUpgrade(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		w := r.create("demo")
		r.pass(25 * time.Minute)
		err := r.do(r.t.Context(), func(t *turn) error { return t.DropActivity(w.ID) })
		if err != nil {
			r.t.Fatal(err)
		}
		r.restart()
		r.wantUp("demo", 30*time.Minute)
	})
}
