package runtimetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

func watchCases() []row {
	return []row{
		{"watch tells starts, pauses, ends and removals", checkWatch},
		{"watch replays what happened since a time", checkReplay},
		{"watch ends with its context", checkWatchEnds},
		{"watch tells only of its own instance", checkWatchOwn},
	}
}

// watcher collects changes in a goroutine of its own.
type watcher struct {
	stop func() error // ends the stream and returns its error

	mu      sync.Mutex
	changes []runtime.Change
}

// watch opens a stream and returns once it stands.
func (w *world) watch(d runtime.Driver, since time.Time) *watcher {
	w.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	out := &watcher{}
	connected, ended := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		ended <- d.Watch(ctx, since, func() { once.Do(func() { close(connected) }) }, out.add)
	}()
	out.stop = sync.OnceValue(func() error {
		cancel()
		return w.soon("the end of the stream", quick, func() error { return <-ended })
	})
	w.Cleanup(func() { _ = out.stop() })
	w.must(w.soon("the stream of changes", w.Patience, func() error {
		select {
		case <-connected:
			return nil
		case err := <-ended:
			ended <- err
			return errors.Join(errors.New("it ended"), err)
		}
	}), "watch")
	return out
}

func (x *watcher) add(c runtime.Change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changes = append(x.changes, c)
}

// saw reports whether this change of r was told.
func (x *watcher) saw(r runtime.Ref, action string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.changes {
		if c.Ref == r && c.Action == action && !c.Time.IsZero() {
			return true
		}
	}
	return false
}

// sees waits for this change of r.
func (w *world) sees(x *watcher, r runtime.Ref, action string) {
	w.Helper()
	w.eventually("change "+action, func() bool { return x.saw(r, action) })
}

func checkWatch(w *world) {
	c := w.container("watch")
	w.made(c)
	x := w.watch(w.Driver, time.Time{})
	for _, step := range []struct {
		action string
		act    func() error
	}{
		{"start", func() error { return w.Driver.Start(w.ctx, c.Ref) }},
		{"pause", func() error { return w.Driver.Pause(w.ctx, c.Ref) }},
		{"unpause", func() error { return w.Driver.Resume(w.ctx, c.Ref) }},
		{"die", func() error { return w.Driver.Stop(w.ctx, c.Ref, 0) }},
		{"destroy", func() error { return w.Driver.Remove(w.ctx, c.Workspace) }},
	} {
		if x.saw(c.Ref, step.action) {
			w.Errorf("%s was told before it happened", step.action)
		}
		w.must(step.act(), "cause "+step.action)
		w.sees(x, c.Ref, step.action)
	}
}

func checkReplay(w *world) {
	c := w.container("replay")
	w.made(c)
	x := w.watch(w.Driver, time.Time{})
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.sees(x, c.Ref, "start")
	x.mu.Lock()
	since := x.changes[len(x.changes)-1].Time // the engine's clock, not ours
	x.mu.Unlock()
	_ = x.stop()

	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop while nobody watches")
	w.sees(w.watch(w.Driver, since), c.Ref, "die")
}

func checkWatchEnds(w *world) {
	x := w.watch(w.Driver, time.Time{})
	if err := x.stop(); err != nil && !errors.Is(err, context.Canceled) {
		w.Errorf("after the context's end: %v", err)
	}
}

func checkWatchOwn(w *world) {
	if w.Other == nil {
		w.Skip("the harness has no other instance")
	}
	mine, theirs := w.container("mine"), w.container("theirs")
	w.removeLater(w.Other, theirs.Workspace)
	x := w.watch(w.Driver, time.Time{})
	_, err := w.Other.Ensure(w.ctx, theirs)
	w.must(err, "ensure at the other instance")
	w.must(w.Other.Start(w.ctx, theirs.Ref), "start at the other instance")
	w.made(mine)
	w.must(w.Driver.Start(w.ctx, mine.Ref), "start")
	w.sees(x, mine.Ref, "start")
	if x.saw(theirs.Ref, "start") {
		w.Error("a start of another instance was told")
	}
}
