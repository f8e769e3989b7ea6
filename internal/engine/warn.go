package engine

import (
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// window is the least of the warnings that still lies ahead of left; 0: none does yet.
func (e *Engine) window(left time.Duration) time.Duration {
	var found time.Duration
	for _, d := range e.cfg.Activity.warnings() {
		if left <= d && (found == 0 || d < found) {
			found = d
		}
	}
	return found
}

// warn tells that the stop is near: once at each of the times before it. A stop that has
// moved away is warned of anew when it comes near again.
func (e *Engine) warn(t *turn, w *workspace.Workspace, r *activity.Record) (told bool, err error) {
	var window, left time.Duration
	if !r.StopAt.IsZero() {
		left = max(r.StopAt.Sub(t.now), 0)
		window = e.window(left)
	}
	switch {
	case window == 0:
		moved := r.WarnedLeft != 0
		r.Warned, r.WarnedLeft = time.Time{}, 0
		return moved, nil
	case r.WarnedLeft != 0 && r.WarnedLeft <= window:
		if r.WarnedLeft < window {
			r.WarnedLeft = window
			return true, nil
		}
		return false, nil
	}
	r.Warned, r.WarnedLeft = r.StopAt, window
	return true, t.tell(w, workspace.Daemon, event.ActivityWarning, map[string]string{
		"stop_at": stamp(r.StopAt), "left": left.Round(time.Millisecond).String(), "cause": string(r.Cause),
	})
}

// nextWarning is when the next one is due after now; zero: none is.
func (e *Engine) nextWarning(stop, now time.Time) time.Time {
	if stop.IsZero() {
		return time.Time{}
	}
	all := slices.Clone(e.cfg.Activity.warnings())
	slices.Sort(all)
	for _, d := range slices.Backward(all) {
		if at := stop.Add(-d); at.After(now) {
			return at
		}
	}
	return time.Time{}
}
