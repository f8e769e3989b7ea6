package wstest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/client"
)

// Process is a wsd of its own program, socket and state directory, to be killed.
// One of Docker.NewProcess has its objects at the engine removed with the test.
type Process struct {
	*client.Client
	Socket, StateDir string

	tb    testing.TB
	env   []string
	cmd   *exec.Cmd
	dead  chan struct{}
	out   *output
	sweep func(instance string) // nil: nothing is made outside of its folders
}

// output collects what a process says, for a failed test to show.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "wsd-bin-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", dir+"/", "github.com/wsctl/wsctl/cmd/wsd", "github.com/wsctl/wsctl/cmd/wsd-agent", "github.com/wsctl/wsctl/cmd/wsctl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return dir, nil
})

// Binaries builds wsd and wsctl once for the test program and returns their folder.
func Binaries(tb testing.TB) string {
	tb.Helper()
	dir, err := build()
	if err != nil {
		tb.Fatalf("cannot build: %v", err)
	}
	return dir
}

// RemoveBinaries removes what Binaries made; for TestMain.
func RemoveBinaries() {
	if dir, err := build(); err == nil {
		_ = os.RemoveAll(dir)
	}
}

// NewProcess prepares a process that is not started yet. env is added to its
// environment, KEY=value each.
func NewProcess(tb testing.TB, env ...string) *Process {
	tb.Helper()
	dir, err := os.MkdirTemp("", "wsd-")
	if err != nil {
		tb.Fatal(err)
	}
	first, last := freeRange(tb)
	p := &Process{tb: tb, Socket: filepath.Join(dir, "run", "wsd.sock"), StateDir: filepath.Join(dir, "state"), out: &output{}}
	p.env = append(os.Environ(), "WSD_SOCKET="+p.Socket, "WSD_STATE_DIR="+p.StateDir, "WSD_CONFIG=", "WSD_FRONT_ADDRESS=off",
		"WSD_PORTS_FIRST="+strconv.Itoa(first), "WSD_PORTS_LAST="+strconv.Itoa(last), "WSD_JOBS_BACKOFF=50ms", "WSD_LOG_LEVEL=debug")
	p.env = append(p.env, env...)
	p.Client = client.New(client.Options{Socket: p.Socket})
	tb.Cleanup(func() {
		p.Kill()
		if p.sweep != nil { // not before: a wsd that lives makes its spare sandboxes anew
			p.sweep(InstanceOf(p))
		}
		if tb.Failed() {
			tb.Logf("the daemon said:\n%s", p.out)
		}
		_ = os.RemoveAll(dir)
	})
	return p
}

// Start runs the daemon behind the words of wrapper (strace and the like) and waits
// until it answers. With a wrapper it may also have died by then.
func (p *Process) Start(wrapper ...string) {
	p.tb.Helper()
	args := slices.Concat(wrapper, []string{filepath.Join(Binaries(p.tb), "wsd"), "serve"})
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatalf("cannot start wsd: %v", err)
	}
	p.dead = make(chan struct{})
	go func(cmd *exec.Cmd, dead chan struct{}) {
		_ = cmd.Wait()
		close(dead)
	}(p.cmd, p.dead)
	Until(p.tb, 30*time.Second, "wsd answers", func(ctx context.Context) bool {
		ctx, cancel := p.WhileAlive(ctx)
		defer cancel()
		_, err := p.Status(ctx)
		return err == nil || len(wrapper) > 0 && p.Dead()
	})
	if len(wrapper) == 0 && p.Dead() {
		p.tb.Fatalf("wsd ended:\n%s", p.out)
	}
}

// Serve runs the daemon to its end and returns what it said and its exit status; for
// one that is expected to refuse.
func (p *Process) Serve(ctx context.Context) (out string, status int) {
	p.tb.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(Binaries(p.tb), "wsd"), "serve")
	cmd.Env = p.env
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.tb.Fatalf("cannot run wsd: %v", err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// Dead reports whether the process has ended.
func (p *Process) Dead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// WhileAlive is a context that ends with the process, for a question that nobody would
// answer any more.
func (p *Process) WhileAlive(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func(dead chan struct{}) {
		select {
		case <-dead:
			cancel()
		case <-ctx.Done():
		}
	}(p.dead)
	return ctx, cancel
}

// Kill sends SIGKILL to the process and what it was wrapped in, and waits.
func (p *Process) Kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.dead
}

// Terminate sends SIGTERM and returns how long the orderly end took.
func (p *Process) Terminate() time.Duration {
	begin := time.Now()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.dead
	return time.Since(begin)
}

// PID is the process id of the last Start: of its wrapper, where there is one.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// ExitStatus is that of the last Start once Dead; -1 after a signal.
func (p *Process) ExitStatus() int { return p.cmd.ProcessState.ExitCode() }

// Said is what the daemon has written since the first Start.
func (p *Process) Said() string { return p.out.String() }

// Command prepares wsd or wsctl in the process's environment; it is not started.
func (p *Process) Command(program string, args ...string) *exec.Cmd {
	p.tb.Helper()
	cmd := exec.Command(filepath.Join(Binaries(p.tb), program), args...)
	cmd.Env = slices.Clone(p.env)
	return cmd
}

// Wsctl runs wsctl against the process and returns its output and exit status.
func (p *Process) Wsctl(args ...string) (stdout, stderr string, status int) {
	p.tb.Helper()
	return Output(p.tb, p.Command("wsctl", args...))
}

// Output runs cmd to its end and returns its output and exit status; -1 after a signal.
func Output(tb testing.TB, cmd *exec.Cmd) (stdout, stderr string, status int) {
	tb.Helper()
	var out, errs bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatalf("cannot run %s: %v", cmd.Path, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Until asks cond again and again until it holds, and fails the test when it does
// not within limit.
func Until(tb testing.TB, limit time.Duration, what string, cond func(context.Context) bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("not within %s: %s", limit, what)
		}
	}
}
