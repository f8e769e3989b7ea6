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

func (e *Engine) again(t *turn, a workspace.Actor, j workspace.Job) (workspace.Job, error) {
	w, err := visible(t.Tx, a, j.Workspace)
	if err != nil {
		return j, err
	}
	w = w.Clone()
	if j.Kind == workspace.JobDelete {
		w.Desired = workspace.WantDeleted
		if err := e.promise(t, &w, workspace.JobDelete, a.ID, j.Force); err != nil {
			return j, err
		}
		err = t.move(&w, workspace.DeleteAsked, a.ID)
	} else {
		command := map[workspace.JobKind]api.Command{
			workspace.JobProvision: api.Start, workspace.JobStart: api.Start, workspace.JobStop: api.Stop,
			workspace.JobPause: api.Pause, workspace.JobResume: api.Start,
		}[j.Kind]
		_, err = e.command(t, &w, command, a.ID)
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

// CancelJob ends an open job. The workspace is left failed, or as it was.
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
		w.Desired = desiredAfterCancel(w)
		if err := e.revoke(t, &w); err != nil {
			return err
		}
		w.SetCondition(t.now, workspace.Condition{
			Type: workspace.Attention, Status: true, Reason: "job_cancelled", Detail: "its " + string(j.Kind) + " was cancelled",
		})
		if _, err := w.State.On(workspace.GaveUp); err == nil {
			err = t.move(&w, workspace.GaveUp, a.ID)
		} else {
			err = t.put(&w)
		}
		if err != nil {
			return err
		}
		j, err = t.Job(id)
		return err
	})
	return j, err
}

// desiredAfterCancel keeps a cancelled job from being promised again at once.
func desiredAfterCancel(w workspace.Workspace) workspace.Desired {
	switch w.State {
	case workspace.Running:
		return workspace.WantRunning
	case workspace.Paused:
		return workspace.WantPaused
	}
	return workspace.WantStopped
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
