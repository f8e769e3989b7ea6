// Package api is the contract between wsctl and wsd: paths, requests, responses,
// the problem body and the messages of the watch and exec streams.
//
// Structs here are only what the nouns do not say themselves; a Workspace, Job or
// Event on the wire is the very struct of the domain. Times are RFC 3339 in UTC
// with nanoseconds, durations are strings with a unit, sizes are bytes.
package api

import (
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Version is the version of the contract, sent as Wsd-Api by both sides. A server
// answers every older minor version; a client warns about a newer major one.
const Version = "1.0"

// Header names beyond the standard ones.
const (
	HeaderVersion        = "Wsd-Api"
	HeaderRequestID      = "Wsd-Request-Id"
	HeaderIdempotencyKey = "Idempotency-Key"
	HeaderStale          = "Wsd-Stale" // "true": the engine cannot be reached, the answer is the last known
)

// Problem is the body of every error (RFC 9457), Content-Type application/problem+json.
type Problem struct {
	Type      string        `json:"type" doc:"https://wsctl.dev/errors/CODE"`
	Title     string        `json:"title" doc:"Text of the HTTP status"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail" doc:"One sentence for people"`
	Code      string        `json:"code" doc:"Stable word for scripts"`
	Kind      fault.Kind    `json:"kind" doc:"Class of the error, which fixes wsctl's exit status"`
	Hint      string        `json:"hint,omitempty" doc:"What to do next"`
	Retryable bool          `json:"retryable"`
	RequestID string        `json:"request_id,omitempty"`
	Errors    []fault.Field `json:"errors,omitempty"`
}

// Create asks for a workspace. Exactly one of Template and Image is set; with
// neither, the template "static" is used.
type Create struct {
	Name     string            `json:"name,omitempty" doc:"DNS label; made up when empty"`
	Template string            `json:"template,omitempty"`
	Params   map[string]string `json:"params,omitempty" doc:"Parameters of the template"`
	Image    string            `json:"image,omitempty"`
	Command  []string          `json:"command,omitempty" doc:"Main process instead of the image's or the template's"`
	Env      map[string]string `json:"env,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Port     int               `json:"port,omitempty" doc:"Port inside that the leased port leads to"`
	HostPort int               `json:"host_port,omitempty" doc:"This leased port or an error; 0: any free one of the range"`
	Profile  workspace.Profile `json:"profile,omitempty"`
	Policy   string            `json:"policy,omitempty" doc:"Activity policy instead of the template's; see GET /v1/policies"`
	Hours    string            `json:"hours,omitempty" doc:"Running hours instead of the template's: Mon-Fri 08:00-19:00 Europe/Berlin, or always"`
	Limits   PartialLimits     `json:"limits,omitzero"`
	Stopped  bool              `json:"stopped,omitempty" doc:"Make it, but do not start it"`
	DryRun   bool              `json:"dry_run,omitempty" doc:"Validate and answer with what would be made; change nothing"`
	CreateSource
}

// PartialLimits are limits of which unset ones keep their default or present value.
type PartialLimits struct {
	CPUs   *float64 `json:"cpus,omitempty"`
	Memory *int64   `json:"memory,omitempty" doc:"Bytes"`
	Pids   *int64   `json:"pids,omitempty"`
}

// Update changes a workspace in place. Absent members stay as they are.
type Update struct {
	Name   *string            `json:"name,omitempty"`
	Labels map[string]*string `json:"labels,omitempty" doc:"null removes a label"`
	Limits *PartialLimits     `json:"limits,omitempty"`
	Wake   *workspace.Wake    `json:"wake,omitempty"`
	Policy *string            `json:"policy,omitempty" doc:"Activity policy; empty: the daemon's"`
	Hours  *string            `json:"hours,omitempty" doc:"Running hours, or always; empty: the policy's"`
}

// Command names what POST /v1/workspaces/{id}/COMMAND does.
type Command string

// The commands.
const (
	Start   Command = "start"
	Stop    Command = "stop"
	Restart Command = "restart"
	Pause   Command = "pause"
	Resume  Command = "resume"
)

// Commands returns every command.
func Commands() []Command { return []Command{Start, Stop, Restart, Pause, Resume} }

// WorkspaceList is the answer to GET /v1/workspaces.
type WorkspaceList struct {
	Workspaces []workspace.Workspace `json:"workspaces"`
	Stale      bool                  `json:"stale" doc:"The engine cannot be reached; states are the last known"`
	Next       string                `json:"next,omitempty" doc:"Cursor of the next page"`
}

// Brief is the line of a list that people read: what a table shows, and a fifth of
// the size of the workspace.
type Brief struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Owner     string            `json:"owner"`
	Labels    map[string]string `json:"labels,omitempty"`
	State     workspace.State   `json:"state"`
	Desired   workspace.Desired `json:"desired"`
	Port      int               `json:"port,omitempty"`
	Template  string            `json:"template,omitempty"`
	Image     string            `json:"image,omitempty" doc:"Of a workspace without a template"`
	Reason    string            `json:"reason,omitempty" doc:"Why it needs attention, snake_case word"`
	Job       string            `json:"job,omitempty" doc:"The open job, if any"`
	CreatedAt time.Time         `json:"created_at"`
	Level     activity.Level    `json:"level,omitempty" doc:"How much it is used, while it runs"`
	StopAt    time.Time         `json:"stop_at,omitzero" doc:"When it will stop if nothing happens; absent: never"`
	Sessions  int               `json:"sessions,omitempty" doc:"Connections now"`
}

// BriefOf sums up w. It shares the labels.
func BriefOf(w workspace.Workspace) Brief {
	b := Brief{
		ID: w.ID, Name: w.Name, Owner: w.Owner, Labels: w.Labels, State: w.State, Desired: w.Desired, Port: w.Port,
		Template: w.Spec.Template, Job: w.Job, CreatedAt: w.CreatedAt,
	}
	if b.Template == "" {
		b.Image = w.Spec.Image
	}
	if c, ok := w.Condition(workspace.Attention); ok && c.Status {
		b.Reason = c.Reason
	}
	return b
}

// BriefList is the answer to GET /v1/brief.
type BriefList struct {
	Workspaces []Brief `json:"workspaces"`
	Stale      bool    `json:"stale" doc:"The engine cannot be reached; states are the last known"`
}

// Filter chooses workspaces in GET /v1/workspaces, GET /v1/brief and bulk commands.
type Filter struct {
	States []workspace.State
	Labels []workspace.Selector // all must match
	Owner  string
}

// JobList is the answer to GET /v1/jobs.
type JobList struct {
	Jobs []workspace.Job `json:"jobs"`
}

// JobStats is the answer to GET /v1/jobs/stats.
type JobStats struct {
	Kinds []workspace.JobStats `json:"kinds"`
}

// EventList is the answer to GET /v1/events.
type EventList struct {
	Events []event.Event `json:"events"`
	Next   uint64        `json:"next,omitempty" doc:"Pass as after= for the next page"`
}

// PortLease is one port of the range that is not free.
type PortLease struct {
	Port      int    `json:"port"`
	Workspace string `json:"workspace,omitempty" doc:"Id of the workspace that leases it"`
	Name      string `json:"name,omitempty"`
	State     string `json:"state" doc:"leased, or foreign: another program holds it"`
	Bound     bool   `json:"bound" doc:"wsd listens on it"`
	Holder    string `json:"holder,omitempty" doc:"The foreign program, if it can be seen"`
	Target    int    `json:"target,omitempty" doc:"Port inside the workspace"`
}

// PortList is the answer to GET /v1/ports.
type PortList struct {
	First  int         `json:"first"`
	Last   int         `json:"last"`
	Free   int         `json:"free"`
	Leases []PortLease `json:"leases"`
}

// Engine tells how the container engine is.
type Engine struct {
	Name      string    `json:"name"`
	Version   string    `json:"version,omitempty"`
	API       string    `json:"api,omitempty"`
	Reachable bool      `json:"reachable"`
	Since     time.Time `json:"since" doc:"When Reachable last changed"`
	Error     string    `json:"error,omitempty"`
}

// Status is the answer to GET /v1/status.
type Status struct {
	Version    string                  `json:"version"`
	API        string                  `json:"api"`
	PID        int                     `json:"pid"`
	UID        int                     `json:"uid"`
	Instance   string                  `json:"instance"`
	StartedAt  time.Time               `json:"started_at"`
	Socket     string                  `json:"socket"`
	StateDir   string                  `json:"state_dir"`
	Engine     Engine                  `json:"engine"`
	Workspaces map[workspace.State]int `json:"workspaces"`
	PortsFree  int                     `json:"ports_free"`
	Names      string                  `json:"names,omitempty" doc:"Address on which workspaces are served by name; empty: nowhere"`
	Seq        uint64                  `json:"seq" doc:"Number of the newest event"`
}

// Check is one finding of doctor, or of a look at a preview.
type Check struct {
	Name   string `json:"name"`
	Code   string `json:"code,omitempty" doc:"Stable word for what was found, of a preview's findings that are not ok"`
	Status string `json:"status" doc:"ok, warn or fail"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// Template is one template as GET /v1/templates shows it.
type Template struct {
	Name        string         `json:"name"`
	Title       string         `json:"title"`
	Description string         `json:"description,omitempty"`
	Source      string         `json:"source" doc:"builtin, or the file it was read from"`
	Offline     bool           `json:"offline" doc:"Needs no registry"`
	Params      []Param        `json:"params,omitempty"`
	Spec        workspace.Spec `json:"spec" doc:"With every parameter at its default"`
}

// Param is one parameter of a template.
type Param struct {
	Name        string   `json:"name"`
	Type        string   `json:"type" doc:"string, int or bool"`
	Default     string   `json:"default,omitempty"`
	Options     []string `json:"options,omitempty" doc:"The only values allowed"`
	Description string   `json:"description,omitempty"`
}

// TemplateList is the answer to GET /v1/templates.
type TemplateList struct {
	Templates []Template `json:"templates"`
}

// Doctor is the answer to GET /v1/doctor.
type Doctor struct {
	Checks []Check `json:"checks"`
}

// Leftover is one object that no workspace needs.
type Leftover struct {
	Kind      string    `json:"kind" doc:"container, volume, network or sandbox"`
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Workspace string    `json:"workspace,omitempty"`
	Size      int64     `json:"size,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Reason    string    `json:"reason" doc:"Why it is thought to be left over"`
	Ripe      bool      `json:"ripe" doc:"Past the grace in which it may still be claimed"`
	Removed   bool      `json:"removed"`
	Error     string    `json:"error,omitempty"`
}

// GC is the answer to POST /v1/gc.
type GC struct {
	DryRun    bool       `json:"dry_run"`
	Leftovers []Leftover `json:"leftovers"`
}

// Message is one line of GET /v1/watch (NDJSON). Types:
//
//	hello     Epoch, Seq: the newest fact
//	snapshot  Workspaces as of Seq; sent unless the client resumes with ?after=
//	event     Seq, Event, and the workspace as it is now (absent once deleted)
//	signal    Signal: may be lost
//	ping      nothing happened for 15 s
//	resync    the reader was too slow or asked for facts that are gone; the stream ends
type Message struct {
	Type       string                `json:"type"`
	Epoch      string                `json:"epoch,omitempty" doc:"Changes when numbering starts anew"`
	Seq        uint64                `json:"seq,omitempty"`
	Workspaces []workspace.Workspace `json:"workspaces,omitempty"`
	Event      *event.Event          `json:"event,omitempty"`
	Workspace  *workspace.Workspace  `json:"workspace,omitempty"`
	Signal     *event.Signal         `json:"signal,omitempty"`
}

// Exec over GET /v1/workspaces/{id}/exec is a WebSocket with subprotocol
// wsd.exec.v1. The first client message is a text ExecStart. After it, binary
// messages carry bytes behind one byte that names the stream; text messages are
// ExecControl. The server ends with an ExecControl of type exit or error and
// closes with 1000.
const (
	ExecProtocol = "wsd.exec.v1"
	StreamStdin  = 0
	StreamStdout = 1
	StreamStderr = 2
)

// ExecStart says what to run.
type ExecStart struct {
	Command []string          `json:"command"`
	Env     map[string]string `json:"env,omitempty"`
	Dir     string            `json:"dir,omitempty"`
	TTY     bool              `json:"tty,omitempty"`
	Stdin   bool              `json:"stdin,omitempty"`
	Cols    uint16            `json:"cols,omitempty"`
	Rows    uint16            `json:"rows,omitempty"`
}

// ExecControl is every other text message of exec. A client ignores a type that it does
// not know.
type ExecControl struct {
	Type    string   `json:"type" doc:"client: resize, eof, signal; server: exit, error, detached, session, notice"`
	Session string   `json:"session,omitempty" doc:"With session: pass it as resume to come back as the same"`
	Text    string   `json:"text,omitempty" doc:"With notice: a line for whoever looks"`
	Cols    uint16   `json:"cols,omitempty"`
	Rows    uint16   `json:"rows,omitempty"`
	Signal  string   `json:"signal,omitempty" doc:"INT, TERM, ..."`
	Code    int      `json:"code" doc:"Exit status, with exit"`
	Problem *Problem `json:"problem,omitempty"`
}
