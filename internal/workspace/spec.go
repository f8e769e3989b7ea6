package workspace

import (
	"maps"
	"slices"
)

// Spec is the resolved description of what runs: every default is filled in and
// every value valid, so that the same Spec always makes the same container.
type Spec struct {
	Template string            `json:"template,omitempty" doc:"Template it was made from; empty for a plain image"`
	Image    string            `json:"image" doc:"Image reference; wsd:NAME is an image that wsd makes itself"`
	Digest   string            `json:"digest,omitempty" doc:"Image id pinned at the first start"`
	Command  []string          `json:"command,omitempty" doc:"Main process; empty means what the image says"`
	Env      map[string]string `json:"env,omitempty"`
	Port     int               `json:"port" doc:"Port inside the workspace that the leased port leads to"`
	Ready    ReadyCheck        `json:"ready" doc:"When a start counts as done"`
	Profile  Profile           `json:"profile" doc:"How far the container is locked down"`
	Limits   Limits            `json:"limits"`
	Timeouts Timeouts          `json:"timeouts"`
	PreStop  []string          `json:"pre_stop,omitempty" doc:"Command run inside before a stop, with a budget"`
	Files    []File            `json:"files,omitempty" doc:"First content of /workspace; dropped once written"`
}

// Clone returns a deep copy.
func (s Spec) Clone() Spec {
	s.Command = slices.Clone(s.Command)
	s.Env = maps.Clone(s.Env)
	s.PreStop = slices.Clone(s.PreStop)
	s.Files = slices.Clone(s.Files)
	return s
}

// File is one file that a template puts into a new workspace.
type File struct {
	Path    string `json:"path" doc:"Relative to /workspace, slash separated, inside it"`
	Mode    uint32 `json:"mode,omitempty" doc:"Permission bits; 0 means 0644"`
	Content string `json:"content"`
}

// ReadyCheck says when a start counts as done.
type ReadyCheck string

// The ready checks.
const (
	ReadyPort    ReadyCheck = "port"    // a TCP connection to Spec.Port is accepted
	ReadyProcess ReadyCheck = "process" // the main process runs
)

// Profile is how far a container is locked down.
type Profile string

// The profiles (see docs/security.md).
const (
	// Strict: unprivileged uid of its own, no capabilities, read-only root.
	Strict Profile = "strict"
	// Writable: as Strict, with a writable root file system.
	Writable Profile = "writable"
	// Admin: root inside with the five capabilities that package managers need.
	Admin Profile = "admin"
)

// Limits bounds what a workspace may use.
type Limits struct {
	CPUs   float64 `json:"cpus" doc:"Cores; 0.01 to the host's count"`
	Memory int64   `json:"memory" doc:"Bytes, swap included; at least 16 MiB"`
	Pids   int64   `json:"pids" doc:"Processes and threads; 16 to 32768"`
}

// Timeouts bounds the phases of a workspace's life.
type Timeouts struct {
	Create     Duration `json:"create" doc:"Image, volume and container"`
	Initialize Duration `json:"initialize" doc:"First files until the ready check passes"`
	Start      Duration `json:"start" doc:"Start of the main process"`
	Stop       Duration `json:"stop" doc:"From SIGTERM to SIGKILL"`
	PreStop    Duration `json:"pre_stop" doc:"Budget of the pre-stop command"`
}
