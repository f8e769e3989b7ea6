package engine

import (
	"context"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

const (
	watchBuffer = 256              // messages a watcher may lag behind
	watchPing   = 15 * time.Second // silence after which a ping is sent
	replayPage  = 500              // facts read at a time on resume
	replayMax   = 10000            // facts a resume may ask for; beyond it a snapshot is cheaper
)

// Watch yields hello, the present state (or with after >= 0 the facts since), and
// then every change. See api.Message for the stream's contract.
func (e *Engine) Watch(ctx context.Context, a workspace.Actor, after int64, ref string, yield func(api.Message) error) error {
	w := watcher{engine: e, actor: a, yield: yield}
	if ref != "" {
		one, err := e.Workspace(ctx, a, ref)
		if err != nil {
			return err
		}
		w.only = one.ID
	}
	ch, cancel := e.bus.Subscribe(watchBuffer) // before the snapshot, so that nothing falls between
	defer cancel()
	if err := w.begin(after); err != nil || w.over {
		return err
	}
	return w.follow(ctx, ch)
}

// watcher is one reader of the stream. What another user owns is left out.
type watcher struct {
	engine *Engine
	actor  workspace.Actor
	only   string // id of the one workspace wanted
	yield  func(api.Message) error
	seq    uint64 // newest fact that it was decided about
	over   bool
}

func (w *watcher) begin(after int64) error {
	var first, last uint64
	var list []workspace.Workspace
	err := w.engine.cfg.Store.View(func(tx *store.Tx) error {
		first, last = tx.FirstSeq(), tx.LastSeq()
		for row, err := range tx.Workspaces() {
			if err == nil && after < 0 && w.wants(row) {
				list = append(list, row)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	hello := api.Message{Type: "hello", Epoch: w.engine.cfg.Store.Instance(), Seq: last}
	if err := w.yield(hello); err != nil {
		return err
	}
	w.seq = last
	if after < 0 {
		if list == nil {
			list = []workspace.Workspace{}
		}
		return w.yield(api.Message{Type: "snapshot", Seq: last, Workspaces: list})
	}
	from := uint64(after)
	if from > last || from+1 < first || last-from > replayMax {
		w.over = true
		return w.yield(api.Message{Type: "resync", Seq: last})
	}
	return w.replay(from, last)
}

// replay sends the facts after from up to last, each with the workspace as it is now.
func (w *watcher) replay(from, last uint64) error {
	for from < last {
		var page []api.Message
		err := w.engine.cfg.Store.View(func(tx *store.Tx) error {
			events, err := tx.Events(from, replayPage, nil)
			for i := range events {
				if events[i].Seq > last {
					break
				}
				from = events[i].Seq
				page = append(page, withWorkspace(tx, events[i]))
			}
			return err
		})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		for _, m := range page {
			if w.mayEvent(*m.Event) {
				if err := w.yield(m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func withWorkspace(tx *store.Tx, ev event.Event) api.Message {
	m := api.Message{Type: "event", Seq: ev.Seq, Event: &ev}
	if ev.Workspace != "" && ev.Kind != event.WorkspaceDeleted {
		if row, err := tx.Workspace(ev.Workspace); err == nil {
			m.Workspace = &row
		}
	}
	return m
}

func (w *watcher) follow(ctx context.Context, ch <-chan api.Message) error {
	ping := time.NewTimer(watchPing)
	defer ping.Stop()
	for {
		var m api.Message
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ping.C:
			m = api.Message{Type: "ping", Seq: w.seq}
		case got, ok := <-ch:
			if !ok {
				return w.yield(api.Message{Type: "resync", Seq: w.seq})
			}
			if got.Type == "event" && got.Seq <= w.seq {
				continue
			}
			w.seq = max(w.seq, got.Seq) // seen, if not told
			if !w.may(got) {
				continue
			}
			m = got
		}
		if err := w.yield(m); err != nil {
			return err
		}
		ping.Reset(watchPing)
	}
}

func (w *watcher) wants(row workspace.Workspace) bool {
	return w.actor.Owns(row) && (w.only == "" || w.only == row.ID)
}

func (w *watcher) may(m api.Message) bool {
	if m.Type != "signal" {
		return w.mayEvent(*m.Event)
	}
	if w.only != "" || w.actor.Admin { // the one that is wanted is visible
		return w.only == "" || m.Signal.Workspace == w.only
	}
	row, err := w.engine.row(m.Signal.Workspace)
	return err == nil && w.actor.Owns(row)
}

// mayEvent reports whether the actor may see a fact: what concerns workspaces that it
// owns, or owned, and what tells of nobody.
func (w *watcher) mayEvent(ev event.Event) bool {
	switch {
	case w.only != "" && ev.Workspace != w.only:
		return false
	case w.actor.Admin:
		return true
	case ev.Workspace == "":
		return ev.Kind.Public()
	}
	return ev.Owner == w.actor.ID
}

// Events returns facts after a number, oldest first.
func (e *Engine) Events(ctx context.Context, a workspace.Actor, after uint64, limit int, ref string) ([]event.Event, error) {
	w := watcher{engine: e, actor: a}
	if ref != "" {
		w.only = ref
		if one, err := e.Workspace(ctx, a, ref); err == nil {
			w.only = one.ID
		} else if !fault.Is(err, fault.Gone) {
			return nil, err
		}
	}
	list := []event.Event{}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		found, err := tx.Events(after, limit, w.mayEvent)
		list = append(list, found...)
		return err
	})
	return list, err
}
