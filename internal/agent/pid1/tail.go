package pid1

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// What is kept of a command's output: the last tailLines lines, of each tailWidth bytes.
const (
	tailLines = 20
	tailWidth = 500
)

// tail keeps the last lines that went through it. It is safe for concurrent use; the
// zero value is ready.
type tail struct {
	mu    sync.Mutex
	lines []string
	open  []byte // a line that has not ended yet
}

// through returns the writing end of a pipe from which a goroutine copies to out, and
// notes what it copies. The caller closes the end once the command has it.
func (t *tail) through(out *os.File) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		defer r.Close()
		_, _ = io.Copy(io.MultiWriter(t, out), r)
	}()
	return w, nil
}

// Write implements io.Writer; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		t.open = append(t.open, line[:min(len(line), tailWidth-min(len(t.open), tailWidth))]...)
		if rest = after; whole {
			t.lines = append(t.lines, string(t.open))
			t.lines = t.lines[max(0, len(t.lines)-tailLines):]
			t.open = t.open[:0]
		}
	}
	return len(p), nil
}

// last returns the lines, the oldest first.
func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := slices.Clone(t.lines)
	if len(t.open) > 0 {
		lines = append(lines, string(t.open))
	}
	for i := range lines {
		lines[i] = strings.ToValidUTF8(lines[i], "\uFFFD")
	}
	return lines
}
