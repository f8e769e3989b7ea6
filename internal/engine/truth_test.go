package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
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

func TestAPausedWorkspaceThatCannotBeStoppedStaysFailed(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.command("demo", api.Pause)
		r.settle()
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpStop, Err: errors.New("it does not die")}}})
		r.command("demo", api.Stop)
		r.settle()
		time.Sleep(5 * time.Minute) // which passes only if nothing spins
		r.want("demo", workspace.Failed)
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

func TestAJobWhoseRowIsDamagedIsPromisedAgain(t *testing.T) {
	for what, heal := range map[string]func(*rig){
		"by itself":    func(*rig) {},
		"by a command": func(r *rig) { r.command("demo", api.Stop); r.command("demo", api.Start) },
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpEnsureImage: time.Hour}})
				w := r.begin("demo")
				time.Sleep(time.Second)
				r.shutdown()
				r.box.SetFaults(memory.Faults{})
				r.damage(`{"id":"` + w.Job + `"`)
				r.start()
				heal(r)
				time.Sleep(31 * time.Second)
				r.settle()
				if w = r.want("demo", workspace.Running); w.Job != "" {
					t.Errorf("it still has job %s", w.Job)
				}
			})
		})
	}
}

func TestAJobWhoseRowIsDamagedUnderItsWorkerIsPromisedAgain(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpEnsureImage: time.Minute / 2}})
		w := r.begin("demo")
		time.Sleep(time.Second)
		r.damage(`{"id":"` + w.Job + `"`)
		time.Sleep(2 * time.Minute)
		r.settle()
		r.want("demo", workspace.Running)
	})
}

// damage flips a bit behind every place of the store's file that has this text.
func (r *rig) damage(text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path, os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	if err != nil {
		r.t.Fatal(err)
	}
	places := 0
	for at := 0; ; at++ {
		i := bytes.Index(all[at:], []byte(text))
		if i < 0 {
			break
		}
		at += i
		end := at + len(text)
		if _, err := f.WriteAt([]byte{all[end] ^ 1}, int64(end)); err != nil {
			r.t.Fatal(err)
		}
		places++
	}
	if places == 0 {
		r.t.Fatalf("nothing in the store has %s", text)
	}
}
