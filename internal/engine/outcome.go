package engine

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/event"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// started records a start that is done, or a container that was only to be made.
func (e *Engine) started(t *turn, w *workspace.Workspace, j workspace.Job) error {
	if w.State == workspace.Creating {
		return e.moved(t, w, workspace.HasStopped, j.Actor)
	}
	if w.Generation > 1 {
		t.after(e.recheck) // the generation before may still be there
	}
	w.ReadyAt = t.now
	w.Death = nil
	ready := workspace.Condition{Type: workspace.Ready, Status: true, Reason: string(w.Spec.Ready)}
	if c, failed := w.Condition(workspace.HookFailed); failed && c.Status && !w.Prepared {
		ready = workspace.Condition{Type: workspace.Ready, Reason: "hook_failed", Detail: c.Detail}
	}
	w.SetCondition(t.now, ready)
	return e.moved(t, w, workspace.BecameReady, j.Actor)
}

// stopped records a stop that is done.
func (e *Engine) stopped(t *turn, w *workspace.Workspace, j workspace.Job) error {
	w.StoppedAt = t.now
	w.DropCondition(workspace.Ready)
	return e.moved(t, w, workspace.HasStopped, j.Actor)
}

// buried removes the row of a workspace of which nothing is left at the engine.
func (e *Engine) buried(t *turn, w *workspace.Workspace, actor string) error {
	if err := t.DeleteWorkspace(w.ID); err != nil {
		return err
	}
	err := t.PutDeadline(store.Deadline{At: t.now.Add(tombstoneLife), Kind: store.DeadlineTombstone, Key: w.ID})
	if err != nil {
		return err
	}
	port, id := w.Port, w.ID
	t.after(func() {
		e.giveBack(port)
		e.credentials.drop(id)
		e.lenders.drop(id)
		e.attendance.drop(id, true)
		e.checks.forget(id)
	})
	return t.tell(w, actor, event.WorkspaceDeleted, nil)
}

// certificate is what a run left behind. The last output is taken with a short
// budget: a death must be recorded even when the engine is slow.
func (e *Engine) certificate(ctx context.Context, w workspace.Workspace, st rt.Status, peak int64) workspace.Death {
	d := workspace.Death{
		Run: w.Run, ExitCode: st.ExitCode, OOMKilled: st.OOMKilled, PeakMemory: peak, Time: st.FinishedAt,
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	o := workspace.LogOptions{Tail: workspace.DeathLogLines, Since: w.StartedAt}
	_ = e.cfg.Driver.Logs(ctx, ref(w), o, func(l workspace.LogLine) error {
		d.Log = append(d.Log, clip(l.Text))
		return nil
	})
	if extra := len(d.Log) - workspace.DeathLogLines; extra > 0 {
		d.Log = d.Log[extra:]
	}
	return d
}

// clip bounds one line of a death certificate, cutting between characters.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= workspace.DeathLogBytes {
		return s
	}
	s = s[:workspace.DeathLogBytes]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
