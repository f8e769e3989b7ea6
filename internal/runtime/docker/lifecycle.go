package docker

import (
	"context"
	"errors"
	"net/netip"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Start starts the sandbox, if it was stopped, and then the container, unless a folder that
// it shares has given way to a link.
func (d *Driver) Start(ctx context.Context, r runtime.Ref) error {
	defer d.pool.work()()
	if n, ok := d.fresh.take(r); ok && time.Since(n.made) < newbornTime && d.startNewborn(ctx, r, n) == nil {
		return nil
	}
	in, err := d.inspect(ctx, r)
	if err != nil {
		return err
	}
	if in.State.Paused {
		return runtime.ErrPaused
	}
	if in.State.Running {
		return nil
	}
	if err := d.heal(ctx, in); err != nil {
		return err
	}
	if err := checkShared(in.HostConfig.Mounts); err != nil {
		return err
	}
	sandbox := sandboxOf(string(in.HostConfig.NetworkMode))
	defer d.locks.lock(sandbox)()
	d.addrs.forget(r)
	d.pool.touch(sandbox)
	box, err := d.inspectSandbox(ctx, sandbox)
	if err != nil {
		return err
	}
	if !box.State.Running {
		if err := d.startSandbox(ctx, sandbox); err != nil {
			return d.orphaned(err)
		}
		if box, err = d.inspectSandbox(ctx, sandbox); err != nil {
			return err
		}
	}
	if cutOff(box) {
		return lost("the network of the container's sandbox was removed")
	}
	err = d.startID(ctx, in.ID)
	if errors.Is(err, runtime.ErrUnreachable) && ctx.Err() == nil {
		if again, ierr := d.inspect(ctx, r); ierr == nil && again.State.Running {
			return nil
		}
	}
	if err == nil {
		d.agents.note(r, true)
		if ip, ok := address(box); ok {
			d.addrs.set(r, ip) // the first connection follows at once
		}
	}
	return d.orphaned(err)
}

// newborn is a container that Ensure has just made in a sandbox that ran.
type newborn struct {
	id, sandbox string
	ip          netip.Addr // of the sandbox; invalid: not known
	made        time.Time
}

// newbornTime is how long what is known of a newborn is trusted: the time between the two
// calls that make a workspace, with a margin.
const newbornTime = 2 * time.Second

// startNewborn starts n without a look at it or at its sandbox. Whatever is wrong with
// either makes it fail, and then the caller looks.
func (d *Driver) startNewborn(ctx context.Context, r runtime.Ref, n newborn) error {
	defer d.locks.lock(n.sandbox)()
	d.pool.touch(n.sandbox)
	if err := d.startID(ctx, n.id); err != nil {
		return err
	}
	d.agents.note(r, true)
	if n.ip.IsValid() {
		d.addrs.set(r, n.ip)
	}
	return nil
}

func (d *Driver) startID(ctx context.Context, id string) error {
	return do(ctx, d.link, slow, "start the container", func(ctx context.Context, s *session) error {
		return s.ContainerStart(ctx, id, container.StartOptions{})
	})
}

// orphaned turns the refusal of a start into a lost container where an engine that was
// killed in the middle of an earlier start has forgotten the process but its container
// service has not: under this id the engine never starts anything again.
func (d *Driver) orphaned(err error) error {
	if err == nil || !leftTask(err) {
		return err
	}
	d.log.Warn("the engine has lost a process of an earlier start; it may still run", "err", err)
	return lost("the engine has lost the process of an earlier start")
}

// Stop sends SIGTERM and, after grace (rounded up to whole seconds, as the engine
// counts), SIGKILL. A paused container is resumed first, or it could not obey.
func (d *Driver) Stop(ctx context.Context, r runtime.Ref, grace time.Duration) error {
	in, err := d.inspect(ctx, r)
	if err != nil {
		return ignoreMissing(err)
	}
	if !in.State.Running {
		return nil
	}
	if in.State.Paused && grace > 0 {
		if err := d.Resume(ctx, r); err != nil && !errors.Is(err, runtime.ErrNotRunning) {
			return ignoreMissing(err)
		}
	}
	defer d.addrs.forget(r)
	if err := d.end(ctx, in.ID, grace); err != nil {
		return err
	}
	d.agents.note(r, false)
	d.pool.touch(sandboxOf(string(in.HostConfig.NetworkMode)))
	d.pool.wake()
	return d.awaitStopped(ctx, in.ID)
}

func (d *Driver) end(ctx context.Context, id string, grace time.Duration) error {
	seconds := int((max(grace, 0) + time.Second - 1) / time.Second)
	err := do(ctx, d.link, slow+time.Duration(seconds)*time.Second, "stop the container", func(ctx context.Context, s *session) error {
		if seconds == 0 {
			return s.ContainerKill(ctx, id, "SIGKILL")
		}
		return s.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	})
	switch {
	case errors.Is(err, runtime.ErrNotFound), cerrdefs.IsConflict(err): // gone, or ended meanwhile
		return nil
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded): // the caller's budget was shorter than grace
		return context.DeadlineExceeded
	}
	return err
}

// awaitStopped returns once the engine says that a container does not run.
func (d *Driver) awaitStopped(ctx context.Context, id string) error {
	errRuns := errors.New("the engine says that the container still runs")
	return retry(ctx, func() error {
		in, err := d.inspectID(ctx, id)
		if err != nil {
			return ignoreMissing(err)
		}
		if in.State.Running {
			return errRuns
		}
		return nil
	}, func(err error) bool { return errors.Is(err, errRuns) })
}

// Pause freezes all processes. A paused container is left alone.
func (d *Driver) Pause(ctx context.Context, r runtime.Ref) error {
	return d.freeze(ctx, r, true)
}

// Resume undoes Pause. A running container is left alone.
func (d *Driver) Resume(ctx context.Context, r runtime.Ref) error {
	return d.freeze(ctx, r, false)
}

func (d *Driver) freeze(ctx context.Context, r runtime.Ref, pause bool) error {
	in, err := d.inspect(ctx, r)
	switch {
	case err != nil:
		return err
	case !in.State.Running:
		return runtime.ErrNotRunning
	case in.State.Paused == pause:
		return nil
	}
	what := "resume the container"
	if pause {
		what = "pause the container"
	}
	err = retry(ctx, func() error {
		return do(ctx, d.link, slow, what, func(ctx context.Context, s *session) error {
			if pause {
				return s.ContainerPause(ctx, in.ID)
			}
			return s.ContainerUnpause(ctx, in.ID)
		})
	}, unfrozen)
	if err == nil || errors.Is(err, runtime.ErrNotFound) || ctx.Err() != nil {
		return err
	}
	// It may have ended, or a lost request may have been carried out.
	again, ierr := d.inspect(ctx, r)
	switch {
	case ierr != nil:
		return err
	case !again.State.Running:
		return runtime.ErrNotRunning
	case again.State.Paused == pause:
		return nil
	}
	return err
}

// Update changes the limits and returns those that the engine discarded.
func (d *Driver) Update(ctx context.Context, r runtime.Ref, l workspace.Limits) ([]string, error) {
	if err := workspace.ValidateLimits(l); err != nil {
		return nil, err
	}
	in, err := d.inspect(ctx, r)
	if err != nil {
		return nil, err
	}
	return d.updateLimits(ctx, in.ID, l)
}

func (d *Driver) updateLimits(ctx context.Context, id string, l workspace.Limits) ([]string, error) {
	res, err := call(ctx, d.link, slow, "change the limits", func(ctx context.Context, s *session) (container.UpdateResponse, error) {
		return s.ContainerUpdate(ctx, id, container.UpdateConfig{Resources: resources(l)})
	})
	if cerrdefs.IsInternal(err) { // the kernel refuses a limit below what is in use
		return nil, fault.New(fault.Conflict, "limits_refused", "the kernel did not accept the new limits").
			WithHint("a memory limit cannot go below what the workspace uses now; stop it first").WithCause(err)
	}
	return res.Warnings, err
}
