package docker

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-units"
	"github.com/moby/profiles/seccomp"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// agentPath is where the agent lies inside every workspace.
const agentPath = "/opt/wsd/agent"

// place is where a container goes: names and ids that the driver itself made.
type place struct {
	instance string   // label of what the engine may have to make for it
	sandbox  string   // id of the container whose network it joins
	volume   string   // name of the volume at /workspace
	volumes  []string // places that the image declares to be volumes
	agent    string   // path of the agent on the engine's host
	sockets  string   // folder on the engine's host for the agent's socket; "": none
	passwd   string   // file on the engine's host that names who; "": the image's own will do
	who      identity // whose its processes are
	private  []string // folders of the host that are never shared, beside the usual ones
	cgroupns bool     // the engine knows CgroupnsMode (Docker API 1.41)
}

// hostConfig is the only source of a workspace's HostConfig. It is pure and takes
// typed values only: no input can make it privileged, join a namespace of the host, see
// a device, mount a place of the host that is not for workspaces or a volume of another
// one, publish a port or relax the seccomp profile. Beside its own mounts it has the
// agent and a file of users, read-only, the folder of the agent's socket, and volumes of its own
// where its image declares some. A profile that is not known counts as strict; no capability
// comes with a user.
func hostConfig(c runtime.Container, p place) (*container.HostConfig, error) {
	own, tmpfs, err := mounts(c, p)
	if err != nil {
		return nil, err
	}
	h := hardened(p.cgroupns)
	h.NetworkMode = container.NetworkMode("container:" + p.sandbox)
	h.ReadonlyRootfs = c.Spec.Profile != workspace.Writable && c.Spec.Profile != workspace.Admin
	if c.Spec.Profile == workspace.Admin {
		// What package managers need to own files and to drop root.
		h.CapAdd = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
	}
	h.Resources = resources(c.Spec.Limits)
	h.Ulimits = []*units.Ulimit{
		{Name: "core", Soft: 0, Hard: 0},
		{Name: "memlock", Soft: 64 << 10, Hard: 64 << 10},
		{Name: "nofile", Soft: 8192, Hard: 8192},
	}
	h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{
		"max-size": "5m", "max-file": "2", "mode": "non-blocking", "max-buffer-size": "1m",
	}}
	h.OomScoreAdj = 500 // the kernel takes a workspace before wsd or the engine
	h.Tmpfs = tmpfs
	h.Tmpfs["/tmp"] = "rw,nosuid,nodev,exec,size=256m,mode=1777" // exec: tool chains run what they build there
	// Owned, because runc gives a tmpfs the mode that the image's own folder has.
	h.Tmpfs["/run"] = fmt.Sprintf("rw,nosuid,nodev,noexec,size=16m,uid=%d,gid=%d,mode=0755", p.who.uid, p.who.gid)
	h.Tmpfs["/run/secrets"] = fmt.Sprintf("rw,nosuid,nodev,noexec,size=1m,uid=%d,gid=%d,mode=0700", p.who.uid, p.who.gid)
	own = append(own, mount.Mount{
		Type: mount.TypeBind, Source: p.agent, Target: agentPath, ReadOnly: true,
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
	})
	if p.sockets != "" {
		own = append(own, bindMount(p.sockets, socketDir, false))
	}
	if p.passwd != "" {
		own = append(own, bindMount(p.passwd, passwdPath, true))
	}
	h.Mounts = own
	return h, nil
}

// sandboxHostConfig is the HostConfig of a sandbox: as locked down as a workspace,
// and on the network that it owns.
func sandboxHostConfig(networkID string, cgroupns bool) *container.HostConfig {
	h := hardened(cgroupns)
	h.NetworkMode = container.NetworkMode(networkID)
	h.ReadonlyRootfs = true
	h.Resources = resources(workspace.Limits{CPUs: 0.1, Memory: 32 << 20, Pids: 16})
	h.LogConfig = container.LogConfig{Type: "none"}
	return h
}

// hardened is what every container of ours has in common.
func hardened(cgroupns bool) *container.HostConfig {
	no := false
	h := &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		CapDrop:       []string{"ALL"},
		SecurityOpt:   []string{"no-new-privileges:true", "seccomp=" + seccompProfile()},
		IpcMode:       container.IPCModePrivate,
		ShmSize:       64 << 20,
		Init:          &no, // the agent reaps
	}
	if cgroupns {
		h.CgroupnsMode = container.CgroupnsModePrivate
	}
	return h
}

// resources are the limits that Update can change.
func resources(l workspace.Limits) container.Resources {
	pids := l.Pids
	return container.Resources{
		NanoCPUs: int64(math.Round(l.CPUs * 1e9)), Memory: l.Memory, MemorySwap: l.Memory, // equal: no swap
		PidsLimit: &pids,
	}
}

// seccompProfile is the current default profile of the engine's makers, as JSON, without
// the x32 system calls: hardly a kernel offers them, and a start compiles a third fewer
// rules. Older engines have older ones built in: 20.10 allows io_uring and AF_VSOCK.
var seccompProfile = sync.OnceValue(func() string {
	profile := seccomp.DefaultProfile()
	for i, arch := range profile.ArchMap {
		subs := arch.SubArches[:0:0]
		for _, sub := range arch.SubArches {
			if sub != "SCMP_ARCH_X32" {
				subs = append(subs, sub)
			}
		}
		profile.ArchMap[i].SubArches = subs
	}
	b, err := json.Marshal(profile)
	if err != nil {
		panic("docker: the built-in seccomp profile cannot fail to marshal: " + err.Error())
	}
	return string(b)
})

// containerConfig is the part of a container's configuration that says what runs.
func containerConfig(c runtime.Container, img imageFacts, who identity, labels map[string]string) *container.Config {
	dir, command := "/workspace", c.Spec.Command
	if len(command) == 0 {
		command = img.command
		if img.dir != "" {
			dir = img.dir
		}
	}
	return &container.Config{
		Image: img.id, User: who.String(), WorkingDir: dir, Labels: labels, Env: environment(c),
		Entrypoint: entrypoint(c.Spec), Cmd: command, StopSignal: "SIGTERM",
		// An image's own health check would run for ever and flood the events.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
}

// entrypoint is the agent with the options that the spec asks for. What is usual is not
// said, so that an older agent understands it.
func entrypoint(s workspace.Spec) []string {
	words := []string{agentPath, "agent"}
	if s.Restart == workspace.RestartOnFailure || s.Restart == workspace.RestartAlways {
		words = append(words, "--restart="+string(s.Restart))
	}
	if s.Dir != "" {
		// The engine would make a missing folder, as root; the agent says that it is missing.
		words = append(words, "--dir="+s.Dir)
	}
	if s.Prepares() {
		words = append(words, "--await")
	}
	return append(words, "--")
}

// environment returns KEY=value, sorted: ours where the spec does not say otherwise.
func environment(c runtime.Container) []string {
	env := map[string]string{
		"HOME": "/workspace", "TMPDIR": "/tmp", "WSD_WORKSPACE": c.Workspace, "WSD_NAME": c.Name,
		// Create React App passes it on to webpack-dev-server, whose client then takes the port
		// of its page (0) and not that of the server inside, which no browser reaches.
		"WDS_SOCKET_PORT": "0",
	}
	if c.Spec.Port > 0 {
		env["PORT"] = strconv.Itoa(c.Spec.Port)
	}
	for k, v := range c.Spec.Env {
		env[k] = v
	}
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}
