package docker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"
)

// Pace of Warm.
const (
	warmEvery     = 30 * time.Second       // look again although nothing was heard
	warmRetry     = time.Second            // after an error; doubled each time
	warmMax       = time.Minute            // the wait after an error grows no further
	warmQuiet     = 300 * time.Millisecond // and how long nobody must have asked for anything
	warmPolite    = 3 * time.Second        // how long people's requests go first
	warmEnd       = 5 * time.Second        // how long a sandbox that is being made may outlast ctx
	orphansAtOnce = 4                      // removals at a time
	orphanAfter   = 2 * time.Minute        // age of a network of this life without a sandbox that nobody is making
)

// Warm keeps Config.Spare sandboxes ready, at most Config.Keep sandboxes of stopped
// workspaces running, and removes what a crash has left of half-made sandboxes. It
// works on one thing at a time and steps back while the engine is busy for somebody.
// It returns when ctx ends, with its error.
func (d *Driver) Warm(ctx context.Context) error {
	wait := warmRetry
	for {
		next := warmEvery
		if err := d.warmOnce(ctx); err == nil {
			wait = warmRetry
		} else if ctx.Err() == nil {
			d.log.Warn("cannot keep spare network sandboxes ready", "err", err, "again_in", wait)
			next, wait = wait, min(2*wait, warmMax)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.pool.kick:
		case <-time.After(next):
		}
	}
}

func (d *Driver) warmOnce(ctx context.Context) error {
	d.pool.waitIdle(ctx, warmQuiet, warmPolite)
	_, stopped, all, err := d.discover(ctx)
	if err != nil {
		return err
	}
	if err := d.clearLeft(ctx); err != nil {
		d.log.Warn("cannot remove what earlier runs have left", "err", err)
	}
	if err := d.clearSteps(ctx); err != nil {
		d.log.Warn("cannot remove what builds of earlier runs have left", "err", err)
	}
	if err := d.wakeOrRemove(ctx, stopped); err != nil {
		return err
	}
	if err := d.clearOrphans(ctx, all); err != nil {
		return err
	}
	if err := d.stopUnused(ctx, all); err != nil {
		return err
	}
	for d.pool.count() > d.cfg.Spare {
		if err := d.removeSpare(ctx); err != nil {
			return err
		}
	}
	for d.pool.count() < d.cfg.Spare {
		d.pool.waitIdle(ctx, warmQuiet, warmPolite)
		if err := d.makeSpare(ctx); err != nil {
			return err
		}
	}
	return nil
}

// makeSpare makes one sandbox. Once begun it is made to its end, though ctx ends: the engine
// carries out a request that is cut off, and what comes of it would be found by nobody until
// the next life.
func (d *Driver) makeSpare(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-whole.Done():
		case <-time.After(d.warmEnd):
			cancel()
		}
	})()
	id, err := d.makeSandbox(whole)
	if err != nil {
		return err
	}
	d.pool.release(id, true)
	return nil
}

// Cool removes the spare sandboxes, and networks on which no sandbox is.
func (d *Driver) Cool(ctx context.Context) error {
	_, stopped, all, err := d.discover(ctx)
	if err != nil {
		return err
	}
	spares := stopped
	for id := d.pool.pop(); id != ""; id = d.pool.pop() {
		spares = append(spares, id)
	}
	nets, err := d.networks(ctx)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(orphansAtOnce)
	for _, id := range spares {
		group.Go(func() error { return d.removeSandbox(ctx, id) })
	}
	for _, n := range nets {
		if !slices.ContainsFunc(all, func(c container.Summary) bool { return c.HostConfig.NetworkMode == n.ID }) {
			group.Go(func() error { return d.removeNetwork(ctx, n.ID) })
		}
	}
	return group.Wait()
}

// discover asks for all our containers and folds the free sandboxes into the pool.
func (d *Driver) discover(ctx context.Context) (running, stopped []string, all []container.Summary, err error) {
	d.pool.listing.Lock()
	defer d.pool.listing.Unlock()
	seq := d.pool.begin()
	if all, err = d.containers(ctx); err != nil {
		return nil, nil, nil, err
	}
	found := map[string]unnamed{}
	for _, c := range all {
		if d.ours(c.Labels, roleSandbox) {
			found[c.ID] = unnamed{name: summaryName(c), runs: connected(c)}
		}
	}
	for _, c := range all {
		if d.ours(c.Labels, roleWorkspace) {
			delete(found, sandboxOf(c.HostConfig.NetworkMode))
		}
	}
	running, stopped = d.pool.fold(seq, found)
	return running, stopped, all, nil
}

// wakeOrRemove starts free sandboxes that an engine's restart has stopped, as many
// as are wanted, and removes the others, those too whose network was removed under them.
func (d *Driver) wakeOrRemove(ctx context.Context, stopped []string) error {
	for _, id := range stopped {
		d.pool.claim(id)
		if d.pool.count() < d.cfg.Spare && d.startSandbox(ctx, id) == nil && d.reached(ctx, id) {
			d.pool.release(id, true)
			continue
		}
		err := d.removeSandbox(ctx, id)
		d.pool.release(id, false)
		if err != nil {
			return err
		}
	}
	return nil
}

// reached tells whether a sandbox runs and has its network.
func (d *Driver) reached(ctx context.Context, id string) bool {
	box, err := d.inspectSandbox(ctx, id)
	if err != nil {
		return false
	}
	_, ok := address(box)
	return ok
}

// removeSpare removes one free sandbox.
func (d *Driver) removeSpare(ctx context.Context) error {
	id := d.pool.pop()
	if id == "" {
		return nil
	}
	err := d.removeSandbox(ctx, id)
	d.pool.release(id, false)
	return err
}

// orphanNetworks finds networks of ours that no sandbox is on: what a crash between
// two steps has left.
func (d *Driver) orphanNetworks(ctx context.Context, all []container.Summary) ([]network.Summary, error) {
	nets, err := d.networks(ctx)
	return slices.DeleteFunc(nets, func(n network.Summary) bool {
		on := func(c container.Summary) bool { return c.HostConfig.NetworkMode == n.ID }
		young := n.Created.After(d.born) && time.Since(n.Created) < orphanAfter // an earlier life makes nothing more
		return young || d.pool.isWorking(n.Name) || slices.ContainsFunc(all, on)
	}), err
}

// clearOrphans removes networks without a sandbox that are not wanted for spares.
func (d *Driver) clearOrphans(ctx context.Context, all []container.Summary) error {
	nets, err := d.orphanNetworks(ctx, all)
	if err != nil {
		return err
	}
	keep := max(d.cfg.Spare-d.pool.count(), 0)
	var group errgroup.Group
	group.SetLimit(orphansAtOnce)
	for _, n := range nets[min(keep, len(nets)):] {
		if done, ok := d.pool.working(n.Name); ok {
			group.Go(func() error {
				defer done()
				return d.removeNetwork(ctx, n.ID)
			})
		}
	}
	return group.Wait()
}

// stopUnused stops the sandboxes of stopped workspaces beyond Config.Keep, those
// used longest ago first. One whose use this process has not seen is older than
// any that it has.
func (d *Driver) stopUnused(ctx context.Context, all []container.Summary) error {
	runs := map[string]bool{}
	for _, c := range all {
		runs[c.ID] = c.State == container.StateRunning
	}
	var idle []container.Summary
	for _, c := range all {
		stopped := c.State == container.StateExited || c.State == container.StateCreated
		if d.ours(c.Labels, roleWorkspace) && stopped && runs[sandboxOf(c.HostConfig.NetworkMode)] {
			idle = append(idle, c)
		}
	}
	slices.SortStableFunc(idle, func(a, b container.Summary) int { // last used first
		return cmp.Or(d.lastUse(b).Compare(d.lastUse(a)), cmp.Compare(b.Created, a.Created))
	})
	for i, c := range idle {
		justMade := c.State == container.StateCreated && time.Since(d.lastUse(c)) < time.Minute
		if i < d.cfg.Keep || justMade {
			continue
		}
		if err := d.stopIfIdle(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) lastUse(c container.Summary) time.Time {
	return d.pool.lastUse(sandboxOf(c.HostConfig.NetworkMode))
}

// stopIfIdle stops the sandbox of a workspace unless it was started meanwhile.
func (d *Driver) stopIfIdle(ctx context.Context, c container.Summary) error {
	id := sandboxOf(c.HostConfig.NetworkMode)
	defer d.locks.lock(id)()
	in, err := d.inspectID(ctx, c.ID)
	if err != nil || in.State.Running {
		return ignoreMissing(err)
	}
	return d.killSandbox(ctx, id)
}
