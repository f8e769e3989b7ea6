// Package event holds committed facts in order and the bus that tells of them.
//
// A fact (Event) is a row that was written in the transaction that made it true:
// it is the audit log. Facts are numbered from 1 without gaps and chained by
// SHA-256, so that a removed or altered row is found. A Signal is transient
// (progress of a pull, say): it has no number, is never stored, and may be lost.
package event

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Kind is what happened, as noun.verb.
type Kind string

// The kinds of facts.
const (
	WorkspaceCreated   Kind = "workspace.created"
	WorkspaceState     Kind = "workspace.state"     // detail: from, to, trigger
	WorkspaceUpdated   Kind = "workspace.updated"   // name, labels, limits, or why it is thought to have stopped
	WorkspaceCondition Kind = "workspace.condition" // detail: type, status, reason
	WorkspaceDeleted   Kind = "workspace.deleted"
	CommandAccepted    Kind = "command.accepted" // detail: command
	CommandDenied      Kind = "command.denied"
	JobRetried         Kind = "job.retried"
	JobEnded           Kind = "job.ended" // detail: job, kind, state, code
	PortRemapped       Kind = "port.remapped"
	EngineLost         Kind = "engine.lost"
	EngineBack         Kind = "engine.back"
	DaemonStarted      Kind = "daemon.started"
	DaemonStopped      Kind = "daemon.stopped"
	SecretSet          Kind = "secret.set"     // detail: name
	SecretDeleted      Kind = "secret.deleted" // detail: name
	OrphanAdopted      Kind = "orphan.adopted"
	OrphanRemoved      Kind = "orphan.removed"
	ActivityLevel      Kind = "activity.level"    // detail: from, to, stop_at, cause
	ActivityWarning    Kind = "activity.warning"  // detail: stop_at, left, cause
	ActivityHold       Kind = "activity.hold"     // detail: hold, until, reason, session
	ActivityUnhold     Kind = "activity.unhold"   // detail: hold, why
	ActivityExtended   Kind = "activity.extended" // detail: for, stop_at
	SessionKicked      Kind = "session.kicked"    // detail: session, user, kind
)

// Event is one committed fact.
type Event struct {
	Seq       uint64            `json:"seq" doc:"Number of the fact, from 1, without gaps"`
	Time      time.Time         `json:"time"`
	Kind      Kind              `json:"kind"`
	Actor     string            `json:"actor" doc:"uid:NUMBER, or wsd"`
	Workspace string            `json:"workspace,omitempty" doc:"Id"`
	Name      string            `json:"name,omitempty" doc:"The workspace's name at the time"`
	Owner     string            `json:"owner,omitempty" doc:"Who owns the workspace or secret; beside admins only they are told"`
	Run       string            `json:"run,omitempty"`
	Result    string            `json:"result,omitempty" doc:"ok, denied or failed"`
	Detail    map[string]string `json:"detail,omitempty"`
	Prev      string            `json:"prev,omitempty" doc:"Hash of the fact before"`
	Hash      string            `json:"hash" doc:"SHA-256 over this fact with an empty hash"`
}

// Chain returns e numbered seq and linked to the fact whose hash is prev.
func (e Event) Chain(seq uint64, prev string) Event {
	e.Seq, e.Prev = seq, prev
	e.Hash = e.sum()
	return e
}

// Public reports whether facts of kind k tell of the daemon or the container engine
// and nothing of anybody's workspaces.
func (k Kind) Public() bool {
	return k == EngineLost || k == EngineBack || k == DaemonStarted || k == DaemonStopped
}

// Intact reports whether e's hash is right and links to prev.
func (e Event) Intact(prev string) bool { return e.Prev == prev && e.Hash == e.sum() }

func (e Event) sum() string {
	e.Hash = ""
	b, err := json.Marshal(e)
	if err != nil {
		panic("event: a struct of strings cannot fail to marshal: " + err.Error())
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// The kinds of signals.
const (
	Progress   = "progress"    // detail: stage, job, kind, and current and total or line
	PortOpened = "port.opened" // detail: port, address, process, label, url
	PortClosed = "port.closed" // the same
	// FileChanged has Files, while somebody looks; detail: more (that is not all, look at
	// everything) and partial (not all folders are watched), each "true" or absent.
	FileChanged = "file.changed"

	SessionOpened = "session.opened"   // detail: session, user, kind, sessions, and resumed where it came back
	SessionClosed = "session.closed"   // the same, without resumed
	StopMoved     = "activity.stop_at" // detail: level, stop_at, cause; levels that change are facts
)

// Signal is a transient fact: shown if somebody looks, else lost.
type Signal struct {
	Time      time.Time         `json:"time"`
	Kind      string            `json:"kind" doc:"progress, port.opened, port.closed, file.changed, session.opened, session.closed or activity.stop_at"`
	Workspace string            `json:"workspace"`
	Detail    map[string]string `json:"detail,omitempty"`
	Files     []ChangedFile     `json:"files,omitempty" doc:"With file.changed"`
}

// ChangedFile is one file or folder of a workspace that has changed.
type ChangedFile struct {
	Path    string `json:"path" doc:"Relative to the folder of the workspace"`
	Dir     bool   `json:"dir,omitempty"`
	Removed bool   `json:"removed,omitempty" doc:"Or moved away"`
}
