package main

import (
	"context"
	"io"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
)

// terminal is a look at a terminal that runs cat.
type terminal struct {
	in     *io.PipeWriter
	out    *io.PipeReader
	cancel context.CancelFunc
	ended  chan error
}

// terminal attaches and waits until the terminal echoes.
func (d *daemon) terminal(ctx context.Context, name string) (*terminal, error) {
	ctx, cancel := context.WithCancel(ctx)
	keys, in := io.Pipe()
	out, shown := io.Pipe()
	t := &terminal{in: in, out: out, cancel: cancel, ended: make(chan error, 1)}
	start := api.TerminalStart{ExecStart: api.ExecStart{Command: []string{"cat"}, TTY: true, Stdin: true, Cols: 80, Rows: 24}}
	go func() {
		_, err := d.client.AttachTerminal(ctx, name, "bench", start, client.ExecStreams{In: keys, Out: shown, Err: shown})
		shown.CloseWithError(err)
		t.ended <- err
	}()
	return t, t.key('x')
}

// key types one character and waits for its echo.
func (t *terminal) key(c byte) error {
	if _, err := t.in.Write([]byte{c}); err != nil {
		return err
	}
	one := make([]byte, 1)
	for {
		if _, err := t.out.Read(one); err != nil {
			return err
		}
		if one[0] == c {
			return nil
		}
	}
}

func (t *terminal) close() {
	t.cancel()
	_ = t.in.Close()
	_ = t.out.Close()
	<-t.ended //nolint:errcheck // it was cancelled
}
