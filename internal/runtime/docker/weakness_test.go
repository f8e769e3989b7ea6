package docker

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// weaknesses lists every way in which a host configuration is less than hardened.
func weaknesses(h *container.HostConfig, p place) []string {
	var out []string
	bad := func(is bool, what string) {
		if is {
			out = append(out, what)
		}
	}
	admin := []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
	bad(h.Privileged, "privileged")
	bad(h.NetworkMode != container.NetworkMode("container:"+p.sandbox), "network mode "+string(h.NetworkMode))
	bad(h.PidMode != "" || h.UTSMode != "" || h.UsernsMode != "" || h.Cgroup != "" || h.Isolation != "", "a shared namespace")
	bad(h.IpcMode != container.IPCModePrivate || h.CgroupnsMode != container.CgroupnsModePrivate, "ipc or cgroup namespace")
	bad(len(h.Devices)+len(h.DeviceRequests)+len(h.DeviceCgroupRules) > 0, "devices")
	bad(len(h.Binds)+len(h.VolumesFrom)+len(h.Links)+len(h.GroupAdd) > 0, "binds, volumes from, links or groups")
	bad(!slices.Equal(h.CapDrop, []string{"ALL"}), "capabilities kept")
	bad(len(h.CapAdd) > 0 && !slices.Equal(h.CapAdd, admin), "capabilities added")
	bad(!slices.Equal(h.SecurityOpt, []string{"no-new-privileges:true", "seccomp=" + seccompProfile()}), "security options")
	bad(h.PublishAllPorts || len(h.PortBindings) > 0, "published ports")
	bad(h.RestartPolicy.Name != "no" || h.AutoRemove, "restart policy")
	bad(h.MaskedPaths != nil || h.ReadonlyPaths != nil, "masked paths")
	bad(h.Runtime != "" || len(h.Sysctls)+len(h.StorageOpt)+len(h.ExtraHosts)+len(h.DNS) > 0, "runtime, sysctls, storage, hosts or dns")
	bad(h.CgroupParent != "" || h.OomScoreAdj < 0 || h.OomKillDisable != nil, "cgroup parent or oom")
	bad(h.MemorySwap != h.Memory || h.PidsLimit == nil, "limits")
	targets := map[string]int{}
	for target, o := range h.Tmpfs {
		targets[target]++
		own := slices.Contains([]string{"/tmp", "/run", "/run/secrets"}, target)
		bad(!own && !freeInside(target) || !strings.HasPrefix(o, "rw,nosuid,nodev,"), "tmpfs "+target)
	}
	for _, m := range h.Mounts {
		targets[m.Target]++
		bad(!harmless(m, p), "mount "+m.Source+" at "+m.Target)
	}
	for target, n := range targets {
		bad(n > 1, "two mounts at "+target)
	}
	bad(targets["/image"] != 1 && len(p.volumes) > 0, "a volume that the image declares is missing")
	bad(targets[agentPath]*targets["/workspace"]*targets["/run/wsd"] != 1, "a mount of ours is missing")
	return out
}

// harmless reports whether a mount gives a workspace nothing but its own and what a person
// may share. It is written anew, not in terms of what it checks.
func harmless(m mount.Mount, p place) bool {
	switch {
	case m.Target == agentPath:
		return m.Type == mount.TypeBind && m.Source == p.agent && m.ReadOnly
	case m.Target == "/run/wsd":
		return m.Type == mount.TypeBind && m.Source == p.sockets
	case m.Target != "/workspace" && !freeInside(m.Target):
		return false
	case m.Type == mount.TypeVolume:
		return m.VolumeOptions != nil && (m.Source == p.volume || strings.HasPrefix(m.Source, p.volume+"-")) && !strings.ContainsAny(m.Source, "/ ") &&
			m.VolumeOptions.DriverConfig == nil && (m.VolumeOptions.NoCopy || strings.HasPrefix(m.Source, p.volume+"-_")) &&
			m.VolumeOptions.Labels[labelInstance] == p.instance && m.VolumeOptions.Labels[labelRole] == roleVolume
	case m.Type != mount.TypeBind || m.BindOptions == nil || m.BindOptions.Propagation != mount.PropagationRPrivate || m.BindOptions.CreateMountpoint:
		return false
	}
	if !path.IsAbs(m.Source) || path.Clean(m.Source) != m.Source || strings.Contains(m.Source, "docker.sock") {
		return false
	}
	for _, never := range append([]string{"/proc", "/sys", "/dev", "/run", "/var/run", "/etc", "/var/lib/docker"}, p.private...) {
		if strings.HasPrefix(m.Source+"/", never+"/") || strings.HasPrefix(never+"/", strings.TrimSuffix(m.Source, "/")+"/") {
			return false
		}
	}
	return true
}

// freeInside reports whether a further mount may be at a place inside.
func freeInside(target string) bool {
	if !path.IsAbs(target) || path.Clean(target) != target {
		return false
	}
	for _, never := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/opt/wsd"} {
		if strings.HasPrefix(target+"/", never+"/") || strings.HasPrefix(never+"/", strings.TrimSuffix(target, "/")+"/") {
			return false
		}
	}
	return target != "/workspace" && target != "/etc" && target != "/etc/hosts" && target != "/etc/resolv.conf"
}

func TestWeaknessesAreSeen(t *testing.T) {
	c := runtime.Container{Ref: runtime.Ref{Workspace: "w"}}
	p := testPlace(volumeName(c.Workspace))
	for name, weaken := range map[string]func(*container.HostConfig){
		"privileged": func(h *container.HostConfig) { h.Privileged = true },
		"host net":   func(h *container.HostConfig) { h.NetworkMode = "host" },
		"bind":       func(h *container.HostConfig) { h.Binds = []string{"/:/host"} },
		"mount": func(h *container.HostConfig) {
			h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: "/", Target: "/host"})
		},
		"writable agent": func(h *container.HostConfig) {
			i := slices.IndexFunc(h.Mounts, func(m mount.Mount) bool { return m.Target == agentPath })
			h.Mounts[i].ReadOnly = false
		},
		"a system folder": func(h *container.HostConfig) {
			h.Mounts = append(h.Mounts, bindMount("/etc/ssl", "/ssl", true))
		},
		"a parent of the engine's folder": func(h *container.HostConfig) {
			h.Mounts = append(h.Mounts, bindMount("/var/lib", "/x", true))
		},
		"our own state": func(h *container.HostConfig) {
			h.Mounts = append(h.Mounts, bindMount("/state/wsd.db", "/x", true))
		},
		"a volume of another workspace": func(h *container.HostConfig) {
			h.Mounts = append(h.Mounts, volumeMount("wsd-other", "/x", volumeLabels("i", c)))
		},
		"over the secrets": func(h *container.HostConfig) {
			h.Mounts = append(h.Mounts, volumeMount("wsd-w-a", "/run/secrets", volumeLabels("i", c)))
		},
		"a volume without labels": func(h *container.HostConfig) {
			h.Mounts = append(h.Mounts, volumeMount("wsd-w-a", "/x", nil))
		},
		"capability": func(h *container.HostConfig) { h.CapAdd = []string{"SYS_ADMIN"} },
		"seccomp":    func(h *container.HostConfig) { h.SecurityOpt[1] = "seccomp=unconfined" },
		"swap":       func(h *container.HostConfig) { h.MemorySwap = -1 },
	} {
		h, err := hostConfig(c, p)
		if err != nil {
			t.Fatal(err)
		}
		if w := weaknesses(h, p); len(w) > 0 {
			t.Fatalf("weak from the start: %v", w)
		}
		weaken(h)
		if len(weaknesses(h, p)) == 0 {
			t.Errorf("%s is not seen", name)
		}
	}
}

func FuzzNoInputMakesAWeakContainer(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"Workspace":"w","Generation":1,"Name":"n","Owner":"o","Slot":3,"Spec":{"image":"i","profile":"admin","env":{"A":"b"},"command":["x"],"limits":{"cpus":1,"memory":1,"pids":1}}}`))
	for _, mounts := range []string{
		`{"kind":"bind","source":"/home/a","target":"/data"},{"kind":"bind","source":"/home/b","target":"/data"}`,
		`{"kind":"bind","source":"/","target":"/data"}`, `{"kind":"bind","source":"/home/../etc","target":"/data"}`,
		`{"kind":"bind","source":"/var","target":"/data"}`, `{"kind":"bind","source":"/home/docker.sock","target":"/data"}`,
		`{"kind":"bind","source":"/state","target":"/data"}`, `{"kind":"bind","source":"/home/a","target":"/run/secrets"}`,
		`{"kind":"volume","source":"../../x","target":"/data"}`, `{"kind":"volume","source":"a","target":"/opt"}`,
		`{"kind":"tmpfs","target":"/proc"}`, `{"kind":"tmpfs","target":"/cache"}`, `{"kind":"npipe","source":"x","target":"/data"}`,
	} {
		f.Add([]byte(`{"Workspace":"w","Generation":1,"Spec":{"restart":"always","dir":"/x","user":"0:0","mounts":[` + mounts + `]}}`))
		f.Add([]byte(`{"Workspace":"w","Generation":1,"Spec":{"source":{"kind":"bind","path":"/home/a"},"mounts":[` + mounts + `]}}`))
	}
	f.Add([]byte(`{"Workspace":"w","Spec":{"source":{"kind":"bind","path":"/proc/1/root"}}}`))
	f.Add([]byte(`{"Workspace":"w","Spec":{"source":{"kind":"git","url":"https://example.org/a"},"secrets":["a"]}}`))
	f.Add([]byte(`{"Workspace":"../../x","Spec":{"source":{"kind":"bind","path":"/home/a"}}}`))
	f.Add([]byte(`{"Slot":-20000,"Name":"host","Workspace":"../../x","Spec":{"profile":"privileged","limits":{"cpus":-1,"memory":-1,"pids":-1},"image":"--privileged"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c runtime.Container
		if json.Unmarshal(b, &c) != nil {
			return
		}
		p := testPlace(volumeName(c.Workspace))
		p.who = slotIdentity(c)
		h, err := hostConfig(c, p)
		if err != nil {
			return // refused
		}
		if w := weaknesses(h, p); len(w) > 0 {
			t.Errorf("%v from %s", w, b)
		}
		if c.Spec.Profile != workspace.Admin && (len(h.CapAdd) > 0 || h.ReadonlyRootfs != (c.Spec.Profile != workspace.Writable)) {
			t.Errorf("profile %q: capabilities %v, read-only %v", c.Spec.Profile, h.CapAdd, h.ReadonlyRootfs)
		}
		cfg := containerConfig(c, imageFacts{id: "i"}, p.who, nil)
		if c.Spec.Profile != workspace.Admin && strings.HasPrefix(cfg.User, "0:") {
			t.Errorf("user %s", cfg.User)
		}
		words := slices.DeleteFunc(slices.Clone(cfg.Entrypoint), func(w string) bool {
			return w == "--await" || strings.HasPrefix(w, "--restart=") || strings.HasPrefix(w, "--dir=")
		})
		if cfg.Hostname != "" || len(cfg.ExposedPorts)+len(cfg.Volumes) > 0 || !slices.Equal(words, []string{agentPath, "agent", "--"}) {
			t.Errorf("configuration %+v", cfg)
		}
	})
}

func testPlace(volume string) place {
	return place{
		instance: "i", sandbox: "s", volume: volume, volumes: []string{"/data", "/run/secrets", "/workspace", "data", "/image/", "/image", "/etc/../proc"}, agent: "/state/agent", sockets: "/state/run/w-1", private: []string{"/state"}, cgroupns: true,
	}
}
