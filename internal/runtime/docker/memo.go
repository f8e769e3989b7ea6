package docker

import "sync"

// memo remembers what was looked up, to spare the next look; it may forget anything at
// any time. The zero value is ready, and safe for concurrent use.
type memo[K comparable, V any] struct {
	mu sync.Mutex
	m  map[K]V
}

// maxMemo bounds the memory; beyond it everything is forgotten.
const maxMemo = 256

func (o *memo[K, V]) get(key K) (V, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v, ok := o.m[key]
	return v, ok
}

func (o *memo[K, V]) set(key K, v V) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil || len(o.m) >= maxMemo {
		o.m = map[K]V{}
	}
	o.m[key] = v
}

// take gets what is remembered, once.
func (o *memo[K, V]) take(key K) (V, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v, ok := o.m[key]
	delete(o.m, key)
	return v, ok
}
