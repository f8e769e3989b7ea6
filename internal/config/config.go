// Package config is the table of all settings: what each is called, which values
// it takes, what holds by default. Read finds every value in flags, environment,
// file or defaults, checks all of them at once and tells where each came from.
//
// Precedence: flag > environment (WSD_SECTION_KEY) > file > default. Unknown keys
// in the file are an error that names the key. It reads files and the environment
// only inside Read; everything after that is plain data.
//
// The struct Config is filled by package layered, for the daemon. wsctl needs two
// texts, many times a minute, so nothing here may link a library that takes long
// to initialize.
package config

import "github.com/wsctl/wsctl/internal/workspace"

// Config is everything that can be set. Field tags name the key in the file.
type Config struct {
	Socket   string   `mapstructure:"socket"`    // path of the API's unix socket
	StateDir string   `mapstructure:"state_dir"` // store, lock, logs, agent
	Driver   string   `mapstructure:"driver"`    // docker, or memory (for trying things out)
	Ports    Ports    `mapstructure:"ports"`
	Front    Front    `mapstructure:"front"`
	Defaults Defaults `mapstructure:"defaults"`
	Timeouts Timeouts `mapstructure:"timeouts"`
	Docker   Docker   `mapstructure:"docker"`
	Jobs     Jobs     `mapstructure:"jobs"`
	Activity Activity `mapstructure:"activity"`
	Gateway  Gateway  `mapstructure:"gateway"`
	Log      Log      `mapstructure:"log"`
	// Templates is a folder of template files of one's own.
	Templates string `mapstructure:"templates"`
}

// Ports is the range of leased ports, both ends included.
type Ports struct {
	First int `mapstructure:"first"`
	Last  int `mapstructure:"last"`
}

// Front is the front door.
type Front struct {
	Address string `mapstructure:"address"` // where NAME.localhost is served; off: nowhere
}

// Defaults fill what a create leaves open.
type Defaults struct {
	Template string  `mapstructure:"template"`
	CPUs     float64 `mapstructure:"cpus"`
	Memory   string  `mapstructure:"memory"` // size with a unit
	Pids     int64   `mapstructure:"pids"`
}

// Timeouts bound the phases of a workspace's life.
type Timeouts struct {
	Create     workspace.Duration `mapstructure:"create"`
	Initialize workspace.Duration `mapstructure:"initialize"`
	Start      workspace.Duration `mapstructure:"start"`
	Stop       workspace.Duration `mapstructure:"stop"`
	PreStop    workspace.Duration `mapstructure:"pre_stop"`
}

// Docker is how the Docker Engine is reached and used.
type Docker struct {
	Host    string `mapstructure:"host"`    // unix:///path; empty: DOCKER_HOST, else the default socket
	Subnets string `mapstructure:"subnets"` // IPv4 prefix from which each workspace gets a /28
	Spare   int    `mapstructure:"spare"`   // sandboxes kept ready ahead of use
	Keep    int    `mapstructure:"keep"`    // sandboxes kept running for recently stopped workspaces
}

// Jobs bound slow work.
type Jobs struct {
	Workers  int                `mapstructure:"workers"` // engine work at a time; 0: twice the cores
	Attempts int                `mapstructure:"attempts"`
	Backoff  workspace.Duration `mapstructure:"backoff"`     // first delay; doubled each time, full jitter
	MaxDelay workspace.Duration `mapstructure:"max_backoff"` // the delay grows no further
}

// Log is how the daemon logs.
type Log struct {
	Level  string `mapstructure:"level"`  // debug, info, warn, error
	Format string `mapstructure:"format"` // text or json
}
