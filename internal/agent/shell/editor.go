package shell

import (
	"bytes"
	"errors"
	"io"
	"os"

	"golang.org/x/term"
)

const (
	keyCtrlC = 3
)

// errInterrupted ends a line that Ctrl-C abandoned.
var errInterrupted = errors.New("interrupted")

// editor is a reader that asks for a line whenever the parser wants more. The terminal
// is raw only while a line is edited, so that commands find it as they expect it.
type editor struct {
	in        *os.File
	out       io.Writer
	prompt    func() string
	terminal  *term.Terminal
	rest      []byte // of the line that was read
	continues bool   // the parser is in the middle of a command
}

func newEditor(in *os.File, out io.Writer, prompt func() string) *editor {
	return &editor{in: in, out: out, prompt: prompt}
}

// fresh forgets a line that was not finished; the history stays.
func (e *editor) fresh() {
	next := term.NewTerminal(keyboard{e.in, e.out}, "")
	if e.terminal != nil {
		next.History = e.terminal.History
	}
	e.terminal, e.rest, e.continues = next, nil, false
}

// Read gives the parser the next line, or a part of it.
func (e *editor) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		line, err := e.readLine()
		if err != nil {
			return 0, err
		}
		e.rest = append([]byte(line), '\n')
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *editor) readLine() (string, error) {
	fd := int(e.in.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, state) }()
	if width, height, err := term.GetSize(fd); err == nil && width > 0 {
		_ = e.terminal.SetSize(width, height)
	}
	e.terminal.SetPrompt("> ")
	if !e.continues {
		e.terminal.SetPrompt(e.prompt())
	}
	line, err := e.terminal.ReadLine()
	if errors.Is(err, errInterrupted) {
		_, _ = io.WriteString(e.out, "^C\r\n")
	}
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// keyboard tells Ctrl-C apart from the end of input, which the line editor does not.
type keyboard struct {
	in  io.Reader
	out io.Writer
}

func (k keyboard) Write(p []byte) (int, error) { return k.out.Write(p) }

func (k keyboard) Read(p []byte) (int, error) {
	n, err := k.in.Read(p)
	if i := bytes.IndexByte(p[:n], keyCtrlC); i >= 0 {
		return i, errInterrupted
	}
	return n, err
}
