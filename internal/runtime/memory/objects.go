package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Inspect implements runtime.Driver.
func (d *Driver) Inspect(ctx context.Context, r runtime.Ref) (st runtime.Status, err error) {
	err = d.on(ctx, OpInspect, r, func(c *container, _ time.Time) error {
		st = c.status()
		return nil
	})
	return st, err
}

// List implements runtime.Driver, sorted by workspace and generation.
func (d *Driver) List(ctx context.Context) (out []runtime.Status, err error) {
	err = d.call(ctx, OpList, "", func(time.Time) error {
		sites := d.engine.at(d.instance).sites
		out = make([]runtime.Status, 0, len(sites))
		for _, s := range sites {
			for _, c := range s.containers {
				st := c.status()
				st.Cut = c.run != nil && c.run.cut
				out = append(out, st)
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b runtime.Status) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Generation, b.Generation))
	})
	return out, err
}

// Remove implements runtime.Driver.
func (d *Driver) Remove(ctx context.Context, workspaceID string) error {
	return d.call(ctx, OpRemove, workspaceID, func(now time.Time) error {
		in := d.engine.at(d.instance)
		if s := in.sites[workspaceID]; s != nil {
			for _, c := range slices.Clone(s.containers) {
				d.engine.remove(c, now)
			}
			s.volume = nil
			in.prune(workspaceID)
		}
		in.foreign = slices.DeleteFunc(in.foreign, func(o runtime.Object) bool {
			return workspaceID != "" && o.Workspace == workspaceID
		})
		return nil
	})
}

// Objects implements runtime.Driver, sorted by name and kind.
func (d *Driver) Objects(ctx context.Context) (out []runtime.Object, err error) {
	err = d.call(ctx, OpObjects, "", func(time.Time) error {
		in := d.engine.at(d.instance)
		out = slices.Clone(in.foreign)
		for id, s := range in.sites {
			out = append(out, s.objects(id)...)
		}
		return nil
	})
	slices.SortFunc(out, func(a, b runtime.Object) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

// objects lists what the site of one workspace holds.
func (s *site) objects(workspaceID string) []runtime.Object {
	var out []runtime.Object
	used := false
	for _, c := range s.containers {
		used = used || c.run != nil
		out = append(out, runtime.Object{
			Kind: "container", ID: c.id, Name: containerName(c.Ref), Workspace: workspaceID, CreatedAt: c.created, InUse: c.run != nil,
		})
	}
	if v := s.volume; v != nil {
		name := volumeName(workspaceID)
		out = append(out, runtime.Object{
			Kind: "volume", ID: name, Name: name, Workspace: workspaceID, CreatedAt: v.created, Size: v.size(), InUse: used,
		})
	}
	return out
}

// RemoveObject implements runtime.Driver. A missing object is left alone; a
// volume that a container still has is a Conflict.
func (d *Driver) RemoveObject(ctx context.Context, o runtime.Object) error {
	return d.call(ctx, OpRemoveObject, o.Workspace, func(now time.Time) error {
		in := d.engine.at(d.instance)
		in.foreign = slices.DeleteFunc(in.foreign, func(x runtime.Object) bool {
			return x.Kind == o.Kind && x.ID == o.ID
		})
		for id, s := range in.sites {
			if o.Kind == "volume" && o.ID == volumeName(id) && s.volume != nil {
				return d.engine.removeVolume(in, id, s)
			}
			for _, c := range s.containers {
				if o.Kind == "container" && o.ID == c.id {
					d.engine.remove(c, now)
					return nil
				}
			}
		}
		return nil
	})
}

func (e *Engine) removeVolume(in *instance, id string, s *site) error {
	if len(s.containers) > 0 {
		return fault.New(fault.Conflict, "object_in_use", "the volume %s belongs to a container", volumeName(id))
	}
	s.volume = nil
	in.prune(id)
	return nil
}

// Stats implements runtime.Driver. Without SetUsage a workspace uses 4 MiB, one process
// and a hundredth of a core, and moves some bytes a second.
func (d *Driver) Stats(ctx context.Context, r runtime.Ref) (u workspace.Usage, err error) {
	err = d.on(ctx, OpStats, r, func(c *container, now time.Time) error {
		if c.run == nil {
			return runtime.ErrNotRunning
		}
		u = c.usage
		if u == (workspace.Usage{}) {
			ran := now.Sub(c.started).Seconds()
			u = workspace.Usage{
				CPUSeconds: ran / 100, Memory: 4 << 20, MemoryPeak: 4 << 20, Pids: 1,
				Network: &workspace.Traffic{In: 1<<10 + int64(ran*512), Out: 1<<10 + int64(ran*2048)},
				Disk:    &workspace.Traffic{Out: int64(ran * 256)},
			}
		}
		u.Time, u.MemoryLimit = now, c.spec.Limits.Memory
		return nil
	})
	return u, err
}
