package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// perform does the work of one attempt. Every step is repeatable: after a crash the
// whole job runs again.
func (e *Engine) perform(ctx context.Context, b *work) error {
	switch b.job.Kind {
	case workspace.JobProvision, workspace.JobStart:
		return e.performStart(ctx, b)
	case workspace.JobStop:
		return e.bounded(ctx, b, b.w.Spec.Timeouts.PreStop+b.w.Spec.Timeouts.Stop, e.performStop)
	case workspace.JobPause:
		return e.bounded(ctx, b, 0, e.performPause)
	case workspace.JobResume:
		return e.bounded(ctx, b, 0, e.performResume)
	case workspace.JobResize:
		return e.bounded(ctx, b, 0, e.applyLimits)
	case workspace.JobDelete:
		return e.bounded(ctx, b, b.w.Spec.Timeouts.Stop, e.performDelete)
	}
	return fmt.Errorf("cannot do a job of kind %q", b.job.Kind)
}

// callTime is what an attempt may take beyond the times that its workspace is given:
// the container engine may be busy.
const callTime = workspace.Duration(2 * time.Minute)

type step func(context.Context, *work) error

// bounded runs what has no limit of its own, so that no engine can hold a worker for
// ever.
func (e *Engine) bounded(ctx context.Context, b *work, given workspace.Duration, do step) error {
	return e.within(ctx, b, string(b.job.Kind), given+callTime, do, "see whether the container engine is well: `wsctl doctor`")
}

// phase runs one phase of a start within the time that the workspace gives it.
func (e *Engine) phase(ctx context.Context, b *work, name string, limit workspace.Duration, do step) error {
	return e.within(ctx, b, name, limit, do, "a longer time can be given with timeouts."+name+" in the template or the configuration")
}

// within names what the time ran out for. If the engine was away meanwhile that was no
// fault of the step: the job waits for its return.
func (e *Engine) within(ctx context.Context, b *work, name string, limit workspace.Duration, do step, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, limit.Std())
	defer cancel()
	begin := time.Now()
	err := do(ctx, b)
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	if e.health.awaySince(begin) {
		return fmt.Errorf("cannot finish %s: %w", name, rt.ErrUnreachable)
	}
	return fault.New(fault.Timeout, "timeout_"+name, "the phase %q took longer than %s", name, limit).
		WithCause(ctx.Err()).WithHint("%s", hint)
}

func ref(w workspace.Workspace) rt.Ref {
	return rt.Ref{Workspace: w.ID, Generation: w.Generation}
}

// performStart makes what is missing, starts it and waits until it is ready.
func (e *Engine) performStart(ctx context.Context, b *work) error {
	err := e.bring(ctx, b)
	if errors.Is(err, rt.ErrNotFound) {
		// Something that the container needs was removed by hand: make it anew.
		if err = e.nextGeneration(ctx, b); err == nil {
			err = e.bring(ctx, b)
		}
	}
	if err != nil || b.w.State == workspace.Creating { // it was only to be made
		return err
	}
	if err = e.makeReady(ctx, b); err != nil && ctx.Err() == nil && !errors.Is(err, rt.ErrUnreachable) {
		// A start that failed leaves nothing running, and keeps what was said last.
		err = errors.Join(err, e.bounded(ctx, b, b.w.Spec.Timeouts.Stop, func(ctx context.Context, b *work) error { return e.halt(ctx, b, 0) }))
	}
	return err
}

// makeReady prepares what runs and waits until it is ready. Where a hook has failed there
// is nothing to wait for.
func (e *Engine) makeReady(ctx context.Context, b *work) error {
	if b.w.Spec.Prepares() {
		if begun, err := e.prepare(ctx, b); err != nil || !begun {
			return noAgent(b.w, err)
		}
	}
	e.progress(b, "ready", 0, 0)
	return e.phase(ctx, b, "initialize", b.w.Spec.Timeouts.Initialize, e.awaitReady)
}

// bring makes the container where it is missing and starts it, if it shall run.
func (e *Engine) bring(ctx context.Context, b *work) error {
	if err := e.phase(ctx, b, "create", b.w.Spec.Timeouts.Create, e.ensure); err != nil {
		return err
	}
	if b.w.State == workspace.Creating && b.w.Desired == workspace.WantStopped {
		return nil
	}
	if _, pending := b.w.Condition(workspace.LimitsPending); pending {
		if err := e.bounded(ctx, b, 0, e.applyLimits); err != nil {
			return err
		}
	}
	e.progress(b, "start", 0, 0)
	return e.phase(ctx, b, "start", b.w.Spec.Timeouts.Start, e.boot)
}

func (e *Engine) boot(ctx context.Context, b *work) error {
	err := e.cfg.Driver.Start(ctx, ref(b.w))
	if errors.Is(err, rt.ErrPaused) { // started and paused by hand
		return e.cfg.Driver.Resume(ctx, ref(b.w))
	}
	return err
}

// ensure makes the container where it is missing and records it.
func (e *Engine) ensure(ctx context.Context, b *work) error {
	if b.w.Container != "" && b.w.Spec.Digest != "" { // without a digest it was found, not recorded by the job that made it
		_, err := e.cfg.Driver.Inspect(ctx, ref(b.w))
		if !errors.Is(err, rt.ErrNotFound) {
			return err
		}
	}
	img, err := e.image(ctx, b)
	if err != nil {
		return err
	}
	e.progress(b, "container", 0, 0)
	spec := b.w.Spec
	spec.Digest = img.Digest
	st, err := e.cfg.Driver.Ensure(ctx, rt.Container{
		Ref: ref(b.w), Name: b.w.Name, Owner: b.w.Owner, Slot: b.w.Slot, Spec: spec, Origin: len(spec.Files) > 0,
		Again: b.w.Spec.Digest != "",
	})
	if err != nil {
		return err
	}
	return e.record(ctx, b, func(t *turn, w *workspace.Workspace) error { return provisioned(t, w, st, img) })
}

// image makes the image present, pinned to what was used first.
func (e *Engine) image(ctx context.Context, b *work) (rt.Image, error) {
	e.progress(b, "image", 0, 0)
	if b.w.Spec.Build != nil && b.w.Spec.Digest == "" {
		return e.buildImage(ctx, b)
	}
	img, err := e.cfg.Driver.EnsureImage(ctx, b.w.Spec.Image, func(p rt.Progress) {
		e.progress(b, p.Stage, p.Current, p.Total)
	})
	if err != nil {
		return img, err
	}
	pin := b.w.Spec.Digest
	if pin == "" || pin == img.Digest {
		return img, nil
	}
	byID, err := e.cfg.Driver.EnsureImage(ctx, pin, nil)
	if errors.Is(err, rt.ErrUnreachable) || ctx.Err() != nil || err == nil {
		return byID, err
	}
	return img, fault.New(fault.Conflict, "digest_changed", "image %s is not the one that workspace %s was made from", b.w.Spec.Image, b.w.Name).
		WithHint("delete the workspace and create it again to take the new image")
}

// record writes what a step found, if the job is still the open one, and takes
// the workspace as it is then.
func (e *Engine) record(ctx context.Context, b *work, fn func(*turn, *workspace.Workspace) error) error {
	return e.do(ctx, func(t *turn) error {
		j, open, err := openJob(t, b.job.Workspace)
		if err != nil {
			return err
		}
		if !open || j.ID != b.job.ID || j.Attempt != b.job.Attempt {
			return context.Canceled
		}
		w, err := t.Workspace(j.Workspace)
		if err != nil {
			return err
		}
		w = w.Clone()
		if err := fn(t, &w); err != nil {
			return err
		}
		b.w = w
		return nil
	})
}

func provisioned(t *turn, w *workspace.Workspace, st rt.Status, img rt.Image) error {
	w.Container, w.Spec.Digest, w.Spec.Files = st.ID, img.Digest, nil
	w.DropCondition(workspace.ContainerLost)
	if st.Emptied {
		w.SetCondition(t.now, workspace.Condition{
			Type: workspace.FilesLost, Status: true, Reason: "removed_outside",
			Detail: "its volume was removed with the engine's own tools: it began again with an empty one",
		})
		if s := w.Spec.Source; s != nil && s.Kind == workspace.SourceGit {
			w.Prepared = false // a repository can be cloned again
		}
		w.Fetched = false
	}
	if len(st.Warnings) > 0 {
		w.SetCondition(t.now, workspace.Condition{
			Type: workspace.LimitsSoft, Status: true, Reason: "discarded_by_engine", Detail: st.Warnings[0],
		})
	}
	if w.State == workspace.Creating && w.Desired != workspace.WantStopped {
		return t.move(w, workspace.Provisioned, workspace.Daemon)
	}
	return t.put(w)
}

// nextGeneration gives the container its next name. What the last name stands for is
// removed by reconcile.
func (e *Engine) nextGeneration(ctx context.Context, b *work) error {
	return e.record(ctx, b, func(t *turn, w *workspace.Workspace) error {
		w.Generation++
		w.Container = ""
		return t.put(w)
	})
}

func (e *Engine) applyLimits(ctx context.Context, b *work) error {
	soft, err := e.cfg.Driver.Update(ctx, ref(b.w), e.limitsOf(b.w))
	if err != nil {
		return err
	}
	return e.record(ctx, b, func(t *turn, w *workspace.Workspace) error {
		w.DropCondition(workspace.LimitsPending)
		w.DropCondition(workspace.LimitsSoft)
		if len(soft) > 0 {
			w.SetCondition(t.now, workspace.Condition{
				Type: workspace.LimitsSoft, Status: true, Reason: "discarded_by_engine", Detail: soft[0],
			})
		}
		return t.put(w)
	})
}

// awaitReady waits until the ready check of the spec passes.
func (e *Engine) awaitReady(ctx context.Context, b *work) error {
	byPort := b.w.Spec.Ready == workspace.ReadyPort
	wait := 2 * time.Millisecond
	for n := 0; ; n++ {
		if byPort {
			conn, err := e.dialInside(ctx, b.w, b.w.Spec.Port)
			if err == nil {
				_ = conn.Close()
				return nil
			}
		}
		if !byPort || n%8 == 7 {
			if up, err := e.alive(ctx, b); err != nil || up && !byPort {
				return err
			}
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
		wait = min(wait*3/2, 100*time.Millisecond)
	}
}

// alive reports whether the main process runs, and an error when it has ended.
func (e *Engine) alive(ctx context.Context, b *work) (bool, error) {
	st, err := e.cfg.Driver.Inspect(ctx, ref(b.w))
	if err != nil {
		return false, err
	}
	switch st.State {
	case rt.ObservedExited:
		kind := fault.Conflict
		if killed(st) && !st.OOMKilled {
			kind = fault.Unavailable // the engine or the machine may have gone down under it: worth another attempt
		}
		return false, fault.New(kind, "exited_early", "its main process ended with status %d before it was ready", st.ExitCode).
			WithHint("see why with `wsctl logs %s`", b.w.Name)
	case rt.ObservedPaused:
		return false, e.cfg.Driver.Resume(ctx, ref(b.w))
	}
	return st.State == rt.ObservedRunning, nil
}

// performStop runs the pre-stop command, stops the container and keeps what it left.
func (e *Engine) performStop(ctx context.Context, b *work) error {
	st, err := e.cfg.Driver.Inspect(ctx, ref(b.w))
	if errors.Is(err, rt.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var peak int64
	if st.State == rt.ObservedRunning {
		if u, err := e.cfg.Driver.Stats(ctx, ref(b.w)); err == nil {
			peak = u.MemoryPeak
		}
		e.preStop(ctx, b)
	}
	e.progress(b, "stop", 0, 0)
	return e.halt(ctx, b, peak)
}

// halt stops the container and keeps what its run left behind.
func (e *Engine) halt(ctx context.Context, b *work, peak int64) error {
	if err := e.cfg.Driver.Stop(ctx, ref(b.w), b.w.Spec.Timeouts.Stop.Std()); err != nil {
		return err
	}
	st, err := e.cfg.Driver.Inspect(ctx, ref(b.w))
	switch {
	case errors.Is(err, rt.ErrNotFound), err == nil && st.State == rt.ObservedCreated:
		return nil
	case err != nil:
		return err
	case st.State != rt.ObservedExited: // an earlier start came through in between
		return fmt.Errorf("cannot stop: the engine says that the container is %s", st.State)
	}
	death := e.certificate(ctx, b.w, st, peak)
	return e.record(ctx, b, func(t *turn, w *workspace.Workspace) error {
		w.Death = &death
		return t.put(w)
	})
}

func (e *Engine) performPause(ctx context.Context, b *work) error {
	return e.explain(b.w, e.cfg.Driver.Pause(ctx, ref(b.w)))
}

func (e *Engine) performResume(ctx context.Context, b *work) error {
	return e.explain(b.w, e.cfg.Driver.Resume(ctx, ref(b.w)))
}

// preStop gives the pre-stop command its budget. Its failure is logged, and never
// keeps a workspace from stopping.
func (e *Engine) preStop(ctx context.Context, b *work) {
	if len(b.w.Spec.PreStop) == 0 {
		return
	}
	e.progress(b, "pre_stop", 0, 0)
	ctx, cancel := context.WithTimeout(ctx, b.w.Spec.Timeouts.PreStop.Std())
	defer cancel()
	code, err := e.runInside(ctx, b.w, b.w.Spec.PreStop)
	if err != nil || code != 0 {
		e.log.Warn("the pre-stop command failed", "workspace", b.w.Name, "run", b.w.Run, "status", code, "err", err)
	}
}

func (e *Engine) performDelete(ctx context.Context, b *work) error {
	if !b.job.Force {
		if err := e.cfg.Driver.Stop(ctx, ref(b.w), b.w.Spec.Timeouts.Stop.Std()); err != nil {
			return err
		}
	}
	e.progress(b, "remove", 0, 0)
	return e.cfg.Driver.Remove(ctx, b.w.ID)
}

// progress tells watchers which stage a job is in.
func (e *Engine) progress(b *work, stage string, current, total int64) {
	d := map[string]string{"stage": stage, "job": b.job.ID, "kind": string(b.job.Kind)}
	if total > 0 {
		d["current"], d["total"] = strconv.FormatInt(current, 10), strconv.FormatInt(total, 10)
	}
	e.signal(event.Signal{Time: time.Now(), Kind: event.Progress, Workspace: b.w.ID, Detail: d})
}
