package shell

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"

	"github.com/wsctl/wsctl/internal/agent/applet"
)

// adjust replaces calls that the interpreter has no answer to.
func (s *sh) adjust(_ context.Context, args []string) ([]string, error) {
	switch args[0] {
	case "kill":
		return append([]string{killCall}, s.jobs.resolve(args[1:])...), nil
	case "umask":
		return append([]string{umaskCall}, args[1:]...), nil
	case "trap":
		return trapWords(args), nil
	}
	return args, nil
}

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

// call runs what adjust has put in the place of a builtin; ok is false for other names.
func (s *sh) call(hc interp.HandlerContext, args []string) (ok bool, err error) {
	switch args[0] {
	case jobCall:
		return true, s.jobs.call(hc, args[1:])
	case umaskCall:
		return true, umask(hc, args[1:])
	case killCall:
		kill, _ := applet.Find("kill")
		streams := applet.Streams{Out: hc.Stdout, Err: hc.Stderr}
		if code := kill(streams, append([]string{"kill"}, args[1:]...)); code != 0 {
			return true, interp.ExitStatus(code)
		}
		return true, nil
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
