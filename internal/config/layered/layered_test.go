package layered

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

const cores = 4

// source returns the sources of an ordinary user with file as the named file.
func source(t testing.TB, file string, env ...string) config.Sources {
	t.Helper()
	src := config.Sources{UID: 1000, Home: "/home/ada", CPUs: cores, Env: env, File: filepath.Join(t.TempDir(), "config.toml")}
	if err := os.WriteFile(src.File, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return src
}

// agree fails unless the struct that the daemon gets has for every key the value
// that wsctl reads without it.
func agree(t *testing.T, src config.Sources) config.Settings {
	t.Helper()
	read, err := config.Read(src)
	if err != nil {
		t.Fatal(err)
	}
	cfg, origins, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(origins.Keys, read.Origins.Keys) {
		t.Errorf("the origins differ:\n%+v\n%+v", origins.Keys, read.Origins.Keys)
	}
	for _, k := range config.Keys(cores) {
		if got, want := k.Of(&cfg), read.Text(k.Name); got != want {
			t.Errorf("%s is %q in the struct, %q as read", k.Name, got, want)
		}
	}
	return read
}

// samples has for every key three accepted values, each unlike the default. Some
// are written as nobody would print them.
var samples = map[string][3]string{
	"socket":                  {"'/run/a/s'", "/run/b/s", "/run/c/s"},
	"state_dir":               {"'/srv/a'", "/srv/b", "/srv/c"},
	"driver":                  {"'memory'", "memory", "memory"},
	"templates":               {"'/srv/ta'", "/srv/tb", "/srv/tc"},
	"ports.first":             {"7_201", "07202", "+7203"},
	"ports.last":              {"0x2009", "08201", "8203"},
	"front.address":           {"'127.0.0.1:7001'", "[::1]:7002", "off"},
	"defaults.template":       {"'ta'", "tb", "tc"},
	"defaults.cpus":           {"1", "15e-1", "+3.0"},
	"defaults.memory":         {"'1GiB'", "1GB", "300MiB"},
	"defaults.pids":           {"101", "00102", "103"},
	"timeouts.create":         {"'60s'", "3m0s", "300m"},
	"timeouts.initialize":     {"'60s'", "3m0s", "300m"},
	"timeouts.start":          {"'120s'", "3m0s", "60m"},
	"timeouts.stop":           {"'120s'", "3m0s", "60m"},
	"timeouts.pre_stop":       {"'120s'", "3m0s", "60m"},
	"activity.policy":         {"'eager'", "relaxed", "never"},
	"activity.active":         {"'1m'", "60ms", "3s"},
	"activity.idle":           {"'1m'", "60ms", "3s"},
	"activity.background":     {"'1m'", "60ms", "3s"},
	"activity.grace":          {"'1m'", "60ms", "3s"},
	"activity.work_tail":      {"'1m'", "0s", "3s"},
	"activity.work_cap":       {"'1m'", "0s", "3s"},
	"activity.max_background": {"'1m'", "60ms", "3s"},
	"activity.max_work":       {"'1m'", "60ms", "3s"},
	"activity.max_lifetime":   {"'8h'", "60ms", "3s"},
	"activity.max_hold":       {"'1m'", "60ms", "3s"},
	"activity.allow_never":    {"'off'", "off", "off"},
	"activity.warnings":       {"'10m,1m'", "30s", "off"},
	"activity.throttle":       {"0.25", "05e-1", "+1"},
	"activity.pause":          {"'on'", "on", "on"},
	"activity.scale":          {"0.01", "1e-3", "+0.5"},
	"gateway.connections":     {"300", "301", "302"},
	"gateway.per_user":        {"11", "12", "13"},
	"gateway.per_room":        {"11", "12", "13"},
	"gateway.rooms":           {"11", "12", "13"},
	"gateway.message":         {"'64KiB'", "2KiB", "1MiB"},
	"gateway.per_second":      {"11", "12", "13"},
	"gateway.burst":           {"11", "12", "13"},
	"gateway.queue_frames":    {"21", "22", "23"},
	"gateway.queue_size":      {"'2MiB'", "3MiB", "128KiB"},
	"gateway.ring_frames":     {"21", "22", "23"},
	"gateway.ring_size":       {"'2MiB'", "3MiB", "128KiB"},
	"docker.host":             {"'unix:///a.sock'", "unix:///b.sock", "unix:///c.sock"},
	"docker.subnets":          {"'10.0.0.0/8'", "172.16.0.0/16", "192.168.4.0/24"},
	"docker.spare":            {"0", "01", "3"},
	"docker.keep":             {"0", "010", "3"},
	"jobs.workers":            {"1", "012", "3"},
	"jobs.attempts":           {"1", "02", "3"},
	"jobs.backoff":            {"'2000ms'", "3s", "4s"},
	"jobs.max_backoff":        {"'120s'", "3m0s", "90m"},
	"log.level":               {"'debug'", "warn", "error"},
	"log.format":              {"'json'", "json", "json"},
}

func TestTheStructHasWhatIsReadWhicheverSourcesSetAKey(t *testing.T) {
	for _, k := range config.Keys(cores) {
		t.Run(k.Name, func(t *testing.T) {
			s, ok := samples[k.Name]
			if !ok {
				t.Fatal("the key has no sample values")
			}
			for subset := range 8 {
				strongest, text := config.FromDefault, ""
				if subset&1 != 0 {
					strongest, text = config.FromFile, k.Name+" = "+s[0]+"\n"
				}
				src := source(t, text)
				if subset&2 != 0 {
					strongest, src.Env = config.FromEnv, []string{k.Env() + "=" + s[1]}
				}
				src.Flags = pflag.NewFlagSet("t", pflag.ContinueOnError)
				config.AddFlags(src.Flags, k.Name)
				if subset&4 != 0 {
					strongest = config.FromFlag
					if err := src.Flags.Parse([]string{"--" + k.Flag() + "=" + s[2]}); err != nil {
						t.Fatal(err)
					}
				}
				read := agree(t, src)
				o, _ := read.Origins.Explain(k.Name)
				if o.Source != strongest || (o.Value == o.Default) != (strongest == config.FromDefault) {
					t.Errorf("subset %03b: the value %q (default %q) comes from %s, want %s", subset, o.Value, o.Default, o.Source, strongest)
				}
			}
		})
	}
}

func TestAFileWithTablesAndAVariableGiveOneStruct(t *testing.T) {
	cfg, origins, err := Load(source(t, "driver = \"memory\"\n[ports]\nfirst = 8010\nlast = 8020\n[log]\nformat = 'json'\n", "WSD_PORTS_LAST=8050"))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Driver != "memory" || cfg.Ports != (config.Ports{First: 8010, Last: 8050}) || cfg.Log != (config.Log{Level: "info", Format: "json"}) {
		t.Errorf("got %+v", cfg)
	}
	if !origins.Found {
		t.Error("the file is said not to be there")
	}
}

func TestNoFileGivesTheDefaults(t *testing.T) {
	src := config.Sources{UID: 1000, Home: t.TempDir(), CPUs: cores}
	cfg, _, err := Load(src)
	if want := config.Default(1000, src.Home, func(string) (string, bool) { return "", false }, cores); err != nil || !reflect.DeepEqual(cfg, want) {
		t.Errorf("got %+v, %v", cfg, err)
	}
}

func TestWhatIsRefusedGivesNoStruct(t *testing.T) {
	for name, text := range map[string]string{
		"a wrong value": "ports.first = 80\n", "an unknown key": "colour = 1\n", "no TOML": "driver =\n",
		"a table for a value": "[driver]\nx = 1\n", "a value for a table": "ports = 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _, err := Load(source(t, text))
			if !fault.Is(err, fault.Invalid) || !reflect.DeepEqual(cfg, config.Config{}) {
				t.Errorf("got %v and %+v", err, cfg)
			}
		})
	}
}

// Whatever a file says, both readers refuse it or agree on it.
func FuzzFile(f *testing.F) {
	f.Add("driver = 'memory'\n[ports]\nfirst = 8001 # c\n")
	f.Add("log = { level = 'warn' }\n[[a.b]]\n\"x.y\".z = 1")
	f.Add("defaults.cpus = 1e0\njobs.workers = 0b11\n")
	f.Add("Driver = 'memory'\n")
	f.Fuzz(func(t *testing.T, text string) {
		src := source(t, strings.ToValidUTF8(text, "")+"\n")
		if _, err := config.Read(src); err == nil {
			agree(t, src)
		}
	})
}

// The struct has what wsctl reads, also where the environment says it.
func FuzzEnvironment(f *testing.F) {
	f.Add("[activity.policies.night]\nidle = '5m'\n", uint8(0), "", "WSD_ACTIVITY_POLICIES_NIGHT_HOURS=8:00-9:00")
	f.Add("", uint8(4), "07201", "WSD_PORTS_LAST=+7300\nWSD_DEFAULTS_CPUS=15e-1")
	keys := config.Keys(cores)
	f.Fuzz(func(t *testing.T, file string, key uint8, value, more string) {
		env := append([]string{keys[int(key)%len(keys)].Env() + "=" + value}, strings.Split(more, "\n")...)
		src := source(t, file+"\n", env...)
		if _, err := config.Read(src); err == nil {
			agree(t, src)
		}
	})
}

func TestPoliciesOfTheFileAreInTheStructWithAllTheirTimes(t *testing.T) {
	src := source(t, "[activity.policies.night-shift]\nlike = 'eager'\nidle = '5m'\nmax_lifetime = '8h'\nhours = '8:00-19:00 UTC'\n")
	src.Env = []string{"WSD_ACTIVITY_POLICIES_NIGHT_SHIFT_GRACE=3s"}
	cfg, _, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	minute := workspace.Duration(time.Minute)
	want := config.Policy{
		Like: "eager", Active: 2 * minute, Idle: 5 * minute, Background: 30 * minute, Grace: minute / 20, WorkTail: minute, WorkCap: 360 * minute,
		MaxLifetime: 480 * minute, Hours: "8:00-19:00 UTC", Eager: config.On, Never: config.Off,
	}
	agree(t, src)
	if got := cfg.Activity.Policies["night-shift"]; got != want || len(cfg.Activity.Policies) != 1 {
		t.Errorf("got %+v, want %+v", cfg.Activity.Policies, want)
	}
}
