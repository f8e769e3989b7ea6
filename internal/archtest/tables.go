package archtest

// Row says what one package may import of ours. Tests may import more.
type Row struct {
	Package string // without internal/
	May     []string
	Why     string
}

// anything stands for every package of ours.
const anything = "*"

// Imports is the table of docs/architecture.md. Calls go down, facts come up.
var Imports = []Row{
	{"fault", nil, "the error that every layer shares knows none of them"},
	{"workspace", []string{"fault"}, "pure nouns and rules"},
	{"activity", nil, "one pure rule"},
	{"event", nil, "facts and the bus; any layer may use it"},
	{"template", []string{"fault", "workspace", "activity"}, "data in, a Spec out; running hours are checked where they are written"},
	{"template/devcontainer", []string{"fault", "workspace"}, "the same for devcontainer.json"},
	{"api", []string{"fault", "workspace", "activity", "event"}, "the contract of wsctl and wsd, told in the nouns themselves"},
	{"agentapi", nil, "the contract of wsd and the agent"},
	{"await", nil, "one goroutine waits for many sockets; knows nothing of what they are for"},
	{"agentlink", []string{"agentapi", "await", "runtime", "workspace", "fault"}, "wsd's side of that contract: a connection in, processes and files out"},
	{"store", []string{"fault", "workspace", "activity", "event"}, "typed rows; no rules, nobody above it"},
	{"runtime", []string{"fault", "workspace"}, "the contract of container engines"},
	{"runtime/docker", []string{"fault", "workspace", "runtime"}, "a driver knows the contract, not its callers"},
	{"runtime/memory", []string{"fault", "workspace", "runtime"}, "a driver knows the contract, not its callers"},
	{"runtime/runtimetest", []string{"runtime", "workspace"}, "the suite sees what a caller of the contract sees"},
	{"host", []string{"fault", "workspace"}, "asks the kernel, decides nothing"},
	{"snapshot", []string{"fault"}, "archives by content"},
	{
		"engine",
		[]string{"fault", "workspace", "activity", "event", "template", "store", "runtime", "host", "snapshot", "agentapi", "agentlink", "await", "api", "template/devcontainer"},
		"the only writer; it answers in the words of api, because a second set of structs would only be copied",
	},
	{"uploads", []string{"fault"}, "archives in a folder; knows nothing of what they are for"},
	{"durable", nil, "files that survive a power cut"},
	{"auth", []string{"durable", "fault", "workspace"}, "who asks: it returns a workspace.Actor"},
	{"gateway", []string{"api", "event", "auth", "fault", "workspace", "activity", "intent", "runtime"}, "streams between sockets and the contract of an engine; each holds a lease of activity and tells it what it shows of a person"},
	{"intent", []string{"activity"}, "what a request says of a person, told as evidence; pure"},
	{"front", []string{"fault", "workspace", "activity", "event", "await", "intent", "preview", "api"}, "carries connections, decides nothing; tells what listens in the words of the API"},
	{"csp", nil, "text in, directives out; pure"},
	{"preview", []string{"api", "csp"}, "pages and their handlers"},
	{"previewcheck", []string{"api", "csp", "fault", "workspace"}, "asks as a browser does, from outside of the front door; knows neither that nor the engine"},
	{
		"server",
		[]string{"api", "fault", "workspace", "activity", "event", "auth", "runtime", "gateway"},
		"HTTP to calls, in the nouns of activity where it tells of sessions; exec is a stream, which the gateway carries to the contract of runtime, never to a driver",
	},
	{"metrics", []string{"event", "workspace"}, "collectors of numbers, nothing else"},
	{"agent", []string{"agentapi", "agent/applet", "agent/files", "agent/httpd", "agent/pid1", "agent/proc", "agent/serve", "agent/shell", "agent/sshd"}, "runs in every container: it must stay small and know nothing of wsd"},
	{"agent/applet", []string{"agentapi"}, "one small tool each"},
	{"agent/files", []string{"agentapi", "tree"}, "files of the workspace, for wsd"},
	{"agent/proc", []string{"agentapi"}, "starts and reaps every process"},
	{"agent/serve", []string{"agentapi", "agent/files", "agent/proc"}, "answers wsd"},
	{"agent/sshd", []string{"agentapi"}, "the server of one ssh connection, in a process of its own"},
	{"agent/httpd", []string{"agentapi"}, "one small tool"},
	{"agent/pid1", []string{"agentapi", "agent/proc", "agent/serve"}, "process 1"},
	{"agent/shell", []string{"agentapi", "agent/applet"}, "runs the applets without a process of their own"},
	{"client", []string{"api", "activity", "fault", "event", "workspace"}, "calls wsd; prints nothing"},
	{"render", []string{"api", "workspace", "activity", "event", "fault"}, "prints; calls nothing"},
	{"tui", []string{"api", "activity", "event", "fault", "workspace", "render", "tui/quiet"}, "one model, no I/O; it shows faults and what decides about a life"},
	{"tui/quiet", nil, "has to be initialised before the terminal library, so it imports nothing"},
	{"tree", nil, "archives of files, the same in the agent and in wsctl"},
	{"cli", []string{"tree", "api", "client", "config", "render", "tui", "fault", "workspace", "activity", "event"}, "the program wsctl: no package of the daemon"},
	{"config", []string{"fault", "workspace", "activity"}, "values in; wsctl links it too; the built-in policies are what those of a file differ from"},
	{"config/layered", []string{"fault", "config"}, "the struct, for the daemon"},
	{"daemon", []string{anything}, "the one place that knows every part of wsd"},
	{"wstest", []string{anything}, "a whole daemon inside a test"},
	{"e2e", nil, "tests alone"},
	{"archtest", nil, "reads text, not packages"},
	{"cmd/wsctl", []string{"cli"}, "only starts the program"},
	{"cmd/wsd", []string{"daemon", "agent"}, "only starts the program"},
	{"cmd/wsd-agent", []string{"agent"}, "only starts the program"},
	{"cli/gen", []string{"cli"}, "writes what is generated from the commands"},
	{"bench", []string{anything}, "a program that measures"},
	{"bench/emptycobra", nil, "the empty program that wsctl's start is compared with"},
	{"torture", []string{anything}, "a program that kills the daemon"},
}

// Library is a foreign module and the packages that may name it.
type Library struct {
	Prefix string
	In     []string
	Tests  bool // any test may name it as well
	Why    string
}

// Libraries have one home each, so that one of them can be changed in one folder.
var Libraries = []Library{
	{"github.com/docker/docker", []string{"runtime/docker", "bench", "torture"}, true, "engines are reached through runtime.Driver"},
	{"github.com/moby/", []string{"runtime/docker"}, true, "belongs to the engine's client"},
	{"go.etcd.io/bbolt", []string{"store"}, false, "one file, one owner"},
	{
		"github.com/spf13/cobra",
		[]string{"cli", "cli/gen", "cmd/wsd", "daemon", "bench/emptycobra"},
		false,
		"command lines: wsctl's in cli, the few of wsd beside the daemon that they start",
	},
	{"github.com/spf13/viper", []string{"config/layered"}, false, "settings become one struct, once; its start takes a tenth of a short command"},
	{"github.com/coder/websocket", []string{"gateway", "client", "agent", "previewcheck"}, true, "streams have two ends; a look at a preview opens a page's socket"},
	{"golang.org/x/net/html", []string{"preview", "previewcheck"}, false, "pages of workspaces are read by the two that must"},
	{"github.com/charmbracelet/bubbletea", []string{"tui", "render"}, false, "only what draws knows the terminal library"},
	{"github.com/charmbracelet/bubbles", []string{"tui", "render"}, false, "only what draws knows the terminal library"},
	{"github.com/charmbracelet/lipgloss", []string{"tui", "render"}, false, "only what draws knows the terminal library"},
	{"github.com/charmbracelet/x/ansi", []string{"tui"}, false, "only what draws knows the terminal library"},
	{"github.com/muesli/termenv", []string{"tui"}, false, "only what draws knows the terminal library"},
	{"github.com/danielgtaylor/huma", []string{"server"}, false, "HTTP is the server's business"},
	{"github.com/prometheus/", []string{"metrics"}, false, "collectors are in one place"},
	{"github.com/pelletier/go-toml", []string{"config", "template"}, false, "the two kinds of file that people write"},
	{"github.com/gliderlabs/ssh", []string{"agent/sshd"}, true, "one server of ssh"},
	{"github.com/pkg/sftp", []string{"agent/sshd"}, true, "one server of sftp"},
	{"github.com/fsnotify/fsnotify", []string{"agent/files"}, false, "watching is done inside the workspace"},
	{"github.com/tailscale/hujson", []string{"template/devcontainer"}, false, "JSON with comments is devcontainer.json"},
	{"mvdan.cc/sh", []string{"agent", "agent/shell"}, false, "no shell is run on behalf of wsd itself"},
}

// Clock says which packages may read the clock, wait, or begin a context of their
// own; all others are given the time and a context, so that tests can turn them.
type Clock struct {
	Package               string
	Now, Wait, Background bool
	Why                   string
}

// Clocks is who may. Test files are free.
var Clocks = []Clock{
	{"engine", true, true, false, "one reading a turn, one timer for the first deadline, time-outs of jobs"},
	{"store", false, true, false, "waits for the lock of a daemon that is going down"},
	{"runtime/docker", true, true, true, "network time-outs, ages of sandboxes; cleanup outlives the call that failed"},
	{"runtime/memory", true, true, false, "its containers take time, as real ones do"},
	{"runtime/runtimetest", true, true, true, "is a test in its own right"},
	{"gateway", true, true, false, "pings and silence of connections"},
	{"front", true, true, false, "pauses after a failed accept, deadlines of connections"},
	{"server", true, true, true, "deadlines of connections; how long a request took; binding a socket takes a context and never blocks"},
	{"daemon", true, true, true, "starts and ends everything; shutdown outlives the context that ended"},
	{"client", true, true, false, "retry, breaker, silence of a stream"},
	{"render", true, true, false, "progress shows elapsed time; ages in tables are relative"},
	{"cli", true, true, true, "waits for daemons and states; cleanup after Ctrl-C"},
	{"tui", true, true, false, "a dashboard redraws by the clock"},
	{"agent", true, true, true, "a program of its own: process 1, shell and tools"},
	{"agent/applet", true, true, true, "date, sleep and their like"},
	{"agent/files", true, true, true, "a program of its own"},
	{"tree", true, false, false, "what is unpacked was touched now"},
	{"agent/proc", true, true, true, "a program of its own"},
	{"agent/serve", true, true, true, "a program of its own"},
	{"agent/sshd", true, true, true, "a program of its own"},
	{"agentlink", true, true, false, "time-outs of calls"},
	{"agent/httpd", true, true, true, "a program of its own"},
	{"agent/pid1", true, true, true, "a program of its own"},
	{"agent/shell", true, true, true, "a program of its own"},
	{"wstest", true, true, true, "is part of tests"},
	{"archtest", false, false, false, "reads text"},
	{"cmd/wsctl", false, false, true, "main begins the context"},
	{"cmd/wsd", false, false, true, "main begins the context"},
	{"bench", true, true, true, "measures time"},
	{"torture", true, true, true, "chooses when to kill"},
}

// Budgets, in lines.
const (
	MaxFile     = 400
	MaxTestFile = 600
	MaxFunc     = 60
	// MaxTestFunc is larger because a table of cases is data, not steps.
	MaxTestFunc = 150
)

// Exception lets one subject break one rule.
type Exception struct {
	Rule    string
	Subject string // as in Violation.Subject
	Why     string
}

// Exceptions of this tree.
var Exceptions = []Exception{}
