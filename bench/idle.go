package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/workspace"
)

// The cpu of a daemon in which nothing happens is looked at so often, for so long each.
const (
	idleLooks = 3
	idleSpan  = 30 * time.Second
	idleGoal  = 0.5 // percent of a core
	quietGoal = 0.2 // of a workspace, in percent of a core
)

// measureIdle looks at what wsd costs while many workspaces run, each with a client of the
// gateway in its room, and nobody does anything; and at what one key of a person costs.
func measureIdle(ctx context.Context, s settings) (rows []Row, err error) {
	d, err := newDaemon(s, "memory", memoryPorts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	d.env = append(d.env, fmt.Sprintf("WSD_GATEWAY_CONNECTIONS=%d", s.many+10), fmt.Sprintf("WSD_GATEWAY_PER_USER=%d", s.many+10))
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	if err := d.fill(ctx, 0, s.many); err != nil {
		return nil, err
	}
	leave, err := d.attend(ctx, s.many)
	if err != nil {
		return nil, err
	}
	defer leave()
	used, err := d.idleCPU(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, below(fmt.Sprintf("cpu of wsd, %d workspaces that run, each with a client, in %% of a core", s.many), used, idleGoal))
	key, err := engageCost()
	if err != nil {
		return rows, err
	}
	rows = append(rows, below("one key of a person, as the engine folds it", key, 1000))
	quiet, err := quietCPU(ctx, s)
	if err != nil {
		return rows, err
	}
	return append(rows, below("cpu of a real workspace in which nothing happens, in % of a core", quiet, quietGoal)), nil
}

// quietCPU is the share of a core that a workspace uses in which nothing happens, its agent
// included, in percent.
func quietCPU(ctx context.Context, s settings) (f *Figure, err error) {
	p, err := newPair(ctx, s)
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := p.model(ctx); err != nil {
		return nil, err
	}
	var samples []float64
	for range idleLooks {
		before, err := p.ours.client.Usage(ctx, "bench-model")
		if err == nil {
			err = rest(idleSpan)(ctx)
		}
		if err != nil {
			return nil, err
		}
		after, err := p.ours.client.Usage(ctx, "bench-model")
		if err != nil {
			return nil, err
		}
		samples = append(samples, 100*(after.CPUSeconds-before.CPUSeconds)/after.Time.Sub(before.Time).Seconds())
	}
	return figure("%", samples), nil
}

// attend lets one client join the room of each workspace and returns once all are in.
func (d *daemon) attend(ctx context.Context, count int) (leave func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	joined := make(chan error, count)
	for i := range count {
		group.Go(func() {
			told := false
			for u, err := range d.client.Subscribe(ctx, client.SubscribeOptions{Workspace: fmt.Sprintf("bench-%d", i)}) {
				if err != nil && !told {
					joined <- err
					return
				}
				if !told && u.Frame != nil && u.Frame.Type == api.FrameSnapshot {
					told = true
					joined <- nil
				}
			}
		})
	}
	leave = func() { cancel(); group.Wait() }
	bound := time.After(time.Minute)
	for range count {
		select {
		case err := <-joined:
			if err != nil {
				leave()
				return nil, fmt.Errorf("cannot join a room: %w", err)
			}
		case <-bound:
			leave()
			return nil, errors.New("not every client could join within a minute")
		}
	}
	return leave, nil
}

// idleCPU is the share of a core that the daemon uses, in percent.
func (d *daemon) idleCPU(ctx context.Context) (*Figure, error) {
	if err := rest(10 * time.Second)(ctx); err != nil { // what joining left behind is done
		return nil, err
	}
	var samples []float64
	for range idleLooks {
		share, err := processorShare(ctx, d.cmd.Process.Pid, idleSpan)
		if err != nil {
			return nil, err
		}
		samples = append(samples, share)
	}
	return figure("%", samples), nil
}

// engageCost is what Engage takes on a workspace that somebody types into, in ns.
func engageCost() (f *Figure, err error) {
	ctx := context.Background()
	e, end, err := alone(ctx, 1, time.Now())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	lease, err := e.Attend(ctx, workspace.Actor{ID: "uid:0", Admin: true}, "stored-0", activity.Visitor{Kind: activity.Terminal, Vouched: true})
	if err != nil {
		return nil, err
	}
	defer lease.Close()
	const keys = 100_000
	var samples []float64
	for range 10 {
		begin := time.Now()
		for range keys {
			lease.Engage(activity.Input, "terminal main")
		}
		samples = append(samples, float64(time.Since(begin))/keys)
	}
	return figure("ns", samples), nil
}
