package front

import (
	"sync"
	"time"
)

// A person's workspaces are woken at most so often: what asks more is not a person.
const (
	wakesAtOnce = 60
	wakeEvery   = 2 * time.Second // thirty a minute in the long run
)

// budget counts starts by request, one bucket for each owner. It is safe for concurrent use.
type budget struct {
	mu     sync.Mutex
	owners map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// take reports whether owner may start one more at now, and else after how long.
func (b *budget) take(owner string, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owners == nil {
		b.owners = make(map[string]bucket)
	}
	have, known := b.owners[owner]
	if !known {
		have = bucket{left: wakesAtOnce, at: now}
	}
	have.left = min(wakesAtOnce, have.left+float64(now.Sub(have.at))/float64(wakeEvery))
	have.at = now
	if have.left < 1 {
		b.owners[owner] = have
		return time.Duration((1 - have.left) * float64(wakeEvery)), false
	}
	have.left--
	b.owners[owner] = have
	return 0, true
}
