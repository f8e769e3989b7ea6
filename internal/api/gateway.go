package api

import (
	"encoding/json"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// GatewayProtocol is the subprotocol of the gateway, GET /v1/ws, a WebSocket: every message
// either way is one Frame as text. GET /v1/stream sends the same frames as server-sent
// events. docs/gateway.md is the whole contract.
const GatewayProtocol = "wsd.gateway.v1"

// Frame is one message of the gateway.
//
// A frame with a Seq is numbered: within one Epoch of one room the numbers are without
// gaps, and a client that comes back gets exactly those that it missed. A frame without
// one tells how something is now; a newer one takes its place.
type Frame struct {
	V         int             `json:"v"`
	Type      string          `json:"type"`
	Workspace string          `json:"workspace,omitempty" doc:"Id of the room's workspace, * for the room of all; a client may write a name"`
	Epoch     string          `json:"epoch,omitempty" doc:"Changes when the numbers begin anew"`
	Seq       uint64          `json:"seq,omitempty" doc:"Number within the room and epoch, from 1; of a snapshot: that of the frame before it"`
	Time      time.Time       `json:"time,omitzero" doc:"By wsd's clock"`
	Payload   json.RawMessage `json:"payload,omitempty"`
}

// AllRooms is the room of everything that its visitor may see. It is only observed.
const AllRooms = "*"

// The types of frames that clients send.
const (
	FrameHello       = "hello"       // Hello; from wsd it is the first one
	FrameJoin        = "join"        // Join
	FrameLeave       = "leave"       // leaves the room of the envelope
	FrameSubscribe   = "subscribe"   // Subscribe
	FramePing        = "ping"        // Ping: either side asks, the other answers pong
	FramePong        = "pong"        // Ping
	FrameInteraction = "interaction" // Interaction: a person did something
	FrameNavigation  = "navigation"  // Navigation: a person opened a page
	FrameFileChange  = "file-change" // FileChange: a person saved files; it is told to the room
	FrameVisibility  = "visibility"  // Visibility: whether somebody looks
	FrameCursor      = "cursor"      // Cursor: where somebody is; it is told to the room
	FrameSamples     = "samples"     // Samples: whose use the client wants to see from now on
)

// The types of frames that wsd sends beside those.
const (
	FrameJoined   = "joined"   // Joined: answers join
	FrameSnapshot = "snapshot" // Snapshot: the state from which the numbered frames go on
	FrameResync   = "resync"   // frames were lost: join again without since
	FrameLeft     = "left"     // Left: the connection is no longer in the room
	FrameError    = "error"    // FrameProblem: one frame of the client was refused
	FrameBye      = "bye"      // Bye: the connection ends

	// Numbered, of facts: Fact.
	FrameState   = "state"   // the workspace's state has changed; detail: from, to, trigger
	FrameUpdated = "updated" // its name, labels or limits
	FrameHealth  = "health"  // its condition Ready
	FrameDeleted = "deleted" // it is gone; left follows
	FrameJob     = "job"     // a job was retried or has ended
	FrameDaemon  = "daemon"  // wsd or the container engine went or came
	FrameWarning = "warning" // it will stop soon; detail: stop_at, left, cause
	FrameFact    = "fact"    // every other committed fact

	// Numbered, of signals: Signal.
	FramePortOpened    = "port-opened"
	FramePortClosed    = "port-closed"
	FrameSessionOpened = "session-opened" // of any kind: a terminal, ssh, another client of the gateway
	FrameSessionClosed = "session-closed"

	// Not numbered.
	FramePresence = "presence" // Presence
	FrameActivity = "activity" // Use: its level or the time of its stop has changed
	FrameProgress = "progress" // Signal: how far a job is
	FrameSample   = "sample"   // Sample: what a workspace uses, to those who asked with samples
)

// Relayed are the types that tools inside a workspace publish. The gateway passes their
// payload on as it is. BuildProgress is not numbered, the others are.
const (
	FrameBuildStarted  = "build-started"
	FrameBuildProgress = "build-progress"
	FrameBuildFinished = "build-finished"
	FrameBuildError    = "build-error"
	FrameCSSUpdate     = "css-update"
	FrameJSUpdate      = "js-update"
	FrameReload        = "reload"
	FrameConsole       = "console"
)

// Relayed returns every type that may be published from inside.
func Relayed() []string {
	return []string{
		FrameBuildStarted, FrameBuildProgress, FrameBuildFinished, FrameBuildError,
		FrameCSSUpdate, FrameJSUpdate, FrameReload, FrameConsole, FrameFileChange,
	}
}

// Close codes of the gateway beside those of RFC 6455.
const (
	CloseBadFrame = 4000 // what came is no frame: a defect of the client
	CloseIdle     = 4001 // no room was joined in time
	CloseSilent   = 4002 // pings were not answered
	CloseSlow     = 4008 // frames were not read in time: come back with since
	CloseRate     = 4029 // too many messages: come back after retry_after_ms
	CloseKicked   = 4403 // somebody ended the session: do not come back by yourself
)

// Hello is the first frame from wsd. A client may send one with Client.
type Hello struct {
	Client       string    `json:"client,omitempty" doc:"From a client: its name and version, for wsd's log"`
	Connection   string    `json:"connection,omitempty"`
	User         string    `json:"user,omitempty" doc:"Whom wsd takes the client for"`
	ServerTime   time.Time `json:"server_time,omitzero"`
	PingMS       int64     `json:"ping_ms,omitempty" doc:"How often wsd asks for a pong"`
	GraceMS      int64     `json:"grace_ms,omitempty" doc:"How long a lost session may be resumed where a workspace's policy is the daemon's own"`
	MessageBytes int       `json:"message_bytes,omitempty" doc:"Longest frame that a client may send"`
	PerSecond    int       `json:"per_second,omitempty" doc:"Frames a client may send in the long run"`
	Burst        int       `json:"burst,omitempty" doc:"Frames it may send at once"`
}

// Join enters the room of the envelope's workspace.
type Join struct {
	Since   uint64   `json:"since,omitempty" doc:"Seq of the last frame that the client has, with its epoch"`
	Epoch   string   `json:"epoch,omitempty"`
	Session string   `json:"session,omitempty" doc:"Session to be resumed, of an earlier joined"`
	Observe bool     `json:"observe,omitempty" doc:"Only look: no session, not shown to others, no evidence of use"`
	Types   []string `json:"types,omitempty" doc:"As subscribe"`
}

// Joined answers Join. Frames after Seq follow; with Recovered those after Since come first.
type Joined struct {
	Name      string `json:"name,omitempty" doc:"Name of the workspace"`
	Member    string `json:"member,omitempty" doc:"As whom others see this client; absent: it observes"`
	Session   string `json:"session,omitempty" doc:"Lease that keeps the workspace in use; pass it to the next join"`
	GraceMS   int64  `json:"grace_ms,omitempty" doc:"How long the session may be resumed after its connection is lost, and its member is shown on"`
	Seq       uint64 `json:"seq"`
	Recovered bool   `json:"recovered" doc:"The client missed nothing; else snapshot follows and replaces what it knew"`
}

// Snapshot is how a room is.
type Snapshot struct {
	Workspace  *Live  `json:"workspace,omitempty"`
	Workspaces []Live `json:"workspaces,omitempty" doc:"In the room of all"`
}

// Subscribe limits what is sent from a room; empty: everything. Frames that the protocol
// itself needs are sent always. Numbers then have gaps.
type Subscribe struct {
	Types []string `json:"types"`
}

// Ping carries T, which Pong repeats.
type Ping struct {
	T          int64     `json:"t"`
	ServerTime time.Time `json:"server_time,omitzero"`
}

// Interaction tells that a person did something.
type Interaction struct {
	What string `json:"what,omitempty" doc:"key, pointer, ...; at most 64 characters"`
}

// Navigation tells that a person opened a page.
type Navigation struct {
	Path string `json:"path,omitempty" doc:"At most 512 characters"`
}

// FileChange tells of files that have changed.
type FileChange struct {
	Paths     []string `json:"paths" doc:"At most 64, of 512 characters each"`
	Kind      string   `json:"kind,omitempty" doc:"saved, created, deleted or renamed"`
	Truncated bool     `json:"truncated,omitempty" doc:"There are more"`
	By        string   `json:"by,omitempty" doc:"Member that said so; set by wsd"`
}

// Visibility tells whether somebody can see the client and when they last did something.
type Visibility struct {
	Visible    bool  `json:"visible"`
	InputAgeMS int64 `json:"input_age_ms" doc:"Time since the last key or pointer event; negative: there was none"`
}

// Cursor tells where somebody is.
type Cursor struct {
	Member string `json:"member,omitempty" doc:"Set by wsd"`
	File   string `json:"file,omitempty" doc:"At most 256 characters"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Note   string `json:"note,omitempty" doc:"At most 64 characters"`
}

// Samples chooses the workspaces that are measured for this client, in place of those it
// chose before; none: nothing is. What does not exist or does not run is passed over, and
// measured once it does.
type Samples struct {
	Workspaces []string `json:"workspaces" doc:"Ids, at most 128; in the room of one workspace only its own"`
}

// Sample is what one workspace uses now.
type Sample struct {
	Workspace string          `json:"workspace" doc:"Id"`
	Usage     workspace.Usage `json:"usage"`
	Activity  *Activity       `json:"activity,omitempty" doc:"Absent while it does not run"`
}

// Presence tells who is in a room.
type Presence struct {
	Event   string   `json:"event" doc:"members, join, leave or update"`
	Member  *Member  `json:"member,omitempty" doc:"With join, leave and update"`
	Members []Member `json:"members,omitempty" doc:"With members: everybody, at most 64"`
	Others  int      `json:"others,omitempty" doc:"How many more there are"`
}

// Member is one client in a room, observers apart.
type Member struct {
	ID      string           `json:"id"`
	User    string           `json:"user"`
	Since   time.Time        `json:"since"`
	Visible bool             `json:"visible"`
	Quality activity.Quality `json:"quality" doc:"stable, unstable or poor"`
}

// Fact is a committed fact and its workspace as it is now.
type Fact struct {
	Event     event.Event          `json:"event"`
	Workspace *workspace.Workspace `json:"workspace,omitempty" doc:"Absent once deleted; revision tells which is newer"`
}

// Use is how a workspace is used now, and when it will stop if nothing happens.
type Use struct {
	Workspace string         `json:"workspace" doc:"Id"`
	Level     activity.Level `json:"level" doc:"active, idle, background or disconnected"`
	From      activity.Level `json:"from,omitempty" doc:"The level before, where it has changed"`
	StopAt    time.Time      `json:"stop_at,omitzero" doc:"Absent: never"`
	Cause     activity.Cause `json:"cause,omitempty" doc:"The fact that stop_at follows from"`
}

// Left tells why a room was left.
type Left struct {
	Reason string `json:"reason" doc:"asked, deleted, denied or kicked"`
}

// FrameProblem refuses one frame; the connection stands.
type FrameProblem struct {
	Code      string     `json:"code" doc:"Stable word"`
	Kind      fault.Kind `json:"kind" doc:"Class of the error"`
	Detail    string     `json:"detail"`
	Hint      string     `json:"hint,omitempty"`
	Retryable bool       `json:"retryable" doc:"The same may be allowed later"`
	Re        string     `json:"re,omitempty" doc:"Type of the refused frame"`
}

// Bye is the last frame of a connection.
type Bye struct {
	Code         int    `json:"code" doc:"Close code that follows"`
	Reason       string `json:"reason"`
	RetryAfterMS int64  `json:"retry_after_ms,omitempty" doc:"Come back no sooner; absent: see the close code"`
}
