package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// What the dashboard is measured under.
const (
	dashChanges = 50               // workspaces that change a second
	dashWatched = 10 * time.Second // over which the use of the processor is a mean
	dashKeys    = 200              // keys whose way to the screen is timed
)

// measureDash measures the real `wsctl dash` on a terminal, over a daemon of the memory
// driver with many workspaces.
func measureDash(ctx context.Context, s settings) (rows []Row, err error) {
	d, err := newDaemon(s, "memory", memoryPorts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	if err := errors.Join(d.start(ctx), d.fill(ctx, 0, s.many)); err != nil {
		return nil, err
	}
	paint, err := interleave(ctx, max(s.count, 10), d.firstPaint())
	if err != nil {
		return nil, err
	}
	rows = append(rows, below(fmt.Sprintf("first paint of the dashboard, %d workspaces", s.many), paint[0], 150))
	for _, measure := range []func(context.Context, *daemon) ([]Row, error){dashUnderChanges, dashUnderLogs, dashFrames} {
		found, err := measure(ctx, d)
		if rows = append(rows, found...); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// firstPaint times the start of the dashboard until workspaces stand on the screen.
func (d *daemon) firstPaint() act {
	var b *dashboard
	return act{
		timed: func(ctx context.Context) (err error) {
			if b, err = d.dashboard(d.client.Socket()); err != nil {
				return err
			}
			return b.until(ctx, "bench-")
		},
		after: func(context.Context) error { return b.close() },
	}
}

// dashUnderChanges measures a dashboard while workspaces change.
func dashUnderChanges(ctx context.Context, d *daemon) (rows []Row, err error) {
	b, err := d.dashboard(d.client.Socket())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.until(ctx, "bench-"); err != nil {
		return nil, err
	}
	changing, stop := context.WithCancel(ctx)
	changed := make(chan error, 1)
	go func() { changed <- d.change(changing) }()
	defer func() {
		stop()
		err = errors.Join(err, <-changed)
	}()
	what := fmt.Sprintf("%d workspaces, %d change a second", d.s.many, dashChanges)
	if err := rest(3 * time.Second)(ctx); err != nil {
		return nil, err
	}
	share, err := processorShare(ctx, b.cmd.Process.Pid, dashWatched)
	if err != nil {
		return nil, err
	}
	rows = append(rows, below("processor of the dashboard, "+what, figure("% of a core", []float64{share}), 5))
	keys, err := b.keys(ctx, dashKeys)
	if err != nil {
		return rows, err
	}
	rows = append(rows, below("key to screen, p99, "+what, slowest("ms", keys), 30))
	full, err := b.resident(ctx)
	if err != nil {
		return rows, err
	}
	return append(rows, below("resident memory of the dashboard, "+what, full, 40)), nil
}

// change changes labels, dashChanges a second, each time of another workspace.
func (d *daemon) change(ctx context.Context) error {
	list, err := d.client.Brief(ctx, api.Filter{})
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second / dashChanges)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		id := list.Workspaces[i*7%len(list.Workspaces)].ID
		turn := strconv.Itoa(i)
		if _, err := d.client.Update(ctx, id, 0, api.Update{Labels: map[string]*string{"turn": &turn}}); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// keys times single keys until the cursor stands elsewhere on the screen, in ms.
func (b *dashboard) keys(ctx context.Context, n int) ([]float64, error) {
	var out []float64
	for i := range n {
		key := "j"
		if i/15%2 == 1 {
			key = "k"
		}
		b.mark()
		begun := time.Now()
		if err := b.press(key); err != nil {
			return nil, err
		}
		if err := b.until(ctx, "▸"); err != nil {
			return nil, err
		}
		out = append(out, float64(time.Since(begun))/float64(time.Millisecond))
		if err := rest(time.Duration(17+i%13) * time.Millisecond)(ctx); err != nil { // not in step with the frames
			return nil, err
		}
	}
	return out, nil
}

// resident is the memory of the dashboard in MB: the median of a few looks.
func (b *dashboard) resident(ctx context.Context) (*Figure, error) {
	var samples []float64
	for range 5 {
		if err := rest(500 * time.Millisecond)(ctx); err != nil {
			return nil, err
		}
		mb, err := residentOf(b.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		samples = append(samples, mb)
	}
	return figure("MB", samples), nil
}

// pretendedRow is a workspace as the dashboard is told of it.
func pretendedRow(i int, now time.Time) workspace.Workspace {
	w := storedWorkspace(i, now)
	w.State, w.Desired, w.Run, w.Stop = workspace.Running, workspace.WantRunning, "r1", nil
	return w
}
