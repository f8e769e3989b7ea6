package shell

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

const statusNotExecutable = 126

// background marks a command that Ctrl-C must not reach.
type background struct{}

// execute runs one external command and waits for it. It does not end the command when
// ctx is cancelled: Ctrl-C reaches the command from the terminal, and what it does then
// is its own affair; ctx only stops the interpreter after it.
func execute(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	path, err := interp.LookPathDir(hc.Dir, hc.Env, args[0])
	if err != nil {
		code, text := lookupFailure(err)
		fmt.Fprintf(hc.Stderr, "sh: %s: %s\n", args[0], text)
		return interp.ExitStatus(code)
	}
	cmd := &exec.Cmd{
		Path: path, Args: args, Env: environ(hc.Env), Dir: hc.Dir,
		Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr,
	}
	if ctx.Value(background{}) != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	return result(hc, args[0], cmd.Run())
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
	code, text := lookupFailure(err)
	fmt.Fprintf(hc.Stderr, "sh: %s: %s\n", name, text)
	return interp.ExitStatus(code)
}

// lookupFailure is the status and the sentence for a command that did not start.
func lookupFailure(err error) (uint8, string) {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return statusNotExecutable, "permission denied"
	case errors.Is(err, syscall.ENOEXEC):
		return statusNotExecutable, "not a program for this machine, and no #! line"
	case errors.Is(err, fs.ErrNotExist):
		return statusNotFound, "not found"
	}
	return statusNotFound, "not found"
}

// environ is the exported part of env. A name may come several times; the last counts,
// and it may say that the variable is gone.
func environ(env expand.Environ) []string {
	var list []string
	at := map[string]int{}
	for name, v := range env.Each {
		entry := ""
		if v.IsSet() && v.Exported && v.Kind == expand.String {
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
