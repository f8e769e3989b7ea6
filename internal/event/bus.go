package event

import "sync"

// Bus hands items to every subscriber in the order of Publish.
//
// Delivery: Publish never blocks. A subscriber that has not taken an item when
// its buffer is full is closed at once and must start over from a snapshot: a
// stream with holes would be worse than none. Subscribing, publishing and
// cancelling are safe for concurrent use; cancel may be called twice.
type Bus[T any] struct {
	mu   sync.Mutex
	next int
	subs map[int]chan T
	shut bool
}

// Subscribe returns a channel with room for n items and a cancel function. The
// channel is closed by cancel, by Close, or when the subscriber was too slow.
func (b *Bus[T]) Subscribe(n int) (<-chan T, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := make(chan T, n)
	if b.shut {
		close(ch)
		return ch, func() {}
	}
	if b.subs == nil {
		b.subs = make(map[int]chan T)
	}
	id := b.next
	b.next++
	b.subs[id] = ch
	return ch, func() { b.drop(id) }
}

// Publish hands items to every subscriber, closing those that are too slow.
func (b *Bus[T]) Publish(items ...T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, ch := range b.subs {
		for _, it := range items {
			select {
			case ch <- it:
				continue
			default:
			}
			delete(b.subs, id)
			close(ch)
			break
		}
	}
}

// Close ends every subscription, now and later.
func (b *Bus[T]) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = true
	for id, ch := range b.subs {
		delete(b.subs, id)
		close(ch)
	}
}

func (b *Bus[T]) drop(id int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ch, ok := b.subs[id]; ok {
		delete(b.subs, id)
		close(ch)
	}
}
