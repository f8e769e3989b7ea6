// Package proc starts every process of a workspace and reaps every process that ends.
//
// Process 1 inherits all orphans, so it has to wait for any child, and whoever waits for
// any child takes the status of the others' too. That is why there is one Table, and why
// nothing in the agent may use os/exec or os.StartProcess while one runs: what Start made
// is told its own status, everything else is reaped and forgotten.
//
// Concurrency: all methods are safe for concurrent use. A start and a reap exclude each
// other, so no process can end before it is known.
package proc

import (
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Table knows the processes that were started. Make one with NewTable.
type Table struct {
	mu      sync.Mutex
	started map[int]*Process
	alone   chan struct{} // told after a reap that left no child; room for one
}

// NewTable returns a table that reaps from now on, until the program ends. There may be
// one in a program.
func NewTable() *Table {
	t := &Table{started: map[int]*Process{}, alone: make(chan struct{}, 1)}
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	go func() {
		for range children {
			t.reap()
		}
	}()
	return t
}

// Spec is what to start. The process becomes the leader of a session of its own.
type Spec struct {
	Path  string   // an executable file
	Args  []string // the name first
	Env   []string // KEY=value, whole
	Dir   string   // "": the agent's own
	Files []*os.File
	TTY   bool                 // Files[0] becomes the controlling terminal
	Sys   *syscall.SysProcAttr // in place of what TTY says; nil: a new session
}

// Process is one that was started.
type Process struct {
	PID    int
	ended  chan struct{}
	status int
}

// Ended is closed when the process has ended and was reaped.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Status is the exit status as a shell reports it, 128+n after signal n; good once Ended.
func (p *Process) Status() int { return p.status }

// Signal sends s to the process's group, or does nothing where it has ended.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.ended:
	default:
		_ = unix.Kill(-p.PID, s)
	}
}

// Start starts what s says. The error is that of the system.
func (t *Table) Start(s Spec) (*Process, error) {
	sys := s.Sys
	if sys == nil {
		sys = &syscall.SysProcAttr{Setsid: true, Setctty: s.TTY}
	}
	fds := make([]uintptr, len(s.Files))
	for i, f := range s.Files {
		fds[i] = f.Fd()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	pid, _, err := syscall.StartProcess(s.Path, s.Args, &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Files: fds, Sys: sys})
	if err != nil {
		return nil, err
	}
	offer(pid)
	p := &Process{PID: pid, ended: make(chan struct{})}
	t.started[pid] = p
	return p, nil
}

// offered is how much more the kernel likes to end a command than the agent, when the
// workspace's memory is used up: with the agent everything ends.
const offered = 100

// offer makes the kernel prefer pid to the agent. Raising the value needs no right.
func offer(pid int) {
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return
	}
	n := 0
	for _, c := range own {
		if c >= '0' && c <= '9' {
			n = n*10 + int(c-'0')
		}
	}
	if own[0] == '-' {
		n = -n
	}
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", strconv.AppendInt(nil, int64(min(n+offered, 1000)), 10), 0)
}

// reap collects every process that has ended.
func (t *Table) reap() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil: // no child at all
			select {
			case t.alone <- struct{}{}:
			default:
			}
			return
		case pid == 0:
			return
		}
		if p, ok := t.started[pid]; ok {
			delete(t.started, pid)
			p.status = exitStatus(ws)
			close(p.ended)
		}
	}
}

// Alone is told when no child is left, which may be so already. What was true before the
// call is not told.
func (t *Table) Alone() <-chan struct{} {
	t.mu.Lock()
	select {
	case <-t.alone:
	default:
	}
	t.mu.Unlock()
	go t.reap() // there may be none already
	return t.alone
}

func exitStatus(ws unix.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}
