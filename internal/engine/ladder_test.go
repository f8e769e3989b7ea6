package engine

import (
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

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
