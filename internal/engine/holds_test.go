package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

const hour = workspace.Duration(time.Hour)

func TestAHoldKeepsAWorkspaceRunning(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		h, err := r.Hold(r.t.Context(), alice, "demo", api.HoldRequest{For: 2 * hour, Reason: "long tests"})
		if err != nil {
			r.t.Fatal(err)
		}
		if y := r.why("demo"); y.Cause != activity.ByHold || !y.StopAt.Equal(h.Until) || len(y.Holds) != 1 || r.Uses(r.get("demo").ID)[r.get("demo").ID].HeldUntil != h.Until {
			r.t.Errorf("why: %+v", y)
		}
		r.pass(time.Hour)
		r.restart() // it survives
		r.want("demo", workspace.Running)
		w := r.wantUp("demo", time.Hour)
		if !strings.Contains(w.Stop.Detail, "nobody") {
			r.t.Errorf("stopped: %+v", w.Stop)
		}
		if f := append(r.facts(event.ActivityHold), r.facts(event.ActivityUnhold)...); len(f) != 2 || f[0].Detail["reason"] != "long tests" || f[1].Detail["why"] != "time" {
			r.t.Errorf("told: %+v", f)
		}
	})
}

func TestAHoldEndsWhenAskedOrWithItsSession(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		r.pass(time.Hour / 4)
		h, err := r.Hold(r.t.Context(), alice, "demo", api.HoldRequest{})
		if err != nil || h.Until.Sub(h.CreatedAt) != maxHold {
			r.t.Fatalf("without a length: %+v, %v", h, err)
		}
		r.wantCode(r.Unhold(r.t.Context(), bob, "demo", h.ID), "workspace_not_found")
		r.wantCode(r.Unhold(r.t.Context(), alice, "demo", "hx"), "hold_not_found")
		if err := r.Unhold(r.t.Context(), alice, "demo", h.ID); err != nil {
			r.t.Fatal(err)
		}
		if y := r.why("demo"); len(y.Holds) != 0 || y.Cause == activity.ByHold {
			r.t.Errorf("why: %+v", y)
		}
		l := r.vouched("demo")
		if _, err := r.Hold(r.t.Context(), alice, "demo", api.HoldRequest{For: 5 * hour, Session: l.ID()}); err != nil {
			r.t.Fatal(err)
		}
		r.pass(time.Hour)
		r.want("demo", workspace.Running)
		l.Close()
		r.pass(29 * time.Second)
		if y := r.why("demo"); len(y.Holds) != 1 {
			r.t.Error("the hold ends before its session can come back")
		}
		r.pass(10 * time.Second)
		r.want("demo", workspace.Stopped)
	})
}

// A session may be kicked that is lost, while others are connected.
func TestAHoldEndsWithALostSessionThatIsKicked(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		r.vouched("demo")
		l := r.vouched("demo")
		if _, err := r.Hold(r.t.Context(), alice, "demo", api.HoldRequest{For: 5 * hour, Session: l.ID()}); err != nil {
			r.t.Fatal(err)
		}
		r.pass(15 * time.Minute)
		l.Close()
		r.pass(time.Second)
		if err := r.Kick(r.t.Context(), alice, "demo", l.ID()); err != nil {
			r.t.Fatal(err)
		}
		r.pass(time.Second)
		if y := r.why("demo"); len(y.Holds) != 0 || y.Cause != activity.ByEngagement {
			r.t.Errorf("why: %s, %+v", y.Cause, y.Holds)
		}
	})
}

func TestHoldsAreBounded(t *testing.T) {
	inUseBubble(t, func(c *Config) { c.Activity.Ceiling.Hold = time.Hour }, func(r *rig) {
		r.create("demo")
		ask := func(h api.HoldRequest) error {
			_, err := r.Hold(r.t.Context(), alice, "demo", h)
			return err
		}
		r.wantCode(ask(api.HoldRequest{For: 2 * hour}), "hold_too_long")
		r.wantCode(ask(api.HoldRequest{For: -hour}), "hold_invalid")
		r.wantCode(ask(api.HoldRequest{Reason: strings.Repeat("x", 201)}), "reason_invalid")
		r.wantCode(ask(api.HoldRequest{Reason: "a\x1b[2J"}), "reason_invalid")
		r.wantCode(ask(api.HoldRequest{Session: "sx"}), "session_not_found")
		for range maxHolds {
			if err := ask(api.HoldRequest{For: hour}); err != nil {
				r.t.Fatal(err)
			}
		}
		r.wantCode(ask(api.HoldRequest{For: hour}), "holds_exhausted")
		r.command("demo", api.Stop)
		r.settle()
		r.wantCode(ask(api.HoldRequest{For: hour}), "state")
	})
}

func TestAHoldOutlivesARunAndTheRecordBeginsAnew(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		if _, err := r.Hold(r.t.Context(), alice, "demo", api.HoldRequest{For: 2 * hour}); err != nil {
			r.t.Fatal(err)
		}
		r.pass(time.Hour)
		r.command("demo", api.Stop) // a person may
		r.settle()
		if y := r.why("demo"); y.Level != "" || y.Workspace.Stop.Reason != workspace.StoppedByUser {
			r.t.Errorf("why: %+v", y)
		}
		r.command("demo", api.Start)
		r.settle()
		rec := r.record("demo")
		if len(rec.Holds) != 1 || rec.Facts.Engaged.Before(time.Now().Add(-time.Minute)) || len(rec.Ledger) != 1 {
			r.t.Errorf("the next run: %+v", rec)
		}
		r.wantUp("demo", time.Until(rec.Holds[0].Until))
	})
}

func TestExtendIsUseAndMayHold(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		r.pass(29 * time.Minute)
		y, err := r.Extend(r.t.Context(), alice, "demo", api.Extend{})
		if err != nil || !y.StopAt.Equal(time.Now().Add(30*time.Minute)) {
			r.t.Errorf("extended: %+v, %v", y.StopAt, err)
		}
		if y, err = r.Extend(r.t.Context(), alice, "demo", api.Extend{For: 3 * hour}); err != nil || !y.StopAt.Equal(time.Now().Add(3*time.Hour)) {
			r.t.Errorf("extended: %+v, %v", y.StopAt, err)
		}
		if f := r.facts(event.ActivityExtended); len(f) != 2 || f[1].Detail["for"] != "3h0m0s" || f[0].Actor != alice.ID {
			r.t.Errorf("told: %+v", f)
		}
		_, err = r.Extend(r.t.Context(), alice, "demo", api.Extend{For: 99 * hour})
		r.wantCode(err, "hold_too_long")
	})
}
