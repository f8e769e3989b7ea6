package wstest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Docker is a Docker Engine that a test looks at from outside of wsd.
type Docker struct {
	tb   testing.TB
	Host string // unix:///path
}

// LocalDocker is the machine's engine. Without one the test fails: a test that
// passes without its engine tells nothing.
func LocalDocker(tb testing.TB) Docker {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs a container engine")
	}
	d := Docker{tb: tb, Host: "unix:///var/run/docker.sock"}
	if h := os.Getenv("DOCKER_HOST"); h != "" {
		d.Host = h
	}
	if out, err := d.try("version", "--format", "{{.Server.Version}}"); err != nil {
		tb.Fatalf("no container engine answers; run scripts/engine.sh (%s)", strings.TrimSpace(out))
	}
	return d
}

func (d Docker) try(args ...string) (string, error) {
	cmd := exec.Command("docker", append([]string{"--host", d.Host}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Run runs the engine's own command line and returns its output.
func (d Docker) Run(args ...string) string {
	d.tb.Helper()
	out, err := d.try(args...)
	if err != nil {
		d.tb.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

// Objects lists what carries a label of wsd's instance: containers of a role
// (workspace, sandbox), or volumes, networks and images that were built.
func (d Docker) Objects(kind, instance, role string) []string {
	d.tb.Helper()
	args := map[string][]string{
		"container": {"ps", "--all", "--no-trunc", "--format", "{{.Names}}"},
		"volume":    {"volume", "ls", "--format", "{{.Name}}"},
		"network":   {"network", "ls", "--no-trunc", "--format", "{{.Name}}"},
		"image":     {"images", "--no-trunc", "--format", "{{.ID}}"},
	}[kind]
	args = append(args, "--filter", "label=wsd.instance="+instance)
	if role != "" {
		args = append(args, "--filter", "label=wsd.role="+role)
	}
	return strings.Fields(d.Run(args...))
}

// NewProcess prepares a wsd on this engine; what it has made there is removed after its
// end, so not even a spare sandbox outlives the test.
func (d Docker) NewProcess(tb testing.TB, env ...string) *Process {
	tb.Helper()
	p := NewProcess(tb, env...)
	p.sweep = d.sweep
	return p
}

// sweep removes everything that carries the label of an instance whose wsd has ended.
// The engine may still be at work for a wsd that was killed in the middle of a call, so
// only two looks in a row that find nothing are an end.
func (d Docker) sweep(instance string) {
	d.tb.Helper()
	if instance == "" {
		return
	}
	empty := 0
	Until(d.tb, time.Minute, "nothing of "+instance+" is left at the engine", func(context.Context) bool {
		if d.removeAll(instance) {
			empty = 0
		} else {
			empty++
		}
		return empty == 2
	})
	if bare := lasting(30*time.Second, d.bareVolumes); len(bare) > 0 {
		d.tb.Errorf("volumes with a name of wsd's and no label, which nobody will ever remove: %s", strings.Join(bare, ", "))
	}
}

// lasting are what look finds and still finds after the limit, without what comes meanwhile: tests
// beside this one may have at any moment what they are about to remove.
func lasting(limit time.Duration, look func() []string) []string {
	found := look()
	for deadline := time.Now().Add(limit); len(found) > 0 && time.Now().Before(deadline); {
		time.Sleep(limit / 100)
		now := look()
		found = slices.DeleteFunc(found, func(name string) bool { return !slices.Contains(now, name) })
	}
	return found
}

// bareVolumes lists volumes that an engine has made for a workspace by itself, because the one
// that was there had gone.
func (d Docker) bareVolumes() (bare []string) {
	d.tb.Helper()
	for line := range strings.Lines(d.Run("volume", "ls", "--filter", "name=^wsd-w", "--format", "{{.Name}} {{.Labels}}")) {
		if f := strings.Fields(line); len(f) == 1 {
			bare = append(bare, f[0])
		}
	}
	return bare
}

// removeAll tells whether there was anything to remove.
func (d Docker) removeAll(instance string) (found bool) {
	for _, kind := range []struct {
		list, remove []string
	}{
		{[]string{"ps", "-aq"}, []string{"rm", "-f", "-v"}},
		{[]string{"network", "ls", "-q"}, []string{"network", "rm"}},
		{[]string{"volume", "ls", "-q"}, []string{"volume", "rm", "-f"}},
		{[]string{"images", "-q"}, []string{"rmi", "-f"}},
	} {
		out, err := d.try(append(kind.list, "--filter", "label=wsd.instance="+instance)...)
		ids := strings.Fields(out)
		if err == nil && len(ids) == 0 {
			continue
		}
		if found = true; err == nil {
			_, _ = d.try(append(kind.remove, ids...)...)
		}
	}
	return found
}

// InstanceOf reads the instance id that a process keeps beside its store.
func InstanceOf(p *Process) string {
	b, err := os.ReadFile(filepath.Join(p.StateDir, "instance"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// PrivateEngine is a Docker Engine of the test's own, in a network namespace of its
// own, so that it can be killed, hung and restarted.
type PrivateEngine struct {
	Docker
	Netns string

	dir  string
	live bool
	cmd  *exec.Cmd
	dead chan struct{}
	out  *output
}

// StartPrivateEngine starts one; live makes containers outlive it.
func StartPrivateEngine(tb testing.TB, live bool) *PrivateEngine {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs a container engine")
	}
	if os.Getuid() != 0 {
		tb.Fatal("an engine of the test's own needs root")
	}
	dir, err := os.MkdirTemp("", "wsd-engine-")
	if err != nil {
		tb.Fatal(err)
	}
	e := &PrivateEngine{dir: dir, live: live, Netns: filepath.Base(dir), out: &output{}}
	e.Docker = Docker{tb: tb, Host: "unix://" + filepath.Join(dir, "docker.sock")}
	e.ip("netns", "add", e.Netns)
	e.ip("-n", e.Netns, "link", "set", "lo", "up")
	tb.Cleanup(e.remove)
	e.Start()
	return e
}

func (e *PrivateEngine) ip(args ...string) {
	e.tb.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		e.tb.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// Inside are the words that run a command in the engine's network.
func (e *PrivateEngine) Inside() []string { return []string{"nsenter", "--net=/run/netns/" + e.Netns} }

// Start runs the engine and waits until it answers. After a kill its first try may
// fail on what it left behind, so a second one is made.
func (e *PrivateEngine) Start() {
	e.tb.Helper()
	for range 2 {
		if e.tryStart() {
			return
		}
	}
	e.tb.Fatalf("the engine does not start:\n%s", e.out)
}

func (e *PrivateEngine) tryStart() bool {
	_ = os.Remove(filepath.Join(e.dir, "pid"))
	args := append(e.Inside(), "dockerd", "--data-root", e.dir+"/data", "--exec-root", e.dir+"/exec",
		"--host", e.Host, "--pidfile", e.dir+"/pid", "--iptables=true")
	if e.live {
		args = append(args, "--live-restore")
	}
	e.cmd = exec.Command(args[0], args[1:]...)
	e.cmd.Stdout, e.cmd.Stderr = e.out, e.out
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := e.cmd.Start(); err != nil {
		e.tb.Fatal(err)
	}
	e.dead = make(chan struct{})
	go func(cmd *exec.Cmd, dead chan struct{}) {
		_ = cmd.Wait()
		close(dead)
	}(e.cmd, e.dead)
	ok := false
	Until(e.tb, time.Minute, "the engine answers or ends", func(context.Context) bool {
		if _, err := e.try("info", "--format", "{{json .ID}}"); err == nil {
			ok = true
		}
		select {
		case <-e.dead:
			return true
		default:
			return ok
		}
	})
	return ok
}

// Signal sends a signal to the engine alone; its containers are not told.
func (e *PrivateEngine) Signal(s syscall.Signal) {
	e.tb.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		e.tb.Fatal(err)
	}
}

// Kill ends the engine with SIGKILL and waits.
func (e *PrivateEngine) Kill() {
	e.tb.Helper()
	e.Signal(syscall.SIGKILL)
	<-e.dead
}

// InspectState is what the engine says of a container.
type InspectState struct {
	Status    string
	Pid       int
	StartedAt time.Time
}

// State inspects a container.
func (d Docker) State(name string) InspectState {
	d.tb.Helper()
	var s InspectState
	if err := json.Unmarshal([]byte(d.Run("inspect", "--format", "{{json .State}}", name)), &s); err != nil {
		d.tb.Fatal(err)
	}
	return s
}

// remove ends the engine and everything that it started.
func (e *PrivateEngine) remove() {
	if ids, err := e.try("ps", "-aq"); err == nil && strings.TrimSpace(ids) != "" {
		_, _ = e.try(append([]string{"rm", "-f", "-v"}, strings.Fields(ids)...)...)
	}
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.dead:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL)
	}
	if e.tb.Failed() {
		e.tb.Logf("the engine said:\n%.4000s", e.out)
	}
	e.killRemains()
	e.unmount()
	_ = exec.Command("ip", "netns", "del", e.Netns).Run()
	if err := os.RemoveAll(e.dir); err != nil {
		e.tb.Errorf("the engine's folder is left: %v", err)
	}
}

// unmount takes away what the engine has mounted below its folder, the newest first.
func (e *PrivateEngine) unmount() {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		e.tb.Logf("cannot read the mounts: %v", err)
		return
	}
	lines := strings.Split(string(b), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], e.dir+"/") {
			_ = syscall.Unmount(f[1], 0)
		}
	}
}

// killRemains ends processes that name the engine's folder: shims and their
// containers outlive an engine that was killed.
func (e *PrivateEngine) killRemains() {
	dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range dirs {
		b, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(b), e.dir) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(f, "/")[2]); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// Containerd is the process id of the engine's containerd, which it starts again
// when it dies.
func (e *PrivateEngine) Containerd() int {
	e.tb.Helper()
	out, err := exec.Command("pgrep", "--parent", strconv.Itoa(e.cmd.Process.Pid), "--exact", "containerd").Output()
	if err != nil {
		e.tb.Fatalf("cannot find the engine's containerd: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		e.tb.Fatal(err)
	}
	return pid
}

// ShimOf is the process id of the shim that holds a container's main process.
func (e *PrivateEngine) ShimOf(pid int) int {
	e.tb.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		e.tb.Fatal(err)
	}
	// The name in parentheses may hold anything; the parent is the second field behind it.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	shim, err := strconv.Atoi(fields[1])
	if err != nil {
		e.tb.Fatal(err)
	}
	return shim
}
