package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// seen is what the container engine said about one workspace.
type seen struct {
	status rt.Status
	gone   bool             // the engine has no such container
	gap    bool             // we were not watching: the exit may be the engine's or the machine's
	byHand bool             // somebody sent it a signal through the engine
	death  *workspace.Death // with an exit
}

// look asks for one workspace and brings the answer to the loop.
func (e *Engine) look(ctx context.Context, id string, byHand bool) {
	w, err := e.row(id)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	st, err := e.cfg.Driver.Inspect(ctx, ref(w))
	switch {
	case errors.Is(err, rt.ErrNotFound):
		e.report(ctx, w, seen{gone: true})
	case err == nil:
		e.report(ctx, w, seen{status: st, byHand: byHand})
	case errors.Is(err, rt.ErrUnreachable):
		e.health.suspect()
	}
}

// lookSoon looks at a workspace from outside of the loop.
func (e *Engine) lookSoon(id string, byHand bool) {
	e.spawn(func() { e.look(e.ctx, id, byHand) })
}

func (e *Engine) row(id string) (workspace.Workspace, error) {
	var w workspace.Workspace
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		w, err = tx.Workspace(id)
		return err
	})
	return w, err
}

// report fills in the death certificate where there was a death, and has the loop
// decide. w is the row that the question was asked for: the answer is dropped, and
// the question asked again, when the row has changed since.
func (e *Engine) report(ctx context.Context, w workspace.Workspace, s seen) {
	s.gap = e.health.unseen(s.status.FinishedAt, time.Now())
	if !s.gone && s.status.State == rt.ObservedExited && (w.State == workspace.Running || w.State == workspace.Paused) {
		d := e.certificate(ctx, w, s.status, 0)
		s.death = &d
	}
	err := e.do(ctx, func(t *turn) error { return e.observe(t, w, s) })
	if err != nil && ctx.Err() == nil {
		e.log.Warn("cannot record what was seen", "workspace", w.Name, "err", err)
	}
}

// observe makes the record agree with what was seen. While a job is open it owns
// the state, and the workspace is looked at again when it ends.
func (e *Engine) observe(t *turn, asked workspace.Workspace, s seen) error {
	w, err := t.Workspace(asked.ID)
	if err != nil {
		return nil // deleted meanwhile
	}
	if _, open, err := openJob(t, w.ID); err != nil || open {
		t.after(func() { e.hints[w.ID] = struct{}{} })
		return err
	}
	if w.Revision != asked.Revision {
		e.stale.Add(1)
		t.after(func() { e.lookSoon(w.ID, s.byHand) })
		return nil
	}
	w = w.Clone()
	if s.gone {
		return e.sawNothing(t, &w)
	}
	if w.Container == "" { // the engine finished what a stop or a crash had cut off
		w.Container = s.status.ID
		if err := t.put(&w); err != nil {
			return err
		}
	}
	switch s.status.State {
	case rt.ObservedRunning:
		return e.sawRunning(t, &w, s)
	case rt.ObservedPaused:
		return e.sawPaused(t, &w, s)
	case rt.ObservedExited:
		if w.State == workspace.Running || w.State == workspace.Paused {
			return e.sawExit(t, &w, s)
		}
	}
	return e.settle(t, &w)
}

func (e *Engine) sawRunning(t *turn, w *workspace.Workspace, s seen) error {
	switch w.State {
	case workspace.Paused:
		if !wasCut(t, w) {
			w.Desired = workspace.WantRunning
		}
		return e.moved(t, w, workspace.SeenRunning, workspace.Daemon)
	case workspace.Stopped, workspace.Failed:
		return e.sawUp(t, w, s)
	}
	return e.settle(t, w)
}

func (e *Engine) sawPaused(t *turn, w *workspace.Workspace, s seen) error {
	switch w.State {
	case workspace.Running:
		if !wasCut(t, w) {
			w.Desired = workspace.WantPaused
		}
		return e.moved(t, w, workspace.SeenPaused, workspace.Daemon)
	case workspace.Stopped, workspace.Failed:
		err := e.sawUp(t, w, s)
		if w.State == workspace.Running { // paused comes next
			t.after(func() { e.lookSoon(w.ID, s.byHand) })
		}
		return err
	}
	return e.settle(t, w)
}

// sawUp decides what it means that the container of a workspace is up which is not.
func (e *Engine) sawUp(t *turn, w *workspace.Workspace, s seen) error {
	switch {
	case wasCut(t, w):
		// A start that was overtaken has come through: what is desired stays.
	case w.State == workspace.Stopped, s.status.StartedAt.After(w.StoppedAt):
		newRun(t, w) // started with the engine's own tools
		w.Desired, w.ReadyAt = workspace.WantRunning, t.now
	case w.Stop != nil && w.Stop.Reason == workspace.StoppedFailed && w.Stop.Run == w.Run:
		return nil // what could not be stopped: a person has to decide
	}
	return e.moved(t, w, workspace.SeenRunning, workspace.Daemon)
}

func (e *Engine) sawNothing(t *turn, w *workspace.Workspace) error {
	switch w.State {
	case workspace.Running, workspace.Paused:
		w.Desired = workspace.WantStopped
		w.StoppedAt = t.now
		w.Stop = &workspace.Stop{
			Reason: workspace.StoppedLost, Run: w.Run, Time: t.now,
			Detail: lostDetail,
		}
		w.SetCondition(t.now, workspace.Condition{Type: workspace.ContainerLost, Status: true, Reason: "removed_outside"})
		w.DropCondition(workspace.Ready)
		return e.moved(t, w, workspace.SeenLost, workspace.Daemon)
	case workspace.Stopped, workspace.Failed:
		return e.sawNoRemains(t, w)
	}
	return e.settle(t, w)
}

// sawNoRemains records that the container of a workspace that is down is gone.
func (e *Engine) sawNoRemains(t *turn, w *workspace.Workspace) error {
	if w.Container == "" {
		return nil // there was none yet
	}
	if s := w.Stop; s != nil && s.Reason == workspace.StoppedOutside && s.Run == w.Run && t.now.Sub(s.Time) < lastBreath {
		s.Reason, s.Detail = workspace.StoppedLost, lostDetail // a removal kills first
	}
	if w.Desired == workspace.WantRunning && w.State == workspace.Stopped { // it was to be restored
		w.Desired = workspace.WantStopped
		if err := t.put(w); err != nil {
			return err
		}
	}
	return t.note(w, workspace.Condition{Type: workspace.ContainerLost, Status: true, Reason: "removed_outside"})
}

// sawExit decides what an exit that nobody asked wsd for means.
func (e *Engine) sawExit(t *turn, w *workspace.Workspace, s seen) error {
	w.Death, w.StoppedAt = s.death, t.now
	w.DropCondition(workspace.Ready)
	stop := classify(s)
	stop.Run, stop.Time = w.Run, t.now
	w.Stop = &stop
	trigger := workspace.SeenExited
	switch stop.Reason {
	case workspace.StoppedByOOM:
		w.SetCondition(t.now, workspace.Condition{Type: workspace.OOMKilled, Status: true, Reason: "memory_limit"})
		trigger = workspace.SeenCrashed
	case workspace.StoppedByCrash:
		trigger = workspace.SeenCrashed
	case workspace.StoppedInterrupt:
		if w.Desired == workspace.WantRunning {
			return e.restore(t, w)
		}
	default:
		if w.Desired == workspace.WantRunning && wasCut(t, w) { // a stop that was taken back
			if err := t.DropDeadline(store.DeadlineLate, w.ID); err != nil { // once, whoever ended it
				return err
			}
			return e.restore(t, w)
		}
	}
	w.Desired = workspace.WantStopped
	return e.moved(t, w, trigger, workspace.Daemon)
}

// restore starts again what the engine's or the machine's end has stopped.
func (e *Engine) restore(t *turn, w *workspace.Workspace) error {
	if err := t.move(w, workspace.SeenExited, workspace.Daemon); err != nil {
		return err
	}
	return e.settle(t, w)
}

const lostDetail = "its container was removed with the engine's own tools; its files are kept and a start makes it anew"

const interruptDetail = "the container engine or the machine went down"

// Exit statuses of a process that a signal ended, as shells report them (128 + n),
// and of a container whose end the engine did not see.
const (
	exitKilled     = 128 + 9
	exitTerminated = 128 + 15
	exitUnseen     = 255
)

// killed reports whether a signal from outside ended the main process.
func killed(st rt.Status) bool {
	return st.ExitCode == exitKilled || st.ExitCode == exitTerminated || st.ExitCode == exitUnseen
}

// classify says why a container ended that nobody asked wsd to stop. After a gap in
// watching, an end by a signal or with success is taken as the engine's or the
// machine's doing, because that is how both end what they take along.
func classify(s seen) workspace.Stop {
	code, bySignal := s.status.ExitCode, killed(s.status)
	switch {
	case s.status.OOMKilled && code != 0:
		return workspace.Stop{Reason: workspace.StoppedByOOM, Detail: "the kernel ended its main process: it used more memory than its limit"}
	case s.gap && (bySignal || code == 0):
		return workspace.Stop{Reason: workspace.StoppedInterrupt, Detail: interruptDetail}
	case s.byHand:
		return workspace.Stop{Reason: workspace.StoppedOutside, Detail: "it was stopped with the engine's own tools"}
	case bySignal:
		return workspace.Stop{Reason: workspace.StoppedOutside, Detail: "a signal from outside ended its main process"}
	case code == 0:
		return workspace.Stop{Reason: workspace.StoppedItself, Detail: "its main process ended"}
	}
	return workspace.Stop{Reason: workspace.StoppedByCrash, Detail: fmt.Sprintf("its main process ended with status %d", code)}
}

// rehint looks again at a workspace that changed while its job was open.
func (e *Engine) rehint(id string) {
	if _, ok := e.hints[id]; ok {
		delete(e.hints, id)
		e.lookSoon(id, false) // signals meanwhile were the job's own
	}
}

// lateLife is how long a call that was cut off may still come through: longer than
// any engine takes to finish a request that it has begun.
const lateLife = 2 * time.Minute

// wasCut reports whether what is seen of w may be the doing of a call that was cut
// off. What was asked for last then stays desired. A row that is further ahead than it
// can be is one of a clock that was set back since.
func wasCut(t *turn, w *workspace.Workspace) bool {
	at, ok, err := t.Deadline(store.DeadlineLate, w.ID)
	return ok && err == nil && !at.After(t.now.Add(lateLife))
}

// noteCut is called when a job that was begun is taken back. The row outlives this
// process, because calls do.
func noteCut(t *turn, id string) error {
	return t.PutDeadline(store.Deadline{At: t.now.Add(lateLife), Kind: store.DeadlineLate, Key: id})
}

// forgetCut ends the doubt about a workspace, once the list has been looked at after
// the last call can have come through.
func (e *Engine) forgetCut(t *turn, d store.Deadline) error {
	if e.compared.Load() > d.At.UnixNano() {
		return nil
	}
	wait := lateLife
	if !e.Stale() {
		e.recheck()
		wait = reconnectMax
	}
	return t.PutDeadline(store.Deadline{At: t.now.Add(wait), Kind: d.Kind, Key: d.Key})
}
