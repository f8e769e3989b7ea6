package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

// killed is the exit status of a process that ended with its container.
const killed = 137

// process is one command run by Exec, with one goroutine until it ends. Output is
// handed over chunk by chunk: a command whose output nobody copies waits, and is
// let go by Close or the end of its container.
type process struct {
	engine *Engine
	driver *Driver
	volume *volume
	life   *run
	cut    <-chan struct{} // closed when the engine breaks its streams
	env    []string
	dir    string
	dest   io.Writer // where a redirection leads; nil: stdout
	tty    bool
	stdin  *input
	out    chan chunk
	gone   chan struct{} // closed by Close: nobody reads any more
	done   chan struct{} // closed when code is set
	code   int
	once   sync.Once
}

type chunk struct {
	stderr bool
	data   []byte
}

// input is the pipe from Stdin to the command.
type input struct {
	reader *io.PipeReader
	*io.PipeWriter
}

// Exec implements runtime.Driver. ctx bounds only the call: the command runs
// until it ends by itself or with its container.
func (d *Driver) Exec(ctx context.Context, r runtime.Ref, e runtime.ExecSpec) (runtime.Process, error) {
	var p *process
	err := d.on(ctx, OpExec, r, func(c *container, _ time.Time) error {
		switch c.observed() {
		case runtime.ObservedRunning:
		case runtime.ObservedPaused:
			return runtime.ErrPaused
		default:
			return runtime.ErrNotRunning
		}
		p = &process{
			engine: d.engine, driver: d, volume: c.volume, life: c.run, cut: d.engine.cut, env: c.env(e.Env),
			dir: cmp.Or(e.Dir, "/workspace"), tty: e.TTY, out: make(chan chunk), gone: make(chan struct{}), done: make(chan struct{}),
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if e.Stdin {
		p.stdin = &input{}
		p.stdin.reader, p.stdin.PipeWriter = io.Pipe()
	}
	go p.run(e.Command)
	return p, nil
}

// env returns the container's variables in order, then those of the command.
func (c *container) env(more []string) []string {
	var out []string
	for k, v := range c.spec.Env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return append(out, more...)
}

func (p *process) run(command []string) {
	stop := make(chan struct{})
	go p.unblock(stop)
	code := p.execute(command)
	close(stop)
	select {
	case <-p.life.done:
		code = killed
	default:
	}
	p.code = code
	close(p.done)
	if p.stdin != nil {
		_ = p.stdin.reader.Close() // writers see io.ErrClosedPipe, as with a real process
	}
}

// unblock lets a command that waits for input go when its container ends.
func (p *process) unblock(stop <-chan struct{}) {
	select {
	case <-p.life.done:
		if p.stdin != nil {
			_ = p.stdin.reader.CloseWithError(io.ErrClosedPipe)
		}
	case <-stop:
	}
}

// Stdin implements runtime.Process.
func (p *process) Stdin() io.WriteCloser {
	if p.stdin == nil {
		return nil
	}
	return p.stdin
}

// Copy implements runtime.Process.
func (p *process) Copy(stdout, stderr io.Writer) error {
	for {
		var c chunk
		select {
		case c = <-p.out:
		case <-p.done:
			return nil
		case <-p.gone:
			return nil
		case <-p.cut:
			return fmt.Errorf("cannot read the output: %w", runtime.ErrUnreachable)
		case <-p.driver.closed:
			return fmt.Errorf("cannot read the output: %w", errClosed)
		}
		w := stdout
		if c.stderr && !p.tty {
			w = stderr
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(c.data); err != nil {
			return fmt.Errorf("cannot hand over the output: %w", err)
		}
	}
}

// Resize implements runtime.Process; the terminal has no size that a command sees.
func (p *process) Resize(ctx context.Context, _, _ uint16) error { return ctx.Err() }

// Exit implements runtime.Process.
func (p *process) Exit(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.code, nil
	case <-p.cut:
		return 0, fmt.Errorf("cannot tell the exit status: %w", runtime.ErrUnreachable)
	case <-p.driver.closed:
		return 0, fmt.Errorf("cannot tell the exit status: %w", errClosed)
	case <-ctx.Done():
		return 0, fmt.Errorf("cannot tell the exit status: %w", ctx.Err())
	}
}

// Close implements runtime.Process. The command sees the end of its input.
func (p *process) Close() error {
	p.once.Do(func() {
		close(p.gone)
		if p.stdin != nil {
			_ = p.stdin.PipeWriter.Close()
		}
	})
	return nil
}

// output is one output stream of a process.
type output struct {
	p      *process
	stderr bool
}

func (p *process) stderr() io.Writer { return output{p, true} }

func (p *process) stdout() io.Writer {
	if p.dest != nil {
		return p.dest
	}
	return output{p, false}
}

var errKilled = errors.New("the container ended")

// Write hands a copy of b to Copy; after Close it discards.
func (o output) Write(b []byte) (int, error) {
	select {
	case o.p.out <- chunk{o.stderr, slices.Clone(b)}:
	case <-o.p.gone:
	case <-o.p.life.done:
		return 0, errKilled
	}
	return len(b), nil
}

// open returns the content of a file of the volume.
func (p *process) open(name string) ([]byte, bool) {
	rel, inside := p.inside(name)
	if !inside {
		return nil, false
	}
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	content, ok := p.volume.files[rel]
	return content, ok
}

// save writes a file of the volume; false outside of it.
func (p *process) save(name string, content []byte) bool {
	rel, inside := p.inside(name)
	if !inside {
		return false
	}
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	p.volume.put(rel, content)
	return true
}

// inside returns name relative to /workspace, and whether it is in there.
func (p *process) inside(name string) (string, bool) {
	if !path.IsAbs(name) {
		name = path.Join(p.dir, name)
	}
	return strings.CutPrefix(path.Clean(name), "/workspace/")
}
