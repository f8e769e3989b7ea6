package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// orphanGrace is how old an object that no record knows must be before it counts
// as left over: a younger one may belong to a create that is under way.
const orphanGrace = 5 * time.Minute

// GC lists what carries this daemon's label and no workspace needs, and removes
// what is past its grace unless it is a dry run. Admins only.
func (e *Engine) GC(ctx context.Context, a workspace.Actor, dryRun bool) (api.GC, error) {
	result := api.GC{DryRun: dryRun, Leftovers: []api.Leftover{}}
	if !a.Admin {
		return result, fault.New(fault.Denied, "admin_only", "only the user that wsd runs as, and root, may see leftovers")
	}
	rows, dead, err := e.rows()
	if err != nil {
		return result, err
	}
	alive, pinned := make(map[string]bool, len(rows)), map[string]bool{}
	for _, w := range rows {
		alive[w.ID] = true
		pinned[w.Spec.Digest], pinned[w.Spec.Image] = true, true // also where the container has gone
	}
	objects, err := e.cfg.Driver.Objects(ctx)
	if err != nil {
		return result, e.explain(workspace.Workspace{}, err)
	}
	// What needs another object goes before it.
	slices.SortStableFunc(objects, func(x, y rt.Object) int { return cmp.Compare(rank(x.Kind), rank(y.Kind)) })
	now := time.Now()
	for _, o := range objects {
		o.InUse = o.InUse || o.Kind == "image" && (pinned[o.ID] || pinned[o.Name])
		l, left := leftover(o, alive, dead, now)
		if !left {
			continue
		}
		if !dryRun && l.Ripe {
			e.collect(ctx, a, o, &l)
		}
		result.Leftovers = append(result.Leftovers, l)
	}
	return result, nil
}

func rank(kind string) int {
	return slices.Index([]string{"container", "sandbox", "network", "volume", "image"}, kind)
}

// leftover decides on one object. Spare sandboxes and their networks are the
// driver's own business, which it keeps at their wanted number.
func leftover(o rt.Object, alive, dead map[string]bool, now time.Time) (api.Leftover, bool) {
	l := api.Leftover{Kind: o.Kind, ID: o.ID, Name: o.Name, Workspace: o.Workspace, Size: o.Size, CreatedAt: o.CreatedAt}
	switch {
	case o.Workspace == "" && (o.Kind == "sandbox" || o.InUse), alive[o.Workspace]:
		return l, false
	case dead[o.Workspace]:
		l.Reason, l.Ripe = "its workspace was deleted", true
	case o.Kind == "image":
		l.Reason = "no workspace and no build of this version uses it"
	case o.Workspace == "":
		l.Reason = "nothing uses it"
	default:
		l.Reason = "no workspace of this daemon knows it"
	}
	l.Ripe = l.Ripe || now.Sub(o.CreatedAt) >= orphanGrace
	return l, true
}

func (e *Engine) collect(ctx context.Context, a workspace.Actor, o rt.Object, l *api.Leftover) {
	if err := e.cfg.Driver.RemoveObject(ctx, o); err != nil {
		l.Error = fault.From(err).Text
		e.log.Warn("cannot remove a leftover", "kind", o.Kind, "name", o.Name, "err", err)
		return
	}
	l.Removed = true
	err := e.do(ctx, func(t *turn) error {
		return t.tell(nil, a.ID, event.OrphanRemoved, map[string]string{"kind": o.Kind, "name": o.Name, "reason": l.Reason})
	})
	if err != nil {
		e.log.Warn("cannot record a removal", "name", o.Name, "err", err)
	}
}
