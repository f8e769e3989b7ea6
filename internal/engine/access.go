package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Logs yields the output of the main process.
func (e *Engine) Logs(ctx context.Context, a workspace.Actor, name string, o workspace.LogOptions, yield func(workspace.LogLine) error) error {
	w, err := e.Workspace(ctx, a, name)
	if err != nil {
		return err
	}
	return e.explain(w, e.cfg.Driver.Logs(ctx, ref(w), o, yield))
}

// Exec runs a command inside a running workspace.
func (e *Engine) Exec(ctx context.Context, a workspace.Actor, name string, x rt.ExecSpec) (rt.Process, error) {
	w, err := e.Workspace(ctx, a, name)
	if err != nil {
		return nil, err
	}
	if len(x.Command) == 0 {
		return nil, fault.New(fault.Invalid, "command_required", "no command is given").
			WithHint("write it behind --, such as `wsctl exec %s -- ls`", w.Name)
	}
	if err := workspace.ValidateCommand(x.Command); err != nil {
		return nil, err
	}
	if w.State == workspace.Paused {
		return nil, e.explain(w, rt.ErrPaused) // its agent would not answer
	}
	p, err := e.startInside(ctx, w, x)
	return p, e.explain(w, err)
}

// Usage samples what a workspace uses.
func (e *Engine) Usage(ctx context.Context, a workspace.Actor, name string) (workspace.Usage, error) {
	w, err := e.Workspace(ctx, a, name)
	if err != nil {
		return workspace.Usage{}, err
	}
	u, err := e.cfg.Driver.Stats(ctx, ref(w))
	return u, e.explain(w, err)
}

// explain turns a driver's error into one for people.
func (e *Engine) explain(w workspace.Workspace, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rt.ErrUnreachable):
		e.health.suspect()
		return away(err)
	case errors.Is(err, rt.ErrPaused):
		return fault.New(fault.Conflict, "state", "workspace %s is paused", w.Name).
			WithHint("resume it with `wsctl resume %s`", w.Name).WithCause(err)
	case (errors.Is(err, rt.ErrNotRunning) || errors.Is(err, rt.ErrNotFound)) && (w.State == workspace.Running || w.State == workspace.Paused):
		return fault.New(fault.Conflict, "state", "workspace %s does not run any more", w.Name).
			WithHint("see why with `wsctl show %s`", w.Name).WithCause(err)
	case errors.Is(err, rt.ErrNotRunning), errors.Is(err, rt.ErrNotFound):
		return fault.New(fault.Conflict, "state", "workspace %s is %s", w.Name, w.State).
			WithHint("start it with `wsctl start %s`", w.Name).WithCause(err)
	}
	return err
}

// runInside runs a command to its end and throws its output away.
func (e *Engine) runInside(ctx context.Context, w workspace.Workspace, command []string) (int, error) {
	p, err := e.startInside(ctx, w, rt.ExecSpec{Command: command})
	if err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	defer stop()
	if err := p.Copy(io.Discard, io.Discard); err != nil && ctx.Err() == nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	ectx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.Exit(ectx)
}

// Backup writes a consistent copy of the store.
func (e *Engine) Backup(_ context.Context, a workspace.Actor, w io.Writer) error {
	if !a.Admin {
		return fault.New(fault.Denied, "admin_only", "only the user that wsd runs as, and root, may back up the store")
	}
	return e.cfg.Store.Backup(w)
}
