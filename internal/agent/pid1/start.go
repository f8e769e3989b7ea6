package pid1

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The statuses by which a shell reports a command that did not start.
const (
	statusNotExecutable = 126
	statusNotFound      = 127
)

// defaultPath is searched where the container has no PATH at all.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// start starts command; code is the status to exit with where err is set.
func (in *initProcess) start(command []string, own Builtins) (code int, err error) {
	path, err := lookPath(command[0])
	name := filepath.Base(command[0])
	switch missing := isMissing(err); {
	case (missing || err == nil && isSelf(path)) && own.Inside != nil && own.Inside(name) != nil:
		in.startInside(own.Inside(name), append([]string{name}, command[1:]...))
		return 0, nil
	case missing && own.Has != nil && own.Has(name):
		if path, err = os.Executable(); err == nil {
			command = append([]string{"wsd", "agent-applet", name}, command[1:]...)
		}
	}
	if err == nil {
		in.pid, _, err = syscall.StartProcess(path, command, &syscall.ProcAttr{
			Env:   os.Environ(),
			Files: []uintptr{0, 1, 2},
			Sys:   session(),
		})
	}
	if err != nil {
		return startStatus(err), fmt.Errorf("cannot start %q: %s", command[0], reason(err))
	}
	return 0, nil
}

// startInside runs a command as a goroutine of this process.
func (in *initProcess) startInside(run func(context.Context, []string) int, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	status := make(chan int, 1)
	in.inside, in.cancel = status, cancel
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

// isMissing tells whether no file was found, which is not the same as one that cannot run.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound)
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

// lookPath finds the file to execute for name.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		info, err := os.Stat(name)
		if err == nil && info.IsDir() {
			return "", syscall.EISDIR
		}
		return name, err
	}
	if os.Getenv("PATH") == "" {
		_ = os.Setenv("PATH", defaultPath)
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		return filepath.Abs(path)
	}
	return path, err
}

func startStatus(err error) int {
	if isMissing(err) {
		return statusNotFound
	}
	return statusNotExecutable
}

// reason is a sentence for people in place of the system's short one.
func reason(err error) string {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "no such command in PATH (" + os.Getenv("PATH") + ")"
	case errors.Is(err, fs.ErrNotExist):
		return "no such file, or the program that interprets it is missing"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied: is it executable?"
	case errors.Is(err, syscall.EISDIR):
		return "it is a directory"
	case errors.Is(err, syscall.ENOEXEC):
		return "not a program for this machine, and no #! line"
	}
	return err.Error()
}
