package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/wsctl/wsctl/internal/api"
)

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
