package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// statusInterrupted is 128+SIGINT.
const statusInterrupted = 130

// lateInterrupt is how long an interrupt that has ended a command may take to come to the
// shell too. One that came later would end the next command.
const lateInterrupt = 500 * time.Millisecond

// interact reads commands from a terminal until its end or `exit`. There is no job
// control: Ctrl-C reaches the foreground command and stops the line it belongs to,
// Ctrl-Z does nothing.
func (s *sh) interact(in *os.File) int {
	signal.Ignore(unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, unix.SIGINT)
	if err := interp.Interactive(true)(s.runner); err != nil {
		fmt.Fprintf(s.err, "sh: %v\n", err)
	}
	s.runner.Reset()
	lines := newEditor(in, s.out, s.prompt)
	last := 0
	for {
		done := false
		last, done = s.session(lines, interrupts, last)
		if done {
			return last
		}
	}
}

// session runs commands until the parser has to be started anew, which is after a
// syntax error and after Ctrl-C, or until the shell is done.
func (s *sh) session(lines *editor, interrupts <-chan os.Signal, last int) (status int, done bool) {
	parser := syntax.NewParser()
	lines.fresh()
	for stmts, err := range parser.InteractiveSeq(lines) {
		switch {
		case errors.Is(err, errInterrupted):
			return s.setStatus(statusInterrupted), false
		case err != nil:
			fmt.Fprintf(s.err, "sh: %v\n", err)
			return s.setStatus(statusUsage), false
		case parser.Incomplete():
			lines.continues = true
			continue
		}
		lines.continues = false
		for _, stmt := range detached(stmts) {
			last = s.runForeground(stmt, interrupts)
			if s.runner.Exited() {
				return last, true
			}
			if last == statusInterrupted {
				break // the rest of the line is not wanted either
			}
		}
	}
	fmt.Fprintln(s.out)
	return s.end(last), true
}

// runForeground runs one statement; an interrupt stops the interpreter after the
// command that it also reached.
func (s *sh) runForeground(stmt *syntax.Stmt, interrupts <-chan os.Signal) int {
	select {
	case <-interrupts: // a late one, meant for the command before
	default:
	}
	base := context.WithValue(context.Background(), interactiveKey{}, true)
	ctx, cancel := context.WithCancel(base)
	if stmt.Background {
		ctx = base // it outlives this call, and Ctrl-C is for the foreground
	}
	stop, caught := make(chan struct{}), make(chan struct{})
	go func() {
		select {
		case <-interrupts:
			cancel()
			close(caught)
		case <-stop:
		}
	}()
	err := s.runner.Run(ctx, stmt)
	if code, _ := errors.AsType[interp.ExitStatus](err); code == statusInterrupted { // the command may have had its interrupt before the shell
		select {
		case <-caught:
		case <-time.After(lateInterrupt):
		}
	}
	close(stop)
	if ctx.Err() != nil && !s.runner.Exited() {
		err = ctx.Err() // whatever the command made of it
	}
	cancel()
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(s.out) // the terminal has shown ^C
		return s.setStatus(statusInterrupted)
	}
	return s.status(err)
}

// setStatus makes code the value of $?.
func (s *sh) setStatus(code int) int {
	text := fmt.Sprintf("(exit %d)", code)
	if file, err := syntax.NewParser().Parse(strings.NewReader(text), ""); err == nil {
		_ = s.runner.Run(context.Background(), file.Stmts[0])
	}
	return code
}

// maxPromptDir is the longest folder that the prompt shows whole, in letters.
const maxPromptDir = 40

// prompt is "name:dir$ " where the workspace's name is known.
func (s *sh) prompt() string {
	dir := s.runner.Dir
	if home := s.runner.Env.Get("HOME").String(); home != "" && home != "/" {
		if rest, ok := strings.CutPrefix(dir, home); ok && (rest == "" || rest[0] == '/') {
			dir = "~" + rest
		}
	}
	if utf8.RuneCountInString(dir) > maxPromptDir {
		dir = ".../" + path.Base(dir)
	}
	if name := os.Getenv("WSD_NAME"); name != "" {
		return name + ":" + dir + "$ "
	}
	return dir + "$ "
}
