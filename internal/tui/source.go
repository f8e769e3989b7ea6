package tui

import (
	"context"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Source is all that the dashboard knows of the world. Every method but Look and Shell may
// block and is called on a goroutine of its own, several at once; each returns when ctx
// ends. Errors have a fault in their chain.
type Source interface {
	// Watch tells what there is and then what happens, until ctx ends or, with an
	// error, nothing can be told any more. A connection that is lost is made again and
	// told as Link. tell never blocks for long.
	Watch(ctx context.Context, tell func(Change)) error
	// Look says what somebody sees, in place of what was seen before: of these and no others
	// Watch tells samples. It never blocks.
	Look(ids []string)
	// Logs tells the newest output and then what is added, until the run ends.
	Logs(ctx context.Context, id string, tell func(workspace.LogLine)) error
	// Details fetches what one pane shows.
	Details(ctx context.Context, id string, p Pane) (Details, error)
	// Templates lists the catalogue.
	Templates(ctx context.Context) ([]api.Template, error)
	// Do sends an order; it returns once that is accepted.
	Do(ctx context.Context, o Order) (Accepted, error)
	// Create makes a workspace, or with DryRun says what would be made.
	Create(ctx context.Context, d Draft) (Made, error)
	// Folder is the full path of a folder of this machine, as a person types it.
	Folder(path string) (string, error)
	// Folders are the folders of this machine whose path begins with what was typed, as they
	// would be typed, in order; none also where they cannot be told.
	Folders(typed string) []string
	// Shell is a visit of a workspace's terminal.
	Shell(name string) Visit
	// Exec is a visit that runs a command inside and waits for a key after it, so that what
	// it printed can be read.
	Exec(name string, command []string) Visit
	// Forward listens on this machine and carries each connection to a port inside, until
	// ctx ends. It tells where it listens, and then each change.
	Forward(ctx context.Context, id string, p PortPair, tell func(Forwarded)) error
	// Open shows a workspace in a browser and returns the address.
	Open(ctx context.Context, id string) (url string, err error)
	// Preview shows the preview page of a workspace in a browser and returns its address.
	Preview(ctx context.Context, id string) (url string, err error)
}

// Visit is something that has the terminal to itself. It returns once it has given it
// back; an error that is an *exec.ExitError is the status of what ran.
type Visit func() error

// PortPair is a port of this machine, 0 for any, and the port inside to which it leads.
type PortPair struct{ Local, Remote int }

// Forwarded is how a forwarded port is now.
type Forwarded struct {
	Address     string // of this machine
	Open, Total int    // connections: now, and so far
	Wrong       error  // of the newest connection that failed
}

// Change is something that happened. Members that are zero say nothing.
type Change struct {
	Reset  bool // forget all workspaces first
	Put    []workspace.Workspace
	Gone   []string // ids
	Events []event.Event
	Signal *event.Signal
	Use    map[string]api.Activity // how those of Put are used; absent: not at all
	Moved  *api.Use                // how one is used now
	Sample *api.Sample
	Link   *Link
}

// Link is how the way to the workspaces is.
type Link struct {
	Daemon bool      // wsd answers
	Engine bool      // wsd reaches the container engine
	Names  string    // where workspaces are served by name; "": nowhere
	Why    string    // where Daemon or Engine is false
	Since  time.Time // when it last changed
}

// Details is what a pane shows; which members are set depends on the pane.
type Details struct {
	Why       *api.Why
	Jobs      []workspace.Job
	Events    []event.Event // oldest first
	Terminals []api.Terminal
	Listening []api.Listening
	Note      string // why something is missing, one sentence
}
