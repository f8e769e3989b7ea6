// Package pid1 is the init of a workspace: it starts one command, passes signals on to
// it, reaps every process that loses its parent, answers wsd (package serve) and ends
// with the command's status.
//
// Contract: the command runs in a session of its own (or, on a terminal, as its
// foreground process group), so that a signal for it never comes back to the init. A
// SIGTERM that the command ignores is not answered: the init keeps waiting, and the
// engine ends the container with SIGKILL when its patience is over. Once the command
// has ended after a stop was asked for, whatever else still runs is told to end and
// given lingerBudget. A command that is to be restarted is started again after a pause
// that grows; see restart.go.
//
// A command that the agent's own binary provides needs no second process: where Builtins
// has it, it runs inside process 1, which halves the time to start and the memory.
//
// It may not touch a process outside its own PID namespace: where it is not process 1 it
// only adopts its own descendants.
package pid1

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/agent/proc"
	"github.com/wsctl/wsctl/internal/agent/serve"
	"github.com/wsctl/wsctl/internal/agentapi"
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

// Builtins are the commands that the agent's own binary provides.
type Builtins struct {
	// Has tells whether `agent-applet NAME` is one.
	Has func(name string) bool
	// Inside returns a command that may run in process 1 until ctx ends, nil if name is
	// none. It must start no processes: the init would reap them.
	Inside func(name string) func(ctx context.Context, args []string) int
}

// Run is `agent [--restart=never|on_failure|always] [--socket=PATH] [--dir=DIR] [--await]
// [--] [COMMAND...]`: it starts COMMAND and waits for it; without one it waits for a signal
// that asks it to stop. With --await COMMAND begins when wsd says so (see begin.go). The result is the status to exit with: the command's own, 128+n
// where signal n killed it, 127 where it was not found, 126 where it cannot be executed,
// 2 for options that it does not know.
func Run(args []string, own Builtins) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded()...)
	o, err := parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "wsd agent: %v\n", err)
		return 2
	}
	adopt()
	in := &initProcess{options: o, own: own, table: proc.NewTable(), begin: make(chan struct{}, 1)}
	if !o.await {
		in.work()
	}
	server, err := serve.Start(serve.Options{
		Socket: o.socket, Table: in.table, Command: in.status.get, Applet: own.Has, Begin: in.told, Log: os.Stdout,
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "wsd agent: cannot listen for wsd: %v\n", err)
	}
	defer server.Close()
	in.server = server
	if o.await && server != nil {
		in.again = in.unasked()
	} else if len(o.command) > 0 {
		if code, err := in.start(); err != nil {
			fmt.Fprintf(os.Stderr, "wsd agent: %v\n", err)
			return code
		}
	}
	return in.loop(signals)
}

// work goes to the folder in which the command works.
func (in *initProcess) work() {
	if in.dir == "" {
		return
	}
	if err := os.Chdir(in.dir); err != nil {
		fmt.Fprintf(os.Stderr, "wsd agent: cannot work in %q: %s\n", in.dir, proc.Reason(err))
	}
}

// adopt makes the process inherit its orphaned descendants where it is not process 1.
func adopt() {
	if os.Getpid() != 1 {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
}

// initProcess is the state of the loop; one goroutine owns it, but for status.
type initProcess struct {
	options
	own    Builtins
	table  *proc.Table
	server *serve.Server

	main     *proc.Process      // the command; nil where there is none now
	inside   <-chan int         // the status of a command that runs in this process; else nil
	cancel   context.CancelFunc // ends it
	began    time.Time          // of the command's last start
	early    int                // ends in a row that came soon after their start
	again    <-chan time.Time   // when the command is started next; nil: it is not
	begun    bool               // the command has been started
	begin    chan struct{}      // wsd has said so
	stopping bool
	tail     tail
	status   status
}

func (in *initProcess) loop(signals <-chan os.Signal) int {
	for {
		var ended <-chan struct{}
		if in.main != nil {
			ended = in.main.Ended()
		}
		select {
		case <-ended:
			if code, over := in.end(in.main.Status()); over {
				return code
			}
		case code := <-in.inside:
			if code, over := in.end(code); over {
				return code
			}
		case <-in.begin:
			if !in.await || in.begun || len(in.command) == 0 {
				continue
			}
			in.again = time.After(0)
		case <-in.again:
			in.again = nil
			in.first()
			if code, err := in.start(); err != nil {
				fmt.Fprintf(os.Stderr, "wsd agent: %v\n", err)
				if code, over := in.end(code); over {
					return code
				}
			}
		case s := <-signals:
			if in.idle() && asksToStop(s) {
				in.server.Hangup()
				return 0
			}
			in.forward(s)
		}
	}
}

// idle tells that no command runs.
func (in *initProcess) idle() bool { return in.main == nil && in.inside == nil }

// end takes the end of the command; over tells that the init ends with it.
func (in *initProcess) end(code int) (_ int, over bool) {
	in.main, in.inside = nil, nil
	if in.stopping {
		in.server.Hangup()
		in.linger()
		return code, true
	}
	if !in.restarts(code) {
		in.server.Hangup()
		return code, true
	}
	in.schedule(code)
	return 0, false
}

// forward passes s on to the command.
func (in *initProcess) forward(s os.Signal) {
	in.stopping = in.stopping || asksToStop(s)
	if in.inside != nil && asksToStop(s) {
		in.cancel()
	}
	if n, ok := s.(syscall.Signal); ok && in.main != nil {
		_ = unix.Kill(in.main.PID, n) // the command may have ended meanwhile; then that is told next
	}
}

func asksToStop(s os.Signal) bool {
	return s == unix.SIGTERM || s == unix.SIGINT || s == unix.SIGQUIT
}

// linger asks the remaining processes of the container to end and waits for those that
// are ours, at most lingerBudget. Outside a PID namespace of its own it does nothing:
// kill(-1) would reach every process of the user there.
func (in *initProcess) linger() {
	if os.Getpid() != 1 {
		return
	}
	_ = unix.Kill(-1, unix.SIGTERM)
	select {
	case <-in.table.Alone():
	case <-time.After(lingerBudget):
	}
}

// now is the report's view of the command.
func (in *initProcess) now(change func(*agentapi.Command)) { in.status.set(change) }
