package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// measureList compares `wsctl list` of few and many workspaces with `docker ps` of
// a hundred containers, and looks at the daemon's memory. Our workspaces live in
// the memory driver: what is measured is the daemon and the command line.
func measureList(ctx context.Context, s settings) (rows []Row, err error) {
	d, err := newDaemon(s, "memory", memoryPorts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	idle, err := d.resident(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, below("resident memory of wsd, idle", idle, 40))
	listed, err := compareLists(ctx, s, d)
	if rows = append(rows, listed...); err != nil {
		return rows, err
	}
	full, err := measureMemory(ctx, s, d)
	return append(rows, full...), err
}

func compareLists(ctx context.Context, s settings, d *daemon) (rows []Row, err error) {
	plain, err := newEngine(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		err = errors.Join(err, plain.clear(ctx), plain.Close())
	}()
	if err := plain.crowd(ctx, s.containers); err != nil {
		return nil, err
	}
	have := 0
	for _, step := range []struct {
		count int
		goal  float64
	}{{1, 0.4}, {100, 0.4}, {s.many, 1}} {
		if err := d.fill(ctx, have, step.count); err != nil {
			return rows, err
		}
		have = max(have, step.count)
		found, err := interleave(ctx, s.count,
			act{timed: func(ctx context.Context) error { _, err := d.wsctl(ctx, "list"); return err }},
			act{timed: func(ctx context.Context) error {
				_, err := command(ctx, os.Environ(), "docker", "ps", "-a", "--filter", "label="+label+"="+plain.run)
				return err
			}})
		if err != nil {
			return rows, err
		}
		what := fmt.Sprintf("list of %d / docker ps of %d", step.count, s.containers)
		rows = append(rows, against(what, found[0], found[1], step.goal))
	}
	return rows, nil
}

// crowd makes containers that are never started.
func (e *engine) crowd(ctx context.Context, count int) error {
	id, err := e.baseImage(ctx)
	if err != nil {
		return err
	}
	for range count {
		_, err := e.ContainerCreate(ctx, &container.Config{
			Image: id, Cmd: []string{"true"}, Labels: map[string]string{label: e.run},
		}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
		if err != nil {
			return err
		}
	}
	return nil
}

// fill makes workspaces from number have up to count, over the API, and waits
// until all of them run. They are made of an image, not of a template: the memory
// driver keeps the files of a template, about 2 KB each, inside wsd, where a
// container engine keeps them on its disk.
func (d *daemon) fill(ctx context.Context, have, count int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	names := make(chan string)
	errs := make([]error, 4)
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() {
			for name := range names {
				if _, err := d.client.Create(ctx, pretended(name), ""); err != nil {
					errs[i] = errors.Join(errs[i], err)
				}
			}
		})
	}
	for i := have; i < count; i++ {
		names <- fmt.Sprintf("bench-%d", i)
	}
	close(names)
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot make %d workspaces: %w", count, err)
	}
	return poll(ctx, 100*time.Millisecond, func() error {
		st, err := d.client.Status(ctx)
		if err == nil && st.Workspaces[workspace.Running] != count {
			err = fmt.Errorf("%d of %d workspaces run", st.Workspaces[workspace.Running], count)
		}
		return err
	})
}

// pretended is a workspace of an image that nobody pulls, with a leased port.
func pretended(name string) api.Create {
	return api.Create{Name: name, Image: "bench:1", Command: []string{"httpd", "--dir", "/workspace", "--port", "8080"}, Port: 8080}
}

// measureStored measures the start of a daemon with many workspaces in its store.
// They are written into the store itself, stopped, each with a port of its own.
func measureStored(ctx context.Context, s settings) (rows []Row, err error) {
	d, err := newDaemon(s, "memory", storedPorts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	if err := errors.Join(d.start(ctx), d.stop()); err != nil { // the store is made by wsd
		return nil, err
	}
	if err := d.write(s.stored); err != nil {
		return nil, err
	}
	found, err := interleave(ctx, min(s.count, 10), act{
		timed: d.start,
		after: func(context.Context) error { return d.stop() },
	})
	if err != nil {
		return nil, err
	}
	return []Row{below(fmt.Sprintf("start of wsd to ready, %d workspaces in the store", s.stored), found[0], 1000)}, nil
}

// write puts stopped workspaces into the store of a daemon that does not run.
func (d *daemon) write(count int) (err error) {
	lock, err := store.Lock(d.stateDir(), "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	db, err := store.Open(filepath.Join(d.stateDir(), "wsd.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	now := time.Now()
	return db.Update(func(tx *store.Tx) error {
		for i := range count {
			if err := tx.PutWorkspace(storedWorkspace(i, now)); err != nil {
				return err
			}
		}
		return nil
	})
}

// storedWorkspace is one that was made, ran and stopped.
func storedWorkspace(i int, now time.Time) workspace.Workspace {
	return workspace.Workspace{
		ID: workspace.NewID(workspace.PrefixWorkspace), Name: fmt.Sprintf("stored-%d", i), Owner: "uid:1000",
		Labels: map[string]string{"team": "web"}, State: workspace.Stopped, Desired: workspace.WantStopped,
		Generation: 1, Revision: 4, Slot: i, Port: 10_000 + i, CreatedAt: now, UpdatedAt: now, StoppedAt: now,
		Spec: workspace.Spec{
			Template: "static", Image: "wsd:base", Port: 8080, Ready: workspace.ReadyPort, Profile: workspace.Strict,
			Command: []string{"httpd", "--dir", "/workspace/public", "--port", "8080"},
			Limits:  workspace.Limits{CPUs: 1, Memory: 512 << 20, Pids: 256},
		},
		Stop: &workspace.Stop{Reason: workspace.StoppedByUser, Actor: "uid:1000", Time: now},
	}
}

// measureCLI compares the start of wsctl with that of the least cobra program.
func measureCLI(ctx context.Context, s settings) (rows []Row, err error) {
	d, err := newDaemon(s, "memory", memoryPorts) // for its empty socket folder; it is not started
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	empty := filepath.Join(d.dir, "emptycobra")
	if _, err := command(ctx, append(os.Environ(), "CGO_ENABLED=0"), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", empty,
		"github.com/wsctl/wsctl/bench/emptycobra"); err != nil {
		return nil, err
	}
	found, err := interleave(ctx, max(s.count, 30),
		act{timed: func(ctx context.Context) error { _, err := d.wsctl(ctx, "version"); return err }},
		act{timed: func(ctx context.Context) error { _, err := command(ctx, d.env, empty, "version"); return err }})
	if err != nil {
		return nil, err
	}
	return []Row{against("wsctl version / an empty cobra program", found[0], found[1], 1.5)}, nil
}
