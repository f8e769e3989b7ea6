package docker

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestAWorkspaceLives(t *testing.T) {
	d := newDriver(t)
	c := testContainer("alive", "serve", "8080")
	st, err := d.Ensure(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if st.State != runtime.ObservedCreated || st.Ref != c.Ref || st.Name != containerName(c.Ref) || st.Spec == "" {
		t.Errorf("after Ensure: %+v", st)
	}
	again, err := d.Ensure(t.Context(), c)
	if err != nil || again.ID != st.ID {
		t.Errorf("Ensure again: %+v, %v, want the same container", again, err)
	}
	for range 2 {
		if err := d.Start(t.Context(), c.Ref); err != nil {
			t.Fatalf("Start: %v", err)
		}
	}
	answers(t, d, c)
	in, err := d.Inspect(t.Context(), c.Ref)
	if err != nil || in.State != runtime.ObservedRunning || in.StartedAt.IsZero() || in.Spec != st.Spec {
		t.Errorf("running: %+v, %v", in, err)
	}
	if err := d.Stop(t.Context(), c.Ref, 10*time.Second); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	if in, err = d.Inspect(t.Context(), c.Ref); err != nil || in.State != runtime.ObservedExited || in.ExitCode != 0 || in.FinishedAt.IsZero() {
		t.Errorf("stopped: %+v, %v", in, err)
	}
	if _, err := d.Dial(t.Context(), c.Ref, 8080); !errors.Is(err, runtime.ErrNotRunning) {
		t.Errorf("Dial of a stopped one: %v, want ErrNotRunning", err)
	}
	if err := d.Start(t.Context(), c.Ref); err != nil {
		t.Fatalf("Start again: %v", err)
	}
	answers(t, d, c)
	list, err := d.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Ref != c.Ref || list[0].State != runtime.ObservedRunning {
		t.Errorf("List: %+v, %v", list, err)
	}
	for range 2 {
		if err := d.Remove(t.Context(), c.Workspace); err != nil {
			t.Fatalf("Remove: %v", err)
		}
	}
	if left := residue(t, engine(t), d.cfg.Instance); len(left) > 0 {
		t.Errorf("left after Remove: %v", left)
	}
	if _, err := d.Inspect(t.Context(), c.Ref); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("Inspect of a removed one: %v", err)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	d := newDriver(t)
	r := runtime.Ref{Workspace: workspace.NewID(workspace.PrefixWorkspace), Generation: 1}
	if err := d.Stop(t.Context(), r, time.Second); err != nil {
		t.Errorf("Stop of a missing one: %v", err)
	}
	if err := d.Remove(t.Context(), r.Workspace); err != nil {
		t.Errorf("Remove of a missing one: %v", err)
	}
	_, errInspect := d.Inspect(t.Context(), r)
	_, errDial := d.Dial(t.Context(), r, 80)
	_, errExec := d.Exec(t.Context(), r, runtime.ExecSpec{Command: []string{"true"}})
	_, errStats := d.Stats(t.Context(), r)
	for what, err := range map[string]error{
		"Start": d.Start(t.Context(), r), "Pause": d.Pause(t.Context(), r), "Resume": d.Resume(t.Context(), r),
		"Inspect": errInspect, "Dial": errDial, "Exec": errExec, "Stats": errStats,
	} {
		if !errors.Is(err, runtime.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
}

// A container just made is started without a look at its sandbox, which may have been
// stopped meanwhile.
func TestANewContainerStartsInASandboxThatWasStopped(t *testing.T) {
	d := newDriver(t)
	c := testContainer("reset", "serve", "8080")
	if _, err := d.Ensure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	in, err := d.inspect(t.Context(), c.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.killSandbox(t.Context(), sandboxOf(string(in.HostConfig.NetworkMode))); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), c.Ref); err != nil {
		t.Fatal(err)
	}
	answers(t, d, c)
}

// On cgroup v1 runc gives up where a busy machine does not stop all processes in time.
func TestAPauseThatABusyMachineRefusesIsTriedAgain(t *testing.T) {
	d := newDriver(t, func(c *Config) {
		c.Host = tamperOnce(t, "/pause", http.StatusInternalServerError,
			`{"message":"Cannot pause container x: OCI runtime pause failed: unable to freeze: unknown"}`)
	})
	c := testContainer("busy", "serve", "8080")
	up(t, d, c)
	if err := d.Pause(t.Context(), c.Ref); err != nil {
		t.Fatalf("Pause: %v", err)
	}
	if in, err := d.Inspect(t.Context(), c.Ref); err != nil || in.State != runtime.ObservedPaused {
		t.Errorf("paused: %+v, %v", in, err)
	}
}

func TestPausedAndResumed(t *testing.T) {
	d := newDriver(t)
	c := testContainer("icy", "serve", "8080")
	up(t, d, c)
	answers(t, d, c)
	for range 2 {
		if err := d.Pause(t.Context(), c.Ref); err != nil {
			t.Fatalf("Pause: %v", err)
		}
	}
	if in, err := d.Inspect(t.Context(), c.Ref); err != nil || in.State != runtime.ObservedPaused {
		t.Errorf("paused: %+v, %v", in, err)
	}
	if _, err := d.Exec(t.Context(), c.Ref, runtime.ExecSpec{Command: []string{"true"}}); !errors.Is(err, runtime.ErrPaused) {
		t.Errorf("Exec in a paused one: %v", err)
	}
	for range 2 {
		if err := d.Resume(t.Context(), c.Ref); err != nil {
			t.Fatalf("Resume: %v", err)
		}
	}
	answers(t, d, c)
	if err := d.Pause(t.Context(), c.Ref); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(t.Context(), c.Ref, 10*time.Second); err != nil {
		t.Fatalf("Stop of a paused one: %v", err)
	}
	if in, err := d.Inspect(t.Context(), c.Ref); err != nil || in.State != runtime.ObservedExited || in.ExitCode != 0 {
		t.Errorf("a paused one has to get its signal: %+v, %v", in, err)
	}
	for what, err := range map[string]error{"Pause": d.Pause(t.Context(), c.Ref), "Resume": d.Resume(t.Context(), c.Ref)} {
		if !errors.Is(err, runtime.ErrNotRunning) {
			t.Errorf("%s of a stopped one: %v", what, err)
		}
	}
}

func TestStopKillsWhatDoesNotObey(t *testing.T) {
	d := newDriver(t)
	for _, grace := range []time.Duration{0, 300 * time.Millisecond} {
		c := testContainer("deaf", "deaf")
		up(t, d, c)
		eventually(t, 30*time.Second, func() error {
			if got := texts(readLogs(t, d, c.Ref, workspace.LogOptions{Tail: -1})); got != "deaf" {
				return fmt.Errorf("it says %q, want that it is deaf", got)
			}
			return nil
		})
		if err := d.Stop(t.Context(), c.Ref, grace); err != nil {
			t.Fatalf("Stop with a grace of %s: %v", grace, err)
		}
		if in, err := d.Inspect(t.Context(), c.Ref); err != nil || in.State != runtime.ObservedExited || in.ExitCode != 137 {
			t.Errorf("after a kill: %+v, %v", in, err)
		}
	}
}

func TestLimitsChangeLive(t *testing.T) {
	d := newDriver(t)
	c := testContainer("tight", "serve", "8080")
	up(t, d, c)
	l := workspace.Limits{CPUs: 0.5, Memory: 96 << 20, Pids: 100}
	if _, err := d.Update(t.Context(), c.Ref, l); err != nil {
		t.Fatal(err)
	}
	u, err := d.Stats(t.Context(), c.Ref)
	if err != nil || u.MemoryLimit != l.Memory {
		t.Errorf("after Update: %+v, %v", u, err)
	}
	c.Spec.Limits.Pids = 50
	if _, err := d.Ensure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	in, err := d.inspect(t.Context(), c.Ref)
	if err != nil || in.HostConfig.PidsLimit == nil || *in.HostConfig.PidsLimit != 50 || in.HostConfig.Memory != 64<<20 {
		t.Errorf("Ensure does not bring limits in line: %+v, %v", in.HostConfig, err)
	}
}

func TestInsideIsLockedDownAndTheUsersOwn(t *testing.T) {
	d := newDriver(t)
	c := testContainer("inside", "wait")
	c.Spec.Env = map[string]string{"COLOUR": "blue", "TMPDIR": "/elsewhere"}
	up(t, d, c)
	out, _, _ := inside(t, d, c.Ref, "", "id")
	if out != "20007 20007\n" {
		t.Errorf("id: %q", out)
	}
	out, _, _ = inside(t, d, c.Ref, "", "read", "/workspace/a/b/hello.txt")
	if out != "hello\n" {
		t.Errorf("the template's file: %q", out)
	}
	for _, path := range []string{"/workspace/mine", "/workspace/a/b/hello.txt", "/workspace/a/new", "/tmp/x", "/run/x", "/run/secrets/x"} {
		if _, e, code := inside(t, d, c.Ref, "", "write", path, "x"); code != 0 {
			t.Errorf("cannot write %s: %s", path, e)
		}
	}
	for _, path := range []string{"/etc/x", "/x", "/opt/wsd/agent"} {
		if _, _, code := inside(t, d, c.Ref, "", "write", path, "x"); code == 0 {
			t.Errorf("%s can be written", path)
		}
	}
	out, _, _ = inside(t, d, c.Ref, "", "env")
	env := strings.Split(strings.TrimSpace(out), "\n")
	for _, want := range []string{"HOME=/workspace", "TMPDIR=/elsewhere", "COLOUR=blue", "PORT=8080", "WSD_NAME=inside", "WDS_SOCKET_PORT=0", "WSD_WORKSPACE=" + c.Workspace} {
		if !slices.Contains(env, want) {
			t.Errorf("the environment lacks %s: %q", want, env)
		}
	}
	status, _, _ := inside(t, d, c.Ref, "", "read", "/proc/self/status")
	for _, want := range []string{"CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("/proc/self/status lacks %q", want)
		}
	}
}

func TestFilesAreWrittenOnceOnly(t *testing.T) {
	d := newDriver(t)
	c := testContainer("once", "wait")
	up(t, d, c)
	inside(t, d, c.Ref, "", "write", "/workspace/a/b/hello.txt", "changed")
	if err := d.Stop(t.Context(), c.Ref, time.Second); err != nil {
		t.Fatal(err)
	}
	up(t, d, c)
	if out, _, _ := inside(t, d, c.Ref, "", "read", "/workspace/a/b/hello.txt"); out != "changed" {
		t.Errorf("the person's change is gone: %q", out)
	}
}

func TestAVolumeIsFilledThroughTheEngineToo(t *testing.T) {
	d := newDriver(t)
	d.link.local = false // as if the engine were elsewhere
	c := testContainer("remote", "wait")
	up(t, d, c)
	if out, e, _ := inside(t, d, c.Ref, "", "read", "/workspace/a/b/hello.txt"); out != "hello\n" {
		t.Errorf("the template's file: %q %q", out, e)
	}
	if _, e, code := inside(t, d, c.Ref, "", "write", "/workspace/a/new", "x"); code != 0 {
		t.Errorf("cannot write: %s", e)
	}
	if _, e, code := inside(t, d, c.Ref, "", "write", "/workspace/new", "x"); code != 0 {
		t.Errorf("cannot write: %s", e)
	}
}

func TestAnotherSpecReplacesOnlyWhatNeverRan(t *testing.T) {
	d := newDriver(t)
	c := testContainer("other", "wait")
	first, err := d.Ensure(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Spec.Env = map[string]string{"A": "1"}
	second, err := d.Ensure(t.Context(), c)
	if err != nil || second.ID == first.ID || second.Spec == first.Spec {
		t.Fatalf("not replaced: %+v, %v", second, err)
	}
	if err := d.Start(t.Context(), c.Ref); err != nil {
		t.Fatal(err)
	}
	c.Spec.Env = map[string]string{"A": "2"}
	if _, err := d.Ensure(t.Context(), c); !hasCode(err, "container_differs") {
		t.Errorf("a container that ran: %v, want container_differs", err)
	}
	c.Generation = 2
	c.Origin = false
	up(t, d, c)
	if list, err := d.List(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("List: %+v, %v, want both generations", list, err)
	}
	if err := d.Remove(t.Context(), c.Workspace); err != nil {
		t.Fatal(err)
	}
	if left := residue(t, engine(t), d.cfg.Instance); len(left) > 2 { // the first sandbox may be spare now
		t.Errorf("left after Remove: %v", left)
	}
}

func TestARefusedConnectionIsPlain(t *testing.T) {
	d := newDriver(t)
	c := testContainer("deafport", "wait")
	up(t, d, c)
	for range 2 { // asked and remembered
		_, err := d.Dial(t.Context(), c.Ref, 9999)
		var op *net.OpError
		if !errors.As(err, &op) || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial of a closed port: %v (%T)", err, err)
		}
	}
}

// What listens on the loopback alone refuses each connection before the agent is asked.
func TestARefusedConnectionDoesNotAskTheEngineEachTime(t *testing.T) {
	d := newDriver(t)
	c := testContainer("deafport", "wait")
	up(t, d, c)
	own := d.link
	dial := func() error { _, err := d.Dial(t.Context(), c.Ref, 9999); return err }
	if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatal(err)
	}
	d.link = &link{host: "unix:///nowhere/at/all", local: own.local}
	defer func() { d.link = own }()
	if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("right after it: %v", err)
	}
	d.addrs.mu.Lock()
	d.addrs.m[c.Ref] = seen{d.addrs.m[c.Ref].ip, time.Now().Add(-surely)}
	d.addrs.mu.Unlock()
	if err := dial(); !errors.Is(err, runtime.ErrUnreachable) {
		t.Errorf("later it is not asked: %v", err)
	}
}

func TestTwoInstancesDoNotSeeEachOther(t *testing.T) {
	a, b := newDriver(t), newDriver(t)
	c := testContainer("mine", "wait")
	up(t, a, c)
	if list, err := b.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("the other instance lists %+v, %v", list, err)
	}
	if objects, err := b.Objects(t.Context()); err != nil || len(objects) != 0 {
		t.Errorf("the other instance has %+v, %v", objects, err)
	}
	if err := b.Remove(t.Context(), c.Workspace); err != nil {
		t.Errorf("Remove by the other: %v", err)
	}
	if _, err := b.Inspect(t.Context(), c.Ref); !hasCode(err, "foreign_object") {
		t.Errorf("Inspect by the other: %v", err)
	}
	if err := b.Stop(t.Context(), c.Ref, 0); !hasCode(err, "foreign_object") {
		t.Errorf("Stop by the other: %v", err)
	}
	objects, err := a.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		_ = b.RemoveObject(t.Context(), o)
	}
	if in, err := a.Inspect(t.Context(), c.Ref); err != nil || in.State != runtime.ObservedRunning {
		t.Errorf("the other instance touched it: %+v, %v", in, err)
	}
	if kinds := fmt.Sprint(kindsOf(objects)); kinds != "[container image image network sandbox volume]" {
		t.Errorf("Objects: %s", kinds)
	}
	for _, o := range objects {
		if o.Kind != kindImage && o.Workspace != c.Workspace || !o.InUse || o.CreatedAt.IsZero() {
			t.Errorf("object %+v", o)
		}
	}
}

func kindsOf(objects []runtime.Object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, o.Kind)
	}
	slices.Sort(out)
	return out
}
