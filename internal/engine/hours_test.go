package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Virtual time begins on a Saturday at midnight.
const firstHour = "Sat 00:00-01:00 UTC"

// withOffice adds a policy of that first hour, in which a connection alone lasts long.
func withOffice(t *testing.T) func(*Config) {
	return func(c *Config) {
		p, _ := activity.Named(activity.RelaxedPolicy)
		h, err := activity.ParseHours(firstHour)
		if err != nil {
			t.Fatal(err)
		}
		p.Name, p.Idle, p.Hours = "office", 10*time.Minute, h
		c.Activity.Policies = []activity.Policy{p}
		c.Activity.Policy = "office"
	}
}

func (r *rig) createWithHours(name, hours string) {
	r.t.Helper()
	req := plain(name)
	req.Hours = hours
	if _, _, err := r.Create(r.t.Context(), alice, req, ""); err != nil {
		r.t.Fatal(err)
	}
	r.settle()
	r.want(name, workspace.Running)
}

func TestWhatNobodyUsesStopsWhenItsHoursEnd(t *testing.T) {
	inUseBubble(t, withOffice(t), func(r *rig) {
		r.create("demo")
		r.vouched("demo")
		y := r.why("demo")
		end := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
		if !y.StopAt.Equal(end) || y.Cause != activity.ByHours || y.Policy.Hours.String() != firstHour {
			t.Fatalf("stops at %s by %s, hours %s", y.StopAt, y.Cause, y.Policy.Hours)
		}
		w := r.wantUp("demo", end.Sub(y.Now))
		if w.Stop.Reason != workspace.StoppedHours || !strings.HasPrefix(w.Stop.Detail, "outside its running hours (Sat 00:00-01:00 UTC), and nobody has used it for 10 min, last used at 2000-01-01T00:00:") {
			t.Errorf("stopped: %+v", w.Stop)
		}
		warned := r.facts(event.ActivityWarning)
		if len(warned) != 2 || warned[0].Detail["cause"] != "hours" {
			t.Errorf("warned: %+v", warned)
		}
	})
}

func TestWhoUsesItIsNotStoppedOutsideItsHours(t *testing.T) {
	inUseBubble(t, withOffice(t), func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		for range 20 {
			r.pass(9 * time.Minute)
			l.Engage(activity.Input, "terminal main")
			r.want("demo", workspace.Running)
		}
		r.wantUp("demo", 10*time.Minute)
		r.pass(24 * time.Hour) // into no hours at all, which would start nothing either
		r.want("demo", workspace.Stopped)
		r.command("demo", api.Start)
		r.settle()
		if y := r.why("demo"); y.Cause != activity.ByHours || y.StopAt.Sub(y.Facts.Engaged) != 10*time.Minute {
			t.Errorf("started outside: it stops at %s by %s", y.StopAt, y.Cause)
		}
	})
}

func TestAHoldOutlastsTheHours(t *testing.T) {
	inUseBubble(t, withOffice(t), func(r *rig) {
		r.create("demo")
		h, err := r.Hold(r.t.Context(), alice, "demo", api.HoldRequest{For: workspace.Duration(3 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if y := r.why("demo"); !y.StopAt.Equal(h.Until) || y.Cause != activity.ByHold {
			t.Errorf("stops at %s by %s", y.StopAt, y.Cause)
		}
		w := r.wantUp("demo", time.Until(h.Until))
		if w.Stop.Reason != workspace.StoppedHours || len(r.facts(event.ActivityWarning)) != 2 {
			t.Errorf("stopped: %+v", w.Stop)
		}
	})
}

func TestHoursOfAWorkspaceStandInPlaceOfItsPolicys(t *testing.T) {
	inUseBubble(t, withOffice(t), func(r *rig) {
		r.createWithHours("longer", "Sat 00:00-02:00 UTC")
		r.createWithHours("free", "always")
		r.create("demo")
		for _, name := range []string{"longer", "free", "demo"} {
			r.vouched(name)
		}
		set := func(text string) { // while it runs
			t.Helper()
			if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Hours: &text}); err != nil {
				t.Fatal(err)
			}
		}
		stops := func(name string, want time.Time) {
			t.Helper()
			if y := r.why(name); !y.StopAt.Equal(want) {
				t.Errorf("%s stops at %s, want %s", name, y.StopAt, want)
			}
			if use := r.Uses(r.get(name).ID)[r.get(name).ID]; !use.StopAt.Equal(want) {
				t.Errorf("the list says that %s stops at %s, want %s", name, use.StopAt, want)
			}
		}
		midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		stops("longer", midnight.Add(2*time.Hour))
		stops("free", r.why("free").Facts.Engaged.Add(4*time.Hour))
		stops("demo", midnight.Add(time.Hour))
		set("00:00-00:30 UTC")
		stops("demo", midnight.Add(30*time.Minute))
		set("always")
		stops("demo", r.why("demo").Facts.Engaged.Add(4*time.Hour))
		set("")
		stops("demo", midnight.Add(time.Hour))
		r.restart()
		r.vouched("longer")
		r.pass(time.Minute)
		stops("longer", midnight.Add(2*time.Hour))
	})
}

func TestHoursThatCannotBeReadAreRefused(t *testing.T) {
	inUseBubble(t, withOffice(t), func(r *rig) {
		refused := func(what string, err error) {
			t.Helper()
			if f := fault.From(err); f.Code != "hours_invalid" || !strings.Contains(f.Error(), `"Mox" is not a day`) || !strings.Contains(f.Hint, "Mon-Fri 08:00-19:00") {
				t.Errorf("%s: %v (%s)", what, err, f.Hint)
			}
		}
		req := plain("demo")
		req.Hours = "Mox 08:00-19:00"
		_, _, err := r.Create(r.t.Context(), alice, req, "")
		refused("create", err)
		r.create("demo")
		_, err = r.Update(r.t.Context(), alice, "demo", 0, api.Update{Hours: &req.Hours})
		refused("update", err)
		if got := r.get("demo").Spec.Hours; got != "" {
			t.Errorf("refused hours were written: %q", got)
		}
	})
}
