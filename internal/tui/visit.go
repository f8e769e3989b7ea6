package tui

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// visitMsg comes after a visit.
type visitMsg struct {
	what, again string // the sentence's object; the equal command
	own         bool   // the status is that of what was asked for, not of what was typed last
	err         error
}

// suspended hands the terminal to a visit; the program's own streams are what it takes.
type suspended struct {
	Visit
	screen *screen
}

// Run implements tea.ExecCommand.
func (s suspended) Run() error {
	s.screen.leave()
	err := s.Visit()
	if lost := s.screen.enter(); lost != nil {
		return &lostError{lost}
	}
	return err
}

// lostError says why a terminal that was given to a visit cannot be taken back.
type lostError struct{ cause error }

func (e *lostError) Error() string { return "cannot take the terminal back: " + e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// SetStdin implements tea.ExecCommand, as the two below do.
func (suspended) SetStdin(io.Reader) {}

// SetStdout does nothing.
func (suspended) SetStdout(io.Writer) {}

// SetStderr does nothing.
func (suspended) SetStderr(io.Writer) {}

// visit hands the terminal over and takes it back.
func (m *Model) visit(v Visit, after visitMsg) tea.Cmd {
	m.blurred = true  // nothing is sampled for a screen that is not seen
	m.visiting = true // what is typed from now on is meant for the visit
	return tea.Exec(suspended{v, m.screen}, func(err error) tea.Msg {
		after.err = err
		return after
	})
}

func (m *Model) shell() tea.Cmd {
	name := m.list.selected().w.Name
	return m.visit(m.source.Shell(name), visitMsg{what: "the shell of " + name, again: "wsctl shell " + name})
}

// askExec takes a command line. One of plain words is run as it is, any other by sh.
func (m *Model) askExec() tea.Cmd {
	name := m.list.selected().w.Name
	return m.ask(prompt{
		title: "run in " + name + ":",
		check: func(s string) error {
			if s == "" {
				return fault.New(fault.Usage, "command_missing", "type a command, such as ls -l")
			}
			return nil
		},
		enter: func(m *Model, s string) tea.Cmd {
			return m.visit(m.source.Exec(name, execWords(s)), visitMsg{what: s + " in " + name, again: execLine(name, s), own: true})
		},
		line: func(s string) string { return execLine(name, s) },
	}, "")
}

// execWords is the command of a line that was typed.
func execWords(line string) []string {
	words := strings.Fields(line)
	for _, w := range words {
		if render.Quote(w) != w {
			return []string{"sh", "-c", line}
		}
	}
	return words
}

// execLine is the equal command.
func execLine(name, line string) string {
	words := []string{"wsctl", "exec", name, "-t", "--"}
	for _, w := range execWords(line) {
		words = append(words, render.Quote(w))
	}
	return strings.Join(words, " ")
}

// takeVisit is after a visit. A shell's status is that of the last command in it, so it is
// no failure.
func (m *Model) takeVisit(v visitMsg) {
	m.blurred, m.visiting = false, false
	m.detail.stale = true
	var exit *exec.ExitError
	var lost *lostError
	switch {
	case errors.As(v.err, &lost):
		m.quit, m.lost = true, lost
	case v.err == nil:
		m.say("✓", "back from "+v.what)
	case !errors.As(v.err, &exit):
		m.fail(v.what, v.err)
	case v.own:
		m.toast = &toast{sign: "✗", text: fmt.Sprintf("%s ended with status %d", v.what, exit.ExitCode()), hint: v.again, bad: true, until: m.now.Add(failureTime)}
	default:
		m.toast = &toast{
			sign: "·", text: fmt.Sprintf("back from %s, which ended with status %d", v.what, exit.ExitCode()),
			hint: "where it did not begin, try: " + v.again, until: m.now.Add(failureTime),
		}
	}
}
