package memory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

const (
	logLines = 1000     // lines kept of one container
	logLine  = 16 << 10 // bytes; longer lines come in pieces
)

// logs keeps the last lines of one container, guarded by the engine's mutex.
type logs struct {
	lines []workspace.LogLine
	next  uint64        // number of the next line
	more  chan struct{} // nil while nobody follows
}

// add appends text, cut into lines and pieces.
func (l *logs) add(now time.Time, stream, text string) {
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		for len(line) > logLine {
			l.push(workspace.LogLine{Time: now, Stream: stream, Text: line[:logLine]})
			line = line[logLine:]
		}
		l.push(workspace.LogLine{Time: now, Stream: stream, Text: line})
	}
	l.wake()
}

func (l *logs) push(line workspace.LogLine) {
	if len(l.lines) >= logLines {
		copy(l.lines, l.lines[1:])
		l.lines = l.lines[:logLines-1]
	}
	l.lines = append(l.lines, line)
	l.next++
}

// wake lets followers look again.
func (l *logs) wake() {
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// wait returns a channel that closes when there is more to see.
func (l *logs) wait() <-chan struct{} {
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.more
}

// from returns the kept lines from number n on, not older than since.
func (l *logs) from(n uint64, since time.Time) []workspace.LogLine {
	var out []workspace.LogLine
	first := l.next - uint64(len(l.lines))
	for i, line := range l.lines {
		if first+uint64(i) >= n && !line.Time.Before(since) {
			out = append(out, line)
		}
	}
	return out
}

// Logs implements runtime.Driver. Following ends with the run, and at once where
// nothing runs.
func (d *Driver) Logs(ctx context.Context, r runtime.Ref, o workspace.LogOptions, yield func(workspace.LogLine) error) error {
	var (
		c     *container
		life  *run
		batch []workspace.LogLine
		next  uint64
		more  <-chan struct{}
		cut   <-chan struct{}
	)
	look := func() {
		batch, next, more = c.logs.from(next, o.Since), c.logs.next, nil
		if o.Follow && life != nil && c.run == life {
			more = c.logs.wait()
		}
	}
	err := d.on(ctx, OpLogs, r, func(have *container, _ time.Time) error {
		c, life, cut = have, have.run, d.engine.cut
		look()
		return nil
	})
	if err != nil {
		return err
	}
	if o.Tail >= 0 && len(batch) > o.Tail {
		batch = batch[len(batch)-o.Tail:]
	}
	for {
		for _, line := range batch {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("cannot read more output: %w", err)
			}
			if err := yield(line); err != nil {
				return err
			}
		}
		if more == nil {
			return nil
		}
		if err := d.stream(ctx, cut, more); err != nil {
			return fmt.Errorf("cannot read more output: %w", err)
		}
		d.engine.mu.Lock()
		look()
		d.engine.mu.Unlock()
	}
}

// stream waits for more on an open stream, or says why it broke.
func (d *Driver) stream(ctx context.Context, cut, more <-chan struct{}) error {
	select {
	case <-more:
		return nil
	case <-cut:
		return runtime.ErrUnreachable
	case <-d.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
