package activity

import "time"

// ClientKind is what a connection is for.
type ClientKind string

// The kinds of connections.
const (
	Gateway  ClientKind = "gateway"  // a client of rooms
	Terminal ClientKind = "terminal" // attached to a terminal
	Exec     ClientKind = "exec"     // a command and its streams
	SSH      ClientKind = "ssh"
	Logs     ClientKind = "logs" // follows the output
	HTTP     ClientKind = "http" // requests at the front door, one session a client
	TCP      ClientKind = "tcp"  // a connection at a leased port, or a forwarded one
)

// LeaseLife is how long a lease lives without a byte or a pong, whatever the socket says.
// Half-open connections end by it.
const LeaseLife = 30 * time.Second

// Visitor is who asks for a lease.
type Visitor struct {
	Kind   ClientKind
	Peer   string // where from, for people: "unix", "127.0.0.1:51234"
	Resume string // id of a session that was lost: within the grace it goes on with its counters
	// Vouched says that the holder itself notices the end of its connection, so that a
	// silent lease lives on until Close.
	Vouched bool
}

// Session is one connection as people are shown it.
type Session struct {
	ID        string     `json:"id"`
	Workspace string     `json:"workspace"`
	User      string     `json:"user"`
	Kind      ClientKind `json:"kind" doc:"gateway, terminal, exec, ssh, logs, http or tcp"`
	Peer      string     `json:"peer,omitempty"`
	Since     time.Time  `json:"since"`
	LastByte  time.Time  `json:"last_byte" doc:"When anything came from it"`
	LastInput time.Time  `json:"last_input,omitzero" doc:"When it last showed a person"`
	Inputs    uint64     `json:"inputs" doc:"How often it did"`
	Quality   Quality    `json:"quality" doc:"stable, unstable or poor"`
	SRTT      float64    `json:"srtt_ms,omitempty" doc:"Smoothed round trip in milliseconds, where it is measured"`
	Resumes   int        `json:"resumes,omitempty" doc:"How often it came back within the grace"`
	Lost      time.Time  `json:"lost,omitzero" doc:"Since when it is gone: it may come back within the grace"`
}

// Lease is a session as its connection holds it. Every method is cheap, safe for
// concurrent use and may be called after Close, when it does nothing.
type Lease interface {
	ID() string
	// Engage tells of something that a person did. It may be called for each keystroke.
	Engage(kind Evidence, what string)
	Alive()                       // a byte or an answer came
	Trip(d time.Duration) Quality // a round trip was measured; it counts as Alive
	Missed() Quality              // an answer did not come in time
	Grace() time.Duration         // for so long after Close its session may be resumed, by the policy as it is now
	Kicked() <-chan struct{}      // closed when the connection has to end: it was kicked, or its lease died
	Close()
}
