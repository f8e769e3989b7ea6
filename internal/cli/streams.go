package cli

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/wsctl/wsctl/internal/render"
)

// Streams are the program's ends to the world. Only those of SystemStreams may be
// terminals that can be put into raw mode.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) string
	Version  string // of the program; "": what the build knows of its source

	InTTY, OutTTY, ErrTTY bool
	inFile                *os.File // the terminal, when InTTY
}

// SystemStreams returns the streams of the process.
func SystemStreams() Streams {
	return Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv,
		InTTY: isTerminal(os.Stdin), OutTTY: isTerminal(os.Stdout), ErrTTY: isTerminal(os.Stderr),
		inFile: os.Stdin,
	}
}

// stdout is the program's output. A failure to write to it is told apart from that of a
// connection or a file, which may end with the same error number.
type stdout struct{ w io.Writer }

func (s stdout) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		err = &outputError{err}
	}
	return n, err
}

type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// size returns the columns and rows of the terminal that stream is, or 80 by 24
// where it cannot be asked.
func size(stream any) (cols, rows int) {
	if f, ok := stream.(*os.File); ok {
		if c, r, err := term.GetSize(int(f.Fd())); err == nil && c > 0 && r > 0 {
			return c, r
		}
	}
	return 80, 24
}

// dumb reports whether the terminal can neither colour nor rewrite a line.
func (s Streams) dumb() bool { return s.Env("TERM") == "dumb" }

// colours reports whether a stream that is a terminal may be coloured (no-color.org).
func (s Streams) colours(tty bool) bool { return tty && !s.dumb() && s.Env("NO_COLOR") == "" }

func (f *Factory) outPalette() render.Palette {
	return render.Palette{On: f.Streams.colours(f.Streams.OutTTY)}
}

func (f *Factory) errPalette() render.Palette {
	return render.Palette{On: f.Streams.colours(f.Streams.ErrTTY)}
}

// width returns the columns that a table may fill; 0: any number.
func (f *Factory) width() int {
	if !f.Streams.OutTTY {
		return 0
	}
	cols, _ := size(f.terminal)
	return cols
}
