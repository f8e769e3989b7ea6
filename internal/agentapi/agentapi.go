// Package agentapi is the contract between wsd and the agent, which is process 1 of
// every workspace container: paths, requests, reports and the frames of its streams.
//
// The agent serves HTTP/1.1 on the unix socket Socket. A request that asks for
// "Upgrade: wsd-frames" is answered 101 and carries frames (see Frame) in both
// directions from then on; "Upgrade: wsd-raw" carries plain bytes. The first frame of
// a client is always a Control frame that holds the JSON of what it asks for.
//
// wsd does not trust what an agent says: it bounds every read and uses no path or text
// of it unescaped. A newer wsd works with an older agent: members are only added, an
// unknown path is 404, and Hello tells what the agent can do.
package agentapi

import "time"

// Version is the version of this contract. An agent with a lower one still works; wsd
// says that a restart of the workspace brings the newer one.
const Version = 1

// Where the agent listens inside the workspace.
const (
	Dir    = "/run/wsd"
	Socket = Dir + "/agent.sock"
)

// Paths. A query is noted behind each.
const (
	PathHello     = "/v1/hello"     // GET: Hello
	PathReport    = "/v1/report"    // GET: Report; ?follow=1: one JSON Report a line, at once, after each change of ports, command, terminals or foreground jobs, and every TellEvery while something is used
	PathDial      = "/v1/dial"      // POST ?port=N, upgrade wsd-raw: bytes of a TCP connection to 127.0.0.1:N, else [::1]:N; 502 where it is refused
	PathExec      = "/v1/exec"      // POST, upgrade wsd-frames: first ExecStart
	PathTerminals = "/v1/terminals" // GET: []Terminal; POST ?name=N, upgrade wsd-frames: first TerminalStart; DELETE ?name=N: ends it
	PathTree      = "/v1/tree"      // GET ?path=P: a tar of P; PUT ?path=P: unpacks a tar into the folder P
	PathWatch     = "/v1/watch"     // GET ?path=P&ignore=NAME...: one JSON Changes a line: at once an empty one, then what changes below the folder P
	PathSSH       = "/v1/ssh"       // POST, upgrade wsd-raw: one line of JSON SSHStart, then an SSH connection of which the agent is the server
	PathAuth      = "/v1/auth"      // POST ?id=N, upgrade wsd-raw: once, the connection to a command's ssh agent that a Control auth told of
	PathBegin     = "/v1/begin"     // POST: starts the command of an agent that waits for that; later ones change nothing
	PathSecrets   = "/v1/secrets"   // PUT: JSON object of name to value in base64, replaces all files in SecretsDir
)

// The values of the header Upgrade.
const (
	UpgradeFrames = "wsd-frames"
	UpgradeRaw    = "wsd-raw"
)

// SecretsDir holds one file a secret, on a tmpfs.
const SecretsDir = "/run/secrets"

// TellEvery is how often a follower of reports is told that times of input or output have
// moved, or that cpu was used. It is not told of what it may find out by asking.
const TellEvery = 10 * time.Second

// Hello is the agent's answer to who it is.
type Hello struct {
	Version   int       `json:"version"`
	Build     string    `json:"build"`    // version of the program
	Features  []string  `json:"features"` // "exec", "terminals", "files", "ssh", "dial", "begin", "watch", "auth"
	StartedAt time.Time `json:"started_at"`
}

// Report is what the agent sees of its workspace.
type Report struct {
	Time      time.Time  `json:"time"`
	Command   Command    `json:"command"`
	Ports     []Port     `json:"ports"`          // in order of number
	Terminals []Terminal `json:"terminals"`      // in order of name
	Ttys      []Tty      `json:"ttys,omitempty"` // in order of number; those of Terminals too
	Execs     int        `json:"execs"`          // that run
	Processes int        `json:"processes"`      // without the agent
	CPU       float64    `json:"cpu"`            // seconds used by the whole workspace since its start
}

// Command is the main process that the agent supervises.
type Command struct {
	PID       int       `json:"pid,omitempty"` // 0: it does not run
	Restarts  int       `json:"restarts"`      // since the agent began
	CrashLoop bool      `json:"crash_loop"`    // it ended early several times in a row and waits for its next start
	Status    int       `json:"status"`        // of its last end
	EndedAt   time.Time `json:"ended_at,omitzero"`
	NextStart time.Time `json:"next_start,omitzero"`
	LastLines []string  `json:"last_lines,omitempty"` // its last output, with CrashLoop
}

// Port is a TCP port that something inside listens on.
type Port struct {
	Port    int    `json:"port"`
	Address string `json:"address"` // "127.0.0.1", "::", ...
	PID     int    `json:"pid,omitempty"`
	Process string `json:"process,omitempty"` // its command name
}

// Terminal is a named terminal that outlives who looks at it.
type Terminal struct {
	Name       string    `json:"name"`
	Command    []string  `json:"command"`
	PID        int       `json:"pid"`
	Cols       uint16    `json:"cols"`
	Rows       uint16    `json:"rows"`
	Viewers    int       `json:"viewers"` // attached, writers included
	Writers    int       `json:"writers"`
	CreatedAt  time.Time `json:"created_at"`
	LastInput  time.Time `json:"last_input,omitzero"`
	LastOutput time.Time `json:"last_output,omitzero"`
	Foreground string    `json:"foreground,omitempty"` // command name of its foreground job, where that is not the shell
}

// Tty is a pseudo-terminal on which something runs, whoever opened it: a Terminal, a
// connection of ssh, a pane of a terminal multiplexer. Its times are the kernel's, up to
// eight seconds old; zero is never.
type Tty struct {
	Name            string    `json:"name"`                 // "pts/3"
	Terminal        string    `json:"terminal,omitempty"`   // of Terminals, where it is one
	LastInput       time.Time `json:"last_input,omitzero"`  // when a program last read what was typed
	LastOutput      time.Time `json:"last_output,omitzero"` // when a program last wrote
	Foreground      string    `json:"foreground,omitempty"` // command name of its foreground job; "" for a shell that waits for a command
	ForegroundSince time.Time `json:"foreground_since,omitzero"`
	Interactive     bool      `json:"interactive"` // the foreground job waits for keys: it is blocked in a read, or takes each key as it comes
}

// MaxChanges bounds the paths of one Changes.
const MaxChanges = 500

// Changes is what has changed below a folder that is watched: what ends up the same is told
// once, after a short quiet, and half a second after it came at the latest.
type Changes struct {
	Changed []Change `json:"changed"`           // in order of path
	More    bool     `json:"more,omitempty"`    // that is not all: look at everything
	Partial bool     `json:"partial,omitempty"` // there are too many folders: not all are watched
}

// Change is one file or folder. A name that is not UTF-8 is told with U+FFFD in it.
type Change struct {
	Path    string `json:"path"` // relative to the folder that is watched; "." is that itself, which ends the watching
	Dir     bool   `json:"dir,omitempty"`
	Removed bool   `json:"removed,omitempty"` // or moved away
}

// Unwatched are the patterns (path.Match) of names that are not watched, besides those
// that are asked for: what tools fill by themselves, and what editors leave for a moment.
func Unwatched() []string {
	return []string{".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "*.swp", "*.swx", "*~", ".#*", "4913"}
}

// ExecStart asks for a command.
type ExecStart struct {
	Command []string `json:"command"`
	Env     []string `json:"env,omitempty"` // KEY=value, over the workspace's own
	Dir     string   `json:"dir,omitempty"` // "": the folder in which the main process was started
	TTY     bool     `json:"tty,omitempty"`
	Stdin   bool     `json:"stdin,omitempty"`
	Cols    uint16   `json:"cols,omitempty"`
	Rows    uint16   `json:"rows,omitempty"`
	Log     bool     `json:"log,omitempty"`   // its output goes into the log of the workspace too
	Auth    bool     `json:"auth,omitempty"`  // SSH_AUTH_SOCK names a socket that is there while the command runs; a Control auth tells of each connection to it
	Login   bool     `json:"login,omitempty"` // with an empty Command: the user's shell as a login shell
}

// TerminalStart attaches to a terminal and makes it where there is none.
type TerminalStart struct {
	ExecStart
	View   bool `json:"view,omitempty"`   // read only: input and sizes are ignored
	Attach bool `json:"attach,omitempty"` // only to one that is there: else the error no_terminal
	Detach bool `json:"detach,omitempty"` // detach everybody else
}

// Control is every other Control frame. Type is one of
//
//	client: resize (Cols, Rows), eof (no more input), signal (Signal: "INT", "TERM", ...)
//	server: started (PID), exit (Code), error (Error), auth (ID), detached (Error says why; the terminal lives on)
type Control struct {
	Type   string `json:"type"`
	Cols   uint16 `json:"cols,omitempty"`
	Rows   uint16 `json:"rows,omitempty"`
	Signal string `json:"signal,omitempty"`
	PID    int    `json:"pid,omitempty"`
	ID     uint64 `json:"id,omitempty"`
	Code   int    `json:"code"`
	Error  *Error `json:"error,omitempty"`
}

// Error is the body of every refusal, and the Error of a Control frame.
type Error struct {
	Code string `json:"code"` // stable word
	Text string `json:"text"` // one sentence
}

// SSHStart is the first line of PathSSH.
type SSHStart struct {
	HostKey []byte   `json:"host_key"` // PEM of the private key (OpenSSH format)
	Env     []string `json:"env,omitempty"`
}
