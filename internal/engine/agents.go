package engine

import (
	"context"
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Times of the watch over agents.
const (
	callAgain    = 250 * time.Millisecond // after a connection that failed; doubled up to callAgainMax
	callAgainMax = time.Minute
	reportPause  = 100 * time.Millisecond // between two reports, however fast an agent tells them
	factPause    = 5 * time.Second        // after a report that became a fact: facts are kept
	silenceLimit = 10 * time.Second       // without an answer before it is told
	askEvery     = time.Minute            // an agent that tells nothing is asked whether it is there
)

// followers listen to the agents of what runs: one for each run, and one goroutine each.
// One goroutine owns them. They are told by the bus what runs, and compare when they
// were too slow for it.
type followers struct {
	engine *Engine
	runs   map[string]*follower // by id of the workspace
}

// followAgents works until ctx ends.
func (e *Engine) followAgents(ctx context.Context) {
	fs := followers{engine: e, runs: make(map[string]*follower)}
	for ctx.Err() == nil {
		told, cancel := e.bus.Subscribe(watchBuffer) // before the list, so that nothing falls between
		fs.compare(ctx)
		for open := true; open && ctx.Err() == nil; {
			select {
			case <-ctx.Done():
			case m, ok := <-told:
				if open = ok; !ok {
					break
				}
				if m.Workspace != nil {
					fs.see(ctx, *m.Workspace)
				} else if m.Event != nil && m.Event.Kind == event.WorkspaceDeleted {
					fs.drop(m.Event.Workspace)
				}
			}
		}
		cancel()
		pause(ctx, reportPause)
	}
}

// compare sees every workspace anew.
func (fs *followers) compare(ctx context.Context) {
	rows, _, err := fs.engine.rows()
	if err != nil {
		fs.engine.log.Error("cannot list what runs", "err", err)
		return
	}
	there := make(map[string]bool, len(rows))
	for _, w := range rows {
		there[w.ID] = true
		fs.see(ctx, *w)
	}
	for id := range fs.runs {
		if !there[id] {
			fs.drop(id)
		}
	}
}

// see begins to follow w where it runs, and ends where it does not any more.
func (fs *followers) see(ctx context.Context, w workspace.Workspace) {
	f := fs.runs[w.ID]
	if f != nil && f.w.Run == w.Run && f.w.Generation == w.Generation && w.State == workspace.Running {
		return
	}
	fs.drop(w.ID)
	if w.State != workspace.Running {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	f = &follower{engine: fs.engine, w: w, cancel: cancel}
	fs.runs[w.ID] = f
	fs.engine.spawn(func() { f.run(ctx) })
}

func (fs *followers) drop(id string) {
	if f := fs.runs[id]; f != nil {
		f.cancel()
		delete(fs.runs, id)
	}
}

// follower listens to the agent of one run. run's goroutine owns it.
type follower struct {
	engine *Engine
	w      workspace.Workspace // as it was when the run was first seen
	cancel context.CancelFunc

	met    bool                  // the agent has answered
	silent time.Time             // since when it does not; zero while it does
	ports  map[int]api.Listening // as last told; nil: nothing was told yet
	last   map[workspace.ConditionType]workspace.Condition
	wrote  bool // a fact, since the last report
}

// run connects again and again until ctx ends.
func (f *follower) run(ctx context.Context) {
	f.last = make(map[workspace.ConditionType]workspace.Condition)
	for _, kind := range agentConditions {
		if c, ok := f.w.Condition(kind); ok && c.Status {
			c.Time = time.Time{}
			f.last[kind] = c
		}
	}
	for wait := callAgain; ; wait = min(2*wait, callAgainMax) {
		err := f.connect(ctx)
		if f.silent.IsZero() {
			f.silent, wait = time.Now(), callAgain
		}
		if nerr := f.unreachable(ctx, err); nerr != nil && ctx.Err() == nil {
			f.engine.log.Warn("cannot record what an agent says", "workspace", f.w.Name, "err", nerr)
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// connect listens until the connection ends, the agent stops to answer or ctx ends.
func (f *follower) connect(ctx context.Context) error {
	link := f.engine.link(f.w)
	hello, err := link.Hello(ctx)
	if err != nil {
		return err
	}
	if err := f.answered(ctx, hello); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for pause(ctx, askEvery) {
			if _, err := link.Hello(ctx); err != nil {
				cancel(err)
			}
		}
	}()
	err = link.Follow(ctx, func(r agentapi.Report) error { return f.told(ctx, r) })
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	<-asked
	return err
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
		f.last[c.Type] = c
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
		w, err := t.Workspace(f.w.ID)
		if err != nil || w.Run != f.w.Run || w.State != workspace.Running {
			return nil //nolint:nilerr // it was deleted, or is another run
		}
		w = w.Clone()
		f.wrote = true
		return change(t, &w)
	})
}
