package memory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

// Op names a call of runtime.Driver.
type Op string

// The operations, one for each call that reaches the engine.
const (
	OpInfo         Op = "info"
	OpEnsureImage  Op = "ensure_image"
	OpEnsure       Op = "ensure"
	OpStart        Op = "start"
	OpStop         Op = "stop"
	OpPause        Op = "pause"
	OpResume       Op = "resume"
	OpUpdate       Op = "update"
	OpRemove       Op = "remove"
	OpInspect      Op = "inspect"
	OpList         Op = "list"
	OpLogs         Op = "logs"
	OpExec         Op = "exec"
	OpDial         Op = "dial"
	OpStats        Op = "stats"
	OpWatch        Op = "watch"
	OpObjects      Op = "objects"
	OpRemoveObject Op = "remove_object"
)

// Faults says how long calls take and which of them go wrong. The zero value is
// an engine that answers at once and never fails.
type Faults struct {
	Latency map[Op]time.Duration // waited before a call has its effect
	Script  []Fault              // the first that fits a call is used
}

// Fault is what goes wrong with some calls.
type Fault struct {
	Op        Op
	Call      int    // which call since SetFaults, from 1; 0: every call
	Workspace string // only calls for this workspace; "": any

	// Err is returned instead of doing anything.
	Err error
	// Latency is waited beside that of Faults.
	Latency time.Duration
	// LoseReply lets the call have its effect and answers ErrUnreachable.
	LoseReply bool
	// Hang waits until the context ends: before the effect, or with LoseReply after it.
	Hang bool
}

// SetFaults replaces the faults and counts calls from 1 again.
func (e *Engine) SetFaults(f Faults) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = f
	clear(e.calls)
}

// Calls returns how many calls of op began since SetFaults.
func (e *Engine) Calls(op Op) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[op]
}

// admit counts a call and returns what shall go wrong with it and its latency.
func (e *Engine) admit(op Op, workspace string) (Fault, time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[op]++
	wait := e.faults.Latency[op]
	for _, f := range e.faults.Script {
		if f.Op == op && (f.Call == 0 || f.Call == e.calls[op]) && (f.Workspace == "" || f.Workspace == workspace) {
			return f, wait + f.Latency
		}
	}
	return Fault{}, wait
}

// call runs one call of the driver: latency and faults first, then effect under
// the engine's mutex. effect must not wait.
func (d *Driver) call(ctx context.Context, op Op, workspace string, effect func(now time.Time) error) error {
	fault, wait := d.engine.admit(op, workspace)
	if err := d.approach(ctx, fault, wait); err != nil {
		return fmt.Errorf("cannot %s: %w", op, err)
	}
	if fault.Err != nil {
		return fmt.Errorf("cannot %s: %w", op, fault.Err)
	}
	if err := d.apply(ctx, effect); err != nil {
		return fmt.Errorf("cannot %s: %w", op, err)
	}
	if !fault.LoseReply {
		return nil
	}
	if fault.Hang {
		return fmt.Errorf("cannot %s: %w", op, d.pause(ctx, nil))
	}
	return fmt.Errorf("cannot %s: the reply was lost: %w", op, runtime.ErrUnreachable)
}

// approach is the way of a request to the engine.
func (d *Driver) approach(ctx context.Context, f Fault, wait time.Duration) error {
	if err := ctx.Err(); err != nil {
		return ended(err)
	}
	select {
	case <-d.closed:
		return errClosed
	default:
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		if err := d.pause(ctx, timer.C); err != nil {
			return err
		}
	}
	if f.Hang && !f.LoseReply {
		return d.pause(ctx, nil)
	}
	return nil
}

// apply waits while the engine hangs, then lets effect happen.
func (d *Driver) apply(ctx context.Context, effect func(now time.Time) error) error {
	e := d.engine
	for {
		e.mu.Lock()
		switch e.mode {
		case down:
			e.mu.Unlock()
			return runtime.ErrUnreachable
		case up:
			err := effect(time.Now())
			e.mu.Unlock()
			return err
		}
		moded := e.moded
		e.mu.Unlock()
		if err := await(ctx, d.closed, moded); err != nil {
			return err
		}
	}
}

// pause waits for a tick; a nil channel waits for the context's or driver's end.
func (d *Driver) pause(ctx context.Context, tick <-chan time.Time) error {
	return await(ctx, d.closed, tick)
}

// await returns nil once c delivers, or why waiting ended before.
func await[T any](ctx context.Context, closed <-chan struct{}, c <-chan T) error {
	select {
	case <-c:
		return nil
	case <-closed:
		return errClosed
	case <-ctx.Done():
		return ended(ctx.Err())
	}
}

var errClosed = fmt.Errorf("the driver is closed: %w", runtime.ErrUnreachable)

// ended explains the end of a context (see the package comment).
func ended(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", runtime.ErrUnreachable, err)
	}
	return err
}
