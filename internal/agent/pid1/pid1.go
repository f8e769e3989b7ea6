// Package pid1 is the init of a workspace: it starts one command, passes signals on to
// it, reaps every process that loses its parent and ends with the command's status.
//
// Contract: the command runs in a session of its own (or, on a terminal, as its
// foreground process group), so that a signal for it never comes back to the init. A
// SIGTERM that the command ignores is not answered: the init keeps waiting, and the
// engine ends the container with SIGKILL when its patience is over. Once the command
// has ended after a stop was asked for, whatever else still runs is told to end and
// given lingerBudget.
//
// A command that the agent's own binary provides needs no second process: where Builtins
// has it, it runs inside process 1, which halves the time to start and the memory.
//
// It may not start anything by itself, and it may not touch a process outside its own
// PID namespace: where it is not process 1 it only adopts its own descendants.
package pid1

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lingerBudget is how long the command's left-over descendants get to end by themselves
// after a stop was asked for and the command itself is gone.
const lingerBudget = time.Second

// forwarded are the signals that people and engines send to a container's main process.
func forwarded() []os.Signal {
	return []os.Signal{
		unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH,
	}
}

// Run starts command and waits for it; without a command it waits for a signal that
// asks it to stop. The result is the status to exit with: the command's own, 128+n
// where signal n killed it, 127 where it was not found, 126 where it cannot be executed.
func Run(command []string, own Builtins) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded()...)
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	adopt()
	in := &initProcess{}
	if len(command) > 0 {
		if code, err := in.start(command, own); err != nil {
			fmt.Fprintf(os.Stderr, "wsd agent: %v\n", err)
			return code
		}
	}
	return in.loop(signals, children)
}

// Builtins are the commands that the agent's own binary provides.
type Builtins struct {
	// Has tells whether `agent-applet NAME` is one.
	Has func(name string) bool
	// Inside returns a command that may run in process 1 until ctx ends, nil if name is
	// none. It must start no processes: the init would reap them.
	Inside func(name string) func(ctx context.Context, args []string) int
}

// adopt makes the process inherit its orphaned descendants where it is not process 1.
func adopt() {
	if os.Getpid() != 1 {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
}

// initProcess is the state of the loop; one goroutine owns it.
type initProcess struct {
	pid      int // of the command; 0 if there is none
	stopping bool
	inside   <-chan int         // the status of a command that runs in this process; else nil
	cancel   context.CancelFunc // ends it
}

func (in *initProcess) loop(signals, children <-chan os.Signal) int {
	for {
		status, done, _ := in.reap()
		if done {
			if in.stopping {
				in.linger(children)
			}
			return status
		}
		select {
		case <-children:
		case status := <-in.inside:
			return status
		case s := <-signals:
			if in.idle() && asksToStop(s) {
				return 0
			}
			in.forward(s)
		}
	}
}

// idle tells that there is no command.
func (in *initProcess) idle() bool { return in.pid == 0 && in.inside == nil }

// forward passes s on to the command.
func (in *initProcess) forward(s os.Signal) {
	if in.inside != nil && asksToStop(s) {
		in.cancel()
	}
	n, ok := s.(syscall.Signal)
	if !ok || in.pid == 0 {
		return
	}
	in.stopping = in.stopping || asksToStop(s)
	_ = unix.Kill(in.pid, n) // the command may have ended meanwhile; the next reap tells
}

func asksToStop(s os.Signal) bool {
	return s == unix.SIGTERM || s == unix.SIGINT || s == unix.SIGQUIT
}

// reap collects every process that has ended. done reports that the command is one of
// them; status is its exit status then. alone reports that no child is left.
func (in *initProcess) reap() (status int, done, alone bool) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return status, done, true
		case pid == 0:
			return status, done, false
		case pid == in.pid:
			status, done = exitStatus(ws), true
		}
	}
}

// exitStatus is the status by which a shell would report ws.
func exitStatus(ws unix.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// linger asks the remaining processes of the container to end and waits for those that
// are ours, at most lingerBudget. Outside a PID namespace of its own it does nothing:
// kill(-1) would reach every process of the user there.
func (in *initProcess) linger(children <-chan os.Signal) {
	if os.Getpid() != 1 {
		return
	}
	_ = unix.Kill(-1, unix.SIGTERM)
	budget := time.NewTimer(lingerBudget)
	defer budget.Stop()
	for {
		if _, _, alone := in.reap(); alone {
			return
		}
		select {
		case <-children:
		case <-budget.C:
			return
		}
	}
}
