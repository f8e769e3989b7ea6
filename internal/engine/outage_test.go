package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

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
		var got []api.Message
		defer r.watch(-1, &got)()
		r.box.Down() // so the engine itself may have ended both
		time.Sleep(10 * time.Second)
		synctest.Wait() // what was told is read
		if list := events(got); len(list) == 0 || list[0].Workspace == nil || list[0].Workspace.Stop.Reason != workspace.StoppedInterrupt {
			t.Errorf("watchers are not told what its stop is thought to be now: %+v", list)
		}
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
