package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/creack/pty"
)

// screen is the terminal on which the dashboard is measured.
var screen = pty.Winsize{Cols: 120, Rows: 40}

// dashboard is one `wsctl dash` on a terminal. One goroutine takes what it draws.
type dashboard struct {
	cmd   *exec.Cmd
	tty   *os.File
	ended chan struct{}
	read  chan struct{} // closed when nothing more is drawn

	mu    sync.Mutex
	drawn []byte        // since the mark, at most its end
	more  chan struct{} // closed when something is drawn
}

// dashboard starts wsctl dash on a socket.
func (d *daemon) dashboard(socket string) (*dashboard, error) {
	b := &dashboard{ended: make(chan struct{}), read: make(chan struct{}), more: make(chan struct{})}
	b.cmd = exec.Command(d.s.wsctl, "dash", "--socket", socket)
	b.cmd.Env = append(slices.Clip(d.env), "TERM=xterm-256color")
	tty, err := pty.StartWithSize(b.cmd, &screen)
	if err != nil {
		return nil, err
	}
	b.tty = tty
	go b.take()
	go func() { defer close(b.ended); _ = b.cmd.Wait() }() // how it ends is not what is measured
	return b, nil
}

func (b *dashboard) take() {
	defer close(b.read)
	buf := make([]byte, 64<<10)
	for {
		n, err := b.tty.Read(buf)
		if n > 0 {
			b.mu.Lock()
			b.drawn = append(b.drawn, buf[:n]...)
			if over := len(b.drawn) - 1<<20; over > 0 {
				b.drawn = b.drawn[over:]
			}
			close(b.more)
			b.more = make(chan struct{})
			b.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// mark forgets what was drawn until now.
func (b *dashboard) mark() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drawn = b.drawn[:0]
}

func (b *dashboard) press(keys string) error {
	_, err := b.tty.WriteString(keys)
	return err
}

// until waits until a text is drawn after the mark.
func (b *dashboard) until(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		b.mu.Lock()
		found, more := bytes.Contains(b.drawn, []byte(text)), b.more
		b.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-more:
		case <-b.read:
			return fmt.Errorf("the dashboard ended before it drew %q", text)
		case <-ctx.Done():
			return fmt.Errorf("the dashboard did not draw %q: %w", text, ctx.Err())
		}
	}
}

// close leaves the dashboard by its key, or else kills it.
func (b *dashboard) close() error {
	if b == nil {
		return nil
	}
	defer func() { <-b.read }()
	defer b.tty.Close()
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	err := b.press("\x03")
	select {
	case <-b.ended:
		return nil
	case <-timer.C:
		return errors.Join(err, errors.New("the dashboard did not end at ctrl+c"), b.cmd.Process.Kill())
	}
}
