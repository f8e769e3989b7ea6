package daemon_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/server"
	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// onDocker starts a daemon on the machine's engine whose objects go with the test.
func onDocker(t *testing.T, env ...string) (*wstest.Process, wstest.Docker) {
	t.Helper()
	d := wstest.LocalDocker(t)
	p := d.NewProcess(t, append([]string{"WSD_DOCKER_SPARE=1"}, env...)...)
	p.Start()
	return p, d
}

// onMemory starts a daemon without an engine.
func onMemory(t *testing.T) *wstest.Process {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs the real program")
	}
	p := wstest.NewProcess(t, "WSD_DRIVER=memory")
	p.Start()
	return p
}

func page(t *testing.T, w workspace.Workspace) (int, string) {
	t.Helper()
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", w.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// The sandboxes that a daemon keeps ready must not outlive the test it was started for.
func TestNothingIsLeftOfATestsDaemon(t *testing.T) {
	d := wstest.LocalDocker(t)
	var instance string
	t.Run("that kept sandboxes ready", func(t *testing.T) {
		p, _ := onDocker(t, "WSD_DOCKER_SPARE=2")
		instance = wstest.InstanceOf(p)
		create(t, p, "demo")
		wstest.Until(t, time.Minute, "two sandboxes wait", func(context.Context) bool {
			return len(d.Objects("container", instance, "sandbox")) == 3
		})
	})
	for _, kind := range []string{"container", "volume", "network", "image"} {
		if left := d.Objects(kind, instance, ""); len(left) > 0 {
			t.Errorf("%s left: %s", kind, strings.Join(left, " "))
		}
	}
}

func TestWorkspaceAnswersOnItsLeasedPortAndNothingIsPublished(t *testing.T) {
	t.Parallel()
	p, d := onDocker(t)
	w := create(t, p, "demo")
	if status, body := page(t, w); status != http.StatusOK || !strings.Contains(body, "<title>") {
		t.Errorf("got %d: %.100s", status, body)
	}
	for _, name := range append(d.Objects("container", wstest.InstanceOf(p), ""), container(w)) {
		if ports := d.Run("port", name); ports != "" {
			t.Errorf("the engine publishes %s for %s", ports, name)
		}
	}
}

func TestRestartOfTheDaemonLeavesTheProcessAndItsFilesAlone(t *testing.T) {
	t.Parallel()
	p, d := onDocker(t)
	w := create(t, p, "demo")
	before := d.State(container(w))
	for _, end := range []func(){p.Kill, func() { p.Terminate() }} {
		end()
		p.Start()
		got := inState(t, p, "demo", workspace.Running)
		if got.Run != w.Run || got.Port != w.Port {
			t.Errorf("run %s became %s, port %d became %d", w.Run, got.Run, w.Port, got.Port)
		}
		if status, _ := page(t, got); status != http.StatusOK {
			t.Errorf("it answers %d", status)
		}
	}
	if after := d.State(container(w)); after != before {
		t.Errorf("its process was %+v and is %+v", before, after)
	}
}

func TestContainerRemovedByHandIsToldAndMadeAgain(t *testing.T) {
	t.Parallel()
	p, d := onDocker(t)
	w := create(t, p, "demo")
	if out, _, status := p.Wsctl("exec", "demo", "--", "sh", "-c", "echo kept > /workspace/note"); status != 0 {
		t.Fatalf("exec ends with %d: %s", status, out)
	}
	d.Run("rm", "-f", container(w))
	wstest.Until(t, 10*time.Second, "its loss is told", func(ctx context.Context) bool {
		got, err := p.Workspace(ctx, "demo")
		return err == nil && got.State == workspace.Stopped && got.Stop != nil && got.Stop.Reason == workspace.StoppedLost
	})
	if _, errs, status := p.Wsctl("start", "demo"); status != 0 {
		t.Fatalf("start ends with %d: %s", status, errs)
	}
	if out, _, _ := p.Wsctl("exec", "demo", "--", "cat", "/workspace/note"); out != "kept\n" {
		t.Errorf("its file holds %q", out)
	}
}

func TestPausedStoppedAndKilledByHandAreTold(t *testing.T) {
	t.Parallel()
	p, d := onDocker(t)
	w := create(t, p, "demo")
	d.Run("pause", container(w))
	inState(t, p, "demo", workspace.Paused)
	d.Run("unpause", container(w))
	inState(t, p, "demo", workspace.Running)
	d.Run("stop", "-t", "5", container(w))
	got := inState(t, p, "demo", workspace.Stopped)
	if got.Stop == nil || got.Stop.Reason != workspace.StoppedOutside || got.Death == nil {
		t.Errorf("its stop is explained as %+v, %+v", got.Stop, got.Death)
	}
	d.Run("start", container(w))
	if again := inState(t, p, "demo", workspace.Running); again.Run == w.Run {
		t.Error("a start by hand keeps the run id")
	}
}

func TestForeignContainerIsNeverTouched(t *testing.T) {
	t.Parallel()
	p, d := onDocker(t, "WSD_DOCKER_SPARE=0")
	w := create(t, p, "demo")
	image := d.Run("inspect", "--format", "{{.Image}}", container(w))
	foreign := "wsd-" + workspace.NewID(workspace.PrefixWorkspace) + "-1"
	d.Run("create", "--name", foreign, "--label", "wsd.workspace=w234567abcdef", "--label", "wsd.instance=somebody-else", image, "true")
	t.Cleanup(func() { d.Run("rm", "-f", foreign) })
	if out, _, status := p.Wsctl("gc", "--apply", "--json"); status != 0 || strings.Contains(out, foreign) {
		t.Errorf("gc ends with %d: %s", status, out)
	}
	wantNothingAfterDelete(t, d, p, "demo")
	d.Run("inspect", foreign)
}

func TestSecondDaemonExitsAtOnceNamingTheFirst(t *testing.T) {
	p := onMemory(t)
	wsd := filepath.Join(wstest.Binaries(t), "wsd")
	cmd := exec.Command(wsd, "serve")
	cmd.Env = append(os.Environ(), "WSD_SOCKET="+p.Socket+"2", "WSD_STATE_DIR="+p.StateDir, "WSD_DRIVER=memory")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != fault.ClassOf(fault.Conflict).Exit {
		t.Errorf("it ends with %v: %s", err, out)
	}
	if want := fmt.Sprintf("wsd (socket %s) is already running on %s with pid %d", p.Socket, p.StateDir, p.PID()); !strings.Contains(string(out), want) {
		t.Errorf("%q does not say %q", out, want)
	}
	if _, err := p.Status(t.Context()); err != nil {
		t.Errorf("the first does not answer any more: %v", err)
	}
}

func TestLostStoreIsNotAFirstStartWhileContainersExist(t *testing.T) {
	t.Parallel()
	p, d := onDocker(t)
	w := create(t, p, "demo")
	backup := filepath.Join(t.TempDir(), "backup")
	if out, errs, status := p.Wsctl("admin", "backup", backup); status != 0 {
		t.Fatalf("backup ends with %d: %s%s", status, out, errs)
	}
	p.Kill()
	store := filepath.Join(p.StateDir, "wsd.db")
	if err := os.Remove(store); err != nil {
		t.Fatal(err)
	}
	out, status := serveToItsEnd(p)
	if status == 0 || !strings.Contains(out, "store is missing although 1 of its workspaces exist") || !strings.Contains(out, "admin restore") {
		t.Errorf("it ends with %d: %s", status, out)
	}
	if d.State(container(w)).Status != "running" {
		t.Error("the workspace was touched")
	}
	if out, errs, status := p.Wsctl("admin", "restore", backup); status != 0 {
		t.Fatalf("restore ends with %d: %s%s", status, out, errs)
	}
	p.Start()
	if got := inState(t, p, "demo", workspace.Running); got.Run != w.Run {
		t.Error("the restored record has another run")
	}
}

// serveToItsEnd runs a daemon that is expected to refuse.
func serveToItsEnd(p *wstest.Process) (string, int) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return p.Serve(ctx)
}

func TestDamagedStoreIsRefusedAndKept(t *testing.T) {
	p := onMemory(t)
	create(t, p, "demo")
	p.Kill()
	store := filepath.Join(p.StateDir, "wsd.db")
	whole, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func([]byte) []byte{
		"cut off":     func(b []byte) []byte { return b[:3*os.Getpagesize()] },
		"empty":       func([]byte) []byte { return nil },
		"overwritten": func(b []byte) []byte { return []byte(strings.Repeat("no store ", len(b)/9)) },
		"zeroed in the middle": func(b []byte) []byte {
			c := append([]byte(nil), b...)
			clear(c[2*os.Getpagesize() : len(c)/2])
			return c
		},
	} {
		t.Run(what, func(t *testing.T) {
			bad := damage(whole)
			if err := os.WriteFile(store, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			out, status := serveToItsEnd(p)
			if status == 0 || !strings.Contains(out, "damaged") || !strings.Contains(out, "restore") || strings.Contains(out, "panic") {
				t.Errorf("it ends with %d: %s", status, out)
			}
			if now, err := os.ReadFile(store); err != nil || string(now) != string(bad) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
}

func TestOrderlyEndDoesNotWaitForStreams(t *testing.T) {
	p := onMemory(t)
	flows, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		first := sync.OnceFunc(func() { close(flows) })
		for range p.Watch(t.Context(), client.WatchOptions{GiveUp: time.Second}) {
			first()
		}
	}()
	<-flows
	if took := p.Terminate(); took >= server.DefaultTimes().Shutdown { // when they would be cut
		t.Errorf("it took %s", took)
	}
	<-ended
}
