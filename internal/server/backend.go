package server

import (
	"context"
	"io"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Backend is what the API asks of the engine. A ref is an id, a name or an
// unambiguous beginning of an id. Every call checks who asks: what an actor may
// not see is not found. Changes that have a wanted revision (> 0) fail with Stale
// when the workspace has another one. Errors are fault.Errors.
type Backend interface {
	// Create answers the workspace and whether it is new: with the same key and the
	// same request it is the one of the first call, with another request Conflict.
	// With DryRun it is the workspace that would be made, without id and port.
	Create(ctx context.Context, a workspace.Actor, req api.Create, key string) (workspace.Workspace, bool, error)
	Workspace(ctx context.Context, a workspace.Actor, ref string) (workspace.Workspace, error)
	Workspaces(ctx context.Context, a workspace.Actor, f api.Filter) ([]workspace.Workspace, error)
	// Brief answers the same as Workspaces, in the same order.
	Brief(ctx context.Context, a workspace.Actor, f api.Filter) ([]api.Brief, error)
	Update(ctx context.Context, a workspace.Actor, ref string, rev uint64, u api.Update) (workspace.Workspace, error)
	Command(ctx context.Context, a workspace.Actor, ref string, c api.Command) (workspace.Workspace, error)
	Delete(ctx context.Context, a workspace.Actor, ref string, rev uint64, force bool) (workspace.Workspace, error)

	Logs(ctx context.Context, a workspace.Actor, ref string, o workspace.LogOptions, yield func(workspace.LogLine) error) error
	Exec(ctx context.Context, a workspace.Actor, ref string, e runtime.ExecSpec) (runtime.Process, error)
	Usage(ctx context.Context, a workspace.Actor, ref string) (workspace.Usage, error)
	Inside
	Activity
	Secrets(ctx context.Context, a workspace.Actor) ([]api.Secret, error)
	SetSecret(ctx context.Context, a workspace.Actor, name string, value []byte) (api.Secret, error)
	DeleteSecret(ctx context.Context, a workspace.Actor, name string) error

	Jobs(ctx context.Context, a workspace.Actor, states []workspace.JobState, ref string) ([]workspace.Job, error)
	Job(ctx context.Context, a workspace.Actor, id string) (workspace.Job, error)
	RetryJob(ctx context.Context, a workspace.Actor, id string) (workspace.Job, error)
	CancelJob(ctx context.Context, a workspace.Actor, id string) (workspace.Job, error)
	JobStats(ctx context.Context, a workspace.Actor) ([]workspace.JobStats, error)

	Ports(ctx context.Context, a workspace.Actor) (api.PortList, error)
	Events(ctx context.Context, a workspace.Actor, after uint64, limit int, ref string) ([]event.Event, error)
	// Watch calls yield with hello, then snapshot (or, with after >= 0, the facts after it), then
	// deltas as they are committed, until ctx ends or yield fails. ref "" watches everything visible.
	Watch(ctx context.Context, a workspace.Actor, after int64, ref string, yield func(api.Message) error) error
	// WatchFiles adds signals of changed files to what is told of the workspace ref, until ctx ends.
	WatchFiles(ctx context.Context, a workspace.Actor, ref string) error

	Status(ctx context.Context, a workspace.Actor) (api.Status, error)
	Doctor(ctx context.Context, a workspace.Actor) ([]api.Check, error)
	GC(ctx context.Context, a workspace.Actor, dryRun bool) (api.GC, error)
	// Backup writes a consistent copy of the store as it is, damage included; see store.Verify. Admins only.
	Backup(ctx context.Context, a workspace.Actor, w io.Writer) error
	// Stale reports whether the engine cannot be reached, so answers are the last known.
	Stale() bool
}

// Templates is the catalogue as the API shows it.
type Templates interface {
	List() []api.Template
	Show(name string) (api.Template, error)
	Validate(text []byte) (api.Template, error)
	ValidateFolder(name string, archive []byte) (api.Template, error) // a zip archive
}

// Previews looks at pages of workspaces as a browser does.
type Previews interface {
	// CheckPreview looks at path on a port inside; port 0 is the workspace's own. It is no use
	// of the workspace, and starts nothing.
	CheckPreview(ctx context.Context, a workspace.Actor, ref string, port int, path string) (api.PreviewCheck, error)
}
