package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/workspace"
)

// hookGroups are the hooks that a start of w runs, in order; those of one group run at the
// same time. The command waits for the first ones, up to the last that is to be awaited;
// the rest runs beside it. Hooks that run once are left out once they have run.
func hookGroups(w workspace.Workspace) (first, rest [][]workspace.Hook) {
	phases := workspace.Phases()
	hooks := slices.Clone(w.Spec.Hooks)
	hooks = slices.DeleteFunc(hooks, func(h workspace.Hook) bool {
		once := h.Phase != workspace.PostStart
		return h.Phase == workspace.PostAttach || once && w.Prepared
	})
	slices.SortStableFunc(hooks, func(a, b workspace.Hook) int {
		if d := slices.Index(phases, a.Phase) - slices.Index(phases, b.Phase); d != 0 {
			return d
		}
		return a.Group - b.Group
	})
	var groups [][]workspace.Hook
	awaited := 0
	for i, h := range hooks {
		if i == 0 || h.Phase != hooks[i-1].Phase || h.Group != hooks[i-1].Group {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], h)
		if h.Await {
			awaited = len(groups)
		}
	}
	return groups[:awaited], groups[awaited:]
}

// runHooks runs groups in order and says what failed first; what comes after it does not
// run.
func (e *Engine) runHooks(ctx context.Context, b *work, groups [][]workspace.Hook) *workspace.Condition {
	for _, group := range groups {
		failed := make([]*workspace.Condition, len(group))
		var wait sync.WaitGroup
		for i, h := range group {
			wait.Go(func() { failed[i] = e.runHook(ctx, b, h) })
		}
		wait.Wait()
		if i := slices.IndexFunc(failed, func(c *workspace.Condition) bool { return c != nil }); i >= 0 {
			return failed[i]
		}
	}
	return nil
}

// runHook runs one hook; nil: it ended well.
func (e *Engine) runHook(ctx context.Context, b *work, h workspace.Hook) *workspace.Condition {
	limit := orDefault(h.Timeout, b.w.Spec.Timeouts.Initialize).Std()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	what := string(h.Phase)
	if h.Name != "" {
		what += " " + h.Name
	}
	e.progress(b, what, 0, 0)
	end, err := e.runTold(ctx, b.w, agentapi.ExecStart{
		Command: h.Command, Dir: orDefault(b.w.Spec.Dir, workDir), Env: environment(b.w.Spec.RemoteEnv), Log: true,
	}, func(line string) { e.line(b, what, line) })
	c := workspace.Condition{Type: workspace.HookFailed, Status: true, Reason: string(h.Phase)}
	switch {
	case err == nil && end.status == 0:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		c.Detail = fmt.Sprintf("%s took longer than %s", what, limit)
	case err != nil:
		c.Detail = fmt.Sprintf("%s: %v", what, err)
	default:
		c.Detail = fmt.Sprintf("%s ended with status %d", what, end.status)
	}
	if last := end.last(); last != "" {
		c.Detail += ": " + last
	}
	c.Detail = strings.ToValidUTF8(c.Detail[:min(len(c.Detail), 600)], "")
	e.log.Warn("a lifecycle command failed", "workspace", b.w.Name, "run", b.w.Run, "phase", h.Phase, "status", end.status, "err", err)
	return &c
}

// runBeside runs hooks while the workspace is already in use.
func (e *Engine) runBeside(w workspace.Workspace, groups [][]workspace.Hook) {
	b := &work{w: w}
	why := e.runHooks(e.ctx, b, groups)
	if e.ctx.Err() != nil {
		return // they run again at the next start
	}
	err := e.do(e.ctx, func(t *turn) error {
		now, err := t.Workspace(w.ID)
		if err != nil || now.Run != w.Run {
			return nil //nolint:nilerr // it was deleted, or is another run
		}
		now = now.Clone()
		if why != nil {
			return t.note(&now, *why)
		}
		if now.Prepared {
			return nil
		}
		now.Prepared = true
		return t.put(&now)
	})
	if err != nil && e.ctx.Err() == nil {
		e.log.Error("cannot record what lifecycle commands did", "workspace", w.Name, "err", err)
	}
}

// attached runs the hooks of somebody's coming, beside what they do.
func (e *Engine) attached(w workspace.Workspace) {
	var hooks []workspace.Hook
	for _, h := range w.Spec.Hooks {
		if h.Phase == workspace.PostAttach {
			hooks = append(hooks, h)
		}
	}
	if len(hooks) > 0 && e.ctx != nil {
		e.spawn(func() { e.runHooks(e.ctx, &work{w: w}, [][]workspace.Hook{hooks}) })
	}
}
