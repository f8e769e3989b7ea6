package gateway

import (
	"slices"
	"sync"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
)

// queue holds the frames that one receiver has yet to take. Whoever publishes never
// waits: push takes no longer than its lock, and a queue that is full ends by itself
// with resync and bye. One goroutine takes; any may push.
//
// What a receiver that never reads costs is therefore bounded by the limits, beside what
// it was given when it joined, which the ring of the room bounds.
type queue struct {
	maxFrames, maxBytes int
	slow                func() []*frame // the last frames of a receiver that is too slow
	wake                chan struct{}   // holds one token while there is something to take

	mu     sync.Mutex
	frames []*frame
	head   int // frames before it are taken
	bytes  int
	free   int // frames at the head that do not count against the limits: what was missed
	freeB  int // their bytes
	ended  bool
	code   websocket.StatusCode
	reason string
}

func newQueue(l Limits, slow func() []*frame) *queue {
	return &queue{maxFrames: l.QueueFrames, maxBytes: l.QueueBytes, slow: slow, wake: make(chan struct{}, 1)}
}

// push adds f. It reports false when the queue has ended, now or before.
func (q *queue) push(f *frame) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false
	}
	if f.key != "" {
		q.replace(f.key)
	}
	if len(q.frames)-q.head-q.free >= q.maxFrames || q.bytes-q.freeB+len(f.data) > q.maxBytes {
		q.finish(api.CloseSlow, "too slow", q.slow()...)
		return false
	}
	q.add(f)
	return true
}

// replace takes away the waiting frame of a key, which a newer one makes void.
func (q *queue) replace(key string) {
	for i := q.head + q.free; i < len(q.frames); i++ {
		if q.frames[i].key == key {
			q.bytes -= len(q.frames[i].data)
			q.frames = slices.Delete(q.frames, i, i+1)
			return
		}
	}
}

// give adds what a receiver has missed, whatever its size.
func (q *queue) give(list ...*frame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	for _, f := range list {
		q.add(f)
		q.free++
		q.freeB += len(f.data)
	}
}

func (q *queue) add(f *frame) {
	if q.head == len(q.frames) {
		q.head, q.frames = 0, q.frames[:0]
		if cap(q.frames) > 64 {
			q.frames = nil // a burst is no reason to keep its memory
		}
	}
	q.frames = append(q.frames, f)
	q.bytes += len(f.data)
	q.token()
}

func (q *queue) token() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// overflow ends a receiver that is too slow.
func (q *queue) overflow() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ended {
		q.finish(api.CloseSlow, "too slow", q.slow()...)
	}
}

// end lets the receiver take what waits and last, and then nothing.
func (q *queue) end(code websocket.StatusCode, reason string, last ...*frame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	last = append(slices.Clone(q.frames[q.head:]), last...)
	q.finish(code, reason, last...)
}

// finish leaves last as all that is to be taken.
func (q *queue) finish(code websocket.StatusCode, reason string, last ...*frame) {
	q.ended, q.code, q.reason = true, code, reason
	q.frames, q.head, q.bytes, q.free, q.freeB = last, 0, 0, 0, 0
	for _, f := range last {
		q.bytes += len(f.data)
	}
	q.token()
}

// take returns the next frame, or nil; over once there will be none. While there is more
// a token is left, so that whoever waits on wake misses nothing.
func (q *queue) take() (f *frame, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.frames) {
		return nil, q.ended
	}
	f = q.frames[q.head]
	q.frames[q.head] = nil
	q.head++
	q.bytes -= len(f.data)
	if q.free > 0 {
		q.free--
		q.freeB -= len(f.data)
	}
	if q.head > 64 && q.head*2 > len(q.frames) {
		q.frames = append(q.frames[:0], q.frames[q.head:]...)
		q.head = 0
	}
	return f, false
}

// goodbye is the close code of an ended queue.
func (q *queue) goodbye() (websocket.StatusCode, string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.code, q.reason
}

// size is how much waits.
func (q *queue) size() (frames, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.frames) - q.head, q.bytes
}

// isIdle reports whether nothing waits, and more may come.
func (q *queue) isIdle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.head == len(q.frames) && !q.ended
}

func (q *queue) isEnded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}
