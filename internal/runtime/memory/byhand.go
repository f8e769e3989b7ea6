package memory

import (
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Kill ends the main process of a running or paused container with this exit
// status, as the kernel or a bug would. oom says that memory was the reason.
func (e *Engine) Kill(r runtime.Ref, exitCode int, oom bool) error {
	return e.byHand(r, func(c *container, now time.Time) error {
		if c.run == nil {
			return runtime.ErrNotRunning
		}
		e.end(c, now, exitCode, oom)
		return nil
	})
}

// RemoveByHand removes a container, running or not, and keeps its volume.
func (e *Engine) RemoveByHand(r runtime.Ref) error {
	return e.byHand(r, func(c *container, now time.Time) error {
		e.remove(c, now)
		return nil
	})
}

// PauseByHand freezes a running container.
func (e *Engine) PauseByHand(r runtime.Ref) error {
	return e.byHand(r, func(c *container, now time.Time) error {
		if c.observed() != runtime.ObservedRunning {
			return runtime.ErrNotRunning
		}
		e.freeze(c, now)
		return nil
	})
}

// ResumeByHand thaws a paused container.
func (e *Engine) ResumeByHand(r runtime.Ref) error {
	return e.byHand(r, func(c *container, now time.Time) error {
		if c.observed() != runtime.ObservedPaused {
			return runtime.ErrNotRunning
		}
		e.thaw(c, now)
		return nil
	})
}

// StartByHand starts a container that does not run.
func (e *Engine) StartByHand(r runtime.Ref) error {
	return e.byHand(r, func(c *container, now time.Time) error {
		if c.run == nil {
			e.start(c, now)
		}
		return nil
	})
}

// CutByHand takes away the network of a running container, which stays so until it ends.
func (e *Engine) CutByHand(r runtime.Ref) error {
	return e.byHand(r, func(c *container, _ time.Time) error {
		if c.run == nil {
			return runtime.ErrNotRunning
		}
		c.run.cut = true
		return nil
	})
}

// SetUsage fixes what Stats tells; Time and MemoryLimit are filled in by Stats.
func (e *Engine) SetUsage(r runtime.Ref, u workspace.Usage) error {
	return e.byHand(r, func(c *container, _ time.Time) error {
		c.usage = u
		return nil
	})
}

// Print lets the main process write one line to "stdout" or "stderr".
func (e *Engine) Print(r runtime.Ref, stream, text string) error {
	return e.byHand(r, func(c *container, now time.Time) error {
		c.logs.add(now, stream, text)
		return nil
	})
}

// AddForeign adds an object that no driver made but that carries the label of
// this instance: a leftover that its driver lists and may remove. Objects of
// another instance are invisible to a driver.
func (e *Engine) AddForeign(instance string, o runtime.Object) {
	e.mu.Lock()
	defer e.mu.Unlock()
	in := e.at(instance)
	in.foreign = append(in.foreign, o)
}

// byHand acts on the container of r whatever its instance and the engine's mode.
func (e *Engine) byHand(r runtime.Ref, act func(c *container, now time.Time) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, in := range e.instances {
		if c := in.find(r); c != nil {
			return act(c, time.Now())
		}
	}
	return runtime.ErrNotFound
}
