package docker

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	p := place{
		instance: "INSTANCE", sandbox: "SANDBOX", volume: "wsd-waaaaaaaaaaaa", agent: "/var/lib/wsd/agent", sockets: "/var/lib/wsd/run/waaaaaaaaaaaa-3", cgroupns: true,
	}
	img := imageFacts{id: "sha256:IMAGE", command: []string{"nginx", "-g", "daemon off;"}, dir: "/srv"}
	for _, profile := range []workspace.Profile{workspace.Strict, workspace.Writable, workspace.Admin} {
		t.Run(string(profile), func(t *testing.T) {
			c := runtime.Container{
				Ref: runtime.Ref{Workspace: "waaaaaaaaaaaa", Generation: 3}, Name: "demo", Owner: "uid:1000", Slot: 12,
				Spec: workspace.Spec{Image: "nginx", Port: 80, Profile: profile, Limits: workspace.Limits{CPUs: 1.5, Memory: 1 << 30, Pids: 256}},
			}
			p.who = slotIdentity(c)
			golden(t, "hostconfig-"+string(profile)+".json", described(t, c, img, p))
		})
	}
	t.Run("everything that a spec may ask for", func(t *testing.T) {
		c := runtime.Container{
			Ref: runtime.Ref{Workspace: "waaaaaaaaaaaa", Generation: 3}, Name: "demo", Owner: "uid:1000", Slot: 12,
			Spec: workspace.Spec{
				Image: "nginx", Port: 80, Profile: workspace.Strict, Limits: workspace.Limits{CPUs: 1.5, Memory: 1 << 30, Pids: 256},
				Dir: "/workspace/src", User: "1000:100", Restart: workspace.RestartOnFailure,
				Source: &workspace.Source{Kind: "bind", Path: "/home/ann/project"},
				Mounts: []workspace.Mount{
					{Kind: "bind", Source: "/home/ann/data", Target: "/data", ReadOnly: true},
					{Kind: "volume", Source: "modules", Target: "/workspace/node_modules"},
					{Kind: "tmpfs", Target: "/scratch"},
				},
			},
		}
		p.volumes = []string{"/data", "/var/lib/db"}
		p.who, p.passwd = identity{1000, 100}, "/var/lib/wsd/users/IMAGE-1000-100"
		golden(t, "hostconfig-everything.json", described(t, c, img, p))
	})
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

// described is all that the engine is told of a container.
func described(t *testing.T, c runtime.Container, img imageFacts, p place) []byte {
	t.Helper()
	host, err := hostConfig(c, p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(map[string]any{
		"Config": containerConfig(c, img, p.who, map[string]string{"wsd.instance": "i"}), "HostConfig": host,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	profileJSON, _ := json.Marshal(seccompProfile())
	short := strings.Replace(string(got), string(profileJSON[1:len(profileJSON)-1]), "THE PROFILE OF seccomp.json", 1)
	return []byte(short + "\n")
}
