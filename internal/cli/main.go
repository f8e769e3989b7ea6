// Package cli is the command line of wsctl: one file a command, one explicit list
// of them in root.go, one place that turns errors into exit statuses.
//
// The life of a command: cmd/wsctl calls Main, Main parses into an options struct,
// the command's run function calls wsd through internal/client and hands what it
// got to internal/render. A run function decides nothing about workspaces: it asks,
// waits and prints. Everything a run function needs comes from its options and the
// Factory, so that tests run the very same code with other streams.
//
// Rules of the output stand in package render. With --json the result, or else one
// object {"error": ...}, goes to stdout and nothing to stderr. A command line that
// is wrong by itself is refused before wsd is contacted or started.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// Main runs wsctl with args (without the program's name) and returns its exit
// status. When ctx ends, the command does, with status 130.
func Main(ctx context.Context, args []string, streams Streams) int {
	f := newFactory(streams)
	f.JSON = asksJSON(args)
	root := newRootCmd(f, args)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = f.flush()
	} else {
		_ = f.flush()
	}
	return f.report(ctx, err)
}

// Waits reports whether a command line may wait for something, so that Ctrl-C has
// to be caught. The others are over before anybody can press it, and a signal may
// simply end the process: listening for signals takes two threads, which is a
// sixth of the time of `wsctl version`.
func Waits(args []string) bool {
	return len(args) == 0 || !slices.Contains([]string{"version", "help", "completion", "config"}, args[0])
}

// asksJSON looks for --json before the flags are parsed, because a mistake in the
// flags has to be told as JSON too.
func asksJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// exitStatus ends a command with a status of its own after it has said everything
// itself: the status of the program that exec ran, or 1 of a doctor with findings.
type exitStatus int

func (e exitStatus) Error() string { return "" }

// report tells people or scripts about err and returns the exit status.
func (f *Factory) report(ctx context.Context, err error) int {
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case closedOutput(err):
		return 0 // the reader has seen enough; nobody is left to tell
	}
	e := asFault(err)
	if ctx.Err() != nil && e.Kind != fault.Interrupted {
		e = fault.From(context.Canceled)
	}
	if f.JSON {
		_ = render.JSON(f.Streams.Out, errorBody{render.ProblemOf(e, client.RequestID(err))})
		_ = f.flush()
	} else {
		f.say(e, client.RequestID(err))
	}
	return fault.ClassOf(e.Kind).Exit
}

// asFault is fault.From for what can also be a failure to write the output.
func asFault(err error) *fault.Error {
	var known *fault.Error
	var output *os.PathError
	if !errors.As(err, &known) && errors.As(err, &output) {
		return fileFault("write to", output.Path, err)
	}
	return fault.From(err)
}

// errorBody is what --json prints for an error.
type errorBody struct {
	Error api.Problem `json:"error"`
}

// closedOutput reports whether err says that nobody reads stdout any more.
func closedOutput(err error) bool {
	var output *outputError
	return errors.As(err, &output) && (errors.Is(output, syscall.EPIPE) || errors.Is(output, os.ErrClosed))
}

// say prints the sentence, which values are wrong, and what to do next.
func (f *Factory) say(e *fault.Error, requestID string) {
	p := f.errPalette()
	if e.Kind == fault.Interrupted && f.Streams.InTTY && f.Streams.ErrTTY && !f.Streams.dumb() {
		_, _ = io.WriteString(f.Streams.Err, "\r\x1b[K") // the ^C that the terminal has shown
	}
	code := ""
	if e.Kind != fault.Usage && e.Code != e.Text {
		code = p.Paint(render.Faint, " ["+render.Escape(e.Code)+"]")
	}
	f.note("%s %s%s", p.Paint(render.Bad, "wsctl:"), escapeLines(e.Text), code)
	for _, field := range e.Fields {
		if field.Detail != "" && !strings.Contains(e.Text, field.Detail) { // else the sentence has said it
			f.note("  %s: %s", render.Escape(field.Pointer), render.Escape(field.Detail))
		}
	}
	if e.Hint != "" {
		f.note("  %s", escapeLines(e.Hint))
	}
	if e.Kind == fault.Internal && requestID != "" {
		f.note("  wsd logged the cause as request %s", render.Escape(requestID))
	}
}
