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
	"mvdan.cc/sh/v3/syntax"
)

// adjust replaces calls that the interpreter has no answer to.
func (s *sh) adjust(ctx context.Context, args []string) ([]string, error) {
	hc := interp.HandlerCtx(ctx)
	j := s.jobs.of(hc)
	if sig := s.jobs.killedBy(j); sig != 0 && args[0] != jobCall {
		return exitWords(sig), nil
	}
	words := builtinWords(args)
	switch words[0] {
	case "kill":
		return append([]string{killCall}, words[1:]...), nil
	case "umask":
		return append([]string{umaskCall}, words[1:]...), nil
	case "wait":
		words = s.jobs.wait(ctx, hc, j, words)
	case "trap":
		atEnd := ""
		if j != nil && path.Base(hc.Env.Get(shellVar).String()) == hc.Env.Get(jobVar).String() { // and no subshell of the job
			atEnd = doneTrap
		}
		words = trapWords(words, atEnd)
	default:
		return args, nil
	}
	if args[0] == "command" || args[0] == "builtin" {
		words = append([]string{"command"}, words...)
	}
	return words, nil
}

// builtinWords is a call without what makes sure that it is a builtin's.
func builtinWords(args []string) []string {
	for len(args) > 1 && (args[0] == "command" || args[0] == "builtin") {
		if args = args[1:]; args[0] == "--" && len(args) > 1 {
			args = args[1:]
		}
	}
	return args
}

// exitWords ends the shell of a job that sig has killed.
func exitWords(sig syscall.Signal) []string { return []string{"exit", strconv.Itoa(128 + int(sig))} }

const umaskCall = "\x01umask"

// trapWords gives a call of `trap` the form "trap -- ACTION CONDITION..." and leaves signals out: only
// EXIT and ERR can be caught here, and a script that also cleans up after a signal should not fail
// for it. Where atEnd is not empty it stays what is done last on EXIT.
func trapWords(args []string, atEnd string) []string {
	operands := args[1:]
	if len(operands) > 0 && operands[0] == "--" {
		operands = operands[1:]
	} else if len(operands) > 0 && strings.HasPrefix(operands[0], "-") && operands[0] != "-" {
		return args // an option
	}
	if len(operands) == 0 || slices.Equal(operands, []string{"-"}) {
		return args
	}
	action := "-"
	if _, err := strconv.ParseUint(operands[0], 10, 0); err != nil && len(operands) > 1 { // POSIX: after a number all are conditions
		action, operands = operands[0], operands[1:]
	}
	conditions := trapConditions(operands)
	switch {
	case len(conditions) == 0:
		return []string{"true"}
	case !slices.Contains(conditions, "EXIT") || atEnd == "" || action == atEnd:
	case len(conditions) > 1:
		return eachTrap(action, conditions)
	case action == "-":
		action = atEnd
	default:
		action += "\n" + atEnd
	}
	return append([]string{"trap", "--", action}, conditions...)
}

// trapConditions are those of `trap` that are no signals, by the names that the interpreter knows.
func trapConditions(operands []string) (out []string) {
	for _, o := range operands {
		name := strings.TrimPrefix(strings.ToUpper(o), "SIG")
		_, err := strconv.Atoi(name)
		switch {
		case name == "0":
			out = append(out, "EXIT")
		case err != nil && unix.SignalNum("SIG"+name) == 0:
			out = append(out, name)
		}
	}
	return out
}

// eachTrap is a call of `trap` for one condition after the other, each of which is looked at again.
func eachTrap(action string, conditions []string) []string {
	quoted, err := syntax.Quote(action, syntax.LangBash)
	if err != nil { // a NUL, which is in no argument
		return []string{"false"}
	}
	var calls strings.Builder
	for _, c := range conditions {
		fmt.Fprintf(&calls, "trap -- %s %s\n", quoted, c)
	}
	return []string{"eval", calls.String()}
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
