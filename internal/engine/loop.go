package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// maxBatch bounds how many requests share one commit. At 64 the disk's flush is
// no longer what a request waits for.
const maxBatch = 64

// storeFloor is how long the timer rests after the store failed, so that a broken
// disk does not make the loop spin. Requests are answered meanwhile: each only once.
const storeFloor = time.Second

// pruneEvery is how often old facts are dropped.
const pruneEvery = time.Hour

// errDirty says that a request failed after it had written: its batch is rolled
// back and every request of it runs again in a transaction of its own.
var errDirty = errors.New("engine: a request failed after writing")

// request is one turn that somebody waits for.
type request struct {
	fn   func(*turn) error
	turn *turn
	err  error
	done chan struct{}
	// taken is set once: by the loop, which then carries the request out, or by whoever
	// waits, who then has given it up.
	taken atomic.Bool
}

func newRequest(fn func(*turn) error) *request {
	return &request{fn: fn, done: make(chan struct{})}
}

// do runs fn in the loop and waits for its commit. Its error is fn's, or the
// store's. When ctx ends before its turn has come, fn never runs.
func (e *Engine) do(ctx context.Context, fn func(*turn) error) error {
	r := newRequest(fn)
	select {
	case e.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ended:
		return errShutdown()
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	case <-e.ended:
	}
	if !r.taken.CompareAndSwap(false, true) { // its turn has come: a commit does not take long
		<-r.done
		return r.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errShutdown()
}

func errShutdown() error {
	return fault.New(fault.Unavailable, "shutting_down", "wsd is shutting down").WithRetryAfter(2 * time.Second)
}

// loop takes requests and due rows until ctx ends. Nobody who waits then is left
// waiting: see do.
func (e *Engine) loop(ctx context.Context) {
	defer close(e.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	batch := make([]*request, 0, maxBatch)
	for ctx.Err() == nil {
		batch = batch[:0]
		var tick *request
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			tick = newRequest(e.tick)
			batch = admit(batch, tick)
		case r := <-e.requests:
			batch = admit(batch, r)
		}
		batch = e.fill(batch)
		now := time.Now()
		e.pulse(now) // before anything is decided
		ok := e.take(now, batch)
		if tick != nil && tick.err != nil {
			e.log.Error("cannot use up a deadline", "err", tick.err)
			ok = false
		}
		if ok {
			timer.Reset(e.untilNext(now))
		} else {
			timer.Reset(storeFloor)
		}
	}
}

// admit adds r unless it was given up.
func admit(batch []*request, r *request) []*request {
	if r.taken.CompareAndSwap(false, true) {
		return append(batch, r)
	}
	return batch
}

// fill adds the requests that wait already.
func (e *Engine) fill(batch []*request) []*request {
	for len(batch) < maxBatch {
		select {
		case r := <-e.requests:
			batch = admit(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// take commits a batch and tells of it. Jobs that became due start in the same
// transaction. It reports whether all of it was committed.
func (e *Engine) take(now time.Time, batch []*request) (ok bool) {
	err := e.commit(now, batch)
	ok = err == nil
	if errors.Is(err, errDirty) && len(batch) > 1 {
		ok = true
		for i := range batch {
			ok = e.commit(now, batch[i:i+1]) == nil && ok
		}
	}
	for _, r := range batch {
		if r.turn != nil {
			e.bus.Publish(r.turn.news()...)
		}
		close(r.done)
	}
	return ok
}

// commit runs the batch in one transaction. A request that fails before it wrote
// leaves no trace; one that fails after it wrote rolls the transaction back, which
// is errDirty.
func (e *Engine) commit(now time.Time, batch []*request) error {
	starts := &turn{now: now}
	err := e.cfg.Store.Update(func(tx *store.Tx) error {
		for _, r := range batch {
			t := &turn{Tx: tx, now: now}
			before := tx.Writes()
			r.turn, r.err = t, r.fn(t)
			if r.err == nil {
				r.err = e.followRows(t)
			}
			if r.err != nil && tx.Writes() != before {
				return errDirty
			}
		}
		starts.Tx = tx
		return e.startDue(starts)
	})
	if err != nil {
		starts.undo()
		rollBack(batch)
		if !errors.Is(err, errDirty) {
			e.log.Error("cannot write to the store", "err", err)
			fail(batch, err)
		}
		return err
	}
	for _, r := range batch {
		if r.err != nil {
			r.turn.undo()
			r.turn = nil
			continue
		}
		r.turn.settle()
	}
	starts.settle()
	return nil
}

// fail gives err to every request that has none of its own.
func fail(batch []*request, err error) {
	for _, r := range batch {
		if r.err == nil {
			r.err = err
		}
	}
}

func rollBack(batch []*request) {
	for _, r := range batch {
		if r.turn != nil {
			r.turn.undo()
			r.turn = nil
		}
	}
}

// untilNext is how long the loop may sleep after the turn of now: to the next job or
// deadline. Jobs that were due at that turn and have not begun wait for a worker,
// whose end wakes the loop, so they set no timer.
func (e *Engine) untilNext(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		if at, ok := tx.NextJobDue(now); ok && at.Before(next) {
			next = at
		}
		if at, ok := tx.NextDeadline(); ok && at.Before(next) {
			next = at
		}
		return nil
	})
	if err != nil {
		return storeFloor
	}
	return max(time.Until(next), 0)
}

// tick uses up every due deadline. A row is only a reminder: the record decides.
func (e *Engine) tick(t *turn) error {
	due, err := t.DueDeadlines(t.now, 128)
	if err != nil {
		return err
	}
	for _, d := range due {
		if err := t.DropDeadline(d.Kind, d.Key); err != nil {
			return err
		}
		switch d.Kind {
		case store.DeadlineTombstone:
			err = t.DropTombstone(d.Key)
		case store.DeadlineIdempotency:
			err = t.DropIdempotent(d.Key)
		case store.DeadlineFacts:
			err = e.forgetFacts(t)
		case store.DeadlineLate:
			err = e.forgetCut(t, d)
		case store.DeadlineActivity:
			err = e.dueActivity(t, d.Key)
		}
		if err != nil {
			return err
		}
	}
	return e.pullForward(t)
}

// forgetFacts drops the oldest facts beyond what is kept, and promises to do so again.
func (e *Engine) forgetFacts(t *turn) error {
	if _, err := t.PruneEvents(e.cfg.KeepFacts); err != nil {
		return err
	}
	return t.PutDeadline(store.Deadline{At: t.now.Add(pruneEvery), Kind: store.DeadlineFacts})
}

// pullForward makes delayed jobs due that wait longer than any delay is: the clock
// was set back since.
func (e *Engine) pullForward(t *turn) error {
	longest := t.now.Add(max(e.cfg.MaxBackoff, awayDelay))
	if at, ok := t.NextJobDue(longest); !ok || !at.After(longest) {
		return nil
	}
	return dueNow(t, func(j workspace.Job) bool { return j.DueAt.After(longest) })
}

// signal tells of something transient.
func (e *Engine) signal(s event.Signal) {
	e.bus.Publish(api.Message{Type: "signal", Signal: &s})
}
