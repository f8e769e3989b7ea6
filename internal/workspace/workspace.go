// Package workspace holds the nouns and the lifecycle of a workspace: what it
// is, which states it has and which triggers move it between them, and which
// names, limits and specs are valid.
//
// It is pure: no I/O, no clock, no goroutines; functions that need the time take
// it. Its structs are the domain, the wire and the disk at once, pinned by
// golden JSON in testdata.
package workspace

import (
	"maps"
	"slices"
	"time"
)

// Workspace is one isolated environment: what was asked (Spec, Desired) and what
// was last seen (State, Conditions), kept apart.
type Workspace struct {
	ID         string            `json:"id" doc:"Immutable identifier, w followed by 12 lower-case base32 characters"`
	Name       string            `json:"name" doc:"Unique name on this daemon, a DNS label"`
	Owner      string            `json:"owner" doc:"Who created it, as uid:NUMBER"`
	Labels     map[string]string `json:"labels,omitempty"`
	Spec       Spec              `json:"spec"`
	State      State             `json:"state"`
	Desired    Desired           `json:"desired" doc:"What the last accepted command asked for"`
	Run        string            `json:"run,omitempty" doc:"Run id, new at every start; decisions are pinned to it"`
	Generation int               `json:"generation" doc:"Grows when the container has to be made anew"`
	Prepared   bool              `json:"prepared,omitempty" doc:"Hooks that run once have run"`
	Fetched    bool              `json:"fetched,omitempty" doc:"The files of its source are there"`
	Revision   uint64            `json:"revision" doc:"Grows with every committed change; the ETag"`
	Slot       int               `json:"slot" doc:"Leased number from which the container's uid is derived"`
	Port       int               `json:"port,omitempty" doc:"Leased port on 127.0.0.1"`
	Container  string            `json:"container,omitempty" doc:"The engine's id of the container"`
	Conditions []Condition       `json:"conditions,omitempty"`
	Stop       *Stop             `json:"stop,omitempty" doc:"Why it last stopped"`
	Death      *Death            `json:"death,omitempty" doc:"What the last exit left behind"`
	Job        string            `json:"job,omitempty" doc:"The open job, if any"`
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
	StartedAt  time.Time         `json:"started_at,omitzero" doc:"When the current or last run was asked for"`
	ReadyAt    time.Time         `json:"ready_at,omitzero" doc:"When the current or last run became ready"`
	StoppedAt  time.Time         `json:"stopped_at,omitzero"`
}

// Fetches tells whether the next start brings the files of its source. What is prepared was
// fetched, also by a version that did not record it.
func (w Workspace) Fetches() bool {
	s := w.Spec.Source
	return s != nil && s.Kind != SourceBind && !w.Fetched && !w.Prepared
}

// Clone returns a deep copy, so that a reader never shares maps with the writer.
func (w Workspace) Clone() Workspace {
	w.Labels = maps.Clone(w.Labels)
	w.Spec = w.Spec.Clone()
	w.Conditions = slices.Clone(w.Conditions)
	if w.Stop != nil {
		s := *w.Stop
		w.Stop = &s
	}
	if w.Death != nil {
		d := *w.Death
		d.Log = slices.Clone(d.Log)
		w.Death = &d
	}
	return w
}

// Desired is what the last accepted command asked for.
type Desired string

// The desired states.
const (
	WantRunning Desired = "running"
	WantStopped Desired = "stopped"
	WantPaused  Desired = "paused"
	WantDeleted Desired = "deleted"
)

// ConditionType names a fact beside the state.
type ConditionType string

// The conditions. Each is True, False or absent (unknown).
const (
	Ready         ConditionType = "Ready"         // the workspace answers as its template says it should
	PortBound     ConditionType = "PortBound"     // wsd holds the leased port
	OOMKilled     ConditionType = "OOMKilled"     // the kernel killed a process of it for memory
	ContainerLost ConditionType = "ContainerLost" // its container was removed by someone else
	Restored      ConditionType = "Restored"      // started again after an engine or machine restart
	LimitsSoft    ConditionType = "LimitsSoft"    // a limit that this engine discarded
	LimitsPending ConditionType = "LimitsPending" // new limits wait to be applied
	Attention     ConditionType = "Attention"     // the last job failed; the reason says why
	HookFailed    ConditionType = "HookFailed"    // a lifecycle command failed; what follows it did not run

	FilesLost        ConditionType = "FilesLost"        // its volume was removed by someone else; this run began with a new one
	NetworkLost      ConditionType = "NetworkLost"      // it runs, and its network was removed by someone else
	CrashLoop        ConditionType = "CrashLoop"        // its command keeps ending soon after its start
	AgentUnreachable ConditionType = "AgentUnreachable" // it runs, and its agent does not answer
	AgentOutdated    ConditionType = "AgentOutdated"    // its agent is older than wsd
	PolicyMissing    ConditionType = "PolicyMissing"    // its activity policy is not configured any more; the daemon's applies
)

// Condition is one fact with its time and reason. Time is when Status last changed.
type Condition struct {
	Type   ConditionType `json:"type"`
	Status bool          `json:"status"`
	Reason string        `json:"reason,omitempty" doc:"snake_case word"`
	Detail string        `json:"detail,omitempty" doc:"One sentence"`
	Time   time.Time     `json:"time"`
}

// Condition returns the condition of type t and whether it is known.
func (w *Workspace) Condition(t ConditionType) (Condition, bool) {
	for _, c := range w.Conditions {
		if c.Type == t {
			return c, true
		}
	}
	return Condition{}, false
}

// SetCondition records a fact; it reports whether status, reason or detail changed.
// Time moves only when Status changes. Conditions stay sorted by type.
func (w *Workspace) SetCondition(now time.Time, c Condition) bool {
	c.Time = now
	for i, old := range w.Conditions {
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status {
			c.Time = old.Time
		}
		w.Conditions[i] = c
		return old != c
	}
	w.Conditions = append(w.Conditions, c)
	slices.SortFunc(w.Conditions, func(a, b Condition) int {
		if a.Type < b.Type {
			return -1
		}
		return 1
	})
	return true
}

// DropCondition forgets a fact; it reports whether it was known.
func (w *Workspace) DropCondition(t ConditionType) bool {
	n := len(w.Conditions)
	w.Conditions = slices.DeleteFunc(w.Conditions, func(c Condition) bool { return c.Type == t })
	return len(w.Conditions) != n
}

// Stop says why a workspace stopped.
type Stop struct {
	Reason StopReason `json:"reason"`
	Detail string     `json:"detail,omitempty" doc:"One sentence"`
	Actor  string     `json:"actor,omitempty" doc:"Who asked, if somebody did"`
	Run    string     `json:"run,omitempty"`
	Time   time.Time  `json:"time"`
}

// StopReason is the class of a stop.
type StopReason string

// The stop reasons.
const (
	StoppedByUser    StopReason = "user"        // a command asked for it
	StoppedItself    StopReason = "exited"      // its main process ended with status 0
	StoppedByCrash   StopReason = "crashed"     // its main process ended with another status or a signal
	StoppedByOOM     StopReason = "oom"         // the kernel killed its main process for memory
	StoppedOutside   StopReason = "outside"     // stopped with the engine's own tools
	StoppedLost      StopReason = "lost"        // its container was removed with the engine's own tools
	StoppedInterrupt StopReason = "interrupted" // the engine or the machine went down
	StoppedFailed    StopReason = "failed"      // a start or a job failed
	StoppedIdle      StopReason = "idle"        // nobody used it for as long as its policy says
	StoppedLifetime  StopReason = "lifetime"    // no run may last longer
	StoppedHours     StopReason = "hours"       // nobody used it outside its running hours
)

// Death is the death certificate of a run.
type Death struct {
	Run        string    `json:"run,omitempty"`
	ExitCode   int       `json:"exit_code"`
	OOMKilled  bool      `json:"oom_killed"`
	PeakMemory int64     `json:"peak_memory,omitempty" doc:"Bytes; absent when the engine could not tell"`
	Log        []string  `json:"log,omitempty" doc:"Last lines of output, at most 50 of at most 512 bytes"`
	Time       time.Time `json:"time"`
}

// DeathLogLines and DeathLogBytes bound Death.Log.
const (
	DeathLogLines = 50
	DeathLogBytes = 512
)
