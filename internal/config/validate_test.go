package config

import (
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

// Numbers are rows of the catalogue of bad inputs in docs/bad-input.md.
func TestEveryWrongValueIsRefusedWithItsPlaceAndWhatIsAllowed(t *testing.T) {
	for _, c := range []struct{ name, file, pointer, detail string }{
		{"a relative socket", "socket = 'wsd.sock'", "/socket", `socket = "wsd.sock" (FILE:1) must be an absolute path of at most 107 bytes`},
		{"103 an abstract socket", "socket = '@wsd'", "/socket", "must be an absolute path"},
		{"103 a socket in a public folder", "socket = '/tmp/wsd.sock'", "/socket", "not directly in /tmp"},
		{"a socket path that the kernel cannot take", "socket = '/" + strings.Repeat("a", 107) + "'", "/socket", "at most 107 bytes"},
		{"an empty socket", "socket = ''", "/socket", "must be an absolute path"},
		{"a state folder with dots", "state_dir = '/srv/../etc'", "/state_dir", "must be an absolute path: write /etc"},
		{"a state folder with a slash at its end", "state_dir = '/srv/wsd/'", "/state_dir", "must be an absolute path: write /srv/wsd"},
		{"a socket with a double slash", "socket = '/run//s'", "/socket", "or /dev/shm: write /run/s"},
		{"a state folder with a tilde", "state_dir = '~/wsd'", "/state_dir", "must be an absolute path"},
		{"the root as state folder", "state_dir = '/'", "/state_dir", "must be an absolute path"},
		{"a control character in a path", `templates = "/a\u0007b"`, "/templates", "must be an absolute path, or empty"},
		{"an unknown driver", "driver = 'podman'", "/driver", `must be docker or memory`},
		{"101 a port below 1024", "ports.first = 80", "/ports/first", `ports.first = "80" (FILE:1) must be a whole number from 1024 to 65535`},
		{"a port above all", "ports.last = 65536", "/ports/last", "from 1024 to 65535"},
		{"a port with a fraction", "ports.first = 8000.5", "/ports/first", "must be a whole number"},
		{"a port in quotes", "ports.first = '8000'", "/ports/first", "must be a whole number"},
		{"a port as a truth value", "ports.first = true", "/ports/first", "must be a whole number"},
		{"a list of ports", "ports.first = [8000]", "/ports/first", "must be a whole number"},
		{"101 a reversed range", "ports.first = 8100\nports.last = 8000", "/ports/last", "ports.last = 8000 (FILE:2) with ports.first = 8100 (FILE:1): must not be below it"},
		{"101 a range that is too wide", "ports.first = 8000\nports.last = 9000", "/ports/last", "makes 1001 ports, at most 1000 are allowed"},
		{"a template with a path in it", "defaults.template = '../x'", "/defaults/template", "must be the name of a template"},
		{"no CPU", "defaults.cpus = 0", "/defaults/cpus", "must be a number from 0.01 to 4"},
		{"more CPUs than the host has", "defaults.cpus = 5", "/defaults/cpus", "must be a number from 0.01 to 4"},
		{"negative CPUs", "defaults.cpus = -1", "/defaults/cpus", "must be a number from 0.01 to 4"},
		{"68 CPUs that are not a number", "defaults.cpus = nan", "/defaults/cpus", "must be a number from 0.01 to 4"},
		{"68 memory without a unit", "defaults.memory = '512'", "/defaults/memory", "must be a size with a unit from 16 MiB to 4 TiB"},
		{"memory as a number", "defaults.memory = 536870912", "/defaults/memory", "must be a size with a unit"},
		{"too little memory", "defaults.memory = '15MiB'", "/defaults/memory", "from 16 MiB to 4 TiB"},
		{"too much memory", "defaults.memory = '5TiB'", "/defaults/memory", "from 16 MiB to 4 TiB"},
		{"too few processes", "defaults.pids = 15", "/defaults/pids", "from 16 to 32768"},
		{"106 a time-out of zero", "timeouts.create = '0s'", "/timeouts/create", "must be a duration with a unit from 1s to 24h"},
		{"a negative time-out", "timeouts.initialize = '-1m'", "/timeouts/initialize", "from 1s to 24h"},
		{"106 an absurd time-out", "timeouts.start = '100h'", "/timeouts/start", "from 1s to 1h"},
		{"70 a time-out without a unit", "timeouts.stop = 10", "/timeouts/stop", "must be a duration with a unit"},
		{"a time-out in quotes without a unit", "timeouts.stop = '10'", "/timeouts/stop", "must be a duration with a unit"},
		{"106 a time-out of a nanosecond", "timeouts.pre_stop = '1ns'", "/timeouts/pre_stop", "from 1s to 1h"},
		{"an engine over the network", "docker.host = 'tcp://10.0.0.1:2375'", "/docker/host", "must be unix:///PATH, or empty"},
		{"public subnets", "docker.subnets = '8.8.0.0/16'", "/docker/subnets", "must be a private IPv4 prefix from /8 to /24"},
		{"subnets that leave the private range", "docker.subnets = '172.16.0.0/8'", "/docker/subnets", "must be a private IPv4 prefix"},
		{"subnets wider than their private range", "docker.subnets = '192.168.0.0/15'", "/docker/subnets", "must be a private IPv4 prefix"},
		{"subnets that are too narrow", "docker.subnets = '10.213.0.0/25'", "/docker/subnets", "from /8 to /24"},
		{"subnets with host bits", "docker.subnets = '10.213.0.1/16'", "/docker/subnets", "must be a private IPv4 prefix"},
		{"subnets of IPv6", "docker.subnets = 'fd00::/16'", "/docker/subnets", "must be a private IPv4 prefix"},
		{"more networks than fit", "docker.subnets = '10.213.0.0/24'\ndocker.keep = 15", "/docker/keep", "makes more than the 16 networks"},
		{"negative spare networks", "docker.spare = -1", "/docker/spare", "from 0 to 64"},
		{"too many kept networks", "docker.keep = 1025", "/docker/keep", "from 0 to 1024"},
		{"negative workers", "jobs.workers = -1", "/jobs/workers", "from 0 to 256"},
		{"no attempts", "jobs.attempts = 0", "/jobs/attempts", "from 1 to 100"},
		{"no delay", "jobs.backoff = '0s'", "/jobs/backoff", "from 1ms to 1h"},
		{"a largest delay below the first", "jobs.backoff = '2m'", "/jobs/max_backoff", "jobs.max_backoff = 1m with jobs.backoff = 2m (FILE:1): must not be below it"},
		{"a largest delay that is absurd", "jobs.max_backoff = '25h'", "/jobs/max_backoff", "from 1ms to 24h"},
		{"an unknown level", "log.level = 'loud'", "/log/level", "must be debug, info, warn or error"},
		{"a level in capitals", "log.level = 'INFO'", "/log/level", "must be debug, info, warn or error"},
		{"an unknown form", "log.format = 'xml'", "/log/format", "must be text or json"},
		{"100 an unknown key", "\n[ports]\nfirst = 8001\nfrist = 2", "/ports/frist", `"ports.frist" (FILE:4) is not a setting, did you mean ports.first?`},
		{"an unknown section", "[nothing]\nat = 'all'", "/nothing/at", `"nothing.at" (FILE:2) is not a setting`},
		{"an unknown section that is empty", "[ports]\n[nothing]\n[activity]\n[activity.policies]", "/nothing", `"nothing" (FILE:2) is not a setting`},
		{"100 a key in capitals", "Driver = 'memory'", "/Driver", `"Driver" (FILE:1) is not a setting, did you mean driver?`},
		{"a key outside its section", "level = 'warn'", "/level", "did you mean log.level?"},
		{"100 a quoted key with a dot", "'ports.first' = 8001", "/ports/first", `"ports.first" (FILE:1) is not a setting`},
		{"an unknown key in an inline table", "log = { level = 'warn', colour = true }", "/log/colour", `"log.colour" (FILE:1) is not a setting`},
		{"a table in place of a value", "[driver]\nname = 'docker'", "/driver/name", `"driver.name" (FILE:2) is not a setting`},
		{"a value in place of a table", "ports = 8000", "/ports", `"ports" (FILE:1) is not a setting`},
		{"a list of tables", "[[ports]]\nfirst = 8001", "/ports", "[[ports]] (FILE:1) makes a list, and no setting is one of tables: write [ports]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := userSources(t, c.file)
			_, err := Read(src)
			if !fault.HasCode(err, "config_invalid") {
				t.Fatalf("got %v", err)
			}
			for _, f := range fields(err) {
				if f.Pointer == c.pointer && strings.Contains(strings.ReplaceAll(f.Detail, src.File, "FILE"), c.detail) {
					return
				}
			}
			t.Errorf("no field %s with %q in %+v", c.pointer, c.detail, fields(err))
		})
	}
}

func TestAllMistakesAreToldTogether(t *testing.T) {
	src := userSources(t, "ports.first = 9000\nports.last = 8000\ncolour = 1\n[timeouts]\nstop = '-1s'\n", "WSD_LOG_LEVEL=loud")
	s, err := Read(src)
	if n := len(fields(err)); n != 4 {
		t.Fatalf("%d fields, want 4: %v", n, err)
	}
	text := strings.ReplaceAll(err.Error(), src.File, "FILE")
	golden(t, "mistakes.txt", text+"\n")
	if o, _ := s.Origins.Explain("log.level"); o.Where != "WSD_LOG_LEVEL" {
		t.Errorf("the origins are lost with an error: %+v", o)
	}
}

func TestBrokenTOMLIsToldWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"no value":        {"driver =\n", "FILE:1:"},
		"an open string":  {"\n\ndriver = 'x\n", "FILE:3:"},
		"a key twice":     {"driver = 'a'\ndriver = 'b'\n", "FILE:2:"},
		"a table twice":   {"[log]\nlevel = 'info'\n[log]\n", "FILE:3:"},
		"not text at all": {"\x00\x01", "FILE:1:"},
	} {
		t.Run(name, func(t *testing.T) {
			src := userSources(t, c.file)
			_, err := Read(src)
			if !fault.HasCode(err, "config_syntax") || !strings.Contains(strings.ReplaceAll(err.Error(), src.File, "FILE"), c.want) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func FuzzFile(f *testing.F) {
	f.Add("driver = 'memory'\n[ports]\nfirst = 8001 # c\n")
	f.Add("log = { level = 'warn' }\n[[a.b]]\n\"x.y\".z = 1")
	f.Add("a = {\n")
	f.Fuzz(func(t *testing.T, text string) {
		src := userSources(t, text+"\n")
		s, err := Read(src)
		if err == nil && len(s.Text("ports.first")) == len(s.Text("ports.last")) && s.Text("ports.first") > s.Text("ports.last") {
			t.Error("a reversed range is accepted")
		}
		if err != nil && (!fault.Is(err, fault.Invalid) || s.File != nil) {
			t.Errorf("not a fault of kind invalid, or half of the settings: %v", err)
		}
	})
}

// Whatever the environment says beside a file: it is read or refused, and what is read is
// written so that it is accepted again.
func FuzzEnvironment(f *testing.F) {
	f.Add("[activity.policies.night]\nlike = 'relaxed'\n", uint8(0), "", "WSD_ACTIVITY_POLICIES_NIGHT_HOURS=8:00-9:00")
	f.Add("", uint8(20), "5m", "WSD_PORTS_FIRST=8100\nWSD_PORTS_FIRST=9\n=x\nWSD_=\nWSD_CONFIG=")
	f.Add("[activity.policies.a-b]\n[activity.policies.a]\n", uint8(7), "a\x00b", "WSD_ACTIVITY_POLICIES_A_B_IDLE=1h\nHOME=/\nXDG_RUNTIME_DIR=relative")
	keys := Keys(4)
	f.Fuzz(func(t *testing.T, file string, key uint8, value, more string) {
		env := append([]string{keys[int(key)%len(keys)].Env() + "=" + value}, strings.Split(more, "\n")...)
		src := userSources(t, file+"\n", env...)
		s, err := Read(src)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || s.File != nil {
				t.Fatalf("not a fault of kind invalid, or half of the settings: %v", err)
			}
			return
		}
		var said []string
		for _, o := range s.Origins.Keys {
			if o.Value != "" && o.Source != FromDefault {
				said = append(said, o.Env+"="+o.Value)
			}
		}
		again, err := Read(userSources(t, file+"\n", append(said, env...)...)) // the first of equal names counts
		if err != nil {
			t.Fatalf("%q is not accepted again: %v", said, err)
		}
		for _, o := range s.Origins.Keys {
			if got := again.Text(o.Key); got != o.Value {
				t.Errorf("%s was %q and is read back as %q", o.Key, o.Value, got)
			}
		}
	})
}
