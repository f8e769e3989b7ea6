package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/wsctl/wsctl/internal/runtime"
)

// Exec runs a command as the container's own user. ctx bounds only the start of it.
func (d *Driver) Exec(ctx context.Context, r runtime.Ref, e runtime.ExecSpec) (runtime.Process, error) {
	in, err := d.inspect(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case in.State.Paused:
		return nil, runtime.ErrPaused
	case !in.State.Running:
		return nil, runtime.ErrNotRunning
	}
	dir := e.Dir
	if dir == "" {
		dir = "/workspace"
	}
	created, err := call(ctx, d.link, quick, "prepare the command", func(ctx context.Context, s *session) (container.ExecCreateResponse, error) {
		return s.ContainerExecCreate(ctx, in.ID, container.ExecOptions{
			Tty: e.TTY, AttachStdin: e.Stdin, AttachStdout: true, AttachStderr: true, Env: e.Env, WorkingDir: dir, Cmd: e.Command,
		})
	})
	if err != nil {
		return nil, d.execFault(ctx, r, err)
	}
	conn, err := d.attach(ctx, created.ID, e.TTY)
	if err != nil {
		return nil, d.execFault(ctx, r, err)
	}
	p := &process{d: d, id: created.ID, conn: conn, tty: e.TTY}
	if e.Stdin {
		p.stdin = &stdin{conn: conn}
	}
	if e.TTY && e.Cols > 0 && e.Rows > 0 {
		_ = p.Resize(ctx, e.Cols, e.Rows) // the command may have ended already
	}
	return p, nil
}

// execFault tells a container that changed meanwhile from other refusals.
func (d *Driver) execFault(ctx context.Context, r runtime.Ref, err error) error {
	if !cerrdefs.IsConflict(err) {
		return err
	}
	if in, ierr := d.inspect(ctx, r); ierr == nil {
		switch {
		case in.State.Paused:
			return runtime.ErrPaused
		case !in.State.Running:
			return runtime.ErrNotRunning
		}
	}
	return err
}

// attach starts the command. The client's own hijacking does not watch its
// context, so the connection is closed under it when the time is over.
func (d *Driver) attach(ctx context.Context, id string, tty bool) (types.HijackedResponse, error) {
	return call(ctx, d.link, slow, "start the command", func(ctx context.Context, s *session) (types.HijackedResponse, error) {
		stop := func() bool { return true }
		ctx = context.WithValue(ctx, dialedKey{}, func(c net.Conn) {
			stop = context.AfterFunc(ctx, func() { _ = c.Close() })
		})
		res, err := s.ContainerExecAttach(ctx, id, container.ExecAttachOptions{Tty: tty})
		if !stop() && err == nil {
			res.Close()
			err = ctx.Err()
		}
		return res, err
	})
}

// process is a command under way. Stdin and Copy may be used at the same time.
type process struct {
	d     *Driver
	id    string
	conn  types.HijackedResponse
	tty   bool
	stdin *stdin
}

// Stdin is where input goes; nil if none was asked for.
func (p *process) Stdin() io.WriteCloser {
	if p.stdin == nil {
		return nil
	}
	return p.stdin
}

// stdin is the writing half of the connection.
type stdin struct {
	conn types.HijackedResponse
	once sync.Once
	err  error
}

func (s *stdin) Write(b []byte) (int, error) { return s.conn.Conn.Write(b) }

// Close tells the command that no more input comes; its output goes on.
func (s *stdin) Close() error {
	s.once.Do(func() { s.err = s.conn.CloseWrite() })
	return s.err
}

// Copy copies output until the command closes it.
func (p *process) Copy(stdout, stderr io.Writer) error {
	var err error
	if p.tty {
		_, err = io.Copy(stdout, p.conn.Reader)
	} else {
		_, err = stdcopy.StdCopy(stdout, stderr, p.conn.Reader)
	}
	if err != nil {
		return fmt.Errorf("cannot copy the command's output: %w", err)
	}
	return nil
}

// Resize changes the size of the terminal, in characters.
func (p *process) Resize(ctx context.Context, cols, rows uint16) error {
	return do(ctx, p.d.link, quick, "resize the terminal", func(ctx context.Context, s *session) error {
		return s.ContainerExecResize(ctx, p.id, container.ResizeOptions{Height: uint(rows), Width: uint(cols)})
	})
}

// Exit waits for the command's end and returns its exit status. A command that the
// engine no longer knows was lost with an engine: ErrUnreachable, not a failure.
func (p *process) Exit(ctx context.Context) (int, error) {
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		in, err := call(ctx, p.d.link, quick, "ask for the exit status", func(ctx context.Context, s *session) (container.ExecInspect, error) {
			return s.ContainerExecInspect(ctx, p.id)
		})
		switch {
		case errors.Is(err, runtime.ErrNotFound):
			return -1, fmt.Errorf("cannot learn the exit status: %w: the engine has forgotten the command", runtime.ErrUnreachable)
		case err != nil:
			return -1, err
		case !in.Running:
			return in.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return -1, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Close ends the streams; the command itself goes on.
func (p *process) Close() error {
	p.conn.Close()
	return nil
}
