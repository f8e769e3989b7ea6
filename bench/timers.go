package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	core "github.com/wsctl/wsctl/internal/engine" // the plain engine has that name here
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/template"
	"github.com/wsctl/wsctl/internal/workspace"
)

// The deadlines that are measured are warnings: the first is due so long after the
// beginning, and all of them within so long.
const (
	firstDue = 15 * time.Second
	dueSpan  = 30 * time.Second
)

// measureTimers looks at how late deadlines are that many workspaces have, and how
// many commands a second the one writer takes.
func measureTimers(ctx context.Context, s settings) (rows []Row, err error) {
	d, err := newDaemon(s, "memory", memoryPorts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	single, together, err := d.commands(ctx, s.count)
	if err != nil {
		return nil, err
	}
	rows = append(rows, against(fmt.Sprintf("%d changes, %d clients at once / one after the other", commandCount, commandClients), together, single, 1))
	late, err := lateness(ctx, s.deadlines)
	if err != nil {
		return rows, err
	}
	return append(rows, below(fmt.Sprintf("how late a deadline is, 99th of 100, of %d within %s", s.deadlines, dueSpan), late, 20)), nil
}

// noDoor holds no ports.
type noDoor struct{}

func (noDoor) Open(int) error { return nil }
func (noDoor) Holds(int) bool { return true }
func (noDoor) Close(int)      {}

// lateness runs the writer alone on a store of count workspaces that nobody uses, and
// compares the time of each one's warning with the time that it was due. It returns the
// 99th percentile, with the median and the greatest as its least and greatest. A daemon
// has fewer workspaces than this, because it has fewer ports.
func lateness(ctx context.Context, count int) (f *Figure, err error) {
	ctx, cancel := context.WithTimeout(ctx, firstDue+dueSpan+time.Minute)
	defer cancel()
	e, end, err := alone(ctx, count, time.Now())
	if err != nil {
		return nil, err
	}
	late, err := warnings(ctx, e, count)
	if err = errors.Join(err, end()); err != nil {
		return nil, err
	}
	slices.Sort(late)
	at := func(share float64) float64 { return late[int(share*float64(len(late)-1))] }
	return &Figure{Median: at(0.99), Min: at(0.5), Max: at(1), N: len(late), Unit: "ms"}, nil
}

// alone runs the writer on a new store of count workspaces that nobody uses. end stops it
// and removes the store.
func alone(ctx context.Context, count int, begin time.Time) (e *core.Engine, end func() error, err error) {
	dir, err := os.MkdirTemp("", "wsd-bench-")
	if err != nil {
		return nil, nil, err
	}
	db, err := store.Open(filepath.Join(dir, "wsd.db"))
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	remove := func() error { return errors.Join(db.Close(), os.RemoveAll(dir)) }
	if err = unused(db, count, begin); err == nil {
		e, err = writer(db)
	}
	if err == nil {
		err = e.Recover()
	}
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return e, func() error { cancel(); return errors.Join(<-ended, remove()) }, nil
}

// unused writes count workspaces that run, became ready at begin or a little before, and
// are never connected to.
func unused(db *store.Store, count int, begin time.Time) error {
	return db.Update(func(tx *store.Tx) error {
		for i := range count {
			w := storedWorkspace(i, begin)
			w.State, w.Desired, w.Stop, w.Run = workspace.Running, workspace.WantRunning, nil, workspace.NewID(workspace.PrefixRun)
			w.ReadyAt = begin.Add(dueSpan * time.Duration(i-count) / time.Duration(count))
			w.StartedAt, w.StoppedAt = w.ReadyAt, time.Time{}
			used := activity.Record{Workspace: w.ID, Run: w.Run, Facts: activity.Facts{ReadyAt: w.ReadyAt, StartedAt: w.StartedAt}}
			if err := errors.Join(tx.PutWorkspace(w), tx.PutActivity(used)); err != nil {
				return err
			}
		}
		return nil
	})
}

// writer is an engine whose containers cannot be reached, so that it concludes nothing
// from there being none, and whose policy warns of a stop that is an hour away.
func writer(db *store.Store) (*core.Engine, error) {
	const lead = time.Hour
	p, _ := activity.Named(activity.DefaultPolicy)
	p.Background = firstDue + dueSpan + lead
	templates, err := template.Load("")
	if err != nil {
		return nil, err
	}
	box := memory.NewEngine()
	box.Down()
	return core.New(core.Config{
		Store: db, Driver: box.Driver(db.Instance()), Door: noDoor{}, Templates: templates, Log: slog.New(slog.DiscardHandler),
		Listeners: func(func(int) bool) map[int]string { return nil },
		PortFirst: 8000, PortLast: 8999, Attempts: 3, Backoff: time.Second, MaxBackoff: 10 * time.Second,
		Activity: core.Activity{Policies: []activity.Policy{p}, Warnings: []time.Duration{lead}},
	}), nil
}

// warnings reads count of them and returns how late each was, in ms.
func warnings(ctx context.Context, e *core.Engine, count int) ([]float64, error) {
	var late []float64
	enough := errors.New("that is all")
	err := e.Watch(ctx, workspace.Actor{ID: "uid:0", Admin: true}, -1, "", func(m api.Message) error {
		if m.Event == nil || m.Event.Kind != event.ActivityWarning {
			return nil
		}
		due := m.Workspace.ReadyAt.Add(firstDue + dueSpan)
		late = append(late, float64(m.Event.Time.Sub(due))/float64(time.Millisecond))
		if len(late) == count {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		return nil, fmt.Errorf("%d of %d warnings came: %w", len(late), count, err)
	}
	return late, nil
}
