package server

import (
	"context"
	"slices"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// WatchFiles counts who looks.
func (f *fake) WatchFiles(ctx context.Context, a workspace.Actor, ref string) error {
	if _, err := f.Workspace(ctx, a, ref); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looking++
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.looking--
	})
	return nil
}

// Watch says hello, gives the snapshot or the facts after, then what tell sends. It
// has one place for a message in flight, as the engine's bus has a bounded queue.
func (f *fake) Watch(ctx context.Context, a workspace.Actor, after int64, ref string, yield func(api.Message) error) error {
	if ref != "" {
		if _, err := f.Workspace(ctx, a, ref); err != nil {
			return err
		}
	}
	f.mu.Lock()
	id, feed := len(f.watchers), make(chan api.Message)
	f.watchers[id] = feed
	first := []api.Message{{Type: "hello", Epoch: "e", Seq: uint64(len(f.events))}}
	if after < 0 {
		first = append(first, api.Message{Type: "snapshot", Workspaces: slices.Clone(f.workspaces)})
	}
	for _, e := range f.events {
		if after >= 0 && e.Seq > uint64(after) {
			first = append(first, api.Message{Type: "event", Seq: e.Seq, Event: &e})
		}
	}
	f.mu.Unlock()
	for _, m := range first {
		if err := yield(m); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case m := <-feed:
			if err := yield(m); err != nil {
				return err
			}
		}
	}
}

// watching returns how many watches were begun.
func (f *fake) watching() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers)
}

// tell gives m to every watcher; it fails when ctx ends before they have taken it.
func (f *fake) tell(ctx context.Context, m api.Message) error {
	f.mu.Lock()
	feeds := make([]chan api.Message, 0, len(f.watchers))
	for _, c := range f.watchers {
		feeds = append(feeds, c)
	}
	f.mu.Unlock()
	for _, c := range feeds {
		select {
		case c <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
