// Package shell is the applet `sh`: a POSIX and bash dialect for images that have no
// shell of their own. The language is mvdan.cc/sh; this package gives it the command
// line of a shell, its exit statuses and an interactive mode with line editing.
//
// Commands that are not builtins are looked up in PATH and run as processes; nothing
// is built in beyond the language, so the shell behaves the same in every image.
package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// The statuses of a shell that could not do what it was asked.
const (
	statusFailed   = 1
	statusUsage    = 2
	statusNotFound = 127
)

// Main runs the shell with args (its name first) and returns its exit status.
func Main(args []string, in *os.File, out, errw io.Writer) int {
	inv, err := parseArgs(args)
	if err != nil {
		fmt.Fprintf(errw, "sh: %v\n", err)
		return statusUsage
	}
	sh, err := newShell(inv, in, out, errw)
	if err != nil {
		fmt.Fprintf(errw, "sh: %v\n", err)
		return statusUsage
	}
	switch {
	case inv.hasCommand:
		return sh.runText(strings.NewReader(inv.command), inv.name)
	case inv.script != "":
		return sh.runFile(inv.script)
	case inv.interactive || term.IsTerminal(int(in.Fd())):
		return sh.interact(in)
	}
	return sh.runStdin(in)
}

// sh is one shell; it belongs to one goroutine.
type sh struct {
	runner   *interp.Runner
	jobs     jobs
	out, err io.Writer
}

func newShell(inv invocation, in *os.File, out, errw io.Writer) (*sh, error) {
	s := &sh{out: out, err: errw}
	runner, err := interp.New(
		interp.StdIO(in, out, errw),
		interp.Params(inv.params()...),
		interp.CallHandler(s.adjust),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.execute }),
	)
	s.runner = runner
	return s, err
}

// isFunction tells whether the script has defined a function of that name.
func (s *sh) isFunction(name string) bool { return s.runner.Funcs[name] != nil }

func (s *sh) runFile(path string) int {
	f, err := os.Open(path)
	if err != nil {
		fmt.Fprintf(s.err, "sh: cannot open %s: %v\n", path, errors.Unwrap(err))
		return statusNotFound
	}
	defer f.Close()
	return s.runText(f, path)
}

// runText parses all of r before it runs it.
func (s *sh) runText(r io.Reader, name string) int {
	file, err := syntax.NewParser().Parse(r, name)
	if err != nil {
		fmt.Fprintf(s.err, "sh: %v\n", err)
		return statusUsage
	}
	detach(file)
	defer s.jobs.finish(s.isFunction)
	return s.status(s.runner.Run(context.Background(), file))
}

// runStdin runs each command as soon as it is complete. It reads one byte at a time, so
// that a command which reads standard input too gets what follows its own line.
func (s *sh) runStdin(in io.Reader) int {
	defer s.jobs.finish(s.isFunction)
	parser := syntax.NewParser()
	last := 0
	for stmts, err := range parser.InteractiveSeq(io.MultiReader(byteReader{in}, strings.NewReader("\n"))) {
		if err != nil {
			fmt.Fprintf(s.err, "sh: %v\n", err)
			return statusUsage
		}
		if parser.Incomplete() {
			continue
		}
		for _, stmt := range detached(stmts) {
			last = s.status(s.runner.Run(context.Background(), stmt))
			if s.runner.Exited() {
				return last
			}
		}
	}
	return s.end(last)
}

// end runs the exit trap, which belongs to the end of a whole program.
func (s *sh) end(last int) int {
	if err := s.runner.Run(context.Background(), &syntax.File{}); err != nil {
		return s.status(err)
	}
	return last
}

// status is the exit status that err stands for; an error that is none is told.
func (s *sh) status(err error) int {
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[interp.ExitStatus](err); ok {
		return int(code)
	}
	if errors.Is(err, context.Canceled) {
		return statusInterrupted
	}
	fmt.Fprintf(s.err, "sh: %v\n", err)
	return statusFailed
}

// byteReader never reads ahead.
type byteReader struct{ r io.Reader }

func (b byteReader) Read(p []byte) (int, error) {
	if len(p) > 1 {
		p = p[:1]
	}
	return b.r.Read(p)
}
