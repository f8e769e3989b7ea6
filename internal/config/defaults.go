package config

import (
	"path/filepath"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// Default returns what holds where nothing is set. Root uses the folders of the
// system; everybody else those of the XDG Base Directory Specification, of which
// relative ones are ignored as it asks. home may be empty; paths that would need
// it then stay empty. cpus is the number of cores of the host.
func Default(uid int, home string, env func(string) (string, bool), cpus int) Config {
	c := Config{
		Driver:   "docker",
		Ports:    Ports{First: 8000, Last: 8100},
		Front:    Front{Address: "127.0.0.1:7070"},
		Defaults: Defaults{Template: "static", CPUs: min(2, float64(cpus)), Memory: "2GiB", Pids: 512},
		Timeouts: Timeouts{
			Create:     minutes(10),
			Initialize: minutes(2),
			Start:      minutes(1),
			Stop:       workspace.Duration(10 * time.Second),
			PreStop:    workspace.Duration(10 * time.Second),
		},
		Docker:   Docker{Subnets: "10.213.0.0/16", Spare: 2, Keep: 8},
		Jobs:     Jobs{Attempts: 5, Backoff: workspace.Duration(time.Second), MaxDelay: minutes(1)},
		Activity: defaultActivity(),
		Gateway:  defaultGateway(),
		Log:      Log{Level: "info", Format: "text"},
	}
	if uid == 0 {
		c.Socket, c.StateDir, c.Templates = "/run/wsd/wsd.sock", "/var/lib/wsd", "/etc/wsd/templates"
		return c
	}
	if dir := xdgFolder(env, "XDG_STATE_HOME", home, ".local/state"); dir != "" {
		c.StateDir = filepath.Join(dir, "wsd")
	}
	if dir := xdgFolder(env, "XDG_CONFIG_HOME", home, ".config"); dir != "" {
		c.Templates = filepath.Join(dir, "wsd", "templates")
	}
	c.Socket = defaultSocket(uid, env, c.StateDir)
	return c
}

// defaultSocket is never in a folder that others may write to.
func defaultSocket(uid int, env func(string) (string, bool), stateDir string) string {
	switch dir := xdgFolder(env, "XDG_RUNTIME_DIR", "", ""); {
	case uid == 0:
		return "/run/wsd/wsd.sock"
	case dir != "":
		return filepath.Join(dir, "wsd", "wsd.sock")
	case stateDir != "":
		return filepath.Join(stateDir, "run", "wsd.sock")
	}
	return ""
}

// DefaultFile is the file that is read when none is named; it need not exist.
// Empty where neither home nor XDG_CONFIG_HOME is known.
func DefaultFile(uid int, home string, env func(string) (string, bool)) string {
	if uid == 0 {
		return "/etc/wsd/config.toml"
	}
	if dir := xdgFolder(env, "XDG_CONFIG_HOME", home, ".config"); dir != "" {
		return filepath.Join(dir, "wsd", "config.toml")
	}
	return ""
}

func xdgFolder(env func(string) (string, bool), name, home, under string) string {
	if dir, _ := env(name); filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	if filepath.IsAbs(home) {
		return filepath.Join(home, under)
	}
	return ""
}

func minutes(n int) workspace.Duration { return workspace.Duration(time.Duration(n) * time.Minute) }

// Limits returns the limits of a workspace that names none. It fails only on
// values that Load would have refused.
func (d Defaults) Limits() (workspace.Limits, error) {
	memory, err := workspace.ParseSize(d.Memory)
	if err != nil {
		return workspace.Limits{}, err
	}
	l := workspace.Limits{CPUs: d.CPUs, Memory: memory, Pids: d.Pids}
	return l, workspace.ValidateLimits(l)
}

// Workspace returns the time-outs of a workspace that names none.
func (t Timeouts) Workspace() workspace.Timeouts { return workspace.Timeouts(t) }
