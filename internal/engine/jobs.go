package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// awayDelay is how long a job waits when the container engine is away. It costs no
// attempt, and the engine's return makes every such job due at once.
const awayDelay = 5 * time.Second

// storeRest is how long a worker rests at most before it tries again to record its
// result: a disk that is full must not be filled by the log.
const storeRest = 30 * time.Second

// work is a worker on one attempt of one job.
type work struct {
	job    workspace.Job
	w      workspace.Workspace // as it was when the attempt began
	cancel context.CancelFunc
}

// promise opens a job for w in place of the one that may be open. The caller
// writes w.
func (e *Engine) promise(t *turn, w *workspace.Workspace, kind workspace.JobKind, actor string, force bool) error {
	if err := e.revoke(t, w); err != nil {
		return err
	}
	j := workspace.Job{
		ID: workspace.NewID(workspace.PrefixJob), Kind: kind, Workspace: w.ID, Name: w.Name, Run: w.Run,
		Actor: actor, State: workspace.JobWaiting, Attempts: e.cfg.Attempts, Force: force, DueAt: t.now, CreatedAt: t.now,
	}
	w.Job = j.ID
	return t.PutJob(j)
}

// revoke ends the open job of w, if there is one; its worker is told to let go.
func (e *Engine) revoke(t *turn, w *workspace.Workspace) error {
	j, open, err := t.OpenJob(w.ID)
	if unreadable(err) {
		j, open, err = lostJob(w), w.Job != "", nil
	}
	if err != nil || !open {
		return err
	}
	w.Job = ""
	t.after(func() { e.letGo(j) })
	if !j.StartedAt.IsZero() { // what it has asked of the engine may come through all the same
		if err := noteCut(t, w.ID); err != nil {
			return err
		}
	}
	return e.endJob(t, w, j, workspace.JobCancelled, nil)
}

// openJob returns the open job of a workspace. One whose row is damaged can never run:
// it counts as none, and the next promise ends it.
func openJob(t *turn, id string) (workspace.Job, bool, error) {
	j, open, err := t.OpenJob(id)
	if unreadable(err) {
		return workspace.Job{}, false, nil
	}
	return j, open, err
}

func unreadable(err error) bool { return fault.HasCode(err, "record_damaged") }

// lostJob stands for a job of w whose row is damaged.
func lostJob(w *workspace.Workspace) workspace.Job {
	kind, ok := jobOf[w.State]
	if !ok {
		kind = workspace.JobResize
	}
	return workspace.Job{ID: w.Job, Kind: kind, Workspace: w.ID, Name: w.Name, Run: w.Run, Actor: workspace.Daemon, CreatedAt: w.UpdatedAt}
}

// letGo cancels the worker of j if it still works.
func (e *Engine) letGo(j workspace.Job) {
	if b := e.busy[j.Workspace]; b != nil && b.job.ID == j.ID {
		b.cancel()
	}
}

// endJob records the end of j and tells of it.
func (e *Engine) endJob(t *turn, w *workspace.Workspace, j workspace.Job, s workspace.JobState, cause *fault.Error) error {
	j.State, j.EndedAt = s, t.now
	detail := map[string]string{"job": j.ID, "kind": string(j.Kind), "state": string(s)}
	if cause != nil {
		j.Code, j.Error, j.Hint = cause.Code, cause.Text, cause.Hint
		detail["code"] = cause.Code
	}
	if err := t.EndJob(j); err != nil {
		return err
	}
	t.after(func() { e.rehint(w.ID) })
	return t.tell(w, j.Actor, event.JobEnded, detail)
}

// startDue gives due jobs to free workers. A workspace whose last worker has not
// let go yet has to wait; the worker's end wakes the loop.
func (e *Engine) startDue(t *turn) error {
	free := e.cfg.Workers - len(e.busy)
	if free <= 0 {
		return nil
	}
	due, err := t.DueJobs(t.now, e.cfg.Workers)
	if err != nil {
		return err
	}
	for _, j := range due {
		if free == 0 {
			return nil
		}
		if e.busy[j.Workspace] != nil {
			continue
		}
		if err := e.begin(t, j); err != nil {
			return err
		}
		free--
	}
	return nil
}

func (e *Engine) begin(t *turn, j workspace.Job) error {
	w, err := t.Workspace(j.Workspace)
	if err != nil {
		j.State, j.EndedAt, j.Error = workspace.JobCancelled, t.now, "its workspace cannot be read"
		e.log.Error("cannot begin a job", "job", j.ID, "workspace", j.Workspace, "err", err)
		return t.EndJob(j)
	}
	j.State, j.StartedAt = workspace.JobActive, t.now
	j.Attempt++
	if err := t.PutJob(j); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(e.ctx)
	t.undos = append(t.undos, cancel)
	b := &work{job: j, w: w, cancel: cancel}
	t.after(func() {
		e.busy[j.Workspace] = b
		e.spawn(func() { e.run(ctx, b) })
	})
	return nil
}

// run does one attempt and brings its result to the loop.
func (e *Engine) run(ctx context.Context, b *work) {
	log := e.log.With("job", b.job.ID, "kind", b.job.Kind, "workspace", b.w.Name, "run", b.job.Run, "attempt", b.job.Attempt)
	log.Debug("job begins")
	err := e.attempt(ctx, b)
	if err != nil && ctx.Err() == nil {
		log.Warn("job attempt failed", "err", err)
	}
	b.cancel()
	for wait := storeFloor; e.ctx.Err() == nil; wait = min(2*wait, storeRest) {
		e2 := e.do(e.ctx, func(t *turn) error {
			// At once, not after the commit: a job that waits for this worker may start
			// in the same transaction.
			if e.busy[b.job.Workspace] == b {
				delete(e.busy, b.job.Workspace)
			}
			return e.finish(t, b, err)
		})
		if e2 == nil {
			return
		}
		log.Error("cannot record a job's result", "err", e2, "again_in", wait)
		pause(e.ctx, wait)
	}
}

// attempt performs b. That the engine could not be reached is believed only if it was
// away meanwhile or is now: an engine that answers everything but this request would
// be waited for without end.
func (e *Engine) attempt(ctx context.Context, b *work) error {
	begin := time.Now()
	err := e.perform(ctx, b)
	if !errors.Is(err, rt.ErrUnreachable) || ctx.Err() != nil || e.health.awaySince(begin) {
		return err
	}
	ictx, cancel := context.WithTimeout(ctx, beatDeadline)
	defer cancel()
	if _, ierr := e.cfg.Driver.Info(ictx); ierr != nil {
		return err
	}
	return fault.New(fault.Unavailable, "engine_call_failed", "the container engine answers, but did not finish this").
		WithCause(errors.New(err.Error())).WithHint("see the daemon's log")
}

// finish records the outcome of an attempt, unless the job is over by now.
func (e *Engine) finish(t *turn, b *work, cause error) error {
	j, open, err := openJob(t, b.job.Workspace)
	if err != nil {
		return err
	}
	if !open || j.ID != b.job.ID || j.Attempt != b.job.Attempt {
		e.stale.Add(1)
		return nil
	}
	w, err := t.Workspace(j.Workspace)
	if err != nil {
		return err
	}
	w = w.Clone()
	switch {
	case cause == nil:
		return e.complete(t, &w, j)
	case errors.Is(cause, rt.ErrUnreachable):
		e.health.suspect()
		j.Attempt--
		return e.delay(t, &w, j, awayDelay, away(cause))
	case j.Attempt < j.Attempts && worthRetry(cause):
		if err := t.CountRetry(j.Kind); err != nil {
			return err
		}
		return e.delay(t, &w, j, e.backoff(j.Attempt), worded(cause))
	}
	return e.giveUp(t, &w, j, worded(cause))
}

// worded is why an attempt failed, for people. Drivers keep files beside the store too, where
// a full or a read-only disk is no fault of wsd's.
func worded(cause error) *fault.Error {
	if _, is := errors.AsType[*fault.Error](cause); !is {
		if f := store.Refused(cause); f != nil {
			return f
		}
	}
	return fault.From(cause)
}

// worthRetry reports whether the same attempt may succeed later.
func worthRetry(err error) bool {
	var f *fault.Error
	if !errors.As(err, &f) {
		return true
	}
	return f.Kind == fault.Internal || fault.ClassOf(f.Kind).Retryable && f.Kind != fault.Timeout
}

// backoff is exponential with full jitter (AWS Architecture Blog, 2015).
func (e *Engine) backoff(attempt int) time.Duration {
	ceiling := e.cfg.Backoff << min(attempt-1, 20)
	if ceiling <= 0 || ceiling > e.cfg.MaxBackoff {
		ceiling = e.cfg.MaxBackoff
	}
	return rand.N(max(ceiling, 1))
}

// dueNow makes the delayed jobs due that fit.
func dueNow(t *turn, fits func(workspace.Job) bool) error {
	jobs, err := t.Jobs([]workspace.JobState{workspace.JobDelayed}, "")
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if !fits(j) {
			continue
		}
		j.State, j.DueAt = workspace.JobWaiting, t.now
		if err := t.PutJob(j); err != nil {
			return err
		}
	}
	return nil
}

// delay lets j wait for its next attempt. A long outage is told once.
func (e *Engine) delay(t *turn, w *workspace.Workspace, j workspace.Job, d time.Duration, cause *fault.Error) error {
	told := j.Code == codeAway && cause.Code == codeAway
	j.State, j.DueAt = workspace.JobDelayed, t.now.Add(d)
	j.Code, j.Error, j.Hint = cause.Code, cause.Text, cause.Hint
	if err := t.PutJob(j); err != nil || told {
		return err
	}
	return t.tell(w, workspace.Daemon, event.JobRetried, map[string]string{
		"job": j.ID, "kind": string(j.Kind), "code": cause.Code, "in": d.Round(time.Millisecond).String(),
	})
}

// complete ends a job that did its work; perform has recorded what it did.
func (e *Engine) complete(t *turn, w *workspace.Workspace, j workspace.Job) error {
	w.Job = ""
	if err := e.endJob(t, w, j, workspace.JobCompleted, nil); err != nil {
		return err
	}
	switch j.Kind {
	case workspace.JobDelete:
		return e.buried(t, w, j.Actor)
	case workspace.JobProvision, workspace.JobStart:
		return e.started(t, w, j)
	case workspace.JobStop:
		return e.stopped(t, w, j)
	case workspace.JobPause:
		if w.State == workspace.Paused {
			break
		}
		w.DropCondition(workspace.Ready)
		return e.moved(t, w, workspace.SeenPaused, j.Actor)
	case workspace.JobResume:
		if w.State == workspace.Running {
			break
		}
		return e.moved(t, w, workspace.SeenRunning, j.Actor)
	case workspace.JobResize:
		w.DropCondition(workspace.LimitsPending)
	}
	if err := t.put(w); err != nil {
		return err
	}
	return e.settle(t, w)
}

func (e *Engine) moved(t *turn, w *workspace.Workspace, trigger workspace.Trigger, actor string) error {
	if err := t.move(w, trigger, actor); err != nil {
		return err
	}
	return e.settle(t, w)
}

// giveUp ends a job that used up its attempts and says so on the workspace.
func (e *Engine) giveUp(t *turn, w *workspace.Workspace, j workspace.Job, cause *fault.Error) error {
	w.Job = ""
	if err := e.endJob(t, w, j, workspace.JobFailed, cause); err != nil {
		return err
	}
	if _, err := w.State.On(workspace.GaveUp); err == nil {
		w.Stop = &workspace.Stop{Reason: workspace.StoppedFailed, Detail: cause.Text, Run: w.Run, Time: t.now}
	}
	desired := w.Desired
	if err := e.abandon(t, w, j.Kind, workspace.Daemon, workspace.Condition{Reason: cause.Code, Detail: cause.Text}); err != nil {
		return err
	}
	if !errors.Is(cause, rt.ErrNotRunning) && !errors.Is(cause, rt.ErrNotFound) {
		return nil
	}
	w.Desired = desired // it has ended meanwhile: what that means is decided when it is looked at
	t.after(func() { e.lookSoon(w.ID, false) })
	return t.put(w)
}

// abandon leaves w as it is, or failed where it cannot stay, after a job of this kind
// came to nothing. why becomes what it asks for attention with.
func (e *Engine) abandon(t *turn, w *workspace.Workspace, kind workspace.JobKind, actor string, why workspace.Condition) error {
	why.Type, why.Status = workspace.Attention, true
	w.SetCondition(t.now, why)
	if kind == workspace.JobResize {
		pendLimits(t, w, limitsFailed)
	}
	if _, err := w.State.On(workspace.GaveUp); err != nil {
		w.Desired = desiredAsIs(*w) // or the same would be tried for ever
		return t.put(w)
	}
	w.StoppedAt = t.now
	w.DropCondition(workspace.Ready)
	return t.move(w, workspace.GaveUp, actor)
}

// desiredAsIs is the desire that w fulfils as it is.
func desiredAsIs(w workspace.Workspace) workspace.Desired {
	switch w.State {
	case workspace.Running:
		return workspace.WantRunning
	case workspace.Paused:
		return workspace.WantPaused
	}
	return workspace.WantStopped
}

// codeAway is the code of everything that could not be done for want of an engine.
const codeAway = "engine_unreachable"

func away(err error) *fault.Error {
	return fault.New(fault.Unavailable, codeAway, "the container engine cannot be reached").
		WithCause(err).WithRetryAfter(awayDelay).
		WithHint("see whether it runs: `wsctl doctor`")
}
