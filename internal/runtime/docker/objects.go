package docker

import (
	"context"
	"errors"
	"maps"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
)

// Kinds of runtime.Object.
const (
	kindContainer = "container"
	kindVolume    = "volume"
	kindNetwork   = "network"
	kindSandbox   = "sandbox"
	kindImage     = "image"
)

// Remove removes the containers of all generations, their sandboxes with their
// networks, and the volume. What is gone is fine; a foreign volume with our name
// is left alone.
func (d *Driver) Remove(ctx context.Context, workspaceID string) error {
	d.addrs.forgetWorkspace(workspaceID)
	d.cgs.forgetWorkspace(workspaceID)
	all, err := d.containers(ctx, labelWorkspace+"="+workspaceID)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := d.removeWithSandbox(ctx, c); err != nil {
			return err
		}
	}
	d.pool.wake()
	if err := d.agents.remove(workspaceID); err != nil {
		return err
	}
	return d.removeVolumes(ctx, workspaceID)
}

// removeWithSandbox removes a container first, so that a crash in between leaves a
// sandbox that is free rather than a container without a network.
func (d *Driver) removeWithSandbox(ctx context.Context, c container.Summary) error {
	id := sandboxOf(c.HostConfig.NetworkMode)
	if id == "" {
		return d.removeContainer(ctx, c.ID)
	}
	defer d.locks.lock(id)()
	d.pool.claim(id) // or it would be given away as soon as the container is gone
	defer d.pool.release(id, false)
	if err := d.removeContainer(ctx, c.ID); err != nil {
		return err
	}
	return d.removeSandbox(ctx, id)
}

// removeVolumes removes the volumes of a workspace: its main one and those of its mounts.
func (d *Driver) removeVolumes(ctx context.Context, workspaceID string) error {
	vols, err := d.volumes(ctx, labelWorkspace+"="+workspaceID)
	if err != nil {
		return err
	}
	for _, v := range vols {
		if v.Name != volumeName(workspaceID) {
			err = errors.Join(err, d.removeVolume(ctx, v.Name, workspaceID))
		}
	}
	return errors.Join(err, d.removeVolume(ctx, volumeName(workspaceID), workspaceID))
}

// volumes lists our volumes.
func (d *Driver) volumes(ctx context.Context, terms ...string) ([]*volume.Volume, error) {
	res, err := call(ctx, d.link, quick, "list volumes", func(ctx context.Context, s *session) (volume.ListResponse, error) {
		return s.VolumeList(ctx, volume.ListOptions{Filters: d.filter(append(terms, labelRole+"="+roleVolume)...)})
	})
	return res.Volumes, err
}

func (d *Driver) removeVolume(ctx context.Context, name, workspaceID string) error {
	v, err := call(ctx, d.link, quick, "look at the volume", func(ctx context.Context, s *session) (volume.Volume, error) {
		return s.VolumeInspect(ctx, name)
	})
	if err != nil {
		return ignoreMissing(err)
	}
	if !d.ours(v.Labels, roleVolume) || workspaceID != "" && v.Labels[labelWorkspace] != workspaceID {
		return nil
	}
	return retry(ctx, func() error {
		return ignoreMissing(do(ctx, d.link, slow, "remove the volume", func(ctx context.Context, s *session) error {
			return s.VolumeRemove(ctx, v.Name, false)
		}))
	}, cerrdefs.IsConflict) // in use until the engine lets go of a removed container
}

// Objects lists what carries our instance label. Sizes are known of images alone: of other
// things this engine tells them only after reading every file.
func (d *Driver) Objects(ctx context.Context) ([]runtime.Object, error) {
	worked := d.pool.worked()
	all, err := d.containers(ctx)
	if err != nil {
		return nil, err
	}
	nets, err := d.networks(ctx)
	if err != nil {
		return nil, err
	}
	maps.Copy(worked, d.pool.worked())
	vols, err := d.volumes(ctx)
	if err != nil {
		return nil, err
	}
	images, err := d.imageObjects(ctx)
	if err != nil {
		return nil, err
	}
	return append(d.describe(all, nets, vols, worked), images...), nil
}

// RemoveObject removes one object of ours. A sandbox takes its network along, and
// is refused while a workspace's container needs it.
func (d *Driver) RemoveObject(ctx context.Context, o runtime.Object) error {
	switch o.Kind {
	case kindContainer:
		return d.removeOurs(ctx, o.ID)
	case kindSandbox:
		return d.removeFreeSandbox(ctx, o.ID)
	case kindNetwork:
		return d.removeNetwork(ctx, o.ID)
	case kindVolume:
		return d.removeVolume(ctx, o.Name, "")
	case kindImage:
		return d.removeImage(ctx, o.ID)
	}
	return fault.New(fault.Invalid, "object_kind", "%.40q is not a kind of object", o.Kind)
}

// removeOurs removes a container that is not a sandbox. The sandbox of a workspace's
// container is free afterwards, and Warm keeps or removes it.
func (d *Driver) removeOurs(ctx context.Context, id string) error {
	in, err := d.inspectID(ctx, id)
	if err != nil {
		return ignoreMissing(err)
	}
	if !d.oursContainer(in.Config.Labels) {
		return foreign("container", id)
	}
	d.addrs.forget(refOf(in.Config.Labels))
	defer d.pool.wake()
	return d.removeContainer(ctx, in.ID)
}

func (d *Driver) removeFreeSandbox(ctx context.Context, id string) error {
	in, err := d.inspectID(ctx, id)
	if err != nil {
		return ignoreMissing(err)
	}
	if !d.ours(in.Config.Labels, roleSandbox) {
		return foreign("container", id)
	}
	defer d.locks.lock(in.ID)()
	d.pool.claim(in.ID)
	defer d.pool.release(in.ID, false)
	all, err := d.containers(ctx, labelRole+"="+roleWorkspace)
	if err != nil {
		return err
	}
	for _, c := range all {
		if sandboxOf(c.HostConfig.NetworkMode) == in.ID {
			return fault.New(fault.Conflict, "object_in_use", "the sandbox belongs to a workspace that exists")
		}
	}
	return d.removeSandbox(ctx, in.ID)
}

// unixTime is a list entry's time of creation.
func unixTime(sec int64) time.Time { return time.Unix(sec, 0).UTC() }
