package engine

import (
	"context"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Command asks for another life of a workspace. It answers as soon as the promise
// is committed; a workspace that is already as asked is answered unchanged.
func (e *Engine) Command(ctx context.Context, a workspace.Actor, ref string, c api.Command) (workspace.Workspace, error) {
	if err := e.reachable(ctx); err != nil {
		return workspace.Workspace{}, err
	}
	var w workspace.Workspace
	err := e.do(ctx, func(t *turn) (err error) {
		if w, err = visible(t.Tx, a, ref); err != nil {
			return err
		}
		w = w.Clone()
		done, err := e.command(t, &w, c, a.ID)
		if err != nil || !done {
			return err
		}
		return t.tell(&w, a.ID, event.CommandAccepted, map[string]string{"command": string(c)})
	})
	return w, err
}

// command decides on one command; it reports whether anything changed.
func (e *Engine) command(t *turn, w *workspace.Workspace, c api.Command, actor string) (bool, error) {
	switch c {
	case api.Start, api.Resume:
		return e.askStart(t, w, c, actor)
	case api.Stop:
		return e.askStop(t, w, actor)
	case api.Restart:
		return e.askRestart(t, w, actor)
	case api.Pause:
		return e.askPause(t, w, actor)
	}
	return false, fault.New(fault.Invalid, "command_unknown", "%.40q is not a command", string(c))
}

func (e *Engine) askStart(t *turn, w *workspace.Workspace, c api.Command, actor string) (bool, error) {
	switch w.State {
	case workspace.Creating, workspace.Initializing:
		if w.Desired == workspace.WantRunning {
			return false, nil
		}
		w.Desired = workspace.WantRunning
		return true, t.put(w)
	case workspace.Running:
		if w.Desired == workspace.WantRunning {
			return false, nil
		}
		// A pause is under way, and may have come through: resuming is right either way.
		w.Desired = workspace.WantRunning
		if err := e.promise(t, w, workspace.JobResume, actor, false); err != nil {
			return false, err
		}
		return true, t.put(w)
	case workspace.Paused:
		w.Desired = workspace.WantRunning
		if err := e.promise(t, w, workspace.JobResume, actor, false); err != nil {
			return false, err
		}
		return true, t.put(w)
	case workspace.Stopping:
		w.Desired = workspace.WantRunning // settle starts it when the stop is done
		return true, t.put(w)
	case workspace.Stopped, workspace.Failed:
		if c == api.Resume {
			return false, stateFault(w, c, "start it with `wsctl start %s`", w.Name)
		}
		return true, e.start(t, w, actor)
	}
	return false, stateFault(w, c, "it cannot come back from there")
}

// start begins a new run of a workspace that is down.
func (e *Engine) start(t *turn, w *workspace.Workspace, actor string) error {
	w.Desired = workspace.WantRunning
	newRun(t, w)
	kind := workspace.JobStart
	if w.Container == "" {
		kind = workspace.JobProvision
	}
	if err := e.promise(t, w, kind, actor, false); err != nil {
		return err
	}
	return t.move(w, workspace.StartAsked, actor)
}

// newRun gives w its next run id and forgets what the last run left.
func newRun(t *turn, w *workspace.Workspace) {
	w.Run = workspace.NewID(workspace.PrefixRun)
	w.StartedAt = t.now
	w.DropCondition(workspace.Attention)
	w.DropCondition(workspace.OOMKilled)
	w.DropCondition(workspace.Restored)
	w.DropCondition(workspace.Ready)
}

func (e *Engine) askStop(t *turn, w *workspace.Workspace, actor string) (bool, error) {
	switch w.State {
	case workspace.Stopped:
		return false, nil
	case workspace.Stopping:
		if w.Desired == workspace.WantStopped {
			return false, nil
		}
		w.Desired = workspace.WantStopped
		return true, t.put(w)
	case workspace.Deleting:
		return false, stateFault(w, api.Stop, "it is being deleted")
	}
	w.Desired = workspace.WantStopped
	w.Stop = &workspace.Stop{Reason: workspace.StoppedByUser, Actor: actor, Run: w.Run, Time: t.now}
	if err := e.promise(t, w, workspace.JobStop, actor, false); err != nil {
		return false, err
	}
	return true, t.move(w, workspace.StopAsked, actor)
}

func (e *Engine) askRestart(t *turn, w *workspace.Workspace, actor string) (bool, error) {
	switch w.State {
	case workspace.Stopped, workspace.Failed:
		return true, e.start(t, w, actor)
	case workspace.Running, workspace.Paused, workspace.Initializing:
		w.Desired = workspace.WantRunning
		w.Stop = &workspace.Stop{Reason: workspace.StoppedByUser, Detail: "restart", Actor: actor, Run: w.Run, Time: t.now}
		if err := e.promise(t, w, workspace.JobStop, actor, false); err != nil {
			return false, err
		}
		return true, t.move(w, workspace.StopAsked, actor) // settle starts it when the stop is done
	case workspace.Stopping:
		w.Desired = workspace.WantRunning
		return true, t.put(w)
	}
	return false, stateFault(w, api.Restart, "wait until it is running")
}

func (e *Engine) askPause(t *turn, w *workspace.Workspace, actor string) (bool, error) {
	switch w.State {
	case workspace.Paused:
		if w.Desired == workspace.WantPaused {
			return false, nil
		}
		w.Desired = workspace.WantPaused // a resume is under way, and may have come through
		if err := e.promise(t, w, workspace.JobPause, actor, false); err != nil {
			return false, err
		}
		return true, t.put(w)
	case workspace.Running:
		w.Desired = workspace.WantPaused
		if err := e.promise(t, w, workspace.JobPause, actor, false); err != nil {
			return false, err
		}
		return true, t.put(w)
	}
	return false, stateFault(w, api.Pause, "only a running workspace can be paused")
}

// busyCheck refuses what cannot be done beside an open job.
func busyCheck(t *turn, w workspace.Workspace, c api.Command) error {
	j, open, err := t.OpenJob(w.ID)
	if err != nil || !open {
		return err
	}
	return fault.New(fault.Conflict, "busy", "workspace %s is busy with %s, so %s has to wait", w.Name, j.Kind, c).
		WithHint("wait for it with `wsctl wait %s`, then try again", w.Name).WithRetryAfter(1e9)
}

func stateFault(w *workspace.Workspace, c api.Command, hint string, args ...any) error {
	return fault.New(fault.Conflict, "state", "cannot %s workspace %s: it is %s", c, w.Name, w.State).WithHint(hint, args...)
}

// settle makes the state follow what is desired once no job is open.
func (e *Engine) settle(t *turn, w *workspace.Workspace) error {
	if _, open, err := t.OpenJob(w.ID); err != nil || open {
		return err
	}
	switch {
	case w.State == workspace.Stopped && w.Desired == workspace.WantRunning:
		return e.start(t, w, workspace.Daemon)
	case w.State == workspace.Running && w.Desired == workspace.WantStopped,
		w.State == workspace.Paused && w.Desired == workspace.WantStopped:
		_, err := e.askStop(t, w, workspace.Daemon)
		return err
	case w.State == workspace.Running && w.Desired == workspace.WantPaused:
		_, err := e.askPause(t, w, workspace.Daemon)
		return err
	case w.State == workspace.Paused && w.Desired == workspace.WantRunning:
		_, err := e.askStart(t, w, api.Start, workspace.Daemon)
		return err
	}
	return e.mend(t, w)
}

// mend promises again the work of a state that only a job can end, for when its
// job is gone.
func (e *Engine) mend(t *turn, w *workspace.Workspace) error {
	kind := map[workspace.State]workspace.JobKind{
		workspace.Creating:     workspace.JobProvision,
		workspace.Initializing: workspace.JobStart,
		workspace.Stopping:     workspace.JobStop,
		workspace.Deleting:     workspace.JobDelete,
	}[w.State]
	if kind == "" {
		return nil
	}
	if err := e.promise(t, w, kind, workspace.Daemon, false); err != nil {
		return err
	}
	return t.put(w)
}
