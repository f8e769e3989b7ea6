package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/agentapi"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds of the look at a workspace before its stop.
const (
	checkSlots = 8                // at a time
	checkTime  = 45 * time.Second // for one
	checkBound = time.Minute      // after which one that has told nothing is begun anew
	checkPause = 5 * time.Second  // after one that failed; doubled up to checkBound
	checkTries = 5                // failures in a row that are not the container engine's, before the rule alone decides
	sampleLife = 3 * time.Minute  // after which a sample of cpu says nothing of the present any more
	askTime    = 5 * time.Second  // for one answer of the container engine or the agent
	probeTime  = 10 * time.Second // for the idle probe
	probeMax   = 10               // stops that the idle probe may put off in a row
)

// purpose is what a check is for.
type purpose string

const (
	forStop     purpose = "stop"
	forPause    purpose = "pause"
	forThrottle purpose = "throttle"
)

// checks are the looks at workspaces that are under way, and samples of their cpu. Its
// methods are safe for concurrent use.
type checks struct {
	mu      sync.Mutex
	slots   chan struct{}
	busy    map[string]bool // by id of the workspace
	samples map[string]sample
}

// sample is how much cpu a run had used at some time.
type sample struct {
	run  string
	at   time.Time
	used float64 // seconds
}

func (c *checks) init() {
	c.slots, c.busy, c.samples = make(chan struct{}, checkSlots), map[string]bool{}, map[string]sample{}
}

// take claims a workspace; it reports false where it is claimed already.
func (c *checks) take(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[id] {
		return false
	}
	c.busy[id] = true
	return true
}

func (c *checks) release(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, id)
}

func (c *checks) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.samples, id)
}

func (c *checks) sampled(id string) sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.samples[id]
}

func (c *checks) keep(id string, s sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples[id] = s
}

// spanOf is over how long cpu is measured before a stop.
func spanOf(p activity.Policy) time.Duration { return min(activity.BusySpan, p.Background/20) }

// sampleAt is when the first sample before a stop is taken.
func (e *Engine) sampleAt(p activity.Policy, stop time.Time) time.Time {
	if stop.IsZero() {
		return time.Time{}
	}
	return stop.Add(-spanOf(p))
}

// sampleSoon takes the first sample, unless there is a recent one.
func (e *Engine) sampleSoon(w workspace.Workspace) {
	last := e.checks.sampled(w.ID)
	if last.run == w.Run && time.Since(last.at) < 2*activity.BusySpan || w.State != workspace.Running || !e.checks.take(w.ID) {
		return
	}
	e.spawn(func() {
		defer e.checks.release(w.ID)
		ctx, cancel := context.WithTimeout(e.ctx, askTime)
		defer cancel()
		if _, s, err := e.question(ctx, w); err == nil {
			e.checks.keep(w.ID, s)
		}
	})
}

// question asks the agent, or the container engine where there is none, what w does.
func (e *Engine) question(ctx context.Context, w workspace.Workspace) (agentapi.Report, sample, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := e.link(w).Report(ctx)
	s := sample{run: w.Run, at: time.Now(), used: r.CPU}
	if errors.Is(err, rt.ErrNoAgent) {
		var u workspace.Usage
		u, err = e.cfg.Driver.Stats(ctx, ref(w))
		s.used = u.CPUSeconds
	}
	return r, s, err
}

// findings is what a look at a workspace has shown.
type findings struct {
	ended  bool // it does not run any more
	work   []found
	input  time.Time // into a terminal, last
	where  string
	probed bool // the idle probe was asked
}

type found struct {
	kind activity.Evidence
	what string
}

// checkSoon looks at w outside of the loop and brings what it shows back to it.
func (e *Engine) checkSoon(w workspace.Workspace, p activity.Policy, why purpose) {
	if !e.checks.take(w.ID) {
		return
	}
	e.spawn(func() {
		select {
		case e.checks.slots <- struct{}{}:
			defer func() { <-e.checks.slots }()
		case <-e.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(e.ctx, checkTime)
		defer cancel()
		f, err := e.examine(ctx, w, p, why)
		if e.ctx.Err() != nil {
			return
		}
		e.checks.release(w.ID) // before the turn, which may begin another
		if err := e.do(e.ctx, func(t *turn) error { return e.conclude(t, w, why, f, err) }); err != nil && e.ctx.Err() == nil {
			e.log.Error("cannot record what a look at a workspace has shown", "workspace", w.Name, "run", w.Run, "err", err)
		}
	})
}

// examine looks whether w runs, and for work that nobody has told of. The idle probe is the
// template's word on stops: it is not asked before fewer cores.
func (e *Engine) examine(ctx context.Context, w workspace.Workspace, p activity.Policy, why purpose) (f findings, err error) {
	ictx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	st, err := e.cfg.Driver.Inspect(ictx, ref(w))
	switch {
	case errors.Is(err, rt.ErrNotFound):
		return findings{ended: true}, nil
	case err != nil:
		if errors.Is(err, rt.ErrUnreachable) {
			e.health.suspect()
		}
		return f, fmt.Errorf("cannot inspect the container: %w", err)
	case st.State == rt.ObservedPaused:
		return f, nil // it does nothing
	case st.State != rt.ObservedRunning:
		return findings{ended: true}, nil
	}
	first := e.checks.sampled(w.ID)
	report, second, err := e.question(ctx, w)
	if span := second.at.Sub(first.at); err == nil && (first.run != w.Run || span < spanOf(p)/2 || span > sampleLife) {
		first = second
		pause(ctx, min(spanOf(p), checkPause))
		report, second, err = e.question(ctx, w)
	}
	if err != nil {
		return f, fmt.Errorf("cannot ask what it does: %w", err)
	}
	e.checks.keep(w.ID, second)
	f.read(report, p, second.at)
	if span := second.at.Sub(first.at).Seconds(); span > 0 && (second.used-first.used)/span >= activity.BusyShare {
		f.work = append(f.work, found{activity.Busy, fmt.Sprintf("%.0f %% of a core", 100*(second.used-first.used)/span)})
	}
	if why == forThrottle {
		return f, nil
	}
	return f, e.probe(ctx, w, &f)
}

// read takes from a report what shows work or a person.
func (f *findings) read(r agentapi.Report, p activity.Policy, now time.Time) {
	for _, term := range r.Terminals {
		if term.LastInput.After(f.input) {
			f.input, f.where = term.LastInput, "terminal "+printable(clip(term.Name))
		}
		f.job(term.Foreground, interactive[term.Foreground], term.LastInput, p, now)
	}
	for _, tty := range r.Ttys { // of ssh, whose keys pass wsd unread
		if !f.typed(tty) {
			continue
		}
		f.job(tty.Foreground, tty.Interactive || interactive[tty.Foreground], tty.LastInput, p, now)
	}
	if r.Execs > 0 {
		f.work = append(f.work, found{activity.RunsExec, ""})
	}
}

// typed notes when a terminal of ssh was typed into; it reports whether it is one.
func (f *findings) typed(tty agentapi.Tty) bool {
	if tty.Terminal != "" {
		return false
	}
	if tty.LastInput.After(f.input) {
		f.input, f.where = tty.LastInput, "terminal "+printable(clip(tty.Name))
	}
	return true
}

// job notes what runs in the foreground of a terminal. What waits for a person is work only
// while that person types.
func (f *findings) job(name string, waits bool, typed time.Time, p activity.Policy, now time.Time) {
	if name != "" && (!waits || now.Sub(typed) < p.Idle) {
		f.work = append(f.work, found{activity.Foreground, printable(clip(name))})
	}
}

// interactive are programs that wait for a person: in the foreground of a terminal where
// nobody has typed for long they are no work.
var interactive = map[string]bool{
	"vi": true, "vim": true, "nvim": true, "nano": true, "emacs": true, "micro": true, "hx": true, "less": true, "more": true,
	"man": true, "top": true, "htop": true, "btop": true, "watch": true, "tail": true, "ssh": true, "tmux": true, "screen": true,
	"sh": true, "bash": true, "zsh": true, "fish": true, "su": true, "psql": true, "mysql": true, "sqlite3": true, "redis-cli": true,
	"python": true, "python3": true, "ipython": true, "node": true, "irb": true, "gdb": true, "lazygit": true, "mc": true, "fzf": true,
}

// probe asks the template's own check, where nothing else has shown work.
func (e *Engine) probe(ctx context.Context, w workspace.Workspace, f *findings) error {
	if len(w.Spec.IdleProbe) == 0 || len(f.work) > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	code, err := e.runInside(ctx, w, w.Spec.IdleProbe)
	if err != nil {
		return fmt.Errorf("cannot run the idle probe: %w", err)
	}
	if f.probed = true; code != 0 {
		f.work = append(f.work, found{activity.Probed, fmt.Sprintf("status %d", code)})
	}
	return nil
}

// conclude asks the rule again with all that is known by now, pinned to the run that was
// looked at, and only then promises the stop or the pause.
func (e *Engine) conclude(t *turn, seen workspace.Workspace, why purpose, f findings, cause error) error {
	w, err := t.Workspace(seen.ID)
	if err != nil {
		return nil //nolint:nilerr // deleted meanwhile
	}
	r, err := e.recordOf(t, w)
	if err != nil {
		return err
	}
	if w.Run != seen.Run || !counts(w, r) {
		e.stale.Add(1)
		return nil
	}
	w = w.Clone()
	p := e.policy(w)
	again := store.Deadline{At: t.now.Add(checkPause), Kind: store.DeadlineActivity, Key: w.ID}
	_, busy, err := openJob(t, w.ID)
	switch {
	case err != nil:
		return err
	case busy:
		return t.PutDeadline(again)
	case f.ended:
		t.after(func() { e.lookSoon(w.ID, false) })
		return t.PutDeadline(again)
	}
	before := r
	if cause != nil && !e.giveUpCheck(&r, cause, t.now) {
		e.log.Warn("cannot look at a workspace before its stop", "workspace", w.Name, "run", w.Run, "attempt", r.Check.Failures, "err", cause)
		again.At = r.Check.Again
		if err := e.keep(t, w, before, r, p); err != nil {
			return err
		}
		return t.PutDeadline(again)
	}
	if cause == nil {
		r.Check = nil
	}
	e.believe(t, &w, &r, p, f)
	if why != forStop {
		return e.concludeStep(t, &w, r, p, f, why)
	}
	e.sight(t, &w, &r, p)
	if v := e.verdict(p, r, t.now); !v.Due(t.now) {
		return e.judge(t, &w, r, true)
	}
	return e.stopIdle(t, &w, r, p)
}

// giveUpCheck notes a failed check. It reports whether there were so many that the rule
// alone decides; while the container engine is away nothing is decided, and none counts.
func (e *Engine) giveUpCheck(r *activity.Record, cause error, now time.Time) bool {
	c := activity.Check{}
	if r.Check != nil {
		c = *r.Check
	}
	engineAway := e.Stale()
	c.Failures++
	if !engineAway {
		c.Silent++
	}
	c.Error = clip(cause.Error())
	c.Again = now.Add(min(checkPause<<min(c.Failures-1, 10), checkBound))
	r.Check = &c
	return !engineAway && c.Silent >= checkTries
}

// believe folds what a look has shown.
func (e *Engine) believe(t *turn, w *workspace.Workspace, r *activity.Record, p activity.Policy, f findings) {
	ro := e.attendance.open(w.ID, *r, p)
	e.fold(r, *w)
	ro.mu.Lock()
	defer ro.mu.Unlock()
	if f.input.After(r.Facts.Engaged) && !f.input.After(t.now) {
		ro.note(activity.Input, w.Owner, f.where, f.input)
		r.Postponed = 0
	}
	for _, x := range f.work {
		if x.kind == activity.Probed {
			if r.Postponed >= probeMax {
				continue
			}
			r.Postponed++
		}
		ro.note(x.kind, workspace.Daemon, x.what, t.now)
	}
	if f.probed && len(f.work) == 0 {
		r.Postponed = 0
	}
}

// stopIdle promises the stop, with a reason that names its evidence.
func (e *Engine) stopIdle(t *turn, w *workspace.Workspace, r activity.Record, p activity.Policy) error {
	v := e.verdict(p, r, t.now)
	r.Cause, r.StopAt = v.Cause, v.StopAt
	reason := workspace.StoppedIdle
	switch v.Cause {
	case activity.ByLifetime:
		reason = workspace.StoppedLifetime
	case activity.ByHours:
		reason = workspace.StoppedHours
	}
	w.Desired = workspace.WantStopped
	w.Stop = &workspace.Stop{Reason: reason, Detail: evidenceOf(p, r), Actor: workspace.Daemon, Run: w.Run, Time: t.now}
	if err := t.PutActivity(r); err != nil {
		return err
	}
	return e.stop(t, w, workspace.Daemon)
}
