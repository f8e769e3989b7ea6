package activity

import "time"

// Hold keeps a workspace running until it ends.
type Hold struct {
	ID        string    `json:"id"`
	Reason    string    `json:"reason,omitempty"`
	Actor     string    `json:"actor"`
	CreatedAt time.Time `json:"created_at"`
	Until     time.Time `json:"until"`
	Session   string    `json:"session,omitempty" doc:"It ends with this session, at Until at the latest"`
}

// Record is what is kept of the use of one workspace, across restarts of the daemon.
// Times of sessions are folded: see Facts.
type Record struct {
	Workspace string    `json:"workspace"`
	Run       string    `json:"run"`
	Facts     Facts     `json:"facts"`
	Level     Level     `json:"level"`
	StopAt    time.Time `json:"stop_at,omitzero"`
	Cause     Cause     `json:"cause,omitempty"`
	Holds     []Hold    `json:"holds,omitempty"`
	Ledger    Ledger    `json:"ledger,omitempty"`
	// Warned is the stop time that the last warning named, and WarnedLeft how long before it.
	Warned     time.Time     `json:"warned,omitzero"`
	WarnedLeft time.Duration `json:"warned_left,omitempty"`
	Step       Step          `json:"step,omitempty"`      // of the ladder
	Cores      float64       `json:"cores,omitempty"`     // that its container was given by the ladder; 0: its own
	Postponed  int           `json:"postponed,omitempty"` // stops that the idle probe has put off in a row
	Check      *Check        `json:"check,omitempty"`     // before the stop, if it has failed
}

// Check is the last look at a workspace before its stop, when it failed: then the stop
// waits.
type Check struct {
	Failures int       `json:"failures"`         // in a row
	Silent   int       `json:"silent,omitempty"` // those of them for which the container engine was there
	Error    string    `json:"error"`
	Again    time.Time `json:"again"`
}

// Step is how far a workspace has been taken down the ladder.
type Step string

// The steps.
const (
	Throttled Step = "throttled" // less cpu, since it is idle
	Paused    Step = "paused"    // frozen, since it is in the background
)
