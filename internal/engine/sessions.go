package engine

import (
	"context"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// stub
func (e *Engine) Attend(ctx context.Context, a workspace.Actor, ref string, v activity.Visitor) (activity.Lease, error) {
	return nil, fault.New(fault.Unsupported, "sessions_unsupported", "sessions are not kept yet")
}

func (e *Engine) Sessions(ctx context.Context, a workspace.Actor, ref string) ([]activity.Session, error) {
	return nil, nil
}

func (e *Engine) Kick(ctx context.Context, a workspace.Actor, ref, id string) error {
	return fault.New(fault.NotFound, "session_not_found", "there is no session %.60q", id)
}

func (e *Engine) Why(ctx context.Context, a workspace.Actor, ref string) (api.Why, error) {
	return api.Why{}, nil
}

func (e *Engine) Hold(ctx context.Context, a workspace.Actor, ref string, req api.HoldRequest) (activity.Hold, error) {
	return activity.Hold{}, nil
}

func (e *Engine) Unhold(ctx context.Context, a workspace.Actor, ref, id string) error { return nil }

func (e *Engine) Extend(ctx context.Context, a workspace.Actor, ref string, req api.Extend) (api.Why, error) {
	return api.Why{}, nil
}

func (e *Engine) Uses(ids ...string) map[string]api.Activity { return nil }
