package api

import (
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

// SessionList is the answer to GET /v1/sessions and GET /v1/workspaces/{ref}/sessions.
// DELETE /v1/workspaces/{ref}/sessions/{id} ends one.
type SessionList struct {
	Sessions []activity.Session `json:"sessions"`
}

// Why is the answer to GET /v1/workspaces/{ref}/why: all that decides about the life of a
// workspace. Asking changes nothing.
type Why struct {
	Now       time.Time           `json:"now" doc:"wsd's clock, to which the other times are to be compared"`
	Workspace workspace.Workspace `json:"workspace"`
	Policy    Policy              `json:"policy" doc:"As it applies, ceilings included"`
	Level     activity.Level      `json:"level,omitempty" doc:"active, idle, background or disconnected; absent while it does not run"`
	StopAt    time.Time           `json:"stop_at,omitzero" doc:"When it will stop if nothing happens; absent: never"`
	Cause     activity.Cause      `json:"cause,omitempty" doc:"The fact that stop_at follows from"`
	Facts     activity.Facts      `json:"facts"`
	Sessions  []activity.Session  `json:"sessions"`
	Holds     []activity.Hold     `json:"holds"`
	Ledger    activity.Ledger     `json:"ledger" doc:"Newest evidence, oldest first"`
	Next      []Transition        `json:"next" doc:"What will happen if nothing does, in order of time"`
	Step      activity.Step       `json:"step,omitempty" doc:"throttled or paused, by the ladder"`
}

// Transition is one thing that will happen to a workspace.
type Transition struct {
	At   time.Time `json:"at"`
	What string    `json:"what" doc:"idle, background, disconnected, throttle, pause, warning, hold_ends or stop"`
	Why  string    `json:"why" doc:"One sentence"`
}

// HoldRequest is the body of POST /v1/workspaces/{ref}/holds, answered with 201 and the
// activity.Hold. DELETE /v1/workspaces/{ref}/holds/{id} ends it.
type HoldRequest struct {
	For     workspace.Duration `json:"for,omitempty" doc:"How long; 0: the daemon's ceiling"`
	Reason  string             `json:"reason,omitempty" doc:"At most 200 characters"`
	Session string             `json:"session,omitempty" doc:"It ends with this session"`
}

// Extend is the body of POST /v1/workspaces/{ref}/extend, answered with Why: somebody
// says that they still use it, which is engagement, and with For that it shall run at
// least so much longer, which is a hold.
type Extend struct {
	For workspace.Duration `json:"for,omitempty"`
}

// Activity is how a running workspace is used, as an answer about the workspace tells it
// beside the rest. It is as of the last written record, which may lag by a twentieth of
// the time to the stop: so an unchanged answer stays unchanged while somebody types.
type Activity struct {
	Level     activity.Level   `json:"level" doc:"active, idle, background or disconnected"`
	StopAt    time.Time        `json:"stop_at,omitzero" doc:"When it will stop if nothing happens; absent: never"`
	Cause     activity.Cause   `json:"cause,omitempty" doc:"The fact that stop_at follows from"`
	Sessions  int              `json:"sessions" doc:"Connections now"`
	HeldUntil time.Time        `json:"held_until,omitzero" doc:"End of the latest hold"`
	Quality   activity.Quality `json:"quality,omitempty" doc:"Of the worst connection now; absent without one"`
	Step      activity.Step    `json:"step,omitempty" doc:"throttled or paused, by the ladder"`
}

// Live is a workspace as reads answer it. Revision tells nothing of Activity: a change of
// how it is used is no change of what it is. The ETag covers both.
type Live struct {
	workspace.Workspace
	Activity *Activity `json:"activity,omitempty" doc:"Absent while it does not run"`
}

// LiveList is the answer to GET /v1/workspaces; WorkspaceList is the part of it that most
// readers want.
type LiveList struct {
	Workspaces []Live `json:"workspaces"`
	Stale      bool   `json:"stale" doc:"The engine cannot be reached; states are the last known"`
	Next       string `json:"next,omitempty" doc:"Cursor of the next page"`
}

// With returns b with how its workspace is used; nil: it does not run.
func (b Brief) With(a *Activity) Brief {
	if a != nil {
		b.Level, b.StopAt, b.Sessions = a.Level, a.StopAt, a.Sessions
	}
	return b
}

// PolicyList is the answer to GET /v1/policies: what a workspace may have.
type PolicyList struct {
	Default  string   `json:"default" doc:"Of a workspace that names none"`
	Policies []Policy `json:"policies" doc:"As they apply, ceilings included"`
}

// Policy is an activity.Policy.
type Policy struct {
	Name        string             `json:"name"`
	Active      workspace.Duration `json:"active" doc:"Used within: its level is active"`
	Idle        workspace.Duration `json:"idle" doc:"Used within: its level is idle; how long after its last use it runs on while nobody is connected"`
	Background  workspace.Duration `json:"background" doc:"The same while somebody is connected"`
	Grace       workspace.Duration `json:"grace" doc:"How long nothing changes after the last connection has ended"`
	WorkTail    workspace.Duration `json:"work_tail" doc:"How long after the last work it runs on"`
	WorkCap     workspace.Duration `json:"work_cap" doc:"How long after its last use work may count"`
	MaxLifetime workspace.Duration `json:"max_lifetime,omitempty" doc:"Of one run; absent: no end"`
	Hours       activity.Hours     `json:"hours,omitzero" doc:"Outside them it stops once nobody has used it for idle; absent: always"`
	Eager       bool               `json:"eager,omitempty" doc:"While nobody is connected it has the grace alone, unless work runs"`
	Never       bool               `json:"never,omitempty" doc:"It never stops by itself"`
}

// PolicyOf is p for the outside.
func PolicyOf(p activity.Policy) Policy {
	return Policy{
		Name: p.Name, Active: workspace.Duration(p.Active), Idle: workspace.Duration(p.Idle),
		Background: workspace.Duration(p.Background), Grace: workspace.Duration(p.Grace),
		WorkTail: workspace.Duration(p.WorkTail), WorkCap: workspace.Duration(p.WorkCap),
		MaxLifetime: workspace.Duration(p.MaxLifetime), Hours: p.Hours, Eager: p.Eager, Never: p.Never,
	}
}
