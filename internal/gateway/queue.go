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
// it was given when it joined, which the ring of the room bounds; see forget for who joins
// again and again.
type queue struct {
	maxFrames, maxBytes int
	slow                func() []*frame // the last frames of a receiver that is too slow
	wake                chan struct{}   // holds one token while there is something to take

	mu     sync.Mutex
	frames []waiting
	head   int // frames before it are taken
	count  int // frames that wait and count against the limits
	bytes  int // of those
	ended  bool
	code   websocket.StatusCode
	reason string
}

// waiting is a frame that is to be taken.
type waiting struct {
	*frame
	free bool // it was missed: it does not count against the limits
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
	if q.count >= q.maxFrames || q.bytes+len(f.data) > q.maxBytes {
		q.finish(api.CloseSlow, "too slow", q.slow()...)
		return false
	}
	q.add(waiting{f, false})
	return true
}

// replace takes away the waiting frame of a key, which a newer one makes void.
func (q *queue) replace(key string) {
	for i, left := len(q.frames)-1, q.count; left > 0; i-- { // what was missed may be much, and stays
		switch w := q.frames[i]; {
		case w.free:
		case w.key == key:
			q.discount(w)
			q.frames = slices.Delete(q.frames, i, i+1)
			return
		default:
			left--
		}
	}
}

// forget takes away what waits of a room that the receiver has left: who joins it again is
// given anew what it has not taken. What answers the receiver stays.
func (q *queue) forget(room string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	rest := slices.DeleteFunc(q.frames[q.head:], func(w waiting) bool {
		void := w.room == room && w.typ != api.FrameError && w.typ != api.FrameLeft
		if void {
			q.discount(w)
		}
		return void
	})
	q.frames = q.frames[:q.head+len(rest)]
}

// discount notes that w waits no more.
func (q *queue) discount(w waiting) {
	if !w.free {
		q.count--
		q.bytes -= len(w.data)
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
		q.add(waiting{f, true})
	}
}

func (q *queue) add(w waiting) {
	if q.head == len(q.frames) {
		q.head, q.frames = 0, q.frames[:0]
		if cap(q.frames) > 64 {
			q.frames = nil // a burst is no reason to keep its memory
		}
	}
	q.frames = append(q.frames, w)
	if !w.free {
		q.count++
		q.bytes += len(w.data)
	}
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
	var rest []*frame
	for _, w := range q.frames[q.head:] {
		rest = append(rest, w.frame)
	}
	q.finish(code, reason, append(rest, last...)...)
}

// finish leaves last as all that is to be taken.
func (q *queue) finish(code websocket.StatusCode, reason string, last ...*frame) {
	q.ended, q.code, q.reason = true, code, reason
	q.frames, q.head, q.count, q.bytes = nil, 0, 0, 0
	for _, f := range last {
		q.add(waiting{f, true})
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
	next := q.frames[q.head]
	q.frames[q.head] = waiting{}
	q.head++
	q.discount(next)
	if q.head > 64 && q.head*2 > len(q.frames) {
		q.frames = slices.Delete(q.frames, 0, q.head)
		q.head = 0
	}
	return next.frame, false
}

// goodbye is the close code of an ended queue.
func (q *queue) goodbye() (websocket.StatusCode, string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.code, q.reason
}

// size is how much waits, what was missed included.
func (q *queue) size() (frames, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range q.frames[q.head:] {
		bytes += len(w.data)
	}
	return len(q.frames) - q.head, bytes
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
