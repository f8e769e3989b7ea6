package client

import (
	"slices"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

const (
	maxSamples   = 128                    // docs/gateway.md
	interestRest = 100 * time.Millisecond // between two changes: somebody scrolls
)

// Interest is the workspaces whose samples a reader wants: those that somebody can see. It
// belongs to one subscription, which tells wsd of it again after each lost connection.
type Interest struct {
	changed chan struct{} // holds one token while wsd does not know

	mu  sync.Mutex
	ids []string
}

// NewInterest returns an interest in nothing.
func NewInterest() *Interest { return &Interest{changed: make(chan struct{}, 1)} }

// Set replaces the ids; of more than 128 the first. The same ids again are not told again.
// It never blocks, and may be called from any goroutine at any time.
func (i *Interest) Set(ids []string) {
	ids = ids[:min(len(ids), maxSamples)]
	i.mu.Lock()
	defer i.mu.Unlock()
	if slices.Equal(i.ids, ids) {
		return
	}
	i.ids = slices.Clone(ids)
	i.poke()
}

// poke lets wsd be told.
func (i *Interest) poke() {
	select {
	case i.changed <- struct{}{}:
	default:
	}
}

func (i *Interest) samples() api.Samples {
	i.mu.Lock()
	defer i.mu.Unlock()
	return api.Samples{Workspaces: append([]string{}, i.ids...)}
}

// relay tells wsd of each change, until the connection ends. What could not be told is left
// to the next connection.
func (i *Interest) relay(w *wire, room string) {
	said := false
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-i.changed:
		}
		p := i.samples()
		if len(p.Workspaces) == 0 && !said {
			continue
		}
		said = true
		if w.send(api.FrameSamples, room, p) != nil {
			i.poke()
			return
		}
		if pause(w.ctx, interestRest) != nil {
			return
		}
	}
}
