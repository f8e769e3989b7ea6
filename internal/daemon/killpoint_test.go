package daemon_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// killpoints are system calls of wsd at which it is killed: the Nth of a kind since
// its start, counted by each thread for itself. The writes and syncs are those of the store's commits (intent, result);
// the writes to sockets are its questions to the engine (create, start) among the
// answers to clients. A run that does not reach its point ends unkilled and is checked
// the same way, but most have to reach theirs.
var killpoints = []struct {
	call string
	at   []int
}{
	{"pwrite64", []int{2, 3, 4, 5, 6, 7, 8}},
	{"fdatasync", []int{1, 2, 3, 4, 6}},
	{"write", []int{24, 36, 48, 60, 72, 84, 96}},
}

// A daemon that is killed anywhere in the middle of a create, and whose client asks
// again with the same key, makes one workspace, one container and one of the rest.
func TestKilledAtASystemCallInACreate(t *testing.T) {
	wstest.LocalDocker(t) // without one none of the points is reached
	needs(t, "strace")
	for _, k := range killpoints {
		var killed atomic.Int32
		each := func(t *testing.T, n int) {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				docker := wstest.LocalDocker(t)
				p := docker.NewProcess(t, "WSD_DOCKER_SPARE=0")
				p.Start("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+k.call,
					"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", k.call, n))
				ctx, cancel := p.WhileAlive(t.Context())
				_, err := p.Create(ctx, request("demo"), "the-key")
				cancel()
				accepted := err == nil
				if awaitDeathOr(t, p, "demo") {
					killed.Add(1)
				}
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
		t.Run(k.call, func(t *testing.T) { // ends when all of its parallel tests have
			for _, n := range k.at {
				each(t, n)
			}
		})
		wantKilled(t, k.call, int(killed.Load()), len(k.at))
	}
}

// wantKilled fails a test whose points are no longer reached, which would prove nothing.
func wantKilled(t *testing.T, call string, killed, points int) {
	t.Helper()
	t.Logf("%s: killed at %d of %d points", call, killed, points)
	if killed < (points+1)/2 {
		t.Errorf("only %d of %d points of %s were reached; choose smaller ones", killed, points, call)
	}
}

// startpoints are counted from the moment before the start is asked for, by each thread
// of wsd for itself.
var startpoints = []struct {
	call string
	at   []int
}{
	{"pwrite64", []int{1, 2, 3, 4, 6}},
	{"fdatasync", []int{1, 2}},
	{"write", []int{1, 2, 3, 4}},
}

// A daemon that is killed anywhere in the middle of the start of a stopped workspace has
// it running in the end: at once where the start was answered, or when it is asked again.
func TestKilledAtASystemCallInAStart(t *testing.T) {
	t.Parallel()
	p, docker := onDocker(t, "WSD_DOCKER_SPARE=0")
	needs(t, "strace")
	create(t, p, "demo")
	for _, k := range startpoints {
		killed := 0
		for _, n := range k.at {
			t.Run(fmt.Sprintf("%s %d", k.call, n), func(t *testing.T) {
				wantWsctl(t, p, "stop", "demo")
				trace := attach(t, p, k.call, fmt.Sprintf("signal=KILL:when=%d", n))
				ctx, cancel := p.WhileAlive(t.Context())
				_, err := p.Client.Command(ctx, "demo", api.Start)
				cancel()
				if awaitDeathOr(t, p, "demo") {
					killed++
				}
				_ = trace.Process.Kill()
				p.Kill()

				p.Start()
				if err != nil {
					if _, err := p.Client.Command(t.Context(), "demo", api.Start); err != nil {
						t.Fatalf("the same start again: %v", err)
					}
				}
				w := inState(t, p, "demo", workspace.Running)
				wantObjects(t, docker, p, w)
				if got := docker.State(container(w)); got.Status != "running" {
					t.Errorf("its container is %s", got.Status)
				}
			})
		}
		wantKilled(t, k.call, killed, len(k.at))
	}
}

// A value that is encrypted with a key that a power cut takes away is lost.
func TestASecretIsRefusedWhereItsKeyDoesNotGetToTheDisk(t *testing.T) {
	p := onMemory(t)
	needs(t, "strace")
	trace := attach(t, p, "fsync", "error=EIO")
	if _, err := p.SetSecret(t.Context(), "TOKEN", []byte("value")); !fault.Is(err, fault.Internal) {
		t.Errorf("got %v", err)
	}
	if list, err := p.Secrets(t.Context()); err != nil || len(list.Secrets) != 0 {
		t.Errorf("%v is kept, %v", list, err)
	}
	_ = trace.Process.Signal(os.Interrupt) // it detaches
	_ = trace.Wait()
	if _, err := p.SetSecret(t.Context(), "TOKEN", []byte("value")); err != nil {
		t.Errorf("once the disk is well: %v", err)
	}
}

// attach has something happen to a call of the process from now on; see inject of strace(1).
func attach(t *testing.T, p *wstest.Process, call, happens string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("strace", "-f", "-o", "/dev/null", "-p", fmt.Sprint(p.PID()), "-e", "trace="+call,
		"-e", fmt.Sprintf("inject=%s:%s", call, happens))
	says, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(says)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "attached") {
			return cmd
		}
	}
	t.Fatalf("strace does not attach: %v", lines.Err())
	return nil
}

// awaitDeathOr waits until the daemon has died, or has done all that was asked, and tells
// which.
func awaitDeathOr(t *testing.T, p *wstest.Process, name string) (died bool) {
	t.Helper()
	wstest.Until(t, 30*time.Second, "the daemon dies or is done", func(ctx context.Context) bool {
		if p.Dead() {
			return true
		}
		ctx, cancel := p.WhileAlive(ctx)
		defer cancel()
		w, err := p.Workspace(ctx, name)
		return err == nil && w.State.Settled() && w.Job == ""
	})
	return p.Dead()
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
