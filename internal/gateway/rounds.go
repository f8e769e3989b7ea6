package gateway

import (
	"sync"
	"time"
)

// rounds wakes connections that are due in the same second together, by one timer: a timer for
// each, however near to the next, is a wake-up of the whole process. Each connection goes on in
// a goroutine of its own, so that one that does not read holds up nobody.
type rounds struct {
	mu  sync.Mutex
	due map[int64][]*conn // by second since 1970
}

// add has c asked at a full second.
func (r *rounds) add(at time.Time, c *conn) {
	second := at.Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due == nil {
		r.due = map[int64][]*conn{}
	}
	list, there := r.due[second]
	if !there {
		time.AfterFunc(time.Until(at), func() { r.begin(second) })
	}
	r.due[second] = append(list, c)
}

func (r *rounds) begin(second int64) {
	r.mu.Lock()
	list := r.due[second]
	delete(r.due, second)
	r.mu.Unlock()
	for _, c := range list {
		go c.ask()
	}
}
