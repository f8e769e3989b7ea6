// Package runtime is the contract of a container engine.
//
// Every call is repeatable: doing it twice leaves the same as doing it once, so
// that a job may run again after a crash. A call whose outcome is unknown (the
// engine went away in the middle) returns an error that satisfies
// errors.Is(err, ErrUnreachable); the caller finds the truth again by Inspect or
// List, never by assuming. ErrUnreachable is never "not found" and never a
// reason to clean up. ErrNotFound means that the engine answered and has no such
// object of ours.
//
// Objects are named and labelled from Ref alone, so a lost reply can be found
// again. A driver touches only objects that carry its own instance label.
// Implementations are safe for concurrent use; calls for one Ref are made one at
// a time by the engine package, except Inspect, Logs, Exec, Dial and Stats.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// Errors that callers decide on; test with errors.Is.
var (
	ErrUnreachable = errors.New("container engine cannot be reached")
	ErrNotFound    = errors.New("no such object at the container engine")
	ErrNotRunning  = errors.New("the container does not run")
	ErrPaused      = errors.New("the container is paused")
	// ErrNoAgent means that the workspace runs without an agent that listens: made by an
	// older version, or by a driver that has none. Exec and Dial still work.
	ErrNoAgent = errors.New("the workspace has no agent that can be reached")
	// ErrAgentStarting is an ErrNoAgent that may be over in a moment: the container was
	// started just now.
	ErrAgentStarting = fmt.Errorf("%w yet", ErrNoAgent)
)

// Ref names the objects of one workspace at the engine.
type Ref struct {
	Workspace  string
	Generation int
}

// Container is what Ensure makes.
type Container struct {
	Ref
	Name   string         // hostname inside
	Owner  string         // label
	Slot   int            // uid and gid are derived from it
	Spec   workspace.Spec // resolved; Digest pins the image
	Origin bool           // first generation: Spec.Files are written to /workspace
	Again  bool           // it had a container before, and so files of its own
}

// Observed is what the engine says of a container.
type Observed string

// The observed states.
const (
	ObservedCreated Observed = "created" // exists, never started
	ObservedRunning Observed = "running"
	ObservedPaused  Observed = "paused"
	ObservedExited  Observed = "exited"
)

// Status is what the engine knows of one workspace container.
type Status struct {
	Ref
	ID         string // the engine's id
	Name       string // the engine's name
	State      Observed
	ExitCode   int // valid when exited
	OOMKilled  bool
	StartedAt  time.Time
	FinishedAt time.Time
	Spec       string   // value of the spec-hash label
	Warnings   []string // limits that the engine discarded, at Ensure only
	Emptied    bool     // with Container.Again: its files are gone, told by the Ensure that finds it
	Cut        bool     // it runs and its network is gone; told by List only
}

// Info tells about the engine.
type Info struct {
	Name     string // "docker", "memory"
	Version  string
	API      string
	CPUs     int
	Memory   int64 // bytes
	Rootless bool
	Warnings []string
}

// Image is an image that is present at the engine.
type Image struct {
	Ref    string
	Digest string // content address that pins it: the engine's image id
}

// Progress reports a slow step of EnsureImage.
type Progress struct {
	Stage   string // "pull", "load"
	Current int64  // bytes, 0 if unknown
	Total   int64  // bytes, 0 if unknown
}

// ExecSpec is a command to run inside a running workspace.
type ExecSpec struct {
	Command    []string
	Env        []string // KEY=value
	Dir        string   // "": /workspace
	TTY        bool
	Stdin      bool
	Cols, Rows uint16 // first size of the terminal
}

// Process is a command that runs inside a workspace.
type Process interface {
	// Stdin is where input goes; Close half-closes it. Nil without ExecSpec.Stdin.
	Stdin() io.WriteCloser
	// Copy writes output until the command closes it. With a TTY all of it goes to stdout.
	Copy(stdout, stderr io.Writer) error
	Resize(ctx context.Context, cols, rows uint16) error
	// Exit waits for the command's end, after Copy, and returns its exit status.
	Exit(ctx context.Context) (int, error)
	// Close gives up on the command's streams; it does not kill it.
	Close() error
}

// Signaler is a Process that can be sent a signal by name ("INT", "TERM", ...).
type Signaler interface {
	Signal(ctx context.Context, name string) error
}

// DetachedError is what Process.Exit returns of a look at a terminal that has ended
// although the terminal lives on. Err says why.
type DetachedError struct{ Err error }

func (e *DetachedError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *DetachedError) Unwrap() error { return e.Err }

// Build says how an image is made.
type Build struct {
	Ref        string    // name that the image gets
	Context    io.Reader // tar
	Dockerfile string    // path inside Context
	Target     string
	Args       map[string]string
}

// Builder is a driver that can make images from a Dockerfile. Base images that are
// missing are pulled. output gets the build's own lines, as hostile as their makers.
type Builder interface {
	Build(ctx context.Context, b Build, output func(line string)) (Image, error)
}

// Change is a hint that a container changed. The list is the truth: a driver may
// lose, repeat or reorder changes.
type Change struct {
	Ref
	Action string // "start", "kill" (a signal sent through the engine), "die", "pause", "unpause", "oom", "destroy"
	Time   time.Time
}

// Object is anything at the engine that carries our instance label.
type Object struct {
	Kind      string    `json:"kind" doc:"container, volume, network, sandbox or image"`
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Workspace string    `json:"workspace,omitempty" doc:"Id from its label; empty for a spare sandbox"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Size      int64     `json:"size,omitempty" doc:"Bytes, where the engine tells"`
	InUse     bool      `json:"in_use" doc:"Running, or needed by an object that is"`
}

// Driver is a container engine.
type Driver interface {
	// Info asks the engine who it is; ErrUnreachable if it does not answer in time.
	Info(ctx context.Context) (Info, error)
	// EnsureImage makes ref present, pulling or making it where it is missing. report may be nil.
	EnsureImage(ctx context.Context, ref string, report func(Progress)) (Image, error)
	// Ensure makes the container, its volume and its network where they are missing. It does not start it.
	Ensure(ctx context.Context, c Container) (Status, error)
	// Start starts the container and what it needs; a running one is left alone.
	Start(ctx context.Context, r Ref) error
	// Stop asks the main process to end and kills it after grace (0: at once). A stopped
	// or missing one is left alone. It returns when the engine says that it does not run.
	Stop(ctx context.Context, r Ref, grace time.Duration) error
	Pause(ctx context.Context, r Ref) error
	Resume(ctx context.Context, r Ref) error
	// Update changes limits, live where it runs; it returns those that the engine discarded.
	Update(ctx context.Context, r Ref, l workspace.Limits) ([]string, error)
	// Remove removes every object of the workspace, of all generations, running or not.
	Remove(ctx context.Context, workspaceID string) error
	Inspect(ctx context.Context, r Ref) (Status, error)
	// List returns all workspace containers of this instance.
	List(ctx context.Context) ([]Status, error)
	// Logs yields output in order until it ends, ctx ends or yield returns an error.
	Logs(ctx context.Context, r Ref, o workspace.LogOptions, yield func(workspace.LogLine) error) error
	Exec(ctx context.Context, r Ref, e ExecSpec) (Process, error)
	// Dial connects to a TCP port inside the workspace. Where the way is known it works
	// while the engine is away.
	Dial(ctx context.Context, r Ref, port int) (net.Conn, error)
	// DialAgent connects to the agent of a running workspace (package agentapi). Where the
	// way is known it costs no request to the engine and works while that is away.
	DialAgent(ctx context.Context, r Ref) (net.Conn, error)
	// Stats takes one sample of a running or paused workspace; ErrNotRunning of any other.
	// What the engine cannot tell is absent, never zero.
	Stats(ctx context.Context, r Ref) (workspace.Usage, error)
	// Watch calls tell for every change until ctx or the stream ends. Changes after since
	// are replayed as far as the engine remembers. Connected is called once the stream stands.
	Watch(ctx context.Context, since time.Time, connected func(), tell func(Change)) error
	// Objects lists everything that carries our instance label; RemoveObject removes one.
	Objects(ctx context.Context) ([]Object, error)
	RemoveObject(ctx context.Context, o Object) error
	Close() error
}

// Warmer is a driver that keeps things ready ahead of their use.
type Warmer interface {
	// Warm keeps the ready things at their wanted count until ctx ends.
	Warm(ctx context.Context) error
	// Cool removes them. It is called when Warm has returned and nothing is being made.
	Cool(ctx context.Context) error
}

// Examiner is a driver that can tell, without asking an engine, that it would never make a
// container of a spec: so nothing is begun that cannot end well.
type Examiner interface {
	Examine(workspace.Spec) error
}
