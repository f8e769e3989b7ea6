package memory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Driver is one daemon's view of an Engine. Use Engine.Driver.
type Driver struct {
	engine   *Engine
	instance string
	closed   chan struct{}      // guarded by the engine's mutex for closing
	conns    map[*conn]struct{} // dialled and open; guarded by the engine's mutex
}

var _ runtime.Driver = (*Driver)(nil)

// Close ends this driver's streams and connections and lets its later calls fail.
// The engine and its containers stay. It may be called more than once.
func (d *Driver) Close() error {
	d.engine.mu.Lock()
	defer d.engine.mu.Unlock()
	select {
	case <-d.closed:
		return nil
	default:
	}
	close(d.closed)
	for c := range d.conns {
		_ = c.Conn.Close()
	}
	return nil
}

// Info implements runtime.Driver.
func (d *Driver) Info(ctx context.Context) (runtime.Info, error) {
	info := runtime.Info{Name: "memory", Version: "1", API: "1", CPUs: hostCPUs, Memory: hostMemory}
	err := d.call(ctx, OpInfo, "", func(time.Time) error { return nil })
	if err != nil {
		return runtime.Info{}, err
	}
	return info, nil
}

// EnsureImage implements runtime.Driver. Every image can be had; its digest is
// derived from its reference.
func (d *Driver) EnsureImage(ctx context.Context, ref string, report func(runtime.Progress)) (runtime.Image, error) {
	img, missing := runtime.Image{Ref: ref}, false
	err := d.call(ctx, OpEnsureImage, "", func(time.Time) error {
		img.Digest, missing = d.engine.images[ref], d.engine.images[ref] == ""
		if missing {
			sum := sha256.Sum256([]byte(ref))
			img.Digest = "sha256:" + hex.EncodeToString(sum[:])
			d.engine.images[ref] = img.Digest
		}
		return nil
	})
	if err != nil {
		return runtime.Image{}, err
	}
	if missing && report != nil {
		report(runtime.Progress{Stage: "pull", Current: 1 << 20, Total: 1 << 20})
	}
	return img, nil
}

// Ensure implements runtime.Driver.
func (d *Driver) Ensure(ctx context.Context, c runtime.Container) (st runtime.Status, err error) {
	err = d.call(ctx, OpEnsure, c.Workspace, func(now time.Time) error {
		if err := checkLimits(c.Spec.Limits); err != nil {
			return err
		}
		in := d.engine.at(d.instance)
		have, emptied := in.find(c.Ref), false
		if have == nil {
			emptied = c.Again && in.site(c.Workspace).volume == nil
			have = d.engine.create(in, c, now)
		}
		st = have.status()
		st.Emptied = emptied
		st.Warnings = d.engine.discards
		return nil
	})
	if err != nil {
		return runtime.Status{}, err
	}
	return st, nil
}

func (e *Engine) create(in *instance, c runtime.Container, now time.Time) *container {
	s := in.site(c.Workspace)
	if s.volume == nil {
		s.volume = &volume{created: now}
	}
	if c.Origin {
		s.volume.write(c.Spec.Files)
	}
	made := newContainer(in, c, s.volume, now)
	s.containers = append(s.containers, made)
	return made
}

// checkLimits refuses what no engine on this host could give.
func checkLimits(l workspace.Limits) error {
	switch {
	case l.CPUs > hostCPUs:
		return fault.New(fault.Invalid, "cpus_too_many", "%g cores are asked for, the engine has %d", l.CPUs, hostCPUs)
	case l.Memory > hostMemory:
		return fault.New(fault.Invalid, "memory_too_large", "%d bytes of memory are asked for, the engine has %d", l.Memory, int64(hostMemory))
	}
	return nil
}

// on runs one call for an existing container of this instance.
func (d *Driver) on(ctx context.Context, op Op, r runtime.Ref, effect func(c *container, now time.Time) error) error {
	return d.call(ctx, op, r.Workspace, func(now time.Time) error {
		c := d.engine.at(d.instance).find(r)
		if c == nil {
			return runtime.ErrNotFound
		}
		return effect(c, now)
	})
}

// Start implements runtime.Driver. A paused container is ErrPaused.
func (d *Driver) Start(ctx context.Context, r runtime.Ref) error {
	return d.on(ctx, OpStart, r, func(c *container, now time.Time) error {
		switch c.observed() {
		case runtime.ObservedPaused:
			return runtime.ErrPaused
		case runtime.ObservedRunning:
			return nil
		}
		d.engine.start(c, now)
		return nil
	})
}

// Stop implements runtime.Driver. A main process that heeds the request ends with
// status 0 at once, one that does not with 137 after grace. A paused one is resumed
// first, unless grace is 0.
func (d *Driver) Stop(ctx context.Context, r runtime.Ref, grace time.Duration) error {
	var left *run
	err := d.call(ctx, OpStop, r.Workspace, func(now time.Time) error {
		c := d.engine.at(d.instance).find(r)
		if c == nil || c.run == nil {
			return nil
		}
		if c.run.frozen && grace > 0 { // it could not heed the request
			d.engine.thaw(c, now)
		}
		switch {
		case grace <= 0:
			d.engine.end(c, now, killed, false)
		case c.run.deaf:
			left = c.run
		default:
			d.engine.end(c, now, 0, false)
		}
		return nil
	})
	if err != nil || left == nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-left.done:
		return nil
	case <-timer.C:
		return d.kill(ctx, r, left)
	case <-ctx.Done():
		return ended(ctx.Err())
	}
}

// kill ends the life that Stop looked at, and no later one.
func (d *Driver) kill(ctx context.Context, r runtime.Ref, life *run) error {
	return d.apply(ctx, func(now time.Time) error {
		if c := d.engine.at(d.instance).find(r); c != nil && c.run == life {
			d.engine.end(c, now, killed, false)
		}
		return nil
	})
}

// Pause implements runtime.Driver. A container that does not run is ErrNotRunning.
func (d *Driver) Pause(ctx context.Context, r runtime.Ref) error {
	return d.on(ctx, OpPause, r, func(c *container, now time.Time) error {
		if c.run == nil {
			return runtime.ErrNotRunning
		}
		if !c.run.frozen {
			d.engine.freeze(c, now)
		}
		return nil
	})
}

// Resume implements runtime.Driver. A container that does not run is ErrNotRunning.
func (d *Driver) Resume(ctx context.Context, r runtime.Ref) error {
	return d.on(ctx, OpResume, r, func(c *container, now time.Time) error {
		if c.run == nil {
			return runtime.ErrNotRunning
		}
		if c.run.frozen {
			d.engine.thaw(c, now)
		}
		return nil
	})
}

// Update implements runtime.Driver.
func (d *Driver) Update(ctx context.Context, r runtime.Ref, l workspace.Limits) (discarded []string, err error) {
	err = d.on(ctx, OpUpdate, r, func(c *container, _ time.Time) error {
		if err := checkLimits(l); err != nil {
			return err
		}
		c.spec.Limits = l
		discarded = d.engine.discards
		return nil
	})
	return discarded, err
}

// DialAgent implements runtime.Driver: the containers of this engine have no agent, so it
// only says whether there could be one. It takes no time and works while the engine is
// down.
func (d *Driver) DialAgent(ctx context.Context, r runtime.Ref) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.engine.mu.Lock()
	defer d.engine.mu.Unlock()
	switch c := d.engine.at(d.instance).find(r); {
	case c == nil:
		return nil, runtime.ErrNotFound
	case c.run == nil:
		return nil, runtime.ErrNotRunning
	case c.run.frozen:
		return nil, runtime.ErrPaused
	}
	return nil, runtime.ErrNoAgent
}
