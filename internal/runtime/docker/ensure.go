package docker

import (
	"context"
	"errors"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Ensure makes the container of c, with its volume and sandbox, where it is
// missing. One that is there and made from the same spec is kept, with its limits
// brought in line; one that never ran is replaced if it differs.
func (d *Driver) Ensure(ctx context.Context, c runtime.Container) (runtime.Status, error) {
	if err := workspace.ValidateLimits(c.Spec.Limits); err != nil { // 0 would mean no limit to the engine
		return runtime.Status{}, err
	}
	defer d.pool.work()()
	img, err := d.image(ctx, c.Spec)
	if err != nil {
		return runtime.Status{}, err
	}
	who, err := d.identity(ctx, c, img)
	if err != nil {
		return runtime.Status{}, err
	}
	p, err := d.placeOf(ctx, c, img, who)
	if err != nil {
		return runtime.Status{}, err
	}
	hash := specHash(c, img.id)
	in, err := d.inspect(ctx, c.Ref)
	switch {
	case errors.Is(err, runtime.ErrNotFound):
	case err != nil:
		return runtime.Status{}, err
	default:
		st, kept, err := d.keep(ctx, c, img, who, in)
		if err != nil || kept {
			return st, err
		}
	}
	emptied, err := d.emptied(ctx, c)
	if err != nil {
		return runtime.Status{}, err
	}
	all, err := d.claimVolumes(ctx, c, img)
	if err != nil {
		return runtime.Status{}, err
	}
	st, err := d.make(ctx, c, img, p, hash)
	st.Emptied = emptied
	if err != nil {
		return st, err
	}
	return st, d.fillVolumes(ctx, c, who, all)
}

// placeOf finds out where c goes and refuses what no container may get, before anything
// is made. The sandbox comes last.
func (d *Driver) placeOf(ctx context.Context, c runtime.Container, img imageFacts, who identity) (place, error) {
	p := place{
		instance: d.cfg.Instance, volume: volumeName(c.Workspace), volumes: img.volumes,
		agent: d.cfg.Agent, who: who, private: d.cfg.Private, cgroupns: true,
	}
	if dir := c.Spec.Dir; dir != "" && (!path.IsAbs(dir) || path.Clean(dir) != dir || strings.ContainsAny(dir, "\x00\n\r")) {
		return p, fault.New(fault.Invalid, "dir_invalid", "%.200q is not an absolute path without detours", dir)
	}
	if len(binds(c.Spec)) > 0 {
		facts, err := d.hostFacts(ctx)
		if err != nil {
			return p, err
		}
		p.private = slices.Concat(p.private, facts.private)
		if err := d.checkHost(c, who, facts); err != nil {
			return p, err
		}
	}
	_, err := hostConfig(c, p)
	return p, err
}

// Examine refuses a spec with a mount or a folder that no container gets. What depends on
// the engine and on who asks is left to Ensure.
func (d *Driver) Examine(s workspace.Spec) error {
	_, err := hostConfig(runtime.Container{Spec: s}, place{volume: volumeName("w"), agent: d.cfg.Agent, private: d.cfg.Private})
	return err
}

// keep decides about a container that is there: kept, removed because nothing of
// it is lost, or an error.
func (d *Driver) keep(ctx context.Context, c runtime.Container, img imageFacts, who identity, in container.InspectResponse) (runtime.Status, bool, error) {
	fresh := observed(in.State) == runtime.ObservedCreated
	same := in.Config.Labels[labelSpec] == specHash(c, img.id)
	sandbox := sandboxOf(string(in.HostConfig.NetworkMode))
	box, err := d.inspectSandbox(ctx, sandbox)
	whole := err == nil && !cutOff(box)
	if whole && fresh {
		whole, err = d.settleIn(ctx, in.ID, sandbox)
	}
	if ignoreMissing(err) != nil {
		return runtime.Status{}, false, err
	}
	switch {
	case same && whole:
		st, err := d.refresh(ctx, c, img, who, in)
		return st, true, err
	case fresh:
		d.addrs.forget(c.Ref)
		return runtime.Status{}, false, d.removeContainer(ctx, in.ID)
	case !same:
		return runtime.Status{}, false, fault.New(fault.Conflict, "container_differs",
			"the container of this workspace was made from another spec").WithHint("it needs a new generation")
	}
	return runtime.Status{}, false, lost("the container's network sandbox was removed")
}

// settleIn takes the sandbox of a container that has never run from the free ones, and reports
// whether it is that container's alone. It may not be: the engine may carry out the request of a
// wsd that was killed after the next one has found the sandbox free.
func (d *Driver) settleIn(ctx context.Context, id, sandbox string) (bool, error) {
	if !d.pool.claimFree(sandbox) {
		return false, nil
	}
	defer d.pool.release(sandbox, false)
	all, err := d.containers(ctx, labelRole+"="+roleWorkspace)
	return !slices.ContainsFunc(all, func(c container.Summary) bool {
		return c.ID != id && sandboxOf(c.HostConfig.NetworkMode) == sandbox
	}), err
}

// refresh brings a kept container in line: its volumes may be gone, or not filled yet; its
// limits may have changed.
func (d *Driver) refresh(ctx context.Context, c runtime.Container, img imageFacts, who identity, in container.InspectResponse) (runtime.Status, error) {
	st := status(in)
	if st.State == runtime.ObservedCreated || st.State == runtime.ObservedExited {
		c.Origin = c.Origin && st.State == runtime.ObservedCreated // what ran has files of its own
		all, err := d.claimVolumes(ctx, c, img)
		if err != nil {
			return st, err
		}
		if err := d.fillVolumes(ctx, c, who, all); err != nil {
			return st, err
		}
	}
	want := resources(c.Spec.Limits)
	have := in.HostConfig.Resources
	if have.NanoCPUs == want.NanoCPUs && have.Memory == want.Memory && have.PidsLimit != nil && *have.PidsLimit == *want.PidsLimit {
		return st, nil
	}
	w, err := d.updateLimits(ctx, in.ID, c.Spec.Limits)
	st.Warnings = w
	return st, err
}

// make creates the container in a sandbox of its own.
func (d *Driver) make(ctx context.Context, c runtime.Container, img imageFacts, p place, hash string) (runtime.Status, error) {
	sandbox, ip, err := d.claimSandbox(ctx)
	if err != nil {
		return runtime.Status{}, err
	}
	d.pool.touch(sandbox)
	p.sandbox = sandbox
	st, err := d.create(ctx, c, img, p, hash)
	switch {
	case err == nil:
		d.addrs.forget(c.Ref)
		if len(binds(c.Spec)) == 0 { // else Start looks at the folders once more
			d.fresh.set(c.Ref, newborn{id: st.ID, sandbox: sandbox, ip: ip, made: time.Now()})
		}
		d.pool.release(sandbox, false)
		d.pool.wake() // if a lost reply has used another one, the next list finds this one free
	case errors.Is(err, runtime.ErrUnreachable) || ctx.Err() != nil:
		d.pool.doubt(sandbox)
	default:
		d.pool.release(sandbox, true)
	}
	return st, err
}

func (d *Driver) create(ctx context.Context, c runtime.Container, img imageFacts, p place, hash string) (runtime.Status, error) {
	labels := map[string]string{
		labelInstance: d.cfg.Instance, labelRole: roleWorkspace, labelWorkspace: c.Workspace,
		labelGeneration: strconv.Itoa(c.Generation), labelSpec: hash, labelOwner: c.Owner,
	}
	name := containerName(c.Ref)
	var err error
	if p.sockets, err = d.ensureAgentDir(ctx, c.Ref, p.who); err != nil {
		return runtime.Status{}, err
	}
	if p.passwd, err = d.nameUser(ctx, c, img, p.who); err != nil {
		return runtime.Status{}, err
	}
	res, err := call(ctx, d.link, slow, "create the container", func(ctx context.Context, s *session) (container.CreateResponse, error) {
		p.cgroupns = cgroupns(s)
		host, err := hostConfig(c, p)
		if err != nil {
			return container.CreateResponse{}, err
		}
		return s.ContainerCreate(ctx, containerConfig(c, img, p.who, labels), host, nil, nil, name)
	})
	switch {
	case err == nil:
		return runtime.Status{Ref: c.Ref, ID: res.ID, Name: name, State: runtime.ObservedCreated, Spec: hash, Warnings: res.Warnings}, nil
	case cerrdefs.IsConflict(err), errors.Is(err, runtime.ErrUnreachable):
		// Either an earlier request was carried out although its reply was lost, or this one was.
		in, ierr := d.inspect(ctx, c.Ref)
		if ierr == nil && in.Config.Labels[labelSpec] == hash {
			return status(in), nil
		}
		if ierr != nil && !errors.Is(ierr, runtime.ErrNotFound) && !errors.Is(ierr, runtime.ErrUnreachable) {
			return runtime.Status{}, ierr
		}
		if cerrdefs.IsConflict(err) { // the engine gives a name away before it has the container, and takes it back after
			return runtime.Status{}, fault.New(fault.Unavailable, "engine_busy", "the container engine is still at an earlier container of this name").
				WithHint("try again").WithCause(err)
		}
	case errors.Is(err, runtime.ErrNotFound): // the image or the sandbox went away meanwhile
		return runtime.Status{}, fault.New(fault.Unavailable, "engine_changed", "something at the engine was removed while the container was made").
			WithHint("try again").WithCause(errors.New(err.Error()))
	}
	return runtime.Status{}, err
}

// claimSandbox returns a running sandbox that nobody else gets: a spare one, else
// one that no container names any more, else a new one. ip is its address, if known.
func (d *Driver) claimSandbox(ctx context.Context) (id string, ip netip.Addr, err error) {
	defer d.pool.wake()
	looked := false
	for {
		id := d.pool.pop()
		if id == "" {
			if looked {
				id, err := d.makeSandbox(ctx)
				return id, netip.Addr{}, err
			}
			looked = true
			if _, _, _, err := d.discover(ctx); err != nil {
				return "", netip.Addr{}, err
			}
			continue
		}
		in, err := d.inspectSandbox(ctx, id)
		if err == nil {
			if ip, ok := address(in); ok {
				return id, ip, nil
			}
		}
		d.pool.release(id, false) // stopped, cut off or removed by hand; Warm sees to it
		if ignoreMissing(err) != nil {
			return "", netip.Addr{}, err
		}
	}
}
