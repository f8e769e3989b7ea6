package daemon_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/server"
	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// streams opens one of each kind of stream and returns once all of them flow. Each
// sends its name when it has ended.
func streams(t *testing.T, p *wstest.Process, ref string) (ended chan string) {
	t.Helper()
	ended = make(chan string, 3)
	var flowing atomic.Int32
	open := func(name string, run func(flows func())) {
		go func() {
			run(sync.OnceFunc(func() { flowing.Add(1) }))
			ended <- name
		}()
	}
	ctx := t.Context()
	open("watch", func(flows func()) {
		for range p.Watch(ctx, client.WatchOptions{GiveUp: 2 * time.Second}) {
			flows()
		}
	})
	open("logs", func(flows func()) {
		for range p.Logs(ctx, ref, workspace.LogOptions{Follow: true, Tail: 10}) {
			flows()
		}
	})
	open("exec", func(flows func()) {
		first := writerFunc(func(b []byte) (int, error) { flows(); return len(b), nil })
		_, _ = p.Exec(ctx, ref, api.ExecStart{Command: []string{"sh", "-c", "echo up; sleep"}}, client.ExecStreams{Out: first, Err: first})
	})
	wstest.Until(t, 10*time.Second, "every stream flows", func(context.Context) bool { return int(flowing.Load()) == cap(ended) })
	return ended
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestOrderlyEndWithEveryKindOfStreamOpen(t *testing.T) {
	p := onMemory(t)
	create(t, p, "demo")
	ended := streams(t, p, "demo")
	if took := p.Terminate(); took >= server.DefaultTimes().Shutdown || p.ExitStatus() != 0 {
		t.Errorf("it ends with %d after %s", p.ExitStatus(), took)
	}
	for range cap(ended) {
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("a stream goes on")
		}
	}
	if _, err := os.Lstat(p.Socket); err == nil {
		t.Error("its socket is left")
	}
}

// never makes a workspace whose port nobody answers inside, so that its start goes on.
var never = []string{"create", "slow", "--", "sleep"}

func TestInterruptedCreateStopsWatchingAndTheWorkGoesOn(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			p := onMemory(t)
			cmd := p.Command("wsctl", never...)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var w workspace.Workspace
			wstest.Until(t, 20*time.Second, "the work has begun", func(ctx context.Context) bool {
				var err error
				w, err = p.Workspace(ctx, "slow")
				return err == nil && w.State == workspace.Initializing
			})
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if status := cmd.ProcessState.ExitCode(); status != fault.ClassOf(fault.Interrupted).Exit || out.Len() > 0 || errs.Len() == 0 {
				t.Errorf("it ends with %d: %s%s", status, &out, &errs)
			}
			if got, err := p.Workspace(t.Context(), "slow"); err != nil || got.Job != w.Job || got.Job == "" {
				t.Errorf("job %q became %q, %v", w.Job, got.Job, err)
			}
		})
	}
}

func TestOutputThatNobodyReadsIsNoError(t *testing.T) {
	p := onMemory(t)
	create(t, p, "demo")
	for _, args := range [][]string{{"list"}, {"list", "--json"}, {"events"}, {"logs", "demo"}, {"--help"}, {"show", "demo", "--json"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			for what, redirect := range map[string]func(t *testing.T, cmd *exec.Cmd){
				"the reader has gone": func(t *testing.T, cmd *exec.Cmd) { cmd.Stdout = brokenPipe(t) },
				"stdout is closed": func(_ *testing.T, cmd *exec.Cmd) {
					cmd.Args = append([]string{"sh", "-c", `exec "$@" >&-`, "sh"}, append([]string{cmd.Path}, args...)...)
					cmd.Path = "/bin/sh"
				},
			} {
				cmd := p.Command("wsctl", args...)
				redirect(t, cmd)
				if _, errs, status := wstest.Output(t, cmd); errs != "" || status != 0 && status != -1 { // -1: SIGPIPE, as of any tool
					t.Errorf("%s: it ends with %d: %s", what, status, errs)
				}
			}
		})
	}
}

// brokenPipe is an output whose reader has gone.
func brokenPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func TestFollowerEndsWithItsReader(t *testing.T) {
	p := onMemory(t)
	create(t, p, "demo")
	for _, args := range [][]string{{"events", "-f"}, {"list", "--watch"}, {"logs", "-f", "demo"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			cmd := p.Command("wsctl", args...)
			cmd.Stdout = brokenPipe(t)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { defer close(ended); _ = cmd.Wait() }()
			t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
			wstest.Until(t, 20*time.Second, "it ends", func(ctx context.Context) bool {
				text := time.Now().Format("150405.000000")
				_, _ = p.Update(ctx, "demo", 0, api.Update{Labels: map[string]*string{"n": &text}}) // something to say
				select {
				case <-ended:
					return true
				default:
					return false
				}
			})
		})
	}
}

func TestTooManyConnectionsAreSurvived(t *testing.T) {
	needs(t, "prlimit")
	p := memoryProcess(t)
	p.Start("prlimit", "--nofile=64")
	create(t, p, "demo")
	begin := len(p.Said())
	conns := make([]net.Conn, 0, 200)
	for range cap(conns) {
		c, err := net.DialTimeout("unix", p.Socket, 5*time.Second)
		if err != nil {
			break // its queue is full
		}
		conns = append(conns, c)
	}
	if len(conns) < 64 {
		t.Fatalf("only %d connections were made", len(conns))
	}
	wstest.Until(t, 10*time.Second, "it runs out of descriptors", func(context.Context) bool {
		return strings.Contains(p.Said()[begin:], "too many open files")
	})
	for _, c := range conns {
		_ = c.Close()
	}
	wstest.Until(t, 20*time.Second, "it answers again", func(ctx context.Context) bool {
		_, err := p.Status(ctx)
		return err == nil
	})
	if n := strings.Count(p.Said()[begin:], "too many open files"); n > 60 {
		t.Errorf("it says so %d times", n)
	}
	wantWsctl(t, p, "create", "more")
	if p.Dead() {
		t.Error("it has ended")
	}
}
