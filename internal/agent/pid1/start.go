package pid1

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/agent/proc"
)

// start starts the command; code is the status to exit with where err is set.
func (in *initProcess) start() (code int, err error) {
	command := slices.Clone(in.command)
	path, err := proc.LookPath(command[0], "")
	name := filepath.Base(command[0])
	switch missing := proc.Missing(err); {
	case (missing || err == nil && isSelf(path)) && in.own.Inside != nil && in.own.Inside(name) != nil:
		in.startInside(in.own.Inside(name), append([]string{name}, command[1:]...))
		return 0, nil
	case missing && in.own.Has != nil && in.own.Has(name):
		if path, err = os.Executable(); err == nil {
			command = append([]string{"wsd", "agent-applet", name}, command[1:]...)
		}
	}
	if err == nil {
		err = in.startProcess(path, command)
	}
	if err != nil {
		return proc.StartStatus(err), fmt.Errorf("cannot start %q: %s", command[0], proc.Reason(err))
	}
	return 0, nil
}

func (in *initProcess) startProcess(path string, command []string) error {
	out, errs := os.Stdout, os.Stderr
	if in.restart != restartNever {
		var err1, err2 error
		out, err1 = in.tail.through(os.Stdout)
		errs, err2 = in.tail.through(os.Stderr)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		defer out.Close()
		defer errs.Close()
	}
	p, err := in.table.Start(proc.Spec{
		Path: path, Args: command, Env: os.Environ(), Files: []*os.File{os.Stdin, out, errs}, Sys: session(),
	})
	if err != nil {
		return err
	}
	in.main = p
	in.started(p.PID)
	return nil
}

// startInside runs a command as a goroutine of this process.
func (in *initProcess) startInside(run func(context.Context, []string) int, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	status := make(chan int, 1)
	in.inside, in.cancel = status, cancel
	in.started(os.Getpid())
	go func() { status <- run(ctx, args) }()
}

// isSelf tells whether path leads to the running program.
func isSelf(path string) bool {
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := os.Stat("/proc/self/exe")
	return err == nil && os.SameFile(a, b)
}

// session puts the command into a session of its own, or into the foreground of the
// terminal where there is one: it must keep the terminal then.
func session() *syscall.SysProcAttr {
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err != nil {
		return &syscall.SysProcAttr{Setsid: true}
	}
	if _, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err != nil {
		return &syscall.SysProcAttr{Setsid: true} // a terminal that is not the controlling one
	}
	return &syscall.SysProcAttr{Foreground: true, Ctty: 0}
}
