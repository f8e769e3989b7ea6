package workspace

import "github.com/wsctl/wsctl/internal/fault"

// State is where in its life a workspace is. Every other fact is a Condition.
type State string

// The states.
const (
	Creating     State = "creating"     // image, volume and container are being made
	Initializing State = "initializing" // its process is being started and is not ready yet
	Running      State = "running"
	Stopping     State = "stopping"
	Stopped      State = "stopped"
	Failed       State = "failed" // a job gave up, or its process crashed; Attention or Death says why
	Paused       State = "paused" // its processes are frozen and keep their memory
	Deleting     State = "deleting"
)

// Trigger is what moves a workspace from one state to another.
type Trigger string

// The triggers. The first group are commands, the second results, the third what
// was seen at the engine without having been asked for.
const (
	StartAsked  Trigger = "start_asked"
	StopAsked   Trigger = "stop_asked"
	DeleteAsked Trigger = "delete_asked"

	Provisioned Trigger = "provisioned" // the container exists
	BecameReady Trigger = "became_ready"
	GaveUp      Trigger = "gave_up" // a job used up its attempts
	HasStopped  Trigger = "has_stopped"

	SeenPaused  Trigger = "seen_paused"  // frozen, by a job or by hand
	SeenRunning Trigger = "seen_running" // thawed, or started by hand
	SeenExited  Trigger = "seen_exited"  // ended by itself with status 0, or stopped by hand
	SeenCrashed Trigger = "seen_crashed" // ended by itself in any other way
	SeenLost    Trigger = "seen_lost"    // its container is gone
)

// transitions is the whole lifecycle. A pair that is missing is not allowed.
var transitions = map[State]map[Trigger]State{
	Creating: {
		Provisioned: Initializing, GaveUp: Failed, StopAsked: Stopping, DeleteAsked: Deleting,
		HasStopped: Stopped, // made, but not to be started
	},
	Initializing: {
		BecameReady: Running, GaveUp: Failed, StopAsked: Stopping, DeleteAsked: Deleting,
		SeenExited: Stopped, SeenCrashed: Failed, SeenLost: Stopped, SeenPaused: Paused,
	},
	Running: {
		StopAsked: Stopping, DeleteAsked: Deleting,
		SeenPaused: Paused, SeenExited: Stopped, SeenCrashed: Failed, SeenLost: Stopped,
	},
	Paused: {
		StopAsked: Stopping, DeleteAsked: Deleting,
		SeenRunning: Running, SeenExited: Stopped, SeenCrashed: Failed, SeenLost: Stopped,
	},
	Stopping: {
		HasStopped: Stopped, GaveUp: Failed, DeleteAsked: Deleting,
	},
	Stopped: {
		StartAsked: Initializing, DeleteAsked: Deleting, SeenRunning: Running,
	},
	Failed: {
		StartAsked: Initializing, StopAsked: Stopping, DeleteAsked: Deleting, SeenRunning: Running,
	},
	Deleting: {
		GaveUp: Failed, DeleteAsked: Deleting,
	},
}

// On returns the state that follows s on t, or a Conflict that names both.
func (s State) On(t Trigger) (State, error) {
	if next, ok := transitions[s][t]; ok {
		return next, nil
	}
	return s, fault.New(fault.Conflict, "state", "a workspace that is %s cannot take %q", s, t)
}

// States returns every state in the order of a life.
func States() []State {
	return []State{Creating, Initializing, Running, Paused, Stopping, Stopped, Failed, Deleting}
}

// Triggers returns every trigger in the order of their declaration.
func Triggers() []Trigger {
	return []Trigger{
		StartAsked, StopAsked, DeleteAsked, Provisioned, BecameReady, GaveUp, HasStopped,
		SeenPaused, SeenRunning, SeenExited, SeenCrashed, SeenLost,
	}
}

// Valid reports whether s is a state.
func (s State) Valid() bool { _, ok := transitions[s]; return ok }

// Settled reports whether s lasts until a command or the engine changes it.
func (s State) Settled() bool {
	return s == Running || s == Paused || s == Stopped || s == Failed
}

// UnmarshalText refuses a word that is not a state.
func (s *State) UnmarshalText(b []byte) error {
	if v := State(b); v.Valid() {
		*s = v
		return nil
	}
	return fault.New(fault.Invalid, "state_unknown", "%.40q is not a state", b)
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s), nil }
