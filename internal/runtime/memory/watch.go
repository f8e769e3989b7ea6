package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

// remembered is how many changes the engine can replay, as in Docker's engine.
const remembered = 256

// changes is the bounded memory of what changed, guarded by the engine's mutex.
// A watcher that falls behind by more than it holds loses the oldest.
type changes struct {
	ring    []change
	next    uint64 // number of the next change
	more    chan struct{}
	dropped bool
}

type change struct {
	runtime.Change
	instance *instance
}

// tell records a change and wakes the watchers.
func (e *Engine) tell(c *container, action string, now time.Time) {
	s := &e.changes
	if s.dropped {
		return
	}
	ch := change{runtime.Change{Ref: c.Ref, Action: action, Time: now}, c.instance}
	if len(s.ring) < remembered {
		s.ring = append(s.ring, ch)
	} else {
		copy(s.ring, s.ring[1:])
		s.ring[remembered-1] = ch
	}
	s.next++
	close(s.more)
	s.more = make(chan struct{})
}

// forget empties the memory; watchers go on behind it.
func (s *changes) forget() { s.ring = nil }

// after returns the remembered changes of in from number from on, not older than since.
func (s *changes) after(from uint64, since time.Time, in *instance) []runtime.Change {
	var out []runtime.Change
	first := s.next - uint64(len(s.ring))
	for i, c := range s.ring {
		if first+uint64(i) >= from && c.instance == in && !c.Time.Before(since) {
			out = append(out, c.Change)
		}
	}
	return out
}

// Watch implements runtime.Driver. Changes at the very time since are replayed
// too, so that none is lost between two streams; a zero since replays all that is
// remembered. tell runs in the caller's goroutine and may be slow.
func (d *Driver) Watch(ctx context.Context, since time.Time, connected func(), tell func(runtime.Change)) error {
	e := d.engine
	var from uint64
	var cut, more chan struct{}
	var batch []runtime.Change
	read := func() {
		batch = e.changes.after(from, since, e.at(d.instance))
		from, more = e.changes.next, e.changes.more
	}
	err := d.call(ctx, OpWatch, "", func(time.Time) error {
		cut = e.cut
		read()
		return nil
	})
	if err != nil {
		return err
	}
	if connected != nil {
		connected()
	}
	for {
		for _, c := range batch {
			tell(c)
		}
		if err := d.stream(ctx, cut, more); err != nil {
			return fmt.Errorf("cannot watch any longer: %w", err)
		}
		e.mu.Lock()
		read()
		e.mu.Unlock()
	}
}
