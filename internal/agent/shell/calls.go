package shell

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
)

// adjust replaces calls that the interpreter has no answer to.
func (s *sh) adjust(ctx context.Context, args []string) ([]string, error) {
	hc := interp.HandlerCtx(ctx)
	j := s.jobs.of(hc)
	if sig := s.jobs.killedBy(j); sig != 0 && args[0] != jobCall {
		return exitWords(sig), nil
	}
	switch args[0] {
	case "kill":
		return append([]string{killCall}, args[1:]...), nil
	case "wait":
		return s.jobs.wait(ctx, hc, j, args), nil
	case "umask":
		return append([]string{umaskCall}, args[1:]...), nil
	case "trap":
		args = trapWords(args)
		if j != nil && path.Base(hc.Env.Get(shellVar).String()) == hc.Env.Get(jobVar).String() { // and no subshell of the job
			return endWords(args), nil
		}
		return args, nil
	}
	return args, nil
}

// exitWords ends the shell of a job that sig has killed.
func exitWords(sig syscall.Signal) []string { return []string{"exit", strconv.Itoa(128 + int(sig))} }

const umaskCall = "\x01umask"

// trapWords leaves signals out of `trap ACTION SIGNAL...`: only EXIT and ERR can be
// caught here, and a script that also cleans up after a signal should not fail for it.
func trapWords(args []string) []string {
	if len(args) < 3 {
		return args
	}
	kept := slices.DeleteFunc(slices.Clone(args[2:]), func(a string) bool {
		_, isNumber := strconv.Atoi(a)
		return isNumber == nil && a != "0" || unix.SignalNum("SIG"+strings.TrimPrefix(a, "SIG")) != 0
	})
	if len(kept) == 0 {
		return []string{"true"}
	}
	for i, k := range kept {
		if k == "0" {
			kept[i] = "EXIT"
		}
	}
	return append([]string{"trap", args[1]}, kept...)
}

// endWords keeps a job's own end from being forgotten for an end that a script wants.
func endWords(args []string) []string {
	if len(args) < 3 || args[1] == doneTrap || !slices.Contains(args[2:], "EXIT") {
		return args
	}
	action := args[1] + "\n" + doneTrap
	if args[1] == "-" {
		action = doneTrap
	}
	return append([]string{args[0], action}, args[2:]...)
}

// call runs what adjust has put in the place of a builtin; ok is false for other names.
func (s *sh) call(hc interp.HandlerContext, args []string) (ok bool, err error) {
	switch args[0] {
	case jobCall:
		return true, s.jobs.call(hc, args[1:])
	case umaskCall:
		return true, umask(hc, args[1:])
	case killCall:
		return true, s.kill(hc, args[1:])
	case noJobCall:
		fmt.Fprintf(hc.Stderr, "sh: wait: %s: no such job\n", args[1])
		return true, interp.ExitStatus(statusNotFound)
	}
	return false, nil
}

// umask shows or sets the mask of the whole shell, subshells included.
func umask(hc interp.HandlerContext, args []string) error {
	if len(args) == 0 {
		old := unix.Umask(0o077)
		unix.Umask(old)
		fmt.Fprintf(hc.Stdout, "%04o\n", old)
		return nil
	}
	mask, err := strconv.ParseUint(args[0], 8, 32)
	if err != nil || mask > uint64(os.ModePerm) {
		fmt.Fprintf(hc.Stderr, "sh: umask: %q is not an octal mask\n", args[0])
		return interp.ExitStatus(statusFailed)
	}
	unix.Umask(int(mask))
	return nil
}
