package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestNobodyWaitsForALoopThatHasEnded(t *testing.T) {
	inBubble(t, func(r *rig) {
		old := r.Engine
		r.restart()
		for range 300 { // more than the queue has room for
			go func() {
				err := old.do(r.t.Context(), func(*turn) error { return nil })
				if !fault.HasCode(err, "shutting_down") {
					r.t.Errorf("got %v", err)
				}
			}()
		}
		synctest.Wait() // and the bubble ends: nobody is left waiting
	})
}

func TestRequestsBeforeTheLoopBeginsWaitForIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.shutdown()
		early := make(chan error, 1)
		r.beforeRun = func(e *Engine) {
			go func() { early <- e.do(r.t.Context(), func(*turn) error { return nil }) }()
			synctest.Wait()
		}
		r.start()
		if err := <-early; err != nil {
			t.Error(err)
		}
	})
}

func TestARequestThatIsGivenUpIsNotCarriedOut(t *testing.T) {
	inBubble(t, func(r *rig) {
		hold := make(chan struct{})
		go func() { _ = r.do(r.t.Context(), func(*turn) error { <-hold; return nil }) }()
		synctest.Wait() // the loop is busy
		ctx, cancel := context.WithCancel(r.t.Context())
		ran := false
		answer := make(chan error, 1)
		go func() { answer <- r.do(ctx, func(*turn) error { ran = true; return nil }) }()
		synctest.Wait()
		cancel()
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Errorf("it is answered %v", err)
		}
		close(hold)
		synctest.Wait()
		if ran {
			t.Error("it was carried out although nobody waits for it")
		}
	})
}

// A worker that does not let go keeps a due job waiting; jobs of others must not
// wait with it.
func TestAJobThatWaitsForAWorkerHoldsUpNoOther(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.tweak = func(c *Config) { c.Driver = &deafStart{Driver: c.Driver, takes: 5 * time.Minute} }
		r.restart()
		r.begin("stuck")
		time.Sleep(time.Second)
		r.command("stuck", api.Stop) // due from now on, and waits for the start to let go
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsureImage, Call: 1, Err: errors.New("a hiccup")}}})
		w := r.begin("other")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if j, err := r.Job(r.t.Context(), root, w.Job); err != nil || j.Attempt < 2 {
			t.Errorf("its second attempt has not begun: %+v, %v", j, err)
		}
		time.Sleep(10 * time.Minute)
		r.settle()
	})
}

// deafStart is a driver whose Start takes its time whatever its context says.
type deafStart struct {
	rt.Driver
	takes time.Duration
}

func (d *deafStart) Start(ctx context.Context, r rt.Ref) error {
	time.Sleep(d.takes)
	return d.Driver.Start(ctx, r)
}

func TestAJobThatBecomesDueDuringACommitIsNotForgotten(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.shutdown()
		db, err := store.Open(r.path)
		must(t, err)
		turn := time.Now()
		j := workspace.Job{ID: "j1", Kind: workspace.JobStop, Workspace: "w1", State: workspace.JobDelayed, DueAt: turn.Add(time.Millisecond)}
		must(t, db.Update(func(tx *store.Tx) error { return tx.PutJob(j) }))
		time.Sleep(2 * time.Millisecond) // the commit took as long
		if d := New(Config{Store: db}).untilNext(turn); d != 0 {
			t.Errorf("the loop sleeps for %s", d)
		}
		must(t, db.Update(func(tx *store.Tx) error { return tx.EndJob(ended(j)) }))
		must(t, db.Close())
		r.start()
	})
}

func ended(j workspace.Job) workspace.Job {
	j.State = workspace.JobCancelled
	return j
}

func TestAClockThatIsSetBackDelaysNoJob(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsureImage, Call: 1, Err: errors.New("a hiccup")}}})
		w := r.begin("demo")
		synctest.Wait()
		// To a clock that has gone back by a year, the job is due in a year.
		must(t, r.do(r.t.Context(), func(t *turn) error {
			j, err := t.Job(w.Job)
			if err != nil {
				return err
			}
			j.DueAt = j.DueAt.AddDate(1, 0, 0)
			return t.PutJob(j)
		}))
		time.Sleep(time.Minute)
		synctest.Wait()
		r.want("demo", workspace.Running)
	})
}

func TestOldFactsGo(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.tweak = func(c *Config) { c.KeepFacts = 50 }
		r.restart()
		for range 120 {
			must(t, r.do(r.t.Context(), func(t *turn) error { return t.tell(nil, "uid:0", event.EngineBack, nil) }))
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		list, err := r.Events(r.t.Context(), root, 0, 0, "")
		if err != nil || len(list) > 50+5 || len(list) < 50 {
			t.Errorf("%d facts are kept, %v", len(list), err)
		}
		if last := r.seq(); len(list) == 0 || list[len(list)-1].Seq != last {
			t.Error("the newest is not among them")
		}
		var got []api.Message
		defer r.watch(1, &got)()
		synctest.Wait()
		if len(got) != 2 || got[1].Type != "resync" {
			t.Errorf("a watcher that asks for a fact that is gone gets %v", got)
		}
	})
}
