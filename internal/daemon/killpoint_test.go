package daemon_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// killpoints are system calls of wsd at which it is killed: the Nth of a kind since
// its start. The writes and syncs are those of the store's commits (intent, result);
// the writes to sockets are its questions to the engine (create, start) among the
// answers to clients. Points that a run does not reach end it unkilled, which is
// checked the same way.
var killpoints = []struct {
	call string
	at   []int
}{
	{"pwrite64", []int{5, 8, 12, 16, 20, 26, 34}},
	{"fdatasync", []int{2, 4, 6, 8, 10}},
	{"write", []int{24, 36, 48, 60, 72, 84, 96}},
}

// A daemon that is killed anywhere in the middle of a create, and whose client asks
// again with the same key, makes one workspace, one container and one of the rest.
func TestKilledAtASystemCallInACreate(t *testing.T) {
	docker := wstest.LocalDocker(t)
	needs(t, "strace")
	for _, k := range killpoints {
		for _, n := range k.at {
			t.Run(fmt.Sprintf("%s %d", k.call, n), func(t *testing.T) {
				p := docker.NewProcess(t, "WSD_DOCKER_SPARE=0")
				p.Start("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+k.call,
					"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", k.call, n))
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				_, err := p.Create(ctx, request("demo"), "the-key")
				cancel()
				accepted := err == nil
				awaitDeathOr(t, p, "demo")
				p.Kill()

				p.Start()
				if accepted {
					if _, err := p.Workspace(t.Context(), "demo"); err != nil {
						t.Fatalf("a create that was answered is lost: %v", err)
					}
				}
				if _, err := p.Create(t.Context(), request("demo"), "the-key"); err != nil {
					t.Fatalf("the same create again: %v", err)
				}
				w := inState(t, p, "demo", workspace.Running)
				wantObjects(t, docker, p, w)
				wantNothingAfterDelete(t, docker, p, "demo")
			})
		}
	}
}

// awaitDeathOr waits until the daemon has died, or has done all that was asked.
func awaitDeathOr(t *testing.T, p *wstest.Process, name string) {
	t.Helper()
	wstest.Until(t, 30*time.Second, "the daemon dies or is done", func(ctx context.Context) bool {
		if p.Dead() {
			return true
		}
		w, err := p.Workspace(ctx, name)
		return err == nil && w.State.Settled() && w.Job == ""
	})
}

func request(name string) api.Create { return api.Create{Name: name, Limits: small()} }

// wantObjects checks that the engine holds exactly what one workspace needs.
func wantObjects(t *testing.T, d wstest.Docker, p *wstest.Process, w workspace.Workspace) {
	t.Helper()
	instance := wstest.InstanceOf(p)
	if got := d.Objects("container", instance, "workspace"); !slices.Equal(got, []string{container(w)}) {
		t.Errorf("containers: %q", got)
	}
	if got := d.Objects("volume", instance, ""); !slices.Equal(got, []string{"wsd-" + w.ID}) {
		t.Errorf("volumes: %q", got)
	}
	sandboxes, networks := d.Objects("container", instance, "sandbox"), d.Objects("network", instance, "")
	if len(sandboxes) != 1 || len(networks) != 1 {
		// What a killed daemon had half made is cleared away by its next life.
		wstest.Until(t, 60*time.Second, "one sandbox and one network are left", func(context.Context) bool {
			sandboxes, networks = d.Objects("container", instance, "sandbox"), d.Objects("network", instance, "")
			return len(sandboxes) == 1 && len(networks) == 1
		})
	}
}

func wantNothingAfterDelete(t *testing.T, d wstest.Docker, p *wstest.Process, name string) {
	t.Helper()
	if _, err := p.Delete(t.Context(), name, true); err != nil {
		t.Fatal(err)
	}
	wstest.Until(t, 30*time.Second, name+" is gone", func(ctx context.Context) bool {
		_, err := p.Workspace(ctx, name)
		return fault.Is(err, fault.NotFound)
	})
	instance := wstest.InstanceOf(p)
	for _, kind := range []string{"container", "volume", "network"} {
		if left := d.Objects(kind, instance, ""); len(left) > 0 {
			t.Errorf("%s left: %s", kind, strings.Join(left, " "))
		}
	}
	ports, err := p.Ports(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ports.Leases {
		if l.State == "leased" {
			t.Errorf("port %d is still leased", l.Port)
		}
	}
}

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is missing: install it (apt-get install %s)", program, program)
	}
}
