package docker

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs; run with -update if that is meant\n%s", name, got)
	}
}

func TestTheHostConfigurationOfEachProfile(t *testing.T) {
	p := place{sandbox: "SANDBOX", volume: "wsd-waaaaaaaaaaaa", agent: "/var/lib/wsd/agent", cgroupns: true}
	img := imageFacts{id: "sha256:IMAGE", command: []string{"nginx", "-g", "daemon off;"}, dir: "/srv"}
	for _, profile := range []workspace.Profile{workspace.Strict, workspace.Writable, workspace.Admin} {
		t.Run(string(profile), func(t *testing.T) {
			c := runtime.Container{
				Ref: runtime.Ref{Workspace: "waaaaaaaaaaaa", Generation: 3}, Name: "demo", Owner: "uid:1000", Slot: 12,
				Spec: workspace.Spec{Image: "nginx", Port: 80, Profile: profile, Limits: workspace.Limits{CPUs: 1.5, Memory: 1 << 30, Pids: 256}},
			}
			got, err := json.MarshalIndent(map[string]any{
				"Config": containerConfig(c, img, map[string]string{"wsd.instance": "i"}), "HostConfig": hostConfig(c, p),
			}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			profileJSON, _ := json.Marshal(seccompProfile())
			short := strings.Replace(string(got), string(profileJSON[1:len(profileJSON)-1]), "THE PROFILE OF seccomp.json", 1)
			golden(t, "hostconfig-"+string(profile)+".json", []byte(short+"\n"))
		})
	}
	golden(t, "seccomp.json", []byte(seccompProfile()+"\n"))
	box, err := json.MarshalIndent(sandboxHostConfig("NETWORK", true), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	profileJSON, _ := json.Marshal(seccompProfile())
	golden(t, "hostconfig-sandbox.json", []byte(strings.Replace(string(box), string(profileJSON[1:len(profileJSON)-1]), "THE PROFILE OF seccomp.json", 1)+"\n"))
}

func TestTheSeccompProfileBlocksWhatOldEnginesAllow(t *testing.T) {
	for _, call := range []string{`"io_uring_setup"`, `"io_uring_enter"`, `"userfaultfd"`} {
		if strings.Contains(seccompProfile(), call) {
			t.Errorf("%s is allowed", call)
		}
	}
}

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
	for target, o := range h.Tmpfs {
		bad(!slices.Contains([]string{"/tmp", "/run", "/run/secrets"}, target) || !strings.HasPrefix(o, "rw,nosuid,nodev,"), "tmpfs "+target)
	}
	for _, m := range h.Mounts {
		agent := m.Type == mount.TypeBind && m.Source == p.agent && m.Target == agentPath && m.ReadOnly
		volume := m.Type == mount.TypeVolume && m.Source == p.volume && m.Target == "/workspace" && m.VolumeOptions.DriverConfig == nil
		bad(!agent && !volume, "mount "+m.Source)
	}
	bad(len(h.Mounts) != 2, "number of mounts")
	return out
}

func TestWeaknessesAreSeen(t *testing.T) {
	p := place{sandbox: "s", volume: "v", agent: "/a", cgroupns: true}
	for name, weaken := range map[string]func(*container.HostConfig){
		"privileged": func(h *container.HostConfig) { h.Privileged = true },
		"host net":   func(h *container.HostConfig) { h.NetworkMode = "host" },
		"bind":       func(h *container.HostConfig) { h.Binds = []string{"/:/host"} },
		"mount": func(h *container.HostConfig) {
			h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: "/", Target: "/host"})
		},
		"writable agent": func(h *container.HostConfig) { h.Mounts[1].ReadOnly = false },
		"capability":     func(h *container.HostConfig) { h.CapAdd = []string{"SYS_ADMIN"} },
		"seccomp":        func(h *container.HostConfig) { h.SecurityOpt[1] = "seccomp=unconfined" },
		"swap":           func(h *container.HostConfig) { h.MemorySwap = -1 },
	} {
		h := hostConfig(runtime.Container{}, p)
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
	f.Add([]byte(`{"Slot":-20000,"Name":"host","Workspace":"../../x","Spec":{"profile":"privileged","limits":{"cpus":-1,"memory":-1,"pids":-1},"image":"--privileged"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c runtime.Container
		if json.Unmarshal(b, &c) != nil {
			return
		}
		p := place{sandbox: "s", volume: volumeName(c.Workspace), agent: "/a", cgroupns: true}
		h := hostConfig(c, p)
		if w := weaknesses(h, p); len(w) > 0 {
			t.Errorf("%v from %s", w, b)
		}
		if c.Spec.Profile != workspace.Admin && (len(h.CapAdd) > 0 || h.ReadonlyRootfs != (c.Spec.Profile != workspace.Writable)) {
			t.Errorf("profile %q: capabilities %v, read-only %v", c.Spec.Profile, h.CapAdd, h.ReadonlyRootfs)
		}
		cfg := containerConfig(c, imageFacts{id: "i"}, nil)
		if c.Spec.Profile != workspace.Admin && strings.HasPrefix(cfg.User, "0:") {
			t.Errorf("user %s", cfg.User)
		}
		if cfg.Hostname != "" || len(cfg.ExposedPorts)+len(cfg.Volumes) > 0 || !slices.Equal(cfg.Entrypoint, []string{agentPath, "agent", "--"}) {
			t.Errorf("configuration %+v", cfg)
		}
	})
}
