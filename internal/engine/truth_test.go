package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

// beginMute creates a workspace that is ready when its port answers, which it never does.
func (r *rig) beginMute(name string) workspace.Workspace {
	r.t.Helper()
	w, _, err := r.Create(r.t.Context(), alice, api.Create{Name: name, Template: "static", Command: []string{"sleep", "100000"}}, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

func TestAStartThatFailsLeavesNothingRunning(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.beginMute("demo")
		time.Sleep(2 * time.Minute)
		r.settle()
		w := r.want("demo", workspace.Failed)
		if c, _ := w.Condition(workspace.Attention); c.Reason != "timeout_initialize" {
			t.Errorf("the reason is %+v", c)
		}
		if got := r.observed(w); got != rt.ObservedExited {
			t.Errorf("the engine says %s", got)
		}
		if w.Death == nil {
			t.Error("nothing is kept of what it said last")
		}
		time.Sleep(time.Minute) // looks at the list
		r.want("demo", workspace.Failed)
	})
}

func TestAWorkspaceThatCannotBeStoppedStaysFailed(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpStop, Err: errors.New("it does not die")}}})
		r.command("demo", api.Stop)
		r.settle()
		time.Sleep(5 * time.Minute)
		w2 := r.want("demo", workspace.Failed)
		if _, ready := w2.Condition(workspace.Ready); ready || w2.Run != w.Run {
			t.Errorf("it is called ready, or has another run: %+v", w2)
		}
		if n := r.box.Calls(memory.OpStop); n != 3 {
			t.Errorf("stopping was tried %d times", n)
		}
		r.box.SetFaults(memory.Faults{})
		r.command("demo", api.Stop)
		r.settle()
		r.want("demo", workspace.Stopped)
	})
}

func TestStartedAndPausedByHand(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		r.box.DropEvents(true)
		must(t, r.box.StartByHand(ref(w)))
		must(t, r.box.PauseByHand(ref(w)))
		time.Sleep(time.Minute)
		r.settle()
		r.want("demo", workspace.Paused)
	})
}

func TestAFailedPauseLeavesItAsItIs(t *testing.T) {
	for _, c := range []struct {
		what  string
		op    memory.Op
		first []api.Command
		then  api.Command
		want  workspace.State
	}{
		{"pause", memory.OpPause, nil, api.Pause, workspace.Running},
		{"resume", memory.OpResume, []api.Command{api.Pause}, api.Resume, workspace.Paused},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.create("demo")
				for _, cmd := range c.first {
					r.command("demo", cmd)
					r.settle()
				}
				r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: c.op, Err: errors.New("the freezer is broken")}}})
				r.command("demo", c.then)
				r.settle()
				time.Sleep(5 * time.Minute)
				if n := r.box.Calls(c.op); n != 3 {
					t.Errorf("it was tried %d times", n)
				}
				w := r.want("demo", c.want)
				if w.Desired != desiredAsIs(w) {
					t.Errorf("it is wanted %s", w.Desired)
				}
				if a, ok := w.Condition(workspace.Attention); !ok || !a.Status {
					t.Error("nothing says that it failed")
				}
			})
		})
	}
}

func TestRepeatedPauseDoesNotBeginAnew(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpPause: 5 * time.Second}})
		job := r.command("demo", api.Pause).Job
		time.Sleep(time.Second)
		if again := r.command("demo", api.Pause).Job; again != job {
			t.Error("a second pause has thrown the first away")
		}
	})
}

func TestPausingWhatHasEndedSaysSoAtOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpPause: time.Second}})
		r.command("demo", api.Pause)
		must(t, r.box.Kill(ref(w), 3, false))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w = r.want("demo", workspace.Failed); w.Stop == nil || w.Stop.Reason != workspace.StoppedByCrash {
			t.Errorf("its end is explained as %+v", w.Stop)
		}
	})
}

func TestAnOldGenerationIsRemoved(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		r.tweak = func(c *Config) { c.Driver = &brokenGeneration{Driver: c.Driver, generation: w.Generation} }
		r.restart()
		r.command("demo", api.Start)
		r.settle()
		if now := r.want("demo", workspace.Running); now.Generation != w.Generation+1 || now.Container == w.Container {
			t.Errorf("it runs as generation %d in %s", now.Generation, now.Container)
		}
		time.Sleep(31 * time.Second)
		list, err := r.cfg.Driver.List(r.t.Context())
		if err != nil || len(list) != 1 {
			t.Errorf("the engine has %d containers, %v", len(list), err)
		}
	})
}

// brokenGeneration is a driver whose container of one generation cannot be started
// again, because something that it needs was removed.
type brokenGeneration struct {
	rt.Driver
	generation int
}

func (b *brokenGeneration) Start(ctx context.Context, r rt.Ref) error {
	if r.Generation == b.generation {
		return rt.ErrNotFound
	}
	return b.Driver.Start(ctx, r)
}

func TestResizeSurvivesWhatOvertakesIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpUpdate: 5 * time.Second}})
		r.resize("demo", 2<<30)
		time.Sleep(time.Second)
		r.command("demo", api.Pause)
		r.settle()
		w := r.want("demo", workspace.Paused)
		if _, pending := w.Condition(workspace.LimitsPending); pending {
			t.Error("the limits are still pending")
		}
		if st, err := r.cfg.Driver.Stats(r.t.Context(), ref(w)); err != nil || st.MemoryLimit != 2<<30 {
			t.Errorf("the engine has a limit of %d, %v", st.MemoryLimit, err)
		}
	})
}

func (r *rig) resize(name string, bytes int64) workspace.Workspace {
	r.t.Helper()
	w, err := r.Update(r.t.Context(), alice, name, 0, api.Update{Limits: &api.PartialLimits{Memory: &bytes}})
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

func TestARefusedResizeCanBeTriedAgain(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpUpdate, Err: errors.New("not below what is in use")}}})
		r.resize("demo", 2<<30)
		r.settle()
		calls := r.box.Calls(memory.OpUpdate)
		time.Sleep(5 * time.Minute)
		if now := r.box.Calls(memory.OpUpdate); now != calls {
			t.Errorf("it was tried %d times more by itself", now-calls)
		}
		failed, err := r.Jobs(r.t.Context(), alice, []workspace.JobState{workspace.JobFailed}, "demo")
		if err != nil || len(failed) != 1 {
			t.Fatalf("%+v, %v", failed, err)
		}
		r.box.SetFaults(memory.Faults{})
		if _, err := r.RetryJob(r.t.Context(), alice, failed[0].ID); err != nil {
			t.Fatal(err)
		}
		r.settle()
		if st, err := r.cfg.Driver.Stats(r.t.Context(), ref(r.get("demo"))); err != nil || st.MemoryLimit != 2<<30 {
			t.Errorf("the engine has a limit of %d, %v", st.MemoryLimit, err)
		}
	})
}

func TestRetryOfADeleteHasTheRulesOfADelete(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpRemove, Err: errors.New("busy")}}})
		if _, err := r.Delete(r.t.Context(), alice, "demo", 0, false); err != nil {
			t.Fatal(err)
		}
		r.settle()
		r.want("demo", workspace.Failed)
		r.box.SetFaults(memory.Faults{})
		r.command("demo", api.Start)
		r.settle()
		failed, err := r.Jobs(r.t.Context(), alice, []workspace.JobState{workspace.JobFailed}, "demo")
		if err != nil || len(failed) != 1 {
			t.Fatalf("%+v, %v", failed, err)
		}
		_, err = r.RetryJob(r.t.Context(), alice, failed[0].ID)
		r.wantCode(err, "not_stopped")
		r.command("demo", api.Stop)
		r.settle()
		if _, err := r.RetryJob(r.t.Context(), alice, failed[0].ID); err != nil {
			t.Fatal(err)
		}
		r.settle()
		_, err = r.Workspace(r.t.Context(), alice, "demo")
		r.wantCode(err, "workspace_not_found")
	})
}

func TestAnOutageAtAnyCallOfAStartCostsNothing(t *testing.T) {
	away := func(op memory.Op, n int) memory.Fault {
		return memory.Fault{Op: op, Call: n, Err: rt.ErrUnreachable}
	}
	for _, op := range []memory.Op{memory.OpEnsureImage, memory.OpEnsure, memory.OpInspect, memory.OpStart, memory.OpUpdate, memory.OpStop, memory.OpRemove} {
		for n := 1; n <= 3; n++ {
			t.Run(string(op), func(t *testing.T) {
				inBubble(t, func(r *rig) {
					r.create("demo")
					r.command("demo", api.Stop)
					r.settle()
					w := r.get("demo")
					must(t, r.box.RemoveByHand(ref(w))) // so that all of it has to be made again
					r.settle()
					r.resize("demo", 2<<30)
					r.box.SetFaults(memory.Faults{Script: []memory.Fault{away(op, n)}})
					r.command("demo", api.Start)
					r.settle()
					r.want("demo", workspace.Running)
					r.command("demo", api.Stop)
					r.settle()
					r.want("demo", workspace.Stopped)
					if _, err := r.Delete(r.t.Context(), alice, "demo", 0, false); err != nil {
						t.Fatal(err)
					}
					r.settle()
					if n := r.objects(); n != 0 {
						t.Errorf("%d objects are left", n)
					}
				})
			})
		}
	}
}

func TestAnOutageWhileThePinnedImageIsLookedForCostsNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		must(t, r.box.RemoveByHand(ref(w)))
		r.settle()
		r.tweak = func(c *Config) { c.Driver = &movedTag{Driver: c.Driver} }
		r.restart()
		r.command("demo", api.Start)
		r.settle()
		if now := r.want("demo", workspace.Running); now.Spec.Digest != w.Spec.Digest {
			t.Error("it runs another image")
		}
	})
}

// movedTag is a driver whose tags lead to other images now, and that does not get
// through when it asks for the first image by its digest.
type movedTag struct {
	rt.Driver
	asked int
}

func (m *movedTag) EnsureImage(ctx context.Context, name string, report func(rt.Progress)) (rt.Image, error) {
	if len(name) > 7 && name[:7] == "sha256:" {
		if m.asked++; m.asked == 1 {
			return rt.Image{}, rt.ErrUnreachable
		}
		return rt.Image{Ref: name, Digest: name}, nil
	}
	img, err := m.Driver.EnsureImage(ctx, name, report)
	img.Digest = "sha256:moved"
	return img, err
}

func TestAnOutageThatEatsTheTimeOfAPhaseIsNotItsFault(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpStart, Call: 1, Hang: true}}})
		r.command("demo", api.Start)
		time.Sleep(time.Second)
		r.box.Hang()
		time.Sleep(40 * time.Second)
		r.box.Up()
		time.Sleep(2 * time.Minute)
		r.settle()
		r.want("demo", workspace.Running)
	})
}

func TestAJobThatHangsEndsInTime(t *testing.T) {
	for op, c := range map[memory.Op]api.Command{memory.OpPause: api.Pause, memory.OpStop: api.Stop} {
		t.Run(string(op), func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.create("demo")
				r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: op, Hang: true}}})
				r.command("demo", c)
				r.settle() // within ten minutes
				w := r.get("demo")
				if a, ok := w.Condition(workspace.Attention); !ok || a.Reason != "timeout_"+string(c) {
					t.Errorf("the reason is %+v", a)
				}
			})
		})
	}
}

func TestALongOutageIsToldOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpStart: 2 * time.Second}})
		r.begin("demo")
		time.Sleep(time.Second)
		before := r.seq()
		r.box.Down()
		time.Sleep(time.Hour)
		if n := r.seq() - before; n > 5 {
			t.Errorf("an hour without the engine made %d facts", n)
		}
		r.box.Up()
		time.Sleep(30 * time.Second)
		r.settle()
		r.want("demo", workspace.Running)
	})
}

func TestAStopOfWhatHasJustEndedHolds(t *testing.T) {
	inBubble(t, func(r *rig) {
		for _, name := range []string{"told", "untold"} {
			w := r.create(name)
			time.Sleep(time.Second)
			must(t, r.box.Kill(ref(w), 0, false))
			synctest.Wait()
			r.want(name, workspace.Stopped)
		}
		r.command("told", api.Stop)
		r.box.Down() // so the engine itself may have ended both
		time.Sleep(10 * time.Second)
		r.box.Up()
		time.Sleep(30 * time.Second)
		r.settle()
		r.want("told", workspace.Stopped)
		r.want("untold", workspace.Running)
	})
}

func TestWhatWasToBeRestoredAndIsGoneStaysDown(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		time.Sleep(time.Second)
		must(t, r.box.Kill(ref(w), 0, false))
		synctest.Wait()
		r.box.Down() // which may have ended it
		time.Sleep(10 * time.Second)
		must(t, r.box.RemoveByHand(ref(w)))
		r.box.Up()
		time.Sleep(time.Minute)
		r.settle()
		if w = r.want("demo", workspace.Stopped); w.Desired != workspace.WantStopped {
			t.Errorf("it is wanted %s", w.Desired)
		}
	})
}

func TestOneSlowAnswerIsNoOutage(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		time.Sleep(time.Second)
		must(t, r.box.Kill(ref(w), 0, false))
		synctest.Wait()
		r.want("demo", workspace.Stopped)
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpInfo, Call: 1, Hang: true}}})
		time.Sleep(10 * time.Second)
		if r.Stale() {
			t.Error("a busy engine is called away")
		}
		r.box.Hang()
		time.Sleep(12 * time.Second)
		if !r.Stale() {
			t.Error("a hung engine is not noticed")
		}
		r.box.Up()
		time.Sleep(time.Minute)
		if w := r.want("demo", workspace.Stopped); w.Stop.Reason != workspace.StoppedItself {
			t.Errorf("its end is explained as %+v", w.Stop)
		}
	})
}
