package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

// late is a driver whose calls outlive their caller, as those of a real engine do:
// who gives up gets its answer at once, and the call comes through afterwards.
type late struct {
	rt.Driver

	mu  sync.Mutex
	by  time.Duration
	ops []memory.Op
}

// set lets the calls of ops take at least by.
func (l *late) set(by time.Duration, ops ...memory.Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by, l.ops = by, ops
}

func (l *late) outlive(ctx context.Context, op memory.Op, call func(context.Context) error) error {
	l.mu.Lock()
	by, here := l.by, slices.Contains(l.ops, op)
	l.mu.Unlock()
	if !here {
		return call(ctx)
	}
	done := make(chan error, 1)
	go func() {
		time.Sleep(by)
		done <- call(context.WithoutCancel(ctx))
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *late) Ensure(ctx context.Context, c rt.Container) (st rt.Status, err error) {
	var made rt.Status
	err = l.outlive(ctx, memory.OpEnsure, func(ctx context.Context) (err error) { made, err = l.Driver.Ensure(ctx, c); return err })
	if err == nil {
		st = made
	}
	return st, err
}

func (l *late) Start(ctx context.Context, r rt.Ref) error {
	return l.outlive(ctx, memory.OpStart, func(ctx context.Context) error { return l.Driver.Start(ctx, r) })
}

func (l *late) Pause(ctx context.Context, r rt.Ref) error {
	return l.outlive(ctx, memory.OpPause, func(ctx context.Context) error { return l.Driver.Pause(ctx, r) })
}

func (l *late) Resume(ctx context.Context, r rt.Ref) error {
	return l.outlive(ctx, memory.OpResume, func(ctx context.Context) error { return l.Driver.Resume(ctx, r) })
}

func (l *late) Stop(ctx context.Context, r rt.Ref, grace time.Duration) error {
	return l.outlive(ctx, memory.OpStop, func(ctx context.Context) error { return l.Driver.Stop(ctx, r, grace) })
}

// lateBy lets the calls of ops take three seconds and outlive their caller.
func (r *rig) lateBy(ops ...memory.Op) {
	r.tweak = func(c *Config) { c.Driver = &late{Driver: c.Driver, by: 3 * time.Second, ops: ops} }
	r.restart()
}

// cancelOpen cancels the open job of a workspace.
func (r *rig) cancelOpen(name string) {
	r.t.Helper()
	if _, err := r.CancelJob(r.t.Context(), alice, r.get(name).Job); err != nil {
		r.t.Fatal(err)
	}
}

// What was cut off may come through at the engine after what replaced it was done.
// The state follows the last command all the same, and within seconds.
func TestACallThatComesThroughLateIsUndone(t *testing.T) {
	up := func(r *rig) { r.create("demo") }
	stopped := func(r *rig) { up(r); r.command("demo", api.Stop); r.settle() }
	paused := func(r *rig) { up(r); r.command("demo", api.Pause); r.settle() }
	for _, c := range []struct {
		what     string
		before   func(*rig)
		late     memory.Op
		first    api.Command
		then     func(*rig)
		want     workspace.State
		observed rt.Observed
	}{
		{
			"a start, after a stop", stopped, memory.OpStart, api.Start,
			func(r *rig) { r.command("demo", api.Stop) }, workspace.Stopped, rt.ObservedExited,
		},
		{
			"a start, after its job was cancelled", stopped, memory.OpStart, api.Start,
			func(r *rig) { r.cancelOpen("demo") }, workspace.Stopped, rt.ObservedExited,
		},
		{
			"a pause, after a start", up, memory.OpPause, api.Pause,
			func(r *rig) { r.command("demo", api.Start) }, workspace.Running, rt.ObservedRunning,
		},
		{
			"a pause, after its job was cancelled", up, memory.OpPause, api.Pause,
			func(r *rig) { r.cancelOpen("demo") }, workspace.Running, rt.ObservedRunning,
		},
		{
			"a pause, after a stop", up, memory.OpPause, api.Pause,
			func(r *rig) { r.command("demo", api.Stop) }, workspace.Stopped, rt.ObservedExited,
		},
		{
			"a resume, after a pause", paused, memory.OpResume, api.Resume,
			func(r *rig) { r.command("demo", api.Pause) }, workspace.Paused, rt.ObservedPaused,
		},
		{
			"a resume, after a stop", paused, memory.OpResume, api.Resume,
			func(r *rig) { r.command("demo", api.Stop) }, workspace.Stopped, rt.ObservedExited,
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.lateBy(c.late)
				c.before(r)
				r.command("demo", c.first)
				time.Sleep(time.Second)
				c.then(r)
				time.Sleep(15 * time.Second) // no look at the list is needed
				r.settle()
				w := r.want("demo", c.want)
				if got := r.observed(w); got != c.observed {
					t.Errorf("the engine says %s", got)
				}
				if want := desiredAsIs(w); w.Desired != want {
					t.Errorf("it is wanted %s", w.Desired)
				}
			})
		})
	}
}

func TestWhatADeletedCreateMakesLateIsRemoved(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.lateBy(memory.OpEnsure)
		w := r.begin("demo")
		time.Sleep(time.Second)
		if _, err := r.Delete(r.t.Context(), alice, "demo", 0, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		time.Sleep(10 * time.Second)
		if r.objects() == 0 {
			t.Fatal("nothing came late")
		}
		must(t, r.box.RemoveByHand(ref(w))) // the volume alone is harder to find
		time.Sleep(31 * time.Second)
		if n := r.objects(); n != 0 {
			t.Errorf("%d objects are left", n)
		}
	})
}

func TestWhatAStoppedCreateMakesLateIsKnown(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.lateBy(memory.OpEnsure)
		r.begin("demo")
		time.Sleep(time.Second)
		r.command("demo", api.Stop)
		r.settle()
		time.Sleep(31 * time.Second) // a look at the list
		w := r.want("demo", workspace.Stopped)
		st, err := r.cfg.Driver.Inspect(r.t.Context(), ref(w))
		if err != nil || w.Container != st.ID {
			t.Errorf("its container is recorded as %q and is %q, %v", w.Container, st.ID, err)
		}
		r.command("demo", api.Start)
		r.settle()
		if w = r.want("demo", workspace.Running); w.Container != st.ID || w.Spec.Digest == "" || w.Spec.Files != nil {
			t.Errorf("it was started as %+v", w)
		}
	})
}

func TestACancelledStopLeavesItRunning(t *testing.T) {
	for what, comesThrough := range map[string]bool{"in time": false, "too late": true} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				if r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpStop: 2 * time.Second}}); comesThrough {
					r.lateBy(memory.OpStop)
				}
				w := r.create("demo")
				r.command("demo", api.Stop)
				time.Sleep(time.Second)
				r.cancelOpen("demo")
				time.Sleep(time.Second)
				r.settle()
				if now := r.want("demo", workspace.Running); now.Run != w.Run || now.Desired != workspace.WantRunning {
					t.Errorf("it runs as %s and is wanted %s", now.Run, now.Desired)
				}
				time.Sleep(10 * time.Second)
				r.settle()
				now := r.want("demo", workspace.Running)
				if r.observed(now) != rt.ObservedRunning || (now.Run != w.Run) != comesThrough {
					t.Errorf("it runs as %s", now.Run)
				}
			})
		})
	}
}

func TestAnEndSoonAfterAnOvertakenCallIsMadeGoodOnlyOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.lateBy(memory.OpPause)
		w := r.create("demo")
		r.command("demo", api.Pause)
		time.Sleep(time.Second)
		r.command("demo", api.Start)
		time.Sleep(10 * time.Second)
		r.settle()
		must(t, r.box.Kill(ref(w), 0, false))
		time.Sleep(time.Second)
		r.settle()
		r.want("demo", workspace.Running)
		must(t, r.box.Kill(ref(w), 0, false))
		time.Sleep(time.Second)
		r.settle()
		r.want("demo", workspace.Stopped)
	})
}
