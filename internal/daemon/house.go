package daemon

import (
	"context"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/engine"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/previewcheck"
	"github.com/wsctl/wsctl/internal/workspace"
)

// house is the engine as the front door asks it. A look at a preview comes through the door
// as a browser does, and is nobody: it gets no session, so that it is not even a connection.
type house struct{ *engine.Engine }

// Attend gives a client its session in a workspace that runs.
func (h house) Attend(ctx context.Context, a workspace.Actor, ref string, v activity.Visitor) (activity.Lease, error) {
	if v.Peer == previewcheck.Source {
		return nil, fault.New(fault.Conflict, "no_session", "a look at a preview has no session")
	}
	return h.Engine.Attend(ctx, a, ref, v)
}
