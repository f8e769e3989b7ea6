package engine

import (
	"context"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// tombstoneLife is how long the id of a deleted workspace is remembered, so that
// what is left of it at the container engine is known to be ours to remove.
const tombstoneLife = 7 * 24 * time.Hour

// Workspace returns one workspace.
func (e *Engine) Workspace(_ context.Context, a workspace.Actor, ref string) (workspace.Workspace, error) {
	var w workspace.Workspace
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		w, err = visible(tx, a, ref)
		return err
	})
	return w, err
}

// visible resolves ref to a workspace that a may see. One that a may not see is
// not found, so that names of others do not leak.
func visible(tx *store.Tx, a workspace.Actor, ref string) (workspace.Workspace, error) {
	w, err := tx.Resolve(ref)
	if err != nil && (a.Admin || !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict)) {
		return w, err
	}
	if err != nil || !a.Owns(w) { // the store's own words may name workspaces of others
		return workspace.Workspace{}, fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %.60q", ref)
	}
	return w, nil
}

// Workspaces returns those that a may see and f lets through, in order of name.
func (e *Engine) Workspaces(_ context.Context, a workspace.Actor, f api.Filter) ([]workspace.Workspace, error) {
	list := []workspace.Workspace{}
	err := e.each(a, f, func(w workspace.Workspace) { list = append(list, w) })
	return list, err
}

// Brief is Workspaces, of each only what a table shows.
func (e *Engine) Brief(_ context.Context, a workspace.Actor, f api.Filter) ([]api.Brief, error) {
	list := []api.Brief{}
	err := e.each(a, f, func(w workspace.Workspace) { list = append(list, e.brief(w)) })
	return list, err
}

func (e *Engine) brief(w workspace.Workspace) api.Brief {
	b := api.BriefOf(w)
	if use, ok := e.Uses(w.ID)[w.ID]; ok {
		return b.With(&use)
	}
	return b
}

// each calls take with those that a may see and f lets through, in order of name.
func (e *Engine) each(a workspace.Actor, f api.Filter, take func(workspace.Workspace)) error {
	return e.cfg.Store.View(func(tx *store.Tx) error {
		for w, err := range tx.Workspaces() {
			if err != nil {
				e.log.Error("cannot read a workspace", "err", err)
				continue
			}
			if a.Owns(w) && passes(f, w) {
				take(w)
			}
		}
		return nil
	})
}

func passes(f api.Filter, w workspace.Workspace) bool {
	if f.Owner != "" && f.Owner != w.Owner {
		return false
	}
	for _, s := range f.Labels {
		if !s.Match(w.Labels) {
			return false
		}
	}
	if len(f.States) == 0 {
		return true
	}
	for _, s := range f.States {
		if s == w.State {
			return true
		}
	}
	return false
}

// Update changes a workspace in place. rev > 0 must be its revision.
func (e *Engine) Update(ctx context.Context, a workspace.Actor, ref string, rev uint64, u api.Update) (workspace.Workspace, error) {
	if err := e.checkUpdate(u); err != nil {
		return workspace.Workspace{}, err
	}
	if u.Limits != nil {
		if err := e.reachable(ctx); err != nil {
			return workspace.Workspace{}, err
		}
	}
	var w workspace.Workspace
	err := e.do(ctx, func(t *turn) (err error) {
		if w, err = visible(t.Tx, a, ref); err != nil {
			return err
		}
		if err := checkRevision(w, rev); err != nil {
			return err
		}
		w, err = e.update(t, a, w, u)
		return err
	})
	return w, err
}

func (e *Engine) checkUpdate(u api.Update) error {
	if u.Name != nil {
		if err := workspace.ValidateName(*u.Name); err != nil {
			return err
		}
	}
	if u.Policy != nil {
		if err := e.checkPolicy(*u.Policy); err != nil {
			return err
		}
	}
	if u.Hours != nil {
		if err := e.checkHours(*u.Hours); err != nil {
			return err
		}
	}
	if u.Wake != nil {
		if err := checkWake(*u.Wake); err != nil {
			return err
		}
	}
	for k, v := range u.Labels {
		value := ""
		if v != nil {
			value = *v
		}
		if err := workspace.ValidateLabel(k, value); err != nil {
			return err
		}
	}
	return nil
}

func checkRevision(w workspace.Workspace, rev uint64) error {
	if rev > 0 && rev != w.Revision {
		return fault.New(fault.Stale, "revision_stale", "workspace %s has changed since it was read", w.Name).
			WithHint("read it again and repeat the change")
	}
	return nil
}

func (e *Engine) update(t *turn, a workspace.Actor, w workspace.Workspace, u api.Update) (workspace.Workspace, error) {
	w = w.Clone()
	detail := map[string]string{}
	if u.Name != nil && *u.Name != w.Name {
		detail["renamed_from"] = w.Name
		w.Name = *u.Name
	}
	if len(u.Labels) > 0 {
		applyLabels(&w, u.Labels)
		if err := workspace.ValidateLabels(w.Labels); err != nil {
			return w, err
		}
		detail["labels"] = "changed"
	}
	if u.Policy != nil && *u.Policy != w.Spec.Policy {
		detail["policy"] = orDefault(*u.Policy, "unset")
		w.Spec.Policy = *u.Policy
		e.notePolicy(t, &w)
	}
	if u.Hours != nil && *u.Hours != w.Spec.Hours {
		detail["hours"] = orDefault(*u.Hours, "unset")
		w.Spec.Hours = *u.Hours
	}
	if u.Wake != nil && *u.Wake != w.Spec.Wake {
		detail["wake"] = string(*u.Wake)
		w.Spec.Wake = *u.Wake
	}
	resized := false
	if u.Limits != nil {
		limits := overlay(w.Spec.Limits, *u.Limits)
		if err := e.checkLimits(limits); err != nil {
			return w, err
		}
		if resized = limits != w.Spec.Limits; resized {
			if err := busyCheck(t, w, api.Command("resize")); err != nil {
				return w, err
			}
			w.Spec.Limits = limits
			pendLimits(t, &w, limitsResized)
			detail["limits"] = "changed"
		}
	}
	if len(detail) == 0 {
		return w, nil
	}
	if resized && (w.State == workspace.Running || w.State == workspace.Paused) {
		if err := e.promise(t, &w, workspace.JobResize, a.ID, false); err != nil {
			return w, err
		}
	}
	if err := t.put(&w); err != nil {
		return w, err
	}
	t.after(func() { e.used(w.ID, a.ID, "update", t.now) })
	return w, t.tell(&w, a.ID, event.WorkspaceUpdated, detail)
}

func applyLabels(w *workspace.Workspace, changes map[string]*string) {
	if w.Labels == nil {
		w.Labels = make(map[string]string)
	}
	for k, v := range changes {
		if v == nil {
			delete(w.Labels, k)
		} else {
			w.Labels[k] = *v
		}
	}
}

func overlay(l workspace.Limits, p api.PartialLimits) workspace.Limits {
	if p.CPUs != nil {
		l.CPUs = *p.CPUs
	}
	if p.Memory != nil {
		l.Memory = *p.Memory
	}
	if p.Pids != nil {
		l.Pids = *p.Pids
	}
	return l
}

// Delete promises the end of a workspace and of everything that belongs to it. One
// that is up needs force, which also skips the polite stop.
func (e *Engine) Delete(ctx context.Context, a workspace.Actor, ref string, rev uint64, force bool) (workspace.Workspace, error) {
	if err := e.reachable(ctx); err != nil {
		return workspace.Workspace{}, err
	}
	var w workspace.Workspace
	err := e.do(ctx, func(t *turn) (err error) {
		if w, err = visible(t.Tx, a, ref); err != nil {
			return err
		}
		if err := checkRevision(w, rev); err != nil {
			return err
		}
		w = w.Clone()
		return e.askDelete(t, &w, a.ID, force)
	})
	return w, err
}

func (e *Engine) askDelete(t *turn, w *workspace.Workspace, actor string, force bool) error {
	if w.State == workspace.Deleting && w.Job != "" {
		return nil
	}
	if !force && w.State != workspace.Stopped && w.State != workspace.Failed {
		return fault.New(fault.Conflict, "not_stopped", "workspace %s is %s", w.Name, w.State).
			WithHint("stop it first with `wsctl stop %s`, or delete it as it is with --force", w.Name)
	}
	w.Desired = workspace.WantDeleted
	if err := e.promise(t, w, workspace.JobDelete, actor, force); err != nil {
		return err
	}
	return t.move(w, workspace.DeleteAsked, actor)
}
