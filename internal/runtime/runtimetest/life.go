package runtimetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func lifeCases() []row {
	return []row{
		{"the engine tells who it is", checkInfo},
		{"an image that is ensured twice has one digest", checkImage},
		{"ensure twice makes one container and starts none", checkEnsure},
		{"start runs it, and a running one is left alone", checkStart},
		{"stop ends it, and one that does not run or exist is left alone", checkStop},
		{"a start after a stop is a new run of the same container", checkRestart},
		{"a main process that ignores the request is killed after grace", checkDeaf},
		{"a stop without grace kills at once", checkStopNow},
		{"a main process that ends by itself leaves its status", checkExit},
		{"a main process that was killed by hand is seen and can start again", checkKilled},
		{"pause freezes, resume thaws, each can be repeated", checkPause},
		{"what does not run can be neither paused nor resumed", checkPauseStopped},
		{"a paused container can be stopped", checkStopPaused},
		{"different workspaces live at the same time", checkConcurrent},
	}
}

func checkInfo(w *world) {
	info, err := w.Driver.Info(w.ctx)
	w.must(err, "ask who the engine is")
	if info.Name == "" || info.Version == "" || info.CPUs < 1 || info.Memory < 1<<20 {
		w.Errorf("the engine does not say who it is: %+v", info)
	}
}

func checkImage(w *world) {
	ref := w.Container("image").Spec.Image
	first, err := w.Driver.EnsureImage(w.ctx, ref, func(runtime.Progress) {})
	w.must(err, "ensure the image")
	second, err := w.Driver.EnsureImage(w.ctx, ref, nil)
	w.must(err, "ensure the image again")
	if first.Digest == "" || first != second {
		w.Errorf("got %+v, then %+v", first, second)
	}
}

func checkEnsure(w *world) {
	c := w.container("ensure")
	first, second := w.made(c), w.made(c)
	if first.ID == "" || first.ID != second.ID || first.Name != second.Name || first.Spec == "" || first.Spec != second.Spec {
		w.Errorf("two containers: %+v and %+v", first, second)
	}
	if first.Ref != c.Ref || first.State != runtime.ObservedCreated {
		w.Errorf("got %+v, want a created %+v", first, c.Ref)
	}
	if n := len(w.listed(w.Driver, c.Workspace)); n != 1 {
		w.Errorf("the list has %d containers of it, want 1", n)
	}
}

func checkStart(w *world) {
	c := w.running("start")
	first := w.state(c.Ref, runtime.ObservedRunning)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start again")
	again := w.made(c)
	if !first.StartedAt.Equal(again.StartedAt) || first.ID != again.ID || again.State != runtime.ObservedRunning {
		w.Errorf("the running container was not left alone: %+v became %+v", first, again)
	}
	if first.StartedAt.IsZero() {
		w.Error("a running container has no start time")
	}
}

func checkStop(w *world) {
	c := w.container("stop")
	w.must(w.Driver.Stop(w.ctx, c.Ref, grace), "stop a missing one")
	w.made(c)
	w.must(w.Driver.Stop(w.ctx, c.Ref, grace), "stop one that never ran")
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.answers(c)
	w.must(w.Driver.Stop(w.ctx, c.Ref, grace), "stop")
	first := w.state(c.Ref, runtime.ObservedExited)
	w.must(w.Driver.Stop(w.ctx, c.Ref, grace), "stop again")
	if again := w.status(c.Ref); again.ID != first.ID || !again.FinishedAt.Equal(first.FinishedAt) {
		w.Errorf("the second stop changed %+v to %+v", first, again)
	}
	if first.FinishedAt.Before(first.StartedAt) || first.ExitCode == 137 {
		w.Errorf("it did not end by the request: %+v", first)
	}
}

func checkRestart(w *world) {
	c := w.running("restart")
	first := w.answers(c)
	w.must(w.Driver.Stop(w.ctx, c.Ref, grace), "stop")
	w.must(w.Driver.Start(w.ctx, c.Ref), "start after a stop")
	second := w.answers(c)
	if first.ID != second.ID || second.StartedAt.Before(first.StartedAt) {
		w.Errorf("not a new run of the same container: %+v, then %+v", first, second)
	}
}

func checkDeaf(w *world) {
	if w.Deaf == nil {
		w.Skip("the harness has no main process that ignores the request to end")
	}
	c := w.running("deaf", w.Deaf...)
	w.eventually("it says that it ignores requests", func() bool {
		return len(w.lines(c.Ref, workspace.LogOptions{Tail: -1})) > 0
	})
	const patience = time.Second
	begin := time.Now()
	w.must(w.Driver.Stop(w.ctx, c.Ref, patience), "stop")
	if took := time.Since(begin); took < patience {
		w.Errorf("it was killed after %s, want at least %s", took, patience)
	}
	if st := w.state(c.Ref, runtime.ObservedExited); st.ExitCode != 137 {
		w.Errorf("it ended with status %d, want 137", st.ExitCode)
	}
}

func checkStopNow(w *world) {
	c := w.running("now")
	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop without grace")
	if st := w.state(c.Ref, runtime.ObservedExited); st.ExitCode != 137 {
		w.Errorf("it ended with status %d, want 137", st.ExitCode)
	}
}

func checkExit(w *world) {
	for _, code := range []int{0, 3} {
		c := w.running(fmt.Sprintf("exit%d", code), shell(fmt.Sprintf("exit %d", code))...)
		w.ends(c.Ref)
		if st := w.status(c.Ref); st.ExitCode != code || st.OOMKilled {
			w.Errorf("got %+v, want status %d", st, code)
		}
	}
}

func checkKilled(w *world) {
	if w.Kill == nil {
		w.Skip("the harness cannot kill by hand")
	}
	c := w.running("killed")
	w.answers(c)
	w.Kill(c.Ref)
	w.ends(c.Ref)
	if st := w.status(c.Ref); st.ExitCode == 0 {
		w.Errorf("got %+v, want a status other than 0", st)
	}
	w.must(w.Driver.Start(w.ctx, c.Ref), "start after a kill")
	w.answers(c)
}

func checkPause(w *world) {
	c := w.running("pause")
	w.answers(c)
	for range 2 {
		w.must(w.Driver.Pause(w.ctx, c.Ref), "pause")
		w.state(c.Ref, runtime.ObservedPaused)
	}
	w.mustBe(w.Driver.Start(w.ctx, c.Ref), runtime.ErrPaused, "start a paused one")
	_, err := w.Driver.Exec(w.ctx, c.Ref, runtime.ExecSpec{Command: []string{"true"}})
	w.mustBe(err, runtime.ErrPaused, "exec in a paused one")
	for range 2 {
		w.must(w.Driver.Resume(w.ctx, c.Ref), "resume")
		w.state(c.Ref, runtime.ObservedRunning)
	}
	w.answers(c)
}

func checkPauseStopped(w *world) {
	c := w.container("pausestopped")
	w.made(c)
	w.mustBe(w.Driver.Pause(w.ctx, c.Ref), runtime.ErrNotRunning, "pause one that never ran")
	w.mustBe(w.Driver.Resume(w.ctx, c.Ref), runtime.ErrNotRunning, "resume one that never ran")
}

func checkStopPaused(w *world) {
	c := w.running("stoppaused")
	w.answers(c)
	w.must(w.Driver.Pause(w.ctx, c.Ref), "pause")
	w.must(w.Driver.Stop(w.ctx, c.Ref, grace), "stop a paused one")
	w.state(c.Ref, runtime.ObservedExited)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start it again")
	w.answers(c)
}

func checkConcurrent(w *world) {
	const count = 4
	errs := make([]error, count)
	var wg sync.WaitGroup
	for i := range count {
		c := w.container(fmt.Sprintf("together%d", i))
		wg.Go(func() { errs[i] = wholeLife(w.ctx, w.Driver, c) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			w.Errorf("workspace %d: %v", i, err)
		}
	}
}

// wholeLife takes one workspace from nothing to nothing.
func wholeLife(ctx context.Context, d runtime.Driver, c runtime.Container) error {
	if _, err := d.Ensure(ctx, c); err != nil {
		return err
	}
	if err := d.Start(ctx, c.Ref); err != nil {
		return err
	}
	st, err := d.Inspect(ctx, c.Ref)
	if err != nil {
		return err
	}
	if st.Ref != c.Ref || st.State != runtime.ObservedRunning {
		return fmt.Errorf("got %+v, want a running %+v", st, c.Ref)
	}
	if err := d.Stop(ctx, c.Ref, 0); err != nil {
		return err
	}
	return d.Remove(ctx, c.Workspace)
}

// ends waits until the container has exited.
func (w *world) ends(r runtime.Ref) {
	w.Helper()
	w.eventually("the end of the main process", func() bool { return w.status(r).State == runtime.ObservedExited })
}
