package agentlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/runtime"
)

// Process is a command, or a look at a terminal, that an agent runs. It implements
// runtime.Process and runtime.Signaler. Copy and then Exit are called by one goroutine;
// the rest is safe for concurrent use.
type Process struct {
	conn   *conn
	frames *agentapi.Reader
	stdin  bool

	lent *lending // nil: it has no ssh agent

	mu  sync.Mutex // of writes
	end agentapi.Control
}

// Exec starts a command. ctx bounds the start, not the command: Close ends it.
func (l *Link) Exec(ctx context.Context, start agentapi.ExecStart) (*Process, error) {
	return l.process(ctx, agentapi.PathExec, nil, start, start.Stdin || start.TTY)
}

// Terminal attaches to the terminal name, and makes it where start allows that. Closing
// the Process leaves the terminal as it is.
func (l *Link) Terminal(ctx context.Context, name string, start agentapi.TerminalStart) (*Process, error) {
	return l.process(ctx, agentapi.PathTerminals, url.Values{"name": {name}}, start, !start.View)
}

func (l *Link) process(ctx context.Context, path string, query url.Values, start any, stdin bool) (*Process, error) {
	c, err := l.upgrade(ctx, path, query, agentapi.UpgradeFrames)
	if err != nil {
		return nil, err
	}
	p := &Process{conn: c, frames: agentapi.NewReader(c), stdin: stdin}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	err = agentapi.WriteControl(c, start)
	var first agentapi.Control
	if err == nil {
		first, err = p.first()
	}
	if !stop() {
		err = lost(ctx, ctx.Err())
	}
	if err == nil && first.Type == "error" {
		err = p.failure(first)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return p, nil
}

// first reads what became of the start.
func (p *Process) first() (agentapi.Control, error) {
	kind, b, err := p.frames.Next()
	if err != nil {
		return agentapi.Control{}, silent(err)
	}
	return control(kind, b)
}

func control(kind byte, b []byte) (agentapi.Control, error) {
	var c agentapi.Control
	if kind != agentapi.Ctl {
		return c, nonsense(fmt.Errorf("a frame of kind %d in place of a start", kind))
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, nonsense(err)
	}
	return c, nil
}

func (p *Process) failure(c agentapi.Control) error {
	if c.Error == nil {
		return nonsense(errors.New("an error that says nothing"))
	}
	return said(*c.Error)
}

// Stdin implements runtime.Process.
func (p *Process) Stdin() io.WriteCloser {
	if !p.stdin {
		return nil
	}
	return input{p}
}

// input turns bytes into frames.
type input struct{ p *Process }

func (i input) Write(b []byte) (n int, err error) {
	for n < len(b) {
		part := b[n:min(len(b), n+agentapi.MaxFrame)]
		if err := i.p.write(agentapi.Stdin, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

func (i input) Close() error { return i.p.say(agentapi.Control{Type: "eof"}) }

func (p *Process) write(kind byte, b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return agentapi.WriteFrame(p.conn, kind, b)
}

func (p *Process) say(c agentapi.Control) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return agentapi.WriteControl(p.conn, c)
}

// Copy implements runtime.Process: it returns nil once the end was told.
func (p *Process) Copy(stdout, stderr io.Writer) error {
	defer p.lent.end()
	for {
		kind, b, err := p.frames.Next()
		if err != nil {
			return silent(err)
		}
		switch kind {
		case agentapi.Stdout:
			_, err = stdout.Write(b)
		case agentapi.Stderr:
			_, err = stderr.Write(b)
		case agentapi.Ctl:
			var c agentapi.Control
			if c, err = control(kind, b); err == nil {
				switch c.Type {
				case "exit", "detached":
					p.end = c
					return nil
				case "error":
					return p.failure(c)
				case "auth":
					p.lent.serve(c.ID)
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// Exit implements runtime.Process. A look at a terminal that ended although the terminal
// lives on is a *runtime.DetachedError.
func (p *Process) Exit(context.Context) (int, error) {
	if p.end.Type == "detached" {
		return 0, &runtime.DetachedError{Err: p.failure(p.end)}
	}
	return p.end.Code, nil
}

// Resize implements runtime.Process.
func (p *Process) Resize(_ context.Context, cols, rows uint16) error {
	return p.say(agentapi.Control{Type: "resize", Cols: cols, Rows: rows})
}

// Signal implements runtime.Signaler.
func (p *Process) Signal(_ context.Context, name string) error {
	return p.say(agentapi.Control{Type: "signal", Signal: name})
}

// Close implements runtime.Process: the command of an Exec is hung up.
func (p *Process) Close() error { return p.conn.Close() }
