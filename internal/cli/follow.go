package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// daemonPatience is how long a wait survives without a wsd.
const daemonPatience = 30 * time.Second

// workPatience is how long slow work is waited for, unless somebody says otherwise.
const workPatience = durationValue(15 * time.Minute)

// waitOptions are the flags of every command that starts slow work.
type waitOptions struct {
	NoWait  bool
	Timeout durationValue
}

func (o *waitOptions) addFlags(cmd *cobra.Command) {
	o.Timeout = workPatience
	cmd.Flags().BoolVar(&o.NoWait, "no-wait", false, "return once wsd has accepted the command")
	cmd.Flags().Var(&o.Timeout, "wait-timeout", "stop waiting after this time; the work goes on")
}

// follower watches workspaces until they are where a command wants them.
type follower struct {
	client   *client.Client
	progress *render.Progress // nil: nothing is shown
	wait     waitOptions
}

// newFollower returns a follower that shows progress if stderr is a terminal.
func (f *Factory) newFollower(c *client.Client, wait waitOptions) *follower {
	return &follower{client: c, progress: f.newProgress(), wait: wait}
}

func (f *Factory) newProgress() *render.Progress {
	if !f.Streams.ErrTTY || f.JSON {
		return nil
	}
	raw := f.Streams.Err
	return render.NewProgress(raw, f.Streams.dumb(), f.errPalette(), func() int { c, _ := size(raw); return c })
}

// settle watches w, which a command was just accepted for, until that command is
// done, and returns the workspace as it then is. For want Deleted the result is
// the last that was seen.
func (fo *follower) settle(ctx context.Context, w workspace.Workspace, want workspace.Desired) (workspace.Workspace, error) {
	if fo.wait.NoWait {
		return w, nil
	}
	limit := time.Duration(fo.wait.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, waitTimeout(w.Name, limit))
	defer cancel()
	defer lendAgent(ctx, fo.client, w)()
	job := w.Job
	if done, err := fo.settled(ctx, &w, want, job); done {
		return w, err
	}
	fo.progress.State(w.State)
	for m, err := range fo.client.Watch(ctx, client.WatchOptions{Workspace: w.ID, GiveUp: daemonPatience}) {
		if err != nil {
			return w, fo.watchEnded(err, w, want)
		}
		if m.Signal != nil && m.Signal.Workspace == w.ID {
			fo.progress.Signal(*m.Signal)
			continue
		}
		now, gone, known := latest(m, w.ID)
		if gone {
			return w, goneError(w, want)
		}
		if !known || now.Revision < w.Revision {
			continue
		}
		w = now
		if w.Job != "" {
			job = w.Job
		}
		if done, err := fo.settled(ctx, &w, want, job); done {
			return w, err
		}
		fo.progress.State(w.State)
	}
	return w, fault.From(context.Cause(ctx))
}

func waitTimeout(name string, limit time.Duration) *fault.Error {
	return fault.New(fault.Timeout, "wait_timeout", "%s is not there after %s; the work goes on", name, spanText(limit)).
		WithHint("look with `wsctl show %s`, or wait on with `wsctl wait %s --for ready`", name, name)
}

// latest reads what a message says about the workspace with this id.
func latest(m api.Message, id string) (w workspace.Workspace, gone, known bool) {
	switch m.Type {
	case "snapshot":
		i := slices.IndexFunc(m.Workspaces, func(w workspace.Workspace) bool { return w.ID == id })
		if i < 0 {
			return w, true, true
		}
		return m.Workspaces[i], false, true
	case "event":
		if m.Event == nil || m.Event.Workspace != id {
			return w, false, false
		}
		if m.Workspace == nil {
			return w, m.Event.Kind == event.WorkspaceDeleted, false
		}
		return *m.Workspace, false, true
	}
	return w, false, false
}

// goneError is nil when the workspace was to be deleted.
func goneError(w workspace.Workspace, want workspace.Desired) error {
	if want == workspace.WantDeleted {
		return nil
	}
	return fault.New(fault.Gone, "deleted", "%s was deleted meanwhile", w.Name)
}

func (fo *follower) watchEnded(err error, w workspace.Workspace, want workspace.Desired) error {
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Gone):
		return goneError(w, want)
	case fault.Is(err, fault.Interrupted):
		return fault.New(fault.Interrupted, "interrupted", "stopped watching; the work on %s goes on", w.Name).
			WithHint("look with `wsctl show %s`", w.Name)
	}
	return err
}

// wanted is the state in which a wish is fulfilled.
var wanted = map[workspace.Desired]workspace.State{
	workspace.WantRunning: workspace.Running,
	workspace.WantStopped: workspace.Stopped,
	workspace.WantPaused:  workspace.Paused,
}

// fulfilled reports whether w is where want wants it and nothing works on it.
func fulfilled(w workspace.Workspace, want workspace.Desired) bool {
	attention, _ := w.Condition(workspace.Attention)
	return w.Job == "" && w.State == wanted[want] && !attention.Status
}

// settled reports whether the command is over, and how it ended. A message shows the
// workspace as it was in the middle of a change; so before it counts as failed, wsd
// is asked how it is after it.
func (fo *follower) settled(ctx context.Context, w *workspace.Workspace, want workspace.Desired, job string) (bool, error) {
	if fulfilled(*w, want) {
		return true, unprepared(*w, want)
	}
	if w.Job != "" || !w.State.Settled() {
		return false, nil
	}
	now, err := fo.client.Workspace(ctx, w.ID)
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Gone):
		return true, goneError(*w, want)
	case err != nil:
		return false, nil // the watch will tell
	}
	*w = now
	if fulfilled(now, want) || now.Job != "" || !now.State.Settled() {
		return fulfilled(now, want), unprepared(now, want)
	}
	return true, fo.ended(ctx, now, want, job)
}

// unprepared is the error of a workspace that runs, whose command has not begun because a
// lifecycle command failed before it.
func unprepared(w workspace.Workspace, want workspace.Desired) error {
	c, ready := w.Condition(workspace.Ready)
	if want != workspace.WantRunning || w.State != workspace.Running || !ready || c.Status || c.Reason != "hook_failed" {
		return nil
	}
	return fault.New(fault.Conflict, "hook_failed", "%s runs, but is not prepared: %s", w.Name, c.Detail).
		WithHint("look inside with `wsctl shell %s`, at all that was printed with `wsctl logs %s`; try again with `wsctl restart %s`", w.Name, w.Name, w.Name)
}

// ended says why a workspace on which nothing works is not where it should be.
func (fo *follower) ended(ctx context.Context, w workspace.Workspace, want workspace.Desired, job string) error {
	attention, _ := w.Condition(workspace.Attention)
	switch {
	case w.Desired != want && !attention.Status && w.State != workspace.Failed:
		return fault.New(fault.Conflict, "superseded", "somebody asked for %s to be %s meanwhile", w.Name, w.Desired)
	}
	return fo.failure(ctx, w, attention, job)
}

// failure says why a workspace is not where it should be.
func (fo *follower) failure(ctx context.Context, w workspace.Workspace, attention workspace.Condition, job string) error {
	e := fault.New(fault.Internal, "workspace_failed", "%s is %s", w.Name, w.State).
		WithHint("see `wsctl logs %s` and `wsctl show %s`", w.Name, w.Name)
	switch {
	case attention.Status && attention.Detail != "":
		e.Text += ": " + attention.Detail
		e.Code, e.Kind = attention.Reason, kindOfJob(attention.Reason)
	case w.Stop != nil && w.Stop.Detail != "":
		e.Text += ": " + w.Stop.Detail
		e.Code = "workspace_" + string(w.Stop.Reason)
	}
	if job == "" {
		return e
	}
	j, err := fo.client.Job(ctx, job)
	if err != nil || j.State != workspace.JobFailed {
		return e
	}
	if j.Code != "" {
		e.Code, e.Kind = j.Code, kindOfJob(j.Code)
	}
	if j.Error != "" {
		e.Text = fmt.Sprintf("%s is %s: %s", w.Name, w.State, j.Error)
	}
	if j.Hint != "" {
		e.Hint = j.Hint
	}
	return e
}

// jobKinds is the class of the codes that a failed job is known to have. A job
// keeps its code only; every other one counts as a failure of another kind.
var jobKinds = map[string]fault.Kind{
	"engine_unreachable":   fault.Unavailable,
	"registry_unreachable": fault.Unavailable,
	"git_denied":           fault.Denied,
	"git_host_key":         fault.Denied,
	"git_not_found":        fault.NotFound,
	"git_ref_not_found":    fault.NotFound,
	"git_unreachable":      fault.Unavailable,
	"git_missing":          fault.Unsupported,
	"ssh_missing":          fault.Unsupported,
	"ssh_agent_gone":       fault.Conflict,
	"mount_refused":        fault.Denied,
	"secret_missing":       fault.Conflict,
	"user_unknown":         fault.Invalid,
	"exited_early":         fault.Conflict,
	"digest_changed":       fault.Conflict,
	"port_in_use":          fault.Conflict,
	"image_not_found":      fault.NotFound,
	"image_denied":         fault.Denied,
	"engine_disk_full":     fault.StorageFull,
	"subnets_used_up":      fault.Limit,
	"timeout_create":       fault.Timeout,
	"timeout_initialize":   fault.Timeout,
	"timeout_start":        fault.Timeout,
	"timeout_stop":         fault.Timeout,
}

func kindOfJob(code string) fault.Kind {
	if k, ok := jobKinds[code]; ok {
		return k
	}
	return fault.Internal
}

// end closes the progress in the way that err says.
func (fo *follower) end(err error) { endProgress(fo.progress, err) }

// endProgress closes a progress: what was interrupted has not failed.
func endProgress(p *render.Progress, err error) {
	if fault.Is(err, fault.Interrupted) || errors.Is(err, context.Canceled) {
		p.Abandon()
		return
	}
	p.Close(err == nil)
}
