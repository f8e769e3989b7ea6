package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestLifeOfAWorkspace(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		if w.Port != 8000 || w.Slot != 1 || w.Container == "" || w.Job != "" || w.Spec.Digest == "" {
			t.Fatalf("it lacks something: %+v", w)
		}
		if c, ok := w.Condition(workspace.Ready); !ok || !c.Status {
			t.Error("it is running and not ready")
		}
		first := w.Run

		if w = r.command("demo", api.Stop); len(w.Conditions) != 0 {
			t.Errorf("it is to stop and is still %+v", w.Conditions)
		}
		r.settle()
		w = r.want("demo", workspace.Stopped)
		if w.Stop == nil || w.Stop.Reason != workspace.StoppedByUser || w.Stop.Actor != alice.ID || w.Stop.Run != first {
			t.Errorf("the stop is explained as %+v", w.Stop)
		}
		if w.Death == nil || w.Port != 8000 || r.door.count() != 1 {
			t.Errorf("no death certificate, or its port is not kept: %+v, %d open", w.Death, r.door.count())
		}

		r.command("demo", api.Start)
		r.settle()
		if w = r.want("demo", workspace.Running); w.Run == first {
			t.Error("a new start has the old run id")
		}
		second := w.Run

		r.command("demo", api.Pause)
		r.settle()
		if r.want("demo", workspace.Paused); r.observed(w) != rt.ObservedPaused {
			t.Error("the engine has not paused it")
		}
		r.command("demo", api.Resume)
		r.settle()
		if w = r.want("demo", workspace.Running); w.Run != second {
			t.Error("resuming has changed the run id")
		}

		r.command("demo", api.Restart)
		r.settle()
		if w = r.want("demo", workspace.Running); w.Run == second {
			t.Error("restarting has kept the run id")
		}

		if _, err := r.Delete(r.t.Context(), alice, "demo", 0, false); err == nil {
			t.Error("a running workspace is deleted without force")
		}
		if _, err := r.Delete(r.t.Context(), alice, "demo", 0, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		_, err := r.Workspace(r.t.Context(), alice, w.ID)
		r.wantCode(err, "workspace_deleted")
		if n := r.objects(); n != 0 || r.door.count() != 0 {
			t.Errorf("%d objects and %d ports are left", n, r.door.count())
		}
	})
}

func TestCommandsOvertakeWhatIsUnderWay(t *testing.T) {
	slow := memory.Faults{Latency: map[memory.Op]time.Duration{
		memory.OpEnsureImage: 5 * time.Second, memory.OpStart: 5 * time.Second, memory.OpStop: 5 * time.Second, memory.OpPause: 5 * time.Second,
	}}
	for _, c := range []struct {
		what   string
		before workspace.State // where it is when the commands come
		asked  []api.Command
		want   workspace.State
	}{
		{"stop while creating", workspace.Creating, []api.Command{api.Stop}, workspace.Stopped},
		{"stop and start while creating", workspace.Creating, []api.Command{api.Stop, api.Start}, workspace.Running},
		{"start while stopping", workspace.Running, []api.Command{api.Stop, api.Start}, workspace.Running},
		{"stop, start and stop", workspace.Running, []api.Command{api.Stop, api.Start, api.Stop}, workspace.Stopped},
		{"restart while stopping", workspace.Running, []api.Command{api.Stop, api.Restart}, workspace.Running},
		{"stop while pausing", workspace.Running, []api.Command{api.Pause, api.Stop}, workspace.Stopped},
		{"start while pausing", workspace.Running, []api.Command{api.Pause, api.Start}, workspace.Running},
		{"stop while restarting", workspace.Running, []api.Command{api.Restart, api.Stop}, workspace.Stopped},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				if c.before == workspace.Running {
					r.create("demo")
				}
				r.box.SetFaults(slow)
				if c.before == workspace.Creating {
					r.begin("demo")
				}
				for _, cmd := range c.asked {
					time.Sleep(time.Second)
					r.command("demo", cmd)
				}
				r.settle()
				time.Sleep(time.Minute)
				r.settle()
				w := r.want("demo", c.want)
				wantObserved := rt.ObservedRunning
				if c.want == workspace.Stopped {
					wantObserved = rt.ObservedExited
				}
				if got, err := r.cfg.Driver.Inspect(r.t.Context(), ref(w)); err == nil && got.State != wantObserved && got.State != rt.ObservedCreated {
					t.Errorf("the engine says %s", got.State)
				} else if err != nil && (c.want != workspace.Stopped || !errors.Is(err, rt.ErrNotFound)) {
					t.Error(err)
				}
			})
		})
	}
}

func TestRepeatedCommandsChangeNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		before := r.get("demo").Revision
		if w := r.command("demo", api.Start); w.Revision != before {
			t.Error("starting a running workspace changes it")
		}
		r.command("demo", api.Stop)
		r.settle()
		before = r.get("demo").Revision
		if w := r.command("demo", api.Stop); w.Revision != before {
			t.Error("stopping a stopped workspace changes it")
		}
		_, err := r.Command(r.t.Context(), alice, "demo", api.Pause)
		r.wantCode(err, "state")
		_, err = r.Command(r.t.Context(), alice, "demo", api.Resume)
		r.wantCode(err, "state")
	})
}

func TestStoppedCreateMakesTheContainerOnly(t *testing.T) {
	inBubble(t, func(r *rig) {
		req := plain("demo")
		req.Stopped = true
		if _, _, err := r.Create(r.t.Context(), alice, req, ""); err != nil {
			t.Fatal(err)
		}
		r.settle()
		w := r.want("demo", workspace.Stopped)
		if r.observed(w) != rt.ObservedCreated {
			t.Error("it was started")
		}
		r.command("demo", api.Start)
		r.settle()
		r.want("demo", workspace.Running)
	})
}

func TestDeleteOvertakesEverything(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpEnsure: 5 * time.Second}})
		r.begin("demo")
		time.Sleep(time.Second)
		if _, err := r.Delete(r.t.Context(), alice, "demo", 0, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		time.Sleep(2 * time.Minute) // what the cut-off create made after all is found by its tombstone
		if n := r.objects(); n != 0 {
			t.Errorf("%d objects are left", n)
		}
	})
}

func TestResizeReachesTheEngineNowOrAtTheNextStart(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		memory2 := int64(2 << 30)
		u := api.Update{Limits: &api.PartialLimits{Memory: &memory2}}
		if _, err := r.Update(r.t.Context(), alice, "demo", 0, u); err != nil {
			t.Fatal(err)
		}
		r.settle()
		if st, err := r.cfg.Driver.Stats(r.t.Context(), ref(r.get("demo"))); err != nil || st.MemoryLimit != memory2 {
			t.Errorf("the engine has a limit of %d, %v", st.MemoryLimit, err)
		}
		r.command("demo", api.Stop)
		r.settle()
		memory3 := int64(3 << 30)
		u = api.Update{Limits: &api.PartialLimits{Memory: &memory3}}
		if _, err := r.Update(r.t.Context(), alice, "demo", 0, u); err != nil {
			t.Fatal(err)
		}
		r.command("demo", api.Start)
		r.settle()
		if st, err := r.cfg.Driver.Stats(r.t.Context(), ref(r.get("demo"))); err != nil || st.MemoryLimit != memory3 {
			t.Errorf("after a start the engine has a limit of %d, %v", st.MemoryLimit, err)
		}
		w := r.get("demo")
		if _, pending := w.Condition(workspace.LimitsPending); pending {
			t.Error("the limits are still pending")
		}
	})
}

func TestNothingIsStartedTwiceByManyAtOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		before := r.box.Calls(memory.OpStart)
		for range 20 {
			go func() { _, _ = r.Command(r.t.Context(), alice, "demo", api.Start) }()
		}
		synctest.Wait()
		r.settle()
		if n := r.box.Calls(memory.OpStart) - before; n != 1 {
			t.Errorf("it was started %d times", n)
		}
	})
}
