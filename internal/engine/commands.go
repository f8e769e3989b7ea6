package engine

import (
	"context"
	"maps"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Command asks for another life of a workspace. It answers as soon as the promise
// is committed; a workspace that is already as asked is answered unchanged.
func (e *Engine) Command(ctx context.Context, a workspace.Actor, ref string, c api.Command) (workspace.Workspace, error) {
	return e.ask(ctx, a, ref, c, nil)
}

// ask is Command; why goes into the audit log beside it.
func (e *Engine) ask(ctx context.Context, a workspace.Actor, ref string, c api.Command, why map[string]string) (workspace.Workspace, error) {
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
		detail := map[string]string{"command": string(c)}
		maps.Copy(detail, why)
		t.after(func() { e.used(w.ID, a.ID, string(c), t.now) })
		return t.tell(&w, a.ID, event.CommandAccepted, detail)
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
	case workspace.Creating, workspace.Initializing, workspace.Stopping:
		if w.Desired == workspace.WantRunning {
			return false, nil
		}
		w.Desired = workspace.WantRunning // settle starts it when its job is done
		return true, t.put(w)
	case workspace.Running:
		if w.Desired == workspace.WantRunning {
			return false, nil
		}
		// A pause is under way, and may have come through: resuming is right either way.
		w.Desired = workspace.WantRunning
		return true, e.assign(t, w, workspace.JobResume, actor)
	case workspace.Paused:
		if w.Desired == workspace.WantRunning && w.Job != "" {
			return false, nil
		}
		w.Desired = workspace.WantRunning
		return true, e.assign(t, w, workspace.JobResume, actor)
	case workspace.Stopped, workspace.Failed:
		if c == api.Resume {
			return false, stateFault(w, c, "start it with `wsctl start %s`", w.Name)
		}
		return true, e.start(t, w, actor)
	}
	return false, stateFault(w, c, "it cannot come back from there")
}

// assign promises a job that leaves the state of w as it is until it is done.
func (e *Engine) assign(t *turn, w *workspace.Workspace, kind workspace.JobKind, actor string) error {
	if err := e.promise(t, w, kind, actor, false); err != nil {
		return err
	}
	return t.put(w)
}

// start begins a new run of a workspace that is down.
func (e *Engine) start(t *turn, w *workspace.Workspace, actor string) error {
	w.Desired = workspace.WantRunning
	newRun(t, w)
	if actor == workspace.Daemon && w.Stop != nil && w.Stop.Reason == workspace.StoppedInterrupt {
		w.SetCondition(t.now, workspace.Condition{Type: workspace.Restored, Status: true, Reason: "engine_restarted"})
	}
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
	w.DropCondition(workspace.FilesLost)
	w.DropCondition(workspace.NetworkLost)
	for _, kind := range agentConditions {
		w.DropCondition(kind)
	}
}

func (e *Engine) askStop(t *turn, w *workspace.Workspace, actor string) (bool, error) {
	switch w.State {
	case workspace.Stopped:
		if w.Desired == workspace.WantStopped && (w.Stop == nil || w.Stop.Actor != "") {
			return false, nil
		}
		// It ended by itself, and might come back when that proves to be the engine's doing.
		w.Desired = workspace.WantStopped
		if w.Stop != nil {
			w.Stop.Actor = actor
		}
		return true, t.put(w)
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
	return true, e.stop(t, w, actor)
}

// stop begins to take w down; why stands in w.Stop.
func (e *Engine) stop(t *turn, w *workspace.Workspace, actor string) error {
	if err := e.promise(t, w, workspace.JobStop, actor, false); err != nil {
		return err
	}
	w.DropCondition(workspace.Ready)
	return t.move(w, workspace.StopAsked, actor)
}

// detailRestart marks a stop that a start follows.
const detailRestart = "restart"

func (e *Engine) askRestart(t *turn, w *workspace.Workspace, actor string) (bool, error) {
	switch w.State {
	case workspace.Stopped, workspace.Failed:
		return true, e.start(t, w, actor)
	case workspace.Running, workspace.Paused, workspace.Initializing:
		w.Desired = workspace.WantRunning // settle starts it when the stop is done
		w.Stop = &workspace.Stop{Reason: workspace.StoppedByUser, Detail: detailRestart, Actor: actor, Run: w.Run, Time: t.now}
		return true, e.stop(t, w, actor)
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
	case workspace.Running:
		if w.Desired == workspace.WantPaused && w.Job != "" {
			return false, nil
		}
	default:
		return false, stateFault(w, api.Pause, "only a running workspace can be paused")
	}
	w.Desired = workspace.WantPaused // if a resume is under way it may have come through
	return true, e.assign(t, w, workspace.JobPause, actor)
}

// busyCheck refuses what cannot be done beside an open job.
func busyCheck(t *turn, w workspace.Workspace, c api.Command) error {
	j, open, err := openJob(t, w.ID)
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
	if _, open, err := openJob(t, w.ID); err != nil || open {
		return err
	}
	up := w.State == workspace.Running || w.State == workspace.Paused
	switch {
	case w.State == workspace.Stopped && w.Desired == workspace.WantRunning:
		return e.start(t, w, workspace.Daemon)
	case up && w.Desired == workspace.WantStopped:
		return e.stop(t, w, workspace.Daemon)
	case w.State == workspace.Running && w.Desired == workspace.WantPaused:
		return e.assign(t, w, workspace.JobPause, workspace.Daemon)
	case w.State == workspace.Paused && w.Desired == workspace.WantRunning:
		return e.assign(t, w, workspace.JobResume, workspace.Daemon)
	case up && limitsWait(w):
		return e.assign(t, w, workspace.JobResize, workspace.Daemon)
	}
	return e.mend(t, w)
}

// jobOf is the job without which a workspace cannot leave a state.
var jobOf = map[workspace.State]workspace.JobKind{
	workspace.Creating:     workspace.JobProvision,
	workspace.Initializing: workspace.JobStart,
	workspace.Stopping:     workspace.JobStop,
	workspace.Deleting:     workspace.JobDelete,
}

// mend promises again the work of a state that only a job can end, for when its
// job is gone.
func (e *Engine) mend(t *turn, w *workspace.Workspace) error {
	kind, ok := jobOf[w.State]
	if !ok {
		return nil
	}
	return e.assign(t, w, kind, workspace.Daemon)
}

// Reasons of the condition LimitsPending.
const (
	limitsResized = "resized" // they are applied as soon as nothing else is under way
	limitsFailed  = "failed"  // applying them failed, or was cancelled: at the next start, or when asked again
)

// limitsWait reports whether new limits of w wait for a free moment.
func limitsWait(w *workspace.Workspace) bool {
	c, ok := w.Condition(workspace.LimitsPending)
	return ok && c.Reason == limitsResized
}

func pendLimits(t *turn, w *workspace.Workspace, reason string) {
	w.SetCondition(t.now, workspace.Condition{Type: workspace.LimitsPending, Status: true, Reason: reason})
}
