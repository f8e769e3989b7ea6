package docker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/runtime"
)

// Inspect returns the state of a workspace's container.
func (d *Driver) Inspect(ctx context.Context, r runtime.Ref) (runtime.Status, error) {
	in, err := d.inspect(ctx, r)
	if err != nil {
		return runtime.Status{}, err
	}
	return status(in), nil
}

// List returns the containers of all workspaces of this instance. One that vanishes
// while the list is made is left out.
func (d *Driver) List(ctx context.Context) ([]runtime.Status, error) {
	every, err := d.containers(ctx)
	if err != nil {
		return nil, err
	}
	all, connected := apart(d, every)
	out := make([]runtime.Status, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	gate := make(chan struct{}, 4) // the engine gains nothing from more
	for i, c := range all {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			in, err := d.inspectID(ctx, c.ID) // the list itself has neither times nor exit status
			if err == nil {
				out[i] = status(in)
				out[i].Cut = in.State.Running && !connected[sandboxOf(string(in.HostConfig.NetworkMode))]
			}
			errs[i] = err
		})
	}
	wg.Wait()
	kept := out[:0]
	for i, s := range out {
		if ignoreMissing(errs[i]) != nil {
			return nil, errs[i]
		}
		if errs[i] == nil {
			kept = append(kept, s)
		}
	}
	return kept, nil
}

// apart returns the containers of workspaces, and which sandboxes have a network.
func apart(d *Driver, every []container.Summary) (workspaces []container.Summary, online map[string]bool) {
	online = map[string]bool{}
	for _, c := range every {
		switch {
		case d.ours(c.Labels, roleWorkspace):
			workspaces = append(workspaces, c)
		case d.ours(c.Labels, roleSandbox):
			online[c.ID] = connected(c)
		}
	}
	return workspaces, online
}

// connected tells whether a container runs and has a network.
func connected(c container.Summary) bool {
	if c.State != container.StateRunning || c.NetworkSettings == nil {
		return false
	}
	for _, n := range c.NetworkSettings.Networks {
		if n.IPAddress != "" {
			return true
		}
	}
	return false
}

// containers lists our containers of every role, running or not.
func (d *Driver) containers(ctx context.Context, terms ...string) ([]container.Summary, error) {
	all, err := call(ctx, d.link, quick, "list containers", func(ctx context.Context, s *session) ([]container.Summary, error) {
		return s.ContainerList(ctx, container.ListOptions{All: true, Filters: d.filter(terms...)})
	})
	return slices.DeleteFunc(all, func(c container.Summary) bool { return !d.oursContainer(c.Labels) }), err
}

// everyContainer lists the containers of the engine, whoever made them.
func (d *Driver) everyContainer(ctx context.Context) ([]container.Summary, error) {
	return call(ctx, d.link, quick, "list all containers", func(ctx context.Context, s *session) ([]container.Summary, error) {
		return s.ContainerList(ctx, container.ListOptions{All: true})
	})
}

// inspect looks at a workspace's container by its name and makes sure that it is ours.
func (d *Driver) inspect(ctx context.Context, r runtime.Ref) (container.InspectResponse, error) {
	name := containerName(r)
	in, err := d.inspectID(ctx, name)
	if err != nil {
		return in, err
	}
	if !d.ours(in.Config.Labels, roleWorkspace) || refOf(in.Config.Labels) != r {
		return in, foreign("container", name)
	}
	return in, nil
}

// inspectID looks at any container; all parts of the answer are there.
func (d *Driver) inspectID(ctx context.Context, id string) (container.InspectResponse, error) {
	in, err := call(ctx, d.link, quick, "look at the container", func(ctx context.Context, s *session) (container.InspectResponse, error) {
		return s.ContainerInspect(ctx, id)
	})
	if err == nil && (in.ContainerJSONBase == nil || in.State == nil || in.Config == nil || in.HostConfig == nil) {
		err = refused("describe the container", errors.New("parts of the description are missing"))
	}
	return in, err
}

// status turns the engine's description into ours.
func status(in container.InspectResponse) runtime.Status {
	s := runtime.Status{
		Ref: refOf(in.Config.Labels), ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), State: observed(in.State),
		OOMKilled: in.State.OOMKilled, StartedAt: parseTime(in.State.StartedAt), FinishedAt: parseTime(in.State.FinishedAt),
		Spec: in.Config.Labels[labelSpec],
	}
	if s.State == runtime.ObservedExited {
		s.ExitCode = in.State.ExitCode
	}
	return s
}

// observed maps the engine's states onto ours. Those on the way to removal do not
// run any more and cannot run again: exited.
func observed(s *container.State) runtime.Observed {
	switch {
	case s.Paused:
		return runtime.ObservedPaused
	case s.Running:
		return runtime.ObservedRunning
	case s.Status == container.StateCreated:
		return runtime.ObservedCreated
	}
	return runtime.ObservedExited
}

// parseTime reads a time of the engine; its zero value and rubbish are zero.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

func summaryName(c container.Summary) string {
	if len(c.Names) == 0 {
		return ""
	}
	return strings.TrimPrefix(c.Names[0], "/")
}

// ignoreMissing is err, or nil if it says that the object is gone.
func ignoreMissing(err error) error {
	if errors.Is(err, runtime.ErrNotFound) {
		return nil
	}
	return err
}
