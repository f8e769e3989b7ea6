package engine

import (
	"context"
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds of the relay of changed files.
const (
	filesTold   = 100              // in one signal
	watchAgain  = 10 * time.Second // longest wait before an agent that does not watch is asked again
	moreChanged = "more"           // detail: that is not all
	partWatched = "partial"        // detail: there are too many folders to watch all
)

var errAsleep = errors.New("the workspace does not run")

// fileWant is one who begins, or ends, to look at the files of a workspace.
type fileWant struct {
	id   string
	more int // 1 or -1
}

// fileRelays ask agents to watch files: one watch for each workspace, however many look,
// and none where nobody does. One goroutine owns them.
type fileRelays struct {
	engine *Engine
	byID   map[string]*fileRelay
}

type fileRelay struct {
	looking int
	cancel  context.CancelFunc
}

// WatchFiles lets changes of files of a workspace be signalled (event.FileChanged) until
// ctx ends, whether the workspace runs already or not. What was missed while it did not,
// or while its agent was away, is told as a change of everything.
func (e *Engine) WatchFiles(ctx context.Context, a workspace.Actor, ref string) error {
	w, err := e.Workspace(ctx, a, ref)
	if err != nil {
		return err
	}
	if !e.wantFiles(ctx, fileWant{w.ID, 1}) {
		return ctx.Err()
	}
	context.AfterFunc(ctx, func() { e.wantFiles(context.WithoutCancel(ctx), fileWant{w.ID, -1}) })
	return nil
}

func (e *Engine) wantFiles(ctx context.Context, want fileWant) bool {
	select {
	case e.files <- want:
		return true
	case <-ctx.Done():
	case <-e.ended:
	}
	return false
}

// relayFiles works until ctx ends.
func (e *Engine) relayFiles(ctx context.Context) {
	rs := fileRelays{engine: e, byID: make(map[string]*fileRelay)}
	for {
		select {
		case <-ctx.Done():
			return
		case want := <-e.files:
			rs.count(ctx, want)
		}
	}
}

func (rs *fileRelays) count(ctx context.Context, want fileWant) {
	r := rs.byID[want.id]
	if r == nil {
		ctx, cancel := context.WithCancel(ctx)
		r = &fileRelay{cancel: cancel}
		rs.byID[want.id] = r
		rs.engine.spawn(func() { rs.engine.relayFilesOf(ctx, want.id) })
	}
	if r.looking += want.more; r.looking == 0 {
		r.cancel()
		delete(rs.byID, want.id)
	}
}

// relayFilesOf asks again and again, because workspaces stop and agents restart.
func (e *Engine) relayFilesOf(ctx context.Context, id string) {
	wait := callAgain
	for {
		asked := time.Now()
		err := e.relayOnce(ctx, id)
		if time.Since(asked) > watchAgain { // it was no agent that ends each watch
			wait = callAgain
		}
		if ctx.Err() == nil && !errors.Is(err, errAsleep) {
			e.log.Debug("an agent does not watch files", "workspace", id, "err", err)
		}
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, watchAgain)
	}
}

func (e *Engine) relayOnce(ctx context.Context, id string) error {
	w, err := e.row(id)
	if err != nil {
		return err
	}
	if w.State != workspace.Running {
		return errAsleep
	}
	first := true
	return e.link(w).Watch(ctx, w.Spec.Dir, func(c agentapi.Changes) error {
		if first {
			c.More, first = true, false // nobody looked until now
		}
		e.tellFiles(id, c)
		pause(ctx, reportPause) // however fast an agent tells
		return nil
	})
}

// tellFiles signals changes. What is not UTF-8, or could steer a terminal, is left out of
// their names.
func (e *Engine) tellFiles(id string, c agentapi.Changes) {
	s := event.Signal{Time: time.Now(), Kind: event.FileChanged, Workspace: id, Detail: map[string]string{}}
	for _, f := range c.Changed[:min(len(c.Changed), filesTold)] {
		s.Files = append(s.Files, event.FileChange{Path: printable(f.Path), Dir: f.Dir, Removed: f.Removed})
	}
	if c.More || len(c.Changed) > filesTold {
		s.Detail[moreChanged] = "true"
	}
	if c.Partial {
		s.Detail[partWatched] = "true"
	}
	e.signal(s)
}
