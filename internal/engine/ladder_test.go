package engine

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// scale is a driver that notes the cores which containers were given last.
type scale struct {
	rt.Driver
	mu    sync.Mutex
	cores float64
}

// Update implements rt.Driver.
func (s *scale) Update(ctx context.Context, r rt.Ref, l workspace.Limits) ([]string, error) {
	soft, err := s.Driver.Update(ctx, r, l)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cores = l.CPUs
	}
	return soft, err
}

func (s *scale) given() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cores
}

// A container keeps the cores that it was given, however its run ends and whatever the
// settings say later: who uses it next gets its own back.
func TestCoresThatWereTakenComeBack(t *testing.T) {
	again := func(r *rig) {
		r.command("demo", api.Start)
		r.settle()
	}
	for _, tt := range []struct {
		name string
		back func(r *rig, l activity.Lease, c *Activity)
	}{
		{"somebody uses it", func(_ *rig, l activity.Lease, _ *Activity) { l.Engage(activity.Input, "x") }},
		{"a person stops and starts it", func(r *rig, _ activity.Lease, _ *Activity) {
			r.command("demo", api.Stop)
			r.settle()
			again(r)
		}},
		{"a person restarts it", func(r *rig, _ activity.Lease, _ *Activity) { r.command("demo", api.Restart) }},
		{"it stops by itself and is started", func(r *rig, _ activity.Lease, _ *Activity) {
			r.pass(31 * time.Minute)
			r.want("demo", workspace.Stopped)
			again(r)
		}},
		{"it crashes and is started", func(r *rig, _ activity.Lease, _ *Activity) {
			if err := r.box.Kill(ref(r.get("demo")), 1, false); err != nil {
				r.t.Fatal(err)
			}
			r.pass(time.Second)
			r.want("demo", workspace.Failed)
			again(r)
		}},
		{"the machine is restarted", func(r *rig, _ activity.Lease, _ *Activity) {
			r.box.Restart()
			r.pass(20 * time.Second)
			r.want("demo", workspace.Running)
		}},
		{"nobody is throttled any more", func(r *rig, _ activity.Lease, c *Activity) {
			c.Throttle = 0
			r.restart()
			r.vouched("demo").Engage(activity.Input, "x")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s scale
			now := Activity{Policy: activity.DefaultPolicy, Throttle: 0.25}
			inUseBubble(t, func(c *Config) {
				s.Driver, c.Driver, c.Activity = c.Driver, &s, now
			}, func(r *rig) {
				r.create("demo")
				l := r.vouched("demo")
				r.pass(2*time.Minute + 5*time.Second)
				if r.record("demo").Step != activity.Throttled || s.given() != 0.25 {
					r.t.Fatalf("idle: it was given %g cores, %+v", s.given(), r.record("demo"))
				}
				tt.back(r, l, &now)
				r.pass(2 * time.Second)
				r.settle()
				w := r.want("demo", workspace.Running)
				if _, pending := w.Condition(workspace.LimitsPending); s.given() != 1 || pending {
					r.t.Errorf("it has %g cores, %+v", s.given(), w.Conditions)
				}
			})
		})
	}
}

func (r *rig) cpus(name string) float64 {
	r.t.Helper()
	return r.limitsOf(r.get(name)).CPUs
}

func TestAnIdleWorkspaceIsThrottledUntilItIsUsed(t *testing.T) {
	inUseBubble(t, func(c *Config) { c.Activity.Throttle = 0.25 }, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		r.pass(2*time.Minute + 5*time.Second)
		y := r.why("demo")
		if y.Step != activity.Throttled || r.cpus("demo") != 0.25 || r.get("demo").Spec.Limits.CPUs != 1 {
			r.t.Fatalf("idle: %s, %g cores", y.Step, r.cpus("demo"))
		}
		if _, pending := ptr(r.get("demo")).Condition(workspace.LimitsPending); pending {
			r.t.Error("the limits wait")
		}
		l.Engage(activity.Input, "x")
		r.pass(time.Second)
		if y := r.why("demo"); y.Step != "" || r.cpus("demo") != 1 || y.Level != activity.Active {
			r.t.Errorf("used: %s, %g cores", y.Step, r.cpus("demo"))
		}
		l.Close()
		r.pass(30 * time.Minute)
		r.want("demo", workspace.Stopped)
		r.command("demo", api.Start)
		r.settle()
		if r.cpus("demo") != 1 || r.record("demo").Step != "" {
			r.t.Error("the next run is throttled")
		}
	})
}

func TestAWorkspaceInTheBackgroundIsFrozenUntilItIsUsed(t *testing.T) {
	inUseBubble(t, func(c *Config) { c.Activity.Pause, c.Activity.Throttle = true, 0.25 }, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		r.pass(11 * time.Minute)
		r.want("demo", workspace.Paused)
		if y := r.why("demo"); y.Step != activity.Paused || y.Level != activity.Background || y.StopAt.IsZero() {
			r.t.Fatalf("in the background: %+v", y)
		}
		l.Engage(activity.Input, "x")
		r.pass(time.Second)
		r.want("demo", workspace.Running)
		r.settle()
		if y := r.why("demo"); y.Step != "" || y.Level != activity.Active || r.cpus("demo") != 1 {
			r.t.Errorf("used: %+v", y)
		}
		r.pass(11 * time.Minute)
		r.want("demo", workspace.Paused)
		r.pass(20 * time.Minute)
		if w := r.want("demo", workspace.Stopped); w.Stop.Reason != workspace.StoppedIdle {
			r.t.Errorf("stopped: %+v", w.Stop)
		}
	})
}

func TestWhatWorksIsNotFrozen(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		r.cfg.Activity.Pause = true
		r.create("demo")
		r.vouched("demo")
		a.tell(func(a *fakeAgent) { a.report = agentapi.Report{Execs: 1} })
		r.pass(12 * time.Minute)
		r.want("demo", workspace.Running)
		a.tell(func(a *fakeAgent) { a.report = agentapi.Report{} })
		r.pass(3 * time.Minute)
		r.want("demo", workspace.Paused)
	})
}

func TestWhatWorksKeepsItsCores(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		r.cfg.Activity.Throttle = 0.25
		r.create("demo")
		r.vouched("demo")
		a.tell(func(a *fakeAgent) { a.report = agentapi.Report{Execs: 1} })
		for range 8 {
			r.pass(time.Minute)
			if y := r.why("demo"); r.cpus("demo") != 1 || y.Step != "" {
				r.t.Fatalf("while something works it is %s, %s, and has %g cores", y.Level, y.Step, r.cpus("demo"))
			}
		}
		a.tell(func(a *fakeAgent) { a.report = agentapi.Report{} })
		r.pass(2 * time.Minute)
		if y := r.why("demo"); r.cpus("demo") != 0.25 || y.Step != activity.Throttled {
			r.t.Errorf("after it has worked it is %s, %s, and has %g cores", y.Level, y.Step, r.cpus("demo"))
		}
	})
}

func TestALadderStepSurvivesARestartOfWsd(t *testing.T) {
	inUseBubble(t, func(c *Config) { c.Activity.Pause = true }, func(r *rig) {
		r.create("demo")
		r.vouched("demo")
		r.pass(11 * time.Minute)
		r.restart()
		r.want("demo", workspace.Paused)
		r.vouched("demo").Engage(activity.Input, "x")
		r.pass(2 * time.Second)
		r.want("demo", workspace.Running)
		if _, err := r.Awake(r.t.Context(), alice, "demo"); err != nil {
			r.t.Error(err)
		}
	})
}

// What is held runs, though nobody uses it: also what was frozen before.
func TestWhatIsHeldIsNotFrozen(t *testing.T) {
	inUseBubble(t, func(c *Config) { c.Activity.Pause = true }, func(r *rig) {
		r.create("demo")
		r.vouched("demo")
		hold := func() {
			if _, err := r.Hold(r.t.Context(), alice, "demo", api.HoldRequest{For: hour / 2}); err != nil {
				r.t.Fatal(err)
			}
		}
		hold()
		r.pass(29 * time.Minute)
		r.want("demo", workspace.Running)
		hold()
		r.pass(29 * time.Minute)
		r.want("demo", workspace.Running)
		if _, err := r.Extend(r.t.Context(), alice, "demo", api.Extend{}); err != nil {
			r.t.Fatal(err)
		}
		r.pass(12 * time.Minute)
		r.want("demo", workspace.Paused)
		hold()
		r.settle()
		r.want("demo", workspace.Running)
	})
}
