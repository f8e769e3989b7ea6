package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
)

// measureMemory looks at the resident memory of a wsd in which many workspaces run.
//
// They run in the in-memory driver, since no bench machine runs a thousand containers. What
// that driver holds of them (containers, volumes, logs) is not wsd's: with a container engine
// it is the engine's, in processes of its own. So it is measured by itself, and the goal is
// for what is left. It is its live heap alone: the garbage that it makes, and what the
// collector lets the heap grow beyond what lives, stay with wsd, and so does every page of
// files: the program's and the store's.
func measureMemory(ctx context.Context, s settings, d *daemon) ([]Row, error) {
	whole, err := d.resident(ctx)
	if err != nil {
		return nil, err
	}
	list, err := d.client.Workspaces(ctx, api.Filter{})
	if err != nil {
		return nil, err
	}
	held, err := driverHeap(ctx, list)
	if err != nil {
		return nil, err
	}
	rest := *whole
	rest.Median, rest.Min, rest.Max = whole.Median-held.Median, whole.Min-held.Median, whole.Max-held.Median
	return []Row{
		{What: fmt.Sprintf("resident memory of wsd and its in-memory driver, %d workspaces", s.many), Ours: whole},
		{What: "live heap of such a driver, by itself", Ours: held},
		below(fmt.Sprintf("resident memory of wsd without it, %d workspaces", s.many), &rest, 40),
	}, nil
}

// driverHeap is the live heap of an in-memory driver in which these workspaces run, in MB: how
// much that of this process grows by one.
func driverHeap(ctx context.Context, list api.WorkspaceList) (*Figure, error) {
	var samples []float64
	for range 3 {
		before := liveHeap()
		box := memory.NewEngine()
		if err := populate(ctx, box.Driver("bench"), list); err != nil {
			return nil, err
		}
		samples = append(samples, liveHeap()-before)
		runtime.KeepAlive(box)
	}
	return figure("MB", samples), nil
}

// populate runs a workspace for each of list. Its spec is a copy, as wsd's driver has one.
func populate(ctx context.Context, driver rt.Driver, list api.WorkspaceList) error {
	for _, w := range list.Workspaces {
		text, err := json.Marshal(w.Spec)
		if err != nil {
			return err
		}
		c := rt.Container{Ref: rt.Ref{Workspace: w.ID, Generation: w.Generation}, Name: w.Name, Owner: w.Owner, Slot: w.Slot, Origin: true}
		if err := json.Unmarshal(text, &c.Spec); err != nil {
			return err
		}
		if _, err := driver.EnsureImage(ctx, c.Spec.Image, nil); err != nil {
			return err
		}
		if _, err := driver.Ensure(ctx, c); err != nil {
			return err
		}
		if err := driver.Start(ctx, c.Ref); err != nil {
			return err
		}
	}
	return nil
}

// liveHeap is what this process holds after a collection, in MB.
func liveHeap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first has filled pools that the second empties
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}
