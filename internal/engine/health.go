package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Times of the watch over the container engine. A dead engine is seen at once by
// the end of its event stream, a hung one by a missed beat; both are found again
// within the reconnect ceiling of their return.
const (
	beatEvery     = 5 * time.Second
	beatDeadline  = 3 * time.Second // twice, if the engine is only slow
	reconnectMax  = 5 * time.Second
	firstContact  = 3 * time.Second  // how long a write waits for the first answer after a start
	lastBreath    = 15 * time.Second // an engine's shutdown gives its containers 10 s by default
	byHandMemory  = time.Minute      // how long a signal explains an exit
	replayOverlap = time.Second      // asked for again after a gap; repeated changes are harmless
)

// health is what is known of the container engine. Its methods are safe for
// concurrent use.
type health struct {
	mu        sync.Mutex
	up        bool
	since     time.Time
	info      rt.Info
	err       string
	first     chan struct{} // closed by the first answer or failure
	firstDone bool
	beat      chan struct{} // asks for a beat now
	watched   time.Time     // since when no change can have gone unseen; zero while nobody watches
}

func (h *health) set(up bool, info rt.Info, err error, now time.Time) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed = h.up != up || !h.firstDone
	if changed {
		h.up, h.since = up, now
	}
	if up {
		h.info, h.err = info, ""
	} else {
		h.err = "it does not answer"
		if err != nil {
			h.err = err.Error()
		}
	}
	if !h.firstDone {
		h.firstDone = true
		close(h.first)
	}
	return changed
}

// watching records since when changes are seen; zero: not any more.
func (h *health) watching(since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watched = since
}

// unseen reports whether nobody watched at the instant at. now is the present: ages
// are compared, so that a clock that was set since the watch began changes nothing.
func (h *health) unseen(at, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watched.IsZero() || now.Sub(at) >= now.Sub(h.watched)
}

// suspect asks for a beat now, because a call did not get through.
func (h *health) suspect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.beat != nil {
		select {
		case h.beat <- struct{}{}:
		default:
		}
	}
}

// awaySince reports whether the engine is away or was so since the instant at.
func (h *health) awaySince(at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.firstDone && (!h.up || h.since.After(at))
}

func (h *health) view() api.Engine {
	h.mu.Lock()
	defer h.mu.Unlock()
	return api.Engine{
		Name: h.info.Name, Version: h.info.Version, API: h.info.API, Reachable: h.up, Since: h.since, Error: h.err,
	}
}

func (h *health) engine() (rt.Info, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.info, h.up
}

// Stale reports whether the container engine is away, so that answers are the last
// known. Before its first answer or failure nothing is known to be stale.
func (e *Engine) Stale() bool {
	e.health.mu.Lock()
	defer e.health.mu.Unlock()
	return e.health.firstDone && !e.health.up
}

// reachable refuses a write that needs the container engine while it is away.
// Right after a start it waits for the first answer.
func (e *Engine) reachable(ctx context.Context) error {
	select {
	case <-e.health.first:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(firstContact):
	}
	if _, up := e.health.engine(); !up {
		return away(nil)
	}
	return nil
}

// heartbeat asks the engine who it is, regularly and whenever a call failed.
func (e *Engine) heartbeat(ctx context.Context) {
	beat := make(chan struct{}, 1)
	e.health.mu.Lock()
	e.health.beat = beat
	e.health.mu.Unlock()
	for ctx.Err() == nil {
		e.beatOnce(ctx)
		wait := beatEvery
		if e.Stale() {
			wait = time.Second
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-beat:
		case <-t.C:
		}
		t.Stop()
	}
}

func (e *Engine) beatOnce(ctx context.Context) {
	info, err := e.beat(ctx)
	if slow(err) && !e.Stale() {
		info, err = e.beat(ctx) // a busy engine may be late once
	}
	if ctx.Err() != nil || !e.health.set(err == nil, info, err, time.Now()) {
		return
	}
	if err == nil {
		e.log.Info("the container engine answers", "engine", info.Name, "version", info.Version, "api", info.API)
		e.announce(ctx, event.EngineBack, hasten)
		e.recheck()
		return
	}
	e.log.Warn("the container engine cannot be reached", "err", err)
	if slow(err) {
		e.announce(ctx, event.EngineLost, nil)
		return
	}
	e.announce(ctx, event.EngineLost, reread)
}

func (e *Engine) beat(ctx context.Context) (rt.Info, error) {
	ctx, cancel := context.WithTimeout(ctx, beatDeadline)
	defer cancel()
	return e.cfg.Driver.Info(ctx)
}

// slow reports whether the engine did not answer in time, and may well be there.
func slow(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// announce records that the engine went or came back, and does then, if not nil, in
// the same turn.
func (e *Engine) announce(ctx context.Context, kind event.Kind, then func(*turn) error) {
	err := e.do(ctx, func(t *turn) error {
		if then != nil {
			if err := then(t); err != nil {
				return err
			}
		}
		return t.tell(nil, workspace.Daemon, kind, nil)
	})
	if err != nil && ctx.Err() == nil {
		e.log.Error("cannot record the engine's state", "err", err)
	}
}

// reread takes stops that were seen just before the engine went away as its doing:
// an engine that shuts down stops its containers first.
func reread(t *turn) error {
	for w, err := range t.WorkspacesIn("", workspace.Stopped) {
		if err != nil || w.Stop == nil || w.Stop.Actor != "" || w.Desired != workspace.WantStopped || t.now.Sub(w.Stop.Time) > lastBreath ||
			w.Stop.Reason != workspace.StoppedOutside && w.Stop.Reason != workspace.StoppedItself {
			continue
		}
		w = w.Clone()
		w.Stop.Reason, w.Stop.Detail = workspace.StoppedInterrupt, interruptDetail
		w.Desired = workspace.WantRunning
		if err := t.put(&w); err != nil {
			return err
		}
		if err := t.tell(&w, workspace.Daemon, event.WorkspaceUpdated, map[string]string{"stop": string(w.Stop.Reason)}); err != nil {
			return err
		}
	}
	return nil
}

// hasten makes jobs due that waited for the engine.
func hasten(t *turn) error {
	return dueNow(t, func(j workspace.Job) bool { return j.Code == codeAway })
}

// watchEngine follows the engine's changes, which are hints: each makes us look.
func (e *Engine) watchEngine(ctx context.Context) {
	since := time.Now()
	delay := 100 * time.Millisecond
	byHand := map[string]time.Time{}
	for ctx.Err() == nil {
		stood := false
		connected := func() {
			stood = true
			e.health.watching(time.Now())
		}
		err := e.cfg.Driver.Watch(ctx, since, connected, func(c rt.Change) {
			since = c.Time.Add(-replayOverlap)
			e.hint(ctx, c, byHand)
		})
		if ctx.Err() != nil {
			return
		}
		e.health.watching(time.Time{})
		if stood {
			delay = 100 * time.Millisecond
		}
		e.log.Debug("the engine's event stream ended", "err", err)
		e.health.suspect()
		pause(ctx, delay)
		delay = min(delay*2, reconnectMax)
		if stood {
			e.recheck() // changes may have gone unseen
		}
	}
}

// hint looks at the workspace that a change names. A signal sent through the
// engine is remembered, because it explains the exit that follows.
func (e *Engine) hint(ctx context.Context, c rt.Change, byHand map[string]time.Time) {
	now := time.Now()
	switch c.Action {
	case "kill":
		byHand[c.Workspace] = now
		return
	case "die", "start", "pause", "unpause", "destroy", "oom":
	default:
		return
	}
	at, ok := byHand[c.Workspace]
	explained := ok && now.Sub(at) < byHandMemory
	if c.Action == "die" {
		delete(byHand, c.Workspace)
	}
	id := c.Workspace
	e.spawn(func() { e.look(ctx, id, explained) })
}
