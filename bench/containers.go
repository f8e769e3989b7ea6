package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Where the search for each daemon's range begins, so that two runs of different
// kind do not meet, and where it ends: above are the ports that the kernel gives
// to outgoing connections.
const (
	dockerPorts = 10_000
	memoryPorts = 15_000
	storedPorts = 20_000
	lastPort    = 32_767
)

// portCount is the width of a range, the widest that wsd allows.
const portCount = 1000

// cleanTime bounds the removal of what a group made.
const cleanTime = 2 * time.Minute

// pair is a daemon on the container engine beside the plain engine, and one
// workspace that is there all the time.
type pair struct {
	s        settings
	ours     *daemon
	plain    *engine
	twin     *twin
	instance string
}

// newPair sets both up. Its caller closes it, also after an error.
func newPair(ctx context.Context, s settings) (p *pair, err error) {
	p = &pair{s: s}
	if p.plain, err = newEngine(ctx); err != nil {
		return p, err
	}
	if p.ours, err = newDaemon(s, "docker", dockerPorts); err != nil {
		return p, err
	}
	if err := p.ours.start(ctx); err != nil {
		return p, err
	}
	st, err := p.ours.client.Status(ctx)
	if err != nil {
		return p, err
	}
	p.instance = st.Instance
	return p, nil
}

// model makes the workspace that the plain engine's containers are like.
func (p *pair) model(ctx context.Context) error {
	w, err := p.ours.create(ctx, "bench-model")
	if err != nil {
		return err
	}
	if err := answers(ctx, pageOf(w.Port)); err != nil {
		return err
	}
	p.twin, err = p.plain.twinOf(ctx, w.ID, w.Spec.Port)
	return err
}

func pageOf(port int) string { return fmt.Sprintf("http://127.0.0.1:%d/", port) }

// close removes what both made, even when ctx has ended.
func (p *pair) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	var err error
	if p.plain != nil {
		err = p.plain.clear(ctx)
	}
	if p.instance != "" {
		list, lerr := p.ours.wsctl(ctx, "list", "--json")
		if lerr == nil && strings.Contains(string(list), "bench-model") {
			lerr = p.ours.delete(ctx, "bench-model")
		}
		err = errors.Join(err, lerr)
	}
	if p.ours != nil {
		err = errors.Join(err, p.ours.remove())
	}
	if p.instance != "" {
		err = errors.Join(err, p.plain.clearInstance(ctx, p.instance))
	}
	if p.plain != nil {
		err = errors.Join(err, p.plain.Close())
	}
	return err
}

// measureCreate compares making a workspace, until it answers, with both ways to
// make a container, and looks at the idle daemon first.
func measureCreate(ctx context.Context, s settings) (rows []Row, err error) {
	p, err := newPair(ctx, s)
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := p.model(ctx); err != nil {
		return nil, err
	}
	found, err := interleave(ctx, s.count, p.ourCreate(), p.plainCreate(), p.dockerRun())
	if err != nil {
		return nil, err
	}
	return []Row{
		against("create, until HTTP answers / SDK create+start+answer", found[0], found[1], 0.6),
		against("create, until HTTP answers / docker run -d", found[0], found[2], 0.6),
	}, nil
}

func (p *pair) ourCreate() act {
	const name = "bench-one"
	return act{
		before: rest(p.s.settle),
		timed: func(ctx context.Context) error {
			w, err := p.ours.create(ctx, name)
			if err != nil {
				return err
			}
			return answers(ctx, pageOf(w.Port))
		},
		after: func(ctx context.Context) error { return p.ours.delete(ctx, name) },
	}
}

func (p *pair) plainCreate() act {
	var id string
	return act{
		before: rest(p.s.settle),
		timed: func(ctx context.Context) (err error) {
			if id, err = p.twin.create(ctx); err != nil {
				return err
			}
			return p.twin.startAnswering(ctx, id)
		},
		after: func(ctx context.Context) error {
			return p.plain.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
		},
	}
}

func (p *pair) dockerRun() act {
	var id string
	return act{
		before: rest(p.s.settle),
		timed: func(ctx context.Context) error {
			out, err := command(ctx, os.Environ(), "docker", p.twin.runArgs()...)
			id = strings.TrimSpace(string(out))
			return err
		},
		after: func(ctx context.Context) error {
			return p.plain.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
		},
	}
}

// measureStart compares the start of something that is stopped.
func measureStart(ctx context.Context, s settings) (rows []Row, err error) {
	p, err := newPair(ctx, s)
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := p.model(ctx); err != nil {
		return nil, err
	}
	id, err := p.twin.create(ctx)
	if err != nil {
		return nil, err
	}
	ours := act{
		before: func(ctx context.Context) error {
			_, err := p.ours.wsctl(ctx, "stop", "bench-model")
			return errors.Join(err, rest(s.settle)(ctx))
		},
		timed: func(ctx context.Context) error {
			_, err := p.ours.wsctl(ctx, "start", "bench-model")
			return err
		},
	}
	plain := act{
		before: func(ctx context.Context) error {
			now := 0
			return errors.Join(p.plain.ContainerStop(ctx, id, container.StopOptions{Timeout: &now}), rest(s.settle)(ctx))
		},
		timed: func(ctx context.Context) error {
			_, err := command(ctx, os.Environ(), "docker", "start", id)
			return err
		},
	}
	found, err := interleave(ctx, s.count, ours, plain)
	if err != nil {
		return nil, err
	}
	return []Row{against("start of a stopped one, until it is ready / docker start", found[0], found[1], 0.6)}, nil
}
