package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
)

// heard collects the signals of changed files, each as "path... detail".
type heard struct {
	told   <-chan api.Message
	cancel func()
}

func (r *rig) hear() *heard {
	told, cancel := r.bus.Subscribe(1000)
	return &heard{told, cancel}
}

func (h *heard) since() (out []event.Signal) {
	synctest.Wait()
	for {
		select {
		case m := <-h.told:
			if m.Signal != nil && m.Signal.Kind == event.FileChanged {
				out = append(out, *m.Signal)
			}
		default:
			return out
		}
	}
}

func (a *fakeAgent) watchers() int {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.watched
}

// look watches files until the returned function is called.
func (r *rig) look(name string) context.CancelFunc {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if err := r.WatchFiles(ctx, alice, name); err != nil {
		r.t.Fatal(err)
	}
	later(time.Second)
	return cancel
}

func TestChangedFilesAreSignalledWhileSomebodyLooks(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		a.files = make(chan agentapi.Changes)
		w := r.create("demo")
		h := r.hear()
		defer h.cancel()
		if n := a.watchers(); n != 0 {
			t.Errorf("%d watch, and nobody looks", n)
		}
		first, second := r.look("demo"), r.look("demo")
		if n := a.watchers(); n != 1 {
			t.Errorf("%d watch for two who look", n)
		}
		if got := h.since(); len(got) != 1 || got[0].Detail["more"] != "true" {
			t.Errorf("at the beginning: %+v", got)
		}
		a.files <- agentapi.Changes{Changed: []agentapi.Change{{Path: "a/b"}, {Path: "bad\x1b[2J", Removed: true}, {Path: "../out"}, {Path: "/etc"}}}
		got := h.since()
		if len(got) != 1 || got[0].Workspace != w.ID || !slices.Equal(got[0].Files, []event.FileChange{{Path: "a/b"}, {Path: "bad[2J", Removed: true}}) || len(got[0].Detail) != 0 {
			t.Errorf("told %+v", got)
		}
		first()
		later(time.Second)
		if n := a.watchers(); n != 1 {
			t.Errorf("%d watch while one looks", n)
		}
		second()
		later(time.Second)
		if n := a.watchers(); n != 0 {
			t.Errorf("%d watch when nobody looks any more", n)
		}
	})
}

// What runs in a workspace must not flood those who watch wsd.
func TestAnAgentThatTellsOfManyFilesIsBounded(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		a.files = make(chan agentapi.Changes)
		r.create("demo")
		defer r.look("demo")()
		h := r.hear()
		defer h.cancel()
		many := agentapi.Changes{}
		for i := range 10 * agentapi.MaxChanges {
			many.Changed = append(many.Changed, agentapi.Change{Path: fmt.Sprint(i)})
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for ctx.Err() == nil {
			select {
			case a.files <- many:
			case <-ctx.Done():
			}
		}
		got := h.since()
		if n := len(got); n == 0 || n > 12 {
			t.Errorf("%d signals in a second", n)
		}
		for _, s := range got {
			if len(s.Files) > filesTold || s.Detail["more"] != "true" {
				t.Errorf("%d files, detail %v", len(s.Files), s.Detail)
			}
		}
		later(time.Minute) // the pipe is drained
	})
}

func TestFilesAreWatchedAgainAfterARestart(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		a.files = make(chan agentapi.Changes)
		r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		h := r.hear()
		defer h.cancel()
		defer r.look("demo")()
		later(time.Minute)
		if n, got := a.watchers(), h.since(); n != 0 || len(got) > 0 {
			t.Errorf("%d watch what is stopped: %+v", n, got)
		}
		r.command("demo", api.Start)
		r.settle()
		later(watchAgain)
		if got := h.since(); len(got) != 1 || got[0].Detail["more"] != "true" {
			t.Errorf("after the start: %+v", got)
		}
		close(a.files) // the agent ends
		later(time.Minute)
		if n := len(h.since()); n == 0 || n > 20 {
			t.Errorf("an agent that ends each watch was asked %d times in a minute", n)
		}
	})
}

func TestFilesOfOthersAreNotWatched(t *testing.T) {
	inAgentBubble(t, func(r *rig, _ *fakeAgent) {
		r.create("demo")
		if err := r.WatchFiles(context.Background(), bob, "demo"); !fault.Is(err, fault.NotFound) {
			t.Errorf("somebody else's: %v", err)
		}
	})
}
