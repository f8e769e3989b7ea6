package engine

import (
	"context"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Jobs returns open and kept jobs, newest first.
func (e *Engine) Jobs(ctx context.Context, a workspace.Actor, states []workspace.JobState, name string) ([]workspace.Job, error) {
	id := ""
	if name != "" {
		w, err := e.Workspace(ctx, a, name)
		if err != nil {
			return nil, err
		}
		id = w.ID
	}
	return e.jobs(a, states, id)
}

// jobs returns those that a may see, of one workspace or of all.
func (e *Engine) jobs(a workspace.Actor, states []workspace.JobState, id string) ([]workspace.Job, error) {
	list := []workspace.Job{}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		jobs, err := tx.Jobs(states, id)
		for _, j := range jobs {
			if mayJob(tx, a, j) {
				list = append(list, j)
			}
		}
		return err
	})
	return list, err
}

// mayJob reports whether a may see j: its own, and those of its workspaces.
func mayJob(tx *store.Tx, a workspace.Actor, j workspace.Job) bool {
	if a.Admin || a.ID == j.Actor {
		return true
	}
	w, err := tx.Workspace(j.Workspace)
	return err == nil && a.Owns(w)
}

// Job returns one job.
func (e *Engine) Job(_ context.Context, a workspace.Actor, id string) (workspace.Job, error) {
	var j workspace.Job
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		j, err = visibleJob(tx, a, id)
		return err
	})
	return j, err
}

func visibleJob(tx *store.Tx, a workspace.Actor, id string) (workspace.Job, error) {
	j, err := tx.Job(id)
	if err == nil && !mayJob(tx, a, j) {
		err = fault.New(fault.NotFound, "job_not_found", "there is no job %.60q", id)
	}
	if err != nil {
		return workspace.Job{}, err
	}
	return j, nil
}

// RetryJob makes a delayed job due now, or asks again for what a failed one was to do.
func (e *Engine) RetryJob(ctx context.Context, a workspace.Actor, id string) (workspace.Job, error) {
	if err := e.reachable(ctx); err != nil {
		return workspace.Job{}, err
	}
	var j workspace.Job
	err := e.do(ctx, func(t *turn) (err error) {
		if j, err = visibleJob(t.Tx, a, id); err != nil {
			return err
		}
		switch j.State {
		case workspace.JobWaiting, workspace.JobActive:
			return nil
		case workspace.JobDelayed:
			j.State, j.DueAt = workspace.JobWaiting, t.now
			return t.PutJob(j)
		case workspace.JobFailed:
			j, err = e.again(t, a, j)
			return err
		}
		return fault.New(fault.Conflict, "job_ended", "job %s is %s", j.ID, j.State).WithHint("only a failed job can be tried again")
	})
	return j, err
}

// again asks for what a failed job was to do, and forgets the failed one. The answer
// is the new job, or the old one when there is nothing left to do.
func (e *Engine) again(t *turn, a workspace.Actor, j workspace.Job) (workspace.Job, error) {
	w, err := visible(t.Tx, a, j.Workspace)
	if err != nil {
		return j, err
	}
	w = w.Clone()
	switch j.Kind {
	case workspace.JobDelete:
		err = e.askDelete(t, &w, a.ID, j.Force)
	case workspace.JobResize:
		err = e.askResize(t, &w, a.ID)
	case workspace.JobStop:
		_, err = e.command(t, &w, api.Stop, a.ID)
	case workspace.JobPause:
		_, err = e.command(t, &w, api.Pause, a.ID)
	default:
		_, err = e.command(t, &w, api.Start, a.ID)
	}
	if err != nil {
		return j, err
	}
	if err := t.DropEndedJob(j.ID); err != nil {
		return j, err
	}
	if next, open, err := t.OpenJob(w.ID); err != nil || open {
		return next, err
	}
	return j, nil
}

// askResize applies limits that wait, if w is up; else its next start does.
func (e *Engine) askResize(t *turn, w *workspace.Workspace, actor string) error {
	_, pending := w.Condition(workspace.LimitsPending)
	if !pending || w.State != workspace.Running && w.State != workspace.Paused {
		return nil
	}
	if err := busyCheck(t, *w, "resize"); err != nil {
		return err
	}
	pendLimits(t, w, limitsResized)
	return e.assign(t, w, workspace.JobResize, actor)
}

// CancelJob ends an open job. The workspace is left failed, or as it was; what the job
// has started already is taken down again, and a stop that has not come through is
// forgotten.
func (e *Engine) CancelJob(ctx context.Context, a workspace.Actor, id string) (workspace.Job, error) {
	var j workspace.Job
	err := e.do(ctx, func(t *turn) (err error) {
		if j, err = visibleJob(t.Tx, a, id); err != nil {
			return err
		}
		if !j.State.Open() {
			return fault.New(fault.Conflict, "job_ended", "job %s is %s already", j.ID, j.State)
		}
		w, err := t.Workspace(j.Workspace)
		if err != nil {
			return err
		}
		w = w.Clone()
		if err := e.revoke(t, &w); err != nil {
			return err
		}
		w.Desired = desiredAfterCancel(w, j.Kind)
		if err := e.abandon(t, &w, j.Kind, a.ID, workspace.Condition{
			Reason: "job_cancelled", Detail: "its " + string(j.Kind) + " was cancelled",
		}); err != nil {
			return err
		}
		t.after(func() { e.lookSoon(w.ID, false) }) // how far had it come?
		j, err = t.Job(id)
		return err
	})
	return j, err
}

// desiredAfterCancel keeps a cancelled job from being promised again at once.
func desiredAfterCancel(w workspace.Workspace, kind workspace.JobKind) workspace.Desired {
	down := kind == workspace.JobStop || kind == workspace.JobDelete
	if down && w.StartedAt.After(w.StoppedAt) { // it was up, and may be so still
		return workspace.WantRunning
	}
	return desiredAsIs(w)
}

// JobStats counts jobs per kind.
func (e *Engine) JobStats(_ context.Context, _ workspace.Actor) ([]workspace.JobStats, error) {
	var stats []workspace.JobStats
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		stats, err = tx.JobStats()
		return err
	})
	return stats, err
}
