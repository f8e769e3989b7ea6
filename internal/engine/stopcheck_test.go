package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

// inWatchedBubble is inUseBubble where containers have an agent.
func inWatchedBubble(t *testing.T, test func(r *rig, a *fakeAgent)) {
	t.Helper()
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		tweak := r.tweak
		r.tweak = func(c *Config) {
			tweak(c)
			c.Activity.Policy = activity.DefaultPolicy
		}
		r.restart()
		test(r, a)
	})
}

func (r *rig) createWith(name string, change func(*workspace.Spec)) {
	r.t.Helper()
	r.create(name)
	w := r.get(name)
	err := r.do(r.t.Context(), func(t *turn) error {
		w, err := t.Workspace(w.ID)
		if err != nil {
			return err
		}
		w = w.Clone()
		change(&w.Spec)
		return t.put(&w)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// What nobody told of is looked for before a stop: work delays it, a person moves it.
func TestBeforeAStopItIsLookedForWork(t *testing.T) {
	for _, tt := range []struct {
		name   string
		report agentapi.Report
		kind   activity.Evidence // "" : it stops
	}{
		{"nothing", agentapi.Report{}, ""},
		{"a running exec", agentapi.Report{Execs: 1}, activity.RunsExec},
		{"a job in the foreground", agentapi.Report{Terminals: []agentapi.Terminal{{Name: "main", Foreground: "make"}}}, activity.Foreground},
		{"an editor that nobody types into", agentapi.Report{Terminals: []agentapi.Terminal{{Name: "main", Foreground: "vim"}}}, ""},
		{"a shell at its prompt", agentapi.Report{Terminals: []agentapi.Terminal{{Name: "main"}}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWatchedBubble(t, func(r *rig, a *fakeAgent) {
				r.create("demo")
				a.tell(func(a *fakeAgent) { a.report = tt.report })
				r.pass(30*time.Minute + 10*time.Second)
				if tt.kind == "" {
					r.want("demo", workspace.Stopped)
					return
				}
				r.want("demo", workspace.Running)
				y := r.why("demo")
				if last := y.Ledger[len(y.Ledger)-1]; y.Cause != activity.ByWork || last.Kind != tt.kind || y.Level != activity.Disconnected {
					r.t.Errorf("why: %s by %s, %+v", y.Level, y.Cause, y.Ledger)
				}
				a.tell(func(a *fakeAgent) { a.report = agentapi.Report{} })
				r.pass(30*time.Minute + 10*time.Second)
				if w := r.want("demo", workspace.Stopped); !strings.Contains(w.Stop.Detail, "work was last seen at") {
					r.t.Errorf("stopped: %+v", w.Stop)
				}
			})
		})
	}
}

func TestWorkDelaysAStopWithinItsCap(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		a.tell(func(a *fakeAgent) { a.report.Execs = 1 })
		r.pass(6*time.Hour - time.Second)
		r.want("demo", workspace.Running)
		r.pass(10 * time.Second)
		r.want("demo", workspace.Stopped)
	})
}

func TestABusyProcessIsWorkAndAnIdleServerIsNone(t *testing.T) {
	for _, tt := range []struct {
		share float64
		up    bool
	}{{0.2, true}, {0.001, false}} {
		inWatchedBubble(t, func(r *rig, a *fakeAgent) {
			r.create("demo")
			for range 32 * 6 { // cpu grows as time does
				r.pass(10 * time.Second)
				a.mu.Lock()
				a.report.CPU += 10 * tt.share
				a.mu.Unlock()
			}
			if up := r.get("demo").State == workspace.Running; up != tt.up {
				r.t.Errorf("at %g of a core it is up: %t", tt.share, up)
			}
		})
	}
}

// The sample of an earlier look is no beginning: over half an hour a process that has just
// begun to work has done next to nothing.
func TestAnOldSampleDoesNotHideABusyProcess(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		w := r.create("demo")
		r.checks.keep(w.ID, sample{run: w.Run, at: time.Now()})
		r.pass(28*time.Minute + 50*time.Second)
		a.tell(func(a *fakeAgent) { a.drips = true }) // so that no sample is taken a minute before
		for i := range 90 {
			r.pass(time.Second)
			a.tell(func(a *fakeAgent) { a.report.CPU++; a.drips = i < 65 })
		}
		r.want("demo", workspace.Running)
		y := r.why("demo")
		if last := y.Ledger[len(y.Ledger)-1]; last.Kind != activity.Busy || last.What != "100 % of a core" {
			r.t.Errorf("why: %s, %+v", y.Cause, y.Ledger)
		}
	})
}

func TestWhatWasTypedPastWsdMovesTheStop(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		r.pass(20 * time.Minute)
		at := time.Now().UTC()
		a.tell(func(a *fakeAgent) {
			a.report = agentapi.Report{Terminals: []agentapi.Terminal{{Name: "main", LastInput: at}}}
		})
		r.pass(11 * time.Minute)
		if y := r.why("demo"); !y.Facts.Engaged.Equal(at) || !y.StopAt.Equal(at.Add(30*time.Minute)) {
			r.t.Errorf("engaged %v, stops at %v", y.Facts.Engaged, y.StopAt)
		}
	})
}

func TestTheIdleProbePutsAStopOffABoundedNumberOfTimes(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		a.runs(func(s agentapi.ExecStart) (string, int) {
			if s.Command[0] == "is-idle" {
				return "", 1
			}
			return "", 0
		})
		r.cfg.Activity.Policies = []activity.Policy{{
			Name: "default", Active: time.Minute, Idle: 2 * time.Minute, Background: 3 * time.Minute, Grace: time.Second,
			WorkTail: time.Minute, WorkCap: 24 * time.Hour,
		}}
		r.createWith("demo", func(s *workspace.Spec) { s.IdleProbe = []string{"is-idle"} })
		r.pass(3*time.Minute + 5*time.Second)
		if rec := r.record("demo"); rec.Postponed != 1 || rec.Cause != activity.ByWork {
			r.t.Fatalf("put off: %+v", rec)
		}
		r.pass(8*time.Minute + 30*time.Second)
		r.want("demo", workspace.Running)
		r.pass(2 * time.Minute)
		r.want("demo", workspace.Stopped)
		if n := len(a.commands()); n != probeMax+1 {
			r.t.Errorf("it was asked %d times", n)
		}
	})
}

// While the container engine is away nothing is decided; a look that fails is tried again,
// and can be seen.
func TestAFailedLookIsTriedAgainAndSeen(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		r.pass(29 * time.Minute)
		r.box.Down()
		r.pass(10 * time.Minute)
		r.want("demo", workspace.Running)
		y := r.why("demo")
		last := y.Next[len(y.Next)-1]
		if rec := r.record("demo"); rec.Check == nil || rec.Check.Failures < 5 || !strings.Contains(last.Why, "has failed") || !last.At.After(y.Now) {
			r.t.Errorf("seen: %+v, %+v", rec.Check, last)
		}
		r.box.Up()
		r.pass(2 * time.Minute)
		r.want("demo", workspace.Stopped)
	})
}

// The looks that failed while the container engine was away say nothing of the agent: it is
// asked as often as ever before the rule alone decides.
func TestAnOutageOfTheEngineIsNoAgentThatDoesNotAnswer(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		a.tell(func(a *fakeAgent) { a.report.Execs = 1 }) // it works
		r.pass(29 * time.Minute)
		r.box.Down()
		r.pass(10 * time.Minute)
		if c := r.record("demo").Check; c == nil || c.Failures < checkTries {
			r.t.Fatalf("seen: %+v", c)
		}
		a.tell(func(a *fakeAgent) { a.drips = true }) // the machine is busy with all that starts again
		r.box.Up()
		r.pass(30 * time.Second)
		a.tell(func(a *fakeAgent) { a.drips = false })
		r.pass(2 * time.Minute)
		r.want("demo", workspace.Running)
		if y := r.why("demo"); y.Cause != activity.ByWork {
			r.t.Errorf("why: %s, %+v", y.Cause, y.Next)
		}
	})
}

// Once nothing is to be looked for, looks that failed are history.
func TestAFailedLookIsForgottenOnceSomebodyUsesIt(t *testing.T) {
	inWatchedBubble(t, func(r *rig, _ *fakeAgent) {
		r.create("demo")
		l := r.vouched("demo")
		r.box.Down()
		r.pass(31 * time.Minute)
		if r.record("demo").Check == nil {
			r.t.Fatal("no look has failed")
		}
		r.box.Up()
		l.Engage(activity.Input, "x")
		r.pass(5 * time.Second)
		y := r.why("demo")
		if c, stop := r.record("demo").Check, y.Next[len(y.Next)-1]; c != nil || strings.Contains(stop.Why, "failed") {
			r.t.Errorf("seen: %+v, %+v", c, stop)
		}
	})
}

func TestAnAgentThatDoesNotAnswerDelaysAStopABoundedNumberOfTimes(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		r.createWith("demo", func(s *workspace.Spec) { s.IdleProbe = []string{"probe"} })
		a.tell(func(a *fakeAgent) { a.gone = true })
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpStats: time.Hour}})
		r.pass(30*time.Minute + 5*time.Second)
		r.want("demo", workspace.Running)
		r.pass(4 * time.Minute)
		if w := r.get("demo"); w.Desired != workspace.WantStopped {
			r.t.Errorf("it is kept by an agent that does not answer: %+v", r.record("demo"))
		}
	})
}

func TestAStopIsPinnedToTheRunThatWasLookedAt(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		old := r.create("demo")
		r.command("demo", api.Restart)
		r.settle()
		if r.get("demo").Run == old.Run {
			r.t.Fatal("the run is the same")
		}
		stale := r.stale.Load()
		if err := r.do(r.t.Context(), func(t *turn) error { return r.conclude(t, old, forStop, findings{}, nil) }); err != nil {
			r.t.Fatal(err)
		}
		r.want("demo", workspace.Running)
		if r.stale.Load() != stale+1 {
			r.t.Error("it was not counted")
		}
	})
}

// Somebody who comes back while it is looked at is seen by the turn that decides.
func TestWhoComesBackDuringTheLookKeepsItRunning(t *testing.T) {
	inWatchedBubble(t, func(r *rig, a *fakeAgent) {
		r.createWith("demo", func(s *workspace.Spec) { s.IdleProbe = []string{"probe"} })
		l := r.vouched("demo")
		a.runs(func(agentapi.ExecStart) (string, int) {
			l.Engage(activity.Input, "terminal main")
			return "", 0
		})
		r.pass(30*time.Minute + 5*time.Second)
		r.want("demo", workspace.Running)
		if y := r.why("demo"); y.Level != activity.Active || y.StopAt.Before(time.Now().Add(29*time.Minute)) {
			r.t.Errorf("why: %s until %v", y.Level, y.StopAt)
		}
	})
}

func TestAPersonWhoPausesAWorkspaceIsLeftAlone(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		r.command("demo", api.Pause)
		r.settle()
		r.pass(2 * time.Hour)
		r.want("demo", workspace.Paused)
		if len(r.Uses(r.get("demo").ID)) != 0 {
			r.t.Error("it has a level")
		}
		r.command("demo", api.Resume)
		r.settle()
		r.wantUp("demo", 30*time.Minute)
	})
}

func TestARunThatLastsTooLongIsStoppedForThat(t *testing.T) {
	inUseBubble(t, func(c *Config) { c.Activity.Ceiling.MaxLifetime = time.Hour }, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		for range 59 {
			r.pass(time.Minute)
			l.Engage(activity.Input, "x")
		}
		r.pass(70 * time.Second)
		w := r.want("demo", workspace.Stopped)
		if w.Stop.Reason != workspace.StoppedLifetime || !strings.Contains(w.Stop.Detail, "no run may last longer than 1 h") {
			r.t.Errorf("stopped: %+v", w.Stop)
		}
		if got := r.facts(event.ActivityWarning); len(got) != 2 {
			r.t.Errorf("warned: %+v", got)
		}
	})
}

func TestNothingIsRememberedOfTheUseOfWhatIsDeleted(t *testing.T) {
	inUseBubble(t, nil, func(r *rig) {
		r.create("demo")
		r.vouched("demo").Close()
		r.vouched("demo")
		r.pass(29*time.Minute + 30*time.Second)
		if len(r.attendance.rooms) != 1 || len(r.checks.samples) != 1 {
			r.t.Fatalf("before: %d rooms, %d samples", len(r.attendance.rooms), len(r.checks.samples))
		}
		if _, err := r.Delete(r.t.Context(), alice, "demo", 0, true); err != nil {
			r.t.Fatal(err)
		}
		r.settle()
		if len(r.attendance.rooms)+len(r.attendance.dirty)+len(r.checks.samples)+r.attendance.total != 0 {
			r.t.Errorf("after: %d rooms, %d marks, %d samples, %d sessions",
				len(r.attendance.rooms), len(r.attendance.dirty), len(r.checks.samples), r.attendance.total)
		}
	})
}
