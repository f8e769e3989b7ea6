package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// The deadlines that are measured: each workspace is warned so long after it became
// ready, and none stops while that goes on.
const (
	warnedAfter = 45 * time.Second
	warnedLead  = time.Hour
)

// timerPorts begins the range of ports of so many workspaces, below those that the
// kernel gives to connections.
const timerPorts = 17_000

// measureTimers looks at how late deadlines are that many workspaces have, and how
// many commands a second the one writer takes.
func measureTimers(ctx context.Context, s settings) (rows []Row, err error) {
	d, err := newDaemon(s, "memory", memoryPorts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	// Every workspace leases a port, whether it uses it or not.
	d.env = append(d.env, "WSD_PORTS_FIRST="+strconv.Itoa(timerPorts), "WSD_PORTS_LAST="+strconv.Itoa(timerPorts+s.deadlines+commandClients),
		"WSD_ACTIVITY_BACKGROUND="+(warnedAfter+warnedLead).String(), "WSD_ACTIVITY_WARNINGS="+warnedLead.String())
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	single, together, err := d.commands(ctx, s.count)
	if err != nil {
		return nil, err
	}
	rows = append(rows, against(fmt.Sprintf("%d changes, %d clients at once / one after the other", commandCount, commandClients), together, single, 1))
	late, err := d.lateness(ctx, s.deadlines)
	if err != nil {
		return rows, err
	}
	return append(rows, below(fmt.Sprintf("how late a deadline is, 99th of 100, of %d", s.deadlines), late, 20)), nil
}

// A sample has so many changes, each after a read of what it changes, by so many clients.
const (
	commandClients = 64
	commandCount   = 3 * commandClients
)

// commands times changes of labels by one client and by many, which share commits.
func (d *daemon) commands(ctx context.Context, count int) (single, together *Figure, err error) {
	refs := make([]string, commandClients)
	for i := range refs {
		w, err := d.client.Create(ctx, silent(fmt.Sprintf("command-%d", i)), "")
		if err != nil {
			return nil, nil, err
		}
		refs[i] = w.ID
	}
	round := 0
	by := func(n int) act {
		return act{timed: func(ctx context.Context) error {
			round++
			return d.relabel(ctx, refs[:n], commandCount/n, fmt.Sprint(round))
		}}
	}
	found, err := interleave(ctx, count, by(1), by(commandClients))
	if err != nil {
		return nil, nil, err
	}
	return found[0], found[1], nil
}

// relabel has one client for each workspace change its labels so many times.
func (d *daemon) relabel(ctx context.Context, refs []string, times int, value string) error {
	errs := make([]error, len(refs))
	var group sync.WaitGroup
	for i, ref := range refs {
		group.Go(func() {
			for n := range times {
				w, err := d.client.Workspace(ctx, ref)
				if err == nil {
					_, err = d.client.Update(ctx, ref, w.Revision, api.Update{Labels: map[string]*string{"round": new(fmt.Sprintf("%s-%d", value, n))}})
				}
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// silent is a workspace of an image that nobody pulls, without a port.
func silent(name string) api.Create {
	return api.Create{Name: name, Image: "bench:1", Command: []string{"sleep", "infinity"}}
}

// lateness makes count workspaces and compares the time of each one's warning with the
// time that it was due. It returns the 99th percentile, with the median and the most as
// its least and greatest.
func (d *daemon) lateness(ctx context.Context, count int) (*Figure, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var late []float64
	read := make(chan error, 1)
	go func() {
		for m, err := range d.client.Watch(ctx, client.WatchOptions{}) {
			if err != nil {
				read <- err
				return
			}
			if ms, ok := overdue(m); ok {
				if late = append(late, ms); len(late) == count {
					break
				}
			}
		}
		read <- nil
	}()
	if err := d.crowd(ctx, count); err != nil {
		return nil, err
	}
	if err := <-read; err != nil {
		return nil, fmt.Errorf("%d of %d warnings came: %w", len(late), count, err)
	}
	slices.Sort(late)
	at := func(share float64) float64 { return late[min(len(late)-1, int(share*float64(len(late))))] }
	return &Figure{Median: at(0.99), Min: at(0.5), Max: late[len(late)-1], N: len(late), Unit: "ms"}, nil
}

// overdue is how late a warning of one of the crowd came, in ms.
func overdue(m api.Message) (float64, bool) {
	if m.Event == nil || m.Event.Kind != event.ActivityWarning || m.Workspace == nil || m.Workspace.Labels["crowd"] == "" {
		return 0, false
	}
	return float64(m.Event.Time.Sub(m.Workspace.ReadyAt.Add(warnedAfter))) / float64(time.Millisecond), true
}

// crowd makes count workspaces that nobody uses.
func (d *daemon) crowd(ctx context.Context, count int) error {
	names := make(chan string)
	errs := make([]error, 16)
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() {
			for name := range names {
				req := silent(name)
				req.Labels = map[string]string{"crowd": "yes"}
				if errs[i] == nil { // else it only takes what is left
					_, errs[i] = d.client.Create(ctx, req, "")
				}
			}
		})
	}
	for i := range count {
		names <- fmt.Sprintf("crowd-%d", i)
	}
	close(names)
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot make %d workspaces: %w", count, err)
	}
	return poll(ctx, 100*time.Millisecond, func() error {
		st, err := d.client.Status(ctx)
		if err == nil && st.Workspaces[workspace.Creating]+st.Workspaces[workspace.Initializing] > 0 {
			err = errors.New("not all of them run")
		}
		return err
	})
}
