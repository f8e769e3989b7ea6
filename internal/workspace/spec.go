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

	Dir       string            `json:"dir,omitempty" doc:"Working folder of the command, hooks and shells; empty: /workspace, or what the image says"`
	User      string            `json:"user,omitempty" doc:"uid:gid, or a user name of the image; empty: a uid of its own"`
	Restart   Restart           `json:"restart,omitempty" doc:"What happens when the command ends: never (the workspace ends with it), on_failure, always"`
	RemoteEnv map[string]string `json:"remote_env,omitempty" doc:"Environment of hooks, exec, shells and ssh only"`
	Ports     []Port            `json:"ports,omitempty" doc:"Further ports that are worth naming"`
	Hooks     []Hook            `json:"hooks,omitempty" doc:"Lifecycle commands, in order"`
	Secrets   []SecretWant      `json:"secrets,omitempty"`
	Mounts    []Mount           `json:"mounts,omitempty"`
	Source    *Source           `json:"source,omitempty" doc:"Where the files of /workspace come from"`
	Build     *Build            `json:"build,omitempty" doc:"How the image is made where it is missing"`
	Health    []string          `json:"health,omitempty" doc:"Command that ends with 0 while the workspace is healthy"`
	IdleProbe []string          `json:"idle_probe,omitempty" doc:"Command that ends with another status than 0 while the workspace must not stop"`
	Policy    string            `json:"policy,omitempty" doc:"Activity policy; empty: the daemon's"`
	Hours     string            `json:"hours,omitempty" doc:"Running hours, such as Mon-Fri 08:00-19:00 Europe/Berlin, or always; empty: the policy's"`
	Notes     []Note            `json:"notes,omitempty" doc:"What of the request or devcontainer.json is not honoured, and why"`
	Wake      Wake              `json:"wake,omitempty" doc:"Whether a request at the front door starts it: on (default), off"`
}

// Restart says what happens when the command ends by itself.
type Restart string

// The restart policies; the empty one is RestartNever.
const (
	RestartNever     Restart = "never"
	RestartOnFailure Restart = "on_failure"
	RestartAlways    Restart = "always"
)

// Wake says whether a request at the front door starts a stopped workspace.
type Wake string

// The wake policies; the empty one is WakeOn.
const (
	WakeOn  Wake = "on"
	WakeOff Wake = "off"
)

// Port is one more port inside that people will want.
type Port struct {
	Port     int    `json:"port"`
	Label    string `json:"label,omitempty"`
	Protocol string `json:"protocol,omitempty" doc:"http (default), https or tcp"`
	OnOpen   string `json:"on_open,omitempty" doc:"notify (default), open, silent or ignore"`
}

// Phase is when a hook runs. The first three run once in the life of a workspace's
// files, post_start after each start, post_attach at each attach of a person.
type Phase string

// The phases, in their order.
const (
	OnCreate      Phase = "on_create"
	UpdateContent Phase = "update_content"
	PostCreate    Phase = "post_create"
	PostStart     Phase = "post_start"
	PostAttach    Phase = "post_attach"
)

// Phases returns every phase in order.
func Phases() []Phase { return []Phase{OnCreate, UpdateContent, PostCreate, PostStart, PostAttach} }

// Hook is one lifecycle command. Hooks of one phase that share a Group run at the same
// time; groups run in order.
type Hook struct {
	Phase   Phase    `json:"phase"`
	Name    string   `json:"name,omitempty"`
	Command []string `json:"command"`
	Group   int      `json:"group,omitempty"`
	Timeout Duration `json:"timeout,omitempty" doc:"0: timeouts.initialize"`
	Await   bool     `json:"await,omitempty" doc:"The workspace is not ready before it has ended well; else it runs beside"`
}

// SecretWant names a secret that is given as the file /run/secrets/NAME.
type SecretWant struct {
	Name        string `json:"name"`
	Required    bool   `json:"required,omitempty" doc:"Without it the workspace does not start"`
	Description string `json:"description,omitempty"`
}

// Note is one thing that was asked for and is not, or not quite, done.
type Note struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Mount is one more folder of a workspace.
type Mount struct {
	Kind     string `json:"kind" doc:"bind, volume or tmpfs"`
	Source   string `json:"source,omitempty" doc:"bind: folder of the host; volume: name within the workspace"`
	Target   string `json:"target" doc:"Absolute path inside"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// The kinds of sources.
const (
	SourceBind   = "bind"
	SourceUpload = "upload"
	SourceGit    = "git"
)

// Source is where the files of /workspace come from.
type Source struct {
	Kind   string `json:"kind" doc:"bind (the folder itself), upload (a copy that wsctl sends) or git"`
	Path   string `json:"path,omitempty" doc:"bind: folder of the host"`
	URL    string `json:"url,omitempty" doc:"git"`
	Branch string `json:"branch,omitempty" doc:"git: branch, tag or pull-request ref"`
	Depth  int    `json:"depth,omitempty" doc:"git: commits; 0: all"`
	Digest string `json:"digest,omitempty" doc:"upload: sha256 of the archive"`

	SSHAgent   bool   `json:"ssh_agent,omitempty" doc:"git over ssh: whoever made it lends an ssh agent until the files are there; see /ssh-agent"`
	KnownHosts string `json:"known_hosts,omitempty" doc:"git over ssh: lines of a known_hosts that the server has to fit; empty: the key that it shows first is taken"`
}

// Build makes an image from a Dockerfile.
type Build struct {
	Context    string            `json:"context" doc:"sha256 of the tar archive that was uploaded"`
	Dockerfile string            `json:"dockerfile" doc:"Path inside the archive"`
	Target     string            `json:"target,omitempty"`
	Args       map[string]string `json:"args,omitempty"`
}

// Prepares reports whether something has to be done inside before the command may begin:
// files fetched, secrets given or hooks run.
func (s Spec) Prepares() bool {
	return len(s.Hooks) > 0 || len(s.Secrets) > 0 || s.Source != nil && s.Source.Kind != SourceBind
}

// Clone returns a deep copy.
func (s Spec) Clone() Spec {
	s.Command = slices.Clone(s.Command)
	s.Env = maps.Clone(s.Env)
	s.PreStop = slices.Clone(s.PreStop)
	s.Files = slices.Clone(s.Files)
	s.RemoteEnv = maps.Clone(s.RemoteEnv)
	s.Ports = slices.Clone(s.Ports)
	s.Hooks = slices.Clone(s.Hooks)
	for i, h := range s.Hooks {
		s.Hooks[i].Command = slices.Clone(h.Command)
	}
	s.Secrets = slices.Clone(s.Secrets)
	s.Mounts = slices.Clone(s.Mounts)
	if s.Source != nil {
		c := *s.Source
		s.Source = &c
	}
	if s.Build != nil {
		b := *s.Build
		b.Args = maps.Clone(b.Args)
		s.Build = &b
	}
	s.Notes = slices.Clone(s.Notes)
	s.Health = slices.Clone(s.Health)
	s.IdleProbe = slices.Clone(s.IdleProbe)
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
