package docker

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"

	"github.com/wsctl/wsctl/internal/runtime"
)

// Config is what a Driver needs to know.
type Config struct {
	Host     string       // unix:///path or tcp://host:port; "": DOCKER_HOST, else the default socket
	Instance string       // value of the label wsd.instance; only objects that carry it are ours
	Agent    string       // absolute path, on the engine's host, of the static wsd binary
	Sockets  string       // absolute path of a folder for the agents' sockets, used where the engine is local; "": none
	Agents   string       // folder whose folders hold copies of the agent, Agent among them; unused ones are removed; "": none are
	Builds   string       // folder for records of builds that are under way; "": none are kept
	Users    string       // absolute path of a folder for the files that name users, used where the engine is local; "": users get no name
	Private  []string     // folders of this machine that no workspace may share, such as the daemon's state
	Subnets  netip.Prefix // IPv4, at most /28; each workspace gets a /28 of it
	Spare    int          // sandboxes kept ready ahead of use
	Keep     int          // sandboxes kept running for stopped workspaces
	Applets  []string     // commands of wsd:base that the agent plays; nil: DefaultApplets
	Log      *slog.Logger // nil: silent
}

// DefaultApplets are the commands in /bin of the image wsd:base.
func DefaultApplets() []string {
	return []string{
		"sh", "ls", "cat", "echo", "cp", "mv", "rm", "mkdir", "touch", "chmod", "find", "head", "tail", "wc",
		"grep", "env", "sleep", "true", "false", "ps", "id", "uname", "date", "sort",
	}
}

// Driver is the Docker Engine.
type Driver struct {
	cfg   Config
	log   *slog.Logger
	link  *link
	born  time.Time // what is older was left by an earlier life
	pool  *pool
	locks keyLocks // by sandbox id
	nets  subnets
	addrs addresses
	cgs   cgroups

	agents  agentDirs
	cleared atomic.Bool                // see clearLeft
	cleaned atomic.Bool                // see clearSteps
	warmEnd time.Duration              // see makeSpare
	life    string                     // names what this life keeps in Config.Builds
	users   memo[string, identity]     // by image id and name
	images  memo[string, imageFacts]   // by image id
	fresh   memo[runtime.Ref, newborn] // containers that Ensure has just made
	passwd  passwd
	made    madeImages

	factsMu sync.Mutex
	facts   *hostFacts // nil until asked
}

var (
	_ runtime.Driver   = (*Driver)(nil)
	_ runtime.Warmer   = (*Driver)(nil)
	_ runtime.Examiner = (*Driver)(nil)
)

// New returns a driver. It does not speak to the engine.
func New(cfg Config) (*Driver, error) {
	switch {
	case cfg.Instance == "":
		return nil, errors.New("cannot make a docker driver: the instance is empty")
	case cfg.Sockets != "" && !filepath.IsAbs(cfg.Sockets):
		return nil, errors.New("cannot make a docker driver: the folder of the sockets is not absolute")
	case cfg.Users != "" && !filepath.IsAbs(cfg.Users):
		return nil, errors.New("cannot make a docker driver: the folder of the users is not absolute")
	case !filepath.IsAbs(cfg.Agent):
		return nil, errors.New("cannot make a docker driver: the agent's path is not absolute")
	case !cfg.Subnets.IsValid() || !cfg.Subnets.Addr().Is4() || cfg.Subnets.Bits() > sandboxBits:
		return nil, errors.New("cannot make a docker driver: the subnets are not an IPv4 prefix of at most 28 bits")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Applets == nil {
		cfg.Applets = DefaultApplets()
	}
	l, err := newLink(cfg.Host)
	if err != nil {
		return nil, err
	}
	d := &Driver{cfg: cfg, log: cfg.Log, link: l, born: time.Now(), life: randomHex(4), pool: newPool(), warmEnd: warmEnd, nets: subnets{from: cfg.Subnets.Masked()}}
	if l.local {
		d.agents.parent, d.passwd.dir = cfg.Sockets, cfg.Users
	}
	return d, nil
}

// Close lets go of the engine's connections; calls that are under way go on.
func (d *Driver) Close() error { return d.link.close() }

// Info asks the engine who it is and which limits it can keep.
func (d *Driver) Info(ctx context.Context) (runtime.Info, error) {
	var api string
	in, err := call(ctx, d.link, quick, "ask the engine who it is", func(ctx context.Context, s *session) (system.Info, error) {
		api = s.ClientVersion()
		return s.Info(ctx)
	})
	if err != nil {
		return runtime.Info{}, err
	}
	rootless := slices.ContainsFunc(in.SecurityOptions, func(o string) bool { return strings.Contains(o, "name=rootless") })
	return runtime.Info{
		Name: "docker", Version: in.ServerVersion, API: api, CPUs: in.NCPU, Memory: in.MemTotal,
		Rootless: rootless, Warnings: warnings(in, api, rootless),
	}, nil
}

// warnings says which promises this engine cannot keep.
func warnings(in system.Info, api string, rootless bool) []string {
	var w []string
	add := func(bad bool, text string) {
		if bad {
			w = append(w, text)
		}
	}
	add(!in.MemoryLimit, "the engine does not enforce memory limits")
	add(in.MemoryLimit && !in.SwapLimit, "the engine does not limit swap")
	add(!in.PidsLimit, "the engine does not limit the number of processes")
	add(!in.CPUCfsQuota, "the engine does not enforce cpu limits")
	add(rootless, "the engine runs rootless: limits depend on what systemd delegates to it")
	add(versions.LessThan(api, "1.41"), "the engine is older than 20.10: cgroups are not hidden from workspaces")
	return w
}
