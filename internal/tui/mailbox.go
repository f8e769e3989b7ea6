package tui

import (
	"context"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// The least times between two deliveries of a mailbox: what is told in between is seen at
// once. What moves by itself may jump five times a second; lines that scroll may not.
const (
	newsPace = 200 * time.Millisecond
	linePace = 33 * time.Millisecond
)

// mailbox gathers what a stream tells until the model takes it. Any goroutine may put;
// neither side waits for the other: put merges into one value, whose size its owner
// bounds, and taking hands that value over.
type mailbox[T any] struct {
	mu    sync.Mutex
	box   T
	ended bool
	err   error
	ready chan struct{} // holds one token while there is something to take
}

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{ready: make(chan struct{}, 1)} }

func (m *mailbox[T]) put(merge func(*T)) {
	m.mu.Lock()
	merge(&m.box)
	m.mu.Unlock()
	m.wake()
}

func (m *mailbox[T]) end(err error) {
	m.mu.Lock()
	m.ended, m.err = true, err
	m.mu.Unlock()
	m.wake()
}

func (m *mailbox[T]) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// parcel is what was taken. Stream names the stream, so that what an older one still
// delivers is told from the present one's.
type parcel[T any] struct {
	stream *stream[T]
	got    T
	over   bool
	err    error
}

// stream is one running call of Source that tells something again and again.
type stream[T any] struct {
	ctx    context.Context
	cancel context.CancelFunc
	box    *mailbox[T]
	pace   time.Duration
}

// begin returns a stream and the command that runs it and waits for the first parcel.
func begin[T any](ctx context.Context, pace time.Duration, run func(ctx context.Context, put func(func(*T))) error) (*stream[T], tea.Cmd) {
	s := &stream[T]{box: newMailbox[T](), pace: pace}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s, func() tea.Msg {
		go func() { s.box.end(run(s.ctx, s.box.put)) }()
		return s.take()
	}
}

// next waits for the next parcel.
func (s *stream[T]) next() tea.Cmd {
	return func() tea.Msg {
		pause := time.NewTimer(s.pace)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-s.ctx.Done():
			return nil
		}
		return s.take()
	}
}

func (s *stream[T]) take() tea.Msg {
	select {
	case <-s.box.ready:
	case <-s.ctx.Done():
		return nil
	}
	m := s.box
	m.mu.Lock()
	defer m.mu.Unlock()
	p := parcel[T]{stream: s, got: m.box, over: m.ended, err: m.err}
	var zero T
	m.box = zero
	return p
}

// stop ends the stream; nil is none.
func (s *stream[T]) stop() {
	if s != nil {
		s.cancel()
	}
}
