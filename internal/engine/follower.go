package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/agentlink"
	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// follower listens to the agent of one run. It has a goroutine only while it does something:
// otherwise it is parked, until its agent, its timer or its end wakes it. What wakes it says
// nothing: work looks what is to be done, so that a wake-up too many does no harm.
type follower struct {
	all        *followers
	engine     *Engine
	link       *agentlink.Link
	id, run    string // of the workspace and its run
	generation int

	mu     sync.Mutex
	parked bool
	over   bool
	cut    context.CancelFunc // of what goes on; nil while it is parked
	timer  *time.Timer

	// Of whoever works, one at a time.
	reports *agentlink.Reports // nil: there is no connection
	due     time.Time          // without one: when to try again; with one: when to ask whether the agent answers
	rest    time.Time          // nothing of a report is read before
	again   time.Duration      // from a connection that failed to the next

	met    bool                  // the agent has answered
	silent time.Time             // since when it does not; zero while it does
	ports  map[int]api.Listening // as last told; nil: nothing was told yet
	last   map[workspace.ConditionType]workspace.Condition
	wrote  bool // a fact, since the last report
}

// follow begins to follow the agent of w.
func (fs *followers) follow(w workspace.Workspace) *follower {
	f := &follower{all: fs, engine: fs.engine, link: fs.engine.link(w), id: w.ID, run: w.Run, generation: w.Generation, parked: true}
	for _, kind := range agentConditions {
		if c, ok := w.Condition(kind); ok && c.Status {
			c.Time = time.Time{}
			f.know(c)
		}
	}
	f.timer = time.AfterFunc(time.Hour, f.wake)
	fs.live.Add(1)
	go f.wake()
	return f
}

// know remembers a condition that stands.
func (f *follower) know(c workspace.Condition) {
	if f.last == nil {
		f.last = make(map[workspace.ConditionType]workspace.Condition)
	}
	f.last[c.Type] = c
}

// wake works until it is parked again, if it is.
func (f *follower) wake() {
	ctx, ok := f.begin()
	if !ok {
		return
	}
	f.timer.Stop()
	for {
		f.work(ctx)
		if f.park(ctx) {
			return
		}
	}
}

// begin makes this goroutine the one that works. What it does ends with the context, which a
// parked follower does without: it would be as large as the rest.
func (f *follower) begin() (ctx context.Context, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.parked {
		return nil, false
	}
	ctx, f.cut = context.WithCancel(f.all.ctx)
	if f.parked = false; f.over {
		f.cut()
	}
	return ctx, true
}

// end gives up the run; what goes on is cut off.
func (f *follower) end() {
	f.mu.Lock()
	f.over = true
	if f.cut != nil {
		f.cut()
	}
	f.mu.Unlock()
	go f.wake()
}

// park leaves the follower to what wakes it next, or ends it with its context. It reports
// false where there is more to do at once.
func (f *follower) park(ctx context.Context) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		f.cut()
		f.hangUp()
		f.all.live.Done()
		return true
	}
	now, until := time.Now(), f.due
	hears := f.reports != nil && !f.rest.After(now)
	switch {
	case hears && f.reports.Waiting():
		return false
	case f.reports != nil && !hears && f.rest.Before(until):
		until = f.rest
	}
	f.cut()
	f.parked, f.cut = true, nil
	f.timer.Reset(until.Sub(now))
	if hears {
		f.reports.Await(f.wake)
	}
	return true
}

// work does what there is to do now.
func (f *follower) work(ctx context.Context) {
	now := time.Now()
	var err error
	switch {
	case ctx.Err() != nil:
		return
	case f.reports == nil && !now.Before(f.due):
		err = f.connect(ctx)
	case f.reports == nil:
		return
	case !now.Before(f.due):
		f.due = now.Add(askEvery)
		_, err = f.link.Hello(ctx)
	case !now.Before(f.rest) && f.reports.Ready():
		err = f.hear(ctx)
	}
	if err != nil && ctx.Err() == nil {
		f.miss(ctx, err)
	}
}

// connect meets the agent and begins to listen.
func (f *follower) connect(ctx context.Context) error {
	hello, err := f.link.Hello(ctx)
	if err != nil {
		return err
	}
	if err := f.answered(ctx, hello); err != nil {
		return err
	}
	f.due = time.Now().Add(askEvery)
	f.reports, err = f.link.Reports(ctx, &f.all.quiet, f.wake)
	return err
}

// hear takes one report, if all of it is there. How long it rests then, also after a part of one,
// bounds what an agent can do by talking.
func (f *follower) hear(ctx context.Context) error {
	r, whole, err := f.reports.Hear()
	if err != nil {
		return err
	}
	if whole {
		err = f.told(ctx, r)
	}
	rest := reportPause
	if f.wrote {
		f.wrote, rest = false, factPause
	}
	f.rest = time.Now().Add(rest)
	return err
}

// miss gives up the connection, which has failed, and tries again ever more slowly.
func (f *follower) miss(ctx context.Context, err error) {
	f.hangUp()
	if f.silent.IsZero() {
		f.silent, f.again = time.Now(), callAgain
	}
	if nerr := f.unreachable(ctx, err); nerr != nil && ctx.Err() == nil {
		f.engine.log.Warn("cannot record what an agent says", "workspace", f.id, "err", nerr)
	}
	f.due = time.Now().Add(f.again)
	most := callAgainMax
	if errors.Is(err, rt.ErrNoAgent) && !f.met {
		most = noAgentMax
	}
	f.again = min(2*f.again, most)
}

func (f *follower) hangUp() {
	if f.reports != nil {
		_ = f.reports.Close()
		f.reports = nil
	}
}
