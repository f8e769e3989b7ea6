package engine

import (
	"context"
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
)

// maxBatch bounds how many requests share one commit. At 64 the disk's flush is
// no longer what a request waits for.
const maxBatch = 64

// storeFloor is how long the timer rests after the store failed, so that a broken
// disk does not make the loop spin. Requests are answered meanwhile: each only once.
const storeFloor = time.Second

// errDirty says that a request failed after it had written: its batch is rolled
// back and every request of it runs again in a transaction of its own.
var errDirty = errors.New("engine: a request failed after writing")

// request is one turn that somebody waits for.
type request struct {
	fn   func(*turn) error
	turn *turn
	err  error
	done chan struct{}
}

// do runs fn in the loop and waits for its commit. Its error is fn's, or the
// store's. When ctx ends first the turn may still happen.
func (e *Engine) do(ctx context.Context, fn func(*turn) error) error {
	r := &request{fn: fn, done: make(chan struct{})}
	select {
	case e.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ctx.Done():
		return errShutdown()
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func errShutdown() error {
	return fault.New(fault.Unavailable, "shutting_down", "wsd is shutting down").WithRetryAfter(2 * time.Second)
}

func (e *Engine) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	batch := make([]*request, 0, maxBatch)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			batch = append(batch[:0], &request{fn: e.expire, done: make(chan struct{})})
		case r := <-e.requests:
			batch = append(batch[:0], r)
		}
		if e.take(e.fill(batch)) {
			timer.Reset(e.untilNext())
		} else {
			timer.Reset(storeFloor)
		}
	}
}

// fill adds the requests that wait already.
func (e *Engine) fill(batch []*request) []*request {
	for len(batch) < maxBatch {
		select {
		case r := <-e.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// drain answers what still waits when the loop has ended.
func (e *Engine) drain() {
	for {
		select {
		case r := <-e.requests:
			r.err = errShutdown()
			close(r.done)
		default:
			return
		}
	}
}

// take commits a batch and tells of it. Jobs that became due start in the same
// transaction. It reports whether all of it was committed.
func (e *Engine) take(batch []*request) (ok bool) {
	now := time.Now()
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
			e.bus.Publish(r.turn.messages...)
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
			t := &turn{Tx: tx, now: now, door: e.cfg.Door}
			before := tx.Writes()
			r.turn, r.err = t, r.fn(t)
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

// untilNext is how long the loop may sleep: to the next job or deadline. Work that
// is due already waits for a worker, whose end wakes the loop, so it sets no timer.
func (e *Engine) untilNext() time.Duration {
	now := time.Now()
	next := now.Add(time.Hour)
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		if at, ok := tx.NextJobDue(); ok && at.After(now) && at.Before(next) {
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
	return max(next.Sub(now), 0)
}

// expire uses up every due deadline. A row is only a reminder: the record decides.
func (e *Engine) expire(t *turn) error {
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
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// signal tells of something transient.
func (e *Engine) signal(s event.Signal) {
	e.bus.Publish(api.Message{Type: "signal", Signal: &s})
}
