package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/await"
	"github.com/wsctl/wsctl/internal/event"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Times of the watch over agents.
const (
	callAgain    = 250 * time.Millisecond // after a connection that failed; doubled up to callAgainMax
	callAgainMax = time.Minute
	noAgentMax   = 10 * time.Minute       // as callAgainMax, where there has been no agent in this run
	reportPause  = 100 * time.Millisecond // between two reports, however fast an agent tells them
	factPause    = 5 * time.Second        // after a report that became a fact: facts are kept
	silenceLimit = 10 * time.Second       // without an answer before it is told
	askEvery     = time.Minute            // an agent that tells nothing is asked whether it is there
)

// followers listen to the agents of what runs: one for each run. One goroutine owns them.
// They are told by the bus what runs, and compare when they were too slow for it.
type followers struct {
	engine *Engine
	ctx    context.Context      //nolint:containedctx // of what followers do, each in goroutines of its own
	runs   map[string]*follower // by id of the workspace
	quiet  await.Set            // of agents that have nothing to tell
	live   sync.WaitGroup       // one for each follower
}

// followAgents works until ctx ends.
func (e *Engine) followAgents(ctx context.Context) {
	fs := &followers{engine: e, ctx: ctx, runs: make(map[string]*follower)}
	for ctx.Err() == nil {
		told, cancel := e.bus.Subscribe(watchBuffer) // before the list, so that nothing falls between
		fs.compare()
		for open := true; open && ctx.Err() == nil; {
			select {
			case <-ctx.Done():
			case m, ok := <-told:
				if open = ok; !ok {
					break
				}
				if m.Workspace != nil {
					fs.see(*m.Workspace)
				} else if m.Event != nil && m.Event.Kind == event.WorkspaceDeleted {
					fs.drop(m.Event.Workspace)
				}
			}
		}
		cancel()
		pause(ctx, reportPause)
	}
	for id := range fs.runs {
		fs.drop(id)
	}
	fs.live.Wait()
	fs.quiet.Close()
}

// compare sees every workspace anew.
func (fs *followers) compare() {
	rows, _, err := fs.engine.rows()
	if err != nil {
		fs.engine.log.Error("cannot list what runs", "err", err)
		return
	}
	there := make(map[string]bool, len(rows))
	for _, w := range rows {
		there[w.ID] = true
		fs.see(*w)
	}
	for id := range fs.runs {
		if !there[id] {
			fs.drop(id)
		}
	}
}

// see begins to follow w where it runs, and ends where it does not any more.
func (fs *followers) see(w workspace.Workspace) {
	f := fs.runs[w.ID]
	if f != nil && f.run == w.Run && f.generation == w.Generation && w.State == workspace.Running {
		return
	}
	fs.drop(w.ID)
	if w.State == workspace.Running {
		fs.runs[w.ID] = fs.follow(w)
	}
}

func (fs *followers) drop(id string) {
	if f := fs.runs[id]; f != nil {
		f.end()
		delete(fs.runs, id)
	}
}

// answered notes that the agent is there, and whether it is an older one.
func (f *follower) answered(ctx context.Context, h agentapi.Hello) error {
	f.met, f.silent = true, time.Time{}
	if err := f.clear(ctx, workspace.AgentUnreachable); err != nil {
		return err
	}
	if h.Version >= agentapi.Version {
		return f.clear(ctx, workspace.AgentOutdated)
	}
	return f.note(ctx, workspace.Condition{
		Type: workspace.AgentOutdated, Reason: "older_version",
		Detail: "its agent is older than wsd; a restart of the workspace brings the newer one",
	}, nil)
}

// unreachable notes that the agent does not answer, once that has lasted. What has never
// had an agent misses none, and what the container engine says about the container is
// for others to tell.
func (f *follower) unreachable(ctx context.Context, err error) error {
	for _, other := range []error{rt.ErrPaused, rt.ErrNotRunning, rt.ErrNotFound, rt.ErrUnreachable} {
		if errors.Is(err, other) {
			return nil
		}
	}
	if time.Since(f.silent) < silenceLimit || errors.Is(err, rt.ErrNoAgent) && !f.met {
		return nil
	}
	return f.note(ctx, workspace.Condition{
		Type: workspace.AgentUnreachable, Reason: "no_answer",
		Detail: "its agent does not answer: shells, ports and files cannot be reached; a restart of the workspace brings a new one",
	}, nil)
}

// agentConditions are those that a follower decides.
var agentConditions = []workspace.ConditionType{workspace.AgentUnreachable, workspace.AgentOutdated, workspace.CrashLoop}

// note records a condition, and death with it where that is not nil.
func (f *follower) note(ctx context.Context, c workspace.Condition, death *workspace.Death) error {
	c.Status = true
	if f.last[c.Type] == c {
		return nil
	}
	err := f.decide(ctx, func(t *turn, w *workspace.Workspace) error {
		if death != nil {
			death.Run, death.Time = w.Run, t.now
			w.Death = death
		}
		return t.note(w, c)
	})
	if err == nil {
		f.know(c)
	}
	return err
}

// clear takes a condition back.
func (f *follower) clear(ctx context.Context, kind workspace.ConditionType) error {
	if _, set := f.last[kind]; !set {
		return nil
	}
	err := f.decide(ctx, func(t *turn, w *workspace.Workspace) error { return t.unnote(w, kind) })
	if err == nil {
		delete(f.last, kind)
	}
	return err
}

// decide changes the row, if the run that was followed is still the present one.
func (f *follower) decide(ctx context.Context, change func(*turn, *workspace.Workspace) error) error {
	return f.engine.do(ctx, func(t *turn) error {
		w, err := t.Workspace(f.id)
		if err != nil || w.Run != f.run || w.State != workspace.Running {
			return nil //nolint:nilerr // it was deleted, or is another run
		}
		w = w.Clone()
		f.wrote = true
		return change(t, &w)
	})
}
