package engine

import (
	"context"
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/event"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// listTime bounds a list of the engine, which looks at every container.
const listTime = 20 * time.Second

// resync compares the list whenever somebody asks for it, and now and then for what no
// event told of. It is the only place that does, so that no two compare at once.
func (e *Engine) resync(ctx context.Context) {
	wait := e.cfg.Resync
	for ctx.Err() == nil {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-e.check:
		case <-t.C:
		}
		t.Stop()
		wait = e.cfg.Resync
		if !e.Stale() && !e.reconcile(ctx) {
			wait = min(wait, reconnectMax)
		}
		e.holdPorts(ctx)
	}
}

// recheck asks for a comparison soon.
func (e *Engine) recheck() {
	select {
	case e.check <- struct{}{}:
	default:
	}
}

// reconcile compares the engine's list, which is the truth, with the records: what
// differs is recorded, what ran is started again, and what belongs to a deleted
// workspace or to an earlier generation is removed. It never touches what it does not
// know. It reports whether there was a list.
func (e *Engine) reconcile(ctx context.Context) bool {
	rows, dead, err := e.rows() // read before the list: what is made meanwhile is not missed
	if err != nil {
		e.log.Error("cannot read the records", "err", err)
		return false
	}
	asked := time.Now()
	list, err := e.list(ctx)
	if err != nil {
		return false
	}
	found := make(map[rt.Ref]rt.Status, len(list))
	for _, st := range list {
		found[st.Ref] = st
	}
	current := make(map[string]int, len(rows))
	for _, w := range rows {
		st, ok := found[rt.Ref{Workspace: w.ID, Generation: w.Generation}]
		if differs(w, st, ok) {
			e.report(ctx, w.Clone(), seen{status: st, gone: !ok})
		} else if _, told := w.Condition(workspace.NetworkLost); told != st.Cut && w.Job == "" {
			e.noteCut(ctx, w.Clone(), st.Cut)
		}
		if w.Job == "" {
			current[w.ID] = w.Generation
		}
	}
	for _, st := range list {
		if st.Generation < current[st.Workspace] {
			e.removeOld(ctx, st)
		}
	}
	if len(dead) > 0 {
		e.removeDead(ctx, dead)
	}
	e.compared.Store(asked.UnixNano())
	return true
}

// noteCut records whether a workspace that runs is without its network, which nothing but a
// new start brings back: its processes cannot be given another one.
func (e *Engine) noteCut(ctx context.Context, asked workspace.Workspace, cut bool) {
	err := e.do(ctx, func(t *turn) error {
		w, err := t.Workspace(asked.ID)
		if err != nil || w.Revision != asked.Revision { // it has changed: the next look decides
			return nil
		}
		w = w.Clone()
		if !cut {
			return t.unnote(&w, workspace.NetworkLost)
		}
		return t.note(&w, workspace.Condition{
			Type: workspace.NetworkLost, Status: true, Reason: "removed_outside",
			Detail: "its network was removed with the engine's own tools: it is not reached and reaches nothing; a restart of the workspace brings a new one",
		})
	})
	if err != nil && ctx.Err() == nil {
		e.log.Warn("cannot record what was seen", "workspace", asked.Name, "err", err)
	}
}

func (e *Engine) list(ctx context.Context) ([]rt.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	list, err := e.cfg.Driver.List(ctx)
	if errors.Is(err, rt.ErrUnreachable) {
		e.health.suspect()
	}
	return list, err
}

// differs reports whether the record w may have to change for what was found.
func differs(w *workspace.Workspace, st rt.Status, found bool) bool {
	if w.Job != "" {
		return false
	}
	if _, stuck := jobOf[w.State]; stuck { // only a job can end it, and there is none
		return true
	}
	if !found {
		return w.Container != ""
	}
	if w.Container == "" { // made by a job that was cut off
		return true
	}
	switch w.State {
	case workspace.Running:
		return st.State != rt.ObservedRunning || w.Desired != workspace.WantRunning
	case workspace.Paused:
		return st.State != rt.ObservedPaused || w.Desired != workspace.WantPaused
	case workspace.Stopped:
		return up(st) || w.Desired == workspace.WantRunning
	case workspace.Failed:
		return up(st)
	}
	return false
}

func up(st rt.Status) bool { return st.State == rt.ObservedRunning || st.State == rt.ObservedPaused }

// rows returns every workspace, and the ids of those that were deleted. The workspaces are
// shared: it is asked for all of them twice a minute, and changes none.
func (e *Engine) rows() ([]*workspace.Workspace, map[string]bool, error) {
	var rows []*workspace.Workspace
	dead := make(map[string]bool)
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for w, err := range tx.SharedWorkspaces() {
			if err != nil {
				e.log.Error("cannot read a workspace", "err", err)
				continue
			}
			if w.Job != "" {
				if _, _, err := tx.OpenJob(w.ID); unreadable(err) {
					idle := w.Clone()
					idle.Job = "" // nobody will ever do it
					w = &idle
				}
			}
			rows = append(rows, w)
		}
		for id := range tx.Tombstones() {
			dead[id] = true
		}
		return nil
	})
	return rows, dead, err
}

// removeDead removes what came into being after its workspace was deleted: a request
// that was cut off may have come through. A volume may be all there is, so every
// object is looked at.
func (e *Engine) removeDead(ctx context.Context, dead map[string]bool) {
	lctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	objects, err := e.cfg.Driver.Objects(lctx)
	if err != nil {
		return
	}
	done := make(map[string]bool)
	for _, o := range objects {
		if !dead[o.Workspace] || done[o.Workspace] {
			continue
		}
		done[o.Workspace] = true
		e.remove(ctx, map[string]string{"workspace": o.Workspace}, func(ctx context.Context) error {
			return e.cfg.Driver.Remove(ctx, o.Workspace)
		})
	}
}

// removeOld removes a container whose workspace has a newer one.
func (e *Engine) removeOld(ctx context.Context, st rt.Status) {
	e.remove(ctx, map[string]string{"workspace": st.Workspace, "name": st.Name}, func(ctx context.Context) error {
		return e.cfg.Driver.RemoveObject(ctx, rt.Object{Kind: "container", ID: st.ID, Name: st.Name, Workspace: st.Workspace})
	})
}

// remove does what is given within a bounded time and records what it removed.
func (e *Engine) remove(ctx context.Context, what map[string]string, do func(context.Context) error) {
	rctx, cancel := context.WithTimeout(ctx, callTime.Std())
	defer cancel()
	if err := do(rctx); err != nil {
		e.log.Warn("cannot remove what is left over", "what", what, "err", err)
		return
	}
	err := e.do(ctx, func(t *turn) error {
		return t.tell(nil, workspace.Daemon, event.OrphanRemoved, what)
	})
	if err != nil && ctx.Err() == nil {
		e.log.Warn("cannot record a removal", "what", what, "err", err)
	}
}
