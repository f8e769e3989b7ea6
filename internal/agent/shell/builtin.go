package shell

import (
	"context"
	"io"
	"os"

	"mvdan.cc/sh/v3/syntax"
)

// Builtins are the shell's builtins that POSIX also wants as programs.
func Builtins() []string { return []string{"[", "echo", "printf", "pwd", "test"} }

// Builtin runs the builtin args[0] as a program of its own.
func Builtin(args []string, in *os.File, out, errw io.Writer) int {
	s, err := newShell(invocation{name: args[0]}, in, out, errw)
	if err != nil {
		return statusFailed
	}
	return s.status(s.runner.Run(context.Background(), literalCall(args)))
}

// literalCall is the syntax of a command whose words are taken as they are.
func literalCall(args []string) *syntax.CallExpr {
	call := &syntax.CallExpr{}
	for _, a := range args {
		quoted := &syntax.SglQuoted{Value: a}
		call.Args = append(call.Args, &syntax.Word{Parts: []syntax.WordPart{quoted}})
	}
	return call
}
