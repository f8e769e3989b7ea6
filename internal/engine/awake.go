package engine

import (
	"context"
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// lookAgain is how often Awake looks without having been told, in case that it was told
// too fast.
const lookAgain = time.Second

// Awake makes a workspace run and waits until it does: a stopped one is started, a paused
// one resumed. However many callers wait, there is one start. It ends with the failure of
// that start, or with ctx.
func (e *Engine) Awake(ctx context.Context, a workspace.Actor, name string) (workspace.Workspace, error) {
	return e.awake(ctx, a, name, nil)
}

// Wake is Awake for the front door, on behalf of a request.
func (e *Engine) Wake(ctx context.Context, id, cause string) (workspace.Workspace, error) {
	return e.awake(ctx, frontDoor, id, map[string]string{"cause": cause})
}

func (e *Engine) awake(ctx context.Context, a workspace.Actor, name string, why map[string]string) (workspace.Workspace, error) {
	told, cancel := e.bus.Subscribe(watchBuffer)
	defer cancel()
	w, err := e.Workspace(ctx, a, name)
	if err != nil || w.State == workspace.Running {
		return w, err
	}
	before := w.Run
	if w, err = e.rouse(ctx, a, w, why); err != nil {
		return w, err
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		if w, err = e.Workspace(ctx, a, w.ID); err != nil || w.State == workspace.Running {
			return w, err
		}
		if w.State == workspace.Failed && w.Run != before || w.Desired != workspace.WantRunning {
			return w, asleep(w)
		}
		if told, err = e.change(ctx, told, tick.C, w.ID); err != nil {
			return w, err
		}
	}
}

// rouse asks for the start, if nobody has.
func (e *Engine) rouse(ctx context.Context, a workspace.Actor, w workspace.Workspace, why map[string]string) (workspace.Workspace, error) {
	if w.Desired == workspace.WantRunning && w.State != workspace.Failed && w.State != workspace.Stopped {
		return w, nil
	}
	command := api.Start
	if w.State == workspace.Paused {
		command = api.Resume
	}
	return e.ask(ctx, a, w.ID, command, why)
}

// change returns when something of the workspace id may have changed. A channel that was
// closed because its reader was too slow is left to the ticker.
func (e *Engine) change(ctx context.Context, told <-chan api.Message, tick <-chan time.Time, id string) (<-chan api.Message, error) {
	for {
		select {
		case m, ok := <-told:
			switch {
			case !ok:
				told = nil
			case m.Workspace != nil && m.Workspace.ID == id:
				return told, nil
			}
		case <-tick:
			return told, nil
		case <-e.ended:
			return told, errors.New("cannot wait: the engine has ended")
		case <-ctx.Done():
			return told, ctx.Err()
		}
	}
}

// asleep says why a workspace does not run although it was to.
func asleep(w workspace.Workspace) error {
	if c, ok := w.Condition(workspace.Attention); ok && c.Status {
		return fault.New(fault.Conflict, "start_failed", "workspace %s did not start: %s", w.Name, c.Detail).
			WithHint("see why with `wsctl logs %s` and `wsctl show %s`", w.Name, w.Name)
	}
	return fault.New(fault.Conflict, "start_failed", "workspace %s is %s, and does not start", w.Name, w.State).
		WithHint("see why with `wsctl show %s`", w.Name)
}
