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

// resync compares the list now and then, for what no event told of.
func (e *Engine) resync(ctx context.Context) {
	for pause(ctx, e.cfg.Resync) {
		if !e.Stale() {
			e.reconcile(ctx)
		}
		e.holdPorts(ctx)
	}
}

// reconcile compares the engine's list, which is the truth, with the records: what
// differs is recorded, what ran is started again, and what belongs to a deleted
// workspace is removed. It never touches what it does not know.
func (e *Engine) reconcile(ctx context.Context) {
	lctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	rows, dead, err := e.rows() // read before the list: what is made meanwhile is not missed
	if err != nil {
		e.log.Error("cannot read the records", "err", err)
		return
	}
	list, err := e.cfg.Driver.List(lctx)
	if err != nil {
		if errors.Is(err, rt.ErrUnreachable) {
			e.health.suspect()
		}
		return
	}
	found := make(map[rt.Ref]rt.Status, len(list))
	for _, st := range list {
		found[st.Ref] = st
	}
	for _, w := range rows {
		st, ok := found[ref(w)]
		if differs(w, st, ok) {
			e.report(ctx, w, seen{status: st, gone: !ok})
		}
	}
	for _, st := range list {
		if dead[st.Workspace] {
			e.removeRemains(ctx, st.Workspace)
		}
	}
}

// differs reports whether the record w may have to change for what was found.
func differs(w workspace.Workspace, st rt.Status, found bool) bool {
	if w.Job != "" {
		return false
	}
	if !found {
		return w.Container != ""
	}
	switch w.State {
	case workspace.Running:
		return st.State != rt.ObservedRunning || w.Desired != workspace.WantRunning
	case workspace.Paused:
		return st.State != rt.ObservedPaused || w.Desired != workspace.WantPaused
	case workspace.Stopped:
		return st.State == rt.ObservedRunning || w.Desired == workspace.WantRunning
	case workspace.Failed:
		return st.State == rt.ObservedRunning
	}
	return true // a state that only a job can end, without a job
}

// rows returns every workspace, and the ids of those that were deleted.
func (e *Engine) rows() ([]workspace.Workspace, map[string]bool, error) {
	var rows []workspace.Workspace
	dead := make(map[string]bool)
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for w, err := range tx.Workspaces() {
			if err != nil {
				e.log.Error("cannot read a workspace", "err", err)
				continue
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

// removeRemains removes what came into being after its workspace was deleted.
func (e *Engine) removeRemains(ctx context.Context, id string) {
	if err := e.cfg.Driver.Remove(ctx, id); err != nil {
		e.log.Warn("cannot remove what is left of a deleted workspace", "workspace", id, "err", err)
		return
	}
	err := e.do(ctx, func(t *turn) error {
		return t.tell(nil, workspace.Daemon, event.OrphanRemoved, map[string]string{"workspace": id})
	})
	if err != nil && ctx.Err() == nil {
		e.log.Warn("cannot record a removal", "workspace", id, "err", err)
	}
}

// holdPorts takes leased ports that another program held, and says on the
// workspace when it cannot.
func (e *Engine) holdPorts(ctx context.Context) {
	rows, _, err := e.rows()
	if err != nil {
		return
	}
	for _, w := range rows {
		c := workspace.Condition{Type: workspace.PortBound, Status: true, Reason: "listening"}
		if err := e.cfg.Door.Open(w.Port); err != nil {
			c = workspace.Condition{Type: workspace.PortBound, Status: false, Reason: "held_by_another_program",
				Detail: "another program listens on its port; see `wsctl ports`"}
		}
		if old, ok := w.Condition(workspace.PortBound); ok == !c.Status && old.Status == c.Status || !ok && c.Status {
			continue
		}
		id := w.ID
		err := e.do(ctx, func(t *turn) error {
			w, err := t.Workspace(id)
			if err != nil {
				return nil // deleted meanwhile
			}
			w = w.Clone()
			return t.note(&w, c)
		})
		if err != nil && ctx.Err() == nil {
			e.log.Warn("cannot record a port's state", "port", w.Port, "err", err)
		}
	}
}
