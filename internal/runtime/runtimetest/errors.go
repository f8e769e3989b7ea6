package runtimetest

import (
	"context"
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func errorCases() []row {
	return []row{
		{"what does not exist is ErrNotFound and never ErrUnreachable", checkNotFound},
		{"an engine that is away is ErrUnreachable and never ErrNotFound", checkUnreachable},
		{"a cancelled context ends every call at once", checkCancelled},
		{"a deadline that has passed is ErrUnreachable", checkDeadline},
	}
}

// named is one call of a driver.
type named struct {
	name string
	call func(ctx context.Context) error
}

// readers are the calls that need an existing container.
func (w *world) readers(c runtime.Container) []named {
	d, r := w.Driver, c.Ref
	return []named{
		{"inspect", func(ctx context.Context) error { _, err := d.Inspect(ctx, r); return err }},
		{"start", func(ctx context.Context) error { return d.Start(ctx, r) }},
		{"pause", func(ctx context.Context) error { return d.Pause(ctx, r) }},
		{"resume", func(ctx context.Context) error { return d.Resume(ctx, r) }},
		{"update", func(ctx context.Context) error { _, err := d.Update(ctx, r, c.Spec.Limits); return err }},
		{"stats", func(ctx context.Context) error { _, err := d.Stats(ctx, r); return err }},
		{"dial", func(ctx context.Context) error {
			conn, err := d.Dial(ctx, r, c.Spec.Port)
			if err == nil {
				err = conn.Close()
			}
			return err
		}},
		{"exec", func(ctx context.Context) error {
			_, err := d.Exec(ctx, r, runtime.ExecSpec{Command: []string{"true"}})
			return err
		}},
		{"logs", func(ctx context.Context) error {
			return d.Logs(ctx, r, workspace.LogOptions{Tail: -1, Follow: true}, func(workspace.LogLine) error { return nil })
		}},
	}
}

// others are the calls that do not.
func (w *world) others(c runtime.Container) []named {
	d := w.Driver
	return []named{
		{"info", func(ctx context.Context) error { _, err := d.Info(ctx); return err }},
		{"ensure", func(ctx context.Context) error { _, err := d.Ensure(ctx, c); return err }},
		{"stop", func(ctx context.Context) error { return d.Stop(ctx, c.Ref, 0) }},
		{"remove", func(ctx context.Context) error { return d.Remove(ctx, c.Workspace) }},
		{"list", func(ctx context.Context) error { _, err := d.List(ctx); return err }},
		{"objects", func(ctx context.Context) error { _, err := d.Objects(ctx); return err }},
		{"watch", func(ctx context.Context) error {
			return d.Watch(ctx, time.Time{}, func() {}, func(runtime.Change) {})
		}},
	}
}

func checkNotFound(w *world) {
	c := w.container("missing")
	for _, x := range w.readers(c) {
		err := w.soon(x.name+" of a missing one", w.Patience, func() error { return x.call(w.ctx) })
		w.mustBe(err, runtime.ErrNotFound, x.name)
		if errors.Is(err, runtime.ErrUnreachable) {
			w.Errorf("%s: a missing container is told as unreachable: %v", x.name, err)
		}
	}
}

func checkUnreachable(w *world) {
	if w.Down == nil {
		w.Skip("the harness cannot take the engine away")
	}
	c := w.running("away")
	before := w.status(c.Ref)
	up := w.Down()
	for _, x := range append(w.readers(c), w.others(c)...) {
		err := w.soon(x.name+" without an engine", w.Patience, func() error { return x.call(w.ctx) })
		if x.name == "dial" && err == nil {
			continue // a driver that knows the way needs no engine for it
		}
		w.mustBe(err, runtime.ErrUnreachable, x.name)
		if errors.Is(err, runtime.ErrNotFound) {
			w.Errorf("%s: an engine that is away is told as not found: %v", x.name, err)
		}
	}
	up()
	w.eventually("an answer of the engine", func() bool { _, err := w.Driver.Info(w.ctx); return err == nil })
	if after := w.status(c.Ref); after.ID != before.ID {
		w.Errorf("the container %s became %s", before.ID, after.ID)
	}
}

func checkCancelled(w *world) {
	c := w.running("cancelled")
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	for _, x := range append(w.readers(c), w.others(c)...) {
		err := w.soon(x.name+" with a cancelled context", quick, func() error { return x.call(ctx) })
		w.mustBe(err, context.Canceled, x.name)
		if errors.Is(err, runtime.ErrNotFound) {
			w.Errorf("%s: a cancelled call is told as not found: %v", x.name, err)
		}
	}
	w.state(c.Ref, runtime.ObservedRunning)
}

func checkDeadline(w *world) {
	c := w.running("deadline")
	ctx, cancel := context.WithDeadline(w.ctx, time.Now().Add(-time.Second))
	defer cancel()
	for _, x := range append(w.readers(c), w.others(c)...) {
		switch x.name {
		case "logs", "watch": // streams: the end of their context is no failure
			continue
		}
		err := w.soon(x.name+" past its deadline", quick, func() error { return x.call(ctx) })
		w.mustBe(err, runtime.ErrUnreachable, x.name)
	}
	w.state(c.Ref, runtime.ObservedRunning)
}
