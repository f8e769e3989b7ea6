package engine

import (
	"context"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/agentlink"
	"github.com/wsctl/wsctl/internal/api"
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
	ctx        context.Context //nolint:containedctx // its life, over all its goroutines
	cancel     context.CancelFunc

	mu     sync.Mutex
	parked bool
	timer  *time.Timer

	// Of whoever works, one at a time.
	reports *agentlink.Reports // nil: there is no connection
	due     time.Time          // without one: when to try again; with one: when to ask whether the agent answers
	rest    time.Time          // no report is read before
	again   time.Duration      // from a connection that failed to the next

	met    bool                  // the agent has answered
	silent time.Time             // since when it does not; zero while it does
	ports  map[int]api.Listening // as last told; nil: nothing was told yet
	last   map[workspace.ConditionType]workspace.Condition
	wrote  bool // a fact, since the last report
}

// follow begins to follow the agent of w.
func (fs *followers) follow(ctx context.Context, w workspace.Workspace) *follower {
	f := &follower{all: fs, engine: fs.engine, link: fs.engine.link(w), id: w.ID, run: w.Run, generation: w.Generation, parked: true}
	f.ctx, f.cancel = context.WithCancel(ctx)
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
	f.mu.Lock()
	parked := f.parked
	f.parked = false
	f.mu.Unlock()
	if !parked {
		return
	}
	f.timer.Stop()
	for {
		f.work()
		if f.park() {
			return
		}
	}
}

// park leaves the follower to what wakes it next, or ends it with its context. It reports
// false where there is more to do at once.
func (f *follower) park() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx.Err() != nil {
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
	f.parked = true
	f.timer.Reset(until.Sub(now))
	if hears {
		f.reports.Await(f.wake)
	}
	return true
}

// work does what there is to do now.
func (f *follower) work() {
	now := time.Now()
	var err error
	switch {
	case f.ctx.Err() != nil:
		return
	case f.reports == nil && !now.Before(f.due):
		err = f.connect()
	case f.reports == nil:
		return
	case !now.Before(f.due):
		f.due = now.Add(askEvery)
		_, err = f.link.Hello(f.ctx)
	case !now.Before(f.rest) && f.reports.Ready():
		err = f.hear()
	}
	if err != nil && f.ctx.Err() == nil {
		f.miss(err)
	}
}

// connect meets the agent and begins to listen.
func (f *follower) connect() error {
	hello, err := f.link.Hello(f.ctx)
	if err != nil {
		return err
	}
	if err := f.answered(f.ctx, hello); err != nil {
		return err
	}
	f.due = time.Now().Add(askEvery)
	f.reports, err = f.link.Reports(f.ctx, &f.all.quiet, f.wake)
	return err
}

// hear takes one report, if all of it is there. How long it rests then bounds what an agent
// can do by talking.
func (f *follower) hear() error {
	r, whole, err := f.reports.Hear()
	if err != nil || !whole {
		return err
	}
	err = f.told(f.ctx, r)
	rest := reportPause
	if f.wrote {
		f.wrote, rest = false, factPause
	}
	f.rest = time.Now().Add(rest)
	return err
}

// miss gives up the connection, which has failed, and tries again ever more slowly.
func (f *follower) miss(err error) {
	f.hangUp()
	if f.silent.IsZero() {
		f.silent, f.again = time.Now(), callAgain
	}
	if nerr := f.unreachable(f.ctx, err); nerr != nil && f.ctx.Err() == nil {
		f.engine.log.Warn("cannot record what an agent says", "workspace", f.id, "err", nerr)
	}
	f.due = time.Now().Add(f.again)
	f.again = min(2*f.again, callAgainMax)
}

func (f *follower) hangUp() {
	if f.reports != nil {
		_ = f.reports.Close()
		f.reports = nil
	}
}
