package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// EnvPrefix begins every variable of the environment that this package reads.
const EnvPrefix = "WSD_"

// EnvFile names the file to read when no --config is given.
const EnvFile = EnvPrefix + "CONFIG"

// Key is one row of the table below: everything that is known about a setting.
type Key struct {
	Name  string // section.key, as in the file
	About string // one sentence for documents and help
	rule  rule
	get   func(*Config) string
}

// Of is the value of k in c, as a person would write it.
func (k Key) Of(c *Config) string { return k.get(c) }

// Env is the name of the variable that sets k: WSD_PORTS_FIRST for ports.first.
func (k Key) Env() string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(k.Name))
}

// Flag is the name of the flag that sets k, without dashes: ports-first for ports.first.
func (k Key) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(k.Name) }

// Allowed says which values k takes, as the end of "must be ...".
func (k Key) Allowed() string { return k.rule.allowed }

// Pointer is k as a JSON pointer (RFC 6901): /ports/first.
func (k Key) Pointer() string { return pointer(k.Name) }

func pointer(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1", ".", "/").Replace(name)
}

// Bounds that hold for more than one key.
const (
	minPort  = 1024 // below it root is needed, and well-known services live there
	maxPort  = 65535
	maxPorts = 1000 // width of the range; every leased port is a listening socket
	maxPhase = 24 * time.Hour
)

// Keys returns every setting in the order of the documents, but those of the policies
// that a file adds. cpus is the number of cores of the host, the upper end of defaults.cpus.
func Keys(cpus int) []Key {
	rows := append(placeKeys(), defaultsKeys(cpus)...)
	rows = append(rows, timeoutKeys()...)
	rows = append(rows, activityKeys(cpus)...)
	rows = append(rows, gatewayKeys()...)
	rows = append(rows, dockerKeys()...)
	return append(rows, workKeys()...)
}

func placeKeys() []Key {
	port := integer(minPort, maxPort)
	return []Key{
		{"socket", "Path of the API's unix socket.", socketPath(), func(c *Config) string { return c.Socket }},
		{"state_dir", "Folder of the store, its lock and the logs.", absolutePath(false), func(c *Config) string { return c.StateDir }},
		{
			"driver", "What runs the containers; memory only pretends, for trying things out.", oneOf("docker", "memory"),
			func(c *Config) string { return c.Driver },
		},
		{"templates", "Folder with templates of one's own; it need not exist.", absolutePath(true), func(c *Config) string { return c.Templates }},
		{
			"ports.first", "First port of the range that workspaces lease from.", port,
			func(c *Config) string { return strconv.Itoa(c.Ports.First) },
		},
		{
			"ports.last", "Last port of the range; at most 1000 ports in all.", port,
			func(c *Config) string { return strconv.Itoa(c.Ports.Last) },
		},
		{
			"front.address", "Where workspaces are served by name, as http://NAME.localhost:7070/.", loopback(),
			func(c *Config) string { return c.Front.Address },
		},
	}
}

func defaultsKeys(cpus int) []Key {
	return []Key{
		{
			"defaults.template", "Template of a workspace that names neither template nor image.", templateName(),
			func(c *Config) string { return c.Defaults.Template },
		},
		{
			"defaults.cpus", "Cores a workspace may use.", number(workspace.MinCPUs, float64(cpus)),
			func(c *Config) string { return formatNumber(c.Defaults.CPUs) },
		},
		{
			"defaults.memory", "Memory a workspace may use, swap included.", size(workspace.MinMemory, workspace.MaxMemory),
			func(c *Config) string { return c.Defaults.Memory },
		},
		{
			"defaults.pids", "Processes and threads a workspace may have.", integer(workspace.MinPids, workspace.MaxPids),
			func(c *Config) string { return strconv.FormatInt(c.Defaults.Pids, 10) },
		},
	}
}

func timeoutKeys() []Key {
	long, short := duration(time.Second, maxPhase), duration(time.Second, time.Hour)
	return []Key{
		{
			"timeouts.create", "Fetching the image and making volume and container.", long,
			func(c *Config) string { return shortDuration(c.Timeouts.Create) },
		},
		{
			"timeouts.initialize", "From the first files until the ready check passes.", long,
			func(c *Config) string { return shortDuration(c.Timeouts.Initialize) },
		},
		{
			"timeouts.start", "Start of the main process.", short,
			func(c *Config) string { return shortDuration(c.Timeouts.Start) },
		},
		{
			"timeouts.stop", "From SIGTERM to SIGKILL.", short,
			func(c *Config) string { return shortDuration(c.Timeouts.Stop) },
		},
		{
			"timeouts.pre_stop", "Budget of the pre-stop command.", short,
			func(c *Config) string { return shortDuration(c.Timeouts.PreStop) },
		},
	}
}

func dockerKeys() []Key {
	return []Key{
		{
			"docker.host", "Socket of the Docker Engine; empty means DOCKER_HOST, else /var/run/docker.sock.", unixURL(),
			func(c *Config) string { return c.Docker.Host },
		},
		{
			"docker.subnets", "Range from which each workspace gets a network of 16 addresses.", privatePrefix(),
			func(c *Config) string { return c.Docker.Subnets },
		},
		{
			"docker.spare", "Networks made ahead of use, so that a create is fast.", integer(0, 64),
			func(c *Config) string { return strconv.Itoa(c.Docker.Spare) },
		},
		{
			"docker.keep", "Networks kept for recently stopped workspaces, so that a start is fast.", integer(0, 1024),
			func(c *Config) string { return strconv.Itoa(c.Docker.Keep) },
		},
	}
}

func workKeys() []Key {
	return []Key{
		{
			"jobs.workers", "Engine work done at a time; 0 means twice the cores.", integer(0, 256),
			func(c *Config) string { return strconv.Itoa(c.Jobs.Workers) },
		},
		{
			"jobs.attempts", "Attempts before a job counts as failed.", integer(1, 100),
			func(c *Config) string { return strconv.Itoa(c.Jobs.Attempts) },
		},
		{
			"jobs.backoff", "Delay before the second attempt; doubled each time, with full jitter.", duration(time.Millisecond, time.Hour),
			func(c *Config) string { return shortDuration(c.Jobs.Backoff) },
		},
		{
			"jobs.max_backoff", "The delay grows no further than this.", duration(time.Millisecond, maxPhase),
			func(c *Config) string { return shortDuration(c.Jobs.MaxDelay) },
		},
		{
			"log.level", "Least important messages that are logged.", oneOf("debug", "info", "warn", "error"),
			func(c *Config) string { return c.Log.Level },
		},
		{"log.format", "Form of the log.", oneOf("text", "json"), func(c *Config) string { return c.Log.Format }},
	}
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// shortDuration writes 10m instead of 10m0s.
func shortDuration(d workspace.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
