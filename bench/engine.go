package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// label marks what the bench itself makes at the engine.
const label = "wsd.bench"

// engine is the plain container engine, as others use it.
type engine struct {
	*client.Client
	run string // value of label
}

func newEngine(ctx context.Context) (*engine, error) {
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	if _, err := c.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the container engine does not answer: %w", err), c.Close())
	}
	return &engine{c, strconv.Itoa(os.Getpid())}, nil
}

// twin is what runs in one of our workspaces, for a container of the plain engine:
// the same image, program, files and port, and none of our hardening.
type twin struct {
	engine *engine
	config container.Config
	mounts []mount.Mount
	port   int
}

// twinOf looks at the container of a workspace.
func (e *engine) twinOf(ctx context.Context, workspaceID string, port int) (*twin, error) {
	found, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", "wsd.workspace="+workspaceID), filters.Arg("label", "wsd.role=workspace"))})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("the workspace %s has %d containers at the engine, want 1", workspaceID, len(found))
	}
	in, err := e.ContainerInspect(ctx, found[0].ID)
	if err != nil {
		return nil, err
	}
	t := &twin{engine: e, port: port, config: container.Config{
		Image: in.Config.Image, Entrypoint: in.Config.Entrypoint, Cmd: in.Config.Cmd, Env: in.Config.Env,
		WorkingDir: in.Config.WorkingDir, Labels: map[string]string{label: e.run},
	}}
	for _, m := range in.Mounts {
		if m.Destination == "/run/wsd" { // the agent of the workspace alone listens there
			continue
		}
		source := m.Source
		if m.Type == mount.TypeVolume {
			source = m.Name
		}
		t.mounts = append(t.mounts, mount.Mount{Type: m.Type, Source: source, Target: m.Destination, ReadOnly: !m.RW})
	}
	return t, nil
}

// baseImage is the image that wsd made itself.
func (e *engine) baseImage(ctx context.Context) (string, error) {
	found, err := e.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", "wsd:base*"))})
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("the engine has no image wsd:base; create a workspace first")
	}
	return found[0].ID, nil
}

// create makes a container on the default bridge and does not start it.
func (t *twin) create(ctx context.Context) (id string, err error) {
	made, err := t.engine.ContainerCreate(ctx, &t.config, &container.HostConfig{Mounts: t.mounts}, &network.NetworkingConfig{}, nil, "")
	return made.ID, err
}

// startAnswering starts a container and waits for its page.
func (t *twin) startAnswering(ctx context.Context, id string) error {
	if err := t.engine.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return err
	}
	in, err := t.engine.ContainerInspect(ctx, id)
	if err != nil {
		return err
	}
	bridge := in.NetworkSettings.Networks["bridge"]
	if bridge == nil || bridge.IPAddress == "" {
		return errors.New("the plain container is not on the default bridge")
	}
	return answers(ctx, fmt.Sprintf("http://%s:%d/", bridge.IPAddress, t.port))
}

// runArgs are the arguments of `docker run -d` for the same container.
func (t *twin) runArgs() []string {
	args := []string{"run", "-d", "--label", label + "=" + t.engine.run}
	for _, kv := range t.config.Env {
		args = append(args, "-e", kv)
	}
	for _, m := range t.mounts {
		text := fmt.Sprintf("type=%s,src=%s,dst=%s", m.Type, m.Source, m.Target)
		if m.ReadOnly {
			text += ",readonly"
		}
		args = append(args, "--mount", text)
	}
	words := slices.Concat(t.config.Entrypoint, t.config.Cmd)
	if len(t.config.Entrypoint) > 0 {
		args = append(args, "--entrypoint", t.config.Entrypoint[0])
		words = words[1:]
	}
	return append(append(args, t.config.Image), words...)
}

// clear removes every container that the bench made.
func (e *engine) clear(ctx context.Context) error {
	return e.removeContainers(ctx, label+"="+e.run)
}

func (e *engine) removeContainers(ctx context.Context, term string) error {
	found, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", term))})
	if err != nil {
		return err
	}
	for _, c := range found {
		err = errors.Join(err, e.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}
	return err
}

// clearInstance removes what a daemon of ours left at the engine: its spare
// networks, which are meant to be there for the next start.
func (e *engine) clearInstance(ctx context.Context, instance string) error {
	term := "wsd.instance=" + instance
	err := e.removeContainers(ctx, term)
	nets, lerr := e.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", term))})
	err = errors.Join(err, lerr)
	for _, n := range nets {
		err = errors.Join(err, e.NetworkRemove(ctx, n.ID))
	}
	return err
}
