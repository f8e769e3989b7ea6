package config

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"

	"github.com/wsctl/wsctl/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

// user returns the sources of an ordinary user with file as the named file.
func userSources(t *testing.T, file string, env ...string) Sources {
	t.Helper()
	src := Sources{UID: 1000, Home: "/home/ada", CPUs: 4, Env: env}
	if file != "" {
		src.File = filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(src.File, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return src
}

// samples has for every key three accepted values, each unlike the default.
var samples = map[string][3]string{
	"socket":                  {"/run/a/s", "/run/b/s", "/run/c/s"},
	"state_dir":               {"/srv/a", "/srv/b", "/srv/c"},
	"driver":                  {"memory", "memory", "memory"},
	"templates":               {"/srv/ta", "/srv/tb", "/srv/tc"},
	"ports.first":             {"7201", "7202", "7203"},
	"ports.last":              {"8201", "8202", "8203"},
	"front.address":           {"127.0.0.1:7001", "[::1]:7002", "off"},
	"defaults.template":       {"ta", "tb", "tc"},
	"defaults.cpus":           {"1", "1.5", "3"},
	"defaults.memory":         {"1GiB", "1GB", "300MiB"},
	"defaults.pids":           {"101", "102", "103"},
	"timeouts.create":         {"1m", "3m", "5h"},
	"timeouts.initialize":     {"1m", "3m", "5h"},
	"timeouts.start":          {"2m", "3m", "1h"},
	"timeouts.stop":           {"2m", "3m", "1h"},
	"timeouts.pre_stop":       {"2m", "3m", "1h"},
	"activity.policy":         {"eager", "relaxed", "never"},
	"activity.active":         {"1m", "60ms", "3s"},
	"activity.idle":           {"1m", "60ms", "3s"},
	"activity.background":     {"1m", "60ms", "3s"},
	"activity.grace":          {"1m", "60ms", "3s"},
	"activity.work_tail":      {"1m", "0s", "3s"},
	"activity.work_cap":       {"1m", "0s", "3s"},
	"activity.max_background": {"1m", "60ms", "3s"},
	"activity.max_work":       {"1m", "60ms", "3s"},
	"activity.max_lifetime":   {"8h", "60ms", "3s"},
	"activity.max_hold":       {"1m", "60ms", "3s"},
	"activity.allow_never":    {"off", "off", "off"},
	"activity.warnings":       {"10m,1m", "30s", "off"},
	"activity.throttle":       {"0.25", "0.5", "1"},
	"activity.pause":          {"on", "on", "on"},
	"activity.scale":          {"0.01", "0.001", "0.5"},
	"gateway.connections":     {"300", "301", "302"},
	"gateway.per_user":        {"11", "12", "13"},
	"gateway.per_room":        {"11", "12", "13"},
	"gateway.rooms":           {"11", "12", "13"},
	"gateway.message":         {"64KiB", "2KiB", "1MiB"},
	"gateway.per_second":      {"11", "12", "13"},
	"gateway.burst":           {"11", "12", "13"},
	"gateway.queue_frames":    {"21", "22", "23"},
	"gateway.queue_size":      {"2MiB", "3MiB", "128KiB"},
	"gateway.ring_frames":     {"21", "22", "23"},
	"gateway.ring_size":       {"2MiB", "3MiB", "128KiB"},
	"docker.host":             {"unix:///a.sock", "unix:///b.sock", "unix:///c.sock"},
	"docker.subnets":          {"10.0.0.0/8", "172.16.0.0/16", "192.168.4.0/24"},
	"docker.spare":            {"0", "1", "3"},
	"docker.keep":             {"0", "1", "3"},
	"jobs.workers":            {"1", "2", "3"},
	"jobs.attempts":           {"1", "2", "3"},
	"jobs.backoff":            {"2s", "3s", "4s"},
	"jobs.max_backoff":        {"2m", "3m", "1h30m"},
	"log.level":               {"debug", "warn", "error"},
	"log.format":              {"json", "json", "json"},
}

// line writes key = value as TOML, numbers without quotes.
func line(k Key, value string) string {
	if k.rule.accepts(given{value, false}) {
		value = `"` + value + `"`
	}
	return k.Name + " = " + value + "\n"
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefaultForEveryKey(t *testing.T) {
	for _, k := range Keys(4) {
		t.Run(k.Name, func(t *testing.T) {
			s, ok := samples[k.Name]
			if !ok {
				t.Fatal("the key has no sample values")
			}
			fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
			AddFlags(fs, k.Name)
			src := userSources(t, "# a comment\n"+line(k, s[0]))
			expectOrigin(t, src, k.Name, s[0], FromFile, src.File+":2")
			src.Env = []string{k.Env() + "=" + s[1], k.Env() + "=ignored, the first wins"}
			src.Flags = fs // defined, but not given
			expectOrigin(t, src, k.Name, s[1], FromEnv, k.Env())
			if err := fs.Parse([]string{"--" + k.Flag() + "=" + s[2]}); err != nil {
				t.Fatal(err)
			}
			expectOrigin(t, src, k.Name, s[2], FromFlag, "--"+k.Flag())
			def := expectOrigin(t, userSources(t, ""), k.Name, "", FromDefault, "")
			if def.Value != def.Default {
				t.Errorf("value %q, want the default %q", def.Value, def.Default)
			}
			if slices.Contains(s[:], def.Default) {
				t.Errorf("a sample equals the default %q and shows nothing", def.Default)
			}
		})
	}
}

func expectOrigin(t *testing.T, src Sources, key, value string, from Source, where string) Origin {
	t.Helper()
	s, err := Read(src)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := s.Origins.Explain(key)
	if !ok || o.Source != from || o.Where != where {
		t.Fatalf("%s comes from %s %q, want %s %q", key, o.Source, o.Where, from, where)
	}
	if value != "" && o.Value != value {
		t.Fatalf("%s = %q, want %q", key, o.Value, value)
	}
	return o
}

func TestExplainTellsEveryKey(t *testing.T) {
	src := userSources(t, "driver = \"memory\"\n\n[ports]\nfirst = 8010\nlast = 8020\n\n[log]\nformat = 'json'\n",
		"WSD_LOG_LEVEL=debug", "WSD_PORTS_LAST=8050", "WSD_PORT_FIRST=1", "HOME=/home/ada", "WSD_DRIVER=")
	src.Flags = pflag.NewFlagSet("t", pflag.ContinueOnError)
	AddFlags(src.Flags, "socket")
	if err := src.Flags.Parse([]string{"--socket", "/run/user/1000/x.sock"}); err != nil {
		t.Fatal(err)
	}
	s, err := Read(src)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(s.Origins, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.json", strings.ReplaceAll(string(got), src.File, "/etc/example.toml")+"\n")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update if that is right. Got:\n%s", path, got)
	}
}

func TestDefaultsFollowTheUser(t *testing.T) {
	for _, c := range []struct {
		name                          string
		uid                           int
		home                          string
		env                           []string
		socket, state, file, template string
	}{
		{
			"root uses the folders of the system", 0, "/root",
			[]string{"XDG_RUNTIME_DIR=/run/user/0"},
			"/run/wsd/wsd.sock", "/var/lib/wsd", "/etc/wsd/config.toml", "/etc/wsd/templates",
		},
		{
			"a login session has a runtime folder", 1000, "/home/ada",
			[]string{"XDG_RUNTIME_DIR=/run/user/1000"},
			"/run/user/1000/wsd/wsd.sock", "/home/ada/.local/state/wsd", "/home/ada/.config/wsd/config.toml", "/home/ada/.config/wsd/templates",
		},
		{
			"without one the socket is in the state folder", 1000, "/home/ada", nil,
			"/home/ada/.local/state/wsd/run/wsd.sock", "/home/ada/.local/state/wsd", "/home/ada/.config/wsd/config.toml", "/home/ada/.config/wsd/templates",
		},
		{
			"the socket follows a state folder that is set", 1000, "/home/ada",
			[]string{"WSD_STATE_DIR=/srv/w"},
			"/srv/w/run/wsd.sock", "/srv/w", "/home/ada/.config/wsd/config.toml", "/home/ada/.config/wsd/templates",
		},
		{
			"every XDG folder counts", 1000, "",
			[]string{"XDG_STATE_HOME=/x/s", "XDG_CONFIG_HOME=/x/c/"},
			"/x/s/wsd/run/wsd.sock", "/x/s/wsd", "/x/c/wsd/config.toml", "/x/c/wsd/templates",
		},
		{
			"a relative XDG folder is ignored", 1000, "/home/ada",
			[]string{"XDG_STATE_HOME=s", "XDG_RUNTIME_DIR=.", "XDG_CONFIG_HOME=c"},
			"/home/ada/.local/state/wsd/run/wsd.sock", "/home/ada/.local/state/wsd", "/home/ada/.config/wsd/config.toml", "/home/ada/.config/wsd/templates",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Read(Sources{UID: c.uid, Home: c.home, Env: c.env, CPUs: 4})
			if c.uid == 0 && s.Origins.Found {
				t.Skip("this machine has a configuration of its own in " + s.Origins.File)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := [4]string{s.Text("socket"), s.Text("state_dir"), s.Origins.File, s.Text("templates")}
			if want := [4]string{c.socket, c.state, c.file, c.template}; got != want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestNoHomeAndNoStateFolderIsAnErrorThatSaysWhatToSet(t *testing.T) {
	_, err := Read(Sources{UID: 1000, CPUs: 4})
	if err == nil || !strings.Contains(err.Error(), "state_dir has no default without a home folder") {
		t.Fatalf("got %v", err)
	}
	if _, err := Read(Sources{UID: 1000, CPUs: 4, Env: []string{"WSD_STATE_DIR=/srv/w"}}); err != nil {
		t.Fatal(err)
	}
}

func TestTheFileIsFoundByFlagThenVariableThenDefault(t *testing.T) {
	named := userSources(t, "driver = 'memory'\n")
	other := userSources(t, "log.level = 'warn'\n")
	s, err := Read(Sources{UID: 1000, Home: "/home/ada", CPUs: 4, File: named.File, Env: []string{"WSD_CONFIG=" + other.File}})
	if err != nil || s.Text("driver") != "memory" || s.Text("log.level") != "info" || !s.Origins.Found {
		t.Fatalf("with both: %+v %v", s.Origins, err)
	}
	s, err = Read(Sources{UID: 1000, Home: "/home/ada", CPUs: 4, Env: []string{"WSD_CONFIG=" + other.File}})
	if err != nil || s.Text("log.level") != "warn" {
		t.Fatalf("with the variable: %+v %v", s.Origins, err)
	}
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".config/wsd"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".config/wsd/config.toml"), []byte("log.format = 'json'"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = Read(Sources{UID: 1000, Home: home, CPUs: 4})
	if err != nil || s.Text("log.format") != "json" {
		t.Fatalf("with the default: %+v %v", s.Origins, err)
	}
}

func TestAFileThatCannotBeReadIsAnError(t *testing.T) {
	big := userSources(t, strings.Repeat("#", maxFile+1))
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a pipe that nobody writes to": pipe,
		"a named file that is missing": filepath.Join(t.TempDir(), "none.toml"),
		"a folder":                     t.TempDir(),
		"a device":                     "/dev/zero",
		"more than the largest size":   big.File,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(Sources{UID: 1000, Home: "/home/ada", CPUs: 4, File: path})
			if !fault.HasCode(err, "config_unreadable") || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestUnknownVariablesOfOursAreWarnedOf(t *testing.T) {
	src := userSources(t, "", "WSD_PORT_FIRST=9000", "WSD_AUTOSTART=no", "WSD_TOKEN=x", "OTHER=1", "WSD_CONFIG=")
	src.OtherEnv = []string{"WSD_AUTOSTART"}
	s, err := Read(src)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the variable WSD_PORT_FIRST is not known and has no effect",
		"the variable WSD_TOKEN is not known and has no effect",
	}
	if !slices.Equal(s.Origins.Warnings, want) {
		t.Errorf("got %q", s.Origins.Warnings)
	}
}

func fields(err error) []fault.Field {
	var e *fault.Error
	if !errors.As(err, &e) {
		return nil
	}
	return e.Fields
}
