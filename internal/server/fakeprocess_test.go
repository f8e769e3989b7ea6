package server

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/wsctl/wsctl/internal/runtime"
)

// fakeProcess is a command whose main is a Go function.
type fakeProcess struct {
	spec        runtime.ExecSpec
	in          *io.PipeReader // what the command reads
	inW         *io.PipeWriter
	outR, errR  *io.PipeReader
	out, errOut *io.PipeWriter
	exit        chan int
	closed      chan struct{}
	once        sync.Once
	mu          sync.Mutex
	cols, rows  uint16
	stdinCloses int
}

func newFakeProcess(spec runtime.ExecSpec, main func(*fakeProcess) int) *fakeProcess {
	p := &fakeProcess{spec: spec, exit: make(chan int, 1), closed: make(chan struct{}), cols: spec.Cols, rows: spec.Rows}
	p.in, p.inW = io.Pipe()
	p.outR, p.out = io.Pipe()
	p.errR, p.errOut = io.Pipe()
	go func() {
		code := main(p)
		_ = p.out.Close()
		_ = p.errOut.Close()
		_ = p.in.Close()
		p.exit <- code
	}()
	return p
}

type closeOnce struct {
	io.Writer
	close func() error
}

func (c closeOnce) Close() error { return c.close() }

func (p *fakeProcess) Stdin() io.WriteCloser {
	if !p.spec.Stdin {
		return nil
	}
	return closeOnce{p.inW, func() error {
		p.mu.Lock()
		p.stdinCloses++
		p.mu.Unlock()
		return p.inW.Close()
	}}
}

func (p *fakeProcess) Copy(stdout, stderr io.Writer) error {
	errs := make(chan error, 2)
	go func() { _, err := io.Copy(stdout, p.outR); errs <- err }()
	go func() { _, err := io.Copy(stderr, p.errR); errs <- err }()
	return errors.Join(<-errs, <-errs)
}

func (p *fakeProcess) Resize(_ context.Context, cols, rows uint16) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cols, p.rows = cols, rows
	return nil
}

func (p *fakeProcess) size() (uint16, uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cols, p.rows
}

func (p *fakeProcess) Exit(ctx context.Context) (int, error) {
	select {
	case code := <-p.exit:
		return code, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (p *fakeProcess) Close() error {
	p.once.Do(func() {
		close(p.closed)
		gone := errors.New("streams given up")
		_ = p.inW.CloseWithError(gone)
		_ = p.outR.CloseWithError(gone)
		_ = p.errR.CloseWithError(gone)
		_ = p.out.CloseWithError(gone)
		_ = p.errOut.CloseWithError(gone)
	})
	return nil
}
