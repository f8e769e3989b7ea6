package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

const statusNotExecutable = 126

// execute runs one external command and waits for it. It does not end the command when
// ctx is cancelled: Ctrl-C reaches the command from the terminal, and what it does then
// is its own affair; ctx only stops the interpreter after it.
func (s *sh) execute(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	if ok, err := s.call(hc, args); ok {
		return err
	}
	j, path := s.jobs.of(hc), args[0]
	if !strings.Contains(path, "/") {
		var err error
		if path, err = interp.LookPathDir(hc.Dir, hc.Env, path); err != nil {
			s.jobs.failed(j)
			fmt.Fprintf(hc.Stderr, "sh: %s: not found\n", args[0])
			return interp.ExitStatus(statusNotFound)
		}
	}
	cmd, err := start(ctx, hc, path, args, j != nil)
	if err != nil {
		s.jobs.failed(j)
		return result(hc, args[0], err)
	}
	s.jobs.began(j, cmd.Process.Pid)
	defer s.jobs.ended(j, cmd.Process.Pid)
	return result(hc, args[0], cmd.Wait())
}

// start starts the program path, as a script where the system does not know its format.
func start(ctx context.Context, hc interp.HandlerContext, path string, args []string, inBackground bool) (*exec.Cmd, error) {
	command := func(path string, args []string) *exec.Cmd {
		cmd := &exec.Cmd{
			Path: path, Args: args, Env: environ(hc.Env), Dir: hc.Dir,
			Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr,
		}
		if inBackground {
			cmd.SysProcAttr = background(ctx)
		}
		return cmd
	}
	cmd := command(path, args)
	err := cmd.Start()
	if !errors.Is(err, syscall.ENOEXEC) || isBinary(filepath.Join(hc.Dir, path), path) {
		return cmd, err
	}
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd = command(own, append([]string{"wsd", "agent-applet", "sh", path}, args[1:]...))
	return cmd, cmd.Start()
}

// isBinary tells whether the first bytes of a file are no text.
func isBinary(joined, path string) bool {
	if filepath.IsAbs(path) {
		joined = path
	}
	f, err := os.Open(joined)
	if err != nil {
		return true
	}
	defer f.Close()
	head := make([]byte, 128)
	n, _ := f.Read(head)
	return bytes.IndexByte(head[:n], 0) >= 0
}

// result turns the end of a command into the status that a shell gives it.
func result(hc interp.HandlerContext, name string, err error) error {
	if err == nil {
		return nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		ws, _ := exit.Sys().(syscall.WaitStatus)
		if ws.Signaled() {
			return interp.ExitStatus(128 + ws.Signal())
		}
		return interp.ExitStatus(exit.ExitCode())
	}
	code, text := startFailure(err)
	fmt.Fprintf(hc.Stderr, "sh: %s: %s\n", name, text)
	return interp.ExitStatus(code)
}

// startFailure is the status and the sentence for a command that did not start.
func startFailure(err error) (uint8, string) {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return statusNotExecutable, "permission denied"
	case errors.Is(err, syscall.ENOEXEC):
		return statusNotExecutable, "not a program for this machine"
	case errors.Is(err, fs.ErrNotExist):
		return statusNotFound, "not found"
	}
	return statusNotExecutable, err.Error()
}

// environ is the exported part of env, without what this package keeps there, which `set -a` would
// export. A name may come several times; the last counts,
// and it may say that the variable is gone.
func environ(env expand.Environ) []string {
	var list []string
	at := map[string]int{}
	for name, v := range env.Each {
		entry := ""
		if v.IsSet() && v.Exported && v.Kind == expand.String && !strings.HasPrefix(name, ownVars) {
			entry = name + "=" + v.String()
		}
		if i, ok := at[name]; ok {
			list[i] = entry
			continue
		}
		at[name] = len(list)
		list = append(list, entry)
	}
	return slices.DeleteFunc(list, func(e string) bool { return e == "" })
}
