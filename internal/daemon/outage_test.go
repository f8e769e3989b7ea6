package daemon_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// These tests have an engine each and wait for it most of the time: they run in parallel.

// startBeside runs wsd in the network of a private engine, with one workspace.
func startBeside(t *testing.T, e *wstest.PrivateEngine) (*wstest.Process, workspace.Workspace) {
	t.Helper()
	p := wstest.NewProcess(t, "WSD_DOCKER_HOST="+e.Host, "WSD_DOCKER_SPARE=1")
	p.Start(e.Inside()...)
	return p, create(t, p, "demo")
}

func create(t *testing.T, p *wstest.Process, name string) workspace.Workspace {
	t.Helper()
	wstest.Until(t, time.Minute, "the create is accepted", func(ctx context.Context) bool {
		_, err := p.Create(ctx, api.Create{Name: name, Limits: small()}, "key-"+name)
		return err == nil
	})
	return inState(t, p, name, workspace.Running)
}

// small are limits that let many workspaces share a small machine.
func small() api.PartialLimits {
	cpus, memory, pids := 0.5, int64(64<<20), int64(64)
	return api.PartialLimits{CPUs: &cpus, Memory: &memory, Pids: &pids}
}

func inState(t *testing.T, p *wstest.Process, name string, s workspace.State) workspace.Workspace {
	t.Helper()
	var w workspace.Workspace
	wstest.Until(t, time.Minute, name+" is "+string(s), func(ctx context.Context) bool {
		got, err := p.Workspace(ctx, name)
		w = got
		return err == nil && got.State == s && got.Job == ""
	})
	return w
}

func container(w workspace.Workspace) string { return fmt.Sprintf("wsd-%s-%d", w.ID, w.Generation) }

// wantAway checks what an outage looks like from outside: reads answer quickly and
// say that they are the last known, writes say when to try again.
func wantAway(t *testing.T, p *wstest.Process) {
	t.Helper()
	wstest.Until(t, 20*time.Second, "the outage is noticed", func(ctx context.Context) bool {
		s, err := p.Status(ctx)
		return err == nil && !s.Engine.Reachable
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	list, err := p.Workspaces(ctx, api.Filter{})
	if err != nil || !list.Stale || len(list.Workspaces) != 1 {
		t.Errorf("a read in an outage gives %+v, %v", list, err)
	}
	out, _, status := p.Wsctl("stop", "demo", "--no-wait", "--json")
	if status != fault.ClassOf(fault.Unavailable).Exit {
		t.Errorf("a write in an outage ends with %d: %s", status, out)
	}
}

func wantBack(t *testing.T, p *wstest.Process) {
	t.Helper()
	wstest.Until(t, 30*time.Second, "the engine's return is noticed", func(ctx context.Context) bool {
		s, err := p.Status(ctx)
		return err == nil && s.Engine.Reachable
	})
}

func TestEngineKilledAndBackRestoresWhatRan(t *testing.T) {
	t.Parallel()
	e := wstest.StartPrivateEngine(t, false)
	p, w := startBeside(t, e)
	e.Kill()
	wantAway(t, p)
	e.Start()
	wantBack(t, p)
	wstest.Until(t, 30*time.Second, "the workspace runs again", func(ctx context.Context) bool {
		got, err := p.Workspace(ctx, "demo")
		return err == nil && got.State == workspace.Running && got.Run != w.Run
	})
	got := inState(t, p, "demo", workspace.Running)
	if got.Stop == nil || got.Stop.Reason != workspace.StoppedInterrupt {
		t.Errorf("its stop is explained as %+v", got.Stop)
	}
	if e.State(container(w)).Status != "running" {
		t.Error("the engine does not run it")
	}
}

func TestEngineKilledUnderLiveRestoreChangesNothing(t *testing.T) {
	t.Parallel()
	e := wstest.StartPrivateEngine(t, true)
	p, w := startBeside(t, e)
	pid := e.State(container(w)).Pid
	e.Kill()
	wantAway(t, p)
	e.Start()
	wantBack(t, p)
	if got := inState(t, p, "demo", workspace.Running); got.Run != w.Run {
		t.Errorf("its run changed: %+v", got.Stop)
	}
	if now := e.State(container(w)); now.Pid != pid || now.Status != "running" {
		t.Errorf("its process was %d and is %+v", pid, now)
	}
}

func TestHungEngineIsNoticedAndFoundAgain(t *testing.T) {
	t.Parallel()
	e := wstest.StartPrivateEngine(t, false)
	p, w := startBeside(t, e)
	e.Signal(syscall.SIGSTOP)
	wantAway(t, p)
	e.Signal(syscall.SIGCONT)
	wantBack(t, p)
	if got := inState(t, p, "demo", workspace.Running); got.Run != w.Run {
		t.Errorf("its run changed: %+v", got.Stop)
	}
}

func TestEngineKilledInTheMiddleOfACreate(t *testing.T) {
	t.Parallel()
	e := wstest.StartPrivateEngine(t, false)
	p, _ := startBeside(t, e)
	for _, name := range []string{"second", "third"} {
		if _, err := p.Create(t.Context(), api.Create{Name: name, Limits: small()}, name); err != nil {
			t.Fatal(err)
		}
	}
	wstest.Until(t, 20*time.Second, "a container is being made", func(ctx context.Context) bool {
		list, err := p.Workspaces(ctx, api.Filter{})
		if err != nil {
			return false
		}
		for _, w := range list.Workspaces {
			if w.Name == "third" && (w.State == workspace.Initializing || w.State == workspace.Running) {
				return true
			}
		}
		return false
	})
	e.Kill()
	e.Start()
	wantBack(t, p)
	for _, name := range []string{"demo", "second", "third"} {
		wstest.Until(t, 30*time.Second, name+" runs, says the engine too", func(ctx context.Context) bool {
			w, err := p.Workspace(ctx, name)
			return err == nil && w.State == workspace.Running && w.Job == "" && e.State(container(w)).Status == "running"
		})
	}
	wstest.Until(t, 30*time.Second, "the engine has one container for each", func(context.Context) bool {
		return len(e.Objects("container", wstest.InstanceOf(p), "workspace")) == 3
	})
}

// An engine that was restarted answers the creation of a volume that is there, and that
// no container has, without its labels: it must not be taken for somebody else's.
func TestVolumeWithoutAContainerIsOursAfterAnEngineRestart(t *testing.T) {
	t.Parallel()
	e := wstest.StartPrivateEngine(t, false)
	p, w := startBeside(t, e)
	if _, errs, status := p.Wsctl("stop", "demo"); status != 0 {
		t.Fatalf("stop ends with %d: %s", status, errs)
	}
	e.Run("rm", "-f", container(w))
	e.Kill()
	e.Start()
	wantBack(t, p)
	if _, errs, status := p.Wsctl("start", "demo"); status != 0 {
		t.Fatalf("start ends with %d: %s", status, errs)
	}
	inState(t, p, "demo", workspace.Running)
}

func TestContainerdKilledUnderTheEngineInventsNoState(t *testing.T) {
	t.Parallel()
	e := wstest.StartPrivateEngine(t, false)
	p, w := startBeside(t, e)
	before := e.State(container(w))
	old := e.Containerd()
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 20 { // while the engine mends itself, nothing is told that it did not say
		got, err := p.Workspace(t.Context(), "demo")
		if err != nil || got.State != workspace.Running || got.Run != w.Run {
			t.Fatalf("it is told to be %s: %+v, %v", got.State, got.Stop, err)
		}
		e.State(container(w))
	}
	wstest.Until(t, time.Minute, "a command runs inside again", func(context.Context) bool {
		_, _, status := p.Wsctl("exec", "demo", "--", "true")
		return status == 0
	})
	if _, errs, status := p.Wsctl("stop", "demo"); status != 0 {
		t.Fatalf("stop ends with %d: %s", status, errs)
	}
	if syscall.Kill(before.Pid, 0) == nil {
		t.Errorf("it is told to be stopped while its process %d runs", before.Pid)
	}
}

// An engine on its way back answers with errors for a while: nothing is given up, nothing
// is invented, and its real return is noticed.
func TestEngineThatComesBackSlowlyIsWaitedFor(t *testing.T) {
	t.Parallel()
	e := wstest.StartPrivateEngine(t, true)
	p, w := startBeside(t, e)
	e.Kill()
	path := strings.TrimPrefix(e.Host, "unix://")
	_ = os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	sick := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { //nolint:gosec // ends with the test
		asked.Add(1)
		http.Error(rw, `{"message":"timeout waiting for containerd"}`, http.StatusInternalServerError)
	})}
	go func() { _ = sick.Serve(l) }()
	wantAway(t, p)
	before := asked.Load()
	wstest.Until(t, patienceWithEngine, "it is asked again and again", func(context.Context) bool { return asked.Load() > before+2 })
	if got, err := p.Workspace(t.Context(), "demo"); err != nil || got.State != workspace.Running || got.Run != w.Run {
		t.Errorf("it is told to be %s: %+v, %v", got.State, got.Stop, err)
	}
	_ = sick.Close()
	_ = os.Remove(path)
	e.Start()
	wantBack(t, p)
	if got := inState(t, p, "demo", workspace.Running); got.Run != w.Run {
		t.Errorf("its run changed: %+v", got.Stop)
	}
}

// patienceWithEngine bounds waits for what the daemon does by itself, with back-off.
const patienceWithEngine = time.Minute

// Without its shim the engine cannot end a process, and says that it has: a workspace is
// stopped only once its process is gone.
func TestStopEndsAProcessThatItsEngineHasLost(t *testing.T) {
	t.Parallel()
	e := wstest.StartPrivateEngine(t, false)
	p, w := startBeside(t, e)
	pid := e.State(container(w)).Pid
	shim := e.ShimOf(pid)
	containerd := e.Containerd()
	if err := syscall.Kill(containerd, syscall.SIGSTOP); err != nil { // so that it cannot tidy up
		t.Fatal(err)
	}
	for _, kill := range []int{shim, containerd} {
		if err := syscall.Kill(kill, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if syscall.Kill(pid, 0) != nil {
		t.Fatal("the process ended with its shim: nothing is left to be looked at")
	}
	wstest.Until(t, 2*time.Minute, "it stops", func(context.Context) bool {
		_, _, status := p.Wsctl("stop", "demo")
		return status == 0
	})
	if syscall.Kill(pid, 0) == nil {
		t.Errorf("it is told to be stopped while its process %d runs", pid)
	}
}
